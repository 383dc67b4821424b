/** GCRA against an oracle of fractions, at the boundary, and on clocks that misbehave. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  correctRate,
  leaked,
  rateShapeProblem,
  rateState,
  takeRate,
  type RateLevel,
  type RateShape,
} from './limits-gcra.ts'
import { everyKey } from './limits.ts'

const start = Date.UTC(2026, 10, 23)

/** I.371's virtual scheduling in exact fractions: a theoretical arrival time, in units of 1/amount ms. */
class Oracle {
  #arrival = 0n
  readonly #shape: RateShape

  constructor(shape: RateShape) {
    this.#shape = shape
  }

  take(units: number, nowMs: number): boolean {
    const { amount, perMs, burst } = this.#shape
    const now = BigInt(nowMs) * BigInt(amount)
    const from = this.#arrival > now ? this.#arrival : now
    const arrival = from + BigInt(Math.min(units, burst)) * BigInt(perMs)
    if (arrival - now > BigInt(burst) * BigInt(perMs)) return false
    this.#arrival = arrival
    return true
  }

  giveBack(units: number): void {
    this.#arrival -= BigInt(units) * BigInt(this.#shape.perMs)
  }
}

const shapes = fc.record({
  amount: fc.integer({ min: 1, max: 2_000_000 }),
  perMs: fc.constantFrom(1, 1000, 60_000, 3_600_000, 86_400_000),
  burst: fc.integer({ min: 1, max: 5000 }),
})
const runs = { seed: 21, numRuns: 300 }

describe('a rate limit', () => {
  it('decides as the virtual scheduling algorithm does, to the last unit, whatever comes and is given back', () => {
    const step = fc.record({
      afterMs: fc.oneof(fc.nat(3), fc.nat(5000), fc.nat(90_000_000)),
      units: fc.nat(6000),
      giveBack: fc.boolean(),
    })
    fc.assert(
      fc.property(shapes, fc.array(step, { maxLength: 60 }), (shape, steps) => {
        const oracle = new Oracle(shape)
        let level: RateLevel | null = null
        let nowMs = start
        for (const { afterMs, units, giveBack } of steps) {
          nowMs += afterMs
          const decision = takeRate(level, shape, units, nowMs)
          assert.equal(decision.kind === 'taken', oracle.take(units, nowMs))
          level = decision.after
          if (decision.kind === 'taken' && giveBack && units <= shape.burst) {
            level = correctRate(level, shape, units, 0, nowMs)
            oracle.giveBack(units)
          }
        }
      }),
      runs,
    )
  })

  it('says exactly when to come back: not a millisecond earlier is there room', () => {
    fc.assert(
      fc.property(
        shapes,
        fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 40 }),
        (shape, asked) => {
          let level: RateLevel | null = null
          for (const units of asked) {
            const decision = takeRate(level, shape, units, start)
            level = decision.after
            if (decision.kind === 'taken') continue
            assert.equal(takeRate(level, shape, units, start + decision.retryAfterMs).kind, 'taken')
            assert.equal(takeRate(level, shape, units, start + decision.retryAfterMs - 1).kind, 'limited')
          }
        },
      ),
      runs,
    )
  })

  it('lets a whole burst through at once, then one for each interval', () => {
    const shape = { amount: 60, perMs: 60_000, burst: 10 }
    let level: RateLevel | null = null
    const take = (nowMs: number): string => {
      const decision = takeRate(level, shape, 1, nowMs)
      level = decision.after
      return decision.kind
    }
    for (let i = 0; i < 10; i++) assert.equal(take(start), 'taken')
    assert.equal(take(start + 999), 'limited')
    assert.equal(take(start + 1000), 'taken')
    assert.equal(take(start + 1000), 'limited')
    assert.equal(take(start + 11_000), 'taken')
  })

  it('in any time lets through at most the burst and the rate', () => {
    fc.assert(
      fc.property(shapes, fc.array(fc.nat(100), { maxLength: 200 }), (shape, gaps) => {
        let level: RateLevel | null = null
        let nowMs = start
        let through = 0
        for (const gap of gaps) {
          nowMs += gap
          const decision = takeRate(level, shape, 1, nowMs)
          level = decision.after
          if (decision.kind === 'taken') through++
        }
        assert.ok(through <= shape.burst + ((nowMs - start) * shape.amount) / shape.perMs)
      }),
      runs,
    )
  })

  it('keeps nobody out until yesterday’s clock comes again, and gives nothing away to one that steps back', () => {
    const shape = { amount: 1, perMs: 1000, burst: 2 }
    const full = { level: 2000, atMs: start }
    // A second behind: another process's clock. Time stands still.
    assert.equal(takeRate(full, shape, 1, start - 800).kind, 'limited')
    assert.deepEqual(leaked(full, shape, start - 800), full)
    // An hour behind: the clock was set. The bucket is as full as before and leaks from here on.
    const set = takeRate(full, shape, 1, start - 3_600_000)
    assert.ok(set.kind === 'limited' && set.retryAfterMs === 1000)
    assert.equal(takeRate(set.after, shape, 1, start - 3_600_000 + 1000).kind, 'taken')
  })

  it('gains nothing from two processes whose clocks are a moment apart', () => {
    const shape = { amount: 1, perMs: 1000, burst: 1 }
    let level: RateLevel | null = takeRate(null, shape, 1, start).after
    for (let i = 0; i < 10_000; i++) level = leaked(level, shape, start + (i % 2))
    assert.equal(takeRate(level, shape, 1, start + 1).kind, 'limited')
  })

  it('lets a request that is larger than the bucket wait for an empty one, not for ever', () => {
    const shape = { amount: 1000, perMs: 60_000, burst: 1000 }
    const first = takeRate(null, shape, 50_000, start)
    assert.equal(first.kind, 'taken')
    const second = takeRate(first.after, shape, 50_000, start)
    assert.ok(second.kind === 'limited' && second.retryAfterMs === 60_000)
  })

  it('makes later requests wait for what one came to beyond its estimate', () => {
    const shape = { amount: 1000, perMs: 60_000, burst: 1000 }
    const taken = takeRate(null, shape, 100, start)
    const debt = correctRate(taken.after, shape, 100, 3000, start)
    const next = takeRate(debt, shape, 100, start)
    assert.ok(next.kind === 'limited' && next.retryAfterMs === 126_000)
    const limit = { id: 'x', unit: 'tokens' as const, scope: everyKey, ...shape }
    assert.deepEqual([rateState(limit, '', debt).remaining, rateState(limit, '', debt).resetMs], [0, 180_000])
  })

  it('refuses a shape that it could not count exactly', () => {
    assert.equal(rateShapeProblem({ amount: 1, perMs: 86_400_000, burst: 1_000_000 }), null)
    assert.match(rateShapeProblem({ amount: 1, perMs: 86_400_000, burst: 10_000_000_000 }) ?? '', /rolling window/)
    assert.match(rateShapeProblem({ amount: 0, perMs: 1, burst: 1 }) ?? '', /amount is 0/)
    assert.match(rateShapeProblem({ amount: 1.5, perMs: 1, burst: 1 }) ?? '', /whole number/)
  })
})
