import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkUsage, unknownUsage, type UsageRecord } from './usage.ts'

const good: UsageRecord = {
  inputTokens: 100,
  hitTokens: 60,
  missTokens: 30,
  writtenTokens: 10,
  written1hTokens: 4,
  outputTokens: 20,
  reasoningTokens: 5,
  raw: null,
  source: 'reported',
  convention: 'cached-inside',
}

function codes(changes: Partial<UsageRecord>, contextTokens?: number): string[] {
  return checkUsage({ ...good, ...changes }, contextTokens).map(({ code, field }) => `${code}:${field}`)
}

describe('a usage record', () => {
  it('that holds has no findings, and neither has one that knows nothing', () => {
    assert.deepEqual(codes({}), [])
    assert.deepEqual(checkUsage(unknownUsage), [])
  })

  it('whose prompt parts do not add up says so with the numbers', () => {
    const [finding] = checkUsage({ ...good, inputTokens: 40 })
    assert.equal(finding?.code, 'input-parts-do-not-add-up')
    assert.match(finding?.message ?? '', /hit 60 \+ miss 30 \+ written 10 = 100, but input is 40/)
    assert.equal(finding?.blocksPricing, true)
  })

  // The story of litellm#6575: a vendor reports input without cached tokens, the adapter keeps it as it is.
  it('catches the other convention when the parts known exceed the whole', () => {
    assert.deepEqual(codes({ inputTokens: 40, missTokens: null }), ['part-exceeds-whole:inputTokens'])
  })

  it('leaves unknown parts alone', () => {
    assert.deepEqual(codes({ hitTokens: null }), [])
    assert.deepEqual(codes({ inputTokens: null, outputTokens: null }), [])
  })

  it('with anything but whole non-negative counts is told so for each count', () => {
    assert.deepEqual(codes({ hitTokens: -1, outputTokens: 1.5 }), ['not-a-count:hitTokens', 'not-a-count:outputTokens'])
    for (const odd of [NaN, Infinity, 2 ** 53])
      assert.deepEqual(codes({ inputTokens: odd }), ['not-a-count:inputTokens'])
  })

  it('cannot have more one-hour writes than writes', () => {
    assert.deepEqual(codes({ written1hTokens: 11 }), ['part-exceeds-whole:writtenTokens'])
  })

  it('may be suspicious and still be billed', () => {
    const findings = checkUsage({ ...good, reasoningTokens: 21 }, 110)
    assert.deepEqual(
      findings.map(({ code, blocksPricing }) => [code, blocksPricing]),
      [
        ['part-exceeds-whole', false],
        ['larger-than-context', false],
      ],
    )
    assert.deepEqual(codes({ source: 'none' }), ['none-with-counts:inputTokens'])
  })
})
