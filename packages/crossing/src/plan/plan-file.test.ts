import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { chatAnswer, RecordingRoom, startMs } from '../recording/recorder.test-support.ts'
import type { Arm, Case, Dataset, Plan } from '../records/index.ts'
import { allCases, plannedCases } from './cases.ts'
import { datasetHash, freezeDataset } from './dataset.ts'
import { draftPlan, withPilot } from './draft.ts'
import { freezePlan, parsePlan, requireFrozen, writePlan } from './plan-file.ts'
import { planWarnings } from './warnings.ts'

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
      {
        ...draft(),
        judge: {
          ...arm('judge'),
          settings: { thinking: { mode: 'off' } },
          rubric: 'Names the order.',
          margin: 0.05,
          mostCases: 200,
        },
      },
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
      ['mode: step', 'mode: both'],
      ['tools: {}', 'tools: { search: { class: read } }'],
      ['checks: []', 'checks: [{ name: polite, scorer: contains, text: thank you }]'],
      ['timeMs: 1000', 'timeMs: 2000'],
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
      ['mode: step', 'mode: steps', new RegExp(`^p:${line('mode: step')}:9: replay.mode: .*"step".*"both"`)],
      ['checks: []', 'checks: [{ name: a, scorer: vibes }]', /^p:\d+:\d+: checks\.0\.scorer: /],
      ['checks: []', 'checks: [{ name: a, scorer: contains }]', /^p:\d+:\d+: checks\.0\.text: /],
      ['checks: []', 'checks: [{ name: a, scorer: exact, rule: 1 }]', /checks\.0\.rule: there is no such member/],
      ['checks: []', 'checks: [{ name: a, scorer: exact }, { name: a, scorer: normalised }]', /"a" is given twice/],
      ['tools: {}', 'tools: { t: { arguments: [{ path: q, rule: ignore }] } }', /must be a JSON pointer/],
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
    replicates: 1,
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

  it('whose cases were asked several times projects the price of one asking, several times', () => {
    const thrice = { ...draft(), sampleSize: { ...draft().sampleSize, replicates: 3 } }
    const { plan } = withPilot(thrice, { ...pilot(1), replicates: 3, spentNanos: 450_000_000n })
    assert.equal(plan.sampleSize.pilot!.projectedNanos, BigInt(plan.sampleSize.cases * 3 * 3) * 1_000_000n)
  })

  it('of sessions counts each as one case, and of both asks everything twice', () => {
    const inMode = (mode: Plan['replay']['mode']): Plan =>
      withPilot({ ...draft(), replay: { ...draft().replay, mode } }, pilot(1)).plan
    const [step, sessions, both] = [inMode('step'), inMode('sessions'), inMode('both')]
    assert.deepEqual(
      [step, sessions].map(({ sampleSize }) => sampleSize.pilot!.casesPerSession),
      [4, 1],
    )
    assert.equal(both.sampleSize.cases, step.sampleSize.cases)
    assert.equal(both.sampleSize.pilot!.projectedNanos, 2n * step.sampleSize.pilot!.projectedNanos!)
  })

  it('cannot size a plan whose candidate has to be better (margin 0), and says what to do', () => {
    const better = draft()
    const metrics = better.metrics.map((metric) => ({ ...metric, margin: 0 }))
    assert.throws(() => withPilot({ ...better, metrics }, pilot(1)), {
      code: 'CROSSING_BAD_PLAN',
      message: /margin of 0.*by hand/,
    })
  })

  it('is refused without an A/A arm', () => {
    assert.throws(() => withPilot(draft(), pilot(null)), { code: 'CROSSING_BAD_PLAN', message: /A\/A/ })
  })
})

