/**
 * All judged cases together, and whether the judge may say anything that counts.
 *
 *   W = mean of 1 (win), 0.5 (tie), 0 (loss), by session; non-inferior when its lower end lies above 0.5 - margin
 *
 * A judge gates only when it agrees with people (Cohen's kappa of at least 0.6 on at least 60 labelled cases) and with
 * itself (at most 20 % of cases change with the order). Otherwise its panel is shown, marked uncalibrated, and decides nothing.
 * With labels, W is moved by the judge's mean error on them (prediction-powered mean).
 */
import type { Decision } from '../statistics/paired-comparison.ts'
import { clusteredInterval, clusteredMean } from '../statistics/clustered.ts'
import { cohenKappa, predictionPoweredMean, type Kappa } from '../statistics/rater-agreement.ts'
import type { Interval } from '../statistics/proportion.ts'
import { scoreOf, type Preference } from './pairwise.ts'

export interface PanelCase {
  readonly caseId: string
  readonly session: string
  readonly preference: Preference
  readonly flipped: boolean
  readonly weight?: number
}

/** What a person said about the same two answers, blind. */
export interface HumanLabel {
  readonly caseId: string
  readonly preference: Preference
}

export interface PanelReading {
  readonly winRate: number
  /** Two-sided at 1 - 2 alpha. */
  readonly interval: Interval
  readonly cases: number
  readonly sessions: number
  readonly flipRate: number
  readonly kappa: Kappa
  /** W corrected by the labels; null with fewer than two. */
  readonly corrected: { readonly mean: number; readonly interval: Interval } | null
  readonly calibrated: boolean
  /** Why not; empty when calibrated. */
  readonly problems: readonly string[]
  readonly margin: number
  /** `shown-only` for a judge that is not calibrated, whatever it says. */
  readonly decision: Decision
}

const leastLabels = 60
const leastKappa = 0.6
const mostFlips = 0.2

/** @throws {RangeError} without judged cases */
export function readPanel(
  cases: readonly PanelCase[],
  labels: readonly HumanLabel[],
  { margin = 0.05, alpha = 0.05 }: { readonly margin?: number; readonly alpha?: number } = {},
): PanelReading {
  const mean = clusteredMean(
    cases.map(({ session, preference, weight }) => ({ session, value: scoreOf(preference), weight })),
  )
  const confidence = 1 - 2 * alpha
  const interval = clusteredInterval(mean, confidence, [0, 1])
  const flipRate = cases.filter(({ flipped }) => flipped).length / cases.length
  const judged = new Map(cases.map(({ caseId, preference }) => [caseId, preference]))
  // One label a case; the last one is what the person meant.
  const spoken = new Map(labels.map(({ caseId, preference }) => [caseId, preference]))
  const both = [...spoken].flatMap(([caseId, human]) => {
    const rater = judged.get(caseId)
    return rater === undefined ? [] : [{ rater, human }]
  })
  const kappa = cohenKappa(both.map(({ rater, human }) => [rater, human] as const))
  const problems: string[] = []
  if (both.length < leastLabels) problems.push(`${both.length} of ${leastLabels} human labels`)
  if (kappa.kappa === null || kappa.kappa < leastKappa)
    problems.push(`kappa ${kappa.kappa === null ? 'unknown' : kappa.kappa.toFixed(2)}, needed ${leastKappa}`)
  if (flipRate > mostFlips)
    problems.push(`${Math.round(100 * flipRate)} % of cases change with the order, allowed ${100 * mostFlips} %`)
  const calibrated = problems.length === 0
  const corrected = predictionPoweredMean(
    cases.map(({ preference }) => scoreOf(preference)),
    both.map(({ rater, human }) => ({ rater: scoreOf(rater), human: scoreOf(human) })),
    confidence,
  )
  // Both readings have to agree: sessions widen the first, labels move the second.
  const lower = Math.min(interval.lower, corrected?.interval.lower ?? 1)
  const upper = Math.max(interval.upper, corrected?.interval.upper ?? 0)
  const judgement: Decision = lower > 0.5 - margin ? 'non-inferior' : upper < 0.5 ? 'worse' : 'not-shown'
  return {
    winRate: mean.mean,
    interval,
    cases: cases.length,
    sessions: mean.sessions,
    flipRate,
    kappa,
    corrected,
    calibrated,
    problems,
    margin,
    decision: calibrated ? judgement : 'shown-only',
  }
}
