/**
 * Builds the report from what is stored: plan, dataset, runs, attempts, price book. No clock and no chance of its own,
 * so that anybody who has the same data gets the same bytes.
 */
import { allCases, requireFrozen } from '../plan/index.ts'
import { CrossingError } from '../errors.ts'
import { meanClockMs, passShare, type ArmCases, type ClockName, type CountedAttempt } from '../compare/arm-cases.ts'
import {
  compareRuns,
  costTable,
  floorArm,
  scenariosOf,
  steadyHits,
  type CostTable,
  type JudgePanel,
  type Pricing,
} from '../compare/index.ts'
import type {
  Attempt,
  Case,
  Comparison,
  Dataset,
  FieldChange,
  Plan,
  Recording,
  Run,
  Verdict,
} from '../records/index.ts'
import { callsOf, criticalFailures, visibleText } from '../scoring/index.ts'
import { wilsonInterval } from '../statistics/index.ts'
import { budgetReading, type BudgetInput } from './budget-reading.ts'
import { Charges } from './charges.ts'
import { judgeRow } from './judge-row.ts'
import { longContextReport, type LongContextInput } from './long-context-report.ts'
import { sessionRunsOf } from './session-runs.ts'
import type { ArmFigures, CandidateReport, CaseRow, ReportCosts, ReportData } from './report-data.ts'

export interface ReportInput {
  readonly plan: Plan
  readonly dataset: Dataset
  readonly runs: readonly Run[]
  /** Gone through twice, one at a time: once for the figures, once for the words of what failed. */
  readonly attempts: Iterable<Attempt>
  readonly recordings: readonly Pick<Recording, 'id' | 'level' | 'counts'>[]
  /** First and last recorded request among the cases; null: not known. */
  readonly window: { readonly firstAtMs: number; readonly lastAtMs: number } | null
  readonly pricing: Pricing | null
  readonly budget: BudgetInput | null
  readonly longContext: readonly LongContextInput[]
  /** What a judge said of each candidate; left out: nobody asked one. */
  readonly judge?: readonly JudgePanel[]
  /** Sessions whose subject was erased: they count for nothing and are listed as such. */
  readonly erased?: ReadonlySet<string>
  /** The command that makes this report again. */
  readonly reproduce: string
}

/** Longer answers are cut in the report; the store keeps them whole. */
const mostAnswerCharacters = 4000
const mostEvidenceCharacters = 2000
/** Of each candidate and each list, worst first, so many are shown with their words; of the others the ids are listed. */
const mostInWords = 1000
const notPrinted = `Not printed: the report shows the words of ${mostInWords} cases of a list. The attempts keep all.`

