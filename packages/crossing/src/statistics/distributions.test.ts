import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { cumulativeStdNormalProbability, probit } from 'simple-statistics'
import {
  betaCdf,
  betaQuantile,
  binomialCdf,
  binomialMass,
  increasingRoot,
  normalCdf,
  normalQuantile,
  tCdf,
  tQuantile,
} from './distributions.ts'
import { mcNemar } from './mcnemar.ts'
import { exactUpperBound, wilsonInterval } from './proportion.ts'

const { rows } = JSON.parse(readFileSync(new URL('./fixtures/distributions.json', import.meta.url), 'utf8')) as {
  rows: [string, number[], number | [number, number]][]
}

const functions: Record<string, (values: number[]) => number[]> = {
  normalCdf: ([x]) => [normalCdf(x!)],
  normalQuantile: ([p]) => [normalQuantile(p!)],
  tCdf: ([t, df]) => [tCdf(t!, df!)],
  tQuantile: ([p, df]) => [tQuantile(p!, df!)],
  betaCdf: ([x, a, b]) => [betaCdf(x!, a!, b!)],
  betaQuantile: ([p, a, b]) => [betaQuantile(p!, a!, b!)],
  binomialCdf: ([k, n, p]) => [binomialCdf(k!, n!, p!)],
  exactUpperBound: ([events, trials, confidence]) => [exactUpperBound(events!, trials!, confidence)],
  wilsonInterval: ([successes, trials, confidence]) => {
    const { lower, upper } = wilsonInterval(successes!, trials!, confidence)
    return [lower, upper]
  },
  mcNemar: ([wins, losses]) => {
    const { exact, midP } = mcNemar(wins!, losses!)
    return [exact, midP]
  },
}

describe('distributions, proportions and McNemar against mpmath and scipy', () => {
  for (const [name, values, expected] of rows)
    it(`${name}(${values.join(', ')})`, () => {
      const wanted = [expected].flat()
      for (const [index, got] of functions[name]!(values).entries()) {
        const want = wanted[index]!
        assert.ok(Math.abs(got - want) <= 1e-10 * Math.max(Math.abs(want), 1e-6), `${got} instead of ${want}`)
      }
    })

  it('agrees with simple-statistics as far as that library goes', () => {
    for (const x of [-2.2, -1, 0.3, 1.7]) assert.ok(Math.abs(normalCdf(x) - cumulativeStdNormalProbability(x)) < 1e-4)
    for (const p of [0.03, 0.4, 0.9]) assert.ok(Math.abs(normalQuantile(p) - probit(p)) < 2e-2)
  })

  it('makes the masses of a binomial distribution add up to its CDF', () => {
    let sum = 0
    for (let k = 0; k <= 12; k++) {
      sum += binomialMass(k, 30, 0.37)
      assert.ok(Math.abs(sum - binomialCdf(k, 30, 0.37)) < 1e-12)
    }
  })

  it('bounds zero events in n by about three over n: 300 clean cases are needed to claim less than 1 %', () => {
    assert.ok(exactUpperBound(0, 300) < 0.01)
    assert.ok(exactUpperBound(0, 297) > 0.01)
  })

  it('knows nothing without trials, and refuses counts that are none', () => {
    assert.deepEqual(wilsonInterval(0, 0), { lower: 0, upper: 1, confidence: 0.95 })
    assert.throws(() => wilsonInterval(3, 2), RangeError)
    assert.throws(() => mcNemar(0.5, 2), RangeError)
    assert.throws(() => normalQuantile(1.2), RangeError)
  })

  it('finds a root although the function is infinite at an end', () => {
    assert.ok(Math.abs(increasingRoot((x) => Math.log(x) - 1, 0, 100) - Math.E) < 1e-12)
  })
})
