/**
 * The walk over the whole ledger: every entry against its digest, every batch against the chain, all sums against
 * all entries. Reads in batches, holds one at a time, and stops at the first thing that is not as it was written.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { LedgerCheck, LedgerProblem, LedgerProblemCode } from '../ledger-check.ts'
import type { LedgerRow } from '../ledger.ts'
import { batchHash } from './chain.ts'
import { digestOf, readCorrectionBody, readRowBody } from './entry-body.ts'
import { addRow, sumColumns, countSums, nanoSums } from './rollups.ts'

/** Sums by currency ('' where there is none), in the order of `sumColumns`. */
export type Totals = Map<string, bigint[]>

export interface StoredEntry {
  readonly seq: number
  readonly kind: 'row' | 'correction'
  readonly id: string
  readonly requestId: string
  readonly keyId: string | null
  readonly digest: string | null
  readonly body: string
}

export interface StoredBatch {
  readonly batch: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly committedAtMs: number
  readonly archiveId: number | null
  readonly hash: string
}

export interface VerifyOptions {
  /** A head hash noted earlier. */
  readonly expectHash?: string
  readonly onProgress?: (batch: number, lastBatch: number) => void
}

export function verifyLedger(database: DatabaseSync, options: VerifyOptions = {}): LedgerCheck {
  const totals: Totals = new Map()
  let before: StoredBatch | null = null
  let [batches, entries, archivedEntries, unchainedRows] = [0, 0, 0, 0]
  let expected = options.expectHash === undefined
  const head = lastBatch(database)
  const result = (problem: LedgerProblem | null): LedgerCheck => ({
    problem,
    batches,
    entries,
    archivedEntries,
    unchainedRows,
    head: { batch: head?.batch ?? 0, hash: head?.hash ?? '' },
  })
  for (const batch of storedBatches(database)) {
    const outOfOrder = orderProblem(before, batch)
    if (outOfOrder !== null) return result(outOfOrder)
    const length = batch.lastSeq - batch.firstSeq + 1
    if (batch.archiveId === null) {
      const found = readEntries(database, batch.firstSeq, batch.lastSeq)
      const problem = entriesProblem(batch, found) ?? (before === null ? null : hashProblem(before, batch, found))
      if (problem !== null) return result(problem)
      for (const entry of found) addEntry(totals, entry)
      if (before === null) unchainedRows = found.length
      else entries += found.length
    } else archivedEntries += length
    if (before !== null) batches += 1
    if (batch.hash === options.expectHash) expected = true
    before = batch
    if (batch.batch % 100 === 0) options.onProgress?.(batch.batch, head?.batch ?? 0)
  }
  const stray = strayEntry(database, before?.lastSeq ?? 0)
  if (stray !== null)
    return result(
      problemOf('entry-added', null, stray, `Entry ${stray.seq} ("${stray.requestId}") belongs to no batch.`),
    )
  if (!expected)
    return result(
      problemOf(
        'head-unknown',
        null,
        null,
        `No batch has the hash ${options.expectHash}: the chain was cut or made anew.`,
      ),
    )
  for (const sums of archivedTotals(database)) mergeTotals(totals, sums)
  return result(sumsProblem(database, totals))
}

export function* storedBatches(database: DatabaseSync): Generator<StoredBatch> {
  const rows = database.prepare('SELECT * FROM ledger_batches ORDER BY batch').iterate()
  for (const fields of rows) yield toBatch(fields)
}

function lastBatch(database: DatabaseSync): StoredBatch | null {
  const fields = database.prepare('SELECT * FROM ledger_batches ORDER BY batch DESC LIMIT 1').get()
  return fields === undefined ? null : toBatch(fields)
}

function toBatch(fields: Readonly<Record<string, unknown>>): StoredBatch {
  return {
    batch: Number(fields['batch']),
    firstSeq: Number(fields['first_seq']),
    lastSeq: Number(fields['last_seq']),
    committedAtMs: Number(fields['committed_at_ms']),
    archiveId: typeof fields['archive_id'] === 'number' ? fields['archive_id'] : null,
    hash: String(fields['hash']),
  }
}

/** Rows and corrections together, in the order in which they were written. */
export function readEntries(database: DatabaseSync, firstSeq: number, lastSeq: number): readonly StoredEntry[] {
  return database
    .prepare(
      `SELECT seq, 'row' AS kind, request_id AS id, request_id, key_id, digest, body FROM entries WHERE seq BETWEEN ?1 AND ?2
       UNION ALL
       SELECT seq, 'correction', correction_id, request_id, NULL, digest, body FROM corrections WHERE seq BETWEEN ?1 AND ?2
       ORDER BY seq`,
    )
    .all(firstSeq, lastSeq)
    .map(toEntry)
}

function toEntry(fields: Readonly<Record<string, unknown>>): StoredEntry {
  return {
    seq: Number(fields['seq']),
    kind: fields['kind'] === 'row' ? 'row' : 'correction',
    id: String(fields['id']),
    requestId: String(fields['request_id']),
    keyId: typeof fields['key_id'] === 'string' ? fields['key_id'] : null,
    digest: typeof fields['digest'] === 'string' ? fields['digest'] : null,
    body: String(fields['body']),
  }
}

