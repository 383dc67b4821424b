/** Announced changes and the ends of promotions as kinks of a forecast; what was announced later is not seen. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  announcedChanges,
  forecastBudget,
  loadPriceBook,
  pastFactor,
  type RecentUse,
  type SpendChange,
} from '@portolan/meter'
import { bundledBook, usageOf, type Counts } from './bundled-book.ts'

const dayMs = 86_400_000
const day = (text: string): number => Date.parse(text) / dayMs

function use(vendor: string, model: string, at: string, counts: Counts): RecentUse {
  return { vendor, model, atMs: Date.parse(at), usage: usageOf(counts), requests: 10 }
}

function kinks(recent: RecentUse[], now: string, until: string, currency = 'USD'): string[] {
  return announcedChanges(bundledBook, currency, recent, Date.parse(now), Date.parse(until)).map(
    ({ fromDay, factor }) => `${new Date(fromDay * dayMs).toISOString().slice(0, 10)} x${factor.toFixed(3)}`,
  )
}

describe('price changes that are known', () => {
  const agent = { miss: 100_000, hit: 900_000, output: 25_000 }
  const pro = [use('deepseek', 'deepseek-v4-pro', '2026-04-28T12:00:00Z', agent)]

  it('on 1 May 2026 the end of the promotion is one: fourfold at this mix, from 31 May', () => {
    // (0.1 x 1.74 + 0.9 x 0.0145 + 0.025 x 3.48) / (0.1 x 0.435 + 0.9 x 0.003625 + 0.025 x 0.87)
    assert.deepEqual(kinks(pro, '2026-05-01', '2027-05-01'), ['2026-05-31 x4.000'])
  })

  it('on 23 May there is none: the rise of August had not been said', () => {
    assert.deepEqual(kinks(pro, '2026-05-23', '2027-05-01'), [])
  })

  it('a rise that was announced and later withdrawn is one while it stood', () => {
    const sonnet = [use('anthropic', 'claude-sonnet-5', '2026-07-10T12:00:00Z', { miss: 1000, output: 100 })]
    assert.deepEqual(kinks(sonnet, '2026-07-15', '2026-12-01'), ['2026-09-01 x1.500'])
    assert.deepEqual(kinks(sonnet, '2026-09-02', '2026-12-01'), [])
  })

  it('weighs models by what they cost, and a change late in a day counts from the next', () => {
    const glm = use('zhipu', 'glm-5.3-flash', '2026-08-18T12:00:00Z', { miss: 1_000_000 })
    const other = use('zhipu', 'glm-5.3', '2026-08-18T12:00:00Z', { miss: 50_000 })
    // 0.4 doubles to 0.8 beside another 0.4 that stays; 16:00 UTC on 9 September.
    assert.deepEqual(kinks([glm, other], '2026-08-20', '2026-12-01', 'CNY'), ['2026-09-10 x1.500'])
  })

  it('prices the share of peak hours as it was used', () => {
    const record = (id: string, from: string, to: string | null, peak: number) => ({
      id,
      vendor: 'v',
      model: 'm',
      currency: 'USD',
      effective_from: from,
      effective_to: to,
      announced_at: '2026-01-01',
      status: 'list',
      rates: { input: 1, output: 1 },
      peak_rates: { input: peak, output: peak },
      schedule: 's',
    })
    const hours = { timezone: 'UTC', peak_windows: [['08:00', '16:00']], peak_weekdays: [1, 2, 3, 4, 5, 6, 7] }
    const book = loadPriceBook(
      JSON.stringify({
        schema_version: 1,
        as_of: '2026-01-01',
        schedules: { s: hours },
        records: [record('a', '2026-01-01', '2026-03-01', 1), record('b', '2026-03-01', null, 3)],
      }),
    )
    const recent = [
      use('v', 'm', '2026-01-30T10:00:00Z', { miss: 1000 }),
      use('v', 'm', '2026-01-30T20:00:00Z', { miss: 1000 }),
    ]
    const [change] = announcedChanges(book, 'USD', recent, Date.parse('2026-02-01'), Date.parse('2026-12-01'))
    assert.equal(change?.factor, 2)
  })

  it('says nothing of what it cannot price', () => {
    assert.deepEqual(kinks([], '2026-05-01', '2027-01-01'), [])
    assert.deepEqual(kinks([use('nobody', 'x', '2026-04-28', { miss: 1 })], '2026-05-01', '2027-01-01'), [])
  })
})

describe('what was spent under an earlier price', () => {
  it('counts at today’s: a rise inside the history is no growth', () => {
    const recent = [use('deepseek', 'deepseek-v4-pro', '2026-08-18T12:00:00Z', { miss: 1000 })]
    const factor = pastFactor(bundledBook, 'USD', recent, Date.parse('2026-08-20'))
    assert.equal(factor('deepseek', 'deepseek-v4-pro', Date.parse('2026-08-19')), 1)
    assert.equal(factor('deepseek', 'deepseek-v4-pro', Date.parse('2026-08-01')).toFixed(6), (0.66 / 0.435).toFixed(6))
    assert.equal(factor('deepseek', 'deepseek-v4-flash', Date.parse('2026-08-01')), 1)
    assert.equal(factor('deepseek', 'deepseek-v4-pro', Date.parse('2020-01-01')), 1)
  })
})

describe('a forecast with such a change', () => {
  it('ends sooner, and names the day and the reason', () => {
    const firstDay = day('2026-05-01')
    const spend = Array.from({ length: 28 }, (_unused, index) => ({
      day: firstDay - 28 + index,
      nanos: 10_000_000_000n,
    }))
    const base = { spend, firstDay, remainingNanos: 500_000_000_000n, seed: 1 }
    const changes: readonly SpendChange[] = [{ fromDay: day('2026-05-31'), factor: 4, because: 'the promotion ends' }]
    const plain = forecastBudget(base)
    const kinked = forecastBudget({ ...base, changes })
    assert.ok(plain.kind === 'forecast' && kinked.kind === 'forecast')
    // 50 days at 10; with the kink 30 days at 10 and 5 at 40.
    assert.deepEqual([plain.p50Day, kinked.p50Day], [firstDay + 49, firstDay + 34])
    assert.ok(kinked.assumptions.includes('spend is multiplied by 4 from 2026-05-31 on: the promotion ends'))
  })
})
