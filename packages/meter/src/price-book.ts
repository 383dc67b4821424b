/**
 * The dated price book: which rates were in force for a model at an instant.
 *
 * Records are half-open intervals `[from, until)` that never overlap within one rank (checked on load, see
 * `price-index.ts`); a promotion outranks the list below it. A bill is looked up by the instant of the request
 * alone, a forecast also by the day on which it is made. Books can lie on one another: what the upper does not
 * know the lower answers. Prices depend on vendor, model, billing currency,
 * start instant, size of the whole prompt, the vendor's clock and the service tier asked for. No answer is
 * ever zero by default: what has no price is `unpriced`, with the reason.
 */
import type { CacheRule } from './cache-simulator.ts'
import { isPeak } from './calendar.ts'
import { edgesOf, recordAt, type NameIntervals, type PriceIndex } from './price-index.ts'
import { scaleRates } from './promotion.ts'
import { isoInstant, type ContextTier, type PriceRecord, type Rates } from './price-record.ts'

export interface VendorCacheRule {
  readonly vendor: string
  /** Names begin with one of these; null: every model of the vendor. */
  readonly models: readonly string[] | null
  readonly rule: CacheRule
}

export interface PriceBook {
  /** Hash over all records: which book this is. */
  readonly id: string
  /** Date of the facts, as the file says. */
  readonly asOf: string
  /** A promotion that follows its base stands here once for each base, with the rates that result. */
  readonly records: readonly PriceRecord[]
  readonly index: PriceIndex
  /** How vendors' prompt caches are simulated; the first that fits holds. */
  readonly cacheRules: readonly VendorCacheRule[]
  /** The book that answers where this one knows no price. */
  readonly below: PriceBook | null
}

export interface PriceKey {
  readonly vendor: string
  /** Names to try in order; the first that the book knows decides (e.g. served name, then asked name). */
  readonly model: string | readonly string[]
  /** Billing currency of the account. A CNY list is a list of its own, never a conversion. */
  readonly currency: string
  /** The instant the request started, Unix ms. */
  readonly atMs: number
  /** The whole prompt, hits and writes included; null when unknown. */
  readonly promptTokens: number | null
  /** Service tier and the like: `batch`, `flex`, `fast`, `priority`, `us_only_inference`. */
  readonly modifiers?: readonly string[]
  /** Only prices announced by this instant, Unix ms: for forecasts. Absent: what is charged, for bills. */
  readonly knownAtMs?: number
}

export type UnpricedReason =
  | 'unknown-vendor'
  | 'unknown-model'
  | 'currency-not-listed'
  | 'no-price-in-force'
  | 'prompt-size-unknown'
  | 'unknown-modifier'
  | 'bad-instant'
  | 'bad-usage'
  | 'count-unknown'
  | 'rate-missing'

export interface Price {
  /** Goes on the ledger row: record id, content hash, and the variant when there is one. */
  readonly versionId: string
  readonly currency: string
  /** Of the whole request, or of its prompt up to the first threshold of `partsAbove`. */
  readonly rates: Rates
  /** Rates of the prompt tokens past each threshold, largest threshold first; mostly empty. */
  readonly partsAbove: readonly ContextTier[]
  /** The name that matched; a dated snapshot (`...-20251001`) matches its model. */
  readonly matchedModel: string
  /** `peak`, `off-peak`, `prompt>272000`, `part>272000`, modifier names; empty for a flat price. */
  readonly variant: readonly string[]
  /** Null for fixed prices (self-hosted, free). */
  readonly record: PriceRecord | null
}

export interface Unpriced {
  readonly unpriced: UnpricedReason
  readonly message: string
}

export function isUnpriced(price: object): price is Unpriced {
  return 'unpriced' in price
}

/** The rates in force, or why there are none. Total: never throws, whatever the key holds. */
export function priceAt(book: PriceBook, key: PriceKey): Price | Unpriced {
  if (!Number.isFinite(key.atMs)) return unpriced('bad-instant', `${String(key.atMs)} is not an instant.`)
  let nearest: Unpriced | null = null
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) {
    const found = findName(layer, key)
    if (!isUnpriced(found)) {
      const record = recordAt(found.intervals, key.atMs, key.knownAtMs)
      if (record !== null) return priceOfRecord(record, found.name, key)
    }
    const why = isUnpriced(found) ? found : notInForce(found.name, key)
    // Of several books the one that knows most about the name says what is missing.
    if (nearest === null || closeness.indexOf(why.unpriced) > closeness.indexOf(nearest.unpriced)) nearest = why
  }
  return nearest ?? unpriced('unknown-vendor', `The price book has no vendor "${key.vendor}".`)
}

export interface PriceSegment {
  readonly fromMs: number
  readonly untilMs: number
  /** Null: no price in force. */
  readonly record: PriceRecord | null
}

/**
 * Which record answers from when to when; neighbours differ. Empty when the name is not known at all.
 *
 * @throws never; an empty range gives no segments.
 */
