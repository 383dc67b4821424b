/**
 * Weights for traffic that was sampled: a session kept with probability p stands for 1/p sessions.
 *
 * Horvitz and Thompson, JASA 47, 1952, for totals; Hajek's ratio form for means, because the population size is
 * itself estimated. Kish, Survey Sampling, 1965, for the effective size. With these, "cost per task" describes the
 * production mix and not the sample's.
 */

/** 1/p. A session that could not have been drawn cannot stand for anything. */
export function inclusionWeight(inclusionProbability: number): number {
  if (!(inclusionProbability > 0 && inclusionProbability <= 1))
    throw new RangeError(`an inclusion probability lies in (0, 1], not ${inclusionProbability}`)
  return 1 / inclusionProbability
}

export interface Weighted {
  readonly value: number
  readonly weight: number
}

/** The Horvitz-Thompson estimate of the population total. */
export function weightedTotal(sample: readonly Weighted[]): number {
  let total = 0
  for (const { value, weight } of sample) total += value * weight
  return total
}

/** Hajek's estimate of the population mean; null when nothing was sampled. */
export function weightedMean(sample: readonly Weighted[]): number | null {
  let [total, weights] = [0, 0]
  for (const { value, weight } of sample) {
    total += value * weight
    weights += weight
  }
  return weights > 0 ? total / weights : null
}

/** How many equally weighted observations carry as much: (sum w)^2 / sum w^2. */
export function effectiveSize(weights: Iterable<number>): number {
  let [sum, squares] = [0, 0]
  for (const weight of weights) {
    sum += weight
    squares += weight * weight
  }
  return squares > 0 ? (sum * sum) / squares : 0
}
