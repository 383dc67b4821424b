/**
 * Cost of one request: exact decimals in, integer nano-units of a currency out (1 unit = 1e9 nanos).
 *
 * One rounding per row (law 4): the exact sum over all tiers is rounded half-to-even to whole nanos. Tiers
 * are then reported so that they add up to that total: each is rounded down and the nanos left over go to
 * the tiers with the largest fractions, ties in the order of `costTiers`. The law "pricing is additive over
 * disjoint usage" holds for `exactNanos`, before that rounding; rounded rows may differ from the rounded sum.
 *
 * Where a price has other rates for the part of a prompt above a threshold, it matters which tokens lie there. A
 * prompt is taken in the order in which caches see it: hits first (a hit is a prefix), then what is written for an
 * hour, what is written for five minutes, and misses last. The answer is no part of the prompt and has one rate.
 */
import { add, ceiling, compare, floor, formatDecimal, multiply, roundHalfEven, zero, type Decimal } from './decimal.ts'
import { isUnpriced, priceAt, type Price, type PriceBook, type PriceKey, type UnpricedReason } from './price-book.ts'
import type { Rates } from './price-record.ts'
import { checkUsage, type UsageRecord } from './usage.ts'

export const costTiers = ['miss', 'hit', 'write5m', 'write1h', 'output'] as const

export type CostTier = (typeof costTiers)[number]

export interface RequestCost {
  readonly currency: string
  /** Null exactly when no price was found. */
  readonly versionId: string | null
  /** Null: unpriced, and `unpriced` says why. Never a silent zero. */
  readonly totalNanos: bigint | null
  /** A null tier could not be priced; priced tiers keep their nanos for a partial view. */
  readonly tierNanos: Readonly<Record<CostTier, bigint | null>>
  /** The exact amount in nanos before rounding, as decimal text; null when unpriced. */
  readonly exactNanos: string | null
  readonly unpriced: {
    readonly reason: UnpricedReason
    readonly message: string
    /** Which tiers have no amount. */
    readonly tiers: readonly CostTier[]
  } | null
}

/** Prices a request at the rates in force when it started; a promotion that ends mid-stream still covers it. */
export function priceRequest(
  usage: UsageRecord,
  book: PriceBook,
  key: Omit<PriceKey, 'promptTokens' | 'atMs'>,
  startedAtMs: number,
): RequestCost {
  const price = priceAt(book, { ...key, atMs: startedAtMs, promptTokens: usage.inputTokens })
  if (!isUnpriced(price)) return costOf(usage, price)
  return withoutPrice(key.currency, null, price.unpriced, price.message, noTiers, costTiers)
}

/** Multiplies a usage record with rates. Never throws: what cannot be priced is named. */
export function costOf(usage: UsageRecord, price: Price): RequestCost {
  const blocking = checkUsage(usage).find((finding) => finding.blocksPricing)
  if (blocking !== undefined)
    return withoutPrice(price.currency, price.versionId, 'bad-usage', blocking.message, noTiers, costTiers)

  const parts = partsOf(price)
  const tokens = billedTokens(
    usage,
    parts.map(({ rates }) => rates),
  )
  const exact = eachTier((tier) =>
    tier === 'output' ? outputAmount(usage, price.rates) : promptAmount(tier, tokens, parts),
  )
  const unpricedTiers = costTiers.filter((tier) => typeof exact[tier] === 'string')
  if (unpricedTiers.length === 0) return priced(price, exact)
  const reasons = unpricedTiers.map((tier) => exact[tier])
  const message = unpricedTiers
    .map((tier) => `${tier}: ${exact[tier] === 'count-unknown' ? 'token count unknown' : 'no rate listed'}`)
    .join('; ')
  return withoutPrice(
    price.currency,
    price.versionId,
    reasons.includes('count-unknown') ? 'count-unknown' : 'rate-missing',
    `Not priced under ${price.versionId}: ${message}.`,
    eachTier((tier) => {
      const amount = exact[tier]
      return typeof amount === 'string' ? null : roundHalfEven(amount)
    }),
    unpricedTiers,
  )
}

function eachTier<T>(value: (tier: CostTier) => T): Record<CostTier, T> {
  return {
    miss: value('miss'),
    hit: value('hit'),
    write5m: value('write5m'),
    write1h: value('write1h'),
    output: value('output'),
  }
}

