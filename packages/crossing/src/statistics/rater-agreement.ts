/**
 * Can a rater be trusted in place of people? Cohen's kappa, and estimates that correct a rater by a labelled part.
 *
 * Sources: Cohen, Educ. Psychol. Meas. 20, 1960; its large-sample variance by Fleiss, Cohen and Everitt, Psychol.
 * Bull. 72, 1969; prediction-powered mean: Angelopoulos et al., Science 382, 2023; Rogan and Gladen, Am. J.
 * Epidemiol. 107, 1978.
 */
import { normalQuantile } from './distributions.ts'
import type { Interval } from './proportion.ts'

export interface Kappa {
  /** Null when chance alone explains everything (a single label on both sides) or there are no labels. */
  readonly kappa: number | null
  readonly interval: Interval | null
  readonly agreement: number | null
  readonly labels: number
}

export function cohenKappa<Label>(pairs: readonly (readonly [rater: Label, human: Label])[], confidence = 0.95): Kappa {
  const labels = pairs.length
  if (labels === 0) return { kappa: null, interval: null, agreement: null, labels }
  const rows = new Map<Label, number>()
  const columns = new Map<Label, number>()
  let same = 0
  for (const [rater, human] of pairs) {
    rows.set(rater, (rows.get(rater) ?? 0) + 1 / labels)
    columns.set(human, (columns.get(human) ?? 0) + 1 / labels)
    if (rater === human) same++
  }
  const agreement = same / labels
  let chance = 0
  for (const [label, share] of rows) chance += share * (columns.get(label) ?? 0)
  if (1 - chance < 1e-12) return { kappa: null, interval: null, agreement, labels }
  const kappa = (agreement - chance) / (1 - chance)
  let [diagonal, off] = [0, 0]
  for (const [rater, human] of pairs) {
    if (rater === human)
      diagonal += (1 - ((rows.get(rater) ?? 0) + (columns.get(rater) ?? 0)) * (1 - kappa)) ** 2 / labels
    else off += ((columns.get(rater) ?? 0) + (rows.get(human) ?? 0)) ** 2 / labels
  }
  const variance =
    (diagonal + (1 - kappa) ** 2 * off - (kappa - chance * (1 - kappa)) ** 2) / (labels * (1 - chance) ** 2)
  const half = normalQuantile(0.5 + confidence / 2) * Math.sqrt(Math.max(0, variance))
  return {
    kappa,
    interval: { lower: Math.max(-1, kappa - half), upper: Math.min(1, kappa + half), confidence },
    agreement,
    labels,
  }
}

/**
 * The mean of a rater's scores over all cases, moved by its mean error on the labelled ones; unbiased however wrong
 * the rater is. Null with fewer than two of either.
 */
export function predictionPoweredMean(
  raterOnAll: readonly number[],
  labelled: readonly { readonly rater: number; readonly human: number }[],
  confidence = 0.95,
): { readonly mean: number; readonly interval: Interval } | null {
  if (raterOnAll.length < 2 || labelled.length < 2) return null
  const all = momentsOf(raterOnAll)
  const errors = momentsOf(labelled.map(({ rater, human }) => human - rater))
  const mean = all.mean + errors.mean
  const half =
    normalQuantile(0.5 + confidence / 2) *
    Math.sqrt(all.variance / raterOnAll.length + errors.variance / labelled.length)
  return { mean, interval: { lower: mean - half, upper: mean + half, confidence } }
}

/** The true pass rate behind an observed one; null when the rater is no better than a coin. */
export function roganGladen(observed: number, sensitivity: number, specificity: number): number | null {
  const power = sensitivity + specificity - 1
  return power <= 1e-9 ? null : Math.min(1, Math.max(0, (observed + specificity - 1) / power))
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, variance: squares / (values.length - 1) }
}
