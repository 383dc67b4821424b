/**
 * A promotion stated as a factor of the list below it, e.g. 0.25 of whatever the list is.
 *
 * Such a record has no rates of its own: every rate, peak rate, tier and modifier is that of the list in force at the
 * instant asked about, the token rates times the factor. Left out: promotions on promotions; there is one step.
 */
import { createHash } from 'node:crypto'
import { multiply, type Decimal } from './decimal.ts'
import type { PriceRecord, Rates } from './price-record.ts'

export const noRates: Rates = {
  input: null,
  output: null,
  cacheRead: null,
  cacheWrite5m: null,
  cacheWrite1h: null,
  reasoning: null,
}

export function scaleRates(rates: Rates, factor: Decimal): Rates {
  const scale = (rate: Decimal | null): Decimal | null => (rate === null ? null : multiply(rate, factor))
  return {
    input: scale(rates.input),
    output: scale(rates.output),
    cacheRead: scale(rates.cacheRead),
    cacheWrite5m: scale(rates.cacheWrite5m),
    cacheWrite1h: scale(rates.cacheWrite1h),
    reasoning: scale(rates.reasoning),
  }
}

const made = new WeakMap<PriceRecord, Map<PriceRecord, PriceRecord>>()

/** The promotion over one base; the same object for the same two, so that neighbours in time can be told apart. */
export function promoted(promotion: PriceRecord, base: PriceRecord): PriceRecord {
  const factor = promotion.baseFactor
  if (factor === null) return promotion
  const ofPromotion = made.get(promotion) ?? new Map<PriceRecord, PriceRecord>()
  made.set(promotion, ofPromotion)
  const known = ofPromotion.get(base)
  if (known !== undefined) return known
  const record: PriceRecord = {
    ...promotion,
    baseId: base.id,
    rates: scaleRates(base.rates, factor),
    peakRates: base.peakRates && scaleRates(base.peakRates, factor),
    schedule: base.schedule,
    tiers: base.tiers.map((tier) => ({ ...tier, rates: scaleRates(tier.rates, factor) })),
    tierApplies: base.tierApplies,
    modifiers: base.modifiers,
    // Another base is another price, so it is another version.
    hash: createHash('sha256').update(`${promotion.hash} ${base.hash}`).digest('hex').slice(0, 12),
  }
  ofPromotion.set(base, record)
  return record
}
