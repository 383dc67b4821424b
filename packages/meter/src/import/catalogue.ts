/**
 * What every catalogue importer gives: records in the price file's own form, and an account of the loss.
 *
 * Importers are pure: text in, records out. An undated source says what a price is, not since when, so its
 * records begin at the observation and say `date_precision: unknown`; they never close or replace a record
 * that a person confirmed, they are a file of their own beside it. A price of zero is skipped: a catalogue
 * writes 0 for "free" and for "unknown" alike.
 */
import { createHash } from 'node:crypto'
import { compare, formatDecimal, multiply, parseDecimal, zero, type Decimal } from '../decimal.ts'
import { MeterError } from '../errors.ts'
import { isUnpriced, priceAt, type PriceBook } from '../price-book.ts'
import type { Rates } from '../price-record.ts'

/** A record as it stands in a price file; rates are decimal text, per 1,000,000 tokens. */
export interface CatalogueRecord {
  readonly id: string
  readonly vendor: string
  readonly model: string
  readonly currency: string
  readonly effective_from: string
  readonly effective_to: string | null
  readonly status: 'list'
  readonly rates: Readonly<Record<string, string>>
  readonly peak_rates?: Readonly<Record<string, string>>
  /** A name of `schedules`. */
  readonly schedule?: string
  readonly tiers?: readonly CatalogueTier[]
  readonly modifiers?: Readonly<Record<string, string>>
  readonly date_precision: 'unknown' | 'day'
  readonly confidence: 'partly'
  readonly sources: readonly string[]
}

export interface CatalogueSchedule {
  readonly timezone: string
  readonly peak_windows: readonly (readonly [start: string, end: string])[]
  readonly peak_weekdays: readonly number[]
  readonly off_peak_dates: readonly string[]
}

export interface CatalogueTier {
  readonly when: { readonly prompt_tokens_gt: number }
  readonly rates: Readonly<Record<string, string>>
}

export interface CatalogueImport {
  readonly records: readonly CatalogueRecord[]
  readonly schedules: Readonly<Record<string, CatalogueSchedule>>
  /** Entries that gave no record, and why. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[]
  /** What an entry says and our record cannot hold. */
  readonly notCarried: readonly { readonly name: string; readonly what: string }[]
  /** What this source can never say, so that nobody reads its silence as an answer. */
  readonly sourceCannotSay: readonly string[]
}

export interface ImportOptions {
  /** The day the catalogue was read, `2026-11-23`. */
  readonly observedOn: string
  /** Where the text came from, for the record's sources: an address, a commit. */
  readonly origin: string
  /** Catalogue's provider name to ours; a name that is not in it is kept. */
  readonly vendors?: ReadonlyMap<string, string>
}

/** Collects records and losses while an importer walks its source. */
export class CatalogueBuilder {
  readonly records: CatalogueRecord[] = []
  readonly skipped: { name: string; why: string }[] = []
  readonly notCarried: { name: string; what: string }[] = []
  readonly #ids = new Set<string>()
  readonly #schedules = new Map<string, { readonly id: string; readonly schedule: CatalogueSchedule }>()

