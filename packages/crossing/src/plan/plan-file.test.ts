import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { chatAnswer, RecordingRoom, startMs } from '../recording/recorder.test-support.ts'
import type { Arm, Dataset, Plan } from '../records/index.ts'
import { datasetHash, freezeDataset } from './dataset.ts'
import { draftPlan, withPilot } from './draft.ts'
import { freezePlan, parsePlan, requireFrozen, writePlan } from './plan-file.ts'

const arm = (name: string): Arm => ({ name, upstream: name, model: name, settings: {} })
const dataset: Dataset = { id: 'set_1', name: 'd', recordingIds: [], cases: [], frozenAtMs: 0, hash: datasetHash([]) }
const draft = (): Plan => {
  const plan = draftPlan({
    name: 'Trial',
    incumbent: arm('a'),
    candidates: [arm('b')],
    dataset,
    margin: 0.02,
    nowMs: startMs,
    currency: 'USD',
  })
  return {
    ...plan,
    dataset: { ...plan.dataset, cases: 200, sessions: 50 },
    sampleSize: { ...plan.sampleSize, cases: 200 },
    replay: { ...plan.replay, spendCapNanos: 25_500_000_000n },
  }
}

describe('plan files', () => {
  it('read back what was written, amounts exact', () => {
    const plan = freezePlan(
      { ...draft(), judge: { ...arm('judge'), settings: { thinking: { mode: 'off' } } } },
      startMs,
      null,
      false,
    )
    const text = writePlan(plan)
    assert.match(text, /spendCap: "25\.5"/)
    assert.deepEqual(parsePlan(text, 'plan.yaml'), plan)
    assert.equal(requireFrozen(parsePlan(text, 'plan.yaml')).hash, plan.hash)
  })

  it('have one hash whatever their spelling, and another for every changed promise', () => {
    const plan = freezePlan(draft(), startMs, null, false)
    const text = writePlan(plan)
    assert.equal(
      requireFrozen(parsePlan(`# a comment\n${text.replace('alpha: 0.05', 'alpha:   5.0e-2')}`, 'p')).hash,
      plan.hash,
    )
    for (const [from, to] of [
      ['margin: 0.02', 'margin: 0.03'],
      ['seed: 1', 'seed: 2'],
      ['power: 0.8', 'power: 0.7'],
      ['name: b', 'name: c'],
    ] as const) {
      assert.ok(text.includes(from))
      assert.throws(() => requireFrozen(parsePlan(text.replace(from, to), 'p')), {
        code: 'CROSSING_BAD_PLAN',
        message: /changed after it was frozen/,
      })
    }
  })

  it('change only as a new version, which says when data had been seen', () => {
    const first = freezePlan(draft(), startMs, null, false)
    assert.throws(() => freezePlan(first, startMs, null, false), { code: 'CROSSING_CONFLICT' })
    const second = freezePlan(first, startMs + 1, 'The margin was a typing error.', true)
    assert.deepEqual([second.version, second.amendedAfterData], [2, 'The margin was a typing error.'])
    assert.notEqual(second.hash, first.hash)
    requireFrozen(second)
    assert.throws(() => requireFrozen(draft()), /is a draft/)
  })

  it('name line and column of what is wrong', () => {
    const text = writePlan(draft())
    const line = (part: string): number => text.slice(0, text.indexOf(part)).split('\n').length
    for (const [from, to, pattern] of [
      ['alpha: 0.05', 'alpha: 0.9', new RegExp(`^p:${line('alpha')}:8: alpha: `)],
      ['seed: 1', 'seeed: 1', new RegExp(`^p:${line('seed')}:3: replay.seeed: there is no such member`)],
      ['portolanPlan: 1', 'portolanPlan: [', /^p:\d+:\d+: /],
      ['name: b', 'name: a', /^p:\d+:\d+: candidates: the name "a" is given twice/],
      ['name: b', 'name: aa', /asked again/],
      [
        'egress: []',
        'egress: [{ processor: b, decision: allowed, by: "", on: 2026-11-01, purposes: [replay], level: full, data: chats }]',
        /egress\.0\.by: must name the person/,
      ],
    ] as const)
      assert.throws(() => parsePlan(text.replace(from, to), 'p'), { code: 'CROSSING_BAD_PLAN', message: pattern })
    for (const odd of ['', '[]', '- - -', '\0', 'a: &a [*a]', '{'.repeat(10_000)])
      assert.throws(() => parsePlan(odd, 'p'), { code: 'CROSSING_BAD_PLAN' })
  })
})

describe('a pilot', () => {
  const pilot = (incumbentAgain: number | null): Parameters<typeof withPilot>[1] => ({
    cases: Array.from({ length: 50 }, (_unused, i) => ({
      session: `s${i % 25}`,
      candidate: i < 5 ? 0 : 1,
      incumbent: i >= 5 && i < 8 ? 0 : 1,
      incumbentAgain: incumbentAgain === null ? null : i === 9 ? 0 : 1,
    })),
    runAtMs: startMs,
    spentNanos: 150_000_000n,
    currency: 'USD',
  })

  it('sets the sample size from the disagreement it measured, and what it will cost', () => {
    const { plan, casesAtWorst } = withPilot(draft(), pilot(1))
    assert.equal(plan.sampleSize.pilot!.discordance, 8 / 50)
    assert.ok(plan.sampleSize.cases > 2000 && casesAtWorst > plan.sampleSize.cases)
    assert.equal(plan.sampleSize.pilot!.projectedNanos, BigInt(plan.sampleSize.cases * 3) * 1_000_000n)
    assert.deepEqual(parsePlan(writePlan(plan), 'p'), plan)
  })

  it('is refused without an A/A arm', () => {
    assert.throws(() => withPilot(draft(), pilot(null)), { code: 'CROSSING_BAD_PLAN', message: /A\/A/ })
  })
})

describe('datasets', () => {
  it('take whole answered sessions in a drawn order, and are known by their hash', () => {
    const room = new RecordingRoom()
    try {
      const { id } = room.start('full', { sampling: { probability: 1, strata: [] } })
      for (let i = 0; i < 20; i++)
        room.recorder.record([
          room.captured(id, { messages: [{ role: 'user', content: `q${i} \\ud800` }] }, chatAnswer({ content: 'a' })),
          room.captured(id, { messages: [{ role: 'user', content: `failed ${i}` }] }, null, { status: 'error' }),
        ])
      const freeze = (mostCases: number | null, seed: number): Dataset =>
        freezeDataset(room.recordings, { name: 'd', recordingIds: [id], mostCases, seed, nowMs: startMs })
      const whole = freeze(null, 1)
      assert.equal(whole.cases.length, 20)
      assert.equal(whole.hash, freeze(null, 1).hash)
      assert.notEqual(freeze(5, 1).hash, freeze(5, 2).hash)
      assert.equal(freeze(5, 1).cases.length, 5)
      const figures = room.recordings.stop(id, startMs) && room.start('metrics')
      assert.throws(
        () =>
          freezeDataset(room.recordings, { name: 'd', recordingIds: [figures.id], mostCases: null, seed: 1, nowMs: 1 }),
        { code: 'CROSSING_CONFLICT', message: /level metrics/ },
      )
    } finally {
      room.close()
    }
  })
})
