import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RetryBudget } from './retry-budget.ts'

const takeAll = (budget: RetryBudget, nowMs: number) => {
  let taken = 0
  while (taken < 10_000 && budget.take(nowMs)) taken++
  return taken
}

describe('retry budget', () => {
  it('allows the floor to somebody alone', () => {
    assert.equal(takeAll(new RetryBudget({ floor: 3, share: 0 }), 0), 3)
  })

  it('allows a share of the traffic under load, so that a dead upstream sees 1.2 times its load and not 4', () => {
    const budget = new RetryBudget({ floor: 0, share: 0.2 })
    for (let request = 0; request < 1_000; request++) budget.noteRequest(0)
    assert.equal(takeAll(budget, 0), 200)
  })

  it('forgets both with the window', () => {
    const budget = new RetryBudget({ windowMs: 1_000, floor: 2, share: 0.5 })
    for (let request = 0; request < 10; request++) budget.noteRequest(0)
    assert.equal(takeAll(budget, 0), 7)
    assert.equal(takeAll(budget, 900), 0)
    assert.equal(takeAll(budget, 1_000), 2)
  })
})
