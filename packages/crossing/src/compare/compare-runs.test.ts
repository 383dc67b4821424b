import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import type { Attempt, Outcome } from '../records/index.ts'
import { pairShares, type MissingPolicy } from '../scoring/index.ts'
import { passShare } from './arm-cases.ts'
import { compareRuns } from './compare-runs.ts'
import { attemptOf, syntheticAttempts, syntheticDataset, syntheticPlan } from './synthetic.test-support.ts'

const dataset = syntheticDataset()
const old = syntheticAttempts(dataset, 'old-model', { failRate: 0.02, costNanos: 10_000, firstVisibleMs: 400 }, 1)
const again = syntheticAttempts(dataset, 'aa', { failRate: 0.02, costNanos: 10_000, firstVisibleMs: 400 }, 2)
const good = { failRate: 0.02, costNanos: 2000, firstVisibleMs: 800 }
const plan = syntheticPlan(dataset, ['new-model'])
const only = (list: readonly Attempt[]) => compareRuns(plan, dataset, [...old, ...again, ...list])

describe('comparing runs', () => {
  it('finds an equal candidate not inferior, and its bill and clocks as they were planted', () => {
    const { comparisons, verdicts } = only(syntheticAttempts(dataset, 'new-model', good, 3))
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
    const cost = comparisons.find(({ metric }) => metric === 'cost')!
    assert.ok(cost.lower < 0.2 && cost.upper > 0.195 && cost.upper < 0.22, `${cost.lower} ${cost.upper}`)
    const visible = comparisons.find(({ metric }) => metric === 'first-visible')!
    assert.ok(visible.lower > 1.8 && visible.upper < 2.2, `${visible.lower} ${visible.upper}`)
    assert.equal(visible.decision, 'shown-only')
    assert.ok(comparisons.every(({ slice, decision }) => slice === null || decision === 'shown-only'))
  })

  it('calls a planted regression worse and flags exactly the slice it was planted in', () => {
    const { comparisons, verdicts } = only(syntheticAttempts(dataset, 'new-model', { ...good, callFailRate: 0.35 }, 3))
    assert.equal(verdicts[0]!.verdict, 'WORSE')
    const slices = comparisons.filter(({ slice }) => slice !== null)
    assert.deepEqual(
      slices.filter(({ decision }) => decision === 'worse').map(({ slice }) => slice),
      ['calls'],
    )
    assert.equal(slices[0]!.slice, 'calls')
    assert.ok(!slices.some(({ slice }) => slice === 'model:old-model'), 'a tag of every case is no slice')
  })

  it('lets one critical failure decide, whatever the average says', () => {
    const { verdicts } = only(syntheticAttempts(dataset, 'new-model', { ...good, critical: [17] }, 3))
    assert.equal(verdicts[0]!.verdict, 'WORSE')
    assert.match(verdicts[0]!.reason, /^1 of 300 cases have a critical failure/)
  })

  it('feeds the recorded answers back with a difference of exactly 0 (check 6)', () => {
    const { comparisons, verdicts } = only(old.map((attempt) => ({ ...attempt, arm: 'new-model' })))
    assert.equal(comparisons.find(({ metric }) => metric === 'quality')!.estimate, 0)
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
  })

  it('shows nothing before the planned cases were asked, however good they look', () => {
    const { verdicts } = only(syntheticAttempts(dataset, 'new-model', good, 3).slice(0, 250))
    assert.equal(verdicts[0]!.verdict, 'NOT SHOWN')
    assert.match(verdicts[0]!.reason, /^Only 250 of the 300 planned cases/)
  })

  it('shows nothing without attempts, and says what each metric would have needed', () => {
    const { verdicts, notKnown } = only([])
    assert.equal(verdicts[0]!.verdict, 'NOT SHOWN')
    assert.ok(notKnown.some(({ metric }) => metric === 'quality'))
    assert.ok(notKnown.some(({ metric }) => metric === 'cost'))
    assert.ok(compareRuns(plan, dataset, old).notKnown.some(({ metric }) => metric === 'floor'))
  })

  it('does not take a missing price for a price of 0', () => {
    const { notKnown } = only(
      syntheticAttempts(dataset, 'new-model', good, 3).map((attempt) => ({ ...attempt, costNanos: null })),
    )
    assert.deepEqual(
      notKnown.map(({ metric }) => metric),
      ['cost'],
    )
  })

  it('reads unscored answers as failures beside the main reading, and warns when that changes it', () => {
    const { verdicts, sensitivity } = only(
      syntheticAttempts(dataset, 'new-model', { ...good, failRate: 0.01, unscoredRate: 0.2 }, 3),
    )
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
    assert.match(verdicts[0]!.reason, /counting every unscored answer as a failure would change this/)
    assert.deepEqual(
      sensitivity.map(({ missing, comparison }) => [missing, comparison.decision]),
      [
        ['as-fail', 'worse'],
        ['against-candidate', 'worse'],
      ],
    )
  })

  it('asks more of one candidate among several (Holm): what passes alone may not pass in company', () => {
    // 9 lost and 2 won of 300: passes at 0.05, and at 0.05 / 4 no longer.
    const lost = new Set([3, 33, 63, 93, 123, 153, 183, 213, 243])
    const candidate = (name: string): Attempt[] =>
      dataset.cases.map(({ id }, number) => attemptOf(id, name, lost.has(number) ? 'fail' : 'pass'))
    const base = dataset.cases.map(({ id }, number) => attemptOf(id, 'old-model', number % 151 === 7 ? 'fail' : 'pass'))
    const names = ['a', 'b', 'c', 'd']
    const verdictsOf = (some: readonly string[]) =>
      compareRuns(syntheticPlan(dataset, some), dataset, [...base, ...some.flatMap(candidate)]).verdicts
    assert.equal(verdictsOf(['a'])[0]!.verdict, 'NON-INFERIOR')
    const company = verdictsOf(names)
    assert.ok(
      company.every(({ verdict }) => verdict === 'NOT SHOWN'),
      company.map(({ reason }) => reason).join('\n'),
    )
    assert.match(company[0]!.reason, /Holm/)
  })

  it('leaves out what the plan excluded before data, lists it, and names rules it cannot read', () => {
    const excluding = syntheticPlan(dataset, ['new-model'], {
      exclusions: [
        { rule: 'session:ses_3', reason: 'a test account' },
        { rule: 'tag:structured', reason: 'not migrated' },
        { rule: 'whatever looks odd', reason: 'tempting' },
      ],
    })
    const { counted } = compareRuns(excluding, dataset, old)
    assert.equal(counted.excluded.length, 5 + 10)
    assert.deepEqual(counted.unreadRules, ['whatever looks odd'])
    assert.equal(counted.cases.length + counted.excluded.length, 300)
  })

  it('makes the same records again, ids included, whatever the order of the attempts', () => {
    const attempts = [...old, ...again, ...syntheticAttempts(dataset, 'new-model', good, 3)]
    assert.deepEqual(compareRuns(plan, dataset, attempts), compareRuns(plan, dataset, attempts.toReversed()))
  })

  it('reads one replicate of each arm as the scorers define pairs', () => {
    const outcomes: Outcome[] = ['pass', 'fail', 'error', 'unscored']
    const policies: MissingPolicy[] = ['left-out', 'as-fail', 'against-candidate']
    for (const missing of policies)
      for (const mine of outcomes)
        for (const theirs of outcomes) {
          const candidate = passShare([attemptOf('c', 'a', mine)], missing, 'candidate')
          const incumbent = passShare([attemptOf('c', 'b', theirs)], missing, 'incumbent')
          const pair = candidate === null || incumbent === null ? null : { candidate, incumbent }
          assert.deepEqual(pair, pairShares(mine, theirs, missing), `${missing}: ${mine} against ${theirs}`)
        }
  })

  it('averages replicates within their case', () => {
    const twice = [
      attemptOf('c', 'a', 'pass'),
      attemptOf('c', 'a', 'fail', { replicate: 1 }),
      attemptOf('c', 'a', 'unscored', { replicate: 2 }),
    ]
    assert.equal(passShare(twice, 'left-out', 'candidate'), 0.5)
    assert.equal(passShare(twice, 'as-fail', 'candidate'), 1 / 3)
  })
})
