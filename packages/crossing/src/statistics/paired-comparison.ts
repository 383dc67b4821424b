/**
 * The primary gate: is the candidate not worse than the incumbent by more than the margin, on the same cases?
 *
 *   lower end above -margin                       non-inferior
 *   else upper end below 0                        worse
 *   else                                          not shown        (no evidence is not success)
 *
 * on the two-sided interval at 1 - 2 alpha, whose lower end is a one-sided test at alpha. That interval is the wider,
 * end by end, of three, so that correlated answers cannot narrow it: Tango's on the cases, Tango's on as many cases as
 * the design effect leaves (Rao and Scott, Biometrics 48, 1992; with Student's t for z), and the cluster-robust t. With
 * fewer than 40 sessions the design effect is not known well enough (measured: 12 % false passes with 20 strongly
 * correlated sessions, nominal 5 %), so there a session counts as one case. Replicates are averaged within
 * their case before; a fractional case counts as the discordance of one replicate from each arm, which can only widen.
 *
 * A margin of 0 is a test of superiority by the same rule: the lower end has to lie above 0, so `non-inferior` then says
 * that the candidate is better, and equally good is not shown.
 */
import type { Comparison } from '../records/index.ts'
import { normalCdf, tQuantile } from './distributions.ts'
import { clusteredInterval, clusteredMean, type ClusteredMean } from './clustered.ts'
import { mcNemar, type McNemar } from './mcnemar.ts'
import { wilsonInterval, type Interval } from './proportion.ts'
import { tangoInterval, tangoStatistic, type PairedCounts } from './tango.ts'
import { effectiveSize } from './weights.ts'

/** Sessions from which on their correlation can be estimated; found by simulation (README, measured error rates). */
const sessionsForCorrelation = 40

export type Decision = Comparison['decision']

/** One case that both arms were scored on. */
export interface PairedCase {
  readonly session: string
  /** Share of passing replicates, 0 to 1. */
  readonly candidate: number
  readonly incumbent: number
  /** 1 / inclusion probability of the session; default 1. */
  readonly weight?: number
}

export interface PairedComparison {
  readonly decision: Decision
  /** In words, why `not-shown` is not more; null otherwise. */
  readonly reason: string | null
  /** Weighted pass rate of the candidate minus that of the incumbent. */
  readonly difference: number
  readonly interval: Interval
  /** Which of the three made the lower end. */
  readonly method: 'tango' | 'tango-design-effect' | 'cluster-t'
  /** One-sided, of "worse by the margin or more", by Tango on the effective number of cases. */
  readonly p: number
  readonly margin: number
  readonly cases: number
  readonly sessions: number
  readonly counts: PairedCounts
  readonly candidateRate: { readonly rate: number; readonly interval: Interval }
  readonly incumbentRate: { readonly rate: number; readonly interval: Interval }
  readonly intraSessionCorrelation: number | null
  readonly designEffect: number | null
  /** "Is there any difference?", unweighted; null where replicates made fractions. */
  readonly mcNemar: McNemar | null
}

