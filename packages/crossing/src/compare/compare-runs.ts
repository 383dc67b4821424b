/**
 * From attempts to comparisons, and from those to one verdict for each candidate. Pure: the same plan and attempts give
 * the same bytes, ids included.
 *
 *   NON-INFERIOR   every gate of the plan is shown to hold
 *   WORSE          one is shown to be broken
 *   NOT SHOWN      everything else: no evidence is not success
 *
 * All gates of one candidate must hold, which needs no correction (intersection-union). Several candidates are tested
 * step-down after Holm: the best at alpha / m, the next at alpha / (m - 1), until one fails. Slices are flagged by
 * Holm within their candidate and decide nothing.
 */
import { hash } from 'node:crypto'
import { canonicalJson, type Attempt, type Comparison, type Dataset, type Metric, type Plan } from '../records/index.ts'
import { allCases } from '../plan/index.ts'
import { criticalFailures, type MissingPolicy } from '../scoring/index.ts'
import {
  agreementAgainstFloor,
  comparePairs,
  holm,
  ratioOfQuantiles,
  ratioOfTotals,
  type PairedCase,
  type PairedMeasure,
  type RatioEstimate,
} from '../statistics/index.ts'
import { ArmCases, countedCases, meanClockMs, meanCostNanos, passShare, scorerShare } from './arm-cases.ts'
import type { CountedAttempt, CountedCases } from './arm-cases.ts'
import type { JudgePanel } from './judge-panels.ts'
import {
  isSessionRatio,
  paired,
  sessionPairs,
  sessionRatio,
  sessionRatios,
  type SessionRatio,
  type SessionScene,
} from './session-measures.ts'

/** Name of the incumbent asked again, as runs and attempts carry it. */
export const floorArm = 'aa'

export interface CandidateVerdict {
  readonly candidate: string
  readonly verdict: 'NON-INFERIOR' | 'NOT SHOWN' | 'WORSE'
  /** One sentence: which gate decided, and by how much. */
  readonly reason: string
  readonly gates: readonly GateReading[]
}

export interface GateReading {
  readonly metric: string
  readonly decision: Exclude<Comparison['decision'], 'shown-only'>
  readonly reason: string
}

/** What a metric would have needed; listed, so that an absent number is never taken for a good one. */
export interface NotKnown {
  readonly candidate: string
  readonly metric: string
  readonly why: string
}

export interface SensitivityReading {
  readonly candidate: string
  readonly missing: MissingPolicy
  readonly comparison: Comparison
}

export interface RunComparison {
  readonly comparisons: readonly Comparison[]
  readonly verdicts: readonly CandidateVerdict[]
  readonly sensitivity: readonly SensitivityReading[]
  readonly notKnown: readonly NotKnown[]
  readonly counted: CountedCases
  /** The attempts as they were counted. */
  readonly arms: ArmCases
}

/** What is known beside the attempts. */
export interface ComparisonExtras {
  /** What a judge said, by candidate. */
  readonly judge?: readonly JudgePanel[]
  /** Sessions whose subject was erased. */
  readonly erased?: ReadonlySet<string>
}

interface Scene {
  readonly plan: Plan
  readonly counted: CountedCases
  readonly arms: ArmCases
  readonly judge: readonly JudgePanel[]
}

