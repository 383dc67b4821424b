/**
 * What is wrong, or looks wrong, in a price file: every finding with the place in the file.
 *
 * Errors are what `loadPriceBook` refuses. Warnings load, but a person should look: gaps in a history, a price ten
 * times its predecessor (per token read as per million, or a slipped point), cache reads dearer than input, a tier
 * cheaper than its base, an announced day that has come. Left out: whether a price is the vendor's.
 */
import { formatDecimal, compare, type Decimal } from './decimal.ts'
import { MeterError } from './errors.ts'
import { isoInstant, type PriceRecord, type Rates } from './price-record.ts'
import { bookOf, readPriceFile, type PriceFile } from './price-file.ts'
import { priceTimeline, type PriceBook } from './price-book.ts'

export interface PriceFinding {
  readonly severity: 'error' | 'warning'
  readonly code: 'unreadable' | 'overlap' | 'gap' | 'jump' | 'unit' | 'order' | 'announcement'
  /** Member names and indexes from the root of the file; empty: the whole file. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

const rateNames = [
  'input',
  'output',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'reasoning',
] as const satisfies (keyof Rates)[]
const fileNames: Readonly<Record<keyof Rates, string>> = {
  input: 'input',
  output: 'output',
  cacheRead: 'cache_read',
  cacheWrite5m: 'cache_write_5m',
  cacheWrite1h: 'cache_write_1h',
  reasoning: 'reasoning',
}
const suspiciousFactor = 10
/** Currency units per million tokens; outside of this somebody wrote another unit. */
const believable = { least: 0.0005, most: 2000 }

/** Errors first, then warnings, each in the order of the file. */
export function lintPriceFile(text: string): readonly PriceFinding[] {
  const errors: PriceFinding[] = []
  const unreadable = ({ at, message }: MeterError): void => {
    errors.push({ severity: 'error', code: 'unreadable', path: pathOf(at ?? ''), message })
  }
  let file
  try {
    file = readPriceFile(text, unreadable)
  } catch (error) {
    if (!(error instanceof MeterError)) throw error
    unreadable(error)
    return errors
  }
  const kept = distinct(file, errors)
  const { book, indexOf } = withoutOverlaps(kept, errors)
  const warnings = [
    ...kept.records.flatMap(({ record, index }) => warningsOf(record, index, file.asOf)),
    ...historyWarnings(book, indexOf),
  ]
  const byPlace = (a: PriceFinding, b: PriceFinding): number => Number(a.path[1] ?? -1) - Number(b.path[1] ?? -1)
  return [...errors.sort(byPlace), ...warnings.sort(byPlace)]
}

function distinct(file: PriceFile, errors: PriceFinding[]): PriceFile {
  const ids = new Set<string>()
  const records = file.records.filter(({ record: { id }, index }) => {
    if (!ids.has(id)) return ids.add(id)
    const path = ['records', index, 'id']
    errors.push({ severity: 'error', code: 'unreadable', path, message: `Price file, ${id}: the id appears twice.` })
    return false
  })
  return { ...file, records }
}

/** The book of what can be kept, after every overlap was reported once. */
function withoutOverlaps(
  file: PriceFile,
  errors: PriceFinding[],
): { readonly book: PriceBook; readonly indexOf: ReadonlyMap<string, number> } {
  let { records } = file
  for (;;) {
    const indexOf = new Map(records.map(({ record, index }) => [record.id, index]))
    try {
      return { book: bookOf([{ ...file, records }]), indexOf }
    } catch (error) {
      if (!(error instanceof MeterError)) throw error
      const named = [...error.message.matchAll(/"(.+?)"/g)].map(([, id = '']) => indexOf.get(id) ?? -1)
      const index = Math.max(...named.slice(0, 2))
      const code = error.code === 'METER_OVERLAPPING_PRICES' ? 'overlap' : 'unreadable'
      errors.push({ severity: 'error', code, path: ['records', index], message: error.message })
      const fewer = records.filter((one) => one.index !== index)
      // A message that names no record of this file would come again for ever.
      if (fewer.length === records.length) return { book: bookOf([]), indexOf }
      records = fewer
    }
  }
}

function warningsOf(record: PriceRecord, index: number, asOf: string): PriceFinding[] {
  const findings: PriceFinding[] = []
  const warn = (code: PriceFinding['code'], path: readonly (string | number)[], message: string): void => {
    findings.push({ severity: 'warning', code, path: ['records', index, ...path], message: `${record.id}: ${message}` })
  }
  for (const name of rateNames) {
    const rate = number(record.rates[name])
    if (rate !== null && rate !== 0 && (rate < believable.least || rate > believable.most))
      warn('unit', ['rates', fileNames[name]], `${name} is ${rate} per 1,000,000 tokens; is that another unit?`)
  }
  if (exceeds(record.rates.cacheRead, record.rates.input))
    warn('order', ['rates', 'cache_read'], 'a cache read costs more than the input it saves')
  for (const [tier, { promptTokensAbove, rates }] of record.tiers.entries())
    if (exceeds(record.rates.input, rates.input))
      warn('order', ['tiers', tier], `above ${promptTokensAbove} tokens input is cheaper than below`)
  if (record.tierApplies === 'above')
    for (const [tier, { promptTokensAbove, rates }] of record.tiers.entries())
      for (const name of ['input', 'cacheRead'] as const)
        if (record.rates[name] !== null && rates[name] === null)
          warn(
            'gap',
            ['tiers', tier],
            `the part above ${promptTokensAbove} tokens lists no ${fileNames[name]}: unpriced there`,
          )
  if (record.announcedMs > record.fromMs)
    warn('announcement', ['announced_at'], 'announced after it began; forecasts in between did not know it')
  if (record.status === 'announced' && record.fromMs <= Date.parse(asOf))
    warn('announcement', ['status'], 'the announced day has come: make it list, or announced_withdrawn')
  return findings
}

function historyWarnings(book: PriceBook, indexOf: ReadonlyMap<string, number>): PriceFinding[] {
  const findings: PriceFinding[] = []
  const said = new Set<string>()
  for (const { vendor, currency, model } of book.records) {
    const name = `${vendor} ${currency} ${model}`
    if (said.has(name)) continue
    said.add(name)
    const line = priceTimeline(book, { vendor, model, currency }, -8e15, 8e15)
    for (const [at, { record, fromMs: start, untilMs }] of line.entries()) {
      const before = line[at - 1]?.record
      const path = (of: PriceRecord | null | undefined): (string | number)[] => [
        'records',
        indexOf.get(of?.id ?? '') ?? -1,
      ]
      if (record === null && before && line[at + 1])
        findings.push({
          severity: 'warning',
          code: 'gap',
          path: [...path(before), 'effective_to'],
          message: `${name} has no price from ${isoInstant(start)} to ${isoInstant(untilMs)}`,
        })
      if (!record || !before) continue
      for (const rate of rateNames) {
        const [old, now] = [number(before.rates[rate]), number(record.rates[rate])]
        if (old === null || now === null || old === 0 || now === 0) continue
        const factor = now > old ? now / old : old / now
        if (factor >= suspiciousFactor)
          findings.push({
            severity: 'warning',
            code: 'jump',
            path: [...path(record), 'rates', fileNames[rate]],
            message: `${record.id}: ${rate} goes from ${old} to ${now}, ${round(factor)} times ${now > old ? 'up' : 'down'}`,
          })
      }
    }
  }
  return findings
}

/** `records[3].rates.input` as members and indexes. */
function pathOf(at: string): (string | number)[] {
  return [...at.matchAll(/([A-Za-z_]\w*)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index))
}

function number(rate: Decimal | null): number | null {
  return rate === null ? null : Number(formatDecimal(rate))
}

function exceeds(a: Decimal | null, b: Decimal | null): boolean {
  return a !== null && b !== null && compare(a, b) > 0
}

function round(factor: number): number {
  return Math.round(factor * 10) / 10
}
