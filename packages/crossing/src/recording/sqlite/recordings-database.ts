/**
 * The metadata of all recordings in one embedded database: who records what, which exchange lies where, and the index
 * by which conversations are recognised. Several processes may write at once; each batch is one transaction.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite'
import { CrossingError } from '../../errors.ts'
import { schema, schemaVersion } from './schema.ts'

export type Row = Record<string, SQLOutputValue>

export class RecordingsDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** @throws {CrossingError} CROSSING_STORAGE */
  constructor(path: string) {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      closeSync(openSync(path, 'a', 0o600))
      chmodSync(path, 0o600)
      this.#database = new DatabaseSync(path, { timeout: 5000 })
      // Deleted keys are overwritten with zeros, not merely unlinked.
      this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;')
      this.#database.exec('PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 16777216;')
      this.#migrate()
    } catch (error) {
      if (error instanceof CrossingError) throw error
      throw new CrossingError(
        'CROSSING_STORAGE',
        `The recordings ${path} cannot be opened: ${(error as Error).message}.`,
        {
          cause: error,
        },
      )
    }
  }

  #migrate(): void {
    const version = (): number => Number(this.#database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
    if (version() > schemaVersion)
      throw new CrossingError(
        'CROSSING_STORAGE',
        `The recordings have schema ${version()}, this program knows ${schemaVersion}; use the newer program.`,
      )
    if (version() === schemaVersion) return
    this.transaction(() => {
      // Another process may have been first.
      if (version() === schemaVersion) return
      this.#database.exec(`${schema}\nPRAGMA user_version = ${schemaVersion};`)
    })
  }

  one(sql: string, ...values: readonly SQLInputValue[]): Row | null {
    return this.#statement(sql).get(...values) ?? null
  }

  all(sql: string, ...values: readonly SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values)
  }

  /** Rows changed, and the number of the row inserted last. */
  run(sql: string, ...values: readonly SQLInputValue[]): { readonly changes: number; readonly inserted: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values)
    return { changes: Number(changes), inserted: Number(lastInsertRowid) }
  }

  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** Writes the log back and empties it: what was deleted is then nowhere in the files. */
  checkpoint(): void {
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#statements.clear()
    if (this.#database.isOpen) this.#database.close()
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

/** Is it the disk that is full? (SQLite's primary result code 13, or the system's own words.) */
export function isDiskFull(error: unknown): boolean {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown }
  return code === 'ENOSPC' || code === 'EDQUOT' || (typeof errcode === 'number' && (errcode & 0xff) === 13)
}
