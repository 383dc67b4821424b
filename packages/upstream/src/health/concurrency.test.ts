import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamError } from '../errors.ts'
import { ConcurrencyLimiter } from './concurrency.ts'

/** Timers that fire when told. */
function manualTimers() {
  const pending = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  let nowMs = 0
  return {
    schedule: (delayMs: number, callback: () => void) => {
      const timer = { atMs: nowMs + delayMs, callback }
      pending.add(timer)
      return () => void pending.delete(timer)
    },
    pass(ms: number) {
      nowMs += ms
      for (const timer of pending)
        if (timer.atMs <= nowMs) {
          pending.delete(timer)
          timer.callback()
        }
    },
    get pending() {
      return pending.size
    },
  }
}

function limiter(slots: number, maxQueued = 10) {
  const timers = manualTimers()
  return {
    timers,
    limiter: new ConcurrencyLimiter({ name: 'u', slots, maxQueued, maxWaitMs: 100, schedule: timers.schedule }),
  }
}

const hasCode = (code: string) => (error: unknown) => error instanceof UpstreamError && error.code === code

describe('concurrency limiter', () => {
  it('gives slots in order of arrival', async () => {
    const { limiter: slots, timers } = limiter(1)
    const release = await slots.acquire()
    const order: number[] = []
    const waiters = [1, 2, 3].map(async (number) => {
      const mine = await slots.acquire()
      order.push(number)
      mine()
    })
    release()
    await Promise.all(waiters)
    assert.deepEqual(order, [1, 2, 3])
    assert.deepEqual([slots.taken, slots.waiting, timers.pending], [0, 0, 0])
  })

  it('a slot handed back twice counts once', async () => {
    const { limiter: slots } = limiter(1)
    const release = await slots.acquire()
    release()
    release()
    await slots.acquire()
    assert.equal(slots.tryAcquire(), null)
  })

  it('refuses at once when the queue is full', async () => {
    const { limiter: slots } = limiter(1, 0)
    await slots.acquire()
    await assert.rejects(slots.acquire(), hasCode('UPSTREAM_BUSY'))
  })

  it('refuses at the deadline, and the slot then goes to the next in line', async () => {
    const { limiter: slots, timers } = limiter(1)
    const release = await slots.acquire()
    const late = slots.acquire()
    timers.pass(60)
    const patient = slots.acquire()
    timers.pass(60)
    await assert.rejects(late, hasCode('UPSTREAM_BUSY'))
    release()
    const mine = await patient
    assert.equal(slots.taken, 1)
    mine()
    assert.equal(slots.taken, 0)
  })

  it('a caller who leaves never gets a slot', async () => {
    const { limiter: slots, timers } = limiter(1)
    const release = await slots.acquire()
    const leaver = new AbortController()
    const waiting = slots.acquire(leaver.signal)
    leaver.abort()
    await assert.rejects(waiting, hasCode('UPSTREAM_CALLER_LEFT'))
    await assert.rejects(slots.acquire(leaver.signal), hasCode('UPSTREAM_CALLER_LEFT'))
    release()
    assert.deepEqual([slots.taken, slots.waiting, timers.pending], [0, 0, 0])
  })

  it('closes cleanly: waiters are told, those in flight keep their slots, late comers are refused', async () => {
    const { limiter: slots } = limiter(1)
    const release = await slots.acquire()
    const waiting = slots.acquire()
    slots.close()
    await assert.rejects(waiting, hasCode('UPSTREAM_CLOSED'))
    await assert.rejects(slots.acquire(), hasCode('UPSTREAM_CLOSED'))
    assert.equal(slots.tryAcquire(), null)
    release()
    assert.equal(slots.taken, 0)
  })
})
