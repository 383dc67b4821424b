/**
 * Agreement with a recording, measured against the incumbent's agreement with its own recording (the A/A floor).
 *
 * A model asked twice rarely says the same twice, so a candidate's agreement means nothing alone. Where there is no
 * ground truth the paired difference of the two agreements is judged like a pass rate. It shows equivalence, not
 * quality: a better answer disagrees too.
 */
import { comparePairs, type PairedComparison } from './paired-comparison.ts'
import { ratioOfTotals, type RatioEstimate } from './bootstrap.ts'

export interface AgreementCase {
  readonly session: string
  /** The candidate's agreement with the recording, 0 to 1. */
  readonly candidate: number
  /** The incumbent's, asked again. */
  readonly again: number
  readonly weight?: number
}

export interface AgreementReading {
  readonly floor: number
  readonly agreement: number
  readonly comparison: PairedComparison
  /** Candidate's agreement over the floor; its ratio is null when the incumbent never agrees with itself. */
  readonly ratio: RatioEstimate
}

export function agreementAgainstFloor(
  cases: readonly AgreementCase[],
  options: { readonly margin: number; readonly alpha?: number; readonly seed: number },
): AgreementReading {
  const pairs = cases.map(({ session, candidate, again, weight }) => ({ session, candidate, incumbent: again, weight }))
  const comparison = comparePairs(pairs, options)
  return {
    floor: comparison.incumbentRate.rate,
    agreement: comparison.candidateRate.rate,
    comparison,
    ratio: ratioOfTotals(pairs, { seed: options.seed, confidence: 1 - 2 * (options.alpha ?? 0.05) }),
  }
}
