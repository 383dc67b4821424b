import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { bundledPricesUrl, loadPriceBook } from '@portolan/meter'
import type { Attempt, Exchange } from '../records/index.ts'
import { answerOf, caseOf, exchangeOf, requestOf, text, user } from '../replay/replay.test-support.ts'
import { ArmCases } from './arm-cases.ts'
import { costTable, scenariosOf, type CostTable, type Pricing } from './cost-readings.ts'
import { attemptOf } from './synthetic.test-support.ts'

const book = loadPriceBook(readFileSync(bundledPricesUrl, 'utf8'))
const gpt = { vendor: 'openai', model: 'gpt-5.5', currency: 'USD' }
const pro = { vendor: 'deepseek', model: 'deepseek-v4-pro', currency: 'USD' }
const pricing: Pricing = { book, arms: { 'gpt-5.5': gpt, pro, 'pro-x3': pro }, exchanges: null }
const promotionDay = '2026-04-27'

// One agent turn: 100,000 tokens in, 90 % of them hits, 2,000 out; with thinking 6,000.
const test = caseOf(exchangeOf(0, requestOf([user('go')]), answerOf([text('done')])))
const turn = attemptOf(test.id, 'gpt-5.5', 'pass', { costNanos: null })
const longer = { ...turn.turns[0]!, usage: { ...turn.turns[0]!.usage, outputTokens: 6000 } }
const attempts: Attempt[] = [turn, { ...turn, arm: 'pro' }, { ...turn, arm: 'pro-x3', turns: [longer] }]

function table(asOf: string, basis: 'charged' | 'list', given: Pricing | null = pricing): CostTable {
  return costTable(
    {
      arms: new ArmCases(attempts, [test]),
      cases: [test],
      incumbent: 'gpt-5.5',
      candidates: ['pro', 'pro-x3'],
      pricing: given,
    },
    { name: 'x', asOf, basis },
  )
}

function dollars(nanos: bigint | null | undefined): string {
  return `$${(Number(nanos) / 1e9).toFixed(4)}`
}

describe('cost in three readings', () => {
  it('gives the worked example: $0.1550, $0.0257, $0.0396, $0.1810, break-even 15.0 % and 23.1 % (check 20)', () => {
    const { arms, breakEven } = table(promotionDay, 'list')
    assert.equal(dollars(arms[0]!.repriced.nanos), '$0.1550')
    assert.equal(dollars(arms[1]!.repriced.nanos), '$0.0257')
    assert.equal(dollars(arms[2]!.repriced.nanos), '$0.0396')
    assert.equal(dollars(arms[1]!.cold.nanos), '$0.1810')
    assert.deepEqual(
      breakEven.map(({ hitShare }) => (100 * hitShare!).toFixed(1)),
      ['15.0', '23.1'],
    )
    assert.equal(arms[1]!.observedHitShare, 0.9)
  })

  it('changes every figure of the candidate with the price day, and shows the end of the promotion (check 20)', () => {
    const charged = table(promotionDay, 'charged').arms[1]!
    assert.equal(dollars(charged.repriced.nanos), '$0.0064')
    assert.equal(dollars(charged.cold.nanos), '$0.0452')
    const launch = table('2026-04-24', 'charged').arms[1]!
    assert.equal(dollars(launch.repriced.nanos), '$0.0374')
    const before = table('2026-04-01', 'charged').arms[1]!
    assert.equal(before.repriced.nanos, null)
    assert.match(before.repriced.why!, /no USD price of deepseek-v4-pro for 2026-04-01/)
    const scenarios = scenariosOf({ asOf: promotionDay, scenarios: [{ name: 'autumn', asOf: '2026-11-01' }] }, pricing)
    assert.deepEqual(
      scenarios.map(({ name, basis }) => [name, basis]),
      [
        ['price day', 'charged'],
        ['list price without the promotion', 'list'],
        ['autumn', 'charged'],
      ],
    )
    assert.equal(scenariosOf({ asOf: '2026-11-01', scenarios: [] }, pricing).length, 1)
  })

  it('says what is not known instead of 0: no price list, no recorded prompts, unpriced attempts', () => {
    const { arms, breakEven } = table(promotionDay, 'charged', null)
    for (const { observed, repriced, steady, cold } of arms)
      for (const amount of [observed, repriced, steady, cold]) {
        assert.equal(amount.nanos, null)
        assert.notEqual(amount.why, null)
      }
    assert.equal(breakEven[0]!.hitShare, null)
    assert.match(table(promotionDay, 'charged').arms[0]!.steady.why!, /recorded prompts/)
  })

  it("takes the steady hits from the recorded timeline and each vendor's own rule", () => {
    // Turn 1 repeats 90 % of turn 0's prompt; both within a minute.
    const exchange = (seq: number, bytes: readonly number[]): Exchange => ({
      ...exchangeOf(seq, requestOf([user('go')]), answerOf([text('done')])),
      startedAtMs: seq * 60_000,
      usage: turn.turns[0]!.usage,
      prompt: {
        blocks: bytes.map((size, place) => ({ id: place === 0 ? 'shared' : `own-${seq}`, bytes: size })),
        answer: [],
        toolNames: [],
        toolsHash: null,
        calledTools: [],
      },
    })
    const exchanges = [exchange(0, [9000, 1000]), exchange(1, [9000, 1000])]
    const cases = exchanges.map(caseOf)
    const both = cases.flatMap(({ id }) => [
      { ...turn, caseId: id },
      { ...turn, caseId: id, arm: 'pro' },
    ])
    const { arms, tasks } = costTable(
      {
        arms: new ArmCases(both, cases),
        cases,
        incumbent: 'gpt-5.5',
        candidates: ['pro'],
        pricing: { ...pricing, exchanges },
      },
      { name: 'x', asOf: promotionDay, basis: 'list' },
    )
    assert.equal(tasks, 2)
    for (const { steadyHitShare, steady, cold, repriced } of arms) {
      assert.ok(Math.abs(steadyHitShare! - 0.45) < 0.002, String(steadyHitShare))
      assert.ok(repriced.nanos! < steady.nanos! && steady.nanos! < cold.nanos!)
    }
  })
})

