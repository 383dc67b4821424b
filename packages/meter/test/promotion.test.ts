/** Promotions stated as a factor of their base: worked bills by hand, refusals, and the law of stacking. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isUnpriced, lintPriceFile, loadPriceBook, priceAt, priceRequest, type PriceBook } from '@portolan/meter'
import { compare, multiply, parseDecimal } from '../src/decimal.ts'
import { usageOf } from './bundled-book.ts'

type Fields = Record<string, unknown>

const name = { vendor: 'acme', model: 'm1', currency: 'USD' }
const spring: Fields = {
  ...name,
  id: 'spring',
  effective_from: '2026-01-01',
  effective_to: '2026-06-01',
  status: 'list',
  rates: { input: 1.74, output: 3.48, cache_read: 0.0145 },
  tiers: [{ when: { prompt_tokens_gt: 10_000 }, rates: { input: 3.48, output: 6.96 } }],
  modifiers: { batch: 0.5 },
}
const summer: Fields = {
  ...spring,
  id: 'summer',
  effective_from: '2026-06-01',
  effective_to: null,
  rates: { input: 2, output: 4, cache_read: 0.02 },
  tiers: undefined,
}
const promo: Fields = {
  ...name,
  id: 'promo',
  effective_from: '2026-05-01',
  effective_to: '2026-07-01',
  status: 'promo',
  base_factor: 0.25,
}

function fileOf(...records: Fields[]): string {
  return JSON.stringify({ schema_version: 1, as_of: '2026-11-23', records })
}

const book: PriceBook = loadPriceBook(fileOf(spring, promo, summer))
const tokens = usageOf({ miss: 1000, hit: 9000, output: 100 })

describe('worked bills: a promotion of 0.25 of its base', () => {
  const bills = [
    // 1,000 x 1,740 + 9,000 x 14.5 + 100 x 3,480
    ['a millisecond before', '2026-04-30T23:59:59.999Z', 2_218_500n],
    // 1,000 x 435 + 9,000 x 3.625 + 100 x 870
    ['on its first instant', '2026-05-01T00:00:00Z', 554_625n],
    ['a millisecond before its base changes', '2026-05-31T23:59:59.999Z', 554_625n],
    // 1,000 x 500 + 9,000 x 5 + 100 x 1,000
    ['when its base has changed', '2026-06-01T00:00:00Z', 645_000n],
    ['in its last millisecond', '2026-06-30T23:59:59.999Z', 645_000n],
    // 1,000 x 2,000 + 9,000 x 20 + 100 x 4,000
    ['when it has ended', '2026-07-01T00:00:00Z', 2_580_000n],
  ] as const
  for (const [what, at, nanos] of bills)
    it(what, () => assert.equal(priceRequest(tokens, book, name, Date.parse(at)).totalNanos, nanos))

  it('takes tiers and modifiers of the base along', () => {
    // 10,001 x 3,480 x 0.25 x 0.5
    const cost = priceRequest(usageOf({ miss: 10_001 }), book, { ...name, modifiers: ['batch'] }, Date.UTC(2026, 4, 2))
    assert.equal(cost.totalNanos, 4_350_435n)
  })

  it('is another version over another base, and both are in the list of records', () => {
    const version = (at: string) => priceRequest(tokens, book, name, Date.parse(at)).versionId
    assert.match(version('2026-05-02') ?? '', /^promo@/)
    assert.notEqual(version('2026-05-02'), version('2026-06-02'))
    assert.deepEqual(
      book.records.map(({ id, baseId, fromMs }) => [id, baseId, new Date(fromMs).toISOString().slice(0, 10)]),
      [
        ['spring', null, '2026-01-01'],
        ['promo', 'spring', '2026-05-01'],
        ['promo', 'summer', '2026-06-01'],
        ['summer', null, '2026-06-01'],
      ],
    )
  })

  it('in a forecast follows the base that was known: before June was announced, spring goes on', () => {
    const june = Date.UTC(2026, 5, 2)
    const price = priceAt(book, { ...name, atMs: june, promptTokens: 1, knownAtMs: Date.UTC(2026, 4, 10) })
    assert.equal(isUnpriced(price) ? null : price.record?.baseId, 'spring')
  })

  it('may stand on a list that it suspends', () => {
    const prices = loadPriceBook(fileOf({ ...spring, status: 'list_suspended_by_promo', effective_to: null }, promo))
    assert.equal(priceRequest(tokens, prices, name, Date.UTC(2026, 5, 2)).totalNanos, 554_625n)
  })
})

describe('a promotion as a factor is refused', () => {
  const error = (...records: Fields[]): string =>
    lintPriceFile(fileOf(...records))
      .filter(({ severity }) => severity === 'error')
      .map(({ code, path, message }) => `${code} ${path.join('.')} ${message}`)
      .join('; ')
  it('without a base, or with one for a part of its time', () => {
    assert.match(error(promo), /unreadable records.0 "promo" is a factor .* none in its file at 2026-05-01/)
    assert.match(error(spring, promo), /unreadable records.1 .* none in its file at 2026-06-01/)
    assert.throws(() => loadPriceBook(fileOf({ ...spring, model: 'm2' }, promo)), { code: 'METER_BAD_PRICE_FILE' })
    assert.match(error(spring, summer, { ...promo, aliases: ['m1-latest'] }), /list price of "m1-latest"/)
  })
  it('with rates of its own, as a list, or outside of 0 to 1', () => {
    assert.match(error(spring, summer, { ...promo, rates: { input: 1 } }), /rates: comes from the base/)
    assert.match(error(spring, summer, { ...promo, status: 'list' }), /only a promo is a factor/)
    for (const factor of [0, 1.5, -0.1, 'half'])
      assert.match(error(spring, summer, { ...promo, base_factor: factor }), /base_factor/)
  })
  it('over another promotion: factors never multiply', () => {
    assert.match(error(spring, summer, promo, { ...promo, id: 'second' }), /overlap records.3/)
  })
})

describe('the law of stacking', () => {
  it('at every instant one record answers: the list, or exactly the factor times the list in force', () => {
    const day = 86_400_000
    const iso = (days: number): string => new Date(Date.UTC(2026, 0) + days * day).toISOString()
    const sorted = (days: number[]): number[] => days.toSorted((a, b) => a - b)
    const lists = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 5 }).map(sorted)
    const promotions = fc.uniqueArray(fc.integer({ min: 0, max: 100 }), { minLength: 2, maxLength: 6 }).map(sorted)
    const factors = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 3, maxLength: 3 })
    fc.assert(
      fc.property(
        lists,
        promotions,
        factors,
        fc.array(fc.integer({ min: 0, max: 120 })),
        (cuts, edges, parts, days) => {
          const starts = [0, ...cuts]
          const bases = starts.map((start, index) => ({
            ...summer,
            id: `list${index}`,
            effective_from: iso(start),
            effective_to: starts[index + 1] === undefined ? null : iso(starts[index + 1] ?? 0),
            rates: { input: (index + 1) * 1.37, output: 1 },
            start,
          }))
          const pairs = edges.flatMap((from, at) => (at % 2 === 0 && edges[at + 1] ? [[from, edges[at + 1] ?? 0]] : []))
          const promos = pairs.map(([from = 0, until = 0], index) => ({
            ...promo,
            id: `promo${index}`,
            effective_from: iso(from),
            effective_to: iso(until),
            base_factor: (parts[index] ?? 1) / 1000,
          }))
          const prices = loadPriceBook(fileOf(...bases, ...promos))
          for (const at of days) {
            const base = bases.findLast(({ start }) => start <= at) ?? assert.fail()
            const on = pairs.findIndex(([from = 0, until = 0]) => at >= from && at < until)
            const price = priceAt(prices, { ...name, atMs: Date.parse(iso(at)), promptTokens: 1 })
            if (isUnpriced(price)) assert.fail(price.message)
            const factor = parseDecimal(on < 0 ? 1 : (promos[on]?.base_factor ?? assert.fail()))
            const expected = multiply(parseDecimal(base.rates.input), factor)
            assert.equal(compare(price.rates.input ?? assert.fail(), expected), 0)
            assert.equal(price.record?.baseId ?? null, on < 0 ? null : base.id)
          }
        },
      ),
      { seed: 31 },
    )
  })
})
