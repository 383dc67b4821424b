/**
 * The ledger on node:sqlite: one prepared insert a row, one upsert a rollup group, one transaction a batch.
 *
 * Money is bound and read as BigInt. Text that callers choose is cut to a stated length, and a token count
 * that is no whole number is stored as unknown beside the source's own usage object, so that no request can
 * make its row unwritable.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { CostTier } from '@portolan/meter'
import { StoreError } from '../errors.ts'
import {
  requestStatuses,
  rowProblem,
  type AppendResult,
  type Ledger,
  type LedgerRow,
  type UsageGroup,
  type UsageLine,
  type UsageQuery,
} from '../ledger.ts'
import { inTransaction, toStoreError } from './database.ts'

const hourMs = 3_600_000
const dayMs = 86_400_000

// The order is that of `boundValues`.
const columns = [
  'request_id',
  'key_id',
  'session_id',
  'door',
  'path',
  'upstream',
  'upstream_protocol',
  'model_asked',
  'model_sent',
  'model_served',
  'upstream_request_id',
  'stream',
  'status',
  'http_status',
  'error_code',
  'usage_source',
  'usage_convention',
  'input_tokens',
  'hit_tokens',
  'miss_tokens',
  'written_tokens',
  'written_1h_tokens',
  'output_tokens',
  'reasoning_tokens',
  'usage_raw',
  'currency',
  'cost_nanos',
  'miss_nanos',
  'hit_nanos',
  'write_5m_nanos',
  'write_1h_nanos',
  'output_nanos',
  'price_version',
  'unpriced_reason',
  'started_at_ms',
  'first_byte_ms',
  'first_reasoning_ms',
  'first_text_ms',
  'end_ms',
  'bytes_in',
  'bytes_out',
  'prefix_kept_bytes',
  'prefix_total_bytes',
  'prefix_break_cause',
  'translation',
  'attempts',
  'tags',
] as const

/** One literal, not a table of functions: this runs for every request, and the table costs 1 µs a row more. */
function boundValues(row: LedgerRow): SQLInputValue[] {
  const { usage, tierNanos } = row
  return [
    row.requestId,
    cut(row.keyId, 128),
    cut(row.sessionId, 256),
    row.door,
    cut(row.path, 512),
    cut(row.upstream, 128),
    row.upstreamProtocol,
    cut(row.modelAsked, 256),
    cut(row.modelSent, 256),
    cut(row.modelServed, 256),
    cut(row.upstreamRequestId, 256),
    row.stream ? 1 : 0,
    row.status,
    whole(row.httpStatus),
    cut(row.errorCode, 128),
    usage.source,
    usage.convention,
    count(usage.inputTokens),
    count(usage.hitTokens),
    count(usage.missTokens),
    count(usage.writtenTokens),
    count(usage.written1hTokens),
    count(usage.outputTokens),
    count(usage.reasoningTokens),
    jsonText(usage.raw, 2048),
    row.currency,
    row.costNanos,
    tierNanos?.miss ?? null,
    tierNanos?.hit ?? null,
    tierNanos?.write5m ?? null,
    tierNanos?.write1h ?? null,
    tierNanos?.output ?? null,
    cut(row.priceVersion, 256),
    cut(row.unpricedReason, 512),
    Math.round(row.startedAtMs),
    whole(row.firstByteMs),
    whole(row.firstReasoningMs),
    whole(row.firstTextMs),
    whole(row.endMs),
    whole(row.bytesIn) ?? 0,
    whole(row.bytesOut) ?? 0,
    whole(row.prefixKeptBytes),
    whole(row.prefixTotalBytes),
    cut(row.prefixBreakCause, 256),
    cut(row.translation, 1024),
    whole(row.attempts) ?? 0,
    Object.keys(row.tags).length === 0 ? null : jsonText(row.tags, 4096),
  ]
}

const sums = [
  'requests',
  'requests_unpriced',
  'requests_without_usage',
  'input_tokens',
  'hit_tokens',
  'miss_tokens',
  'written_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nanos',
  'miss_nanos',
  'hit_nanos',
  'write_5m_nanos',
  'write_1h_nanos',
  'output_nanos',
] as const

