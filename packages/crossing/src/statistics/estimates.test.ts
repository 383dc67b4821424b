import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { quantile } from 'simple-statistics'
import { medianRatio, ratioOfQuantiles, ratioOfTotals, type PairedMeasure } from './bootstrap.ts'
import { benjaminiHochberg, holm } from './multiplicity.ts'
import { passPower } from './pass-power.ts'
import { seededRandom } from './random.ts'
import { cohenKappa, predictionPoweredMean, roganGladen } from './rater-agreement.ts'
import { casesNeeded, readPilot } from './sample-size.ts'
import { simulateGate } from './simulation.ts'
import { effectiveSize, inclusionWeight, weightedMean, weightedTotal } from './weights.ts'

describe('sample size', () => {
  it('plans a little more than 6.18 psi / D^2, and much more where discordance is as rare as the margin', () => {
    const table = [0.02, 0.03, 0.05].map((margin) =>
      [0.05, 0.1, 0.2].map((discordance) => casesNeeded({ discordance, margin })),
    )
    // By the familiar formula: 773, 1546, 3092; 344, 687, 1374; 124, 248, 495.
    assert.deepEqual(table, [
      [837, 1578, 3104],
      [400, 717, 1386],
      [167, 274, 507],
    ])
  })

  it('never plans fewer than could pass without one difference', () => {
    const cases = casesNeeded({ discordance: 0, margin: 0.02 })
    assert.equal(cases, 133)
  })

  it('grows with the design effect and takes the larger of the two disagreements from a pilot', () => {
    const pilot = Array.from({ length: 50 }, (_, at) => ({
      session: `s${Math.floor(at / 5)}`,
      candidate: at % 10 === 0 ? 0 : 1,
      incumbent: at % 10 === 5 ? 0 : 1,
      incumbentAgain: at % 5 === 1 ? 0 : 1,
    }))
    const reading = readPilot(pilot, { margin: 0.03 })
    assert.ok(Math.abs(reading.discordance - 0.2) < 1e-12)
    assert.ok(Math.abs(reading.floorDiscordance! - 0.3) < 1e-12)
    assert.equal(reading.sessions, 10)
    assert.ok(reading.designEffect >= 1)
    assert.equal(
      reading.casesNeeded,
      casesNeeded({ discordance: reading.floorDiscordance!, margin: 0.03, designEffect: reading.designEffect }),
    )
    assert.ok(reading.casesNeededAtWorst > reading.casesNeeded)
  })
})

describe('bootstrap by session', () => {
  const random = seededRandom(7)
  const measures: PairedMeasure[] = Array.from({ length: 600 }, (_, at) => {
    const incumbent = Math.exp(random() * 2)
    return { session: `s${at % 120}`, incumbent, candidate: incumbent * 0.5 * Math.exp(0.4 * (random() - 0.5)) }
  })

  it('finds a bill that was halved, with an interval around it', () => {
    const { ratio, interval, sessions, cases } = ratioOfTotals(measures, { seed: 1, draws: 500 })
    assert.ok(Math.abs(ratio! - 0.5) < 0.01)
    assert.ok(interval!.lower < ratio! && ratio! < interval!.upper && interval!.upper - interval!.lower < 0.03)
    assert.deepEqual([sessions, cases], [120, 600])
    assert.ok(Math.abs(medianRatio(measures, { seed: 1, draws: 500 }).ratio! - 0.5) < 0.02)
  })

  it('repeats itself from its seed and moves with another', () => {
    const one = ratioOfTotals(measures, { seed: 1, draws: 200 })
    assert.deepEqual(ratioOfTotals(measures, { seed: 1, draws: 200 }), one)
    assert.notDeepEqual(ratioOfTotals(measures, { seed: 2, draws: 200 }).interval, one.interval)
  })

  it('takes the quantiles that simple-statistics takes (601 values: no interpolation there)', () => {
    const odd = [...measures, { session: 's0', candidate: 1, incumbent: 2 }]
    const { ratio } = ratioOfQuantiles(odd, 0.95, { seed: 1, draws: 10 })
    const q = (values: number[]): number => quantile(values, 0.95)
    const direct = q(odd.map((each) => each.candidate)) / q(odd.map((each) => each.incumbent))
    assert.ok(Math.abs(ratio! - direct) < 1e-12)
  })

  it('weighs sessions, so that an oversampled stratum does not own the bill', () => {
    const cases = [
      { session: 'a', candidate: 1, incumbent: 2, weight: 9 },
      { session: 'b', candidate: 3, incumbent: 2, weight: 1 },
    ]
    assert.equal(ratioOfTotals(cases, { seed: 1, draws: 10 }).ratio, 12 / 20)
  })

  it('gives no ratio over nothing and no interval from one session', () => {
    assert.equal(ratioOfTotals([], { seed: 1 }).ratio, null)
    assert.equal(ratioOfTotals([{ session: 'a', candidate: 1, incumbent: 0 }], { seed: 1 }).ratio, null)
    assert.equal(ratioOfTotals([{ session: 'a', candidate: 1, incumbent: 2 }], { seed: 1 }).interval, null)
    assert.throws(() => ratioOfTotals([{ session: 'a', candidate: NaN, incumbent: 2 }], { seed: 1 }), RangeError)
  })

  it('covers the true ratio about as often as it says', () => {
    const chance = seededRandom(99)
    let covered = 0
    for (let run = 0; run < 200; run++) {
      const sample = Array.from({ length: 60 }, (_, at) => ({
        session: `s${at}`,
        incumbent: 1 + chance(),
        candidate: 1 + chance(),
      }))
      const { interval } = ratioOfTotals(sample, { seed: run, draws: 300 })
      if (interval!.lower <= 1 && interval!.upper >= 1) covered++
    }
    assert.ok(covered >= 168 && covered <= 192, `${covered} of 200 at a nominal 90 %`)
  })
})