/** @param attempts gone through once; none is kept */
export function compareRuns(
  plan: Plan,
  dataset: Dataset,
  attempts: Iterable<Attempt>,
  { judge = [], erased = new Set() }: ComparisonExtras = {},
): RunComparison {
  const counted = countedCases(plan, dataset, erased)
  const asked = allCases({ primary: counted.cases, sessions: counted.sessions })
  const scene: Scene = { plan, counted, judge, arms: new ArmCases(attempts, asked) }
  const alphas = stepDown(scene)
  const comparisons: Comparison[] = []
  const notKnown: NotKnown[] = []
  const sensitivity: SensitivityReading[] = []
  const verdicts: CandidateVerdict[] = []
  for (const { name: candidate } of plan.candidates) {
    const gates: GateReading[] = []
    for (const metric of plan.metrics) {
      const found = metricComparison(scene, candidate, metric, alphas.get(candidate)!)
      if ('why' in found) {
        notKnown.push({ candidate, metric: metric.name, why: found.why })
        if (metric.gate) gates.push({ metric: metric.name, decision: 'not-shown', reason: found.why })
        continue
      }
      comparisons.push(found.comparison)
      const { decision } = found.comparison
      // A gate whose measure may only be shown is a gate that nothing has passed.
      if (metric.gate)
        gates.push({
          metric: metric.name,
          decision: decision === 'shown-only' ? 'not-shown' : decision,
          reason: found.reason,
        })
    }
    for (const found of shownAlways(scene, candidate))
      if ('why' in found) notKnown.push({ candidate, ...found })
      else if (!comparisons.some(({ id }) => id === found.id)) comparisons.push(found)
    comparisons.push(...sliceComparisons(scene, candidate))
    for (const missing of ['as-fail', 'against-candidate'] as const) {
      const pairs = pairsOf(scene, candidate, missing)
      if (pairs.length > 0)
        sensitivity.push({
          candidate,
          missing,
          comparison: differenceOf(scene, candidate, qualityMetric(plan), pairs, plan.alpha, { suffix: missing })
            .comparison,
        })
    }
    verdicts.push(verdictOf(scene, candidate, gates, sensitivity))
  }
  return { comparisons, verdicts, sensitivity, notKnown, counted, arms: scene.arms }
}

// ------------------------------------------------------------------------------------------------ verdict

function verdictOf(
  scene: Scene,
  candidate: string,
  gates: readonly GateReading[],
  sensitivity: readonly SensitivityReading[],
): CandidateVerdict {
  const worse = gates.filter(({ decision }) => decision === 'worse')
  if (worse.length > 0)
    return { candidate, verdict: 'WORSE', reason: `${worse.map(({ reason }) => bare(reason)).join('; ')}.`, gates }
  if (gates.length === 0)
    return { candidate, verdict: 'NOT SHOWN', reason: 'The plan names no gate, so nothing could be shown.', gates }
  const { answered, planned } = progressOf(scene, candidate)
  if (answered < planned)
    return {
      candidate,
      verdict: 'NOT SHOWN',
      reason: `Only ${answered} of the ${planned} planned cases were asked of both arms; a result read early is no result.`,
      gates,
    }
  const open = gates.find(({ decision }) => decision === 'not-shown')
  if (open) return { candidate, verdict: 'NOT SHOWN', reason: open.reason, gates }
  const fragile = sensitivity.find(
    (one) => one.candidate === candidate && one.missing === 'as-fail' && one.comparison.decision !== 'non-inferior',
  )
  const warning = fragile ? '; counting every unscored answer as a failure would change this' : ''
  return {
    candidate,
    verdict: 'NON-INFERIOR',
    reason: `${gates.map(({ reason }) => bare(reason)).join('; ')}${warning}.`,
    gates,
  }
}

function bare(sentence: string): string {
  return sentence.replace(/\.$/, '')
}

/** Cases that both arms were asked, against those that the plan fixed (or all there are, where it wants more). */
function progressOf({ plan, counted, arms }: Scene, candidate: string): { answered: number; planned: number } {
  const answered = counted.cases.filter(
    ({ id }) => arms.of(candidate, id).length > 0 && arms.of(plan.incumbent.name, id).length > 0,
  ).length
  return { answered, planned: Math.min(plan.sampleSize.cases, counted.cases.length) }
}

/** Holm's levels: candidates in the order of their p values, each at alpha over those left, until one fails. */
function stepDown(scene: Scene): ReadonlyMap<string, number> {
  const { plan } = scene
  const { margin } = qualityMetric(plan)
  const ranked = plan.candidates
    .map(({ name }) => {
      const pairs = pairsOf(scene, name, 'left-out')
      return { name, pairs, p: pairs.length === 0 ? 1 : comparePairs(pairs, { margin, alpha: plan.alpha }).p }
    })
    .sort((a, b) => a.p - b.p || (a.name < b.name ? -1 : 1))
  const levels = new Map<string, number>()
  let stopped = false
  for (const [rank, { name, pairs }] of ranked.entries()) {
    const alpha = plan.alpha / (ranked.length - rank)
    // After the first failure nobody passes; the level of the failure is kept, which is the stricter one.
    levels.set(name, stopped ? 0 : alpha)
    stopped ||= pairs.length === 0 || comparePairs(pairs, { margin, alpha }).decision !== 'non-inferior'
  }
  return levels
}

