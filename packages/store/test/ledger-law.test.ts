import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runLedgerLaw } from './ledger-law.ts'

describe('sums of usage', () => {
  // A million operations are run by hand: see `ledger-law.ts`.
  it('are the sums of the rows as corrected, after any operations in any order', () => {
    const { corrections, questions } = runLedgerLaw(4000, 7, 60)
    assert.ok(corrections > 20 && questions >= 60)
  })
})
