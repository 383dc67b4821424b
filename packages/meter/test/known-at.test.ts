/** What a forecast made on a day may know of prices, and what it may not. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatDecimal, isUnpriced, loadPriceBook, priceAt, priceTimeline, stackPriceBooks } from '@portolan/meter'
import type { PriceBook } from '@portolan/meter'
import { bundledBook } from './bundled-book.ts'
import { acmeList, priceFileText, type Fields } from './invented-book.ts'

const pro = { vendor: 'deepseek', model: 'deepseek-v4-pro', currency: 'USD' }

function input(book: PriceBook, key: typeof pro, at: string, knownAt?: string): string | null {
  const knownAtMs = knownAt === undefined ? undefined : Date.parse(knownAt)
  const price = priceAt(book, { ...key, atMs: Date.parse(at), promptTokens: 1, knownAtMs })
  return isUnpriced(price) ? null : formatDecimal(price.rates.input ?? assert.fail())
}

const acme = { vendor: 'acme', model: 'm1', currency: 'USD' }

function bookOf(...records: Fields[]): PriceBook {
  return loadPriceBook(priceFileText({ records }))
}

describe('the launch month, as it looked then', () => {
  // On 1 May the promotion was to end on 31 May; on 23 May it had been made permanent, and nobody knew of August.
  it('a forecast of 1 May returns to the full list in June', () => {
    assert.equal(input(bundledBook, pro, '2026-05-20', '2026-05-01'), '0.435')
    assert.equal(input(bundledBook, pro, '2026-05-30T23:59:59Z', '2026-05-01'), '0.435')
    assert.equal(input(bundledBook, pro, '2026-06-05', '2026-05-01'), '1.74')
  })

  it('a forecast of 23 May keeps the discount for good', () => {
    assert.equal(input(bundledBook, pro, '2026-06-05', '2026-05-23'), '0.435')
    assert.equal(input(bundledBook, pro, '2027-01-01', '2026-05-23'), '0.435')
  })

  it('what was billed does not depend on what was known', () => {
    assert.equal(input(bundledBook, pro, '2026-06-05'), '0.435')
    assert.equal(input(bundledBook, pro, '2026-09-01'), '0.66')
  })

  it('the reroute of 14 September is believed while it stood, and gone when it was withdrawn', () => {
    assert.equal(input(bundledBook, pro, '2026-10-01', '2026-09-09'), '0.66')
    assert.equal(input(bundledBook, pro, '2026-10-01', '2026-09-12'), '0.15')
    assert.equal(input(bundledBook, pro, '2026-10-01', '2026-09-14T04:00:00Z'), '0.66')
    assert.equal(input(bundledBook, pro, '2026-10-01'), '0.66')
  })

  it('the rise of Sonnet 5 that never came was in every forecast of July', () => {
    const sonnet = { vendor: 'anthropic', model: 'claude-sonnet-5', currency: 'USD' }
    assert.equal(input(bundledBook, sonnet, '2026-10-01', '2026-07-15'), '3')
    assert.equal(input(bundledBook, sonnet, '2026-10-01', '2026-09-02'), '2')
  })

  it('a promotion with its end announced is a kink from its first day', () => {
    const glm = { vendor: 'zhipu', model: 'glm-5.3-flash', currency: 'CNY' }
    const until = Date.parse('2026-12-01')
    const line = priceTimeline(
      bundledBook,
      { ...glm, knownAtMs: Date.parse('2026-08-20') },
      Date.parse('2026-08-20'),
      until,
    )
    assert.deepEqual(
      line.map(({ fromMs, record }) => [new Date(fromMs).toISOString(), record?.status]),
      [
        ['2026-08-20T00:00:00.000Z', 'promo'],
        ['2026-09-09T16:00:00.000Z', 'list'],
      ],
    )
  })
})

describe('knowledge of a price', () => {
  it('begins with its announcement, and with its start where none is recorded', () => {
    const next = { ...acmeList, id: 'b', effective_from: '2026-06-01', rates: { input: 3, output: 4 } }
    const first = { ...acmeList, effective_to: '2026-06-01' }
    const quiet = bookOf(first, next)
    assert.equal(input(quiet, acme, '2026-07-01', '2026-05-31'), '2')
    const said = bookOf(first, { ...next, announced_at: '2026-04-01T12:00:00Z' })
    assert.equal(input(said, acme, '2026-07-01', '2026-04-01T11:59:59Z'), '2')
    assert.equal(input(said, acme, '2026-07-01', '2026-04-01T12:00:00Z'), '3')
    assert.equal(input(said, acme, '2026-05-31', '2026-04-02'), '2')
  })

  it('does not change the version id of what is billed', () => {
    const version = (book: PriceBook): string => {
      const price = priceAt(book, { ...acme, atMs: Date.UTC(2026, 5), promptTokens: 1 })
      return isUnpriced(price) ? assert.fail() : price.versionId
    }
    assert.equal(version(bookOf(acmeList)), version(bookOf({ ...acmeList, announced_at: '2025-12-01' })))
  })

  it('an announced price is charged from its day on', () => {
    const first = { ...acmeList, effective_to: '2026-06-01' }
    const next = {
      ...acmeList,
      id: 'b',
      status: 'announced',
      effective_from: '2026-06-01',
      announced_at: '2026-04-01',
      rates: { input: 3, output: 4 },
    }
    assert.equal(input(bookOf(first, next), acme, '2026-06-01'), '3')
  })

  it('a retired name ends when that was said, and before nobody knew', () => {
    const retired = bookOf({ ...acmeList, effective_to: '2026-06-01', end_announced_at: '2026-03-01' })
    assert.equal(input(retired, acme, '2026-07-01', '2026-02-01'), '2')
    assert.equal(input(retired, acme, '2026-07-01', '2026-03-01'), null)
  })

  it('two announcements for one start that stood together are refused', () => {
    const rival = {
      ...acmeList,
      id: 'rival',
      status: 'announced_withdrawn',
      announced_at: '2026-01-01',
      withdrawn_at: '2026-02-01',
    }
    assert.throws(
      () => bookOf(acmeList, rival),
      /"acme\/m1\/list" and "rival"|"rival" and "acme\/m1\/list".*as known at 2026-01-01/,
    )
    assert.doesNotThrow(() => bookOf(acmeList, { ...rival, announced_at: '2025-11-01', withdrawn_at: '2025-12-01' }))
  })

  it('a price that was charged cannot have been withdrawn', () => {
    assert.throws(() => bookOf({ ...acmeList, withdrawn_at: '2026-02-01' }), /was charged, not withdrawn/)
    const early = { status: 'announced_withdrawn', announced_at: '2026-02-01', withdrawn_at: '2026-02-01' }
    assert.throws(() => bookOf({ ...acmeList, ...early }), /withdrawn_at: not after announced_at/)
  })
})

describe('books on one another', () => {
  const own = bookOf({ ...acmeList, id: 'own', effective_from: '2026-03-01', rates: { input: 9, output: 9 } })
  const both = stackPriceBooks(own, bookOf(acmeList), bookOf({ ...acmeList, id: 'c', model: 'm2' })) ?? assert.fail()

  it('the upper answers where it has a price, the lower where it has none', () => {
    assert.equal(input(both, acme, '2026-02-28'), '2')
    assert.equal(input(both, acme, '2026-03-01'), '9')
    assert.equal(input(both, { ...acme, model: 'm2' }, '2026-03-01'), '2')
  })

  it('what none of them knows is said by the one that knows most', () => {
    const price = priceAt(both, { ...acme, currency: 'CNY', atMs: 0, promptTokens: 1 })
    assert.equal(isUnpriced(price) && price.unpriced, 'currency-not-listed')
  })

  it('their timeline is one line', () => {
    const line = priceTimeline(both, acme, Date.parse('2025-12-01'), Date.parse('2026-12-01'))
    assert.deepEqual(
      line.map(({ record }) => record?.id ?? null),
      [null, acmeList['id'], 'own'],
    )
  })
})
