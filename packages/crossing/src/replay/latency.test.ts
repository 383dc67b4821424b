/** Clocks of a replay against planned moments, at a tenth of the speed of life: 0.2 s and 3 s are 20 and 300 ms here. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { compareRuns } from '../compare/index.ts'
import { syntheticDataset, syntheticPlan } from '../compare/synthetic.test-support.ts'
import { askEndpoint, type AskEndpoint } from '../endpoint/endpoint.ts'
import { datasetHash } from '../plan/index.ts'
import type { Attempt } from '../records/index.ts'
import { passed } from '../scoring/verdict.ts'
import { AttemptJournal } from './journal.ts'
import { answerOf, armOf, exchangeOf, noRetries, requestOf, text, user } from './replay.test-support.ts'
import { replaySteps } from './runner.ts'
import { startArm, type Piece, type StreamingArm } from './streaming-arm.test-support.ts'

/** Timers are never early, and a loaded machine makes some answers late: the quickest of many is held to this. */
const errorMs = 25
const speaksAtOnce: readonly Piece[] = [
  { atMs: 100, delta: { content: 'Once ' } },
  { atMs: 200, delta: { content: 'more.' } },
]
const thinksFirst: readonly Piece[] = [
  { atMs: 20, delta: { reasoning_content: 'Hm. ' } },
  { atMs: 160, delta: { reasoning_content: 'So.' } },
  { atMs: 300, delta: { content: 'Once ' } },
  { atMs: 330, delta: { content: 'more.' } },
]

let arms: readonly StreamingArm[] = []
const folder = mkdtempSync(join(tmpdir(), 'portolan-latency-'))
const plain = syntheticDataset()
const cases = plain.cases.slice(0, 24)
const dataset = { ...plain, cases, hash: datasetHash(cases) }
let attempts: readonly Attempt[] = []

before(async () => {
  arms = [await startArm(() => speaksAtOnce), await startArm(() => thinksFirst)]
  const askOf = (arm: StreamingArm): AskEndpoint => {
    const ask = askEndpoint({ baseUrl: arm.url, protocol: 'chat', model: 'm', apiKey: 'k', timeoutMs: 5000 }, 'warn')
    return (request) => ask({ ...request, stream: true, includeUsage: true })
  }
  const recorded = exchangeOf(0, requestOf([user('again')]), answerOf([text('Once more.')]))
  const journal = new AttemptJournal(join(folder, 'attempts'), 'plan', () => Buffer.alloc(32, 1))
  await replaySteps({
    runIdOf: (arm) => arm,
    arms: [armOf('old-model', askOf(arms[0]!)), armOf('new-model', askOf(arms[1]!))],
    cases,
    replicates: 1,
    exchangeOf: () => recorded,
    score: () => Promise.resolve([passed({ scorer: 'transport', version: '1', severity: 'major' })]),
    journal,
    seed: 1,
    concurrency: 8,
    currency: 'USD',
    spendCapNanos: null,
    retries: noRetries,
    now: Date.now,
  })
  attempts = [...journal.attempts]
  journal.close()
})

after(async () => {
  for (const arm of arms) await arm.close()
  rmSync(folder, { recursive: true })
})

function quickest(arm: string, clock: 'firstReasoningMs' | 'firstVisibleMs' | 'endMs'): number {
  const read = attempts.flatMap((attempt) => (attempt.arm === arm ? [attempt.turns[0]!.clocks[clock] ?? -1] : []))
  assert.equal(read.length, cases.length)
  return Math.min(...read)
}

describe('clocks of a replay', () => {
  it(`read planned moments back within ${errorMs} ms, reasoning and visible text apart (check 21)`, () => {
    for (const [arm, clock, planted] of [
      ['old-model', 'firstVisibleMs', 100],
      ['old-model', 'endMs', 200],
      ['new-model', 'firstReasoningMs', 20],
      ['new-model', 'firstVisibleMs', 300],
      ['new-model', 'endMs', 330],
    ] as const) {
      const error = quickest(arm, clock) - planted
      assert.ok(error > -2 && error < errorMs, `${arm} ${clock}: ${error.toFixed(1)} ms off`)
    }
  })

  it('judge who thinks at 0.2 s and speaks at 3 s by the 3 s, against one that speaks at 1 s (check 21)', () => {
    const metrics = [{ name: 'first-visible', kind: 'ratio', margin: 0.2, gate: true }] as const
    const plan = syntheticPlan(dataset, ['new-model'], { metrics })
    const { comparisons, verdicts } = compareRuns(plan, dataset, attempts)
    const found = comparisons.find(({ metric }) => metric === 'first-visible')!
    assert.ok(found.lower > 1.5 && found.upper < 3.2, `${found.lower} to ${found.upper}`)
    // Its first sign of life came five times earlier than the incumbent's first word, and does not help it.
    assert.equal(verdicts[0]!.verdict, 'WORSE', verdicts[0]!.reason)
  })
})
