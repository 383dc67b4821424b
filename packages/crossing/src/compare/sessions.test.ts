import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plannedCases } from '../plan/index.ts'
import type { Attempt, Outcome, Plan } from '../records/index.ts'
import { compareRuns } from './compare-runs.ts'
import { attemptOf, syntheticAttempts, syntheticDataset, syntheticPlan } from './synthetic.test-support.ts'

const dataset = syntheticDataset()
const planIn = (mode: Plan['replay']['mode'], more: Partial<Plan> = {}): Plan => {
  const { replay } = syntheticPlan(dataset, ['new-model'])
  return syntheticPlan(dataset, ['new-model'], { replay: { ...replay, mode }, ...more })
}
const sessions = plannedCases('sessions', dataset).primary
const old = syntheticAttempts(dataset, 'old-model', { failRate: 0.02, costNanos: 1000, firstVisibleMs: 100 }, 1)
const good = syntheticAttempts(dataset, 'new-model', { failRate: 0.02, costNanos: 1000, firstVisibleMs: 100 }, 3)

/** One run of each session; tokens and nanos of a turn are those of the synthetic attempt, times `turns`. */
function runs(arm: string, outcomeOf: (at: number) => Outcome, turns: number): Attempt[] {
  return sessions.map(({ id }, at) => {
    const attempt = attemptOf(id, arm, outcomeOf(at), { costNanos: BigInt(1000 * turns) })
    return { ...attempt, turns: Array.from({ length: turns }, () => attempt.turns[0]!) }
  })
}

describe('sessions in a comparison', () => {
  it('are the quality of a plan that asks for nothing else', () => {
    const plan = planIn('sessions')
    const failing = (at: number): Outcome => (at % 3 === 0 ? 'fail' : 'pass')
    const { counted, verdicts, comparisons } = compareRuns(plan, dataset, [
      ...runs('old-model', () => 'pass', 3),
      ...runs('new-model', failing, 3),
    ])
    assert.equal(counted.cases, counted.sessions)
    assert.equal(counted.cases.length, sessions.length)
    assert.equal(verdicts[0]!.verdict, 'WORSE')
    assert.equal(
      comparisons.find(({ metric, slice }) => metric === 'quality' && slice === null)!.cases,
      sessions.length,
    )
    assert.ok(!comparisons.some(({ metric }) => metric === 'session-success'), 'said once, as quality')
  })

  it('stand beside the steps of the same plan, with a metric and an interval of their own', () => {
    const { verdicts, comparisons } = compareRuns(planIn('both'), dataset, [
      ...old,
      ...good,
      ...runs('old-model', () => 'pass', 3),
      ...runs('new-model', (at) => (at % 3 === 0 ? 'fail' : 'pass'), 6),
    ])
    const found = (metric: string) => comparisons.find((one) => one.metric === metric && one.slice === null)!
    assert.equal(found('quality').cases, 300)
    assert.equal(found('session-success').cases, sessions.length)
    assert.ok(found('session-success').upper < 0)
    assert.equal(found('session-success').decision, 'shown-only')
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
    // Twice the turns are twice the tokens and twice the bill, over sessions that both brought to their end.
    for (const metric of ['tokens-per-session', 'cost-per-session']) {
      assert.ok(Math.abs(found(metric).estimate - 2) < 1e-9)
      assert.ok(found(metric).cases < sessions.length)
    }
  })

  it('decide where the plan gates on how they end', () => {
    const gate = { name: 'session-success', kind: 'difference', margin: 0.1, gate: true } as const
    const plan = planIn('both', { metrics: [...planIn('both').metrics, gate] })
    const read = (outcomeOf: (at: number) => Outcome) =>
      compareRuns(plan, dataset, [
        ...old,
        ...good,
        ...runs('old-model', () => 'pass', 3),
        ...runs('new-model', outcomeOf, 3),
      ]).verdicts[0]!
    assert.equal(read(() => 'pass').verdict, 'NON-INFERIOR')
    assert.match(read((at) => (at % 2 === 0 ? 'fail' : 'pass')).reason, /session-success is lower/)
    // Evidence that is too thin is no evidence.
    const thin = read(() => 'unscored')
    assert.equal(thin.verdict, 'NOT SHOWN')
    assert.match(thin.reason, /No case has a scored answer/)
  })

  it('count for critical failures like any step', () => {
    const critical = attemptOf(sessions[0]!.id, 'new-model', 'fail', { critical: true })
    const { verdicts } = compareRuns(planIn('both'), dataset, [...old, ...good, critical])
    assert.match(verdicts[0]!.reason, /^1 of 301 cases have a critical failure/)
  })
})

