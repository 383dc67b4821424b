/**
 * Rates of a model on one's own hardware, from what the hardware costs an hour.
 *
 * Two ways, and which one was used is said in the result. By throughput: what the machine can do a second, at a
 * stated share of the time in use. By traffic: the cost of the hours over the tokens that were really served, so
 * that the bills of those hours add up to the hardware. One hour pays for several kinds of tokens, so both need
 * weights, which are assumptions and stand in the result. Left out: people, power outside of the hourly cost.
 */
import { formatDecimal, parseDecimal, type Decimal } from './decimal.ts'

export interface SelfHostedRates {
  /** Currency units per 1,000,000 tokens, decimal text with at most nine digits after the point. */
  readonly input: string
  readonly cacheRead: string
  readonly output: string
  readonly assumptions: readonly string[]
}

export interface Throughput {
  readonly costPerHour: string
  /** Prompt tokens a second while it does nothing else. */
  readonly inputTokensPerSec: number
  /** Answer tokens a second over all requests at once. */
  readonly outputTokensPerSec: number
  /** Share of the paid hours in which it works, 0 to 1. */
  readonly utilization: number
  /** What a cached prompt token costs of an uncached one. */
  readonly hitWeight: number
}

export interface ServedTraffic {
  readonly costPerHour: string
  readonly hours: number
  readonly missTokens: number
  readonly hitTokens: number
  readonly outputTokens: number
  /** What an answer token costs of an uncached prompt token. */
  readonly outputWeight: number
  readonly hitWeight: number
}

/** @throws {RangeError} naming the number that makes no sense. */
export function ratesFromThroughput(given: Throughput): SelfHostedRates {
  const perHour = cost(given.costPerHour)
  const { inputTokensPerSec, outputTokensPerSec, utilization, hitWeight } = given
  positive('input tokens a second', inputTokensPerSec)
  positive('output tokens a second', outputTokensPerSec)
  if (!(utilization > 0 && utilization <= 1)) throw new RangeError('Utilization is a share above 0, at most 1.')
  weight('hit weight', hitWeight)
  const input = (perHour * 1e6) / (inputTokensPerSec * 3600 * utilization)
  return {
    input: text(input),
    cacheRead: text(input * hitWeight),
    output: text((perHour * 1e6) / (outputTokensPerSec * 3600 * utilization)),
    assumptions: [
      `${given.costPerHour} an hour, in use ${share(utilization)} of the time`,
      `${inputTokensPerSec} prompt tokens or ${outputTokensPerSec} answer tokens a second`,
      `a cached prompt token costs ${hitWeight} of an uncached one`,
    ],
  }
}

/** @throws {RangeError} naming the number that makes no sense. */
export function ratesFromTraffic(given: ServedTraffic): SelfHostedRates {
  const perHour = cost(given.costPerHour)
  const { hours, missTokens, hitTokens, outputTokens, outputWeight, hitWeight } = given
  positive('hours', hours)
  positive('output weight', outputWeight)
  weight('hit weight', hitWeight)
  const weighted = missTokens + hitTokens * hitWeight + outputTokens * outputWeight
  if (!(weighted > 0)) throw new RangeError('No tokens were served in these hours: there is nothing to divide by.')
  const input = (perHour * hours * 1e6) / weighted
  return {
    input: text(input),
    cacheRead: text(input * hitWeight),
    output: text(input * outputWeight),
    assumptions: [
      `${given.costPerHour} an hour for ${hours} hours, all of it paid by what was served`,
      `${missTokens} prompt tokens, ${hitTokens} cached ones and ${outputTokens} answer tokens were served`,
      `an answer token costs ${outputWeight} of a prompt token, a cached one ${hitWeight}`,
    ],
  }
}

function cost(perHour: string): number {
  const parsed: Decimal = parseDecimal(perHour)
  const value = Number(formatDecimal(parsed))
  positive('the cost an hour', value)
  return value
}

function positive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw new RangeError(`${name} must be above 0, not ${value}.`)
}

function weight(name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw new RangeError(`${name} lies between 0 and 1, not at ${value}.`)
}

function text(rate: number): string {
  return formatDecimal(parseDecimal(rate.toFixed(9)))
}

function share(value: number): string {
  return `${Math.round(value * 1000) / 10} %`
}
