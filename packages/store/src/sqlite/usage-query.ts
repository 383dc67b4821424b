/**
 * Usage questions, answered from the largest sums that fit: months, days, hours.
 *
 * A range of time is cut into stretches of whole months, whole days and hours, each asked of the table that holds it
 * (sealed units only); the answers are small and added up here. Questions about neither keys nor tags read the
 * coarse days. One read transaction around all of it: a seal broken in between would count an hour twice.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { UsageGroup, UsageLine, UsageQuery } from '../ledger.ts'
import { dayMs, hourMs, startOfMonth, startOfNextMonth, sumColumns, type dimensionColumns } from './rollups.ts'

type DimensionColumn = (typeof dimensionColumns)[number]
type Fields = Readonly<Record<string, unknown>>
type SumTable = 'usage_hours' | 'usage_days' | 'usage_days_coarse' | 'usage_months'

const groupColumns: Readonly<Record<Exclude<UsageGroup, 'hour' | 'day' | 'month'>, DimensionColumn>> = {
  model: 'model',
  key: 'key_id',
  team: 'team',
  tag: 'tag',
  upstream: 'upstream',
  status: 'status',
}

/** Half-open. */
interface Stretch {
  readonly table: SumTable
  readonly fromMs: number
  readonly untilMs: number
}

export function queryUsage(database: DatabaseSync, query: UsageQuery): readonly UsageLine[] {
  const groups = [...new Set(query.groupBy)]
  const lines = new Map<string, { readonly key: readonly (string | number)[]; sums: bigint[] }>()
  const timeGroup = (['hour', 'day', 'month'] as const).find((unit) => groups.includes(unit)) ?? null
  const coarse =
    query.keyId === undefined && query.tag === undefined && !groups.includes('key') && !groups.includes('tag')
  for (const stretch of stretches(database, query, timeGroup, coarse)) {
    for (const { key, sums } of sumsOf(database, query, groups, stretch)) {
      const name = key.join('\u0000')
      const line = lines.get(name)
      if (line === undefined) lines.set(name, { key, sums })
      else line.sums = line.sums.map((sum, index) => sum + (sums[index] ?? 0n))
    }
  }
  return [...lines.values()]
    .filter(({ sums }) => sums.some((sum) => sum !== 0n))
    .sort((a, b) => compareKeys(a.key, b.key))
    .map(({ key, sums }) => toUsageLine(groups, key, sums))
}

/** The finest unit that the question tells apart decides which tables may answer. */
function stretches(
  database: DatabaseSync,
  query: UsageQuery,
  timeGroup: 'hour' | 'day' | 'month' | null,
  coarse: boolean,
): readonly Stretch[] {
  const edge = (order: string): unknown =>
    database.prepare(`SELECT start_ms AS start FROM usage_hours ORDER BY start_ms ${order} LIMIT 1`).get()?.['start']
  const [first, last] = [edge('ASC'), edge('DESC')]
  if (typeof first !== 'number' || typeof last !== 'number') return []
  const fromMs = Math.max(first, query.fromMs === undefined ? first : Math.floor(query.fromMs / hourMs) * hourMs)
  const wanted = query.untilMs === undefined ? Infinity : Math.ceil(query.untilMs / hourMs) * hourMs
  const untilMs = Math.min(last + hourMs, wanted)
  if (timeGroup === 'hour') return [{ table: 'usage_hours', fromMs, untilMs }]
  const sealed = (unit: string): readonly number[] =>
    database
      .prepare(
        'SELECT start_ms AS start FROM usage_sealed WHERE unit = ? AND start_ms >= ? AND start_ms < ? ORDER BY 1',
      )
      .all(unit, fromMs, untilMs)
      .map(({ start }) => Number(start))
  // The coarse days are smaller than the months with all keys.
  const months = timeGroup === 'day' || coarse ? [] : sealed('month')
  const monthStarts = new Set(months)
  const units: Stretch[] = [
    ...months.map((start) => ({ table: 'usage_months' as const, fromMs: start, untilMs: startOfNextMonth(start) })),
    ...sealed('day')
      .filter((start) => !monthStarts.has(startOfMonth(start)))
      .map((start) => ({
        table: coarse ? ('usage_days_coarse' as const) : ('usage_days' as const),
        fromMs: start,
        untilMs: start + dayMs,
      })),
    // The last unit may reach past the last hour that there is, but not past what was asked.
  ].filter((unit) => unit.untilMs <= wanted)
  units.sort((a, b) => a.fromMs - b.fromMs)
  const found: Stretch[] = []
  let at = fromMs
  for (const unit of units) {
    const before = found.at(-1)
    if (unit.fromMs > at) found.push({ table: 'usage_hours', fromMs: at, untilMs: unit.fromMs })
    if (before?.table === unit.table && before.untilMs === unit.fromMs)
      found[found.length - 1] = { ...before, untilMs: unit.untilMs }
    else found.push(unit)
    at = unit.untilMs
  }
  if (at < untilMs) found.push({ table: 'usage_hours', fromMs: at, untilMs })
  return found
}

