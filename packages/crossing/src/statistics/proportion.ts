/** Intervals for one proportion: Wilson for pass rates, Clopper-Pearson where a guarantee is wanted. */
import { betaQuantile, normalQuantile } from './distributions.ts'

/** A closed interval with the probability it was made for. */
export interface Interval {
  readonly lower: number
  readonly upper: number
  readonly confidence: number
}

/**
 * Wilson's score interval (Wilson, JASA 22, 1927; Newcombe, Statist. Med. 17, 1998, method 3).
 *
 * @param successes may be fractional (weighted or averaged replicates)
 * @returns [0, 1] when there are no trials: nothing is known
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Interval {
  counts(successes, trials)
  if (trials === 0) return { lower: 0, upper: 1, confidence }
  const z = normalQuantile(0.5 + confidence / 2)
  const share = successes / trials
  const denominator = 1 + (z * z) / trials
  const centre = (share + (z * z) / (2 * trials)) / denominator
  const half = (z / denominator) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials))
  return {
    lower: successes === 0 ? 0 : Math.max(0, centre - half),
    upper: successes === trials ? 1 : Math.min(1, centre + half),
    confidence,
  }
}

/**
 * The one-sided exact upper bound (Clopper and Pearson, Biometrika 26, 1934). For zero events in n trials it is
 * 1 - alpha^(1/n), the "rule of three": 300 clean cases bound the rate below 1 %.
 */
export function exactUpperBound(events: number, trials: number, confidence = 0.95): number {
  counts(events, trials)
  return events === trials ? 1 : betaQuantile(confidence, events + 1, trials - events)
}

function counts(successes: number, trials: number): void {
  if (!(successes >= 0 && successes <= trials && Number.isFinite(trials)))
    throw new RangeError(`${successes} successes in ${trials} trials is not a proportion`)
}
