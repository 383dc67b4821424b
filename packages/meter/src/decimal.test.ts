import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { add, ceiling, compare, floor, formatDecimal, multiply, parseDecimal, roundHalfEven } from './decimal.ts'

const decimals = fc
  .record({ digits: fc.bigInt(-(10n ** 20n), 10n ** 20n), scale: fc.nat(12) })
  .map((value) => parseDecimal(formatDecimal(value)))

describe('decimals', () => {
  it('are read by their text, whatever a binary fraction would make of it', () => {
    for (const [text, expected] of [
      ['0.003625', '0.003625'],
      ['1.5e-07', '0.00000015'],
      ['2.50', '2.5'],
      ['1E3', '1000'],
      ['-0.1', '-0.1'],
      ['007', '7'],
    ] as const)
      assert.equal(formatDecimal(parseDecimal(text)), expected)
    assert.equal(formatDecimal(add(parseDecimal(0.1), parseDecimal(0.2))), '0.3')
  })

  it('refuse what is not one', () => {
    for (const text of ['', ' 1', '1,5', '.5', '5.', '0x10', 'NaN', '1e41', '1e-999', '9'.repeat(61), '１'])
      assert.throws(() => parseDecimal(text), { code: 'METER_BAD_DECIMAL' }, text)
  })

  it('round half to even, below zero as well', () => {
    for (const [text, expected] of [
      ['0.5', 0n],
      ['1.5', 2n],
      ['2.5', 2n],
      ['2.500001', 3n],
      ['-0.5', 0n],
      ['-1.5', -2n],
      ['-2.6', -3n],
      ['7', 7n],
    ] as const)
      assert.equal(roundHalfEven(parseDecimal(text)), expected, text)
    assert.deepEqual(
      [floor(parseDecimal('-1.1')), ceiling(parseDecimal('-1.1')), ceiling(parseDecimal('1.1'))],
      [-2n, -1n, 2n],
    )
  })

  it('keep text, order and distribution (law)', () => {
    fc.assert(
      fc.property(decimals, decimals, decimals, (a, b, c) => {
        assert.equal(compare(parseDecimal(formatDecimal(a)), a), 0)
        assert.equal(compare(multiply(a, add(b, c)), add(multiply(a, b), multiply(a, c))), 0)
        const rounded = { digits: roundHalfEven(a), scale: 0 }
        const distance = add(rounded, { digits: -a.digits, scale: a.scale })
        assert.ok(compare(distance, parseDecimal('0.5')) <= 0 && compare(distance, parseDecimal('-0.5')) >= 0)
      }),
      { seed: 4 },
    )
  })
})