// ------------------------------------------------------------------------------------------------ metrics

interface Found {
  readonly comparison: Comparison
  readonly reason: string
}

function metricComparison(
  scene: Scene,
  candidate: string,
  metric: Metric,
  level: number,
): Found | { readonly why: string } {
  if (metric.kind === 'count') return countOf(scene, candidate, metric)
  if (metric.kind === 'ratio') return ratioOf(scene, candidate, metric)
  if (metric.name === 'judge') return judgeOf(scene, candidate)
  const pairs =
    metric.name === 'quality'
      ? pairsOf(scene, candidate, 'left-out')
      : metric.name === 'session-success'
        ? sessionPairs(sessionScene(scene), candidate)
        : scorerPairs(scene, candidate, metric.name)
  if (pairs.length === 0)
    return {
      why: `No case has a scored answer of both ${candidate} and ${scene.plan.incumbent.name} for ${metric.name}.`,
    }
  return differenceOf(scene, candidate, metric, pairs, scene.plan.alpha, { level })
}

/** The difference that the report is about; a plan without one is read with a margin of 0: better, or not shown. */
function qualityMetric({ metrics }: Plan): Metric {
  const found = metrics.find(({ name, kind }) => name === 'quality' && kind === 'difference')
  return found ?? { name: 'quality', kind: 'difference', margin: 0, gate: false }
}

function sessionScene({ plan, counted, arms }: Scene): SessionScene {
  return { plan, arms, sessions: counted.sessions }
}

/** An uncalibrated judge is shown and decides nothing, and a gate that asks for it stays shut. */
function judgeOf({ plan, judge }: Scene, candidate: string): Found | { readonly why: string } {
  const found = judge.find((panel) => panel.candidate === candidate)
  if (!found) return { why: `No answer of ${candidate} was judged.` }
  const { winRate, interval, cases, sessions, margin, decision, calibrated, problems } = found.panel
  const where = `${(100 * winRate).toFixed(1)} %, interval ${(100 * interval.lower).toFixed(1)} to ${(100 * interval.upper).toFixed(1)} %`
  return {
    comparison: comparisonOf(plan, candidate, 'judge', {
      method: 'pairwise-win-rate',
      estimate: winRate,
      lower: interval.lower,
      upper: interval.upper,
      margin,
      cases,
      sessions,
      designEffect: null,
      pValue: null,
      decision,
    }),
    reason: calibrated
      ? `the judge's win rate is ${where}; the plan asks for more than ${(100 * (0.5 - margin)).toFixed(1)} %.`
      : `The judge is not calibrated (${problems.join('; ')}), so its win rate of ${where} is information only.`,
  }
}

function pairsOf(
  { plan, counted, arms }: Scene,
  candidate: string,
  missing: MissingPolicy,
  against = plan.incumbent.name,
): PairedCase[] {
  return paired(counted.cases, (test) => [
    passShare(arms.of(candidate, test.id), missing, 'candidate'),
    passShare(arms.of(against, test.id), missing, 'incumbent'),
  ])
}

function scorerPairs({ plan, counted, arms }: Scene, candidate: string, scorer: string): PairedCase[] {
  // What only a session is asked stands with the sessions.
  const cases = scorer.startsWith('session-') ? counted.sessions : counted.cases
  return paired(cases, (test) => [
    scorerShare(arms.of(candidate, test.id), scorer),
    scorerShare(arms.of(plan.incumbent.name, test.id), scorer),
  ])
}

