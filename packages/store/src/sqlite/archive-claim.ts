/**
 * Who is archiving, and which file is being written: noted before the first byte of it.
 *
 * Two processes never archive at once, and what a killed one left half done is found by its name and removed, never
 * by guessing from a directory that other ledgers may share. A claim falls to the next process when its owner is gone
 * or has said nothing for ten minutes; an owner that lost it finds out before it changes anything.
 */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../errors.ts'
import { inTransaction } from './database.ts'

interface Claim {
  readonly token: string
  readonly pid: number
  readonly atMs: number
  /** Being written; null: between two files. */
  readonly file: string | null
}

const name = 'archive.claim'
const silentMs = 600_000

export class ArchiveClaim {
  readonly #database: DatabaseSync
  readonly #token = randomUUID()
  readonly #now: () => number

  /** @throws {StoreError} STORE_ARCHIVE while another process archives. */
  constructor(database: DatabaseSync, now: () => number) {
    this.#database = database
    this.#now = now
    const left = inTransaction(database, () => {
      const before = this.#read()
      if (before !== null && before.pid !== process.pid && isAlive(before.pid) && now() - before.atMs < silentMs)
        throw new StoreError('STORE_ARCHIVE', `Process ${before.pid} is archiving this ledger; nothing was moved.`)
      this.#write(before?.file ?? null)
      return before?.file ?? null
    })
    if (left !== null) this.#removeUnknown(left)
  }

  /** Before the first byte of a file. */
  writing(file: string): void {
    inTransaction(this.#database, () => {
      this.mustHold()
      this.#write(file)
    })
  }

  /** Within the transaction that makes the file the ledger's own. */
  written(): void {
    this.mustHold()
    this.#write(null)
  }

  /** Within a transaction. @throws {StoreError} STORE_ARCHIVE when another process took over. */
  mustHold(): void {
    if (this.#read()?.token !== this.#token)
      throw new StoreError('STORE_ARCHIVE', 'Another process has taken over archiving; its files count, not these.')
  }

  /** However it ended: a file that the ledger does not know is removed. */
  release(): void {
    const claim = this.#read()
    if (claim?.token !== this.#token) return
    if (claim.file !== null) this.#removeUnknown(claim.file)
    inTransaction(this.#database, () => {
      if (this.#read()?.token === this.#token) this.#database.prepare('DELETE FROM settings WHERE name = ?').run(name)
    })
  }

  #removeUnknown(file: string): void {
    const known = this.#database.prepare('SELECT 1 FROM ledger_archives WHERE file = ?').get(file) !== undefined
    const manifest = manifestPath(file)
    for (const path of known ? [] : [file, `${file}.part`, manifest, `${manifest}.part`]) rmSync(path, { force: true })
  }

  #read(): Claim | null {
    const value = this.#database.prepare('SELECT value FROM settings WHERE name = ?').get(name)?.['value']
    return typeof value === 'string' ? (JSON.parse(value) as Claim) : null
  }

  #write(file: string | null): void {
    const claim: Claim = { token: this.#token, pid: process.pid, atMs: this.#now(), file }
    this.#database
      .prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
      .run(name, JSON.stringify(claim))
  }
}

/** The manifest that lies beside an archive. */
export function manifestPath(file: string): string {
  return file.replace(/\.csv\.gz$/, '.manifest.json')
}

function isAlive(pid: number): boolean {
  try {
    // Signal 0 asks, and does nothing.
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
