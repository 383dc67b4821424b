/**
 * The ledger on node:sqlite: one prepared insert a row, one upsert a rollup group, one transaction a batch.
 *
 * Money is bound and read as BigInt. Text that callers choose is cut to a stated length, and a token count
 * that is no whole number is stored as unknown beside the source's own usage object, so that no request can
 * make its row unwritable.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { costTiers, type CostTier } from '@portolan/meter'
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

/** Column, and what goes into it. The order is the insert's order. */
const columns: readonly (readonly [name: string, value: (row: LedgerRow) => SQLInputValue])[] = [
  ['request_id', (row) => row.requestId],
  ['key_id', (row) => cut(row.keyId, 128)],
  ['session_id', (row) => cut(row.sessionId, 256)],
  ['door', (row) => row.door],
  ['path', (row) => cut(row.path, 512)],
  ['upstream', (row) => cut(row.upstream, 128)],
  ['upstream_protocol', (row) => row.upstreamProtocol],
  ['model_asked', (row) => cut(row.modelAsked, 256)],
  ['model_sent', (row) => cut(row.modelSent, 256)],
  ['model_served', (row) => cut(row.modelServed, 256)],
  ['upstream_request_id', (row) => cut(row.upstreamRequestId, 256)],
  ['stream', (row) => (row.stream ? 1 : 0)],
  ['status', (row) => row.status],
  ['http_status', (row) => whole(row.httpStatus)],
  ['error_code', (row) => cut(row.errorCode, 128)],
  ['usage_source', (row) => row.usage.source],
  ['usage_convention', (row) => row.usage.convention],
  ['input_tokens', (row) => count(row.usage.inputTokens)],
  ['hit_tokens', (row) => count(row.usage.hitTokens)],
  ['miss_tokens', (row) => count(row.usage.missTokens)],
  ['written_tokens', (row) => count(row.usage.writtenTokens)],
  ['written_1h_tokens', (row) => count(row.usage.written1hTokens)],
  ['output_tokens', (row) => count(row.usage.outputTokens)],
  ['reasoning_tokens', (row) => count(row.usage.reasoningTokens)],
  ['usage_raw', (row) => jsonText(row.usage.raw, 2048)],
  ['currency', (row) => row.currency],
  ['cost_nanos', (row) => row.costNanos],
  ['miss_nanos', (row) => row.tierNanos?.miss ?? null],
  ['hit_nanos', (row) => row.tierNanos?.hit ?? null],
  ['write_5m_nanos', (row) => row.tierNanos?.write5m ?? null],
  ['write_1h_nanos', (row) => row.tierNanos?.write1h ?? null],
  ['output_nanos', (row) => row.tierNanos?.output ?? null],
  ['price_version', (row) => cut(row.priceVersion, 256)],
  ['unpriced_reason', (row) => cut(row.unpricedReason, 512)],
  ['started_at_ms', (row) => Math.round(row.startedAtMs)],
  ['first_byte_ms', (row) => whole(row.firstByteMs)],
  ['first_reasoning_ms', (row) => whole(row.firstReasoningMs)],
  ['first_text_ms', (row) => whole(row.firstTextMs)],
  ['end_ms', (row) => whole(row.endMs)],
  ['bytes_in', (row) => whole(row.bytesIn) ?? 0],
  ['bytes_out', (row) => whole(row.bytesOut) ?? 0],
  ['prefix_kept_bytes', (row) => whole(row.prefixKeptBytes)],
  ['prefix_total_bytes', (row) => whole(row.prefixTotalBytes)],
  ['prefix_break_cause', (row) => cut(row.prefixBreakCause, 256)],
  ['translation', (row) => cut(row.translation, 1024)],
  ['attempts', (row) => whole(row.attempts) ?? 0],
  ['tags', (row) => (Object.keys(row.tags).length === 0 ? null : jsonText(row.tags, 4096))],
]

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
    const names = columns.map(([name]) => name)
    this.#insert = database.prepare(
      `INSERT INTO requests (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
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
        const { changes } = this.#insert.run(...columns.map(([, value]) => value(row)))
        if (changes === 0) continue
        inserted += 1
        addToRollup(groups, row)
      }
      for (const { key, values } of groups.values()) this.#upsert.run(...key, ...values)
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

interface Rollup {
  readonly key: readonly SQLInputValue[]
  readonly values: (number | bigint)[]
}

function addToRollup(groups: Map<string, Rollup>, row: LedgerRow): void {
  const hour = Math.floor(Math.round(row.startedAtMs) / hourMs) * hourMs
  const model = cut(row.modelServed ?? row.modelSent, 256) ?? ''
  const key = [hour, cut(row.keyId, 128) ?? '', cut(row.upstream, 128) ?? '', model, row.currency ?? '', row.status]
  const name = key.join('\u0000')
  const { usage, tierNanos } = row
  const counts = [
    usage.inputTokens,
    usage.hitTokens,
    usage.missTokens,
    usage.writtenTokens,
    usage.outputTokens,
    usage.reasoningTokens,
  ].map(count)
  // A negative count is evidence, kept on its row, and would eat other requests' tokens in a sum.
  const countable = counts.every((tokens) => tokens === null || tokens >= 0)
  const withoutUsage = !countable || (counts[0] === null && counts[4] === null)
  const added: readonly (number | bigint)[] = [
    1,
    row.costNanos === null ? 1 : 0,
    withoutUsage ? 1 : 0,
    ...counts.map((tokens) => (countable ? (tokens ?? 0) : 0)),
    row.costNanos ?? 0n,
    // Tiers of an unpriced row stay out: sums of tiers equal the sum of totals.
    ...costTiers.map((tier) => (row.costNanos === null ? 0n : (tierNanos?.[tier] ?? 0n))),
  ]
  const rollup = groups.get(name)
  if (rollup === undefined) {
    groups.set(name, { key, values: [...added] })
    return
  }
  for (const [index, value] of added.entries()) {
    const sum = rollup.values[index] ?? 0
    rollup.values[index] =
      typeof sum === 'bigint' || typeof value === 'bigint' ? BigInt(sum) + BigInt(value) : sum + value
  }
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