const groupColumns: Readonly<Record<UsageGroup, string>> = {
  model: 'model',
  key: 'key_id',
  upstream: 'upstream',
  status: 'status',
  hour: 'hour_ms',
  day: `hour_ms / ${dayMs} * ${dayMs}`,
}

export class SqliteLedger implements Ledger {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync
  readonly #upsert: StatementSync

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#insert = database.prepare(
      `INSERT INTO requests (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
       ON CONFLICT (request_id) DO NOTHING`,
    )
    this.#upsert = database.prepare(
      `INSERT INTO usage_hourly (hour_ms, key_id, upstream, model, currency, status, ${sums.join(', ')})
       VALUES (?, ?, ?, ?, ?, ?, ${sums.map(() => '?').join(', ')})
       ON CONFLICT DO UPDATE SET ${sums.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`,
    )
  }

  append(rows: readonly LedgerRow[]): AppendResult {
    if (rows.length === 0) return { inserted: 0, ignored: 0 }
    for (const row of rows) {
      const problem = rowProblem(row)
      if (problem !== null) throw new StoreError('STORE_BAD_ROW', `Row "${row.requestId.slice(0, 40)}": ${problem}`)
    }
    return inTransaction(this.#database, () => {
      const groups = new Map<string, Rollup>()
      let inserted = 0
      for (const row of rows) {
        const { changes } = this.#insert.run(...boundValues(row))
        if (changes === 0) continue
        inserted += 1
        addToRollup(groups, row)
      }
      for (const { key, counts, nanos } of groups.values()) this.#upsert.run(...key, ...counts, ...nanos)
      return { inserted, ignored: rows.length - inserted }
    })
  }

  usage(query: UsageQuery): readonly UsageLine[] {
    const where: string[] = []
    const bound: SQLInputValue[] = []
    const filter = (sql: string, value: SQLInputValue | undefined): void => {
      if (value === undefined) return
      where.push(sql)
      bound.push(value)
    }
    filter('hour_ms >= ?', query.fromMs === undefined ? undefined : Math.floor(query.fromMs / hourMs) * hourMs)
    filter('hour_ms < ?', query.untilMs === undefined ? undefined : Math.ceil(query.untilMs / hourMs) * hourMs)
    filter('key_id = ?', query.keyId)
    filter('model = ?', query.model)
    filter('upstream = ?', query.upstream)
    const groups = [...new Set(query.groupBy)]
    const selected = [...groups.map((group) => `${groupColumns[group]} AS "${group}"`), 'currency']
    const positions = selected.map((_, index) => index + 1).join(', ')
    const sql = `SELECT ${[...selected, ...sums.map((name) => `SUM(${name}) AS ${name}`)].join(', ')}
      FROM usage_hourly ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
      GROUP BY ${positions} ORDER BY ${positions}`
    return this.#all(sql, bound).map((line) => toUsageLine(line, groups))
  }

  recent(limit: number, filter: { readonly keyId?: string } = {}): readonly LedgerRow[] {
    const bounded = Math.max(0, Math.min(Math.trunc(limit), 10_000))
    const where = filter.keyId === undefined ? '' : 'WHERE key_id = ?'
    const bound = filter.keyId === undefined ? [bounded] : [filter.keyId, bounded]
    return this.#all(`SELECT * FROM requests ${where} ORDER BY seq DESC LIMIT ?`, bound).map(toLedgerRow)
  }

  find(requestId: string): LedgerRow | null {
    const [record] = this.#all('SELECT * FROM requests WHERE request_id = ?', [requestId])
    return record === undefined ? null : toLedgerRow(record)
  }

  /** Walks the whole table: for checks, never for a page. */
  countRows(): number {
    const [fields] = this.#all('SELECT COUNT(*) AS rows FROM requests', [])
    return Number(fields?.['rows'] ?? 0)
  }

  #all(sql: string, bound: readonly SQLInputValue[]): readonly Fields[] {
    try {
      const statement = this.#database.prepare(sql)
      statement.setReadBigInts(true)
      return statement.all(...bound)
    } catch (error) {
      throw toStoreError(error, 'reading the ledger')
    }
  }
}

// ---------------------------------------------------------------------------------------------- rollups

/** Sums of one group within a batch, in the order of `sums`. */
interface Rollup {
  readonly key: readonly SQLInputValue[]
  readonly counts: number[]
  readonly nanos: bigint[]
}