describe('many tests at once', () => {
  it('gives the adjusted p values of R: p.adjust(c(0.01, 0.04, 0.03, 0.005))', () => {
    const values = [0.01, 0.04, 0.03, 0.005]
    const near = (got: number[], want: number[]): void => {
      for (const [at, value] of got.entries()) assert.ok(Math.abs(value - want[at]!) < 1e-12, String(got))
    }
    near(holm(values), [0.03, 0.06, 0.06, 0.02])
    near(benjaminiHochberg(values), [0.02, 0.04, 0.04, 0.02])
    assert.deepEqual(holm([]), [])
  })
})

describe('raters', () => {
  it(`gives Cohen's kappa and the variance of Fleiss, Cohen and Everitt`, () => {
    // The 2 x 2 table (20, 5; 10, 15): kappa 0.4, standard error as statsmodels 0.15.0 gives it.
    const pairs = [
      ...Array.from({ length: 20 }, () => ['yes', 'yes'] as const),
      ...Array.from({ length: 5 }, () => ['yes', 'no'] as const),
      ...Array.from({ length: 10 }, () => ['no', 'yes'] as const),
      ...Array.from({ length: 15 }, () => ['no', 'no'] as const),
    ]
    const { kappa, interval, agreement } = cohenKappa<string>(pairs)
    assert.ok(Math.abs(kappa! - 0.4) < 1e-12)
    assert.equal(agreement, 0.7)
    const standardError = (interval!.upper - interval!.lower) / (2 * 1.959963984540054)
    assert.ok(Math.abs(standardError - 0.12699606293110033) < 1e-6, String(standardError))
  })

  it('gives no kappa to a rater who only knows one word', () => {
    assert.equal(
      cohenKappa([
        ['a', 'a'],
        ['a', 'a'],
      ]).kappa,
      null,
    )
    assert.equal(cohenKappa([]).kappa, null)
  })

  it('moves a biased rater to where the labels are', () => {
    const all = Array.from({ length: 500 }, (_, at) => (at % 10 < 8 ? 1 : 0))
    const labelled = Array.from({ length: 100 }, (_, at) => ({
      rater: at % 10 < 8 ? 1 : 0,
      human: at % 10 < 6 ? 1 : 0,
    }))
    const result = predictionPoweredMean(all, labelled)!
    assert.ok(Math.abs(result.mean - 0.6) < 1e-12)
    assert.ok(result.interval.lower > 0.5 && result.interval.upper < 0.7)
    assert.equal(predictionPoweredMean([1], labelled), null)
  })

  it('recovers a pass rate behind an imperfect rater', () => {
    assert.ok(Math.abs(roganGladen(0.9 * 0.8 + 0.3 * 0.2, 0.9, 0.7)! - 0.8) < 1e-12)
    assert.equal(roganGladen(0.5, 0.5, 0.5), null)
  })
})

describe('weights and replicates', () => {
  it('make sampled sessions stand for those that were not', () => {
    const sample = [
      { value: 4, weight: inclusionWeight(0.1) },
      { value: 1, weight: inclusionWeight(1) },
    ]
    assert.equal(weightedTotal(sample), 41)
    assert.equal(weightedMean(sample), 41 / 11)
    assert.equal(weightedMean([]), null)
    assert.equal(effectiveSize([1, 1, 1]), 3)
    assert.ok(effectiveSize([10, 1]) < 1.3)
    assert.throws(() => inclusionWeight(0), RangeError)
  })

  it('estimate pass^k without bias', () => {
    assert.equal(passPower([{ passes: 2, tries: 3 }], 2), 1 / 3)
    assert.equal(passPower([{ passes: 1, tries: 1 }], 3), null)
  })
})

describe('measured error rates, small (the whole grid: simulate.ts; check 16)', () => {
  const cell = { margin: 0.05, discordance: 0.1, cases: 274, sessionCases: 1, copied: 0 }

  it('lets at most 6 % of candidates through that are worse by the margin', () => {
    const { passed } = simulateGate({ ...cell, trueDifference: -0.05 }, 800, 20261123)
    assert.ok(passed <= 0.06, String(passed))
  })

  it('keeps that bound where cases come in sessions that fail together, and Wald does not', () => {
    const clustered = { ...cell, cases: 400, sessionCases: 20, copied: 0.7, trueDifference: -0.05 }
    const { passed, passedByWald } = simulateGate(clustered, 300, 20261123)
    assert.ok(passed <= 0.06, String(passed))
    assert.ok(passedByWald > 0.1, String(passedByWald))
  })

  it('lets 78 % of equally good candidates through at the planned size', () => {
    const { passed } = simulateGate({ ...cell, trueDifference: 0 }, 800, 20261123)
    assert.ok(passed >= 0.78, String(passed))
  })
})
