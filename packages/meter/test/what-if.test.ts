/** The same traffic under another model, day, tokenizer and cache, by hand. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  cacheRuleOf,
  loadPriceBook,
  repriceTraffic,
  simulateCache,
  stackPriceBooks,
  unknownUsage,
  type CacheRule,
  type RecordedRequest,
  type RepricedTraffic,
  type WhatIf,
} from '@portolan/meter'
import { bundledBook, usageOf } from './bundled-book.ts'

const noon = Date.parse('2026-11-20T12:00:00Z')

function request(fields: Partial<RecordedRequest> = {}): RecordedRequest {
  return {
    startedAtMs: noon,
    sessionId: 's1',
    usage: usageOf({ miss: 100_000, hit: 900_000, output: 25_000 }),
    currency: 'USD',
    costNanos: 1_000_000_000n,
    tierNanos: null,
    bytesIn: 4_000_000,
    prefixKeptBytes: null,
    ...fields,
  }
}

function priced(requests: RecordedRequest[], fields: Partial<WhatIf> = {}): RepricedTraffic {
  return repriceTraffic(requests, {
    book: bundledBook,
    vendor: 'deepseek',
    model: 'deepseek-v4-pro',
    currency: 'USD',
    atMs: Date.parse('2026-04-27'),
    hits: { kind: 'observed' },
    tokenizerRatio: 1,
    outputRatio: 1,
    writesMisses: false,
    ...fields,
  })
}

describe('what if', () => {
  it('another day: 1M prompt tokens at 90 % hits and 25K answered cost 0.0685125 in the promotion', () => {
    // 0.1 x 0.435 + 0.9 x 0.003625 + 0.025 x 0.87
    const result = priced([request()])
    assert.equal(result.totalNanos, 68_512_500n)
    assert.deepEqual(result.tiers.hit, { tokens: 900_000, nanos: 3_262_500n })
    assert.deepEqual([...result.recordedNanos], [['USD', 1_000_000_000n]])
  })

  it('today, with the request’s own clock deciding about peak hours', () => {
    // 20 November 2026 is a Friday: 12:00 UTC is 20:00 in Beijing, off-peak; 02:00 UTC is peak.
    const off = priced([request()], { atMs: null })
    const peak = priced([request({ startedAtMs: Date.parse('2026-11-20T02:00:00Z') })], { atMs: null })
    assert.equal(off.totalNanos, 66_000_000n + 19_800_000n + 49_500_000n)
    assert.equal(peak.totalNanos, 2n * off.totalNanos)
    const fixed = priced([request({ startedAtMs: Date.parse('2026-11-20T02:00:00Z') })], {
      atMs: Date.parse('2026-10-01'),
    })
    assert.equal(fixed.totalNanos, peak.totalNanos)
  })

  it('another hit rate and tokenizer', () => {
    // 1.35M tokens, half of them hits; 33,750 answered.
    const result = priced([request()], { hits: { kind: 'share', share: 0.5 }, tokenizerRatio: 1.35 })
    assert.deepEqual(result.tiers.hit.tokens, 675_000)
    assert.equal(result.totalNanos, 293_625_000n + 2_446_875n + 29_362_500n)
  })

  it('a vendor that bills writes, when every miss is written', () => {
    const opus = { vendor: 'anthropic', model: 'claude-opus-4-7', writesMisses: true }
    // 0.1 x 6.25 + 0.9 x 0.5 + 0.025 x 25
    assert.equal(priced([request()], opus).totalNanos, 625_000_000n + 450_000_000n + 625_000_000n)
  })

  it('a context threshold is met request by request, not by the sum', () => {
    const gpt = { vendor: 'openai', model: 'gpt-5.5', atMs: Date.parse('2026-05-01') }
    const small = usageOf({ miss: 272_000 })
    const large = usageOf({ miss: 272_001 })
    assert.equal(priced([request({ usage: small }), request({ usage: small })], gpt).totalNanos, 2_720_000_000n)
    assert.equal(priced([request({ usage: large })], gpt).totalNanos, 2_720_010_000n)
  })

  it('what has no price or no usage is counted, never zero', () => {
    const unknown = request({ usage: unknownUsage })
    const result = priced([unknown, request()], { atMs: Date.parse('2026-01-01') })
    assert.equal(result.requests, 0)
    assert.equal(result.withoutUsage, 1)
    assert.deepEqual([...result.unpriced], [['no-price-in-force', 1]])
    const noHits = priced([request()], { vendor: 'openai', model: 'gpt-5.5-pro', atMs: Date.parse('2026-05-01') })
    assert.deepEqual([...noHits.unpriced], [['rate-missing', 1]])
  })
})

describe('how a cache is simulated', () => {
  it("DeepSeek's rule hits what probes of its API hit: the shared prefix in steps of 128, after one request", () => {
    const rule = cacheRuleOf(bundledBook, 'deepseek', 'deepseek-v4-pro')
    assert.ok(rule?.kind === 'automatic' && rule.keepsAnswers)
    const hits = (by: CacheRule, sharedTokens: number): (number | null)[] => {
      const ask = (own: string, atMs: number) => ({
        atMs,
        scope: 'account',
        segments: [
          { id: 'shared', tokens: sharedTokens },
          { id: own, tokens: 500 },
        ],
        outputTokens: 10,
      })
      return simulateCache(by, [ask('a', 0), ask('b', 60_000)]).map(({ hitTokens }) => hitTokens)
    }
    // Probes of August 2026, flash and pro; 609 = 4 x 128 + 97, so 512, and so on.
    const probes = [
      [609, 512],
      [919, 896],
      [1699, 1664],
      [2609, 2560],
      [3893, 3840],
      [850, 768],
      [2410, 2304],
    ] as const
    for (const [shared, hit] of probes) assert.deepEqual(hits(rule, shared), [0, hit])
    // Whole units without the intervals that the guide speaks of would have needed one request more.
    const units: CacheRule = { kind: 'units', minTokens: 128, stepTokens: 128, lifetimeMs: null }
    for (const [shared] of probes) assert.deepEqual(hits(units, shared), [0, 0])
  })

  it('is data of the price book: the most special rule first, an override above it', () => {
    const rule = (model: string) => cacheRuleOf(bundledBook, 'anthropic', model)?.minTokens
    assert.deepEqual([rule('claude-opus-5-5'), rule('claude-opus-4-6'), rule('claude-sonnet-5')], [512, 4096, 1024])
    assert.equal(cacheRuleOf(bundledBook, 'nobody', 'm'), null)
    const own = { vendor: 'nobody', kind: 'automatic', min_tokens: 1, step_tokens: 8, lifetime_ms: null }
    const file = { schema_version: 1, records: [], cache_simulation: [own] }
    const both = stackPriceBooks(loadPriceBook(JSON.stringify(file)), bundledBook) ?? assert.fail()
    assert.equal(cacheRuleOf(both, 'nobody', 'm')?.kind, 'automatic')
    assert.equal(cacheRuleOf(both, 'anthropic', 'claude-sonnet-5')?.minTokens, 1024)
    const bad = { ...file, cache_simulation: [{ ...own, kind: 'magic' }] }
    assert.throws(() => loadPriceBook(JSON.stringify(bad)), /neither automatic nor marked nor units/)
  })
})

describe('a simulated cache', () => {
  const turn = (atMs: number, kept: number | null, sessionId: string | null = 's1'): RecordedRequest =>
    request({ startedAtMs: atMs, sessionId, usage: usageOf({ miss: 10_000 }), bytesIn: 40_000, prefixKeptBytes: kept })
  const rule = (vendor: string, model = '') => cacheRuleOf(bundledBook, vendor, model) ?? assert.fail()

  it('by blocks: a second turn that kept half of its bytes hits half of its tokens, in steps of 128', () => {
    const result = priced([turn(noon, null), turn(noon + 60_000, 20_000)], {
      hits: { kind: 'simulated', rule: rule('deepseek') },
    })
    assert.equal(result.tiers.hit.tokens, 39 * 128)
    assert.equal(result.tiers.miss.tokens, 20_000 - 39 * 128)
  })

  it('by marks: five minutes later it is gone, and what is not read is written', () => {
    const hits = { kind: 'simulated', rule: rule('anthropic', 'claude-opus-4-7') } as const
    const opus = { vendor: 'anthropic', model: 'claude-opus-4-7', hits }
    const soon = priced([turn(noon, null), turn(noon + 300_000, 20_000)], opus)
    assert.deepEqual([soon.tiers.hit.tokens, soon.tiers.write5m.tokens], [5000, 15_000])
    const late = priced([turn(noon, null), turn(noon + 300_001, 20_000)], opus)
    assert.deepEqual([late.tiers.hit.tokens, late.tiers.write5m.tokens], [0, 20_000])
  })

  it('takes requests of no known conversation as cold, and says how many tokens they were', () => {
    const result = priced([turn(noon, 20_000, null)], { hits: { kind: 'simulated', rule: rule('deepseek') } })
    assert.equal(result.coldTokens, 10_000)
    assert.equal(result.tiers.hit.tokens, 0)
  })
})
