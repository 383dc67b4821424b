/** `portolan price at|show|history`: what the dated price book says of one model. */
import {
  describeDisplayRate,
  displayedDecimal,
  formatDecimal,
  isMissingRate,
  isUnpriced,
  priceAt,
  priceTimeline,
  type PriceBook,
  type PriceRecord,
  type DisplayRate,
  type Rates,
} from '@portolan/meter'
import { loadConfig } from '../config/load.ts'
import { dayOf, readDisplay, type DisplayOptions } from '../display-rates.ts'
import { CliError } from '../errors.ts'
import { readInstant, shortInstant } from '../instant.ts'
import { json, table } from '../output.ts'
import { readPriceBook } from '../price-files.ts'
import type { CommonOptions } from './open.ts'

const rateNames = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'output',
  'reasoning',
] as const satisfies (keyof Rates)[]

export interface PriceOptions extends CommonOptions {
  readonly date?: string
  readonly knownAt?: string
  readonly currency: string
  readonly promptTokens?: number
  readonly modifiers?: string
}

export function priceAtInstant(vendor: string, model: string, options: PriceOptions): void {
  const { atMs, knownAtMs } = instants(options)
  const modifiers = options.modifiers?.split(',').map((name) => name.trim())
  const price = priceAt(readPriceBook(loadConfig(options.config ?? null)), {
    vendor,
    model,
    currency: options.currency,
    atMs,
    knownAtMs,
    modifiers,
    promptTokens: options.promptTokens ?? 0,
  })
  if (isUnpriced(price)) throw new CliError('CLI_NOT_FOUND', price.message)
  const rates = ratesText(price.rates)
  const parts = price.partsAbove.toReversed()
  if (options.json) {
    console.log(
      json({
        versionId: price.versionId,
        currency: price.currency,
        per: '1,000,000 tokens',
        at: new Date(atMs).toISOString(),
        knownAt: knownAtMs === undefined ? null : new Date(knownAtMs).toISOString(),
        variant: price.variant,
        rates,
        partsAbove: parts.map((part) => ({ promptTokensAbove: part.promptTokensAbove, rates: ratesText(part.rates) })),
        sources: price.record?.sources ?? [],
      }),
    )
    return
  }
  const variant = price.variant.length > 0 ? ` (${price.variant.join(', ')})` : ''
  const known = knownAtMs === undefined ? '' : `, as known at ${shortInstant(knownAtMs)}`
  console.log(
    `${vendor} ${price.matchedModel} at ${new Date(atMs).toISOString()}${known}${variant}, ${price.currency} per 1,000,000 tokens:`,
  )
  for (const name of rateNames) console.log(`  ${name.padEnd(13)} ${rates[name] ?? '-'}`)
  for (const { promptTokensAbove, rates: own } of parts)
    console.log(`  the part of a prompt above ${promptTokensAbove.toLocaleString('en-US')}: ${describeRates(own)}`)
  console.log(`  version       ${price.versionId}`)
  for (const source of price.record?.sources ?? []) console.log(`  source        ${source}`)
}