function orderProblem(before: StoredBatch | null, batch: StoredBatch): LedgerProblem | null {
  if (batch.batch !== (before === null ? 0 : before.batch + 1))
    return problemOf('batch-missing', batch.batch, null, `Batch ${before === null ? 0 : before.batch + 1} is missing.`)
  if (before !== null && (batch.firstSeq !== before.lastSeq + 1 || batch.lastSeq < batch.firstSeq))
    return problemOf(
      'batch-changed',
      batch.batch,
      null,
      `Batch ${batch.batch} holds entries ${batch.firstSeq} to ${batch.lastSeq}; the one before it ends at ${before.lastSeq}.`,
    )
  return null
}

/** The first entry that is missing, in a wrong place or not what its digest says. */
function entriesProblem(batch: StoredBatch, entries: readonly StoredEntry[]): LedgerProblem | null {
  let expected = batch.firstSeq
  for (const entry of entries) {
    if (entry.seq !== expected)
      return batch.batch === 0
        ? null
        : problemOf(
            'entry-missing',
            batch.batch,
            null,
            `Entry ${expected} of batch ${batch.batch} is missing.`,
            expected,
          )
    expected += 1
    if (batch.batch > 0 && (entry.digest !== digestOf(entry.body) || !saysItsOwnName(entry)))
      return problemOf(
        'entry-changed',
        batch.batch,
        entry,
        `Entry ${entry.seq} ("${entry.requestId}") of batch ${batch.batch} is not as it was written.`,
      )
  }
  if (batch.batch > 0 && expected !== batch.lastSeq + 1)
    return problemOf(
      'entry-missing',
      batch.batch,
      null,
      `Entry ${expected} of batch ${batch.batch} is missing.`,
      expected,
    )
  return null
}

/** The columns beside the text are for finding it; they must not say something else. */
function saysItsOwnName({ kind, id, requestId, keyId, body }: StoredEntry): boolean {
  const [first, second] = JSON.parse(body) as unknown[]
  return kind === 'row' ? first === id && second === keyId : first === id && second === requestId
}

function hashProblem(before: StoredBatch, batch: StoredBatch, entries: readonly StoredEntry[]): LedgerProblem | null {
  const digests = entries.map(({ digest }) => digest).join('')
  if (batchHash(before.hash, batch.batch, batch.firstSeq, batch.committedAtMs, digests) === batch.hash) return null
  return problemOf(
    'batch-changed',
    batch.batch,
    null,
    `Batch ${batch.batch} (entries ${batch.firstSeq} to ${batch.lastSeq}) does not hash to what was chained: one of its digests, its line or the line before it was changed.`,
  )
}

function strayEntry(database: DatabaseSync, lastSeq: number): StoredEntry | null {
  return readEntries(database, lastSeq + 1, Number.MAX_SAFE_INTEGER)[0] ?? null
}

/** A row adds itself; a correction takes out what stood before it and adds what stands after. */
export function addEntry(totals: Totals, { kind, body }: StoredEntry): void {
  if (kind === 'row') {
    addToTotals(totals, readRowBody(body), 1)
    return
  }
  const { before, after } = readCorrectionBody(body)
  addToTotals(totals, before, -1)
  addToTotals(totals, after, 1)
}

function addToTotals(
  totals: Totals,
  row: Pick<LedgerRow, 'usage' | 'costNanos' | 'tierNanos' | 'currency'>,
  sign: 1 | -1,
): void {
  const counts = countSums.map(() => 0)
  const nanos = nanoSums.map(() => 0n)
  addRow(counts, nanos, row, sign)
  mergeTotals(totals, new Map([[row.currency ?? '', [...counts.map(BigInt), ...nanos]]]))
}

export function mergeTotals(into: Totals, from: Totals): void {
  for (const [currency, sums] of from) {
    const known = into.get(currency)
    into.set(currency, known === undefined ? sums : known.map((sum, index) => sum + (sums[index] ?? 0n)))
  }
}

function archivedTotals(database: DatabaseSync): readonly Totals[] {
  return database
    .prepare('SELECT manifest FROM ledger_archives ORDER BY archive_id')
    .all()
    .map(({ manifest }) => {
      const { sums } = JSON.parse(String(manifest)) as { sums: Record<string, Record<string, string>> }
      return new Map(
        Object.entries(sums).map(([currency, named]) => [
          currency,
          sumColumns.map((name) => BigInt(named[name] ?? '0')),
        ]),
      )
    })
}

function sumsProblem(database: DatabaseSync, totals: Totals): LedgerProblem | null {
  const statement = database.prepare(
    `SELECT currency, ${sumColumns.map((name) => `SUM(${name}) AS ${name}`).join(', ')}
     FROM usage_hours JOIN usage_dimensions USING (dimension_id) GROUP BY currency`,
  )
  statement.setReadBigInts(true)
  const shown: Totals = new Map(
    statement.all().map((fields) => [String(fields['currency']), sumColumns.map((name) => fields[name] as bigint)]),
  )
  const nothing = sumColumns.map(() => 0n)
  for (const currency of new Set([...totals.keys(), ...shown.keys()]))
    for (const [index, name] of sumColumns.entries()) {
      const [ours, theirs] = [(totals.get(currency) ?? nothing)[index], (shown.get(currency) ?? nothing)[index]]
      if (ours !== theirs)
        return problemOf(
          'sums-differ',
          null,
          null,
          `The entries in ${currency || 'no currency'} come to ${name} ${ours}, the sums by hour to ${theirs}.`,
        )
    }
  return null
}

function problemOf(
  code: LedgerProblemCode,
  batch: number | null,
  entry: StoredEntry | null,
  message: string,
  seq: number | null = entry?.seq ?? null,
): LedgerProblem {
  return { code, batch, seq, requestId: entry?.requestId ?? null, message }
}
