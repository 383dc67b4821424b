/** What a price file may say, and the words in which it is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatDecimal, isUnpriced, loadPriceBook, priceAt, type PriceBook } from '@portolan/meter'
import { bundledBook, bundledText } from './bundled-book.ts'
import { acmeList, priceFileText, type Fields } from './invented-book.ts'

function book(...records: Fields[]): PriceBook {
  return bookOf({ records })
}

function bookOf(file: Fields): PriceBook {
  return loadPriceBook(priceFileText(file))
}

function inputAt(prices: PriceBook, at: string, model = 'm1'): string | null {
  const price = priceAt(prices, { vendor: 'acme', model, currency: 'USD', atMs: Date.parse(at), promptTokens: 1 })
  return isUnpriced(price) ? null : formatDecimal(price.rates.input ?? assert.fail())
}

function versionOf(prices: PriceBook): string {
  const price = priceAt(prices, {
    vendor: 'acme',
    model: 'm1',
    currency: 'USD',
    atMs: Date.UTC(2026, 5),
    promptTokens: 1,
  })
  return isUnpriced(price) ? assert.fail() : price.versionId
}

/** The error of a list beside which a second record is put; "accepted" when there is none. */
function overlap(second: Fields, ...more: Fields[]): string {
  try {
    book(acmeList, { ...acmeList, id: 'second', ...second }, ...more)
    return 'accepted'
  } catch (error) {
    return error instanceof Error ? error.message : 'not an error'
  }
}

describe('the bundled prices', () => {
  it('load without overlaps', () => assert.equal(bundledBook.records.length, 75))

  it('price every charged record over its whole interval, at most one at each instant', () => {
    for (const record of bundledBook.records) {
      if (!['list', 'promo', 'promo_then_list'].includes(record.status)) continue
      const last = (record.untilMs ?? record.fromMs + 86_400_000) - 1
      for (const atMs of [record.fromMs, last]) {
        const { vendor, model, currency } = record
        const price = priceAt(bundledBook, { vendor, model, currency, atMs, promptTokens: 1 })
        assert.ok(!isUnpriced(price), record.id)
        // A promotion may cover a list; nothing else may answer in a record's place.
        assert.ok(price.record === record || price.record?.status === 'promo', record.id)
      }
    }
  })

  it('have peak rates that are twice the off-peak rates', () => {
    const peaks = bundledBook.records.filter((record) => record.peakRates !== null)
    assert.equal(peaks.length, 13)
    for (const { id, rates, peakRates } of peaks)
      for (const name of ['input', 'output', 'cacheRead'] as const)
        assert.equal(
          Number(formatDecimal(peakRates?.[name] ?? assert.fail())),
          2 * Number(formatDecimal(rates[name] ?? assert.fail())),
          id,
        )
  })

  it('get another id when any number changes', () => {
    assert.notEqual(loadPriceBook(bundledText.replace('0.003625', '0.003626')).id, bundledBook.id)
    assert.equal(loadPriceBook(bundledText).id, bundledBook.id)
  })
})

describe('a version id', () => {
  it('stays when another record changes, and changes with its own', () => {
    const other = { ...acmeList, id: 'acme/m2', model: 'm2' }
    const before = versionOf(book(acmeList, other))
    assert.equal(versionOf(book(acmeList, { ...other, rates: { input: 9, output: 9 } })), before)
    assert.notEqual(versionOf(book({ ...acmeList, rates: { input: 2, output: 4, cache_read: 0.51 } })), before)
  })
})

describe('a promotion', () => {
  it('wins over its list from its first to its last millisecond', () => {
    const promo = {
      ...acmeList,
      id: 'promo',
      status: 'promo',
      effective_from: '2026-03-01T08:00:00Z',
      effective_to: '2026-04-01',
      rates: { input: 1, output: 2 },
    }
    const prices = book(acmeList, promo)
    assert.equal(inputAt(prices, '2026-03-01T07:59:59.999Z'), '2')
    assert.equal(inputAt(prices, '2026-03-01T08:00:00.000Z'), '1')
    assert.equal(inputAt(prices, '2026-03-31T23:59:59.999Z'), '1')
    assert.equal(inputAt(prices, '2026-04-01T00:00:00.000Z'), '2')
  })
})

describe('overlapping prices', () => {
  it('are refused with both record ids', () => {
    assert.match(
      overlap({ effective_from: '2026-06-01' }),
      /"acme\/m1\/list" and "second" both price "m1" at 2026-06-01/,
    )
  })

  it('are found behind a shorter record, in an alias, and between promotions', () => {
    const short = { ...acmeList, id: 'short', effective_from: '2025-01-01', effective_to: '2025-02-01' }
    assert.match(overlap({ effective_from: '2027-01-01' }, short), /both price/)
    assert.match(overlap({ model: 'm2', aliases: ['m1'] }), /both price "m1"/)
    const promo = { status: 'promo', effective_to: '2026-09-01' }
    assert.match(overlap(promo, { ...acmeList, ...promo, id: 'third' }), /"second" and "third"|"third" and "second"/)
  })

  it('are none when they touch, differ in currency or vendor, or were never charged', () => {
    assert.equal(overlap({ effective_from: '2025-01-01', effective_to: '2026-01-01' }), 'accepted')
    assert.equal(overlap({ currency: 'CNY' }), 'accepted')
    assert.equal(overlap({ vendor: 'other' }), 'accepted')
    assert.equal(overlap({ status: 'announced_withdrawn' }), 'accepted')
    assert.equal(overlap({ status: 'list_suspended_by_promo' }), 'accepted')
  })
})

