/** Converted amounts are for the eye: one stated rate of one stated day, exact, or none at all. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatDecimal, parseDecimal } from './decimal.ts'
import {
  describeDisplayRate,
  displayedDecimal,
  displayedNanos,
  displayRate,
  isMissingRate,
  readDisplayRates,
  type DisplayRate,
} from './display-rates.ts'
import { MeterError } from './errors.ts'

const table = readDisplayRates({
  source: 'middle rates of the bank',
  rates: { 'USD/CNY': { '2026-10-30': '7.1194', '2026-11-02': 7.1201 }, 'EUR/USD': { '2026-10-30': '1.16' } },
})

function rateOf(from: string, to: string, day: string): DisplayRate {
  const rate = displayRate(table, from, to, day)
  if (isMissingRate(rate)) assert.fail(rate.missing)
  return rate
}

describe('a rate for display', () => {
  it('converts in the direction of the table exactly', () => {
    // 2.5 USD x 7.1194 = 17.7985 CNY.
    assert.equal(displayedNanos(2_500_000_000n, rateOf('USD', 'CNY', '2026-10-30')), 17_798_500_000n)
  })

  it('converts against the direction with one rounding, half to even, at the nano', () => {
    // 17.7985 / 7.1194 = 2.5 exactly; 1 / 7.1194 = 0.140461274826530..., cut after nine digits.
    const rate = rateOf('CNY', 'USD', '2026-10-30')
    assert.equal(displayedNanos(17_798_500_000n, rate), 2_500_000_000n)
    assert.equal(displayedNanos(1_000_000_000n, rate), 140_461_275n)
    assert.equal(displayedNanos(-1_000_000_000n, rate), -140_461_275n)
    // 1.5 nanos go to 2, 2.5 to 2 as well.
    const half = { ...rate, numerator: 1n, denominator: 2n }
    assert.deepEqual([displayedNanos(3n, half), displayedNanos(5n, half), displayedNanos(-5n, half)], [2n, 2n, -2n])
    assert.equal(formatDecimal(displayedDecimal(parseDecimal('0.02'), rate)), '0.002809225')
  })

  it('says rate, day, source and what it is for', () => {
    assert.equal(
      describeDisplayRate(rateOf('CNY', 'USD', '2026-10-30')),
      '1 USD = 7.1194 CNY on 2026-10-30 (middle rates of the bank), for display only',
    )
  })

  it('does not guess: no other day, no third currency', () => {
    const missing = (from: string, to: string, day: string): string => {
      const rate = displayRate(table, from, to, day)
      return isMissingRate(rate) ? rate.missing : assert.fail('there is a rate')
    }
    assert.equal(
      missing('CNY', 'USD', '2026-10-31'),
      'There is no rate between CNY and USD for 2026-10-31; it has one for 2026-10-30 and 2026-11-02.',
    )
    assert.match(missing('EUR', 'CNY', '2026-10-30'), /the table has none for these two/)
  })

  it('there and back is the same amount to half a unit of what was in between', () => {
    const there = rateOf('USD', 'CNY', '2026-10-30')
    const back = rateOf('CNY', 'USD', '2026-10-30')
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), (nanos) => {
        assert.equal(displayedNanos(displayedNanos(nanos, there), back), nanos)
      }),
      { seed: 20261124 },
    )
  })

  it('refuses a table that could be read in two ways, naming the place', () => {
    const refused = (value: unknown): string => {
      try {
        readDisplayRates(value)
      } catch (error) {
        assert.ok(error instanceof MeterError && error.code === 'METER_BAD_RATES')
        return error.message
      }
      return assert.fail('it was read')
    }
    const day = '2026-10-30'
    assert.match(refused([]), /^the file is no mapping/)
    assert.match(refused({ rates: { USDCNY: {} } }), /^rates\.USDCNY is no pair/)
    assert.match(refused({ rates: { 'USD/CNY': { [day]: 7 }, 'CNY/USD': { [day]: 0.14 } } }), /the other way round/)
    assert.match(refused({ rates: { 'USD/CNY': { '2026-02-30': 7 } } }), /is not under a day/)
    assert.match(refused({ rates: { 'USD/CNY': { [day]: 0 } } }), /is not above zero/)
    assert.match(refused({ rates: { 'USD/CNY': { [day]: 0.1 + 0.2 } } }), /write it in quotes/)
    assert.match(refused({ rates: { 'USD/CNY': { [day]: '7,1' } } }), /is no decimal number/)
    assert.match(refused({ rates: {}, fallback: 7 }), /^fallback is neither/)
  })
})
