import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamError } from '../errors.ts'
import { UpstreamHealth } from './upstream-health.ts'
import type { Verdict } from './circuit-breaker.ts'

function health(slots = 2) {
  const clock = { nowMs: 0 }
  const gate = new UpstreamHealth({
    name: 'u',
    slots,
    now: () => clock.nowMs,
    breaker: { minimumRequests: 2, openMs: 1_000 },
    schedule: () => () => {},
  })
  return { clock, gate }
}

const hasCode = (code: string) => (error: unknown) => error instanceof UpstreamError && error.code === code

async function pass(gate: UpstreamHealth, verdict: Verdict): Promise<void> {
  const slot = await gate.enter()
  slot.leave(verdict)
}

describe('the gate in front of an upstream', () => {
  it('refuses while the breaker is open and says when to come back', async () => {
    const { clock, gate } = health()
    await pass(gate, 'failure')
    await pass(gate, 'failure')
    clock.nowMs = 300
    await assert.rejects(
      gate.enter(),
      (error) => error instanceof UpstreamError && error.code === 'UPSTREAM_BREAKER_OPEN' && error.retryAfterMs === 700,
    )
    clock.nowMs = 1_000
    assert.equal(gate.state, 'half-open')
    await pass(gate, 'success')
    assert.equal(gate.state, 'closed')
  })

  it('who waited through a failure does not get through after it', async () => {
    const { gate } = health(1)
    const first = await gate.enter()
    const second = gate.enter()
    first.leave('failure')
    const slot = await second
    const third = gate.enter()
    slot.leave('failure')
    await assert.rejects(third, hasCode('UPSTREAM_BREAKER_OPEN'))
    assert.deepEqual([gate.inFlight, gate.waiting], [0, 0])
  })

  it('leaving twice counts once', async () => {
    const { gate } = health()
    const slot = await gate.enter()
    slot.leave('failure')
    slot.leave('failure')
    assert.equal(gate.state, 'closed')
    assert.equal(gate.inFlight, 0)
  })

  it('a caller who is gone takes no slot even when one is free', async () => {
    const { gate } = health()
    await assert.rejects(gate.enter(AbortSignal.abort()), hasCode('UPSTREAM_CALLER_LEFT'))
    assert.equal(gate.inFlight, 0)
  })

  it('closes', async () => {
    const { gate } = health(1)
    const slot = await gate.enter()
    const waiting = gate.enter()
    gate.close()
    await assert.rejects(waiting, hasCode('UPSTREAM_CLOSED'))
    slot.leave('success')
    assert.equal(gate.inFlight, 0)
  })
})
