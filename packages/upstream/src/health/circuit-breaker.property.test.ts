import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { BreakerPermit, Verdict } from './circuit-breaker.ts'

const step = fc.record({
  waitMs: fc.integer({ min: 0, max: 3_000 }),
  verdict: fc.constantFrom<Verdict>('success', 'failure', 'neutral'),
  finishes: fc.boolean(),
})

describe('circuit breaker, whatever happens in whatever order', () => {
  it('never has two probes within one lease, and always lets somebody try in the end', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const breaker = new CircuitBreaker({
          minimumRequests: 3,
          openMs: 1_000,
          maxOpenMs: 4_000,
          probeLeaseMs: 2_000,
          windowMs: 5_000,
        })
        const open: BreakerPermit[] = []
        let nowMs = 0
        let probeUntilMs = -1
        for (const { waitMs, verdict, finishes } of steps) {
          nowMs += waitMs
          const decision = breaker.tryEnter(nowMs)
          if (decision.allowed) {
            if (decision.permit.probe) {
              assert.ok(nowMs >= probeUntilMs)
              probeUntilMs = nowMs + 2_000
            }
            open.push(decision.permit)
          } else assert.ok(decision.retryAfterMs > 0 && decision.retryAfterMs <= 4_000)
          const done = finishes ? open.shift() : undefined
          if (done) {
            if (done.probe) probeUntilMs = -1
            breaker.record(done, verdict, nowMs)
          }
        }
        assert.ok(breaker.tryEnter(nowMs + 6_000).allowed)
      }),
      { seed: 4114, numRuns: 300 },
    )
  })
})
