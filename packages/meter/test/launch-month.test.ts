/**
 * The claims of V4's launch month, worked out from the dated book: which hold, and of what they were true.
 * Expected figures are by hand; the mix 1:40 is that of the published routing statistics of the month.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  comparePrices,
  isUnpriced,
  priceAt,
  priceOfRecord,
  selfHostedPrice,
  type ComparedSide,
  type Price,
  type PriceComparison,
} from '@portolan/meter'
import { bundledBook } from './bundled-book.ts'

function price(vendor: string, model: string, at: string, currency = 'USD'): Price {
  const found = priceAt(bundledBook, { vendor, model, currency, atMs: Date.parse(at), promptTokens: 1000 })
  return isUnpriced(found) ? assert.fail(found.message) : found
}

/** The list that was published on 26 April and that nobody was charged. */
function suspendedList(): Price {
  const record = bundledBook.records.find(({ status }) => status === 'list_suspended_by_promo') ?? assert.fail()
  const found = priceOfRecord(record, record.model, { atMs: record.fromMs, promptTokens: 1000 })
  return isUnpriced(found) ? assert.fail(found.message) : found
}

const opus = price('anthropic', 'claude-opus-4-7', '2026-04-24')
const gpt = price('openai', 'gpt-5.5', '2026-04-24')
const proAtLaunch = price('deepseek', 'deepseek-v4-pro', '2026-04-24')
const proPromo = price('deepseek', 'deepseek-v4-pro', '2026-04-26')

function against(first: Price, second: Price, hitShare: number, side: Partial<ComparedSide> = {}): PriceComparison {
  return comparePrices(
    { label: 'incumbent', price: first, ...side },
    { label: 'candidate', price: second },
    { hitShare, outputPerPrompt: '0.025' },
  )
}

function shown(value: number | null): string {
  return value === null ? 'none' : value.toFixed(1)
}

describe('the claims of the launch month', () => {
  it('34.5x: true of cache hits only, against a list that nobody was charged', () => {
    const claim = against(gpt, suspendedList(), 0.9)
    assert.equal(shown(claim.componentRatios.cacheRead), '34.5')
    assert.equal(shown(claim.componentRatios.input), '2.9')
    assert.equal(shown(claim.componentRatios.output), '8.6')
  })

  it('138x: true of cache hits only, while the promotion price stood', () => {
    const claim = against(gpt, proPromo, 0.9)
    assert.equal(shown(claim.componentRatios.cacheRead), '137.9')
    assert.equal(shown(claim.componentRatios.input), '11.5')
    assert.equal(shown(claim.componentRatios.output), '34.5')
    // The whole bill: 12.6 without a hit, 39 at 98 %.
    assert.equal(shown(claim.byHitShare[0]?.billRatio ?? null), '12.6')
    assert.equal(Math.round(claim.byHitShare[5]?.billRatio ?? 0), 39)
  })

  it('"a twentieth of Opus" on 24 April: false, no mix can exceed 7.2', () => {
    const { componentRatios } = against(opus, proAtLaunch, 0.9)
    assert.deepEqual(
      [componentRatios.input, componentRatios.output, componentRatios.cacheRead].map((value) => value?.toFixed(2)),
      ['2.87', '7.18', '3.45'],
    )
  })

  // Rows of the table: both first without surcharge and then with writes at 1.25x and 35 % more tokens.
  for (const [what, second, plain, dear] of [
    ['V4-Pro at launch', proAtLaunch, '3.1 3.3 3.7 4.0 4.3 4.6', '5.1 5.2 5.6 5.9 6.1 6.3'],
    ['V4-Pro on the list that was suspended', suspendedList(), '3.1 3.5 4.5 5.7 7.2 8.9', '5.1 5.6 6.9 8.4 10.2 12.3'],
    ['V4-Pro in the promotion', proPromo, '12.3 14.0 18.1 23.0 28.8 35.7', '20.3 22.4 27.5 33.5 40.6 49.2'],
  ] as const)
    it(`Opus 4.7 over ${what}, by hit rate`, () => {
      const row = (comparison: PriceComparison): string =>
        comparison.byHitShare.map(({ billRatio }) => shown(billRatio)).join(' ')
      assert.equal(row(against(opus, second, 0.9)), plain)
      assert.equal(row(against(opus, second, 0.9, { writesMisses: true, tokenRatio: '1.35' })), dear)
    })

  it('"four months against seven years" needs 21x: a year or two at the launch list, six and more in the promotion', () => {
    const years = (second: Price, hitShare: number, side?: Partial<ComparedSide>): string =>
      shown(((against(opus, second, hitShare, side).billRatio ?? 0) * 4) / 12)
    assert.equal(years(proAtLaunch, 0), '1.0')
    assert.equal(years(proAtLaunch, 0.95, { writesMisses: true, tokenRatio: '1.35' }), '2.0')
    assert.equal(years(proPromo, 0.8), '6.0')
    assert.equal(years(proPromo, 0.95, { writesMisses: true, tokenRatio: '1.35' }), '13.5')
  })

  it('today the cheapest lists are below V4-Pro on the same mix', () => {
    const at = '2026-11-23T11:00:00Z'
    const pro = price('deepseek', 'deepseek-v4-pro', at)
    const today = (vendor: string, model: string): string =>
      shown(against(price(vendor, model, at), pro, 0.9, { writesMisses: true }).billRatio)
    assert.equal(today('anthropic', 'claude-opus-5-5'), '8.7')
    assert.equal(today('openai', 'gpt-6.1-sol'), '4.4')
    assert.equal(today('openai', 'gpt-6-luna'), '0.3')
  })

  it('the yuan list moved differently from the dollar list: Kimi rose by 62.5 %, not 58 %', () => {
    const rise = comparePrices(
      { label: 'after', price: price('moonshot', 'kimi-k2.6', '2026-04-20', 'CNY') },
      { label: 'before', price: price('moonshot', 'kimi-k2.5', '2026-04-19', 'CNY') },
      { hitShare: 0, outputPerPrompt: 0 },
    )
    assert.equal(rise.componentRatios.input, 1.625)
  })
})