/** @throws {CrossingError} CROSSING_BAD_PLAN for a draft or changed plan, CROSSING_CONFLICT for another plan's data. */
export function buildReport(input: ReportInput): ReportData {
  const plan = requireFrozen(input.plan)
  const { dataset, attempts, pricing } = input
  if (dataset.hash !== plan.dataset.hash)
    throw new CrossingError('CROSSING_CONFLICT', `The plan is about dataset ${plan.dataset.hash}, not ${dataset.hash}.`)
  for (const { id, planHash } of input.runs)
    if (planHash !== plan.hash)
      throw new CrossingError('CROSSING_CONFLICT', `Run ${id} was made under plan ${planHash}, not ${plan.hash}.`)
  const charges = new Charges(pricing, plan.incumbent.name)
  const read = compareRuns(plan, dataset, charges.counting(attempts), {
    judge: input.judge,
    erased: input.erased,
  })
  const { counted, arms } = read
  const asked = allCases({ primary: counted.cases, sessions: counted.sessions })
  const question = {
    arms,
    cases: counted.cases,
    incumbent: plan.incumbent.name,
    candidates: plan.candidates.map(({ name }) => name),
    pricing,
    bootstrap: { seed: plan.replay.seed, confidence: 1 - 2 * plan.alpha },
  }
  const steady = steadyHits(question)
  const costs = scenariosOf(plan.prices, pricing).map((scenario, at) =>
    costTable({ ...question, bootstrap: at === 0 ? question.bootstrap : null }, scenario, steady),
  )
  const names = [plan.incumbent.name, ...question.candidates, ...(arms.has(floorArm) ? [floorArm] : [])]
  const failures = question.candidates.flatMap((name) => failuresOf(name, plan.incumbent.name, arms, asked))
  const criticals = new Map(question.candidates.map((name) => [name, criticalOf(arms.all(name))]))
  const unscored = names.flatMap((arm) => unscoredOf(arm, arms))
  const words = readWords(attempts, [
    ...failures.flatMap(({ mine, theirs, inWords }) => (inWords ? [mine, theirs] : [])),
    ...[...criticals.values()].flatMap((list) => list.slice(0, mostInWords)),
    ...names.flatMap((name) => unscored.filter(({ arm }) => arm === name).slice(0, mostInWords)),
  ])
  return wellFormed({
    portolanReport: 1,
    plan: {
      id: plan.id,
      version: plan.version,
      name: plan.name,
      hash: plan.hash,
      incumbent: plan.incumbent.name,
      incumbentModel: plan.incumbent.model,
      mode: plan.replay.mode,
      alpha: plan.alpha,
      margin: plan.metrics.find(({ name, kind }) => name === 'quality' && kind === 'difference')?.margin ?? null,
      seed: plan.replay.seed,
      frozenAt: iso(plan.frozenAtMs),
      plannedCases: plan.sampleSize.cases,
      replicates: plan.sampleSize.replicates,
      amendedAfterData: plan.amendedAfterData,
      priceDay: plan.prices.asOf,
      egress: plan.egress.map(({ processor, decision, by, on, data }) => ({ processor, decision, by, on, data })),
    },
    data: {
      datasetId: dataset.id,
      datasetHash: dataset.hash,
      cases: counted.cases.length,
      sessions: new Set(counted.cases.map(({ sessionId }) => sessionId)).size,
      window: input.window && { from: iso(input.window.firstAtMs), until: iso(input.window.lastAtMs) },
      recordings: input.recordings.map(({ id, level, counts: { exchanges, dropped, notSampled } }) => ({
        id,
        level,
        exchanges,
        dropped,
        notSampled,
      })),
    },
    currency: plan.replay.currency,
    priceBook: pricing && { id: pricing.book.id, asOf: pricing.book.asOf },
    candidates: plan.candidates.map((arm): CandidateReport => {
      const mine = read.comparisons.filter(({ candidate }) => candidate === arm.name || candidate === floorArm)
      const verdict = read.verdicts.find(({ candidate }) => candidate === arm.name)!
      const isQuality = ({ metric, slice }: Comparison): boolean => metric === 'quality' && slice === null
      return {
        name: arm.name,
        model: arm.model,
        upstream: arm.upstream,
        verdict: verdict.verdict,
        reason: verdict.reason,
        gates: [...verdict.gates],
        quality: mine.find(isQuality) ?? null,
        otherComparisons: mine.filter((one) => one.slice === null && !isQuality(one)),
        slices: mine.filter(({ slice }) => slice !== null),
        sensitivity: read.sensitivity
          .filter(({ candidate }) => candidate === arm.name)
          .map(({ missing, comparison }) => ({ missing, comparison })),
        notKnown: read.notKnown
          .filter(({ candidate }) => candidate === arm.name)
          .map(({ metric, why }) => ({ metric, why })),
        criticalFailures: criticals
          .get(arm.name)!
          .flatMap((attempt) => words(attempt)?.critical ?? criticalWithoutWords(attempt)),
        budget: input.budget && budgetReading(input.budget, costs[0]!, arm.name, plan.replay.currency),
      }
    }),
    arms: names.map((name) => armFigures(name, arms, counted.cases, input.runs)),
    costs: costs.map(plainCosts),
    longContext: input.longContext.map(longContextReport),
    sessionRuns: names.flatMap((name) => sessionRunsOf(name, arms, asked)),
    judge: (input.judge ?? []).map(judgeRow),
    charges: charges.rows(),
    unpricedAttempts: charges.unpriced,
    cases: failures.map((failure) => caseRow(failure, plan.incumbent.name, words)),
    unscored: unscored.map((attempt) => unscoredRow(attempt, words)),
    excluded: counted.excluded.map((row) => ({ ...row })),
    unreadRules: [...counted.unreadRules],
    reproduce: input.reproduce,
    signatures: [],
  })
}

/** Text of models and of tools may hold halves of surrogate pairs, which canonical JSON refuses. */
function wellFormed(report: ReportData): ReportData {
  const text = JSON.stringify(report, (_name, member: unknown) =>
    typeof member === 'string' ? member.toWellFormed() : member,
  )
  return JSON.parse(text) as ReportData
}

// --------------------------------------------------------------------------------------------------- arms