describe('a dated alias', () => {
  it('prices a name for as long as it means the model, and only then', () => {
    const aliases = [
      { vendor: 'acme', name: 'old', model: 'm1', effective_from: '2026-02-01', effective_to: '2026-03-01T12:00:00Z' },
    ]
    const prices = bookOf({ records: [acmeList], aliases })
    assert.equal(inputAt(prices, '2026-01-31T23:59:59.999Z', 'old'), null)
    assert.equal(inputAt(prices, '2026-02-01T00:00:00Z', 'old'), '2')
    assert.equal(inputAt(prices, '2026-03-01T11:59:59.999Z', 'old'), '2')
    assert.equal(inputAt(prices, '2026-03-01T12:00:00Z', 'old'), null)
  })
})

describe('a file that cannot be trusted is refused whole, naming the record', () => {
  const refused: readonly [what: string, file: Fields | string, says: RegExp][] = [
    ['not JSON', '{"schema_version": 1,', /not valid JSON/],
    ['another schema', { schema_version: 2, records: [] }, /schema_version/],
    ['no records', {}, /records: expected a list/],
    [
      'a negative price',
      { records: [{ ...acmeList, rates: { input: -1, output: 1 } }] },
      /acme\/m1\/list: rates.input: a price cannot be negative/,
    ],
    [
      'a price in words',
      { records: [{ ...acmeList, rates: { input: 'cheap', output: 1 } }] },
      /"cheap" is not a decimal/,
    ],
    ['an unknown rate', { records: [{ ...acmeList, rates: { input: 1, ouput: 1 } }] }, /unknown rate "ouput"/],
    ['an unknown status', { records: [{ ...acmeList, status: 'maybe' }] }, /unknown status "maybe"/],
    ['a currency that is none', { records: [{ ...acmeList, currency: 'usd' }] }, /currency: "usd"/],
    ['a date that does not exist', { records: [{ ...acmeList, effective_from: '2026-02-30' }] }, /"2026-02-30"/],
    ['an instant without a zone', { records: [{ ...acmeList, effective_from: '2026-02-03T10:00:00' }] }, /zone/],
    [
      'a leap second, which Unix time cannot hold',
      { records: [{ ...acmeList, effective_from: '2016-12-31T23:59:60Z' }] },
      /2016-12-31T23:59:60Z/,
    ],
    [
      'an interval that ends before it starts',
      { records: [{ ...acmeList, effective_to: '2026-01-01' }] },
      /not after effective_from/,
    ],
    [
      'an id twice',
      { records: [acmeList, { ...acmeList, effective_from: '2020-01-01', effective_to: '2020-01-02' }] },
      /appears twice/,
    ],
    [
      'an unknown schedule',
      { records: [{ ...acmeList, schedule: 'lunch', peak_rates: { input: 1, output: 1 } }] },
      /unknown schedule "lunch"/,
    ],
    ['peak rates without hours', { records: [{ ...acmeList, peak_rates: { input: 1, output: 1 } }] }, /come together/],
    [
      'an unknown time zone',
      { records: [], schedules: { s: { timezone: 'Mars/Olympus', peak_windows: [], peak_weekdays: [] } } },
      /Mars\/Olympus/,
    ],
    [
      'a window that ends before it starts',
      { records: [], schedules: { s: { timezone: 'UTC', peak_windows: [['22:00', '02:00']], peak_weekdays: [1] } } },
      /split it at midnight/,
    ],
    [
      'a threshold that is no count',
      { records: [{ ...acmeList, tiers: [{ when: { prompt_tokens_gt: -5 }, rates: {} }] }] },
      /prompt_tokens_gt/,
    ],
  ]
  for (const [what, file, says] of refused)
    it(what, () => {
      const text = typeof file === 'string' ? file : priceFileText(file)
      assert.throws(
        () => loadPriceBook(text),
        (error: Error) => {
          assert.match(error.message, says)
          return true
        },
      )
    })
})

describe('several files', () => {
  it('make one book: an operator’s own records beside the bundled ones', () => {
    const own = JSON.stringify({ schema_version: 1, as_of: '2026-11-30', records: [acmeList] })
    const prices = loadPriceBook(bundledText, own)
    assert.equal(prices.records.length, 76)
    assert.equal(prices.asOf, '2026-11-30')
    assert.equal(inputAt(prices, '2026-05-01T00:00:00Z'), '2')
  })
})

describe('a tier', () => {
  it('that lists no write price keeps the base’s ratio of write to input', () => {
    const record = {
      ...acmeList,
      rates: { input: 2, output: 4, cache_write_5m: 2.5, cache_write_1h: 4 },
      tiers: [{ when: { prompt_tokens_gt: 100 }, rates: { input: 3, output: 6 } }],
    }
    const price = priceAt(book(record), {
      vendor: 'acme',
      model: 'm1',
      currency: 'USD',
      atMs: Date.UTC(2026, 5),
      promptTokens: 101,
    })
    if (isUnpriced(price)) assert.fail(price.message)
    assert.equal(formatDecimal(price.rates.cacheWrite5m ?? assert.fail()), '3.75')
    assert.equal(formatDecimal(price.rates.cacheWrite1h ?? assert.fail()), '6')
    assert.deepEqual(price.variant, ['prompt>100'])
  })
})