describe('the cost ratio of a reading', () => {
  const cases = Array.from({ length: 40 }, (_, at) => ({
    ...test,
    id: `case_${at}`,
    sessionId: `ses_${Math.floor(at / 2)}`,
    // Every tenth session is one of nine like it.
    weight: at % 20 < 2 ? 9 : 1,
  }))
  const asked = cases.flatMap(({ id }, at): Attempt[] => [
    { ...turn, caseId: id, costNanos: 100_000_000n },
    { ...turn, caseId: id, arm: 'pro', costNanos: at % 20 < 2 ? 100_000_000n : 20_000_000n + BigInt(at) },
  ])
  const read = (weighted: boolean): CostTable =>
    costTable(
      {
        arms: new ArmCases(asked, cases),
        cases: weighted ? cases : cases.map((each) => ({ ...each, weight: 1 })),
        incumbent: 'gpt-5.5',
        candidates: ['pro'],
        pricing,
        bootstrap: { seed: 1, confidence: 0.9 },
      },
      { name: 'x', asOf: promotionDay, basis: 'list' },
    )

  it('is the quotient of the table and stands inside its interval, for every reading that both arms have', () => {
    const { arms, ratios } = read(false)
    assert.deepEqual(
      ratios.map(({ reading }) => reading),
      ['observed', 'repriced', 'cold'],
    )
    for (const { reading, estimate, interval } of ratios) {
      const quotient = Number(arms[1]![reading].nanos) / Number(arms[0]![reading].nanos)
      assert.ok(Math.abs(estimate - quotient) < 1e-9, `${reading}: ${estimate} ${quotient}`)
      assert.ok(interval!.lower <= estimate + 1e-12 && estimate <= interval!.upper + 1e-12)
    }
  })

  it('is that of production where sessions were not sampled alike: a task counts by its weight', () => {
    const [plain, weighted] = [read(false), read(true)]
    const share = (one: CostTable): number => Number(one.arms[1]!.observed.nanos) / Number(one.arms[0]!.observed.nanos)
    assert.ok(Math.abs(share(plain) - 0.28) < 0.001, String(share(plain)))
    // 4 of 40 cases stand for 36 of 72.
    assert.ok(Math.abs(share(weighted) - 0.6) < 0.001, String(share(weighted)))
    assert.ok(Math.abs(weighted.ratios[0]!.estimate - share(weighted)) < 1e-6)
    assert.ok(Math.abs(Number(weighted.arms[0]!.observed.nanos! - plain.arms[0]!.observed.nanos!)) < 100)
  })
})