type TierAmount = Decimal | 'count-unknown' | 'rate-missing'

/** One stretch of the prompt, from its start to the next one's, with rates of its own. */
interface PricedPart {
  readonly fromTokens: number
  /** Infinity: to the end. */
  readonly untilTokens: number
  readonly rates: BilledRates
}

/** In the order of the prompt; one for a price without thresholds inside. */
function partsOf({ rates, partsAbove }: Price): readonly PricedPart[] {
  const starts = [{ promptTokensAbove: 0, rates }, ...partsAbove.toReversed()]
  return starts.map(({ promptTokensAbove, rates: own }, index) => ({
    fromTokens: promptTokensAbove,
    untilTokens: starts[index + 1]?.promptTokensAbove ?? Infinity,
    rates: billedRates(own),
  }))
}

const promptOrder = ['hit', 'write1h', 'write5m', 'miss'] as const satisfies CostTier[]

/** Exact nanos of one kind of prompt token, or why there is no amount. */
function promptAmount(
  tier: (typeof promptOrder)[number],
  counts: BilledTokens,
  parts: readonly PricedPart[],
): TierAmount {
  const own = counts[tier]
  const [only] = parts
  if (only !== undefined && parts.length === 1) return amountOf(own, only.rates[tier])
  let start: number | null = 0
  for (const earlier of promptOrder.slice(0, promptOrder.indexOf(tier))) {
    const before: number | null = counts[earlier]
    start = start === null || before === null ? null : start + before
  }
  if (own === null || start === null) return own === 0 ? zero : 'count-unknown'
  const end = start + own
  let total = zero
  for (const { fromTokens, untilTokens, rates } of parts) {
    const amount = amountOf(Math.max(Math.min(end, untilTokens) - Math.max(start, fromTokens), 0), rates[tier])
    if (typeof amount === 'string') return amount
    total = add(total, amount)
  }
  return total
}

function amountOf(tokens: number | null, rate: Decimal | null): TierAmount {
  if (tokens === null) return 'count-unknown'
  if (tokens === 0) return zero
  if (rate === null) return 'rate-missing'
  // Units per 1e6 tokens to nanos: tokens * rate * 1e9 / 1e6.
  return multiply({ digits: BigInt(tokens), scale: 0 }, multiply(rate, nanosPerUnitPerMillion))
}

/** Reasoning is part of the output; where it has a price of its own the rest of the output has the other. */
function outputAmount({ outputTokens, reasoningTokens }: UsageRecord, { output, reasoning }: Rates): TierAmount {
  if (reasoning === null || equal(reasoning, output) || outputTokens === 0) return amountOf(outputTokens, output)
  if (reasoningTokens === null || outputTokens === null) return 'count-unknown'
  const thought = amountOf(reasoningTokens, reasoning)
  const said = amountOf(Math.max(outputTokens - reasoningTokens, 0), output)
  return typeof said === 'string' || typeof thought === 'string' ? 'rate-missing' : add(said, thought)
}

type BilledRates = Readonly<Record<CostTier, Decimal | null>>
type BilledTokens = Readonly<Record<CostTier, number | null>>

function billedRates({ input, output, cacheRead, cacheWrite5m, cacheWrite1h }: Rates): BilledRates {
  return {
    miss: input,
    hit: cacheRead,
    write5m: cacheWrite5m ?? input,
    // A vendor with one write price sells one lifetime; with none, writes are plain input.
    write1h: cacheWrite1h ?? (cacheWrite5m === null ? input : null),
    output,
  }
}

/**
 * Token counts per tier. A missing count is filled in only where the identity `input = hit + miss + written`
 * or equal rates (in every part of the prompt) leave one possible bill; otherwise it stays null and the tier
 * stays unpriced.
 */
