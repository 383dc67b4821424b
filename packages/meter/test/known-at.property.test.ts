/** Look-ups are total and unique over what is known: every name of the bundled book, any instant, any day of knowing. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { isUnpriced, loadPriceBook, priceAt, priceTimeline, type PriceRecord } from '@portolan/meter'
import { bundledBook } from './bundled-book.ts'

const names = fc.constantFrom(
  ...bundledBook.records.flatMap(({ vendor, model, currency, aliases }) =>
    [model, ...aliases].map((name) => ({ vendor, model: name, currency })),
  ),
)
const fromMs = Date.UTC(2025, 6)
const untilMs = Date.UTC(2027, 6)
const instants = fc.integer({ min: fromMs, max: untilMs })

describe('laws of two time axes', () => {
  it('with everything known the forecast sees what was billed', () => {
    fc.assert(
      fc.property(names, instants, (name, atMs) => {
        const billed = priceAt(bundledBook, { ...name, atMs, promptTokens: 1 })
        const known = priceAt(bundledBook, { ...name, atMs, promptTokens: 1, knownAtMs: Infinity })
        assert.equal(isUnpriced(known) ? null : known.versionId, isUnpriced(billed) ? null : billed.versionId)
      }),
      { seed: 11, numRuns: 500 },
    )
  })

  it('no answer rests on a record that was announced later, or had been withdrawn', () => {
    fc.assert(
      fc.property(names, instants, instants, (name, atMs, knownAtMs) => {
        const price = priceAt(bundledBook, { ...name, atMs, promptTokens: 1, knownAtMs })
        if (isUnpriced(price) || price.record === null) return
        assert.ok(price.record.announcedMs <= knownAtMs)
        assert.ok(price.record.withdrawnMs === null || knownAtMs < price.record.withdrawnMs)
      }),
      { seed: 12, numRuns: 500 },
    )
  })

  it('a price in force today is in every forecast made today, until an end that was announced', () => {
    fc.assert(
      fc.property(names, instants, fc.nat(700), (name, nowMs, daysAhead) => {
        const now = priceAt(bundledBook, { ...name, atMs: nowMs, promptTokens: 1 })
        if (isUnpriced(now)) return
        const seen = priceAt(bundledBook, { ...name, atMs: nowMs, promptTokens: 1, knownAtMs: nowMs })
        assert.equal(isUnpriced(seen) ? null : seen.versionId, now.versionId)
        const atMs = nowMs + daysAhead * 86_400_000
        const ahead = priceAt(bundledBook, { ...name, atMs, promptTokens: 1, knownAtMs: nowMs })
        // Only a retired name has an announced end with nothing after it.
        if (isUnpriced(ahead)) assert.ok(['deepseek-chat', 'deepseek-reasoner'].includes(name.model), name.model)
      }),
      { seed: 13, numRuns: 500 },
    )
  })

  it('the timeline covers its range without gap or overlap, and agrees with the look-up everywhere', () => {
    const known = fc.option(instants, { nil: undefined })
    fc.assert(
      fc.property(names, known, fc.array(instants, { minLength: 1, maxLength: 5 }), (name, knownAtMs, probes) => {
        const line = priceTimeline(bundledBook, { ...name, knownAtMs }, fromMs, untilMs + 1)
        assert.equal(line[0]?.fromMs, fromMs)
        assert.equal(line.at(-1)?.untilMs, untilMs + 1)
        for (const [index, segment] of line.entries()) {
          assert.ok(segment.fromMs < segment.untilMs)
          const next = line[index + 1]
          if (next) assert.equal(next.fromMs, segment.untilMs)
          assert.notEqual(next?.record, segment.record)
        }
        for (const atMs of probes) {
          const there = line.find((segment) => atMs >= segment.fromMs && atMs < segment.untilMs)
          const price = priceAt(bundledBook, { ...name, atMs, promptTokens: 1, knownAtMs })
          assert.equal(isUnpriced(price) ? null : price.record, there?.record ?? null)
        }
      }),
      { seed: 14, numRuns: 200 },
    )
  })

  it('a random history either loads with one answer at each instant, or is refused', () => {
    const day = fc.integer({ min: 0, max: 40 })
    const record = fc.record({
      from: day,
      length: fc.option(fc.integer({ min: 1, max: 20 }), { nil: null }),
      lead: fc.nat(10),
      promo: fc.boolean(),
    })
    let loaded = 0
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), day, day, (records, atDay, knownDay) => {
        const text = JSON.stringify({
          schema_version: 1,
          as_of: '2026-01-01',
          records: records.map(({ from, length, lead, promo }, index) => ({
            id: `r${index}`,
            vendor: 'v',
            model: 'm',
            currency: 'USD',
            effective_from: iso(from),
            effective_to: length === null ? null : iso(from + length),
            announced_at: iso(from - lead),
            status: promo ? 'promo' : 'list',
            rates: { input: 1, output: 1 },
          })),
        })
        let book
        try {
          book = loadPriceBook(text)
        } catch (error) {
          assert.match((error as Error).message, /both price/)
          return
        }
        loaded++
        const atMs = Date.parse(iso(atDay))
        const covering = book.records.filter((one) => atMs >= one.fromMs && atMs < (one.untilMs ?? Infinity))
        for (const promo of [true, false])
          assert.ok(covering.filter(({ status }) => (status === 'promo') === promo).length <= 1)
        const price = priceAt(book, { vendor: 'v', model: 'm', currency: 'USD', atMs, promptTokens: 1 })
        assert.equal(isUnpriced(price) ? null : price.record, best(covering))
        const knownAtMs = Date.parse(iso(knownDay))
        const seen = priceAt(book, { vendor: 'v', model: 'm', currency: 'USD', atMs, promptTokens: 1, knownAtMs })
        if (!isUnpriced(seen)) assert.ok((seen.record?.announcedMs ?? Infinity) <= knownAtMs)
      }),
      { seed: 15, numRuns: 400 },
    )
    assert.ok(loaded > 50, `${loaded} random histories loaded`)
  })
})

function best(covering: readonly PriceRecord[]): PriceRecord | null {
  return covering.find(({ status }) => status === 'promo') ?? covering[0] ?? null
}

function iso(day: number): string {
  return new Date(Date.UTC(2026, 0, 1) + day * 86_400_000).toISOString().slice(0, 10)
}
