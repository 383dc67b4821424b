import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { agreementAgainstFloor } from './agreement-floor.ts'
import { clusteredInterval, clusteredMean, clusteredP } from './clustered.ts'
import { normalCdf } from './distributions.ts'
import { comparePairs, type PairedCase } from './paired-comparison.ts'
import { tangoInterval } from './tango.ts'

/** `wins` and `losses` first, the rest both pass; sessions of `size` cases. */
function table(wins: number, losses: number, pairs: number, size = 1): PairedCase[] {
  return Array.from({ length: pairs }, (_, at) => ({
    session: `s${Math.floor(at / size)}`,
    candidate: at < wins || at >= wins + losses ? 1 : 0,
    incumbent: at < wins ? 0 : 1,
  }))
}

describe('the primary gate', () => {
  it('calls an arm that repeats the recording non-inferior at the planned size (check 6)', () => {
    const result = comparePairs(table(0, 0, 687), { margin: 0.02 })
    assert.equal(result.difference, 0)
    assert.equal(result.decision, 'non-inferior')
    assert.equal(result.reason, null)
    assert.equal(result.candidateRate.rate, 1)
  })

  it('calls a candidate worse when it has lost for certain, and not shown when nobody can tell', () => {
    assert.equal(comparePairs(table(10, 60, 1000), { margin: 0.02 }).decision, 'worse')
    const unclear = comparePairs(table(10, 15, 200), { margin: 0.02 })
    assert.equal(unclear.decision, 'not-shown')
    assert.match(unclear.reason!, /200 cases in 200 sessions are too few/)
  })

  it('lets a candidate through that is a little worse for certain but within the margin', () => {
    const result = comparePairs(table(0, 20, 5000), { margin: 0.02 })
    assert.ok(result.interval.upper < 0)
    assert.equal(result.decision, 'non-inferior')
  })

  it('equals Tango on independent cases up to the small cluster correction, and is never narrower', () => {
    const result = comparePairs(table(30, 40, 1546), { margin: 0.02 })
    const { lower, upper } = tangoInterval({ wins: 30, losses: 40, pairs: 1546 }, 0.9)
    assert.ok(result.interval.lower <= lower && result.interval.upper >= upper)
    assert.ok(lower - result.interval.lower < 2e-4)
  })

  it('widens when the same cases come in sessions that fail together', () => {
    const alone = comparePairs(table(40, 40, 800), { margin: 0.03 })
    const together = comparePairs(table(40, 40, 800, 20), { margin: 0.03 })
    assert.equal(alone.decision, 'non-inferior')
    assert.equal(together.decision, 'not-shown')
    assert.ok(together.designEffect! > 15)
    assert.ok(together.intraSessionCorrelation! > 0.9)
  })

  it('shows nothing from one session, however many cases it has', () => {
    const result = comparePairs(table(0, 0, 5000, 5000), { margin: 0.02 })
    assert.equal(result.decision, 'not-shown')
    assert.match(result.reason!, /one session/)
  })

  it('counts a session once when nothing ever differs: ten conversations are not a thousand', () => {
    assert.equal(comparePairs(table(0, 0, 1000, 100), { margin: 0.02 }).decision, 'not-shown')
    assert.equal(comparePairs(table(0, 0, 1000, 5), { margin: 0.02 }).decision, 'non-inferior')
  })

  it('weighs a rare stratum as production does', () => {
    const cases = [
      ...table(0, 0, 400).map((row) => ({ ...row, weight: 10 })),
      ...table(0, 40, 100).map((row) => ({ ...row, session: `rare ${row.session}`, weight: 1 })),
    ]
    const result = comparePairs(cases, { margin: 0.03 })
    assert.ok(Math.abs(result.difference + 40 / 4100) < 1e-12)
    assert.ok(result.interval.lower > -0.03)
  })

  it('averages replicates within their case', () => {
    const cases = Array.from({ length: 300 }, (_, at) => ({
      session: `s${at}`,
      candidate: at % 3 === 0 ? 2 / 3 : 1,
      incumbent: at % 3 === 1 ? 2 / 3 : 1,
    }))
    const result = comparePairs(cases, { margin: 0.05 })
    assert.ok(Math.abs(result.difference) < 1e-12)
    assert.equal(result.mcNemar, null)
    assert.equal(result.decision, 'non-inferior')
  })

  it('asks for a better candidate at a margin of 0: an equal one shows nothing, however many cases', () => {
    assert.equal(comparePairs(table(50, 50, 10_000), { margin: 0 }).decision, 'not-shown')
    assert.equal(comparePairs(table(0, 0, 10_000), { margin: 0 }).decision, 'not-shown')
    const better = comparePairs(table(90, 50, 1000), { margin: 0 })
    assert.equal(better.decision, 'non-inferior')
    assert.ok(better.interval.lower > 0 && better.p < 0.05)
    assert.equal(comparePairs(table(50, 90, 1000), { margin: 0 }).decision, 'worse')
    // McNemar's own statistic, one-sided: the test of superiority is no new one.
    const z = (90 - 50) / Math.sqrt(90 + 50)
    assert.ok(Math.abs(better.p - normalCdf(-z)) < 1e-12)
    assert.throws(() => comparePairs(table(1, 1, 10), { margin: -0.01 }), RangeError)
  })

  it('refuses what is not a share', () => {
    assert.throws(() => comparePairs([], { margin: 0.02 }), RangeError)
    assert.throws(() => comparePairs([{ session: 'a', candidate: 2, incumbent: 0 }], { margin: 0.02 }), RangeError)
    assert.throws(() => comparePairs(table(0, 0, 5), { margin: 0.02, alpha: 0.7 }), RangeError)
  })

  it('contains the estimate, is mirrored under arm swap and does not depend on the order of cases', () => {
    const row = fc.record({
      session: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      candidate: fc.constantFrom(0, 0.5, 1),
      incumbent: fc.constantFrom(0, 0.5, 1),
      weight: fc.constantFrom(1, 2, 10),
    })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), (cases) => {
        const one = comparePairs(cases, { margin: 0.1 })
        const swapped = comparePairs(
          cases.map((each) => ({ ...each, candidate: each.incumbent, incumbent: each.candidate })),
          { margin: 0.1 },
        )
        const reversed = comparePairs(cases.toReversed(), { margin: 0.1 })
        return (
          one.interval.lower <= one.difference + 1e-9 &&
          one.difference <= one.interval.upper + 1e-9 &&
          Math.abs(one.interval.lower + swapped.interval.upper) < 1e-9 &&
          Math.abs(one.interval.lower - reversed.interval.lower) < 1e-9
        )
      }),
      { seed: 20261123, numRuns: 200 },
    )
  })
})