const clockNames: readonly (readonly [ArmFigures['clocks'][number]['clock'], ClockName])[] = [
  ['first reasoning', 'firstReasoningMs'],
  ['first visible', 'firstVisibleMs'],
  ['total', 'endMs'],
]

function armFigures(arm: string, arms: ArmCases, cases: readonly Case[], allRuns: readonly Run[]): ArmFigures {
  const runs = allRuns.filter((run) => run.arm === arm).sort((a, b) => a.replicate - b.replicate)
  const attempts = cases.flatMap(({ id }) => arms.of(arm, id))
  const outcomes = { pass: 0, fail: 0, error: 0, unscored: 0, missing: 0 }
  for (const { outcome } of attempts) outcomes[outcome]++
  outcomes.missing = cases.filter(({ id }) => arms.of(arm, id).length === 0).length
  return {
    arm,
    outcomes,
    clocks: clockNames.map(([clock, name]) => {
      const values = cases.map(({ id }) => meanClockMs(arms.of(arm, id), name)).filter((ms) => ms !== null)
      values.sort((a, b) => a - b)
      return { clock, p50Ms: quantileOf(values, 0.5), p95Ms: quantileOf(values, 0.95), cases: values.length }
    }),
    scorers: scorerRows(attempts),
    settings: settingsOf(attempts, runs),
    reasoning: runs[0]?.adapter.reasoning ?? null,
    adapterNotes: [...new Set(runs.flatMap(({ adapter }) => adapter.notes))],
    runs: runs.map(({ id, replicate, state, startedAtMs }) => ({ id, replicate, state, startedAt: iso(startedAtMs) })),
  }
}

/** Inverse of the empirical distribution, the mean of two neighbours where it is flat; null for none. */
function quantileOf(sorted: readonly number[], q: number): number | null {
  if (sorted.length === 0) return null
  const place = q * sorted.length
  const at = Math.ceil(place) - 1
  return Number.isInteger(place) ? (sorted[at]! + (sorted[at + 1] ?? sorted[at]!)) / 2 : sorted[at]!
}

function scorerRows(attempts: readonly CountedAttempt[]): ArmFigures['scorers'] {
  const rows = new Map<string, { versions: Set<string>; pass: number; fail: number; unscored: number }>()
  for (const { scorer, version, outcome } of attempts.flatMap(({ verdicts }) => verdicts)) {
    const row = rows.get(scorer) ?? { versions: new Set<string>(), pass: 0, fail: 0, unscored: 0 }
    rows.set(scorer, row)
    row.versions.add(version)
    row[outcome]++
  }
  return [...rows].sort(byName).map(([scorer, { versions, pass, fail, unscored }]) => {
    const scored = pass + fail
    const { lower, upper } = wilsonInterval(pass, scored)
    return {
      scorer,
      versions: [...versions].sort(),
      pass,
      fail,
      unscored,
      rate: scored === 0 ? null : { rate: pass / scored, lower, upper },
    }
  })
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1
}

/** What changed on the way, by the cases it happened to, and what the first questions of a run found out beside it. */
function settingsOf(attempts: readonly CountedAttempt[], runs: readonly Run[]): ArmFigures['settings'] {
  const rows = new Map<string, ArmFigures['settings'][number]>()
  const met = new Map<string, { readonly name: string; readonly how: FieldChange; readonly cases: Set<string> }>()
  for (const { caseId, turns } of attempts)
    for (const { name, how } of turns.flatMap(({ changed }) => changed)) {
      const key = `${name}\0${how}`
      const row = met.get(key) ?? { name, how, cases: new Set<string>() }
      met.set(key, row)
      row.cases.add(caseId)
    }
  for (const { name, outcome, cases, note } of runs.flatMap(({ adapter }) => adapter.parameters)) {
    // What the first questions met is counted over all cases, where it is met again.
    if (outcome === 'carried' || (note === null && met.has(`${name}\0${outcome}`))) continue
    const key = `${name}\0${outcome}\0${note}`
    rows.set(key, { name, outcome, note, cases: Math.max(cases, rows.get(key)?.cases ?? 0) })
  }
  for (const [key, { name, how, cases }] of met)
    rows.set(key, { name, outcome: how, note: changeNotes[how], cases: cases.size })
  return [...rows].sort(byName).map(([, row]) => row)
}

const changeNotes: Readonly<Record<FieldChange, string | null>> = {
  dropped: null,
  emulated: 'done in another way that comes to the same',
  instructed: 'said in words in the prompt, which demands nothing',
  stripped: 'taken out: it is not for the model',
}

