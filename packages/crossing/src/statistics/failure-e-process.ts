/**
 * Watching failures while traffic is split, looking as often as one likes.
 *
 * A failing session belongs to the canary with probability theta(r) = pi r / (pi r + 1 - pi), pi the canary's share when
 * that session was assigned and r the true ratio of failure rates. Against a grid of alternatives the likelihood ratios of
 * all failures so far are averaged; under the null the average exceeds 1/alpha at any time with probability at most alpha
 * (Ville 1939; Ramdas et al., Statist. Sci. 38, 2023). `harm`: null "ratio at most r0", alternatives above it; crossing means
 * roll back. `safety`: null "ratio at least r0", alternatives below it; crossing means that the step may advance.
 * Feed the first failure of each session only: failures of one session are not independent. Restartable from its state.
 */
export type FailureDirection = 'harm' | 'safety'

const factors: Readonly<Record<FailureDirection, readonly number[]>> = {
  harm: [1.25, 1.5, 2, 3, 5, 10],
  safety: [0.2, 0.35, 0.5, 0.65, 0.8, 0.9],
}

export interface FailureEvidence {
  readonly direction: FailureDirection
  /** The ratio of failure rates that the null stands at. */
  readonly ratio: number
  /** Natural logarithms, one per alternative: the whole state. */
  readonly logs: readonly number[]
}

export function noEvidence(direction: FailureDirection, ratio: number): FailureEvidence {
  if (!(ratio > 0 && Number.isFinite(ratio))) throw new RangeError(`a ratio of rates is positive, not ${ratio}`)
  return { direction, ratio, logs: factors[direction].map(() => 0) }
}

/** @param canaryShare in (0, 1), as it was when the failing session was assigned */
export function afterFailure(evidence: FailureEvidence, inCanary: boolean, canaryShare: number): FailureEvidence {
  if (!(canaryShare > 0 && canaryShare < 1)) throw new RangeError(`a share lies between 0 and 1, not ${canaryShare}`)
  const theta = (ratio: number): number => (canaryShare * ratio) / (canaryShare * ratio + 1 - canaryShare)
  const chance = (ratio: number): number => (inCanary ? theta(ratio) : 1 - theta(ratio))
  const { direction, ratio, logs } = evidence
  const known = chance(ratio)
  return {
    ...evidence,
    logs: logs.map((log, at) => log + Math.log(chance(ratio * factors[direction][at]!) / known)),
  }
}

/** E: act when it reaches 1/alpha. */
export function evidenceValue({ logs }: FailureEvidence): number {
  return logs.reduce((sum, log) => sum + Math.exp(log), 0) / logs.length
}