describe('clustered means', () => {
  it('equal the textbook formula on a case done by hand', () => {
    // Residual sums by session: a: 1/3 - 2/3 = ... mean 1/2; a: (1, 1) +1, b: (0, 0) -1, c: (1, 0) 0.
    const values = [1, 1, 0, 0, 1, 0].map((value, at) => ({ session: 'aabbcc'[at]!, value }))
    const result = clusteredMean(values)
    assert.equal(result.mean, 0.5)
    assert.ok(Math.abs(result.standardError! - Math.sqrt((3 / 2) * (2 / 36))) < 1e-15)
    // MSB = 1/2, MSW = 1/6, m = 2.
    assert.ok(Math.abs(result.intraSessionCorrelation! - (1 / 2 - 1 / 6) / (1 / 2 + 1 / 6)) < 1e-12)
  })

  it('say nothing about a single session', () => {
    const result = clusteredMean([{ session: 'a', value: 1 }])
    assert.equal(result.standardError, null)
    assert.deepEqual(clusteredInterval(result, 0.9), { lower: -1, upper: 1, confidence: 0.9 })
    assert.equal(clusteredP(result, -0.02), 1)
  })

  it('turn interval and p value at the same place', () => {
    const values = Array.from({ length: 40 }, (_, at) => ({ session: `s${at % 13}`, value: Math.sin(at) }))
    const result = clusteredMean(values)
    assert.ok(Math.abs(clusteredP(result, clusteredInterval(result, 0.9).lower) - 0.05) < 1e-9)
  })
})

describe('agreement against the A/A floor', () => {
  it('forgives a candidate what the incumbent does to itself', () => {
    // Both repeat the recording in 70 % of cases, each in its own way.
    const cases = Array.from({ length: 2000 }, (_, at) => ({
      session: `s${at}`,
      candidate: at % 10 < 7 ? 1 : 0,
      again: at % 10 >= 3 ? 1 : 0,
    }))
    const reading = agreementAgainstFloor(cases, { margin: 0.05, seed: 1 })
    assert.equal(reading.floor, 0.7)
    assert.equal(reading.agreement, 0.7)
    assert.equal(reading.comparison.decision, 'non-inferior')
    assert.ok(Math.abs(reading.ratio.ratio! - 1) < 1e-12)
  })
})