function differenceOf(
  { plan }: Scene,
  candidate: string,
  metric: Metric,
  pairs: readonly PairedCase[],
  alpha: number,
  { level = alpha, suffix = null }: { readonly level?: number; readonly suffix?: string | null },
): Found {
  const { margin } = metric
  const read = comparePairs(pairs, { margin, alpha })
  // At Holm's own level, which is at most alpha; 0: a better candidate failed before this one.
  const passes =
    read.decision === 'non-inferior' &&
    (level >= alpha || (level > 0 && comparePairs(pairs, { margin, alpha: level }).decision === 'non-inferior'))
  const decision = read.decision === 'non-inferior' && !passes ? 'not-shown' : read.decision
  const where = `${points(read.difference)}, interval ${points(read.interval.lower)} to ${points(read.interval.upper)}`
  const reason =
    decision === 'non-inferior'
      ? margin === 0
        ? `${metric.name} is better: ${where}.`
        : `${metric.name} differs by ${where}, above the margin of ${points(-margin)}.`
      : decision === 'worse'
        ? `${metric.name} is lower: ${where}, and the margin is ${points(-margin)}.`
        : (read.reason ?? `${metric.name} would pass alone, but not as one of several candidates (Holm): ${where}.`)
  return {
    comparison: comparisonOf(plan, candidate, suffix === null ? metric.name : `${metric.name}/${suffix}`, {
      method: read.method,
      estimate: read.difference,
      lower: read.interval.lower,
      upper: read.interval.upper,
      margin,
      cases: read.cases,
      sessions: read.sessions,
      designEffect: read.designEffect,
      pValue: read.p,
      decision,
    }),
    reason,
  }
}

function countOf(scene: Scene, candidate: string, metric: Metric): Found | { readonly why: string } {
  if (metric.name !== 'critical-failures') return { why: `${metric.name} is no count that this program can make.` }
  const [failing, cases] = [new Set<string>(), new Set<string>()]
  for (const { caseId, verdicts } of scene.arms.all(candidate)) {
    cases.add(caseId)
    if (criticalFailures(verdicts).length > 0) failing.add(caseId)
  }
  if (cases.size === 0) return { why: `${candidate} was not asked anything.` }
  const { cases: primary, sessions: whole } = scene.counted
  const asked = allCases({ primary, sessions: whole }).filter(({ id }) => cases.has(id))
  const sessions = new Set(asked.map(({ sessionId }) => sessionId))
  const decision = failing.size > metric.margin ? 'worse' : 'non-inferior'
  return {
    comparison: comparisonOf(scene.plan, candidate, metric.name, {
      method: 'count',
      estimate: failing.size,
      lower: failing.size,
      upper: failing.size,
      margin: metric.margin,
      cases: cases.size,
      sessions: sessions.size,
      designEffect: null,
      pValue: null,
      decision,
    }),
    reason:
      decision === 'worse'
        ? `${failing.size} of ${cases.size} cases have a critical failure, and the plan allows ${metric.margin}.`
        : `critical failures in ${failing.size} of ${cases.size} cases.`,
  }
}

const ratioReadings: Readonly<
  Record<string, (scene: Scene, candidate: string) => { readonly estimate: RatioEstimate; readonly method: string }>
> = {
  cost: (scene, candidate) => ({
    estimate: ratioOfTotals(
      measured(scene, candidate, (attempts) => meanCostNanos(attempts)),
      bootstrap(scene),
    ),
    method: 'session-bootstrap-of-totals',
  }),
  'first-visible': (scene, candidate) => quantileRatio(scene, candidate, 0.5),
  'first-visible-p95': (scene, candidate) => quantileRatio(scene, candidate, 0.95),
  total: (scene, candidate) => ({
    estimate: ratioOfQuantiles(
      measured(scene, candidate, (attempts) => meanClockMs(attempts, 'endMs')),
      0.5,
      bootstrap(scene),
    ),
    method: 'session-bootstrap-of-p50',
  }),
}

function quantileRatio(scene: Scene, candidate: string, quantile: number): { estimate: RatioEstimate; method: string } {
  const measures = measured(scene, candidate, (attempts) => meanClockMs(attempts, 'firstVisibleMs'))
  return {
    estimate: ratioOfQuantiles(measures, quantile, bootstrap(scene)),
    method: `session-bootstrap-of-p${quantile * 100}`,
  }
}

function bootstrap({ plan }: Scene): { seed: number; confidence: number } {
  return { seed: plan.replay.seed, confidence: 1 - 2 * plan.alpha }
}

function measured(
  { plan, counted, arms }: Scene,
  candidate: string,
  read: (attempts: readonly CountedAttempt[]) => number | null,
): PairedMeasure[] {
  return paired(counted.cases, (test) => [
    read(arms.of(candidate, test.id)),
    read(arms.of(plan.incumbent.name, test.id)),
  ])
}

