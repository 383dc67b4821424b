import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Attempt, AttemptTurn } from '../records/index.ts'
import { attemptOf } from './synthetic.test-support.ts'
import { AttemptColumns } from './attempt-columns.ts'

/** Objects as JSON makes them. */
const ordinary = { noNullPrototype: true } as const
const plain = attemptOf('case', 'new', 'pass')
const count = fc.option(fc.nat(2_000_000))
const clock = fc.option(fc.double({ min: 0, max: 1e7, noNaN: true }))
const turn: fc.Arbitrary<AttemptTurn> = fc
  .record(
    {
      answered: fc.boolean(),
      usage: fc.record(
        {
          inputTokens: count,
          hitTokens: count,
          missTokens: count,
          writtenTokens: count,
          written1hTokens: count,
          outputTokens: count,
          reasoningTokens: count,
          raw: fc.constantFrom(null, { prompt_tokens: 1 }),
          source: fc.constantFrom('reported', 'estimated', 'none'),
          convention: fc.constantFrom('cached-inside', 'unknown'),
        },
        ordinary,
      ),
      clocks: fc.record({ firstByteMs: clock, firstReasoningMs: clock, firstVisibleMs: clock, endMs: clock }, ordinary),
      tiers: fc.array(fc.constantFrom('exact', 'schema', 'miss'), { maxLength: 3 }),
      changed: fc.option(
        fc.array(fc.record({ name: fc.string(), how: fc.constantFrom('dropped', 'instructed') }, ordinary), {
          maxLength: 2,
        }),
      ),
    },
    ordinary,
  )
  .map(({ answered, usage, clocks, tiers, changed }) => ({
    ...plain.turns[0]!,
    ...(answered ? {} : { response: null }),
    usage: usage as AttemptTurn['usage'],
    clocks,
    stubs: tiers.map((tier) => ({ callId: 'c', tool: 't', tier })),
    ...(changed === null ? {} : { changed }),
  }))
const attempt: fc.Arbitrary<Attempt> = fc.record(
  {
    runId: fc.constant('run'),
    caseId: fc.constant('case'),
    arm: fc.constantFrom('old', 'new', 'aa'),
    replicate: fc.nat(99),
    outcome: fc.constantFrom('pass', 'fail', 'error', 'unscored'),
    reason: fc.constant(null),
    turns: fc.array(turn, { maxLength: 5 }),
    divergence: fc.option(
      fc.record({ kind: fc.constantFrom('loop', 'extra-call'), turn: fc.nat(4), message: fc.string() }, ordinary),
    ),
    calls: fc.nat(9),
    startedAtMs: fc.integer({ min: 0, max: 4e12 }),
    currency: fc.constant('USD'),
    costNanos: fc.option(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })),
    verdicts: fc.constantFrom([], plain.verdicts, attemptOf('case', 'new', 'fail', { critical: true }).verdicts),
  },
  ordinary,
)

describe('attempts as columns', () => {
  it('law: give back everything but the words, every amount to the nano', () => {
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 200 }), (attempts) => {
        const columns = new AttemptColumns()
        const rows = attempts.map((each, index) => columns.add(each, index === 0 ? null : index - 1))
        for (const [index, each] of attempts.entries()) {
          const { arm, replicate, outcome, startedAtMs, costNanos, divergence, turns, verdicts } = each
          assert.equal(columns.before(rows[index]!), index === 0 ? null : index - 1)
          assert.deepEqual(columns.at(rows[index]!, 'case'), {
            caseId: 'case',
            arm,
            replicate,
            outcome,
            startedAtMs,
            costNanos,
            divergence: divergence?.kind ?? null,
            verdicts: verdicts.map(({ scorer, version, outcome, severity }) => ({
              scorer,
              version,
              outcome,
              severity,
            })),
            turns: turns.map(({ response, usage, clocks, stubs, changed }) => ({
              answered: response !== null,
              usage: { ...usage, raw: null },
              clocks,
              tiers: stubs.map(({ tier }) => tier),
              changed: changed ?? [],
            })),
          })
        }
      }),
      { seed: 20_261_124, numRuns: 60 },
    )
  })
})
