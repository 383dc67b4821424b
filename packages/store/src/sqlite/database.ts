/**
 * Opens the embedded database: directory and file modes, pragmas, migrations, and engine errors in words.
 *
 * WAL, so that readers never block the writer. `synchronous=NORMAL` keeps every commit through a crash of the
 * process (`kill -9`); a power cut may lose the last commits but never damages the file. FULL pays one fsync
 * for each commit and keeps them through a power cut too.
 */
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError, type StoreErrorCode } from '../errors.ts'

export interface DatabaseOptions {
  /** File path; its directory is created with mode 0700 when missing. */
  readonly path: string
  readonly synchronous?: 'NORMAL' | 'FULL'
  /** How long to wait for another process's lock. Default 5000. */
  readonly busyTimeoutMs?: number
  /** Where the numbered `.sql` files lie; a test may give its own. */
  readonly migrationsUrl?: URL
}

// The .sql files are published with the sources; this path holds from src/sqlite/ and from dist/sqlite/.
const bundledMigrations = new URL('../../src/sqlite/migrations/', import.meta.url)

/** @throws {StoreError} STORE_CANNOT_OPEN, STORE_READ_ONLY, STORE_CORRUPT, STORE_NEWER_SCHEMA, STORE_DISK_FULL */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  const { path, synchronous = 'NORMAL', busyTimeoutMs = 5000, migrationsUrl = bundledMigrations } = options
  prepareFile(path)
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs })
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = ON;`)
    // 4 MiB of page cache: inserts touch the right edge of each tree, and memory is a bar of its own.
    database.exec('PRAGMA cache_size = -4096; PRAGMA journal_size_limit = 67108864;')
    migrate(database, migrationsUrl)
    return database
  } catch (error) {
    database?.close()
    throw toStoreError(error, `opening ${path}`)
  }
}

/** The file is created with mode 0600 before SQLite sees it; its -wal and -shm files take the same mode. */
function prepareFile(path: string): void {
  const directory = dirname(path)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new StoreError('STORE_DISK_FULL', `No space left for the database ${path}.`, { cause })
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
      throw new StoreError('STORE_READ_ONLY', `The database ${path} cannot be written (${code}).`, { cause })
    throw new StoreError('STORE_CANNOT_OPEN', `The database ${path} cannot be opened (${code}).`, { cause })
  }
}

/** Applies what is missing, each file in its own transaction; `user_version` counts the files applied. */
function migrate(database: DatabaseSync, migrationsUrl: URL): void {
  const files = readdirSync(migrationsUrl)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort((a, b) => (a < b ? -1 : 1))
  if (schemaVersion(database) > files.length)
    throw new StoreError(
      'STORE_NEWER_SCHEMA',
      `The database has schema ${schemaVersion(database)}, this program knows ${files.length}.`,
    )
  for (const [index, file] of files.entries()) {
    if (schemaVersion(database) > index) continue
    const sql = readFileSync(new URL(file, migrationsUrl), 'utf8')
    inTransaction(database, () => {
      // Another process may have migrated while this one waited for the lock.
      if (schemaVersion(database) > index) return
      database.exec(sql)
      database.exec(`PRAGMA user_version = ${index + 1}`)
    })
  }
}

function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
}

/** Runs `work` in one write transaction; rolls back and throws a StoreError when it fails. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  let begun = false
  try {
    // IMMEDIATE takes the write lock at once, so that a busy database fails here and not half-way.
    database.exec('BEGIN IMMEDIATE')
    begun = true
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (begun) rollBack(database)
    throw toStoreError(error, 'writing')
  }
}

function rollBack(database: DatabaseSync): void {
  try {
    // A full disk makes SQLite roll back on its own; then there is nothing left to undo.
    if (database.isTransaction) database.exec('ROLLBACK')
  } catch {
    // The first error says more than this one.
  }
}

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
const codes = new Map<number, StoreErrorCode>([
  [5, 'STORE_BUSY'],
  [6, 'STORE_BUSY'],
  [8, 'STORE_READ_ONLY'],
  [11, 'STORE_CORRUPT'],
  [13, 'STORE_DISK_FULL'],
  [14, 'STORE_CANNOT_OPEN'],
  [26, 'STORE_CORRUPT'],
])

export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error
  const cause = error instanceof Error ? error : new Error(String(error))
  const errcode = 'errcode' in cause && typeof cause.errcode === 'number' ? cause.errcode & 0xff : 0
  const closed = 'code' in cause && cause.code === 'ERR_INVALID_STATE'
  const code = closed ? 'STORE_CLOSED' : (codes.get(errcode) ?? 'STORE_FAILED')
  return new StoreError(code, `The database failed while ${doing}: ${cause.message}.`, { cause })
}