function ratioOf(scene: Scene, candidate: string, metric: Metric): Found | { readonly why: string } {
  const read = Object.hasOwn(ratioReadings, metric.name) ? ratioReadings[metric.name] : undefined
  if (!read && !isSessionRatio(metric.name)) return { why: `${metric.name} is no ratio that this program can measure.` }
  const { estimate, method } = read
    ? read(scene, candidate)
    : sessionRatio(sessionScene(scene), candidate, metric.name as SessionRatio)
  if (estimate.ratio === null) return { why: `No case has ${metric.name} of both arms.` }
  if (estimate.interval === null)
    return { why: `${metric.name} was measured in ${estimate.sessions} session, too few for an interval.` }
  const { lower, upper } = estimate.interval
  const bound = 1 + metric.margin
  const decision = upper <= bound ? 'non-inferior' : lower > bound ? 'worse' : 'not-shown'
  const where = `${estimate.ratio.toFixed(2)} times the incumbent's, interval ${lower.toFixed(2)} to ${upper.toFixed(2)}`
  return {
    comparison: comparisonOf(scene.plan, candidate, metric.name, {
      method,
      estimate: estimate.ratio,
      lower,
      upper,
      margin: metric.margin,
      cases: estimate.cases,
      sessions: estimate.sessions,
      designEffect: null,
      pValue: null,
      decision: metric.gate ? decision : 'shown-only',
    }),
    reason: `${metric.name} is ${where}; the plan allows ${bound.toFixed(2)}.`,
  }
}

// -------------------------------------------------------------------------------------------- shown, no gate

/** What every report shows, whether or not the plan asks for it. */
function shownAlways(
  scene: Scene,
  candidate: string,
): readonly (Comparison | { readonly metric: string; readonly why: string })[] {
  const { plan, arms } = scene
  const planned = new Set(plan.metrics.map(({ name }) => name))
  const rows: (Comparison | { metric: string; why: string })[] = []
  const ofSessions = scene.counted.sessions.length > 0 ? sessionRatios : []
  for (const name of ['cost', 'first-visible', 'first-visible-p95', 'total', ...ofSessions]) {
    if (planned.has(name)) continue
    const found = ratioOf(scene, candidate, { name, kind: 'ratio', margin: 0, gate: false })
    rows.push('why' in found ? { metric: name, ...found } : { ...found.comparison, margin: null })
  }
  rows.push(...shownDifferences(scene, candidate, planned))
  if (!arms.has(floorArm))
    return [...rows, { metric: 'floor', why: 'The incumbent was not asked a second time (no A/A arm).' }]
  const { margin } = qualityMetric(plan)
  const options = { margin, alpha: plan.alpha, seed: plan.replay.seed }
  const floorPairs = pairsOf(scene, floorArm, 'left-out')
  if (floorPairs.length > 0) {
    const read = comparePairs(floorPairs, options)
    rows.push(
      comparisonOf(plan, floorArm, 'floor', {
        method: read.method,
        estimate: read.difference,
        lower: read.interval.lower,
        upper: read.interval.upper,
        margin,
        cases: read.cases,
        sessions: read.sessions,
        designEffect: read.designEffect,
        pValue: read.mcNemar?.exact ?? null,
        decision: 'shown-only',
      }),
    )
  }
  const pairs = pairsOf(scene, candidate, 'left-out', floorArm)
  if (pairs.length === 0) return rows
  const { comparison } = agreementAgainstFloor(
    pairs.map(({ session, candidate: share, incumbent, weight }) => ({
      session,
      candidate: share,
      again: incumbent,
      weight,
    })),
    options,
  )
  rows.push({
    ...comparisonOf(plan, candidate, 'against-floor', {
      method: comparison.method,
      estimate: comparison.difference,
      lower: comparison.interval.lower,
      upper: comparison.interval.upper,
      margin,
      cases: comparison.cases,
      sessions: comparison.sessions,
      designEffect: comparison.designEffect,
      pValue: comparison.p,
      decision: 'shown-only',
    }),
    incumbent: floorArm,
  })
  return rows
}

