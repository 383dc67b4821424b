import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noUsage, type CanonicalResponse } from '@portolan/wire'
import { unknownUsage } from '@portolan/meter'
import type { AttemptTurn, Verdict } from '../records/index.ts'
import { scoreText, textSimilarity } from './text.ts'
import { scoreTransport } from './transport.ts'
import { caseOutcome, criticalFailures, failed, pairShares, passed, unscored } from './verdict.ts'

describe('text', () => {
  it('is compared exactly, normalised, by its last number or by what it contains', () => {
    assert.equal(scoreText('Yes.', 'Yes.', { rule: 'exact' }).outcome, 'pass')
    assert.equal(scoreText('**Yes**', 'yes.', { rule: 'exact' }).outcome, 'fail')
    assert.equal(scoreText('**Yes**', 'yes.', { rule: 'normalised' }).outcome, 'pass')
    assert.equal(scoreText('so it is 1,234.5', 'Answer: 1234.5', { rule: 'number', tolerance: 0 }).outcome, 'pass')
    assert.equal(scoreText('no number', 'Answer: 7', { rule: 'number', tolerance: 0 }).outcome, 'fail')
    assert.equal(scoreText('no number', 'none', { rule: 'number', tolerance: 0 }).outcome, 'unscored')
    assert.equal(scoreText('It is in OSLO', null, { rule: 'contains', text: 'Oslo' }).outcome, 'pass')
    assert.equal(scoreText('x', null, { rule: 'exact' }).outcome, 'unscored')
  })

  it('is similar in the order of its words, in scripts with and without gaps', () => {
    assert.equal(textSimilarity('a b c', 'a b c'), 1)
    assert.equal(textSimilarity('', ''), 1)
    assert.equal(textSimilarity('alpha beta', 'gamma delta'), 0)
    const near = textSimilarity('the cat sat on the mat', 'the cat lay on the mat')
    assert.ok(near > 0.5 && near < 1)
    assert.equal(near, textSimilarity('the cat lay on the mat', 'the cat sat on the mat'))
    assert.ok(textSimilarity('今天天气很好', '今天天气不好') > 0.4)
  })
})

const whole: CanonicalResponse = {
  id: 'a',
  model: 'm',
  createdSec: null,
  items: [{ kind: 'assistant-text', parts: [{ type: 'text', text: 'hello' }] }],
  stop: 'end',
  stopSequence: null,
  refusalExplanation: null,
  usage: noUsage,
  logprobs: null,
  moreChoices: [],
}

function problemOf(response: CanonicalResponse | null, error: AttemptTurn['error'] = null): unknown {
  const clocks = { firstByteMs: null, firstReasoningMs: null, firstVisibleMs: null, endMs: null }
  const turn = {
    request: {} as AttemptTurn['request'],
    response,
    httpStatus: 200,
    error,
    usage: unknownUsage,
    clocks,
    stubs: [],
  }
  return (scoreTransport(turn).evidence as { problem?: string }).problem
}

describe('transport', () => {
  it('passes a whole answer and names what is wrong with others', () => {
    assert.equal(problemOf(whole), undefined)
    assert.equal(problemOf(null), 'no-answer')
    assert.equal(problemOf(null, { code: 'UPSTREAM_RESET', message: 'gone' }), 'error')
    assert.equal(problemOf({ ...whole, stop: 'refusal' }), 'refusal')
    assert.equal(problemOf({ ...whole, stop: 'length' }), 'cut')
    assert.equal(problemOf({ ...whole, items: [] }), 'empty')
    assert.equal(problemOf({ ...whole, stop: 'tool-call' }), 'stopped-for-no-call')
  })

  it('knows a budget that thinking ate whole', () => {
    assert.equal(problemOf({ ...whole, items: [], stop: 'length' }), 'budget-spent-on-reasoning')
  })
})

describe('the outcome of a case', () => {
  const name = (severity: Verdict['severity']) => ({ scorer: 's', version: '1', severity })
  const cannot = unscored(name('major'), 'time-limit', 'too slow')

  it('is a failure before it is unscored, and unscored before it is a pass', () => {
    assert.equal(caseOutcome([passed(name('major')), passed(name('minor'))]), 'pass')
    assert.equal(caseOutcome([passed(name('major')), cannot]), 'unscored')
    assert.equal(caseOutcome([failed(name('critical'), null), cannot]), 'fail')
    assert.equal(caseOutcome([passed(name('major')), failed(name('minor'), null)]), 'pass')
    assert.equal(caseOutcome([passed(name('minor'))]), 'unscored')
    assert.equal(caseOutcome([]), 'unscored')
  })

  it('lists what no average outweighs', () => {
    assert.equal(
      criticalFailures([failed(name('critical'), 1), failed(name('major'), 2), passed(name('critical'))]).length,
      1,
    )
  })

  it('counts an error as a failure, and a missing verdict as the policy says', () => {
    assert.deepEqual(pairShares('error', 'pass', 'left-out'), { candidate: 0, incumbent: 1 })
    assert.equal(pairShares('unscored', 'pass', 'left-out'), null)
    assert.deepEqual(pairShares('pass', 'unscored', 'as-fail'), { candidate: 1, incumbent: 0 })
    assert.deepEqual(pairShares('unscored', 'unscored', 'against-candidate'), { candidate: 0, incumbent: 1 })
  })
})
