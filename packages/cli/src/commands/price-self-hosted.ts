/**
 * `portolan price self-hosted`: rates of a model on own hardware, as a price file that `prices: self-hosted` uses.
 *
 * With --input-per-second and --output-per-second by what the machine can do; without, by what the ledger says it
 * served in the time. The file is dated like any other price: a new calculation is a new record.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { loadPriceBook, MeterError, ratesFromThroughput, ratesFromTraffic, type SelfHostedRates } from '@portolan/meter'
import type { UsageLine } from '@portolan/store'
import { CliError } from '../errors.ts'
import { readInstant, shortInstant } from '../instant.ts'
import { json } from '../output.ts'
import { readTextFile } from '../price-files.ts'
import { withData, type CommonOptions } from './open.ts'

export interface SelfHostedOptions extends CommonOptions {
  readonly hardwarePerHour: string
  readonly currency: string
  readonly inputPerSecond?: string
  readonly outputPerSecond?: string
  readonly utilization: string
  readonly hitWeight: string
  readonly outputWeight: string
  readonly upstream?: string
  readonly from?: string
  readonly to?: string
  readonly validFrom?: string
  readonly write?: string
}

const dayMs = 86_400_000
const hourMs = 3_600_000

export async function selfHostedPrice(model: string, options: SelfHostedOptions): Promise<void> {
  const byThroughput = options.inputPerSecond !== undefined || options.outputPerSecond !== undefined
  if (byThroughput && (options.inputPerSecond === undefined || options.outputPerSecond === undefined))
    throw new CliError('CLI_BAD_ARGUMENT', '--input-per-second and --output-per-second come together.')
  const rates = await understood(() => (byThroughput ? throughputRates(options) : trafficRates(model, options)))
  const fromMs = options.validFrom === undefined ? today() : readInstant(options.validFrom, '--valid-from')
  const record = recordOf(model, options, rates, fromMs)
  if (options.write !== undefined) append(options.write, record)
  if (options.json) {
    console.log(json({ record, assumptions: rates.assumptions, written: options.write ?? null }))
    return
  }
  console.log(`${model} on own hardware, ${options.currency} per 1,000,000 tokens:`)
  for (const [name, rate] of Object.entries(record.rates)) console.log(`  ${name.padEnd(11)} ${rate}`)
  console.log('Assumed:')
  for (const line of rates.assumptions) console.log(`  ${line}`)
  console.log(
    options.write === undefined
      ? 'Nothing was written; --write <file> makes a price file of it.'
      : `${options.write} holds it from ${shortInstant(fromMs)} on. Use it with\n  prices: { overrides: ["${options.write}"] }\n  upstreams: { <name>: { ..., prices: self-hosted } }`,
  )
}

async function understood(work: () => SelfHostedRates | Promise<SelfHostedRates>): Promise<SelfHostedRates> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof RangeError || error instanceof MeterError)
      throw new CliError('CLI_BAD_ARGUMENT', error.message, { cause: error })
    throw error
  }
}

function throughputRates(options: SelfHostedOptions): SelfHostedRates {
  return ratesFromThroughput({
    costPerHour: options.hardwarePerHour,
    inputTokensPerSec: Number(options.inputPerSecond),
    outputTokensPerSec: Number(options.outputPerSecond),
    utilization: Number(options.utilization),
    hitWeight: Number(options.hitWeight),
  })
}

function trafficRates(model: string, options: SelfHostedOptions): Promise<SelfHostedRates> {
  return withData(options, ({ store }) => {
    const untilMs =
      options.to === undefined ? Math.floor(Date.now() / hourMs) * hourMs : readInstant(options.to, '--to')
    const fromMs = options.from === undefined ? untilMs - 7 * dayMs : readInstant(options.from, '--from')
    if (fromMs >= untilMs) throw new CliError('CLI_BAD_ARGUMENT', '--from is not before --to.')
    const lines: readonly UsageLine[] = store.ledger.usage({
      groupBy: ['hour'],
      fromMs,
      untilMs,
      ...(options.upstream === undefined ? { model } : { upstream: options.upstream }),
    })
    const sum = (pick: (line: UsageLine) => number): number => lines.reduce((total, line) => total + pick(line), 0)
    if (sum(({ requests }) => requests) === 0)
      throw new CliError(
        'CLI_NOT_FOUND',
        `The ledger has no requests of ${options.upstream ?? model} from ${shortInstant(fromMs)} to ${shortInstant(untilMs)}. Give --input-per-second and --output-per-second instead, or another time.`,
      )
    return ratesFromTraffic({
      costPerHour: options.hardwarePerHour,
      hours: (untilMs - fromMs) / hourMs,
      missTokens: sum(({ missTokens, writtenTokens }) => missTokens + writtenTokens),
      hitTokens: sum(({ hitTokens }) => hitTokens),
      outputTokens: sum(({ outputTokens }) => outputTokens),
      outputWeight: Number(options.outputWeight),
      hitWeight: Number(options.hitWeight),
    })
  })
}

interface SelfHostedRecord {
  readonly id: string
  readonly effective_from: string
  readonly effective_to: string | null
  readonly model: string
  readonly currency: string
  readonly rates: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

function recordOf(
  model: string,
  { currency }: SelfHostedOptions,
  { input, cacheRead, output, assumptions }: SelfHostedRates,
  fromMs: number,
): SelfHostedRecord {
  const from = new Date(fromMs).toISOString()
  return {
    id: `self-hosted/${model}/${currency}/${from}`,
    vendor: 'self-hosted',
    model,
    currency,
    effective_from: from,
    effective_to: null,
    status: 'list',
    rates: { input, cache_read: cacheRead, output },
    confidence: 'computed',
    sources: assumptions,
  }
}

/** The earlier record of the model ends where this one begins. */
function append(path: string, record: SelfHostedRecord): void {
  const file = existsSync(path) ? (JSON.parse(checked(path)) as { records: SelfHostedRecord[] }) : { records: [] }
  const records = file.records.map((one) =>
    one.model === record.model && one.currency === record.currency && one.effective_to === null
      ? { ...one, effective_to: record.effective_from }
      : one,
  )
  const text = `${JSON.stringify({ ...file, schema_version: 1, as_of: record.effective_from.slice(0, 10), records: [...records, record] }, null, 1)}\n`
  try {
    loadPriceBook(text)
  } catch (error) {
    throw new CliError('CLI_BAD_PRICE_FILE', `${path} cannot take this price: ${(error as Error).message}`, {
      cause: error,
    })
  }
  writeFileSync(path, text)
}

function checked(path: string): string {
  const text = readTextFile(path)
  try {
    loadPriceBook(text)
    return text
  } catch (error) {
    throw new CliError('CLI_BAD_PRICE_FILE', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

function today(): number {
  return Math.floor(Date.now() / dayMs) * dayMs
}
