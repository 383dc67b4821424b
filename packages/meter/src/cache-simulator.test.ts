import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  simulateCache,
  type AutomaticCacheRule,
  type CacheRule,
  type MarkedCacheRule,
  type UnitCacheRule,
  type PromptSegment,
  type TimelineRequest,
} from './cache-simulator.ts'
import { checkUsage } from './usage.ts'

const automatic: AutomaticCacheRule = {
  kind: 'automatic',
  minTokens: 128,
  stepTokens: 128,
  lifetimeMs: 3_600_000,
  keepsAnswers: false,
}
const marked: MarkedCacheRule = { kind: 'marked', minTokens: 1024, lookbackSegments: 20 }
const units: UnitCacheRule = { kind: 'units', minTokens: 1, stepTokens: 1, lifetimeMs: 3_600_000 }
const minute = 60_000

function request(atMin: number, ...segments: (string | PromptSegment)[]): TimelineRequest {
  return {
    atMs: atMin * minute,
    scope: 'one',
    outputTokens: 10,
    segments: segments.map((segment) => (typeof segment === 'string' ? { id: segment, tokens: 1000 } : segment)),
  }
}

/** hit/miss/written5m/written1h of each request. */
function splits(rule: CacheRule, ...timeline: TimelineRequest[]): string[] {
  return simulateCache(rule, timeline).map(({ hitTokens, missTokens, writtenTokens, written1hTokens }) =>
    [hitTokens, missTokens, (writtenTokens ?? 0) - (written1hTokens ?? 0), written1hTokens].join('/'),
  )
}

const mark = (id: string, ttl: '5m' | '1h' = '5m', tokens = 1000): PromptSegment => ({ id, tokens, mark: ttl })

describe('an automatic cache', () => {
  it('hits the shared prefix in whole steps and charges no write', () => {
    // 2,000 shared tokens are 15 steps of 128 = 1,920.
    assert.deepEqual(splits(automatic, request(0, 'sys', 'a'), request(1, 'sys', 'a', 'b')), [
      '0/2000/0/0',
      '1920/1080/0/0',
    ])
  })

  it('always computes the last token, even of a prompt it knows whole', () => {
    const whole = { id: 'sys', tokens: 1280 }
    assert.deepEqual(splits(automatic, request(0, whole), request(1, whole)), ['0/1280/0/0', '1152/128/0/0'])
  })

  it('loses everything behind a change, however much is equal after it', () => {
    assert.deepEqual(splits(automatic, request(0, 'sys', 'a', 'b'), request(1, 'sys', 'x', 'b'))[1], '896/2104/0/0')
  })

  it('ignores a prefix below its minimum', () => {
    const rule = { ...automatic, minTokens: 1024 }
    assert.deepEqual(splits(rule, request(0, 'sys', 'a'), request(1, 'sys', 'b'))[1], '0/2000/0/0')
  })

  it('forgets after its lifetime, counted from the last use', () => {
    const turns = [0, 50, 100, 161].map((atMin) => request(atMin, 'sys', 'a'))
    assert.deepEqual(
      splits(automatic, ...turns).map((split) => split.split('/')[0]),
      ['0', '1920', '1920', '0'],
    )
  })

  it('hits the last answer only where answers are kept', () => {
    const first = { ...request(0, 'sys'), answer: { id: 'answer', tokens: 1000 } }
    const second = request(1, 'sys', 'answer', 'next')
    assert.equal(splits(automatic, first, second)[1], '896/2104/0/0')
    assert.equal(splits({ ...automatic, keepsAnswers: true }, first, second)[1], '1920/1080/0/0')
  })

  it('never shares between scopes', () => {
    const other = { ...request(1, 'sys', 'a'), scope: 'two' }
    assert.equal(splits(automatic, request(0, 'sys', 'a'), other)[1], '0/2000/0/0')
  })
})

