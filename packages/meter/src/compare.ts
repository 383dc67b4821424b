/**
 * Compares two prices for one mix of traffic, with every assumption in sight.
 *
 * A single multiple is always the answer to an unasked question: the ratio of cache reads can be 138 while the
 * ratio of the whole bill is 12. So a comparison gives the component ratios, the whole bill for the caller's
 * mix, the bill over all hit rates, and says what it assumed: equal hit rates on both sides unless said
 * otherwise, no more output than today, tokenizers as given. Amounts are exact; ratios are for display.
 */
import { add, compare, formatDecimal, multiply, parseDecimal, zero, type Decimal } from './decimal.ts'
import type { Price } from './price-book.ts'

export interface ComparedSide {
  readonly label: string
  readonly price: Price
  /** How many tokens this side's tokenizer makes of one token of the mix. Default 1. */
  readonly tokenRatio?: string | number
  /** All misses are written to the cache at the five-minute price. Default false: misses are plain input. */
  readonly writesMisses?: boolean
  /** Output tokens of this side for one of the mix (a more talkative model). Default 1. */
  readonly outputRatio?: string | number
}

export interface TrafficMix {
  /** Share of the prompt read from cache, 0 to 1. */
  readonly hitShare: string | number
  /** Output tokens for each prompt token, e.g. 0.025 for 1:40. */
  readonly outputPerPrompt: string | number
}

export interface PriceComparison {
  /** First side over second; null where either lists no such price or the second is zero. */
  readonly componentRatios: Readonly<Record<'input' | 'output' | 'cacheRead', number | null>>
  /** Currency units for 1,000,000 prompt tokens of the mix and its output; null when a rate is missing. */
  readonly bill: readonly [first: string | null, second: string | null]
  readonly billRatio: number | null
  /** The whole-bill ratio when both sides hit this share. */
  readonly byHitShare: readonly { readonly hitShare: number; readonly billRatio: number | null }[]
  /** The hit share of the second side at which its bill equals the first side's bill for the mix; null: none. */
  readonly breakEvenHitShare: number | null
  readonly assumptions: readonly string[]
}

const shownHitShares = ['0', '0.5', '0.8', '0.9', '0.95', '0.98']

/** @throws {RangeError} when currencies differ (a rate of exchange is not the meter's) or a share is out of range. */
export function comparePrices(first: ComparedSide, second: ComparedSide, mix: TrafficMix): PriceComparison {
  if (first.price.currency !== second.price.currency)
    throw new RangeError(`Cannot compare ${first.price.currency} with ${second.price.currency}.`)
  const hitShare = share(mix.hitShare)
  const outputPerPrompt = parseDecimal(mix.outputPerPrompt)
  const bills = [first, second].map((side) => billOf(side, hitShare, outputPerPrompt))
  const [a = null, b = null] = bills
  return {
    componentRatios: {
      input: ratio(first.price.rates.input, second.price.rates.input),
      output: ratio(first.price.rates.output, second.price.rates.output),
      cacheRead: ratio(first.price.rates.cacheRead, second.price.rates.cacheRead),
    },
    bill: [a === null ? null : formatDecimal(a), b === null ? null : formatDecimal(b)],
    billRatio: ratio(a, b),
    byHitShare: shownHitShares.map((text) => {
      const at = parseDecimal(text)
      return {
        hitShare: Number(text),
        billRatio: ratio(billOf(first, at, outputPerPrompt), billOf(second, at, outputPerPrompt)),
      }
    }),
    breakEvenHitShare: a === null ? null : breakEven(a, second, outputPerPrompt),
    assumptions: [
      `${percent(hitShare)} of prompt tokens are cache hits on both sides`,
      `${formatDecimal(outputPerPrompt)} output tokens for each prompt token`,
      ...[first, second].flatMap(describeSide),
    ],
  }
}

/** `(1-h) x miss + h x read + o x output`, for a million prompt tokens; null when a needed rate is not listed. */
function billOf(side: ComparedSide, hitShare: Decimal, outputPerPrompt: Decimal): Decimal | null {
  const { input, output, cacheRead } = side.price.rates
  const missRate = missRateOf(side)
  const missShare = subtract({ digits: 1n, scale: 0 }, hitShare)
  if (output === null || (missRate === null && missShare.digits !== 0n)) return null
  if (cacheRead === null && hitShare.digits !== 0n) return null
  const prompt = add(multiply(missShare, missRate ?? zero), multiply(hitShare, cacheRead ?? input ?? zero))
  const answer = multiply(multiply(outputPerPrompt, parseDecimal(side.outputRatio ?? 1)), output)
  return multiply(add(prompt, answer), parseDecimal(side.tokenRatio ?? 1))
}

function missRateOf({ price, writesMisses }: ComparedSide): Decimal | null {
  return writesMisses === true ? (price.rates.cacheWrite5m ?? price.rates.input) : price.rates.input
}

/** The bill is a straight line in the hit share, so two points give the crossing. */
function breakEven(target: Decimal, side: ComparedSide, outputPerPrompt: Decimal): number | null {
  const cold = billOf(side, zero, outputPerPrompt)
  const warm = billOf(side, { digits: 1n, scale: 0 }, outputPerPrompt)
  if (cold === null || warm === null || compare(cold, warm) === 0) return null
  const crossing = ratio(subtract(cold, target), subtract(cold, warm))
  return crossing !== null && crossing >= 0 && crossing <= 1 ? crossing : null
}

function describeSide(side: ComparedSide): string[] {
  const said = [`${side.label}: ${side.price.versionId}`]
  const threshold = side.price.partsAbove.at(-1)?.promptTokensAbove
  if (threshold !== undefined)
    said.push(`${side.label}: no prompt is longer than ${threshold} tokens; the part above has other rates`)
  if (side.price.rates.reasoning !== null) said.push(`${side.label}: reasoning is counted at the price of output`)
  if (side.writesMisses === true) said.push(`${side.label}: every miss is written to the cache at the write price`)
  if (side.tokenRatio !== undefined) said.push(`${side.label}: ${side.tokenRatio} tokens for one of the mix`)
  if (side.outputRatio !== undefined) said.push(`${side.label}: ${side.outputRatio} output tokens for one of the mix`)
  return said
}

function ratio(a: Decimal | null, b: Decimal | null): number | null {
  return a === null || b === null || b.digits === 0n ? null : Number(formatDecimal(a)) / Number(formatDecimal(b))
}

function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, { digits: -b.digits, scale: b.scale })
}

function share(value: string | number): Decimal {
  const parsed = parseDecimal(value)
  if (compare(parsed, zero) < 0 || compare(parsed, { digits: 1n, scale: 0 }) > 0)
    throw new RangeError(`A share lies between 0 and 1, not at ${value}.`)
  return parsed
}

function percent(value: Decimal): string {
  return `${formatDecimal(multiply(value, { digits: 100n, scale: 0 }))} %`
}
