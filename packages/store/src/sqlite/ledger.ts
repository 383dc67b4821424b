/**
 * The ledger on node:sqlite: one prepared insert an entry, one upsert a rollup group, one line a batch in the hash
 * chain, one transaction for all of it.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { billingOf, correctedRow, correctionProblem, type Correction, type CorrectionInput } from '../corrections.ts'
import { StoreError } from '../errors.ts'
import {
  rowProblem,
  type AppendResult,
  type Ledger,
  type LedgerRow,
  type UsageLine,
  type UsageQuery,
} from '../ledger.ts'
import type { LedgerCheck } from '../ledger-check.ts'
import type { ArchiveManifest, ArchiveOptions, KnownArchive } from '../ledger-archive.ts'
import { archiveLedger, archiveProblem, knownArchives } from './archive.ts'
import { BatchChain, type BatchEntry } from './chain.ts'
import { inTransaction, toStoreError } from './database.ts'
import { correctionBody, digestOf, readCorrectionBody, readRowBody, rowBody } from './entry-body.ts'
import { RollupTables, addToRollups, dayMs, type Rollups } from './rollups.ts'
import { verifyLedger, type VerifyOptions } from './verify.ts'
import { queryUsage } from './usage-query.ts'

type Fields = Readonly<Record<string, unknown>>

export class SqliteLedger implements Ledger {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync
  readonly #insertCorrection: StatementSync
  readonly #rollups: RollupTables
  readonly #chain: BatchChain
  readonly #now: () => number

  /** `now` is read once a batch, for its line in the chain. */
  constructor(database: DatabaseSync, now: () => number = Date.now) {
    this.#database = database
    this.#now = now
    this.#insert = database.prepare(
      `INSERT INTO entries (seq, request_id, key_id, digest, body) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (request_id) DO NOTHING`,
    )
    this.#insertCorrection = database.prepare(
      `INSERT INTO corrections (seq, correction_id, request_id, digest, body) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (correction_id) DO NOTHING`,
    )
    this.#rollups = new RollupTables(database)
    this.#chain = new BatchChain(database)
  }

  append(rows: readonly LedgerRow[]): AppendResult {
    if (rows.length === 0) return { inserted: 0, ignored: 0 }
    for (const row of rows) {
      const problem = rowProblem(row)
      if (problem !== null) throw new StoreError('STORE_BAD_ROW', `Row "${row.requestId.slice(0, 40)}": ${problem}`)
    }
    return this.#commit(rows, (given, add) => {
      const row = given.tag === null ? given : this.#filed(given)
      const body = rowBody(row)
      const digest = digestOf(body)
      const keyId = row.keyId === null || row.keyId.length <= 128 ? row.keyId : row.keyId.slice(0, 128).toWellFormed()
      return add(digest, row, (seq, rollups) => {
        if (this.#insert.run(seq, row.requestId, keyId, digest, body).changes === 0) return false
        addToRollups(rollups, row, 1)
        return true
      })
    })
  }

  correct(corrections: readonly CorrectionInput[]): AppendResult {
    if (corrections.length === 0) return { inserted: 0, ignored: 0 }
    for (const correction of corrections) {
      const problem = correctionProblem(correction)
      if (problem !== null)
        throw new StoreError('STORE_BAD_ROW', `Correction "${correction.correctionId.slice(0, 40)}": ${problem}`)
    }
    return this.#commit(corrections, (input, add) => {
      const row = this.find(input.requestId)
      if (row === null)
        throw new StoreError('STORE_NO_ROW', `The ledger has no row "${input.requestId.slice(0, 128)}" to correct.`)
      const before = correctedRow(row, this.corrections(input.requestId))
      const body = correctionBody({ ...input, before: billingOf(before) })
      const digest = digestOf(body)
      return add(digest, row, (seq, rollups) => {
        if (this.#insertCorrection.run(seq, input.correctionId, input.requestId, digest, body).changes === 0)
          return false
        // Read back: the sums follow what is stored.
        addToRollups(rollups, before, -1)
        addToRollups(rollups, { ...row, ...readCorrectionBody(body).after }, 1)
        return true
      })
    })
  }

  usage(query: UsageQuery): readonly UsageLine[] {
    return this.#reading(() => queryUsage(this.#database, query))
  }

  recent(limit: number, filter: { readonly keyId?: string } = {}): readonly LedgerRow[] {
    const bounded = Math.max(0, Math.min(Math.trunc(limit), 10_000))
    const where = filter.keyId === undefined ? '' : 'WHERE key_id = ?'
    const bound = filter.keyId === undefined ? [bounded] : [filter.keyId, bounded]
    return this.#all(`SELECT body FROM entries ${where} ORDER BY seq DESC LIMIT ?`, bound).map(toLedgerRow)
  }

  find(requestId: string): LedgerRow | null {
    const [fields] = this.#all('SELECT body FROM entries WHERE request_id = ?', [requestId])
    return fields === undefined ? null : toLedgerRow(fields)
  }

  corrections(requestId: string): readonly Correction[] {
    return this.#all('SELECT body FROM corrections WHERE request_id = ? ORDER BY seq', [requestId]).map((fields) =>
      readCorrectionBody(String(fields['body'])),
    )
  }

  /** Walks the whole table: for checks, never for a page. */
  countRows(): number {
    const [fields] = this.#all('SELECT COUNT(*) AS rows FROM entries', [])
    return Number(fields?.['rows'] ?? 0)
  }

  /** Sums up the days and months that are over; happens by itself at the first row of a new day. */
  sealSums(): void {
    inTransaction(this.#database, () => this.#rollups.seal(Math.floor(this.#now() / dayMs) * dayMs))
  }

  /** Walks everything: minutes for tens of millions of rows. Writers go on meanwhile; what they add is not seen. */
  verify(options: VerifyOptions = {}): LedgerCheck {
    return this.#reading(() => verifyLedger(this.#database, options))
  }

  /**
   * Rows that started in a half-open range, oldest commit first, with their corrections applied. Reads a page at a
   * time, so that neither memory nor a writer waits for a long export.
   */
  *rows(
    filter: { readonly fromMs?: number; readonly untilMs?: number; readonly keyId?: string } = {},
  ): Generator<LedgerRow> {
    const { fromMs = -Infinity, untilMs = Infinity, keyId = null } = filter
    const bound = (ms: number): number => Math.max(-8.64e15, Math.min(ms, 8.64e15))
    const [edges] = this.#all(
      'SELECT MIN(first_seq) AS first, MAX(last_seq) AS last FROM ledger_batches WHERE latest_ms >= ? AND earliest_ms < ?',
      [bound(fromMs), bound(untilMs)],
    )
    for (let at = Number(edges?.['first'] ?? 1) - 1; ;) {
      const page = this.#all(
        `SELECT seq, body, (SELECT c.body FROM corrections AS c WHERE c.request_id = e.request_id
           ORDER BY c.seq DESC LIMIT 1) AS correction
         FROM entries AS e WHERE seq > ?1 AND seq <= ?2 AND (?3 IS NULL OR key_id = ?3) ORDER BY seq LIMIT 500`,
        [at, Number(edges?.['last'] ?? 0), keyId],
      )
      for (const fields of page) {
        const row = toLedgerRow(fields)
        at = Number(fields['seq'])
        if (row.startedAtMs < fromMs || row.startedAtMs >= untilMs) continue
        const correction = fields['correction']
        yield typeof correction === 'string' ? correctedRow(row, [readCorrectionBody(correction)]) : row
      }
      if (page.length === 0) return
    }
  }

  /** Moves old batches into files; see `archive.ts`. @throws {StoreError} STORE_ARCHIVE; the rows are still here. */
  archive(options: ArchiveOptions): readonly ArchiveManifest[] {
    return archiveLedger(this.#database, options, this.#now)
  }

  /** What was archived so far, oldest first. */
  archives(): readonly KnownArchive[] {
    return this.#reading(() => knownArchives(this.#database))
  }

  /** Reads every archive that the ledger knows; null: all are there and whole. */
  archiveProblem(): StoreError | null {
    return archiveProblem(this.#database)
  }

  #filed(row: LedgerRow): LedgerRow {
    const tag = row.tag === null ? null : this.#rollups.fileUnder(row.keyId, row.tag)
    return tag === row.tag ? row : { ...row, tag, tags: { ...row.tags, tag: row.tag ?? '' } }
  }

  /** One transaction: entries, their place in the chain, and what they change in the sums. */
  #commit<T>(
    inputs: readonly T[],
    write: (
      input: T,
      add: (digest: string, row: LedgerRow, store: (seq: number, rollups: Rollups) => boolean) => void,
    ) => void,
  ): AppendResult {
    try {
      return inTransaction(this.#database, () => {
        const rollups: Rollups = new Map()
        const head = this.#chain.head()
        const entries: BatchEntry[] = []
        for (const input of inputs)
          write(input, (digest, row, store) => {
            if (store(head.lastSeq + entries.length + 1, rollups))
              entries.push({ digest, startedAtMs: row.startedAtMs })
          })
        if (entries.length > 0) {
          const nowMs = this.#now()
          this.#rollups.add(rollups, nowMs)
          this.#chain.add(head, entries, nowMs)
        }
        return { inserted: entries.length, ignored: inputs.length - entries.length }
      })
    } catch (error) {
      this.#rollups.forget()
      throw error
    }
  }

  #all(sql: string, bound: readonly SQLInputValue[]): readonly Fields[] {
    try {
      return this.#database.prepare(sql).all(...bound)
    } catch (error) {
      throw toStoreError(error, 'reading the ledger')
    }
  }

  /** One view of the database for several questions. */
  #reading<T>(work: () => T): T {
    try {
      const nested = this.#database.isTransaction
      if (!nested) this.#database.exec('BEGIN')
      try {
        return work()
      } finally {
        if (!nested) this.#database.exec('COMMIT')
      }
    } catch (error) {
      throw toStoreError(error, 'reading the ledger')
    }
  }
}

function toLedgerRow(fields: Fields): LedgerRow {
  return readRowBody(String(fields['body']))
}