/** How sessions end, each check of the plan, and the judge: measured whether or not the plan gates on them. */
function shownDifferences(
  scene: Scene,
  candidate: string,
  planned: ReadonlySet<string>,
): readonly (Comparison | { readonly metric: string; readonly why: string })[] {
  const { plan, counted } = scene
  const { margin } = qualityMetric(plan)
  const names = [
    ...(counted.sessions.length > 0 && counted.sessions !== counted.cases ? ['session-success'] : []),
    ...plan.checks.map(({ name }) => `check:${name}`),
    ...(plan.judge === null ? [] : ['judge']),
  ]
  return names
    .filter((name) => !planned.has(name))
    .map((name) => {
      const found = metricComparison(scene, candidate, { name, kind: 'difference', margin, gate: false }, plan.alpha)
      return 'why' in found ? { metric: name, ...found } : { ...found.comparison, decision: 'shown-only' }
    })
}

/** Every tag that some and not all compared cases carry; worst first. `pValue`: Holm's, of "the candidate is worse". */
function sliceComparisons(scene: Scene, candidate: string): Comparison[] {
  const { plan, counted } = scene
  const { margin } = qualityMetric(plan)
  const tags = [...new Set(counted.cases.flatMap((test) => test.tags))].sort()
  const all = pairsOf(scene, candidate, 'left-out').length
  const slices = tags.flatMap((tag) => {
    const inside = counted.cases.filter((test) => test.tags.includes(tag))
    const pairs = pairsOf({ ...scene, counted: { ...counted, cases: inside } }, candidate, 'left-out')
    if (pairs.length === 0 || pairs.length === all) return []
    const swapped = pairs.map((pair) => ({ ...pair, candidate: pair.incumbent, incumbent: pair.candidate }))
    return [
      {
        tag,
        read: comparePairs(pairs, { margin, alpha: plan.alpha }),
        p: comparePairs(swapped, { margin: 0, alpha: plan.alpha }).p,
      },
    ]
  })
  const adjusted = holm(slices.map(({ p }) => p))
  return slices
    .map(({ tag, read }, index) => ({
      ...comparisonOf(
        plan,
        candidate,
        'quality',
        {
          method: `${read.method}, flagged by Holm`,
          estimate: read.difference,
          lower: read.interval.lower,
          upper: read.interval.upper,
          margin,
          cases: read.cases,
          sessions: read.sessions,
          designEffect: read.designEffect,
          pValue: adjusted[index]!,
          decision: adjusted[index]! <= plan.alpha ? ('worse' as const) : ('shown-only' as const),
        },
        tag,
      ),
    }))
    .sort((a, b) => rank(a) - rank(b) || a.estimate - b.estimate || (a.slice! < b.slice! ? -1 : 1))
}

function rank({ decision }: Comparison): number {
  return decision === 'worse' ? 0 : 1
}

// ------------------------------------------------------------------------------------------------ records

type Measured = Omit<Comparison, 'id' | 'planId' | 'candidate' | 'incumbent' | 'metric' | 'slice'>

function comparisonOf(
  plan: Plan,
  candidate: string,
  metric: string,
  measuredAs: Measured,
  slice: string | null = null,
): Comparison {
  return {
    id: idOf([plan.id, plan.version, candidate, metric, slice]),
    planId: plan.id,
    candidate,
    incumbent: plan.incumbent.name,
    metric,
    slice,
    ...measuredAs,
    // A single session has an interval without ends; of a difference of shares nothing lies beyond 1.
    lower: Math.max(-1, measuredAs.lower),
    upper: Number.isFinite(measuredAs.upper) ? measuredAs.upper : 1,
  }
}

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Of what is compared, not of the clock: made again, a comparison is the same record. */
function idOf(parts: readonly unknown[]): string {
  const bytes = hash('sha256', canonicalJson(parts), 'buffer')
  return `cmp_${Array.from(bytes.subarray(0, 26), (byte) => digits[byte & 31]!).join('')}`
}

/** `-1.2 points`; a share of 0.01 is one point. */
function points(share: number): string {
  const text = (100 * share).toFixed(1)
  return `${text === '-0.0' ? '0.0' : text} points`
}