// -------------------------------------------------------------------------------------------------- cases

interface Failure {
  readonly candidate: string
  readonly test: Case
  readonly kind: CaseRow['kind']
  readonly critical: boolean
  readonly failed: boolean
  /** The replicates to show: the first that did not pass, else the first. */
  readonly mine: CountedAttempt | undefined
  readonly theirs: CountedAttempt | undefined
  readonly inWords: boolean
}

/** Every case that either arm failed: what the difference is made of. Worst first. */
function failuresOf(candidate: string, incumbent: string, arms: ArmCases, cases: readonly Case[]): Failure[] {
  const order = { regressed: 0, 'both-failed': 1, improved: 2 }
  return cases
    .flatMap((test): Failure[] => {
      const [mine, theirs] = [arms.of(candidate, test.id), arms.of(incumbent, test.id)]
      const [share, oldShare] = [passShare(mine, 'left-out', 'candidate'), passShare(theirs, 'left-out', 'incumbent')]
      const failed = share !== null && share < 1
      const oldFailed = oldShare !== null && oldShare < 1
      if (!failed && !oldFailed) return []
      const kind = !failed
        ? 'improved'
        : oldShare !== null && share < oldShare
          ? 'regressed'
          : oldFailed
            ? 'both-failed'
            : 'regressed'
      const critical = criticalOf(mine).length > 0
      return [{ candidate, test, kind, critical, failed, mine: worstOf(mine), theirs: worstOf(theirs), inWords: false }]
    })
    .sort(
      (a, b) =>
        Number(b.critical) - Number(a.critical) || order[a.kind] - order[b.kind] || (a.test.id < b.test.id ? -1 : 1),
    )
    .map((failure, place) => ({ ...failure, inWords: place < mostInWords }))
}

function caseRow(
  { candidate, test, kind, critical, failed, ...shown }: Failure,
  incumbent: string,
  words: Words,
): CaseRow {
  const [mine, theirs] = [words(shown.mine), words(shown.theirs)]
  const why = failed ? mine?.why : theirs?.why.map((each) => `${incumbent}: ${each}`)
  const without = (attempt: CountedAttempt | undefined): CaseRow['candidateAnswer'] =>
    attempt === undefined ? null : { outcome: attempt.outcome, text: '' }
  return {
    candidate,
    caseId: test.id,
    sessionId: test.sessionId,
    kind,
    critical,
    tags: [...test.tags],
    why: shown.inWords ? (why ?? []) : [notPrinted],
    incumbentAnswer: theirs?.answer ?? without(shown.theirs),
    candidateAnswer: mine?.answer ?? without(shown.mine),
  }
}

function worstOf(attempts: readonly CountedAttempt[]): CountedAttempt | undefined {
  return attempts.find(({ outcome }) => outcome === 'fail' || outcome === 'error') ?? attempts[0]
}

function criticalOf(attempts: Iterable<CountedAttempt>): CountedAttempt[] {
  return picked(attempts, ({ verdicts }) => criticalFailures(verdicts).length > 0)
}

function criticalWithoutWords({ caseId, replicate, verdicts }: CountedAttempt): CandidateReport['criticalFailures'] {
  return criticalFailures(verdicts).map(({ scorer }) => ({ caseId, replicate, scorer, evidence: notPrinted }))
}

// -------------------------------------------------------------------------------------------------- words

/** What the report says of an attempt in words. */
interface AttemptWords {
  readonly why: string[]
  readonly answer: NonNullable<CaseRow['candidateAnswer']>
  readonly critical: CandidateReport['criticalFailures']
  readonly unscored: { readonly code: string; readonly message: string }
}

type Words = (attempt: CountedAttempt | undefined) => AttemptWords | undefined

/** A second pass, which keeps the words of these attempts only. */
function readWords(attempts: Iterable<Attempt>, wanted: readonly (CountedAttempt | undefined)[]): Words {
  const keyOf = ({ arm, replicate, caseId }: Pick<Attempt, 'arm' | 'replicate' | 'caseId'>): string =>
    `${arm}\0${replicate}\0${caseId}`
  const keys = new Set(wanted.flatMap((attempt) => (attempt ? [keyOf(attempt)] : [])))
  const words = new Map<string, AttemptWords>()
  if (keys.size > 0)
    for (const attempt of attempts) if (keys.has(keyOf(attempt))) words.set(keyOf(attempt), wordsOf(attempt))
  return (attempt) => attempt && words.get(keyOf(attempt))
}