/** Everything that can be charged for a model now, and what is known to come. */
export function showPrice(vendor: string, model: string, options: PriceOptions & DisplayOptions): void {
  const { atMs, knownAtMs = atMs } = instants(options)
  const loaded = loadConfig(options.config ?? null)
  const book = readPriceBook(loaded)
  const display = readDisplay(options, loaded, dayOf(atMs))?.rateFrom(options.currency) ?? null
  const shownBy = display === null || isMissingRate(display) ? null : display
  const name = { vendor, model, currency: options.currency }
  const price = priceAt(book, { ...name, atMs, knownAtMs, promptTokens: 0 })
  if (isUnpriced(price) || price.record === null)
    throw new CliError('CLI_NOT_FOUND', isUnpriced(price) ? price.message : `${vendor} "${model}" has no list price.`)
  const { record } = price
  const lines = linesOf(record)
  const coming = priceTimeline(book, { ...name, knownAtMs }, atMs, farAheadMs).slice(1)
  if (options.json) {
    console.log(
      json({
        record: record.id,
        status: record.status,
        baseFactor: record.baseFactor && formatDecimal(record.baseFactor),
        stackedOn: record.baseId,
        currency: record.currency,
        per: '1,000,000 tokens',
        from: shortInstant(record.fromMs),
        until: shortInstant(record.untilMs) || null,
        rates: Object.fromEntries(lines.map((line) => [line.when, ratesText(line.rates)])),
        ...(display !== null && {
          display: {
            currency: options.in,
            basis: isMissingRate(display) ? display.missing : describeDisplayRate(display),
            rates:
              shownBy &&
              Object.fromEntries(lines.map((line) => [line.when, ratesText(shownRates(line.rates, shownBy))])),
          },
        }),
        modifiers: Object.fromEntries([...record.modifiers].map(([key, factor]) => [key, formatDecimal(factor)])),
        coming: coming.map((segment) => ({
          from: shortInstant(segment.fromMs),
          record: segment.record?.id ?? null,
          rates: segment.record && ratesText(segment.record.rates),
        })),
        confidence: record.confidence,
        sources: record.sources,
      }),
    )
    return
  }
  console.log(
    `${vendor} ${price.matchedModel}: ${record.status}, in force since ${shortInstant(record.fromMs)} UTC. ${record.currency} per 1,000,000 tokens:\n`,
  )
  console.log(
    table(
      [...lines, ...(shownBy === null ? [] : lines.map((line) => shownLine(line, shownBy)))],
      [
        { title: 'WHEN', value: ({ when }) => when },
        ...rateNames.map((rate) => ({
          title: rate.replace(/([A-Z])/g, ' $1').toUpperCase(),
          align: 'right' as const,
          value: ({ rates }: { readonly rates: Rates }) => ratesText(rates)[rate] ?? '-',
        })),
      ],
    ),
  )
  console.log('')
  if (display !== null) console.log(`  ~ ${isMissingRate(display) ? display.missing : describeDisplayRate(display)}`)
  if (record.schedule) console.log(`  peak hours      ${describeHours(record)}`)
  for (const [key, factor] of record.modifiers) console.log(`  ${key.padEnd(15)} x ${formatDecimal(factor)}`)
  const below = record.baseId ?? (record.status === 'promo' ? listBelow(book, name, record, atMs)?.id : null)
  const share = record.baseFactor === null ? '' : `, x ${formatDecimal(record.baseFactor)}`
  if (below) console.log(`  stacked on      ${below}${share}`)
  for (const { fromMs, record: next } of coming)
    console.log(
      `  from ${shortInstant(fromMs).padEnd(10)} ${next === null ? 'no price' : `${next.status}: ${describeRates(next.rates)}`}`,
    )
  if (coming.length === 0) console.log('  known to come   nothing')
  console.log(`  confidence      ${record.confidence}`)
  for (const source of record.sources) console.log(`  source          ${source}`)
  if (record.note !== null) console.log(`  note            ${record.note}`)
}

const farAheadMs = Date.UTC(2100, 0)

export function priceHistory(
  vendor: string,
  model: string,
  options: CommonOptions & { readonly currency?: string },
): void {
  const records: PriceRecord[] = []
  for (
    let layer: PriceBook | null = readPriceBook(loadConfig(options.config ?? null));
    layer !== null;
    layer = layer.below
  )
    records.push(
      ...layer.records
        .filter((record) => record.vendor === vendor && (record.model === model || record.aliases.includes(model)))
        .filter((record) => options.currency === undefined || record.currency === options.currency),
    )
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
          baseFactor: record.baseFactor && formatDecimal(record.baseFactor),
          rates: ratesText(record.rates),
          peakRates: record.peakRates && ratesText(record.peakRates),
          modifiers: Object.fromEntries([...record.modifiers].map(([key, factor]) => [key, formatDecimal(factor)])),
          tiers: record.tiers.map(({ promptTokensAbove, rates }) => ({ promptTokensAbove, rates: ratesText(rates) })),
          schedule: record.schedule?.id ?? null,
        })),
      ),
    )
    return
  }
  const rate = (record: PriceRecord, name: (typeof rateNames)[number]): string => ratesText(record.rates)[name] ?? '-'
  console.log(
    table(records, [
      { title: 'FROM (UTC)', value: (record) => shortInstant(record.fromMs) },
      { title: 'UNTIL', value: (record) => shortInstant(record.untilMs) },
      {
        title: 'KNOWN FROM',
        value: (record) => (record.announcedMs === record.fromMs ? '' : shortInstant(record.announcedMs)),
      },
      { title: 'STATUS', value: (record) => record.status },
      { title: 'CUR', value: (record) => record.currency },
      { title: 'INPUT', align: 'right', value: (record) => rate(record, 'input') },
      { title: 'CACHE READ', align: 'right', value: (record) => rate(record, 'cacheRead') },
      { title: 'OUTPUT', align: 'right', value: (record) => rate(record, 'output') },
      {
        title: 'ALSO',
        value: (record) =>
          [
            record.baseFactor && `${formatDecimal(record.baseFactor)} of ${record.baseId}`,
            record.peakRates && 'dearer at peak',
            ...record.tiers.map(
              (tier) => `${record.tierApplies === 'above' ? 'part' : 'tier'} >${tier.promptTokensAbove}`,
            ),
          ]
            .filter(Boolean)
            .join(', '),
      },
      { title: 'CONFIDENCE', value: (record) => record.confidence },
    ]),
  )
}

