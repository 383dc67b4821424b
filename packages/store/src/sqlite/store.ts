/** Everything embedded, in one file of a data directory: ledger, keys, teams, limits and reasoning memory. */
import { join } from 'node:path'
import { InProcessReasoningMemory, type MemoryBounds } from '../in-process-memory.ts'
import type { ReasoningMemory } from '../memory.ts'
import { SqliteAlertStore } from './alerts.ts'
import { SqliteBudgetStore } from './budgets.ts'
import { openDatabase } from './database.ts'
import { SqliteKeyStore } from './keys.ts'
import { SqliteLedger } from './ledger.ts'
import { SqliteLimitStore } from './limits.ts'
import { SqliteReasoningMemory } from './memory.ts'
import { SqliteSettings } from './settings.ts'
import { SqliteTeamStore } from './teams.ts'

export interface SqliteStoreOptions {
  /** Created with mode 0700 when missing; the database is `portolan.db` in it. */
  readonly directory: string
  /** Default NORMAL: safe against a crash of the process; FULL also against a power cut. */
  readonly synchronous?: 'NORMAL' | 'FULL'
  readonly busyTimeoutMs?: number
  /** 32 bytes: reasoning is remembered across restarts, encrypted. Absent: in the process only. */
  readonly memoryKey?: Uint8Array
  readonly memoryBounds?: Partial<MemoryBounds>
  /** Unix ms, for the ledger's batches. Default: the machine's clock. */
  readonly now?: () => number
}

export interface SqliteStore {
  readonly path: string
  readonly ledger: SqliteLedger
  readonly keys: SqliteKeyStore
  readonly teams: SqliteTeamStore
  readonly limits: SqliteLimitStore
  readonly budgets: SqliteBudgetStore
  readonly alerts: SqliteAlertStore
  readonly settings: SqliteSettings
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
  const limits = new SqliteLimitStore(database)
  return {
    path,
    ledger: new SqliteLedger(database, options.now),
    keys: new SqliteKeyStore(database),
    teams: new SqliteTeamStore(database),
    limits,
    budgets: new SqliteBudgetStore(database, limits),
    alerts: new SqliteAlertStore(database),
    settings: new SqliteSettings(database),
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
