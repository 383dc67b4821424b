import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { normalCdf } from './distributions.ts'
import { tangoInterval, tangoNonInferiority, tangoStatistic, type PairedCounts } from './tango.ts'

interface OracleRow extends PairedCounts {
  readonly confidence: number
  readonly lower: number
  readonly upper: number
  readonly margin: number
  readonly statistic: number
}

const { cases } = JSON.parse(readFileSync(new URL('./fixtures/tango.json', import.meta.url), 'utf8')) as {
  cases: OracleRow[]
}

describe(`Tango's interval (check 15)`, () => {
  it(`equals ${cases.length} independently computed intervals and statistics to 1e-6`, () => {
    assert.ok(cases.length >= 20)
    for (const row of cases) {
      const { lower, upper } = tangoInterval(row, row.confidence)
      const what = JSON.stringify(row)
      assert.ok(Math.abs(lower - row.lower) < 1e-9, `lower ${lower}: ${what}`)
      assert.ok(Math.abs(upper - row.upper) < 1e-9, `upper ${upper}: ${what}`)
      assert.ok(Math.abs(tangoStatistic(row, -row.margin) - row.statistic) < 1e-9, what)
    }
  })

  it('has the closed form z^2 / (n + z^2) when no pair is discordant', () => {
    const z = 1.6448536269514722
    const { lower, upper } = tangoInterval({ wins: 0, losses: 0, pairs: 300 }, 0.9)
    assert.ok(Math.abs(upper - (z * z) / (300 + z * z)) < 1e-12)
    assert.ok(Math.abs(lower + (z * z) / (300 + z * z)) < 1e-12)
  })

  it('knows nothing without pairs', () => {
    assert.deepEqual(tangoInterval({ wins: 0, losses: 0, pairs: 0 }, 0.9), { lower: -1, upper: 1, confidence: 0.9 })
    assert.deepEqual(tangoNonInferiority({ wins: 0, losses: 0, pairs: 0 }, 0.02), { statistic: 0, p: 1 })
  })

  it('stays finite where every pair is lost or won', () => {
    assert.equal(tangoInterval({ wins: 0, losses: 9, pairs: 9 }, 0.95).lower, -1)
    assert.equal(tangoInterval({ wins: 9, losses: 0, pairs: 9 }, 0.95).upper, 1)
    assert.ok(tangoInterval({ wins: 9, losses: 0, pairs: 9 }, 0.95).lower > 0)
  })

  it('gives the p value of the margin test from the same statistic', () => {
    const { statistic, p } = tangoNonInferiority({ wins: 10, losses: 25, pairs: 1546 }, 0.02)
    assert.ok(Math.abs(p - normalCdf(-statistic)) < 1e-15)
    assert.ok(p < 0.05)
  })

  it('refuses tables that cannot be', () => {
    assert.throws(() => tangoInterval({ wins: 3, losses: 3, pairs: 5 }), RangeError)
    assert.throws(() => tangoInterval({ wins: -1, losses: 3, pairs: 5 }), RangeError)
    assert.throws(() => tangoInterval({ wins: Number.NaN, losses: 3, pairs: 5 }), RangeError)
    assert.throws(() => tangoNonInferiority({ wins: 1, losses: 1, pairs: 5 }, 0), RangeError)
  })
})
