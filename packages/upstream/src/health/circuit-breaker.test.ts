import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { BreakerPermit, Verdict } from './circuit-breaker.ts'

const options = {
  windowMs: 10_000,
  minimumRequests: 4,
  failureRatio: 0.5,
  openMs: 1_000,
  maxOpenMs: 4_000,
  probeLeaseMs: 500,
}

function permit(breaker: CircuitBreaker, nowMs: number): BreakerPermit {
  const decision = breaker.tryEnter(nowMs)
  assert.ok(decision.allowed)
  return decision.permit
}

function run(breaker: CircuitBreaker, verdicts: readonly Verdict[], nowMs: number): void {
  for (const verdict of verdicts) breaker.record(permit(breaker, nowMs), verdict, nowMs)
}

function opened(): CircuitBreaker {
  const breaker = new CircuitBreaker(options)
  run(breaker, ['failure', 'failure', 'failure', 'failure'], 0)
  return breaker
}

describe('circuit breaker', () => {
  it('stays closed below the minimum of requests, and below the ratio', () => {
    const breaker = new CircuitBreaker(options)
    run(breaker, ['failure', 'failure', 'failure'], 0)
    assert.equal(breaker.state(0), 'closed')
    const healthy = new CircuitBreaker(options)
    run(healthy, ['success', 'success', 'success', 'failure', 'failure'], 0)
    assert.equal(healthy.state(0), 'closed')
  })

  it('opens at the ratio and says for how long', () => {
    const breaker = new CircuitBreaker(options)
    run(breaker, ['success', 'success', 'failure', 'failure'], 0)
    assert.equal(breaker.state(0), 'open')
    assert.deepEqual(breaker.tryEnter(400), { allowed: false, retryAfterMs: 600 })
  })

  it('does not count what the caller did wrong', () => {
    const breaker = new CircuitBreaker(options)
    run(
      breaker,
      Array.from({ length: 50 }, () => 'neutral' as const),
      0,
    )
    assert.equal(breaker.state(0), 'closed')
  })

  it('forgets failures older than the window', () => {
    const breaker = new CircuitBreaker(options)
    run(breaker, ['failure', 'failure', 'failure'], 0)
    run(breaker, ['failure'], 10_000)
    assert.equal(breaker.state(10_000), 'closed')
  })

  it('lets one probe through after the pause; its success closes', () => {
    const breaker = opened()
    const probe = permit(breaker, 1_000)
    assert.equal(probe.probe, true)
    assert.equal(breaker.tryEnter(1_100).allowed, false)
    breaker.record(probe, 'success', 1_200)
    assert.equal(breaker.state(1_200), 'closed')
    run(breaker, ['failure'], 1_300)
    assert.equal(breaker.state(1_300), 'closed', 'old failures are forgotten')
  })

  it('waits twice as long after each failed probe, up to the limit, and starts afresh after a success', () => {
    const breaker = opened()
    let nowMs = 1_000
    for (const pauseMs of [2_000, 4_000, 4_000]) {
      breaker.record(permit(breaker, nowMs), 'failure', nowMs)
      assert.deepEqual(breaker.tryEnter(nowMs), { allowed: false, retryAfterMs: pauseMs })
      nowMs += pauseMs
    }
    breaker.record(permit(breaker, nowMs), 'success', nowMs)
    run(breaker, ['failure', 'failure', 'failure', 'failure'], nowMs)
    assert.deepEqual(breaker.tryEnter(nowMs), { allowed: false, retryAfterMs: 1_000 })
  })

  it('a probe whose caller left frees its place; a silent one loses it after its lease', () => {
    const breaker = opened()
    breaker.record(permit(breaker, 1_000), 'neutral', 1_000)
    permit(breaker, 1_000)
    assert.equal(breaker.tryEnter(1_499).allowed, false)
    assert.equal(breaker.tryEnter(1_500).allowed, true)
  })

  it('ignores results of requests that began before the last change of state', () => {
    const breaker = new CircuitBreaker(options)
    const slow = permit(breaker, 0)
    run(breaker, ['failure', 'failure', 'failure', 'failure'], 0)
    breaker.record(slow, 'success', 100)
    assert.equal(breaker.state(100), 'open')
    const probe = permit(breaker, 1_000)
    breaker.record(slow, 'failure', 1_050)
    breaker.record(probe, 'success', 1_100)
    assert.equal(breaker.state(1_100), 'closed')
  })
})
