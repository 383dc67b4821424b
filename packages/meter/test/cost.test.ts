/** What a bill says when something is missing, and how tiers are rounded. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  costOf,
  isUnpriced,
  largestCost,
  loadPriceBook,
  priceAt,
  priceRequest,
  selfHostedPrice,
  unknownUsage,
  zeroPrice,
  type PriceKey,
  type RequestCost,
  type UsageRecord,
} from '@portolan/meter'
import { bundledBook, usageOf } from './bundled-book.ts'

const mayDay = Date.UTC(2026, 4, 1)
const pro = { vendor: 'deepseek', model: 'deepseek-v4-pro', currency: 'USD' }

function bill(usage: UsageRecord, key: Partial<PriceKey> = {}, atMs = mayDay): RequestCost {
  return priceRequest(usage, bundledBook, { ...pro, ...key }, atMs)
}

describe('an unpriced request', () => {
  const usage = usageOf({ miss: 10, output: 10 })
  const cases: readonly [what: string, cost: RequestCost, reason: string, says: RegExp][] = [
    ['of a vendor without a list', bill(usage, { vendor: 'nobody' }), 'unknown-vendor', /nobody/],
    ['of an unknown model', bill(usage, { model: 'deepseek-v9' }), 'unknown-model', /deepseek-v9/],
    ['of another vendor with the same model name', bill(usage, { vendor: 'openai' }), 'unknown-model', /openai/],
    ['in a currency without a list', bill(usage, { currency: 'EUR' }), 'currency-not-listed', /USD, CNY, not in EUR/],
    ['before the model had a price', bill(usage, {}, Date.UTC(2026, 3, 23)), 'no-price-in-force', /2026-04-23/],
    [
      'under a name at the second it was retired',
      bill(usage, { model: 'deepseek-chat' }, Date.UTC(2026, 6, 24, 15, 59)),
      'no-price-in-force',
      /2026-07-24T15:59/,
    ],
    [
      'after the end of a list with no successor',
      bill(usage, { vendor: 'moonshot', model: 'kimi-k2.5', currency: 'CNY' }, Date.UTC(2026, 3, 20)),
      'no-price-in-force',
      /kimi-k2.5/,
    ],
    ['with a service tier that has no price', bill(usage, { modifiers: ['batch'] }), 'unknown-modifier', /batch/],
    ['at no instant at all', bill(usage, {}, NaN), 'bad-instant', /NaN/],
    ['outside the calendar', bill(usage, {}, -1e300), 'no-price-in-force', /-1e\+300/],
    ['whose usage nobody reported', bill(unknownUsage), 'count-unknown', /miss.*output/],
    [
      'whose prompt size decides the price and is unknown',
      bill({ ...usage, inputTokens: null }, { vendor: 'openai', model: 'gpt-5.5' }),
      'prompt-size-unknown',
      /gpt-5.5/,
    ],
    [
      'with hits where the vendor lists no hit price',
      bill(usageOf({ hit: 5 }), { vendor: 'openai', model: 'gpt-5.5-pro' }),
      'rate-missing',
      /hit: no rate listed/,
    ],
    ['with a negative count', bill({ ...usage, hitTokens: -1 }), 'bad-usage', /hitTokens is -1/],
    ['with half a token', bill({ ...usage, outputTokens: 0.5 }), 'bad-usage', /outputTokens is 0.5/],
    ['whose parts do not add up', bill({ ...usage, inputTokens: 11 }), 'bad-usage', /= 10, but input is 11/],
  ]
  for (const [what, cost, reason, says] of cases)
    it(`${what} is ${reason}, never zero`, () => {
      assert.equal(cost.totalNanos, null)
      assert.equal(cost.unpriced?.reason, reason)
      assert.match(cost.unpriced?.message ?? '', says)
    })

  it('keeps the parts that have an amount and names those that have none', () => {
    const cost = bill({ ...usageOf({ output: 100 }), inputTokens: 50, hitTokens: null, missTokens: null })
    assert.deepEqual(cost.unpriced?.tiers, ['miss', 'hit'])
    assert.equal(cost.tierNanos.output, 87_000n)
    assert.equal(cost.tierNanos.miss, null)
    assert.equal(cost.totalNanos, null)
    assert.match(cost.versionId ?? '', /promo/)
  })
})

describe('a missing count', () => {
  it('is filled in only where the identity leaves one value', () => {
    const cost = bill({ ...usageOf({ output: 1 }), inputTokens: 1000, hitTokens: 900, missTokens: null })
    assert.equal(cost.tierNanos.miss, 43_500n)
    // 43,500 + 3,262.5 + 870 = 47,632.5: half goes to the even 47,632.
    assert.equal(cost.tierNanos.hit, 3262n)
    assert.equal(cost.totalNanos, 47_632n)
  })

  it('of writes does not matter where writes are plain input', () => {
    const usage = {
      ...usageOf({ output: 1 }),
      inputTokens: 1000,
      hitTokens: 900,
      missTokens: null,
      writtenTokens: null,
    }
    assert.equal(bill(usage).tierNanos.miss, 43_500n)
    const anthropic = bill(usage, { vendor: 'anthropic', model: 'claude-opus-4-7' })
    assert.equal(anthropic.unpriced?.reason, 'count-unknown')
  })

  it('of one-hour writes does not matter where there is one lifetime, and does where there are two', () => {
    const usage = { ...usageOf({ write5m: 1000 }), written1hTokens: null }
    const july = Date.UTC(2026, 6, 10)
    assert.equal(bill(usage, { vendor: 'openai', model: 'gpt-5.6-sol' }, july).totalNanos, 6_250_000n)
    const anthropic = bill(usage, { vendor: 'anthropic', model: 'claude-opus-4-8' }, july)
    assert.deepEqual(anthropic.unpriced?.tiers, ['write5m', 'write1h'])
  })

  it('of hits does not matter where hits cost as much as misses', () => {
    const usage = { ...usageOf({ output: 1000 }), inputTokens: 2000, hitTokens: null, missTokens: null }
    const price = selfHostedPrice('cluster', 'USD', { input: '0.10', output: '0.20' })
    assert.equal(costOf(usage, price).totalNanos, 400_000n)
  })
})

describe('a price of one’s own', () => {
  it('is exact, has its own version, and a new version when it changes', () => {
    const price = selfHostedPrice('cluster', 'EUR', { input: 0.1, output: '0.2', cacheRead: '0.0125' })
    const cost = costOf(usageOf({ miss: 1000, hit: 1000, write5m: 10, output: 10 }), price)
    assert.equal(cost.totalNanos, 100_000n + 12_500n + 1000n + 2000n)
    assert.match(cost.versionId ?? '', /^self-hosted\/cluster@[0-9a-f]{12}$/)
    assert.notEqual(selfHostedPrice('cluster', 'EUR', { input: 0.2, output: '0.2' }).versionId, price.versionId)
    assert.equal(
      selfHostedPrice('cluster', 'EUR', { input: '0.10', output: '0.20', cacheRead: 0.0125 }).versionId,
      price.versionId,
    )
  })

  it('cannot be negative or anything but a number', () => {
    for (const input of ['-1', 'free', '', '1e999', NaN, Infinity])
      assert.throws(() => selfHostedPrice('x', 'USD', { input, output: 0 }), { code: 'METER_BAD_DECIMAL' })
  })

  it('may be zero, and says so on the row', () => {
    const cost = costOf(usageOf({ miss: 5, output: 5 }), zeroPrice('local/free', 'USD'))
    assert.deepEqual([cost.totalNanos, cost.versionId, cost.unpriced], [0n, 'local/free', null])
    // Free of charge does not need a split of the prompt, but it does need to know that something was used.
    const unsplit = { ...usageOf({ output: 5 }), inputTokens: 9, hitTokens: null, missTokens: null }
    assert.equal(costOf(unsplit, zeroPrice('local/free', 'USD')).totalNanos, 0n)
  })
})

describe('rounding', () => {
  it('gives left-over nanos to the largest fractions, so that tiers add up to the total', () => {
    // 435 + 3.625 + 870 = 1308.625 -> 1309.
    const cost = bill(usageOf({ miss: 1, hit: 1, output: 1 }))
    assert.equal(cost.exactNanos, '1308.625')
    assert.equal(cost.totalNanos, 1309n)
    assert.deepEqual(cost.tierNanos, { miss: 435n, hit: 4n, write5m: 0n, write1h: 0n, output: 870n })
  })

  it('never takes a nano from a tier that is whole', () => {
    const price = selfHostedPrice('x', 'USD', { input: '0.0004', output: '0.0004', cacheRead: '0.001' })
    // 0.4 + 1 + 0.4 = 1.8 -> 2: one of the 0.4 gets the nano.
    const cost = costOf(usageOf({ miss: 1, hit: 1, output: 1 }), price)
    assert.deepEqual(cost.tierNanos, { miss: 1n, hit: 1n, write5m: 0n, write1h: 0n, output: 0n })
  })
})

describe('the version on the row', () => {
  it('names the record, its content and the variant', () => {
    assert.match(
      bill(usageOf({ miss: 1 })).versionId ?? '',
      /^deepseek\/deepseek-v4-pro\/USD\/2026-04-26\/promo@[0-9a-f]{12}$/,
    )
    const peak = bill(usageOf({ miss: 1 }), {}, Date.UTC(2026, 10, 23, 2)).versionId
    const offPeak = bill(usageOf({ miss: 1 }), {}, Date.UTC(2026, 10, 23, 11)).versionId
    assert.match(peak ?? '', /\+peak$/)
    assert.match(offPeak ?? '', /\+off-peak$/)
    const fast = bill(usageOf({ miss: 1 }), { vendor: 'anthropic', model: 'claude-opus-4-7', modifiers: ['fast'] })
    assert.match(fast.versionId ?? '', /\+fast$/)
  })

  it('prices by the start: a stream that runs into the next price keeps the first', () => {
    assert.equal(bill(usageOf({ output: 1_000_000 }), {}, Date.UTC(2026, 7, 16, 15, 59, 59)).totalNanos, 870_000_000n)
  })

  it('takes the first of several names that the book knows', () => {
    const cost = bill(usageOf({ miss: 1000 }), { model: ['their-private-name', 'deepseek-v4-pro'] })
    assert.equal(cost.totalNanos, 435_000n)
  })
})

describe('a reasoning price of its own', () => {
  const file = (reasoning: number): string =>
    JSON.stringify({
      schema_version: 1,
      records: [
        {
          id: 'a',
          vendor: 'v',
          model: 'm',
          currency: 'USD',
          effective_from: '2026-01-01',
          effective_to: null,
          status: 'list',
          rates: { input: 1, output: 2, reasoning },
          tiers: [{ when: { prompt_tokens_gt: 1000 }, rates: { input: 1, output: 4 } }],
          modifiers: { batch: 0.5 },
        },
      ],
    })
  const key = { vendor: 'v', model: 'm', currency: 'USD' }
  const usage = { ...usageOf({ miss: 100, output: 1000 }), reasoningTokens: 600 }
  const bill = (reasoning: number, changes: Partial<UsageRecord> = {}, modifiers: string[] = []) =>
    priceRequest({ ...usage, ...changes }, loadPriceBook(file(reasoning)), { ...key, modifiers }, Date.UTC(2026, 5))

  it('bills thought and answer apart, within the output tier', () => {
    // 100 x 1 + 400 x 2 + 600 x 8, per million.
    assert.equal(bill(8).totalNanos, 5_700_000n)
    assert.equal(bill(8).tierNanos.output, 5_600_000n)
    assert.equal(bill(8, {}, ['batch']).totalNanos, 2_850_000n)
  })

  it('keeps its ratio to output in a context tier', () => {
    // 2,000 x 1 + 400 x 4 + 600 x 16.
    const long = usageOf({ miss: 2000, output: 1000 })
    assert.equal(bill(8, { ...long, reasoningTokens: 600 }).totalNanos, 13_200_000n)
  })

  it('needs to know how much was thought, unless it costs the same or nothing was said', () => {
    assert.equal(bill(8, { reasoningTokens: null }).unpriced?.reason, 'count-unknown')
    assert.equal(bill(2, { reasoningTokens: null }).totalNanos, 2_100_000n)
    assert.equal(bill(8, { reasoningTokens: null, outputTokens: 0 }).totalNanos, 100_000n)
  })

  it('is in the largest bill that a budget holds', () => {
    const price = priceAt(loadPriceBook(file(8)), { ...key, atMs: Date.UTC(2026, 5), promptTokens: 100 })
    assert.equal(isUnpriced(price) ? null : largestCost(price, 100, 1000), 8_100_000n)
  })
})
