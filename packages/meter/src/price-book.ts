/**
 * The dated price book: which rates were in force for a model at an instant.
 *
 * Records are half-open intervals `[from, until)` that never overlap within one rank (checked on load, see
 * `price-file.ts`); a promotion outranks the list below it. Prices depend on vendor, model, billing currency,
 * start instant, size of the whole prompt, the vendor's clock and the service tier asked for. No answer is
 * ever zero by default: what has no price is `unpriced`, with the reason.
 */
import { isPeak, type PeakSchedule } from './calendar.ts'
import { multiply, type Decimal } from './decimal.ts'

/** Currency units per 1,000,000 tokens. null: the vendor lists no such price. */
export interface Rates {
  readonly input: Decimal | null
  readonly output: Decimal | null
  readonly cacheRead: Decimal | null
  /** Null where the vendor lists no write price: its writes are billed as plain input. */
  readonly cacheWrite5m: Decimal | null
  readonly cacheWrite1h: Decimal | null
}

export type PriceStatus = 'list' | 'promo' | 'promo_then_list' | 'list_suspended_by_promo' | 'announced_withdrawn'

/** Statuses that somebody was charged. The others are kept for `compare` and for the record. */
export const chargedStatuses: ReadonlySet<PriceStatus> = new Set<PriceStatus>(['list', 'promo', 'promo_then_list'])

export interface ContextTier {
  /** Applies to the whole request when the whole prompt (hits and writes included) is larger than this. */
  readonly promptTokensAbove: number
  readonly rates: Rates
}

export interface PriceRecord {
  readonly id: string
  readonly vendor: string
  readonly model: string
  readonly aliases: readonly string[]
  readonly currency: string
  /** Inclusive, Unix ms. */
  readonly fromMs: number
  /** Exclusive, Unix ms; null: open. */
  readonly untilMs: number | null
  readonly status: PriceStatus
  readonly rates: Rates
  readonly peakRates: Rates | null
  readonly schedule: PeakSchedule | null
  /** Largest threshold first. */
  readonly tiers: readonly ContextTier[]
  /** Factor on every token rate, by name; factors of several names multiply. */
  readonly modifiers: ReadonlyMap<string, Decimal>
  readonly confidence: string
  readonly sources: readonly string[]
  readonly note: string | null
  /** 12 hex digits over the record's and its schedule's content. */
  readonly hash: string
}

/** One name (model or alias) of one record, for as long as the name means it. */
export interface NamedInterval {
  readonly fromMs: number
  readonly untilMs: number
  readonly record: PriceRecord
}

export interface PriceBook {
  /** Hash over all records: which book this is. */
  readonly id: string
  /** Date of the facts, as the file says. */
  readonly asOf: string
  readonly records: readonly PriceRecord[]
  /** vendor -> currency -> name -> charged intervals, promotions first, then by start. */
  readonly index: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, readonly NamedInterval[]>>>
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
  readonly rates: Rates
  /** The name that matched; a dated snapshot (`...-20251001`) matches its model. */
  readonly matchedModel: string
  /** `peak`, `off-peak`, `prompt>272000`, modifier names; empty for a flat price. */
  readonly variant: readonly string[]
  /** Null for fixed prices (self-hosted, free). */
  readonly record: PriceRecord | null
}

export interface Unpriced {
  readonly unpriced: UnpricedReason
  readonly message: string
}

export function isUnpriced(price: Price | Unpriced): price is Unpriced {
  return 'unpriced' in price
}

/** The rates in force, or why there are none. Total: never throws, whatever the key holds. */
export function priceAt(book: PriceBook, key: PriceKey): Price | Unpriced {
  if (!Number.isFinite(key.atMs)) return unpriced('bad-instant', `${String(key.atMs)} is not an instant.`)
  const currencies = book.index.get(key.vendor)
  if (currencies === undefined) return unpriced('unknown-vendor', `The price book has no vendor "${key.vendor}".`)
  const asked = typeof key.model === 'string' ? [key.model] : key.model
  const names = asked.flatMap((name) => [name, withoutSnapshotDate(name)])
  const listed = currencies.get(key.currency)
  const name = names.find((candidate) => listed?.has(candidate))
  if (name === undefined || listed === undefined) {
    const elsewhere = [...currencies].filter(([, models]) => names.some((candidate) => models.has(candidate)))
    if (elsewhere.length === 0)
      return unpriced('unknown-model', `The price book has no model "${asked.join('", "')}" of ${key.vendor}.`)
    return unpriced(
      'currency-not-listed',
      `${key.vendor} lists "${asked[0]}" in ${elsewhere.map(([currency]) => currency).join(', ')}, not in ${key.currency}.`,
    )
  }
  const interval = listed.get(name)?.find(({ fromMs, untilMs }) => key.atMs >= fromMs && key.atMs < untilMs)
  if (interval === undefined)
    return unpriced(
      'no-price-in-force',
      `No ${key.currency} price of ${key.vendor} "${name}" is in force at ${isoInstant(key.atMs)}.`,
    )
  return priceOfRecord(interval.record, name, key)
}

/** The rates of one given record under a key's instant, prompt size and modifiers; also for records never charged. */
export function priceOfRecord(
  record: PriceRecord,
  matchedModel: string,
  key: Pick<PriceKey, 'atMs' | 'promptTokens' | 'modifiers'>,
): Price | Unpriced {
  const variant: string[] = []
  let rates = record.rates
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
    if (tier !== undefined) {
      rates = tier.rates
      variant.push(`prompt>${tier.promptTokensAbove}`)
    }
  }
  for (const name of [...new Set(key.modifiers)].sort()) {
    const factor = record.modifiers.get(name)
    if (factor === undefined)
      return unpriced('unknown-modifier', `"${record.id}" lists no price for "${name.slice(0, 40)}".`)
    rates = scaleRates(rates, factor)
    variant.push(name)
  }
  return {
    versionId: [`${record.id}@${record.hash}`, ...variant].join('+'),
    currency: record.currency,
    rates,
    matchedModel,
    variant,
    record,
  }
}

export function scaleRates(rates: Rates, factor: Decimal): Rates {
  const scale = (rate: Decimal | null): Decimal | null => (rate === null ? null : multiply(rate, factor))
  return {
    input: scale(rates.input),
    output: scale(rates.output),
    cacheRead: scale(rates.cacheRead),
    cacheWrite5m: scale(rates.cacheWrite5m),
    cacheWrite1h: scale(rates.cacheWrite1h),
  }
}

/** `2026-05-22T00:00:00.000Z`, or the number itself where no calendar reaches. */
export function isoInstant(atMs: number): string {
  return Math.abs(atMs) <= 8.64e15 ? new Date(atMs).toISOString() : String(atMs)
}

/** Vendors serve dated snapshots (`-20251001`, `-2026-03-05`) of a model at the model's price. */
function withoutSnapshotDate(name: string): string {
  return name.replace(/-(?:20\d{6}|20\d{2}-\d{2}-\d{2})$/, '')
}

function unpriced(reason: UnpricedReason, message: string): Unpriced {
  return { unpriced: reason, message }
}