function addToRollup(groups: Map<string, Rollup>, row: LedgerRow): void {
  const { usage, tierNanos, costNanos } = row
  const hour = Math.floor(Math.round(row.startedAtMs) / hourMs) * hourMs
  const keyId = cut(row.keyId, 128) ?? ''
  const upstream = cut(row.upstream, 128) ?? ''
  const model = cut(row.modelServed ?? row.modelSent, 256) ?? ''
  const currency = row.currency ?? ''
  const name = `${hour}\u0000${keyId}\u0000${upstream}\u0000${model}\u0000${currency}\u0000${row.status}`
  let rollup = groups.get(name)
  if (rollup === undefined) {
    const key = [hour, keyId, upstream, model, currency, row.status]
    rollup = { key, counts: [0, 0, 0, 0, 0, 0, 0, 0, 0], nanos: [0n, 0n, 0n, 0n, 0n, 0n] }
    groups.set(name, rollup)
  }
  const input = count(usage.inputTokens)
  const hit = count(usage.hitTokens)
  const miss = count(usage.missTokens)
  const written = count(usage.writtenTokens)
  const output = count(usage.outputTokens)
  const reasoning = count(usage.reasoningTokens)
  // A negative count is evidence, kept on its row, and would eat other requests' tokens in a sum.
  const countable = Math.min(input ?? 0, hit ?? 0, miss ?? 0, written ?? 0, output ?? 0, reasoning ?? 0) >= 0
  const { counts, nanos } = rollup
  addAt(counts, 0, 1)
  addAt(counts, 1, costNanos === null ? 1 : 0)
  addAt(counts, 2, !countable || (input === null && output === null) ? 1 : 0)
  if (countable) {
    addAt(counts, 3, input ?? 0)
    addAt(counts, 4, hit ?? 0)
    addAt(counts, 5, miss ?? 0)
    addAt(counts, 6, written ?? 0)
    addAt(counts, 7, output ?? 0)
    addAt(counts, 8, reasoning ?? 0)
  }
  // Tiers of an unpriced row stay out: sums of tiers equal the sum of totals.
  if (costNanos === null) return
  addNanosAt(nanos, 0, costNanos)
  addNanosAt(nanos, 1, tierNanos?.miss)
  addNanosAt(nanos, 2, tierNanos?.hit)
  addNanosAt(nanos, 3, tierNanos?.write5m)
  addNanosAt(nanos, 4, tierNanos?.write1h)
  addNanosAt(nanos, 5, tierNanos?.output)
}

function addAt(counts: number[], index: number, value: number): void {
  counts[index] = (counts[index] ?? 0) + value
}

function addNanosAt(nanos: bigint[], index: number, value: bigint | null | undefined): void {
  if (value !== null && value !== undefined && value !== 0n) nanos[index] = (nanos[index] ?? 0n) + value
}

// -------------------------------------------------------------------------------------------- conversion

type Fields = Readonly<Record<string, unknown>>

function toUsageLine(fields: Fields, groups: readonly UsageGroup[]): UsageLine {
  const group: Partial<Record<UsageGroup, string | null>> = {}
  for (const name of groups) {
    const value = fields[name]
    const time = name === 'hour' || name === 'day'
    group[name] = time ? new Date(Number(value)).toISOString().slice(0, name === 'day' ? 10 : 16) : emptyAsNull(value)
  }
  return {
    group,
    currency: emptyAsNull(fields['currency']),
    requests: Number(fields['requests']),
    requestsUnpriced: Number(fields['requests_unpriced']),
    requestsWithoutUsage: Number(fields['requests_without_usage']),
    inputTokens: Number(fields['input_tokens']),
    hitTokens: Number(fields['hit_tokens']),
    missTokens: Number(fields['miss_tokens']),
    writtenTokens: Number(fields['written_tokens']),
    outputTokens: Number(fields['output_tokens']),
    reasoningTokens: Number(fields['reasoning_tokens']),
    costNanos: bigint(fields['cost_nanos']) ?? 0n,
    tierNanos: {
      miss: bigint(fields['miss_nanos']) ?? 0n,
      hit: bigint(fields['hit_nanos']) ?? 0n,
      write5m: bigint(fields['write_5m_nanos']) ?? 0n,
      write1h: bigint(fields['write_1h_nanos']) ?? 0n,
      output: bigint(fields['output_nanos']) ?? 0n,
    },
  }
}