describe('a comparison', () => {
  it('says what it assumed', () => {
    const { assumptions } = against(opus, proPromo, 0.9, { writesMisses: true, tokenRatio: '1.35', outputRatio: 2 })
    assert.deepEqual(assumptions, [
      '90 % of prompt tokens are cache hits on both sides',
      '0.025 output tokens for each prompt token',
      `incumbent: ${opus.versionId}`,
      'incumbent: every miss is written to the cache at the write price',
      'incumbent: 1.35 tokens for one of the mix',
      'incumbent: 2 output tokens for one of the mix',
      `candidate: ${proPromo.versionId}`,
    ])
  })

  it('finds the hit share at which the second side stops being dearer', () => {
    const price = (input: string, cacheRead: string): Price =>
      selfHostedPrice('x', 'USD', { input, output: '1', cacheRead })
    // First side: 0.5 x 2 + 0.5 x 1 = 1.5. Second: 3 - 3h = 1.5 at h = 0.5.
    const sides = [
      { label: 'a', price: price('2', '1') },
      { label: 'b', price: price('3', '0') },
    ] as const
    assert.equal(comparePrices(...sides, { hitShare: '0.5', outputPerPrompt: 0 }).breakEvenHitShare, 0.5)
    const never = [sides[0], { label: 'c', price: price('9', '8') }] as const
    assert.equal(comparePrices(...never, { hitShare: '0.5', outputPerPrompt: 0 }).breakEvenHitShare, null)
  })

  it('gives no ratio where a price is missing, and none across currencies', () => {
    const noCache = price('openai', 'gpt-5.5-pro', '2026-05-01')
    assert.equal(against(opus, noCache, 0.9).billRatio, null)
    assert.equal(against(opus, noCache, 0).componentRatios.cacheRead, null)
    assert.throws(() => against(opus, price('moonshot', 'kimi-k2.6', '2026-05-01', 'CNY'), 0.9), RangeError)
    assert.throws(() => against(opus, proPromo, 1.1), RangeError)
  })
})