function wordsOf(attempt: Attempt): AttemptWords {
  const { caseId, replicate, verdicts } = attempt
  return {
    why: whyOf(attempt),
    answer: answerOf(attempt),
    critical: criticalFailures(verdicts).map(({ scorer, evidence }) => ({
      caseId,
      replicate,
      scorer,
      evidence: evidenceText(evidence),
    })),
    unscored: whyUnscored(attempt),
  }
}

function whyOf({ reason, divergence, verdicts }: Attempt): string[] {
  return [
    ...(reason ? [`${reason.code}: ${reason.message}`] : []),
    ...(divergence ? [`${divergence.kind} in turn ${divergence.turn + 1}: ${divergence.message}`] : []),
    ...verdicts
      .filter(({ outcome }) => outcome === 'fail')
      .map(({ scorer, severity, evidence }) => `${scorer} (${severity}): ${evidenceText(evidence)}`),
  ]
}

function answerOf(attempt: Attempt): AttemptWords['answer'] {
  const said = attempt.turns.map(({ response, error }, turn) => {
    const head = attempt.turns.length > 1 ? `[turn ${turn + 1}] ` : ''
    if (response === null) return `${head}(no answer${error ? `: ${error.code}, ${error.message}` : ''})`
    const calls = callsOf(response).map(({ name, argumentsText }) => `-> ${name}(${argumentsText})`)
    return head + [visibleText(response), ...calls].filter((line) => line !== '').join('\n')
  })
  return { outcome: attempt.outcome, text: cut(said.join('\n\n'), mostAnswerCharacters) }
}

function evidenceText(evidence: unknown): string {
  return cut(evidence === null ? 'no detail' : JSON.stringify(evidence), mostEvidenceCharacters)
}

function cut(text: string, most: number): string {
  const whole = text.toWellFormed()
  return whole.length <= most
    ? whole
    : `${whole.slice(0, most).toWellFormed()} [... ${whole.length - most} more characters]`
}

function unscoredOf(arm: string, arms: ArmCases): CountedAttempt[] {
  return picked(arms.all(arm), ({ outcome }) => outcome === 'unscored').sort((a, b) => (a.caseId < b.caseId ? -1 : 1))
}

/** Of attempts that are made one at a time, those that are wanted. */
function picked(attempts: Iterable<CountedAttempt>, isWanted: (attempt: CountedAttempt) => boolean): CountedAttempt[] {
  const found: CountedAttempt[] = []
  for (const attempt of attempts) if (isWanted(attempt)) found.push(attempt)
  return found
}

function unscoredRow(attempt: CountedAttempt, words: Words): ReportData['unscored'][number] {
  const { arm, caseId, verdicts } = attempt
  const open = verdicts.find(isOpen)
  return {
    arm,
    caseId,
    ...(words(attempt)?.unscored ?? { code: open?.scorer ?? 'not-printed', message: notPrinted }),
  }
}

function whyUnscored({ reason, verdicts }: Attempt): AttemptWords['unscored'] {
  const open = verdicts.find(isOpen)
  return {
    code: reason?.code ?? open?.scorer ?? 'no-check',
    message: cut(
      reason?.message ?? (open ? evidenceText(open.evidence) : 'No check decides this case.'),
      mostEvidenceCharacters,
    ),
  }
}

function isOpen({ outcome, severity }: Pick<Verdict, 'outcome' | 'severity'>): boolean {
  return outcome === 'unscored' && severity !== 'minor'
}

// ------------------------------------------------------------------------------------------------- money

function plainCosts({ scenario, tasks, arms, breakEven, ratios }: CostTable): ReportCosts {
  const plain = ({ nanos, why }: { nanos: bigint | null; why: string | null }) => ({
    nanos: nanos === null ? null : String(nanos),
    why,
  })
  return {
    ...scenario,
    tasks,
    arms: arms.map((arm) => ({
      ...arm,
      observed: plain(arm.observed),
      repriced: plain(arm.repriced),
      steady: plain(arm.steady),
      cold: plain(arm.cold),
      priceVersions: [...arm.priceVersions],
    })),
    breakEven: breakEven.map((row) => ({ ...row })),
    ratios: ratios.map(({ interval, ...row }) => ({
      ...row,
      lower: interval?.lower ?? null,
      upper: interval?.upper ?? null,
    })),
  }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString()
}