export function priceTimeline(
  book: PriceBook,
  key: Omit<PriceKey, 'atMs' | 'promptTokens' | 'modifiers'>,
  fromMs: number,
  untilMs: number,
): readonly PriceSegment[] {
  const layers: NameIntervals[] = []
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) {
    const found = findName(layer, key)
    if (!isUnpriced(found)) layers.push(found.intervals)
  }
  if (layers.length === 0 || !(fromMs < untilMs)) return []
  const edges = new Set([fromMs])
  for (const intervals of layers)
    for (const edge of edgesOf(intervals, key.knownAtMs)) if (edge > fromMs && edge < untilMs) edges.add(edge)
  const starts = [...edges].sort((a, b) => a - b)
  const segments: { fromMs: number; untilMs: number; record: PriceRecord | null }[] = []
  for (const [index, start] of starts.entries()) {
    let record: PriceRecord | null = null
    for (const intervals of layers) record ??= recordAt(intervals, start, key.knownAtMs)
    const end = starts[index + 1] ?? untilMs
    const last = segments.at(-1)
    if (last?.record === record) last.untilMs = end
    else segments.push({ fromMs: start, untilMs: end, record })
  }
  return segments
}

/** Null: nothing is known of this vendor's cache. */
export function cacheRuleOf(book: PriceBook, vendor: string, model: string): CacheRule | null {
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) {
    const found = layer.cacheRules.find(
      (one) => one.vendor === vendor && (one.models?.some((start) => model.startsWith(start)) ?? true),
    )
    if (found) return found.rule
  }
  return null
}

/** The first book answers; what it does not know the next one does, and so on. */
export function stackPriceBooks(...books: readonly PriceBook[]): PriceBook | null {
  return books.reduceRight<PriceBook | null>((below, book) => ({ ...book, below }), null)
}

/** From the least to the most that a book knows about a key. */
const closeness: readonly UnpricedReason[] = [
  'unknown-vendor',
  'unknown-model',
  'currency-not-listed',
  'no-price-in-force',
]

type NameKey = Pick<PriceKey, 'vendor' | 'model' | 'currency'>

function findName(
  { index }: PriceBook,
  { vendor, model, currency }: NameKey,
): { readonly name: string; readonly intervals: NameIntervals } | Unpriced {
  const currencies = index.get(vendor)
  if (currencies === undefined) return unpriced('unknown-vendor', `The price book has no vendor "${vendor}".`)
  const asked = typeof model === 'string' ? [model] : model
  const names = asked.flatMap((name) => [name, withoutSnapshotDate(name)])
  const listed = currencies.get(currency)
  for (const name of names) {
    const intervals = listed?.get(name)
    if (intervals !== undefined) return { name, intervals }
  }
  const elsewhere = [...currencies].filter(([, models]) => names.some((candidate) => models.has(candidate)))
  return elsewhere.length === 0
    ? unpriced('unknown-model', `The price book has no model "${asked.join('", "')}" of ${vendor}.`)
    : unpriced(
        'currency-not-listed',
        `${vendor} lists "${asked[0]}" in ${elsewhere.map(([other]) => other).join(', ')}, not in ${currency}.`,
      )
}

function notInForce(name: string, { vendor, currency, atMs, knownAtMs }: PriceKey): Unpriced {
  const known = knownAtMs === undefined ? '' : `, as known at ${isoInstant(knownAtMs)}`
  return unpriced(
    'no-price-in-force',
    `No ${currency} price of ${vendor} "${name}" is in force at ${isoInstant(atMs)}${known}.`,
  )
}

/** The rates of one given record under a key's instant, prompt size and modifiers; also for records never charged. */
export function priceOfRecord(
  record: PriceRecord,
  matchedModel: string,
  key: Pick<PriceKey, 'atMs' | 'promptTokens' | 'modifiers'>,
): Price | Unpriced {
  const variant: string[] = []
  let rates = record.rates
  let partsAbove: readonly ContextTier[] = []
  if (record.schedule !== null && record.peakRates !== null) {
    const peak = isPeak(record.schedule, key.atMs)
    if (peak) rates = record.peakRates
    variant.push(peak ? 'peak' : 'off-peak')
  }
  if (record.tiers.length > 0) {
    const prompt = key.promptTokens
    if (prompt === null)
      return unpriced('prompt-size-unknown', `The price of "${record.id}" depends on the size of the prompt.`)
    const tier = record.tiers.find(({ promptTokensAbove }) => prompt > promptTokensAbove)
    if (record.tierApplies === 'above') partsAbove = record.tiers
    else if (tier !== undefined) rates = tier.rates
    if (tier !== undefined)
      variant.push(`${record.tierApplies === 'above' ? 'part' : 'prompt'}>${tier.promptTokensAbove}`)
  }
  for (const name of [...new Set(key.modifiers)].sort()) {
    const factor = record.modifiers.get(name)
    if (factor === undefined)
      return unpriced('unknown-modifier', `"${record.id}" lists no price for "${name.slice(0, 40)}".`)
    rates = scaleRates(rates, factor)
    partsAbove = partsAbove.map((part) => ({ ...part, rates: scaleRates(part.rates, factor) }))
    variant.push(name)
  }
  return {
    versionId: [`${record.id}@${record.hash}`, ...variant].join('+'),
    currency: record.currency,
    rates,
    partsAbove,
    matchedModel,
    variant,
    record,
  }
}

/** Vendors serve dated snapshots (`-20251001`, `-2026-03-05`) of a model at the model's price. */
function withoutSnapshotDate(name: string): string {
  return name.replace(/-(?:20\d{6}|20\d{2}-\d{2}-\d{2})$/, '')
}

function unpriced(reason: UnpricedReason, message: string): Unpriced {
  return { unpriced: reason, message }
}
