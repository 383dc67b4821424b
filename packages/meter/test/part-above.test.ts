/**
 * Tiers that re-price only the part of the prompt above a threshold: worked bills by hand, then laws.
 *
 * No bundled record uses this form, so the prices are an invented vendor's. The prompt is laid out as caches see it:
 * hits, then writes for an hour, then writes for five minutes, then misses; the answer keeps its one rate.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  announcedChanges,
  costOf,
  costTiers,
  diffPrices,
  isUnpriced,
  largestCost,
  lintPriceFile,
  loadPriceBook,
  priceAt,
  priceRequest,
  type Price,
  type PriceBook,
} from '@portolan/meter'
import { add, compare, formatDecimal, multiply, parseDecimal, zero } from '../src/decimal.ts'
import { usageOf, type Counts } from './bundled-book.ts'

type Fields = Record<string, unknown>

const record: Fields = {
  id: 'acme/m1',
  vendor: 'acme',
  model: 'm1',
  currency: 'USD',
  effective_from: '2026-01-01',
  effective_to: null,
  status: 'list',
  context_tier_applies: 'above',
  rates: { input: 2, output: 10, cache_read: 0.2, cache_write_5m: 2.5, cache_write_1h: 4 },
  // Writes above keep their ratio to input: 3.75 and 6.
  tiers: [{ when: { prompt_tokens_gt: 200_000 }, rates: { input: 3, cache_read: 0.3 } }],
  modifiers: { batch: 0.5 },
}
const steps: Fields = {
  ...record,
  id: 'acme/steps',
  model: 'steps',
  rates: { input: 1, output: 1 },
  tiers: [
    { when: { prompt_tokens_gt: 200 }, rates: { input: 4 } },
    { when: { prompt_tokens_gt: 100 }, rates: { input: 2 } },
  ],
}
const whole: Fields = { ...record, id: 'acme/whole', model: 'whole', context_tier_applies: 'whole' }

function fileOf(...records: Fields[]): string {
  return JSON.stringify({ schema_version: 1, as_of: '2026-11-23', records })
}

const book: PriceBook = loadPriceBook(fileOf(record, steps, whole))
const atMs = Date.UTC(2026, 5)

function priceFor(promptTokens: number, prices = book, model = 'm1'): Price {
  const price = priceAt(prices, { vendor: 'acme', model, currency: 'USD', atMs, promptTokens })
  return isUnpriced(price) ? assert.fail(price.message) : price
}

const bills: readonly {
  readonly what: string
  readonly model?: string
  readonly modifiers?: readonly string[]
  readonly tokens: Counts
  readonly nanos: bigint
}[] = [
  // 199,999 x 2,000 + 10,000,000
  { what: 'one token below the threshold', tokens: { miss: 199_999, output: 1000 }, nanos: 409_998_000n },
  { what: 'exactly at the threshold', tokens: { miss: 200_000, output: 1000 }, nanos: 410_000_000n },
  // 400,000,000 + 1 x 3,000 + 10,000,000: one token is dearer, not the whole request.
  { what: 'one token above', tokens: { miss: 200_001, output: 1000 }, nanos: 410_003_000n },
  // 150,000 x 200 + 50,000 x 2,000 + 1 x 3,000 + 10,000,000
  { what: 'one above, hits lie below', tokens: { hit: 150_000, miss: 50_001, output: 1000 }, nanos: 140_003_000n },
  // 200,000 x 200 + 1 x 300 + 1 x 3,000
  { what: 'hits that reach past the threshold', tokens: { hit: 200_001, miss: 1 }, nanos: 40_003_300n },
  {
    what: 'five-minute writes on both sides, one-hour writes below, misses above',
    tokens: { hit: 100_000, write1h: 60_000, write5m: 50_000, miss: 10, output: 1000 },
    // 20,000,000 + 240,000,000 + (40,000 x 2,500 + 10,000 x 3,750) + 30,000 + 10,000,000
    nanos: 407_530_000n,
  },
  // 150,000 x 200 + 50,000 x 4,000 + 1 x 6,000
  { what: 'one-hour writes on both sides', tokens: { hit: 150_000, write1h: 50_001 }, nanos: 230_006_000n },
  { what: 'one above, in a batch', modifiers: ['batch'], tokens: { miss: 200_001, output: 1000 }, nanos: 205_001_500n },
  // 100 x 1,000 + 100 x 2,000 + 50 x 4,000
  { what: 'two thresholds, past both', model: 'steps', tokens: { miss: 250 }, nanos: 500_000n },
  { what: 'two thresholds, at the second', model: 'steps', tokens: { miss: 200 }, nanos: 300_000n },
  { what: 'two thresholds, one past the second', model: 'steps', tokens: { miss: 201 }, nanos: 304_000n },
]

describe('worked bills: a tier for the part above', () => {
  for (const { what, model = 'm1', modifiers, tokens, nanos } of bills)
    it(what, () => {
      const cost = priceRequest(usageOf(tokens), book, { vendor: 'acme', model, currency: 'USD', modifiers }, atMs)
      assert.equal(cost.unpriced, null)
      assert.equal(cost.totalNanos, nanos)
      assert.equal(
        costTiers.reduce((sum, tier) => sum + (cost.tierNanos[tier] ?? 0n), 0n),
        nanos,
      )
    })

  it('is named in the version of the price only where it was used', () => {
    assert.match(priceFor(200_000).versionId, /^acme\/m1@[0-9a-f]{12}$/)
    assert.match(priceFor(200_001).versionId, /^acme\/m1@[0-9a-f]{12}\+part>200000$/)
  })

  it('needs the split of the prompt where it crosses a threshold, and says so', () => {
    const usage = { ...usageOf({ output: 1 }), inputTokens: 200_001, hitTokens: null, missTokens: null }
    const cost = costOf(usage, priceFor(200_001))
    assert.equal(cost.unpriced?.reason, 'count-unknown')
    assert.deepEqual(cost.unpriced?.tiers, ['miss', 'hit'])
  })

  it('has no amount for hits above where the part above lists no price of hits', () => {
    const tiers = [{ when: { prompt_tokens_gt: 10 }, rates: { input: 3 } }]
    const cost = costOf(usageOf({ hit: 11 }), priceFor(11, loadPriceBook(fileOf({ ...record, tiers }))))
    assert.equal(cost.unpriced?.reason, 'rate-missing')
  })
})

describe('context_tier_applies', () => {
  const refusal = (changes: Fields): string | undefined =>
    lintPriceFile(fileOf({ ...record, ...changes })).find(({ severity }) => severity === 'error')?.message

  it('is whole unless the record says above', () => {
    const { context_tier_applies: _left, ...silent } = record
    const price = priceFor(200_001, loadPriceBook(fileOf(silent)))
    assert.equal(formatDecimal(price.rates.input ?? assert.fail()), '3')
    assert.deepEqual([price.partsAbove, price.variant], [[], ['prompt>200000']])
    assert.deepEqual(priceFor(200_001, book, 'whole').variant, ['prompt>200000'])
  })

  it('is refused when it is another word, is about no tier, or the tier prices the answer', () => {
    assert.match(refusal({ context_tier_applies: 'part' }) ?? '', /context_tier_applies: neither whole nor above/)
    assert.match(refusal({ tiers: undefined }) ?? '', /context_tier_applies: there are no tiers/)
    const tiers = [{ when: { prompt_tokens_gt: 10 }, rates: { input: 3, output: 20 } }]
    assert.match(refusal({ tiers }) ?? '', /tiers\[0\].rates: a tier of the part above prices prompt tokens/)
    assert.equal(refusal({ tiers, context_tier_applies: 'whole' }), undefined)
  })

  it('lint warns of what has a price below and none above', () => {
    const tiers = [{ when: { prompt_tokens_gt: 10 }, rates: { input: 3 } }]
    const findings = lintPriceFile(fileOf({ ...record, tiers }))
    assert.deepEqual(
      findings.map(({ code, path, message }) => [code, path.join('.'), message]),
      [['gap', 'records.0.tiers.0', 'acme/m1: the part above 10 tokens lists no cache_read: unpriced there']],
    )
  })

  it('is a difference between two books', () => {
    const view = (changes: Fields) => ({ book: loadPriceBook(fileOf({ ...record, ...changes })), atMs })
    const [change] = diffPrices(view({ context_tier_applies: 'whole' }), view({}))
    assert.ok(change?.fields.some(({ field, after }) => field === 'part above 200000 input' && after === '3'))
  })

  it('in a forecast: a thousand requests below the threshold are not one request above it', () => {
    const next: Fields = { ...record, id: 'next', effective_from: '2026-07-01', announced_at: '2026-05-01' }
    const { context_tier_applies: _left, tiers: _none, ...flat } = next
    const prices = loadPriceBook(fileOf({ ...record, effective_to: '2026-07-01' }, flat))
    const recent = [
      { vendor: 'acme', model: 'm1', atMs, usage: usageOf({ miss: 100_000_000, output: 1000 }), requests: 1000 },
    ]
    // 100,000 tokens each, at the same rates before and after: nothing changes.
    assert.deepEqual(announcedChanges(prices, 'USD', recent, atMs, Date.UTC(2026, 8)), [])
  })
})

// ------------------------------------------------------------------------------------------------ laws

const kinds = ['hit', 'write1h', 'write5m', 'miss'] as const
const counts = fc.record({
  hit: fc.nat(40),
  write1h: fc.nat(20),
  write5m: fc.nat(20),
  miss: fc.nat(40),
  output: fc.nat(20),
})
const rising = fc.record({ rates: fc.array(fc.nat(5000), { minLength: 4, maxLength: 4 }), above: fc.nat(60) })
const lists = fc.array(rising, { minLength: 1, maxLength: 4 }).map((given) => {
  // Each part at least as dear as the one below it.
  let rates = [0, 0, 0, 0]
  const parts = given
    .toSorted((a, b) => a.above - b.above)
    .map((part) => ({
      above: part.above,
      rates: (rates = rates.map((rate, index) => rate + (part.rates[index] ?? 0))),
    }))
  return parts.filter(({ above }, index) => index === 0 || above !== parts[index - 1]?.above)
})
type Parts = readonly { readonly above: number; readonly rates: readonly number[] }[]

function priceOfParts([first, ...above]: Parts, promptTokens: number): Price {
  const rates = (of: readonly number[] = []): Fields => ({
    cache_read: of[0],
    cache_write_1h: of[1],
    cache_write_5m: of[2],
    input: of[3],
  })
  const tiers = above.map((part) => ({ when: { prompt_tokens_gt: part.above }, rates: rates(part.rates) }))
  const text = fileOf({ ...record, rates: { ...rates(first?.rates), output: 7 }, tiers })
  return priceFor(promptTokens, loadPriceBook(text))
}

function size({ hit = 0, write1h = 0, write5m = 0, miss = 0 }: Counts): number {
  return hit + write1h + write5m + miss
}

function exact(tokens: Counts, parts: Parts): ReturnType<typeof parseDecimal> {
  return parseDecimal(costOf(usageOf(tokens), priceOfParts(parts, size(tokens))).exactNanos ?? assert.fail())
}

function sumOf(a: Required<Counts>, b: Required<Counts>): Required<Counts> {
  return {
    hit: a.hit + b.hit,
    write1h: a.write1h + b.write1h,
    write5m: a.write5m + b.write5m,
    miss: a.miss + b.miss,
    output: a.output + b.output,
  }
}

describe('laws of a tier for the part above', () => {
  it('the bill is the sum over tokens one by one, each at the rate of its place', () => {
    fc.assert(
      fc.property(counts, lists, (tokens, parts) => {
        let sum = multiply(parseDecimal(tokens.output), parseDecimal(7000))
        let place = 0
        for (const [index, kind] of kinds.entries())
          for (let count = 0; count < tokens[kind]; count++, place++) {
            const part = parts.findLast(({ above }, at) => at === 0 || place >= above)
            sum = add(sum, parseDecimal((part?.rates[index] ?? assert.fail()) * 1000))
          }
        assert.equal(compare(exact(tokens, parts), sum), 0)
      }),
      { seed: 21 },
    )
  })

  it('where rates rise: one more token of any kind never makes a request cheaper', () => {
    fc.assert(
      fc.property(counts, lists, fc.constantFrom(...kinds, 'output' as const), (tokens, parts, kind) => {
        const more = { ...tokens, [kind]: tokens[kind] + 1 }
        assert.ok(compare(exact(more, parts), exact(tokens, parts)) >= 0)
      }),
      { seed: 22 },
    )
  })

  it('where rates rise: one long request costs at least its parts sent apart, and as much below the threshold', () => {
    fc.assert(
      fc.property(counts, counts, lists, (a, b, parts) => {
        const both = sumOf(a, b)
        const apart = add(exact(a, parts), exact(b, parts))
        const together = exact(both, parts)
        assert.ok(compare(together, apart) >= 0)
        if (size(both) <= (parts[1]?.above ?? Infinity)) assert.equal(compare(together, apart), 0)
      }),
      { seed: 23 },
    )
  })

  it('the answer is additive on either side of the threshold', () => {
    fc.assert(
      fc.property(counts, fc.nat(100), lists, (tokens, more, parts) => {
        const longer = exact({ ...tokens, output: tokens.output + more }, parts)
        assert.equal(compare(longer, add(exact(tokens, parts), parseDecimal(more * 7000))), 0)
      }),
      { seed: 24 },
    )
  })

  it('no request costs more than what is reserved for it, also when its prompt turns out shorter', () => {
    fc.assert(
      fc.property(counts, fc.nat(50), lists, (tokens, slack, parts) => {
        const prompt = size(tokens) + slack
        const bound = largestCost(priceOfParts(parts, prompt), prompt, tokens.output) ?? assert.fail()
        assert.ok(compare({ digits: bound, scale: 0 }, add(exact(tokens, parts), zero)) >= 0)
      }),
      { seed: 25 },
    )
  })
})