function sumsOf(
  database: DatabaseSync,
  query: UsageQuery,
  groups: readonly UsageGroup[],
  { table, fromMs, untilMs }: Stretch,
): readonly { readonly key: readonly (string | number)[]; readonly sums: bigint[] }[] {
  const where = ['start_ms >= ?', 'start_ms < ?']
  const bound: SQLInputValue[] = [fromMs, untilMs]
  const filter = (column: DimensionColumn, value: string | undefined): void => {
    if (value === undefined) return
    where.push(`${column} = ?`)
    bound.push(value)
  }
  filter('key_id', query.keyId)
  filter('team', query.team)
  filter('tag', query.tag)
  filter('model', query.model)
  filter('upstream', query.upstream)
  filter('status', query.status)
  const month = groups.includes('month')
  const selected = groups.map((group) => {
    if (group === 'hour') return 'start_ms'
    if (group === 'day') return `start_ms / ${dayMs} * ${dayMs}`
    // Months are cut in JavaScript: in SQL a date function would run for every line.
    if (group === 'month') return table === 'usage_months' ? 'start_ms' : `start_ms / ${dayMs} * ${dayMs}`
    return groupColumns[group]
  })
  const keys = [...selected, 'currency']
  const positions = keys.map((_, index) => index + 1).join(', ')
  const statement = database.prepare(
    `SELECT ${keys.join(', ')}, ${sumColumns.map((name) => `SUM(${name})`).join(', ')}
     FROM ${table} JOIN usage_dimensions USING (dimension_id)
     WHERE ${where.join(' AND ')} GROUP BY ${positions}`,
  )
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  const monthAt = month ? groups.indexOf('month') : -1
  return (statement.all(...bound) as unknown as readonly (string | bigint)[][]).map((values) => ({
    key: values.slice(0, keys.length).map((value, index) => {
      const plain = typeof value === 'bigint' ? Number(value) : value
      return index === monthAt ? startOfMonth(Number(plain)) : plain
    }),
    sums: values.slice(keys.length).map(BigInt),
  }))
}

function compareKeys(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index]
    if (value !== other && other !== undefined) return value < other ? -1 : 1
  }
  return 0
}

function toUsageLine(
  groups: readonly UsageGroup[],
  key: readonly (string | number)[],
  sums: readonly bigint[],
): UsageLine {
  const group: Partial<Record<UsageGroup, string | null>> = {}
  for (const [index, name] of groups.entries()) {
    const value = key[index]
    group[name] = typeof value === 'number' ? timeText(name, value) : emptyAsNull(value)
  }
  const fields: Fields = Object.fromEntries(sumColumns.map((name, index) => [name, sums[index]]))
  const nanos = (name: (typeof sumColumns)[number]): bigint => (fields[name] as bigint | undefined) ?? 0n
  const number = (name: (typeof sumColumns)[number]): number => Number(nanos(name))
  return {
    group,
    currency: emptyAsNull(key[groups.length]),
    requests: number('requests'),
    requestsUnpriced: number('requests_unpriced'),
    requestsWithoutUsage: number('requests_without_usage'),
    requestsEstimated: number('requests_estimated'),
    estimatedNanos: nanos('estimated_nanos'),
    inputTokens: number('input_tokens'),
    hitTokens: number('hit_tokens'),
    missTokens: number('miss_tokens'),
    writtenTokens: number('written_tokens'),
    written1hTokens: number('written_1h_tokens'),
    outputTokens: number('output_tokens'),
    reasoningTokens: number('reasoning_tokens'),
    costNanos: nanos('cost_nanos'),
    tierNanos: {
      miss: nanos('miss_nanos'),
      hit: nanos('hit_nanos'),
      write5m: nanos('write_5m_nanos'),
      write1h: nanos('write_1h_nanos'),
      output: nanos('output_nanos'),
    },
  }
}

function timeText(unit: UsageGroup, ms: number): string {
  return new Date(ms).toISOString().slice(0, unit === 'month' ? 7 : unit === 'day' ? 10 : 16)
}

function emptyAsNull(value: string | number | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