function billedTokens(usage: UsageRecord, parts: readonly BilledRates[]): BilledTokens {
  const { inputTokens: input, outputTokens: output } = usage
  let { hitTokens: hit, missTokens: miss, writtenTokens: written, written1hTokens: written1h } = usage
  if (input !== null) {
    if (hit === null && miss !== null && written !== null) hit = input - miss - written
    else if (miss === null && hit !== null && written !== null) miss = input - hit - written
    else if (written === null && hit !== null && miss !== null) written = input - hit - miss
    const writesAreInput = parts.every(
      ({ miss: plain, write5m, write1h }) => equal(write5m, plain) && equal(write1h, plain),
    )
    if (writesAreInput && hit !== null && (miss === null || written === null)) {
      miss = input - hit
      written = 0
    }
    // One rate for every kind of prompt token: the split does not matter.
    if (writesAreInput && parts.every((rates) => equal(rates.hit, rates.miss)) && hit === null)
      return { miss: input, hit: 0, write5m: 0, write1h: 0, output }
  }
  const oneLifetime = parts.every(({ write5m, write1h }) => write1h === null || equal(write5m, write1h))
  if (written1h === null && (written === 0 || oneLifetime)) written1h = 0
  return {
    miss,
    hit,
    write5m: written === null || written1h === null ? null : written - written1h,
    write1h: written === null ? null : written1h,
    output,
  }
}

function equal(a: Decimal | null, b: Decimal | null): boolean {
  return a !== null && b !== null && compare(a, b) === 0
}

const nanosPerUnitPerMillion: Decimal = { digits: 1000n, scale: 0 }

function priced(price: Price, amounts: Readonly<Record<CostTier, TierAmount>>): RequestCost {
  const exact = eachTier((tier) => {
    const amount = amounts[tier]
    return typeof amount === 'string' ? zero : amount
  })
  const sum = costTiers.reduce((total, tier) => add(total, exact[tier]), zero)
  const totalNanos = roundHalfEven(sum)
  const tierNanos = eachTier((tier) => floor(exact[tier]))
  let left = costTiers.reduce((rest, tier) => rest - tierNanos[tier], totalNanos)
  if (left > 0n) {
    const byFraction = costTiers
      .map((tier, order) => ({ tier, order, fraction: add(exact[tier], { digits: -tierNanos[tier], scale: 0 }) }))
      .sort((a, b) => compare(b.fraction, a.fraction) || a.order - b.order)
    for (const { tier } of byFraction) {
      if (left === 0n) break
      tierNanos[tier] += 1n
      left -= 1n
    }
  }
  return {
    currency: price.currency,
    versionId: price.versionId,
    totalNanos,
    tierNanos,
    exactNanos: formatDecimal(sum),
    unpriced: null,
  }
}

const noTiers: Readonly<Record<CostTier, null>> = { miss: null, hit: null, write5m: null, write1h: null, output: null }

function withoutPrice(
  currency: string,
  versionId: string | null,
  reason: UnpricedReason,
  message: string,
  tierNanos: Readonly<Record<CostTier, bigint | null>>,
  tiers: readonly CostTier[],
): RequestCost {
  return { currency, versionId, totalNanos: null, tierNanos, exactNanos: null, unpriced: { reason, message, tiers } }
}

/**
 * The largest bill that a request can come to under a price: for reserving budget before it is sent.
 *
 * Every prompt token at the dearest prompt rate (a miss, a hit or a write: not known yet), every allowed output
 * token, rounded up. Null when a rate is not listed: no bound, so a budget cannot be promised to hold.
 *
 * @param promptTokens an upper bound of the prompt; the price must have been looked up with the same number.
 */
export function largestCost(price: Price, promptTokens: number, maxOutputTokens: number): bigint | null {
  if (![promptTokens, maxOutputTokens].every((count) => Number.isSafeInteger(count) && count >= 0)) return null
  const { output, reasoning } = price.rates
  if (output === null) return null
  let prompt = zero
  for (const { fromTokens, untilTokens, rates } of partsOf(price)) {
    const { miss, hit, write5m, write1h } = rates
    if (miss === null) return null
    let dearest = miss
    for (const rate of [hit, write5m, write1h]) if (rate !== null && compare(rate, dearest) > 0) dearest = rate
    const tokens = Math.max(Math.min(promptTokens, untilTokens) - fromTokens, 0)
    prompt = add(prompt, multiply({ digits: BigInt(tokens), scale: 0 }, dearest))
  }
  const dearestOutput = reasoning !== null && compare(reasoning, output) > 0 ? reasoning : output
  const answer = multiply({ digits: BigInt(maxOutputTokens), scale: 0 }, dearestOutput)
  return ceiling(multiply(add(prompt, answer), nanosPerUnitPerMillion))
}
