/**
 * Worked bills at the edges of clocks and streams that no vendor of the book has met yet.
 *
 * Prices of the invented vendor stand in this file; those of real ones are the book's, whose record names the page.
 * A token costs the price per 1,000,000 times 1,000 nanos, so 2 is 2,000 nanos a token.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadPriceBook, priceRequest, unknownUsage, type UsageRecord } from '@portolan/meter'
import { bundledBook, usageOf } from './bundled-book.ts'
import { acmeList, priceFileText } from './invented-book.ts'

const acme = { vendor: 'acme', model: 'm1', currency: 'USD' }
// 1,000 x 2,000 + 500 x 4,000 = 4,000,000 nanos off-peak; twice that at peak.
const usage = usageOf({ miss: 1000, output: 500 })
const offPeak = 4_000_000n
const atPeak = 8_000_000n

describe('worked bills around daylight saving', () => {
  // New York: 2026-03-08 02:00 EST becomes 03:00 EDT, 2026-11-01 02:00 EDT becomes 01:00 EST. Peak 01:00 to 02:30.
  const night = {
    timezone: 'America/New_York',
    peak_windows: [['01:00', '02:30']],
    peak_weekdays: [1, 2, 3, 4, 5, 6, 7],
  }
  const book = loadPriceBook(
    priceFileText({
      schedules: { night },
      records: [{ ...acmeList, schedule: 'night', peak_rates: { input: 4, output: 8, cache_read: 1 } }],
    }),
  )
  for (const [what, at, nanos] of [
    ['spring, 00:59:59.999 EST', '2026-03-08T05:59:59.999Z', offPeak],
    ['spring, 01:00 EST: peak begins', '2026-03-08T06:00:00Z', atPeak],
    ['spring, 01:59:59.999 EST: the last instant before the jump', '2026-03-08T06:59:59.999Z', atPeak],
    ['spring, 03:00 EDT: what was left of the peak lies in the missing hour', '2026-03-08T07:00:00Z', offPeak],
    ['autumn, 01:30 EDT, the first time', '2026-11-01T05:30:00Z', atPeak],
    ['autumn, 01:30 EST, the second time', '2026-11-01T06:30:00Z', atPeak],
    ['autumn, 02:29:59.999 EST', '2026-11-01T07:29:59.999Z', atPeak],
    ['autumn, 02:30 EST: peak ends, half an hour and one hour after it would have', '2026-11-01T07:30:00Z', offPeak],
  ] as const)
    it(`${what} (2/4, at peak 4/8)`, () => {
      assert.equal(priceRequest(usage, book, acme, Date.parse(at)).totalNanos, nanos)
    })
})

describe('worked bills around a leap second', () => {
  // 2016-12-31T23:59:60Z: Unix time gives it the number of the second that follows, 1483228800.
  const book = loadPriceBook(
    priceFileText({
      records: [
        { ...acmeList, effective_from: '2016-01-01', effective_to: '2017-01-01T00:00:00Z' },
        { ...acmeList, id: 'acme/m1/new', effective_from: '2017-01-01T00:00:00Z', rates: { input: 4, output: 8 } },
      ],
    }),
  )
  it('23:59:59.999, before it: the old price (2/4)', () => {
    assert.equal(priceRequest(usage, book, acme, 1_483_228_799_999).totalNanos, 4_000_000n)
  })

  it('23:59:60 itself is the first second of the new price: one price, never none and never two (4/8)', () => {
    // 1,000 x 4,000 + 500 x 8,000.
    assert.equal(priceRequest(usage, book, acme, 1_483_228_800_000).totalNanos, 8_000_000n)
    assert.equal(priceRequest(usage, book, acme, 1_483_228_800_999).totalNanos, 8_000_000n)
  })
})

describe('worked bills of cut streams', () => {
  const cut = (counts: Parameters<typeof usageOf>[0]): UsageRecord => ({ ...usageOf(counts), source: 'estimated' })
  const noon = Date.parse('2026-11-20T12:00:00Z')

  it('the prompt as it was reported at the start, the answer as it was counted (Opus 5.5, 4/20/0.2)', () => {
    // 1,200 x 4,000 + 50,000 x 200 + 87 x 20,000 = 4,800,000 + 10,000,000 + 1,740,000.
    const cost = priceRequest(
      cut({ miss: 1200, hit: 50_000, output: 87 }),
      bundledBook,
      { vendor: 'anthropic', model: 'claude-opus-5-5', currency: 'USD' },
      noon,
    )
    assert.equal(cost.totalNanos, 16_540_000n)
  })

  it('cut before the first token of the answer: the prompt alone (V4-Pro off-peak, 0.66/1.98/0.022)', () => {
    // Friday 20:00 in Beijing. 3,000 x 660.
    const key = { vendor: 'deepseek', model: 'deepseek-v4-pro', currency: 'USD' }
    assert.equal(priceRequest(cut({ miss: 3000 }), bundledBook, key, noon).totalNanos, 1_980_000n)
  })

  it('of which nobody knows anything: no amount, and the reason', () => {
    const key = { vendor: 'deepseek', model: 'deepseek-v4-pro', currency: 'USD' }
    const cost = priceRequest({ ...unknownUsage, source: 'estimated' }, bundledBook, key, noon)
    assert.deepEqual([cost.totalNanos, cost.unpriced?.reason], [null, 'count-unknown'])
  })
})

describe('the price of a worked bill', () => {
  it('names where it was read; the four that do not say that they were written from memory', () => {
    const unnamed = bundledBook.records.filter(({ sources }) => sources.length === 0)
    assert.deepEqual(
      unnamed.map(({ id, confidence }) => `${id}: ${confidence}`),
      [
        'deepseek/deepseek-v4-flash/CNY/2026-04-24: from_memory',
        'deepseek/deepseek-v4-flash/CNY/2026-04-26: from_memory',
        'deepseek/deepseek-v4-pro/CNY/2026-04-24: from_memory',
        'deepseek/deepseek-v4-pro/CNY/2026-04-26/promo_then_list: from_memory',
      ],
    )
  })
})