/** @throws {RangeError} without cases, and for shares outside 0 to 1 */
export function comparePairs(
  cases: readonly PairedCase[],
  { margin, alpha = 0.05 }: { readonly margin: number; readonly alpha?: number },
): PairedComparison {
  for (const { candidate, incumbent } of cases)
    if (!(candidate >= 0 && candidate <= 1 && incumbent >= 0 && incumbent <= 1))
      throw new RangeError(`a case passes a share between 0 and 1 of its replicates, not ${candidate} or ${incumbent}`)
  if (!(margin >= 0 && margin < 1)) throw new RangeError(`a margin lies between 0 and 1, not ${margin}`)
  if (!(alpha > 0 && alpha < 0.5)) throw new RangeError(`alpha lies between 0 and 0.5, not ${alpha}`)
  const clustered = clusteredMean(
    cases.map(({ session, candidate, incumbent, weight }) => ({ session, value: candidate - incumbent, weight })),
  )
  const counts = countsOf(cases)
  const confidence = 1 - 2 * alpha
  const deflated = scaled(counts, effectiveShare(cases, counts, clustered))
  const degrees = clustered.sessions - 1
  const independent = clustered.sessions === cases.length || degrees < 1
  const studentConfidence = independent ? confidence : 2 * normalCdf(tQuantile(1 - alpha, degrees)) - 1
  const candidates = [
    { method: 'tango', interval: tangoInterval(counts, confidence) },
    { method: 'tango-design-effect', interval: { ...tangoInterval(deflated, studentConfidence), confidence } },
    { method: 'cluster-t', interval: clusteredInterval(clustered, confidence) },
  ] as const
  const widest = candidates.reduce((one, other) => (other.interval.lower < one.interval.lower ? other : one))
  const interval: Interval = {
    lower: widest.interval.lower,
    upper: Math.max(...candidates.map((each) => each.interval.upper)),
    confidence,
  }
  const decision: Decision = interval.lower > -margin ? 'non-inferior' : interval.upper < 0 ? 'worse' : 'not-shown'
  const whole = Number.isInteger(counts.wins) && Number.isInteger(counts.losses)
  return {
    decision,
    reason: decision === 'not-shown' ? reasonFor(clustered, interval, margin) : null,
    difference: clustered.mean,
    interval,
    method: widest.method,
    p: normalCdf(-tangoStatistic(deflated, -margin)),
    margin,
    cases: cases.length,
    sessions: clustered.sessions,
    counts,
    candidateRate: rateOf(cases, (each) => each.candidate),
    incumbentRate: rateOf(cases, (each) => each.incumbent),
    intraSessionCorrelation: clustered.intraSessionCorrelation,
    designEffect: clustered.designEffect,
    mcNemar: whole ? mcNemar(counts.wins, counts.losses) : null,
  }
}

/** Weighted counts, scaled so that `pairs` is the number of cases. */
function countsOf(cases: readonly PairedCase[]): PairedCounts {
  let [wins, losses, weights] = [0, 0, 0]
  for (const { candidate, incumbent, weight = 1 } of cases) {
    wins += weight * candidate * (1 - incumbent)
    losses += weight * incumbent * (1 - candidate)
    weights += weight
  }
  const scale = weights === cases.length ? 1 : cases.length / weights
  return { wins: wins * scale, losses: losses * scale, pairs: cases.length }
}

/** What the cases are worth as independent, equally weighted ones, as a share of their number. */
function effectiveShare(cases: readonly PairedCase[], counts: PairedCounts, clustered: ClusteredMean): number {
  const kish = effectiveSize(cases.map(({ weight = 1 }) => weight)) / cases.length
  // Nothing varies, or too few sessions do: nothing is known about correlation, and a session is worth one case.
  const nothingVaries = counts.wins + counts.losses === 0
  if (clustered.sessions < sessionsForCorrelation || nothingVaries)
    return Math.min(kish, clustered.sessions / cases.length)
  if (clustered.designEffect === null) return kish
  return Math.min(kish, 1 / Math.max(1, clustered.designEffect))
}

function scaled({ wins, losses, pairs }: PairedCounts, share: number): PairedCounts {
  return { wins: wins * share, losses: losses * share, pairs: pairs * share }
}

function rateOf(
  cases: readonly PairedCase[],
  shareOf: (each: PairedCase) => number,
): { readonly rate: number; readonly interval: Interval } {
  let [passed, weights] = [0, 0]
  for (const each of cases) {
    passed += shareOf(each) * (each.weight ?? 1)
    weights += each.weight ?? 1
  }
  const rate = Math.min(1, passed / weights)
  const size = effectiveSize(cases.map(({ weight = 1 }) => weight))
  return { rate, interval: wilsonInterval(rate * size, size) }
}

function reasonFor(clustered: ClusteredMean, interval: Interval, margin: number): string {
  if (clustered.sessions < 2) return 'All cases come from one session, so nothing is known about the next one.'
  const points = (value: number): string => `${(100 * value).toFixed(1)} points`
  return (
    `The difference may be as low as ${points(interval.lower)}, below the margin of ${points(-margin)}: ` +
    `${clustered.observations} cases in ${clustered.sessions} sessions are too few, or the candidate is worse.`
  )
}
