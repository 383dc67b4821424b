/** Laws of the bill, over random usage and every price of the bundled book. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  checkUsage,
  costOf,
  largestCost,
  costTiers,
  isUnpriced,
  priceAt,
  priceRequest,
  selfHostedPrice,
} from '@portolan/meter'
import { add, compare, parseDecimal } from '../src/decimal.ts'
import { bundledBook, usageOf } from './bundled-book.ts'

const counts = fc.record({
  miss: fc.nat(2_000_000),
  hit: fc.nat(2_000_000),
  write5m: fc.nat(100_000),
  write1h: fc.nat(100_000),
  output: fc.nat(400_000),
})
const rate = fc.nat(100_000_000).map((micros) => String(micros / 1_000_000))
const prices = fc
  .record({ input: rate, output: rate, cacheRead: rate, cacheWrite: rate })
  .map((rates) => selfHostedPrice('law', 'USD', rates))
const instants = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2027, 0) })
const names = fc.constantFrom(
  ...bundledBook.records.flatMap(({ vendor, model, currency, aliases }) =>
    [model, ...aliases].map((name) => ({ vendor, model: name, currency })),
  ),
)

describe('laws of the bill', () => {
  it('tiers add up to the total, and the total is within half a nano of the exact sum', () => {
    fc.assert(
      fc.property(counts, prices, (tokens, price) => {
        const cost = costOf(usageOf(tokens), price)
        const total = cost.totalNanos ?? assert.fail()
        assert.equal(
          costTiers.reduce((sum, tier) => sum + (cost.tierNanos[tier] ?? assert.fail()), 0n),
          total,
        )
        const exact = parseDecimal(cost.exactNanos ?? '')
        const error = add({ digits: total, scale: 0 }, { digits: -exact.digits, scale: exact.scale })
        assert.ok(compare(error, parseDecimal('0.5')) <= 0 && compare(error, parseDecimal('-0.5')) >= 0)
      }),
      { seed: 1 },
    )
  })

  it('pricing is additive over disjoint usage at one price, before the rounding of the row', () => {
    fc.assert(
      fc.property(counts, counts, prices, (a, b, price) => {
        const both = {
          miss: a.miss + b.miss,
          hit: a.hit + b.hit,
          write5m: a.write5m + b.write5m,
          write1h: a.write1h + b.write1h,
          output: a.output + b.output,
        }
        const [left, right, sum] = [a, b, both].map((tokens) =>
          parseDecimal(costOf(usageOf(tokens), price).exactNanos ?? ''),
        )
        assert.equal(compare(add(left ?? assert.fail(), right ?? assert.fail()), sum ?? assert.fail()), 0)
      }),
      { seed: 2 },
    )
  })

  it('a lookup has exactly one answer: a price in force at that instant, or a reason', () => {
    fc.assert(
      fc.property(names, instants, fc.nat(400_000), (name, atMs, promptTokens) => {
        const price = priceAt(bundledBook, { ...name, atMs, promptTokens })
        if (isUnpriced(price)) {
          assert.ok(price.message.length > 0)
          return
        }
        const { record } = price
        assert.ok(record !== null && atMs >= record.fromMs && atMs < (record.untilMs ?? Infinity))
        const rivals = bundledBook.records.filter(
          (other) =>
            other !== record &&
            other.vendor === record.vendor &&
            other.currency === record.currency &&
            [other.model, ...other.aliases].includes(name.model) &&
            atMs >= other.fromMs &&
            atMs < (other.untilMs ?? Infinity) &&
            ['list', 'promo', 'promo_then_list'].includes(other.status),
        )
        assert.ok(rivals.length === 0 || record.status === 'promo')
      }),
      { seed: 3, numRuns: 500 },
    )
  })

  it('no request costs more than what is reserved for it', () => {
    fc.assert(
      fc.property(counts, prices, (tokens, price) => {
        const usage = usageOf(tokens)
        const bound = largestCost(price, usage.inputTokens ?? 0, tokens.output) ?? assert.fail()
        assert.ok((costOf(usage, price).totalNanos ?? assert.fail()) <= bound)
      }),
      { seed: 5 },
    )
  })

  it('never throws and never makes a bill from counts that do not hold', () => {
    const odd = fc.option(fc.oneof(fc.nat(1000), fc.double(), fc.integer({ min: -5, max: 5 })))
    const usages = fc.record({
      inputTokens: odd,
      hitTokens: odd,
      missTokens: odd,
      writtenTokens: odd,
      written1hTokens: odd,
      outputTokens: odd,
      reasoningTokens: odd,
    })
    fc.assert(
      fc.property(usages, names, instants, (changes, name, atMs) => {
        const usage = { ...usageOf({}), ...changes }
        const cost = priceRequest(usage, bundledBook, name, atMs)
        assert.equal(cost.totalNanos === null, cost.unpriced !== null)
        if (checkUsage(usage).some(({ blocksPricing }) => blocksPricing)) assert.equal(cost.totalNanos, null)
        if (cost.totalNanos !== null) assert.ok(cost.totalNanos >= 0n)
      }),
      { seed: 4, numRuns: 1000 },
    )
  })
})