function toLedgerRow(fields: Fields): LedgerRow {
  const tierNanos: Record<CostTier, bigint | null> = {
    miss: bigint(fields['miss_nanos']),
    hit: bigint(fields['hit_nanos']),
    write5m: bigint(fields['write_5m_nanos']),
    write1h: bigint(fields['write_1h_nanos']),
    output: bigint(fields['output_nanos']),
  }
  const raw = text(fields['usage_raw'])
  const tags = text(fields['tags'])
  return {
    requestId: String(fields['request_id']),
    keyId: text(fields['key_id']),
    sessionId: text(fields['session_id']),
    door: oneOf(['chat', 'messages', 'responses'], fields['door']),
    path: String(fields['path']),
    upstream: text(fields['upstream']),
    upstreamProtocol: oneOf(['chat', 'messages', 'responses'], fields['upstream_protocol']),
    modelAsked: text(fields['model_asked']),
    modelSent: text(fields['model_sent']),
    modelServed: text(fields['model_served']),
    upstreamRequestId: text(fields['upstream_request_id']),
    stream: Number(fields['stream']) === 1,
    status: oneOf(requestStatuses, fields['status']) ?? 'error',
    httpStatus: number(fields['http_status']),
    errorCode: text(fields['error_code']),
    usage: {
      inputTokens: number(fields['input_tokens']),
      hitTokens: number(fields['hit_tokens']),
      missTokens: number(fields['miss_tokens']),
      writtenTokens: number(fields['written_tokens']),
      written1hTokens: number(fields['written_1h_tokens']),
      outputTokens: number(fields['output_tokens']),
      reasoningTokens: number(fields['reasoning_tokens']),
      raw: raw === null ? null : (JSON.parse(raw) as unknown),
      source: oneOf(['reported', 'counted', 'estimated', 'none'], fields['usage_source']) ?? 'none',
      convention: oneOf(['cached-inside', 'cached-outside', 'unknown'], fields['usage_convention']) ?? 'unknown',
    },
    currency: text(fields['currency']),
    costNanos: bigint(fields['cost_nanos']),
    tierNanos: Object.values(tierNanos).every((nanos) => nanos === null) ? null : tierNanos,
    priceVersion: text(fields['price_version']),
    unpricedReason: text(fields['unpriced_reason']),
    startedAtMs: Number(fields['started_at_ms']),
    firstByteMs: number(fields['first_byte_ms']),
    firstReasoningMs: number(fields['first_reasoning_ms']),
    firstTextMs: number(fields['first_text_ms']),
    endMs: number(fields['end_ms']),
    bytesIn: Number(fields['bytes_in']),
    bytesOut: Number(fields['bytes_out']),
    prefixKeptBytes: number(fields['prefix_kept_bytes']),
    prefixTotalBytes: number(fields['prefix_total_bytes']),
    prefixBreakCause: text(fields['prefix_break_cause']),
    translation: text(fields['translation']),
    attempts: Number(fields['attempts']),
    tags: tags === null ? {} : parseTags(tags),
  }
}

function parseTags(json: string): Record<string, string> {
  const parsed: unknown = JSON.parse(json)
  const entries = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : []
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
}

/** Cut to a length without leaving half a surrogate pair behind. */
function cut(value: string | null, length: number): string | null {
  return value === null || value.length <= length ? value : value.slice(0, length).toWellFormed()
}

function count(tokens: number | null): number | null {
  return tokens !== null && Number.isSafeInteger(tokens) ? tokens : null
}

function whole(value: number | null): number | null {
  return value !== null && Number.isSafeInteger(Math.round(value)) ? Math.round(value) : null
}

/** JSON within a length; null when there is none, when it is longer or when it cannot be written. */
function jsonText(value: unknown, longest: number): string | null {
  if (value === null || value === undefined) return null
  try {
    const json = JSON.stringify(value)
    return json.length <= longest ? json : null
  } catch {
    return null
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function emptyAsNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'bigint' ? Number(value) : null
}

function bigint(value: unknown): bigint | null {
  return typeof value === 'bigint' ? value : null
}

function oneOf<T extends string>(words: readonly T[], value: unknown): T | null {
  return words.find((word) => word === value) ?? null
}
