/** `portolan usage`: totals from the rollups, or the newest rows one by one. */
import type { LedgerRow, UsageGroup, UsageLine } from '@portolan/store'
import { dayOf, readDisplay, type Display, type DisplayOptions } from '../display-rates.ts'
import { CliError } from '../errors.ts'
import { json, money, table, type Column } from '../output.ts'
import { withData } from './open.ts'
import { keyNames, readFilters, readGroups, readRange, type RangeOptions } from './usage-range.ts'

export interface UsageOptions extends RangeOptions, DisplayOptions {
  readonly by: string
  readonly last?: number
}

export function usage(options: UsageOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const nowMs = Date.now()
    if (options.last !== undefined) {
      if (!Number.isInteger(options.last) || options.last < 1)
        throw new CliError('CLI_BAD_ARGUMENT', '--last takes a number of rows, e.g. --last 20.')
      if (options.in !== undefined)
        throw new CliError('CLI_BAD_ARGUMENT', '--in goes with sums, not with --last: rows stand as they were billed.')
      const { keyId } = readFilters(options, store)
      printRows(store.ledger.recent(options.last, keyId === undefined ? {} : { keyId }), options.json ?? false)
      return
    }
    const groupBy = readGroups(options.by)
    const range = readRange(options, nowMs)
    const display = readDisplay(options, loaded, dayOf((range.untilMs ?? nowMs + 1) - 1))
    const lines = store.ledger.usage({ groupBy, ...range, ...readFilters(options, store) })
    if (options.json) console.log(json(display === null ? lines : lines.map((line) => displayedLine(line, display))))
    else if (lines.length === 0) console.log('Nothing was used in this time.')
    else {
      console.log(table(lines, usageColumns(groupBy, keyNames(store), lines, display)))
      for (const note of display?.notes() ?? []) console.log(`~ ${note}`)
    }
  })
}

function displayedLine(line: UsageLine, display: Display): object {
  const { costNanos, currency } = line
  return { ...line, display: currency === null ? null : display.amount(costNanos, currency) }
}

function usageColumns(
  groupBy: readonly UsageGroup[],
  names: ReadonlyMap<string, string>,
  lines: readonly UsageLine[],
  display: Display | null,
): Column<UsageLine>[] {
  const count = (title: string, pick: (line: UsageLine) => number): Column<UsageLine> => ({
    title,
    align: 'right',
    value: (line) => pick(line).toLocaleString('en-US'),
  })
  return [
    ...groupBy.map((group) => ({
      title: group.toUpperCase(),
      value: (line: UsageLine) => label(group, line.group[group] ?? null, names),
    })),
    count('REQUESTS', (line) => line.requests),
    count('INPUT', (line) => line.inputTokens),
    count('HIT', (line) => line.hitTokens),
    count('MISS', (line) => line.missTokens),
    count('WRITTEN', (line) => line.writtenTokens),
    count('OUTPUT', (line) => line.outputTokens),
    {
      title: 'COST',
      align: 'right',
      value: (line) => (line.currency === null ? '-' : money(line.costNanos, line.currency)),
    },
    ...(display === null
      ? []
      : [
          {
            title: `IN ${display.currency}`,
            align: 'right' as const,
            value: ({ costNanos, currency }: UsageLine) => display.cell(costNanos, currency),
          },
        ]),
    // Where nothing is missing and nothing was guessed, no column has to say so.
    ...(lines.some((line) => line.requestsUnpriced > 0) ? [count('UNPRICED', (line) => line.requestsUnpriced)] : []),
    ...(lines.some((line) => line.requestsEstimated > 0) ? [count('ESTIMATED', (line) => line.requestsEstimated)] : []),
  ]
}

function label(group: UsageGroup, value: string | null, names: ReadonlyMap<string, string>): string {
  if (value === null) return '-'
  return group === 'key' ? `${names.get(value) ?? 'deleted'} (${value})` : value
}

function printRows(rows: readonly LedgerRow[], asJson: boolean): void {
  if (asJson) {
    console.log(json(rows))
    return
  }
  const tokens = (value: number | null): string => (value === null ? '?' : value.toLocaleString('en-US'))
  const ms = (value: number | null): string => (value === null ? '-' : value.toFixed(0))
  console.log(
    rows.length === 0
      ? 'No rows yet.'
      : table(rows, [
          { title: 'STARTED', value: (row) => new Date(row.startedAtMs).toISOString().slice(0, 19) },
          { title: 'REQUEST', value: (row) => row.requestId },
          { title: 'TEAM', value: (row) => row.team ?? '-' },
          { title: 'TAG', value: (row) => row.tag ?? '-' },
          { title: 'DOOR', value: (row) => row.door ?? '-' },
          { title: 'UPSTREAM', value: (row) => row.upstream ?? '-' },
          { title: 'MODEL', value: (row) => row.modelServed ?? row.modelSent ?? row.modelAsked ?? '-' },
          {
            title: 'STATUS',
            value: (row) => (row.errorCode === null ? row.status : `${row.status} (${row.errorCode})`),
          },
          { title: 'HIT', align: 'right', value: (row) => tokens(row.usage.hitTokens) },
          { title: 'MISS', align: 'right', value: (row) => tokens(row.usage.missTokens) },
          { title: 'OUTPUT', align: 'right', value: (row) => tokens(row.usage.outputTokens) },
          { title: 'SOURCE', value: (row) => row.usage.source },
          { title: 'FIRST MS', align: 'right', value: (row) => ms(row.firstTextMs ?? row.firstByteMs) },
          { title: 'END MS', align: 'right', value: (row) => ms(row.endMs) },
          {
            title: 'PREFIX',
            align: 'right',
            value: (row) =>
              row.prefixTotalBytes ? `${((100 * (row.prefixKeptBytes ?? 0)) / row.prefixTotalBytes).toFixed(1)}%` : '-',
          },
          { title: 'COST', align: 'right', value: (row) => money(row.costNanos, row.currency) },
        ]),
  )
}
