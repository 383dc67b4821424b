/** `portolan price`: the dated price book, read only. */
import { formatDecimal, isUnpriced, priceAt, type PriceRecord, type Rates } from '@portolan/meter'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import type { CommonOptions } from './open.ts'
import { readPriceBook } from './up.ts'

const rateNames = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'output'] as const satisfies (keyof Rates)[]

export function priceAtInstant(
  vendor: string,
  model: string,
  options: CommonOptions & { readonly date?: string; readonly currency: string; readonly promptTokens?: number },
): void {
  const atMs = options.date === undefined ? Date.now() : Date.parse(options.date)
  if (Number.isNaN(atMs))
    throw new CliError('CLI_BAD_ARGUMENT', `--date: "${options.date}" is not an instant such as 2026-05-01T12:00:00Z.`)
  const price = priceAt(readPriceBook(), {
    vendor,
    model,
    currency: options.currency,
    atMs,
    promptTokens: options.promptTokens ?? 0,
  })
  if (isUnpriced(price)) throw new CliError('CLI_NOT_FOUND', price.message)
  const rates = ratesText(price.rates)
  if (options.json) {
    console.log(
      json({
        versionId: price.versionId,
        currency: price.currency,
        per: '1,000,000 tokens',
        at: new Date(atMs).toISOString(),
        variant: price.variant,
        rates,
      }),
    )
    return
  }
  console.log(
    `${vendor} ${price.matchedModel} at ${new Date(atMs).toISOString()}${price.variant.length > 0 ? ` (${price.variant.join(', ')})` : ''}, ${price.currency} per 1,000,000 tokens:`,
  )
  for (const name of rateNames) console.log(`  ${name.padEnd(13)} ${rates[name] ?? '-'}`)
  console.log(`  version       ${price.versionId}`)
  for (const source of price.record?.sources ?? []) console.log(`  source        ${source}`)
}

export function priceHistory(
  vendor: string,
  model: string,
  options: CommonOptions & { readonly currency?: string },
): void {
  const records = readPriceBook()
    .records.filter((record) => record.vendor === vendor && (record.model === model || record.aliases.includes(model)))
    .filter((record) => options.currency === undefined || record.currency === options.currency)
  if (records.length === 0)
    throw new CliError(
      'CLI_NOT_FOUND',
      `The price book has no prices of ${vendor} "${model}"${options.currency ? ` in ${options.currency}` : ''}.`,
    )
  if (options.json) {
    console.log(
      json(
        records.map((record) => ({
          ...record,
          rates: ratesText(record.rates),
          peakRates: record.peakRates && ratesText(record.peakRates),
          modifiers: undefined,
          tiers: undefined,
        })),
      ),
    )
    return
  }
  const day = (ms: number | null): string =>
    ms === null ? '' : new Date(ms).toISOString().slice(0, 16).replace('T00:00', '')
  const rate = (record: PriceRecord, name: (typeof rateNames)[number]): string => ratesText(record.rates)[name] ?? '-'
  console.log(
    table(records, [
      { title: 'FROM (UTC)', value: (record) => day(record.fromMs) },
      { title: 'UNTIL', value: (record) => day(record.untilMs) },
      { title: 'STATUS', value: (record) => record.status },
      { title: 'CUR', value: (record) => record.currency },
      { title: 'INPUT', align: 'right', value: (record) => rate(record, 'input') },
      { title: 'CACHE READ', align: 'right', value: (record) => rate(record, 'cacheRead') },
      { title: 'OUTPUT', align: 'right', value: (record) => rate(record, 'output') },
      { title: 'PEAK', value: (record) => (record.peakRates ? 'dearer at peak' : '') },
      { title: 'CONFIDENCE', value: (record) => record.confidence },
    ]),
  )
}

function ratesText(rates: Rates): Partial<Record<(typeof rateNames)[number], string>> {
  return Object.fromEntries(
    rateNames.flatMap((name) => (rates[name] === null ? [] : [[name, formatDecimal(rates[name])]])),
  )
}
