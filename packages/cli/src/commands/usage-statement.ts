/** `portolan usage statement`: what a team used in a month, line by line, adding up to the nano. */
import { csvLine, type SqliteStore, type UsageLine } from '@portolan/store'
import { dayOf, readDisplay, type Display, type DisplayOptions } from '../display-rates.ts'
import { CliError } from '../errors.ts'
import { json, money, table } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'
import { decimalOf, metersOf, type Meter } from './usage-meters.ts'
import { keyNames, readMonth } from './usage-range.ts'

export interface StatementOptions extends CommonOptions, DisplayOptions {
  readonly month: string
  readonly team?: string
  readonly format: string
}

export interface StatementLine {
  readonly team: string | null
  readonly keyId: string | null
  readonly keyName: string | null
  readonly model: string | null
  readonly upstream: string | null
  readonly meter: Meter
  readonly currency: string
  readonly tokens: number
  readonly nanos: bigint
}

export interface StatementTotal {
  readonly currency: string
  readonly nanos: bigint
  readonly requests: number
  readonly estimatedNanos: bigint
  readonly requestsEstimated: number
}

export interface Statement {
  readonly month: string
  /** Null: all teams. */
  readonly team: string | null
  readonly lines: readonly StatementLine[]
  readonly totals: readonly StatementTotal[]
  /** In no line: nobody knows yet what they cost. */
  readonly requestsUnpriced: number
}

/** @throws CliError when the lines do not add up to the totals: then the sums are damaged, and no bill is printed. */
export function statementOf(store: SqliteStore, month: string, team: string | null): Statement {
  const query = { ...readMonth(month), ...(team !== null && { team: team === '-' ? '' : team }) }
  const names = keyNames(store)
  const lines = store.ledger
    .usage({ ...query, groupBy: ['team', 'key', 'model', 'upstream'] })
    .flatMap((line) => statementLines(line, names))
  const all = store.ledger.usage({ ...query, groupBy: [] })
  const totals = all.flatMap(({ currency, costNanos, requests, requestsUnpriced, estimatedNanos, requestsEstimated }) =>
    currency === null
      ? []
      : [{ currency, nanos: costNanos, requests: requests - requestsUnpriced, estimatedNanos, requestsEstimated }],
  )
  for (const total of totals) {
    const sum = lines.reduce((nanos, line) => (line.currency === total.currency ? nanos + line.nanos : nanos), 0n)
    if (sum !== total.nanos)
      throw new CliError(
        'CLI_FAULTY_SUMS',
        `The lines of ${month} come to ${money(sum, total.currency)}, the total to ${money(total.nanos, total.currency)}. Run \`portolan usage verify\`.`,
      )
  }
  return {
    month,
    team,
    lines,
    totals,
    requestsUnpriced: all.reduce((count, line) => count + line.requestsUnpriced, 0),
  }
}

function statementLines(line: UsageLine, names: ReadonlyMap<string, string>): readonly StatementLine[] {
  const { group, currency } = line
  if (currency === null) return []
  const keyId = group.key ?? null
  return metersOf(line).map(({ meter, tokens, nanos }) => ({
    team: group.team ?? null,
    keyId,
    keyName: keyId === null ? null : (names.get(keyId) ?? null),
    model: group.model ?? null,
    upstream: group.upstream ?? null,
    meter,
    currency,
    tokens,
    nanos,
  }))
}

export function printStatement(options: StatementOptions): Promise<void> {
  const asCsv = options.format === 'csv'
  if (!asCsv && options.format !== 'text')
    throw new CliError('CLI_BAD_ARGUMENT', `--format: "${options.format}" is not one of text, csv (or give --json).`)
  return withData(options, ({ store }, loaded) => {
    const statement = statementOf(store, options.month, options.team ?? null)
    const display = readDisplay(options, loaded, dayOf(readMonth(options.month).untilMs - 1))
    if (options.json) console.log(json(display === null ? statement : displayedStatement(statement, display)))
    else if (asCsv) process.stdout.write(statementCsv(statement, display))
    else console.log(statementText(statement, display))
  })
}

function displayedStatement(statement: Statement, display: Display): object {
  const totals = statement.totals.map((total) => ({ ...total, display: display.amount(total.nanos, total.currency) }))
  return { ...statement, totals }
}

/** With `--in`, three columns more on every line: the amount, its currency, and what it was made with. */
function statementCsv({ lines, totals }: Statement, display: Display | null): string {
  const header = ['team', 'key_id', 'key_name', 'model', 'upstream', 'meter', 'tokens', 'amount', 'currency']
  const shown = (nanos: bigint, currency: string): readonly (string | null)[] => {
    if (display === null) return []
    const amount = display.amount(nanos, currency)
    return [amount.nanos === null ? null : decimalOf(amount.nanos), amount.currency, amount.basis]
  }
  return [
    csvLine([...header, ...(display === null ? [] : ['display_amount', 'display_currency', 'display_basis'])]),
    ...lines.map((line) =>
      csvLine([
        line.team,
        line.keyId,
        line.keyName,
        line.model,
        line.upstream,
        line.meter,
        line.tokens,
        decimalOf(line.nanos),
        line.currency,
        ...shown(line.nanos, line.currency),
      ]),
    ),
    ...totals.map(({ currency, nanos }) =>
      csvLine(['TOTAL', null, null, null, null, null, null, decimalOf(nanos), currency, ...shown(nanos, currency)]),
    ),
  ].join('')
}

function statementText({ month, team, lines, totals, requestsUnpriced }: Statement, display: Display | null): string {
  const whose = team === null ? 'all teams' : team === '-' ? 'keys without a team' : `team ${team}`
  if (lines.length === 0 && requestsUnpriced === 0) return `${month}, ${whose}: nothing was used.`
  const text = [
    `Statement of ${month} (UTC), ${whose}`,
    '',
    table(lines, [
      ...(team === null ? [{ title: 'TEAM', value: (line: StatementLine) => line.team ?? '-' }] : []),
      { title: 'KEY', value: (line) => line.keyName ?? line.keyId ?? '-' },
      { title: 'MODEL', value: (line) => line.model ?? '-' },
      { title: 'UPSTREAM', value: (line) => line.upstream ?? '-' },
      { title: 'METER', value: (line) => line.meter },
      { title: 'TOKENS', align: 'right', value: (line) => line.tokens.toLocaleString('en-US') },
      { title: 'AMOUNT', align: 'right', value: (line) => money(line.nanos, line.currency) },
    ]),
    '',
  ]
  for (const total of totals) {
    text.push(`TOTAL  ${money(total.nanos, total.currency)}  for ${total.requests.toLocaleString('en-US')} requests`)
    if (display !== null && display.currency !== total.currency) {
      const { nanos, basis } = display.amount(total.nanos, total.currency)
      text.push(nanos === null ? `       ${basis}` : `       ~ ${money(nanos, display.currency)}  at ${basis}`)
    }
    if (total.requestsEstimated > 0)
      text.push(
        `       of which ${money(total.estimatedNanos, total.currency)} for ${total.requestsEstimated.toLocaleString('en-US')} requests is our estimate; \`portolan usage reconcile\` replaces it`,
      )
  }
  if (requestsUnpriced > 0)
    text.push(`${requestsUnpriced.toLocaleString('en-US')} requests have no price and are in no line.`)
  return text.join('\n')
}
