/**
 * Sums of usage: by hour in the transaction of every batch, by day and month once those are over.
 *
 *   entries ──▶ usage_hours ──(two days later)──▶ usage_days, usage_days_coarse ──(month over)──▶ usage_months
 *
 * Key, team, tag, model, upstream, currency and status make a numbered dimension, so that a sum's key is two
 * integers. Days and months are copies: they count only while `usage_sealed` says that they are complete, and
 * whatever is added to an old hour (a late row, a correction) breaks the seal in the same transaction.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { mostPlausibleTokens, otherTag, type LedgerRow } from '../ledger.ts'
import { count, cut } from './entry-body.ts'

export const hourMs = 3_600_000
export const dayMs = 86_400_000

export const countSums = [
  'requests',
  'requests_unpriced',
  'requests_without_usage',
  'requests_estimated',
  'input_tokens',
  'hit_tokens',
  'miss_tokens',
  'written_tokens',
  'written_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
] as const
export const nanoSums = [
  'cost_nanos',
  'miss_nanos',
  'hit_nanos',
  'write_5m_nanos',
  'write_1h_nanos',
  'output_nanos',
  'estimated_nanos',
] as const
export const sumColumns = [...countSums, ...nanoSums] as const

export const dimensionColumns = ['key_id', 'team', 'tag', 'model', 'upstream', 'currency', 'status'] as const

/** Stands for "any" in the dimensions of the coarse days. */
const anyValue = '*'
/** Tags of a key that are summed apart; later ones are summed under `otherTag`. */
const mostTagsPerKey = 100
const mostRememberedDimensions = 20_000

/** Sums of one hour and dimension within a batch, in the order of `countSums` and `nanoSums`. */
export interface Rollup {
  readonly startMs: number
  readonly dimension: readonly string[]
  readonly counts: number[]
  readonly nanos: bigint[]
}

export type Rollups = Map<string, Rollup>

/** Adds a row's part (`sign` 1) or takes it out again (-1). */
export function addToRollups(groups: Rollups, row: LedgerRow, sign: 1 | -1): void {
  const startMs = Math.floor(Math.round(row.startedAtMs) / hourMs) * hourMs
  const keyId = cut(row.keyId, 128) ?? ''
  const team = cut(row.team, 128) ?? ''
  const tag = cut(row.tag, 128) ?? ''
  const model = cut(row.modelServed ?? row.modelSent, 256) ?? ''
  const upstream = cut(row.upstream, 128) ?? ''
  const currency = row.currency ?? ''
  const name = `${startMs}\u0000${keyId}\u0000${team}\u0000${tag}\u0000${model}\u0000${upstream}\u0000${currency}\u0000${row.status}`
  let rollup = groups.get(name)
  if (rollup === undefined) {
    const dimension = [keyId, team, tag, model, upstream, currency, row.status]
    rollup = { startMs, dimension, counts: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], nanos: [0n, 0n, 0n, 0n, 0n, 0n, 0n] }
    groups.set(name, rollup)
  }
  addRow(rollup.counts, rollup.nanos, row, sign)
}

/** What a row adds to the sums: the one definition that rollups, checks and archives share. */
export function addRow(
  counts: number[],
  nanos: bigint[],
  row: Pick<LedgerRow, 'usage' | 'costNanos' | 'tierNanos'>,
  sign: 1 | -1,
): void {
  const { usage, tierNanos, costNanos } = row
  const input = count(usage.inputTokens)
  const hit = count(usage.hitTokens) ?? 0
  const miss = count(usage.missTokens) ?? 0
  const written = count(usage.writtenTokens) ?? 0
  const written1h = count(usage.written1hTokens) ?? 0
  const output = count(usage.outputTokens)
  const reasoning = count(usage.reasoningTokens) ?? 0
  // Impossible counts are evidence, kept on their row: they would eat or bury other requests' tokens in a sum.
  const countable =
    Math.min(input ?? 0, hit, miss, written, written1h, output ?? 0, reasoning) >= 0 &&
    Math.max(input ?? 0, hit + miss + written) + Math.max(output ?? 0, reasoning) <= mostPlausibleTokens
  const estimated = usage.source === 'estimated'
  addAt(counts, 0, sign)
  if (costNanos === null) addAt(counts, 1, sign)
  if (!countable || (input === null && output === null)) addAt(counts, 2, sign)
  if (estimated) addAt(counts, 3, sign)
  if (countable) {
    addAt(counts, 4, sign * (input ?? 0))
    addAt(counts, 5, sign * hit)
    addAt(counts, 6, sign * miss)
    addAt(counts, 7, sign * written)
    addAt(counts, 8, sign * written1h)
    addAt(counts, 9, sign * (output ?? 0))
    addAt(counts, 10, sign * reasoning)
  }
  // Tiers of an unpriced row stay out: sums of tiers equal the sum of totals.
  if (costNanos === null) return
  addNanosAt(nanos, 0, costNanos, sign)
  addNanosAt(nanos, 1, tierNanos?.miss, sign)
  addNanosAt(nanos, 2, tierNanos?.hit, sign)
  addNanosAt(nanos, 3, tierNanos?.write5m, sign)
  addNanosAt(nanos, 4, tierNanos?.write1h, sign)
  addNanosAt(nanos, 5, tierNanos?.output, sign)
  if (estimated) addNanosAt(nanos, 6, costNanos, sign)
}

