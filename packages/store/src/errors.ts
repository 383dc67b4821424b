/** Errors of the store: a sentence an operator can act on, a stable code, the engine's own words as `cause`. */
import type { ErrorEntry } from '@portolan/wire'

export const storeErrors = {
  STORE_DISK_FULL: {
    kind: 'internal',
    summary: 'The disk that holds the ledger is full. Rows are kept in memory and written again.',
    remedy: 'Free space or move the data directory; no restart is needed.',
  },
  STORE_READ_ONLY: {
    kind: 'internal',
    summary: 'The data directory or the database file cannot be written.',
    remedy: 'Check owner and mode of the data directory, and whether the disk was mounted read-only.',
  },
  STORE_CANNOT_OPEN: {
    kind: 'internal',
    summary: 'The database cannot be opened.',
    remedy: 'Check that the data directory exists or can be created, and that it is a directory.',
  },
  STORE_CORRUPT: {
    kind: 'internal',
    summary: 'The database file is damaged or is not a database.',
    remedy: 'Move it away and restore a backup; the program does not repair it.',
  },
  STORE_NEWER_SCHEMA: {
    kind: 'internal',
    summary: 'The database was written by a newer version of the program.',
    remedy: 'Start that version or a later one, or give this one another data directory.',
  },
  STORE_BUSY: {
    kind: 'overloaded',
    summary: 'Another process kept the database locked for longer than the busy timeout.',
    remedy: 'Look for a second program on the same data directory.',
  },
  STORE_QUEUE_FULL: {
    kind: 'overloaded',
    summary: 'More rows wait to be written than the writer may hold.',
    remedy: 'The disk is too slow or full; the oldest waiting rows are still being retried.',
  },
  STORE_CLOSED: {
    kind: 'internal',
    summary: 'The store was closed before the call.',
    remedy: 'Open it again; rows given before closing were written.',
  },
  STORE_BAD_ROW: {
    kind: 'internal',
    summary: 'A row holds a value that its column cannot take.',
    remedy: 'Correct the field named in the message; the other rows of the batch were written.',
  },
  STORE_NO_ROW: {
    kind: 'not-found',
    summary: 'The ledger has no row by that request id; it may be in an archive.',
    remedy: '`portolan usage --last 20` shows request ids. Rows in an archive cannot be corrected any more.',
  },
  STORE_ARCHIVE: {
    kind: 'internal',
    summary: 'An archive of ledger rows could not be written, or does not hold what it must.',
    remedy: 'The rows are still in the ledger. Check the directory, or restore the file named in the message.',
  },
  STORE_FAILED: {
    kind: 'internal',
    summary: 'The database refused an operation for another reason, given in the message.',
    remedy: 'See the message.',
  },
} as const satisfies Record<string, ErrorEntry>

export type StoreErrorCode = keyof typeof storeErrors

export class StoreError extends Error {
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}
