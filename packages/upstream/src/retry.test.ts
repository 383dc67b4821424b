import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mayRetry, retryDelayMs } from './retry.ts'
import type { FailedAttempt } from './retry.ts'

describe('may a failed attempt be repeated', () => {
  const cases: readonly (readonly [string, Partial<FailedAttempt>, 'retry' | 'stop'])[] = [
    ['nothing was sent', { stage: 'not-sent', effectFree: false }, 'retry'],
    ['nothing was sent, but the caller left', { stage: 'not-sent', kind: 'client-closed' }, 'stop'],
    ['our own slots are full: another upstream may have some', { stage: 'not-sent', kind: 'overloaded' }, 'retry'],
    ['a reset after sending', { stage: 'sent-no-byte' }, 'retry'],
    ['a reset after sending something with an effect', { stage: 'sent-no-byte', effectFree: false }, 'stop'],
    ['429', { stage: 'status', status: 429, effectFree: false }, 'retry'],
    ['503', { stage: 'status', status: 503, effectFree: false }, 'retry'],
    ['529', { stage: 'status', status: 529, effectFree: false }, 'retry'],
    ['408', { stage: 'status', status: 408, effectFree: false }, 'retry'],
    ['500 without effect', { stage: 'status', status: 500 }, 'retry'],
    ['500 with effect', { stage: 'status', status: 500, effectFree: false }, 'stop'],
    ['502 with effect', { stage: 'status', status: 502, effectFree: false }, 'stop'],
    ['504 without effect', { stage: 'status', status: 504 }, 'retry'],
    ['400', { stage: 'status', status: 400 }, 'stop'],
    ['413', { stage: 'status', status: 413 }, 'stop'],
    ['422', { stage: 'status', status: 422 }, 'stop'],
    ['402: the account there is empty, another upstream has its own', { stage: 'status', status: 402 }, 'retry'],
    ['402 at the same upstream', { stage: 'status', status: 402, sameUpstream: true }, 'stop'],
    ['401 at the same upstream', { stage: 'status', status: 401, sameUpstream: true }, 'stop'],
    ['404 elsewhere', { stage: 'status', status: 404 }, 'retry'],
    ['the upstream says not to', { stage: 'status', status: 429, sameUpstream: true, shouldRetry: false }, 'stop'],
    ['the upstream says not to, but another is asked', { stage: 'status', status: 429, shouldRetry: false }, 'retry'],
    ['the answer had begun', { stage: 'streaming' }, 'stop'],
    ['the answer had begun and reached the caller', { stage: 'streaming', delivered: true }, 'stop'],
    ['the answer had begun, nothing reached the caller', { stage: 'streaming', delivered: false }, 'retry'],
    ['the same with an effect', { stage: 'streaming', delivered: false, effectFree: false }, 'stop'],
    [
      'a 200 that opens with an overload error',
      { stage: 'streaming', delivered: false, effectFree: false, kind: 'overloaded' },
      'retry',
    ],
    [
      'a 200 that opens with the caller’s mistake',
      { stage: 'streaming', delivered: false, kind: 'context-length' },
      'stop',
    ],
    ['bytes reached the caller before an unsent repeat', { stage: 'not-sent', delivered: true }, 'stop'],
    ['enough attempts', { stage: 'not-sent', attempt: 4 }, 'stop'],
    ['enough attempts by its own limit', { stage: 'not-sent', attempt: 2, maxAttempts: 2 }, 'stop'],
  ]
  for (const [name, failed, expected] of cases)
    it(`${name}: ${expected}`, () => {
      assert.equal(mayRetry({ stage: 'status', effectFree: true, attempt: 1, ...failed }), expected)
    })
})

describe('the pause before a repeat', () => {
  it('doubles to its limit, spread by a quarter', () => {
    assert.deepEqual(
      [1, 2, 3, 6, 99].map((attempt) => retryDelayMs(attempt, null, 1)),
      [500, 1_000, 2_000, 10_000, 10_000],
    )
    assert.equal(retryDelayMs(1, null, 0), 375)
  })
  it('obeys the upstream, and gives up on waits that no caller sits through', () => {
    assert.equal(retryDelayMs(1, 4_000, 0), 4_000)
    assert.equal(retryDelayMs(1, 60_000, 0), null)
  })
})
