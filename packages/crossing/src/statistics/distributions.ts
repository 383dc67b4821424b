/**
 * Normal, Student t, beta and binomial: what the intervals and tests of this folder stand on.
 *
 * Each quantile inverts its own CDF inside a bracket, so the two can never disagree. Checked against
 * simple-statistics and against values computed with mpmath (distributions.test.ts).
 */
import { erfc, logGamma, regularizedBeta } from './special-functions.ts'

export function normalCdf(x: number): number {
  return 0.5 * erfc(-x / Math.SQRT2)
}

/** z with P(Z <= z) = p. Minus infinity at 0 and infinity at 1. */
export function normalQuantile(p: number): number {
  probability(p)
  if (p === 0) return Number.NEGATIVE_INFINITY
  if (p === 1) return Number.POSITIVE_INFINITY
  if (p > 0.5) return -normalQuantile(1 - p)
  return increasingRoot((x) => normalCdf(x) - p, -40, 0)
}

/** Student's t with any positive number of degrees of freedom; infinity is the normal distribution. */
export function tCdf(t: number, degreesOfFreedom: number): number {
  if (!(degreesOfFreedom > 0)) throw new RangeError(`t needs positive degrees of freedom, not ${degreesOfFreedom}`)
  if (degreesOfFreedom === Number.POSITIVE_INFINITY) return normalCdf(t)
  const tail = 0.5 * regularizedBeta(degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5)
  return t > 0 ? 1 - tail : tail
}

export function tQuantile(p: number, degreesOfFreedom: number): number {
  probability(p)
  if (degreesOfFreedom === Number.POSITIVE_INFINITY) return normalQuantile(p)
  if (p === 0) return Number.NEGATIVE_INFINITY
  if (p === 1) return Number.POSITIVE_INFINITY
  if (p === 0.5) return 0
  if (p > 0.5) return -tQuantile(1 - p, degreesOfFreedom)
  let lower = -2
  while (tCdf(lower, degreesOfFreedom) > p && lower > -1e300) lower *= 4
  return increasingRoot((t) => tCdf(t, degreesOfFreedom) - p, lower, 0)
}

export function betaCdf(x: number, a: number, b: number): number {
  return regularizedBeta(x, a, b)
}

export function betaQuantile(p: number, a: number, b: number): number {
  probability(p)
  if (p === 0) return 0
  if (p === 1) return 1
  return increasingRoot((x) => regularizedBeta(x, a, b) - p, 0, 1)
}

/** P(X = k) for X binomial(n, p). */
export function binomialMass(k: number, n: number, p: number): number {
  if (k < 0 || k > n) return 0
  if (p === 0) return k === 0 ? 1 : 0
  if (p === 1) return k === n ? 1 : 0
  const choose = logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1)
  return Math.exp(choose + k * Math.log(p) + (n - k) * Math.log1p(-p))
}

/** P(X <= k) for X binomial(n, p) (DLMF 8.17.5). */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0
  if (k >= n) return 1
  return 1 - regularizedBeta(p, k + 1, n - k)
}

/**
 * The x in [lower, upper] where an increasing function crosses zero, to the last bit that matters.
 *
 * Regula falsi with the Illinois halving, and a bisection whenever the bracket did not halve in three steps: never
 * slower than three times bisection, whatever the function does (infinities included).
 */
export function increasingRoot(f: (x: number) => number, lower: number, upper: number): number {
  let [low, high] = [lower, upper]
  let [atLow, atHigh] = [f(low), f(high)]
  if (atLow >= 0) return low
  if (atHigh <= 0) return high
  let width = high - low
  let sinceHalved = 0
  let side = 0
  for (let step = 0; step < 400; step++) {
    const middle = low + (high - low) / 2
    let next = sinceHalved >= 3 ? middle : low - (atLow * (high - low)) / (atHigh - atLow)
    if (!(next > low && next < high)) next = middle
    if (next === low || next === high) return next
    const value = f(next)
    if (value === 0) return next
    if (value < 0) {
      low = next
      atLow = value
      if (side === -1) atHigh /= 2
      side = -1
    } else {
      high = next
      atHigh = value
      if (side === 1) atLow /= 2
      side = 1
    }
    if (high - low <= 2e-16 * Math.max(1e-280, Math.abs(low) + Math.abs(high))) return low + (high - low) / 2
    if (high - low <= width / 2) {
      width = high - low
      sinceHalved = 0
    } else sinceHalved++
  }
  return low + (high - low) / 2
}

function probability(p: number): void {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`a probability lies between 0 and 1, not ${p}`)
}
