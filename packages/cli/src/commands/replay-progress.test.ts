import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { replayProgress } from './replay-progress.ts'

/** A run of so many attempts, each `stepMs` after the one before; what was written. */
function written(all: number, isTerminal: boolean, stepMs: number, stood = 0): string {
  let text = ''
  let clockMs = 5000
  const show = replayProgress(
    { write: (piece) => (text += piece), isTerminal, now: () => clockMs, currency: 'USD' },
    stood,
  )
  for (let done = stood + 1; done <= all; done++) {
    clockMs += stepMs
    show({ done, all, spentNanos: BigInt(done) * 1_000_000n, unpriced: 0 })
  }
  return text
}

describe('progress of a replay', () => {
  it('is ten plain lines where nobody watches, whatever the size', () => {
    const lines = written(90_000, false, 4).trimEnd().split('\n')
    assert.equal(lines.length, 10)
    assert.equal(lines[0], '9000 of 90000 attempts (10 %), 9.00 USD, 250 a second, 5 min left')
    assert.equal(lines.at(-1), '90000 of 90000 attempts (100 %), 90.00 USD, 250 a second')
    assert.ok(lines.every((line) => !line.includes('\r') && !line.includes('\u001b')))
  })

  it('says something every minute where a tenth takes long', () => {
    const lines = written(20, false, 61_000).trimEnd().split('\n')
    assert.equal(lines.length, 20)
    assert.match(lines[0]!, /^1 of 20 attempts \(5 %\), 0\.001\d* USD, 0\.0 a second, 19 min left$/)
  })

  it('goes on at the pace of this run after an earlier one', () => {
    const lines = written(1000, false, 100, 950).trimEnd().split('\n')
    assert.deepEqual(lines, ['1000 of 1000 attempts (100 %), 1.00 USD, 10 a second'])
  })

  it('is one line written over at a terminal, ten times a second at most, and ended at the end', () => {
    const text = written(3000, true, 4)
    const draws = text.split('\r\u001b[K').slice(1)
    assert.ok(draws.length > 100 && draws.length <= 122, `${draws.length} lines in 12 s`)
    assert.equal(text.indexOf('\n'), text.length - 1)
  })
})