describe('a marked cache: lifetimes and writes (acceptance check 19)', () => {
  it('writes up to the mark, then reads it, and pays the write again when it has expired', () => {
    const turn = (atMin: number): TimelineRequest => request(atMin, 'sys', mark('a'), 'question')
    assert.deepEqual(splits(marked, turn(0), turn(4), turn(8.9), turn(14)), [
      '0/1000/2000/0',
      '2000/1000/0/0',
      // Each read renews the five minutes.
      '2000/1000/0/0',
      '0/1000/2000/0',
    ])
  })

  it('keeps nothing without a mark', () => {
    assert.deepEqual(splits(marked, request(0, 'sys', 'a'), request(1, 'sys', 'a')), ['0/2000/0/0', '0/2000/0/0'])
  })

  it('extends: a moved mark reads the old prefix and writes the rest', () => {
    assert.deepEqual(splits(marked, request(0, 'sys', mark('a')), request(1, 'sys', 'a', 'b', mark('c'))), [
      '0/0/2000/0',
      '2000/0/2000/0',
    ])
  })

  it('splits writes by lifetime where marks differ', () => {
    const prompt = [mark('tools', '1h', 3000), 'sys', mark('turn', '5m'), 'question']
    assert.deepEqual(splits(marked, request(0, ...prompt), request(30, ...prompt)), [
      '0/1000/2000/3000',
      // After half an hour only the one-hour part is left.
      '3000/1000/2000/0',
    ])
  })

  it('silently keeps nothing below its minimum', () => {
    const short = request(0, mark('sys', '5m', 1023))
    assert.deepEqual(splits(marked, short, { ...short, atMs: 1 }), ['0/1023/0/0', '0/1023/0/0'])
  })

  it('looks back only so far', () => {
    const near = { ...marked, lookbackSegments: 2 }
    const prompt = request(0, 'sys', mark('a'))
    const later = request(1, 'sys', 'a', 'b', 'c', mark('d'))
    assert.equal(splits(marked, prompt, later)[1], '2000/0/3000/0')
    assert.equal(splits(near, prompt, later)[1], '0/0/5000/0')
  })
})

describe('a cache of prefix units: the three documented patterns (acceptance check 19)', () => {
  const hits = (...timeline: TimelineRequest[]): string[] =>
    splits(units, ...timeline).map((split) => split.split('/')[0] ?? '')

  it('A+B, then A+B+C: the first prompt is a unit and is hit whole', () => {
    assert.deepEqual(hits(request(0, 'A', 'B'), request(1, 'A', 'B', 'C')), ['0', '2000'])
  })

  it('A+B, then A+C: a miss, because no unit ends after A', () => {
    assert.deepEqual(hits(request(0, 'A', 'B'), request(1, 'A', 'C')), ['0', '0'])
  })

  it('A+B, A+C, then A+D: the prefix that two requests shared has become a unit, and A is hit', () => {
    assert.deepEqual(hits(request(0, 'A', 'B'), request(1, 'A', 'C'), request(2, 'A', 'D')), ['0', '0', '1000'])
  })

  it('a prompt with its answer is a unit too, as the next turn of a conversation sends it', () => {
    const first = { ...request(0, 'A'), answer: { id: 'answer', tokens: 1000 } }
    assert.deepEqual(hits(first, request(1, 'A', 'answer', 'next')), ['0', '2000'])
  })

  it('a unit is gone after its lifetime, counted from its last use', () => {
    const turns = [0, 50, 100, 161].map((atMin) => request(atMin, 'A', 'B', `turn ${atMin}`))
    assert.deepEqual(hits(request(0, 'A', 'B'), ...turns), ['0', '2000', '2000', '2000', '0'])
  })

  it('hits whole steps only', () => {
    const rule = { ...units, stepTokens: 128 }
    assert.equal(splits(rule, request(0, 'A', 'B'), request(1, 'A', 'B', 'C'))[1], '1920/1080/0/0')
  })
})

describe('any simulated usage', () => {
  it('adds up and is marked as an estimate (law)', () => {
    const segment = fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      tokens: fc.nat(5000),
      mark: fc.constantFrom<'5m' | '1h' | undefined>('5m', '1h', undefined),
    })
    const gaps = fc.array(fc.tuple(fc.nat(4_000_000), fc.array(segment, { maxLength: 6 })), { maxLength: 12 })
    fc.assert(
      fc.property(gaps, fc.constantFrom<CacheRule>(automatic, marked, units), (steps, rule) => {
        let atMs = 0
        const timeline = steps.map(([gap, segments]) => ({
          atMs: (atMs += gap),
          scope: 's',
          segments,
          outputTokens: 1,
        }))
        for (const usage of simulateCache(rule, timeline)) {
          assert.deepEqual(checkUsage(usage), [])
          assert.equal(usage.source, 'estimated')
        }
      }),
      { seed: 9 },
    )
  })

  it('refuses a timeline that runs backwards', () => {
    assert.throws(() => simulateCache(automatic, [request(1, 'a'), request(0, 'a')]), RangeError)
  })
})