describe('the plan of the guide', () => {
  it('is read as it stands there, and nothing in it is unknown', () => {
    const guide = readFileSync(new URL('../../../../docs/guides/check-and-replay.md', import.meta.url), 'utf8')
    const shown = parse(/```yaml\n([^]*?)```/.exec(guide)![1]!) as { readonly replay: object }
    const plain = parse(writePlan(draft())) as { readonly replay: object }
    const text = stringify({ ...plain, ...shown, replay: { ...plain.replay, ...shown.replay } })
    const plan = parsePlan(text, 'guide')
    assert.deepEqual(
      plan.checks.map(({ scorer }) => scorer),
      ['contains', 'number', 'pattern', 'json', 'file'],
    )
    assert.equal(plan.replay.mode, 'both')
    assert.deepEqual(planWarnings(plan), [])
  })
})

describe('what a plan says that will not come true', () => {
  it('is said before the freeze: rules nobody can read, metrics nobody can measure', () => {
    const plan: Plan = {
      ...draft(),
      exclusions: [
        { rule: 'tag:structured', reason: 'not migrated' },
        { rule: 'case:case_1_0', reason: 'a test' },
        { rule: 'session:ses_1', reason: 'a test' },
        { rule: 'whatever looks odd', reason: 'tempting' },
        { rule: 'tag:', reason: 'names none' },
      ],
      metrics: [
        { name: 'quality', kind: 'difference', margin: 0, gate: true },
        { name: 'politeness', kind: 'difference', margin: 0.1, gate: true },
        { name: 'check:polite', kind: 'difference', margin: 0.1, gate: false },
        { name: 'check:rude', kind: 'difference', margin: 0.1, gate: false },
        { name: 'session-success', kind: 'difference', margin: 0.05, gate: true },
        { name: 'judge', kind: 'difference', margin: 0.05, gate: true },
      ],
      checks: [{ name: 'polite', scorer: 'contains', text: 'thank you', severity: 'minor', tags: [] }],
    }
    assert.deepEqual(
      planWarnings(plan).map((warning) => /^(\w+: \S+ \S+)/.exec(warning)?.[1]),
      [
        'metrics: quality has',
        'metrics: politeness is',
        'metrics: check:rude is',
        'metrics: session-success needs',
        'metrics: judge is',
        'exclusions: "whatever looks',
        'exclusions: "tag:" is',
      ],
    )
    assert.deepEqual(planWarnings(draft()), [])
  })
})

describe('the cases of a plan', () => {
  const step = (session: string, seq: number, tags: string[]): Case => ({
    id: `case_${session}_${seq}`,
    recordingId: 'rec_1',
    sessionId: `ses_${session}`,
    seq,
    mode: 'step',
    checks: [],
    tags,
    severity: 'major',
    weight: 4,
    contentHash: `h${seq}`,
  })
  const cases = [step('A', 0, ['tools']), step('A', 1, ['tools', 'calls']), step('B', 0, [])]

  it('are steps, whole sessions, or both; a session run is made from its steps and weighs as they do', () => {
    assert.deepEqual(plannedCases('step', { cases }), { primary: cases, sessions: [] })
    const { primary, sessions } = plannedCases('sessions', { cases })
    assert.equal(primary, sessions)
    assert.deepEqual(
      sessions.map(({ id, seq, mode, tags, weight }) => ({ id, seq, mode, tags, weight })),
      [
        { id: 'case_A_run', seq: null, mode: 'stubbed', tags: ['tools', 'calls'], weight: 4 },
        { id: 'case_B_run', seq: null, mode: 'stubbed', tags: [], weight: 4 },
      ],
    )
    const both = plannedCases('both', { cases })
    assert.deepEqual(
      allCases(both).map(({ id }) => id),
      ['case_A_0', 'case_A_1', 'case_B_0', 'case_A_run', 'case_B_run'],
    )
  })

  it('of a changed step make a changed session', () => {
    const changed = [cases[0]!, { ...cases[1]!, contentHash: 'other' }, cases[2]!]
    const hashes = (from: Case[]): string[] =>
      plannedCases('sessions', { cases: from }).sessions.map((run) => run.contentHash)
    assert.notEqual(hashes(cases)[0], hashes(changed)[0])
    assert.equal(hashes(cases)[1], hashes(changed)[1])
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