function addAt(counts: number[], index: number, value: number): void {
  counts[index] = (counts[index] ?? 0) + value
}

function addNanosAt(nanos: bigint[], index: number, value: bigint | null | undefined, sign: 1 | -1): void {
  if (value === null || value === undefined || value === 0n) return
  const sum = nanos[index] ?? 0n
  nanos[index] = sign === 1 ? sum + value : sum - value
}

export class RollupTables {
  readonly #database: DatabaseSync
  readonly #upsert: StatementSync
  readonly #addDimension: StatementSync
  readonly #findDimension: StatementSync
  readonly #tagsOfKey: StatementSync
  readonly #newestSeal: StatementSync
  readonly #ids = new Map<string, number>()
  readonly #tags = new Map<string, Set<string>>()
  /** The newest day that had a row, to notice when a day is over. */
  #newestDayMs = 0

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#upsert = database.prepare(
      `INSERT INTO usage_hours (start_ms, dimension_id, ${sumColumns.join(', ')})
       VALUES (?, ?, ${sumColumns.map(() => '?').join(', ')})
       ON CONFLICT DO UPDATE SET ${sumColumns.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
    )
    const names = dimensionColumns.join(', ')
    this.#addDimension = database.prepare(
      `INSERT INTO usage_dimensions (${names}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    )
    this.#findDimension = database.prepare(
      `SELECT dimension_id AS id FROM usage_dimensions WHERE ${dimensionColumns.map((name) => `${name} = ?`).join(' AND ')}`,
    )
    this.#tagsOfKey = database.prepare('SELECT DISTINCT tag FROM usage_dimensions WHERE key_id = ? LIMIT 1000')
    this.#newestSeal = database.prepare('SELECT MAX(start_ms) AS start FROM usage_sealed WHERE unit = ?')
  }

  /** The tag under which a row is filed: its own, while its key has not used too many. */
  fileUnder(keyId: string | null, tag: string): string {
    let known = this.#tags.get(keyId ?? '')
    if (known === undefined) {
      if (this.#tags.size >= mostRememberedDimensions) this.#tags.clear()
      const seen = this.#tagsOfKey.all(keyId ?? '').map((fields) => String(fields['tag']))
      known = new Set(seen.filter((name) => name !== '' && name !== otherTag))
      this.#tags.set(keyId ?? '', known)
    }
    if (known.has(tag)) return tag
    if (known.size >= mostTagsPerKey) return otherTag
    known.add(tag)
    return tag
  }

  /** Within the batch's transaction. */
  add(groups: Rollups, nowMs: number): void {
    let oldestMs = Infinity
    let newestMs = 0
    for (const { startMs, dimension, counts, nanos } of groups.values()) {
      this.#upsert.run(startMs, this.#dimensionId(dimension), ...counts, ...nanos)
      if (startMs < oldestMs) oldestMs = startMs
      // A start in the future is an odd clock, and says nothing about which days are over.
      if (startMs > newestMs && startMs <= nowMs) newestMs = startMs
    }
    const sealed = this.#newestSeal.get('day')?.['start']
    if (typeof sealed === 'number' && oldestMs < sealed + dayMs) this.#breakSeals(groups)
    const newestDayMs = Math.floor(newestMs / dayMs) * dayMs
    if (newestDayMs <= this.#newestDayMs) return
    this.#newestDayMs = newestDayMs
    this.seal(newestDayMs)
  }

  /** What was remembered of a transaction that did not happen. */
  forget(): void {
    this.#ids.clear()
    this.#tags.clear()
    this.#newestDayMs = 0
  }

  /**
   * Sums up the days before yesterday and the months before this one that are not sealed yet. Yesterday stays open:
   * rows count for the day on which they started, and the last of a day come after midnight.
   */
  seal(todayMs: number): void {
    const beforeMs = todayMs - dayMs
    const next = this.#database.prepare(
      'SELECT start_ms AS start FROM usage_hours WHERE start_ms >= ? ORDER BY 1 LIMIT 1',
    )
    const isSealed = this.#database.prepare('SELECT 1 FROM usage_sealed WHERE unit = ? AND start_ms = ?')
    const setSealed = this.#database.prepare('INSERT INTO usage_sealed VALUES (?, ?)')
    const months = new Set<number>()
    for (let at = -Infinity; ;) {
      const start = next.get(Number.isFinite(at) ? at : -8.64e15)?.['start']
      if (typeof start !== 'number') break
      const day = Math.floor(start / dayMs) * dayMs
      if (day >= beforeMs) break
      at = day + dayMs
      const month = startOfMonth(day)
      if (startOfNextMonth(month) <= beforeMs) months.add(month)
      if (isSealed.get('day', day) !== undefined) continue
      this.#sumUp('usage_hours', 'usage_days', day, at)
      this.#sumUpCoarse(day)
      setSealed.run('day', day)
    }
    for (const month of months) {
      if (isSealed.get('month', month) !== undefined) continue
      this.#sumUp('usage_days', 'usage_months', month, startOfNextMonth(month))
      setSealed.run('month', month)
    }
  }

  #sumUp(from: string, into: string, startMs: number, endMs: number): void {
    this.#database
      .prepare(
        `INSERT INTO ${into} SELECT ?, dimension_id, ${sumColumns.map((name) => `SUM(${name})`).join(', ')}
         FROM ${from} WHERE start_ms >= ? AND start_ms < ? GROUP BY dimension_id`,
      )
      .run(startMs, startMs, endMs)
  }

  #sumUpCoarse(dayStartMs: number): void {
    const kept = dimensionColumns.filter((name) => name !== 'key_id' && name !== 'tag')
    this.#database
      .prepare(
        `INSERT INTO usage_dimensions (key_id, tag, ${kept.join(', ')})
         SELECT DISTINCT '${anyValue}', '${anyValue}', ${kept.join(', ')} FROM usage_days JOIN usage_dimensions USING (dimension_id)
         WHERE start_ms = ? ON CONFLICT DO NOTHING`,
      )
      .run(dayStartMs)
    this.#database
      .prepare(
        `INSERT INTO usage_days_coarse SELECT ?, coarse.dimension_id, ${sumColumns.map((name) => `SUM(${name})`).join(', ')}
         FROM usage_days JOIN usage_dimensions AS fine USING (dimension_id)
         JOIN usage_dimensions AS coarse ON coarse.key_id = '${anyValue}' AND coarse.tag = '${anyValue}'
           ${kept.map((name) => `AND coarse.${name} = fine.${name}`).join(' ')}
         WHERE start_ms = ? GROUP BY coarse.dimension_id`,
      )
      .run(dayStartMs, dayStartMs)
  }

  #breakSeals(groups: Rollups): void {
    const days = new Set([...groups.values()].map(({ startMs }) => Math.floor(startMs / dayMs) * dayMs))
    const drop = (unit: string, tables: readonly string[], startMs: number): void => {
      const { changes } = this.#database
        .prepare('DELETE FROM usage_sealed WHERE unit = ? AND start_ms = ?')
        .run(unit, startMs)
      if (Number(changes) === 0) return
      for (const table of tables) this.#database.prepare(`DELETE FROM ${table} WHERE start_ms = ?`).run(startMs)
    }
    for (const day of days) drop('day', ['usage_days', 'usage_days_coarse'], day)
    for (const month of new Set([...days].map(startOfMonth))) drop('month', ['usage_months'], month)
  }

  #dimensionId(dimension: readonly string[]): number {
    const name = dimension.join('\u0000')
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    this.#addDimension.run(...dimension)
    const id = Number(this.#findDimension.get(...dimension)?.['id'])
    if (this.#ids.size >= mostRememberedDimensions) this.#ids.clear()
    this.#ids.set(name, id)
    return id
  }
}

export function startOfMonth(ms: number): number {
  const date = new Date(ms)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
}

export function startOfNextMonth(ms: number): number {
  const date = new Date(ms)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}
