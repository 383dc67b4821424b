/**
 * Means of observations that come in sessions: answers of one conversation resemble each other.
 *
 *   d = sum w_i x_i / sum w_i      V = G/(G-1) sum_g ( sum_{i in g} w_i (x_i - d) )^2 / (sum w_i)^2
 *
 * judged by Student's t with G - 1 degrees of freedom. Sources: Liang and Zeger, Biometrika 73, 1986; Miller,
 * "Adding error bars to evals", arXiv:2411.00640, 2024 (clustered errors for model evaluations); weights enter as
 * in Binder, Int. Stat. Rev. 51, 1983. The intra-session correlation is the analysis-of-variance estimate
 * (Donner, Int. Stat. Rev. 54, 1986).
 */
import { tCdf, tQuantile } from './distributions.ts'
import type { Interval } from './proportion.ts'

export interface SessionValue {
  readonly session: string
  readonly value: number
  /** Default 1. */
  readonly weight?: number
}

export interface ClusteredMean {
  readonly mean: number
  /** Null with fewer than two sessions: one conversation says nothing about the next. */
  readonly standardError: number | null
  readonly sessions: number
  readonly observations: number
  /** Null where it cannot be estimated (no repeated observations, or no variation at all). */
  readonly intraSessionCorrelation: number | null
  /** Variance with sessions over variance without; at least 1 means that sessions matter. Null as above. */
  readonly designEffect: number | null
}

export function clusteredMean(observations: readonly SessionValue[]): ClusteredMean {
  if (observations.length === 0) throw new RangeError('a mean needs at least one observation')
  let [weights, total, squares] = [0, 0, 0]
  for (const { value, weight = 1 } of observations) {
    if (!(weight > 0 && Number.isFinite(weight) && Number.isFinite(value)))
      throw new RangeError(`an observation of ${value} with weight ${weight} cannot be averaged`)
    weights += weight
    total += weight * value
  }
  const mean = total / weights
  const residuals = new Map<string, number>()
  for (const { session, value, weight = 1 } of observations) {
    residuals.set(session, (residuals.get(session) ?? 0) + weight * (value - mean))
    squares += (weight * (value - mean)) ** 2
  }
  const groups = residuals.size
  const count = observations.length
  let between = 0
  for (const residual of residuals.values()) between += residual * residual
  const standardError = groups < 2 ? null : Math.sqrt(((groups / (groups - 1)) * between) / (weights * weights))
  const naive = count < 2 ? 0 : ((count / (count - 1)) * squares) / (weights * weights)
  return {
    mean,
    standardError,
    sessions: groups,
    observations: count,
    intraSessionCorrelation: intraSessionCorrelation(observations),
    designEffect: standardError === null || naive === 0 ? null : (standardError * standardError) / naive,
  }
}

/** Student's interval around a clustered mean; everything (-1 to 1 by default) when there is no standard error. */
export function clusteredInterval(
  { mean, standardError, sessions }: ClusteredMean,
  confidence = 0.95,
  range: readonly [number, number] = [-1, 1],
): Interval {
  if (standardError === null) return { lower: range[0], upper: range[1], confidence }
  const half = tQuantile(0.5 + confidence / 2, sessions - 1) * standardError
  return { lower: Math.max(range[0], mean - half), upper: Math.min(range[1], mean + half), confidence }
}

/** One-sided p of "the true mean is `bound` or less". 1 when there is no standard error. */
export function clusteredP({ mean, standardError, sessions }: ClusteredMean, bound: number): number {
  if (standardError === null) return 1
  if (standardError === 0) return mean > bound ? 0 : 1
  return 1 - tCdf((mean - bound) / standardError, sessions - 1)
}

/** (MSB - MSW) / (MSB + (m0 - 1) MSW), unweighted, between -1 and 1. */
function intraSessionCorrelation(observations: readonly SessionValue[]): number | null {
  const groups = new Map<string, { count: number; sum: number; squares: number }>()
  for (const { session, value } of observations) {
    const group = groups.get(session) ?? { count: 0, sum: 0, squares: 0 }
    group.count++
    group.sum += value
    group.squares += value * value
    groups.set(session, group)
  }
  const count = observations.length
  const sessions = groups.size
  if (sessions < 2 || count <= sessions) return null
  let [total, within, between, sizeSquares] = [0, 0, 0, 0]
  for (const { sum } of groups.values()) total += sum
  const mean = total / count
  for (const group of groups.values()) {
    within += group.squares - (group.sum * group.sum) / group.count
    between += group.count * (group.sum / group.count - mean) ** 2
    sizeSquares += group.count * group.count
  }
  const meanWithin = Math.max(0, within) / (count - sessions)
  const meanBetween = between / (sessions - 1)
  const typicalSize = (count - sizeSquares / count) / (sessions - 1)
  const denominator = meanBetween + (typicalSize - 1) * meanWithin
  return denominator <= 1e-15 ? null : (meanBetween - meanWithin) / denominator
}