  /**
   * Adds a record unless it prices nothing, or its id (two spellings of one model) is there already. A cache rate
   * of zero is left out: where hits or writes cost nothing extra the vendor bills them as something else.
   */
  add(given: CatalogueRecord, name: string): void {
    const record = { ...given, rates: this.#withoutFreeCache(withoutSameReasoning(given.rates), name) }
    const { input, output } = record.rates
    if (input === undefined || output === undefined) return this.omit(name, 'no price for input or output')
    if (isZero(input) && isZero(output)) return this.omit(name, 'priced 0, which may mean free or unknown')
    if (this.#ids.has(record.id)) return this.omit(name, `a second entry for ${record.id}`)
    this.#ids.add(record.id)
    this.records.push(record)
  }

  omit(name: string, why: string): void {
    this.skipped.push({ name, why })
  }

  loses(name: string, what: string): void {
    this.notCarried.push({ name, what })
  }

  /** One id for equal schedules. */
  scheduleId(source: string, schedule: CatalogueSchedule): string {
    const content = JSON.stringify(schedule)
    const known = this.#schedules.get(content)
    if (known !== undefined) return known.id
    const id = `${source}-peak-${createHash('sha256').update(content).digest('hex').slice(0, 8)}`
    this.#schedules.set(content, { id, schedule })
    return id
  }

  #withoutFreeCache(rates: Readonly<Record<string, string>>, name: string): Readonly<Record<string, string>> {
    const free = Object.keys(rates).filter((rate) => rate.startsWith('cache') && isZero(rates[rate] ?? '1'))
    for (const rate of free) this.loses(name, `a ${rate} price of 0`)
    return free.length === 0
      ? rates
      : Object.fromEntries(Object.entries(rates).filter(([rate]) => !free.includes(rate)))
  }

  result(sourceCannotSay: readonly string[]): CatalogueImport {
    const schedules = Object.fromEntries([...this.#schedules.values()].map(({ id, schedule }) => [id, schedule]))
    return { records: this.records, schedules, skipped: this.skipped, notCarried: this.notCarried, sourceCannotSay }
  }
}

/** The records as a price file that `loadPriceBook` takes. */
export function toPriceFile(imported: CatalogueImport, asOf: string): string {
  return JSON.stringify(
    { schema_version: 1, as_of: asOf, schedules: imported.schedules, records: imported.records },
    null,
    1,
  )
}

export interface PriceDisagreement {
  readonly vendor: string
  readonly model: string
  readonly rate: keyof Rates
  readonly book: string | null
  readonly catalogue: string | null
  readonly versionId: string
  readonly catalogueSource: string
}

/** Where a catalogue and the book differ at an instant; models that only one of them knows are not listed. */
export function disagreements(book: PriceBook, imported: CatalogueImport, atMs: number): readonly PriceDisagreement[] {
  return imported.records.flatMap(({ vendor, model, currency, rates, sources, effective_from, effective_to }) => {
    if (Date.parse(effective_from) > atMs || (effective_to !== null && Date.parse(effective_to) <= atMs)) return []
    const price = priceAt(book, { vendor, model, currency, atMs, promptTokens: 0 })
    if (isUnpriced(price)) return []
    return rateNames.flatMap(([rate, field]) => {
      const catalogue = rates[field] === undefined ? null : parseDecimal(rates[field])
      const own = price.rates[rate]
      if (own === null || catalogue === null ? own === catalogue : compare(own, catalogue) === 0) return []
      return [
        {
          vendor,
          model,
          rate,
          book: own === null ? null : formatDecimal(own),
          catalogue: catalogue === null ? null : formatDecimal(catalogue),
          versionId: price.versionId,
          catalogueSource: sources[0] ?? '',
        },
      ]
    })
  })
}

const rateNames = [
  ['input', 'input'],
  ['output', 'output'],
  ['cacheRead', 'cache_read'],
  ['cacheWrite5m', 'cache_write_5m'],
  ['cacheWrite1h', 'cache_write_1h'],
  ['reasoning', 'reasoning'],
] as const

// ---------------------------------------------------------------------------------------- reading sources

export type Entry = Readonly<Record<string, unknown>>

/** @throws {MeterError} METER_BAD_PRICE_FILE when the text is no JSON object. */
export function readCatalogue(text: string, what: string): Entry {
  let value: unknown
  try {
    value = JSON.parse(text, keepNumberText)
  } catch (cause) {
    throw new MeterError('METER_BAD_PRICE_FILE', `${what} is not valid JSON.`, { cause })
  }
  return asEntry(value) ?? fail(`${what} is not a JSON object.`)
}

export function asEntry(value: unknown): Entry | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : null
}

/** A price as decimal text times a power of ten; null when absent, negative or not a number. */
export function readRate(value: unknown, factor: Decimal): string | null {
  if (typeof value !== 'string') return null
  try {
    const rate = parseDecimal(value)
    return compare(rate, zero) < 0 ? null : formatDecimal(multiply(rate, factor))
  } catch {
    return null
  }
}

export const perMillion: Decimal = { digits: 1n, scale: 0 }
export const perToken: Decimal = { digits: 1_000_000n, scale: 0 }

/** The fields that hold a rate, under our names. */
export function readRates(
  entry: Entry,
  fields: Readonly<Record<string, string>>,
  factor: Decimal,
): Record<string, string> {
  const rates: Record<string, string> = {}
  for (const [ours, theirs] of Object.entries(fields)) {
    const rate = readRate(entry[theirs], factor)
    if (rate !== null) rates[ours] = rate
  }
  return rates
}

/** Most entries repeat the output price; only another one says something. */
function withoutSameReasoning(rates: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { reasoning, ...others } = rates
  return reasoning === undefined || reasoning === rates['output'] || isZero(reasoning) ? others : rates
}

export function isZero(rate: string): boolean {
  return compare(parseDecimal(rate), zero) === 0
}

function keepNumberText(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? (context?.source ?? String(value)) : value
}

function fail(message: string): never {
  throw new MeterError('METER_BAD_PRICE_FILE', message)
}