describe('checks of the plan in a comparison', () => {
  const checked = (attempts: readonly Attempt[], passes: (at: number) => boolean): Attempt[] =>
    attempts.map((attempt, at) => ({
      ...attempt,
      verdicts: [
        ...attempt.verdicts,
        {
          scorer: 'check:polite',
          version: '1',
          severity: 'minor',
          outcome: passes(at) ? 'pass' : 'fail',
          score: passes(at) ? 1 : 0,
          evidence: null,
          cost: null,
        },
      ],
    }))
  const checks: Plan['checks'] = [
    { name: 'polite', scorer: 'contains', text: 'thank you', severity: 'minor', tags: [] },
    { name: 'never-met', scorer: 'exact', severity: 'minor', tags: ['none'] },
  ]
  const attempts = [...checked(old, () => true), ...checked(good, (at) => at % 4 !== 0)]

  it('are metrics with intervals, and what nothing was checked by is named', () => {
    const { comparisons, notKnown, verdicts } = compareRuns(planIn('step', { checks }), dataset, attempts)
    const polite = comparisons.find(({ metric }) => metric === 'check:polite')!
    assert.ok(Math.abs(polite.estimate + 0.25) < 1e-9 && polite.upper < 0)
    assert.equal(polite.decision, 'shown-only')
    assert.ok(notKnown.some(({ metric }) => metric === 'check:never-met'))
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
  })

  it('decide where the plan gates on them', () => {
    const gate = { name: 'check:polite', kind: 'difference', margin: 0.1, gate: true } as const
    const plan = planIn('step', { checks, metrics: [...planIn('step').metrics, gate] })
    const [verdict] = compareRuns(plan, dataset, attempts).verdicts
    assert.match(verdict!.reason, /check:polite is lower/)
  })
})

describe('a comparison after an erasure', () => {
  it('leaves out what nobody can read any more, says so, and plans no more than is left', () => {
    const erased = new Set([sessions[0]!.sessionId])
    const gone = new Set(dataset.cases.filter(({ sessionId }) => erased.has(sessionId)).map(({ id }) => id))
    const left = [...old, ...good].filter(({ caseId }) => !gone.has(caseId))
    const { counted, verdicts } = compareRuns(planIn('step'), dataset, left, { erased })
    assert.equal(counted.cases.length, 300 - gone.size)
    assert.deepEqual(new Set(counted.excluded.map(({ rule }) => rule)), new Set(['erased']))
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
    assert.equal(compareRuns(planIn('step'), dataset, left).verdicts[0]!.verdict, 'NOT SHOWN')
  })
})

describe('a margin of 0', () => {
  const { metrics } = planIn('step')
  const plan = planIn('step', {
    metrics: metrics.map((metric) => (metric.name === 'quality' ? { ...metric, margin: 0 } : metric)),
  })

  it('passes a candidate that is shown to be better, and no other', () => {
    const worse = syntheticAttempts(dataset, 'old-model', { failRate: 0.3, costNanos: 1000, firstVisibleMs: 100 }, 1)
    const better = compareRuns(plan, dataset, [...worse, ...good]).verdicts[0]!
    assert.equal(better.verdict, 'NON-INFERIOR', better.reason)
    assert.match(better.reason, /^quality is better: /)
    assert.equal(compareRuns(plan, dataset, [...old, ...good]).verdicts[0]!.verdict, 'NOT SHOWN')
  })
})