function instants({ date, knownAt }: PriceOptions): { readonly atMs: number; readonly knownAtMs?: number } {
  const atMs = date === undefined ? Date.now() : readInstant(date, '--date')
  return knownAt === undefined ? { atMs } : { atMs, knownAtMs: readInstant(knownAt, '--known-at') }
}

interface Line {
  readonly when: string
  readonly rates: Rates
}

function linesOf(record: PriceRecord): Line[] {
  return [
    { when: record.peakRates ? 'off-peak' : 'always', rates: record.rates },
    ...(record.peakRates ? [{ when: 'peak', rates: record.peakRates }] : []),
    ...record.tiers.map(({ promptTokensAbove, rates }) => ({
      when: `${record.tierApplies === 'above' ? 'the part' : 'prompt'} > ${promptTokensAbove.toLocaleString('en-US')}`,
      // In a part above the answer keeps its rates.
      rates:
        record.tierApplies === 'above'
          ? { ...rates, output: record.rates.output, reasoning: record.rates.reasoning }
          : rates,
    })),
  ]
}

function shownLine({ when, rates }: Line, by: DisplayRate): Line {
  return { when: `~ ${when}, ${by.to}`, rates: shownRates(rates, by) }
}

export function shownRates(rates: Rates, by: DisplayRate, scale?: number): Rates {
  const shown = { ...rates }
  for (const name of rateNames) shown[name] = rates[name] && displayedDecimal(rates[name], by, scale)
  return shown
}

function describeHours({ schedule }: PriceRecord): string {
  if (schedule === null) return ''
  const clock = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].filter((_day, index) =>
    schedule.weekdays.has(index + 1),
  )
  const hours = schedule.windows.map(({ startMin, endMin }) => `${clock(startMin)}-${clock(endMin)}`).join(' and ')
  const holidays = schedule.offPeakDays.length === 0 ? '' : `, not on ${schedule.offPeakDays.length} holidays listed`
  return `${hours} ${schedule.timeZone}, ${days.join(' ')}${holidays}`
}

/** The list price under a promotion: what returns when it ends. */
function listBelow(
  book: PriceBook,
  name: { readonly vendor: string; readonly model: string; readonly currency: string },
  promo: PriceRecord,
  atMs: number,
): PriceRecord | null {
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) {
    const found = layer.records.find(
      (record) =>
        record !== promo &&
        record.vendor === name.vendor &&
        record.model === promo.model &&
        record.currency === name.currency &&
        record.status !== 'promo' &&
        record.fromMs <= atMs &&
        atMs < (record.untilMs ?? Infinity),
    )
    if (found) return found
  }
  return null
}

function describeRates(rates: Rates): string {
  return Object.entries(ratesText(rates))
    .map(([name, rate]) => `${name} ${rate}`)
    .join(', ')
}

export function ratesText(rates: Rates): Partial<Record<(typeof rateNames)[number], string>> {
  return Object.fromEntries(
    rateNames.flatMap((name) => (rates[name] === null ? [] : [[name, formatDecimal(rates[name])]])),
  )
}
