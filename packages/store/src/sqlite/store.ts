/** Everything embedded, in one file of a data directory: ledger, keys, budgets and reasoning memory. */
import { join } from 'node:path'
import { InProcessReasoningMemory, type MemoryBounds } from '../in-process-memory.ts'
import type { ReasoningMemory } from '../memory.ts'
import { SqliteBudgetStore } from './budgets.ts'
import { openDatabase } from './database.ts'
import { SqliteKeyStore } from './keys.ts'
import { SqliteLedger } from './ledger.ts'
import { SqliteReasoningMemory } from './memory.ts'

export interface SqliteStoreOptions {
  /** Created with mode 0700 when missing; the database is `portolan.db` in it. */
  readonly directory: string
  /** Default NORMAL: safe against a crash of the process; FULL also against a power cut. */
  readonly synchronous?: 'NORMAL' | 'FULL'
  readonly busyTimeoutMs?: number
  /** 32 bytes: reasoning is remembered across restarts, encrypted. Absent: in the process only. */
  readonly memoryKey?: Uint8Array
  readonly memoryBounds?: Partial<MemoryBounds>
}

export interface SqliteStore {
  readonly path: string
  readonly ledger: SqliteLedger
  readonly keys: SqliteKeyStore
  readonly budgets: SqliteBudgetStore
  readonly memory: ReasoningMemory
  /** Maintenance statements (`PRAGMA`, `VACUUM INTO`); never with text from a caller. */
  exec(sql: string): void
  /** Close the LedgerWriter first. Idempotent. */
  close(): void
}

/** @throws {StoreError} saying what is wrong with the directory, the disk or the file. */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  const path = join(options.directory, 'portolan.db')
  const database = openDatabase({ path, synchronous: options.synchronous, busyTimeoutMs: options.busyTimeoutMs })
  const { memoryKey, memoryBounds } = options
  return {
    path,
    ledger: new SqliteLedger(database),
    keys: new SqliteKeyStore(database),
    budgets: new SqliteBudgetStore(database),
    memory:
      memoryKey === undefined
        ? new InProcessReasoningMemory(memoryBounds)
        : new SqliteReasoningMemory(database, memoryKey, memoryBounds),
    exec: (sql) => database.exec(sql),
    close: () => {
      if (database.isOpen) database.close()
    },
  }
}
