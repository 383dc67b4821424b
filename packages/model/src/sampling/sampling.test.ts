import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ModelError } from '../errors.ts'
import { bestIds, logprobsOf, logSumExp } from './log-probabilities.ts'
import { createRandom, restoreRandom } from './random.ts'
import { bestOf, Sampler } from './sampler.ts'
import type { SamplingOptions } from './sampling-options.ts'
import { StopMatcher } from './stop-matcher.ts'

const isError =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof ModelError && error.code === code
const scores = (...values: number[]): Float32Array => Float32Array.from(values)
const probabilities = (options: SamplingOptions, logits: Float32Array): number[] => {
  const distribution = new Sampler({ seed: 1, ...options }).distribution(logits)
  return Array.from(logits, (_, id) => distribution.get(id) ?? 0)
}
const close = (actual: readonly number[], expected: readonly number[]): void => {
  assert.equal(actual.length, expected.length)
  for (const [index, value] of actual.entries())
    assert.equal(
      Math.abs(value - expected[index]!) < 1e-6,
      true,
      `${actual.join(' ')} instead of ${expected.join(' ')}`,
    )
}
/** Scores whose softmax is the given distribution. */
const logitsOf = (...shares: number[]): Float32Array => Float32Array.from(shares, Math.log)

describe('random numbers', () => {
  it('are those of xoshiro128++ seeded through SplitMix64, for ever', () => {
    // First outputs of the published xoshiro128++ from the state 1, 2, 3, 4.
    const random = restoreRandom([1, 2, 3, 4])
    assert.deepEqual(
      Array.from({ length: 4 }, () => random.next()),
      [641, 1573767, 3222811527, 3517856514],
    )
    const seeded = createRandom(42)
    assert.deepEqual(seeded.state(), createRandom(42n).state())
    assert.notDeepEqual(seeded.state(), createRandom(43).state())
  })

  it('go on from a saved state', () => {
    const random = createRandom(-7)
    random.next()
    const copy = restoreRandom(random.state())
    assert.deepEqual([random.next(), random.uniform(), random.below(10)], [copy.next(), copy.uniform(), copy.below(10)])
  })

  it('stay in range and survive the zero state', () => {
    const random = restoreRandom([0, 0, 0, 0])
    for (let i = 0; i < 1000; i++) {
      const value = random.uniform()
      assert.equal(value >= 0 && value < 1, true)
      assert.equal(random.below(3) < 3, true)
    }
  })
})

describe('sampler', () => {
  it('with temperature 0 takes the best token, the first of equals', () => {
    const sampler = new Sampler({ temperature: 0 })
    assert.equal(sampler.next(scores(1, 3, 3, 2)), 1)
    assert.equal(bestOf(scores(-Infinity, -5)), 1)
  })

  it('divides scores by the temperature', () => {
    close(probabilities({ temperature: 2 }, scores(2, 0)), [Math.E / (Math.E + 1), 1 / (Math.E + 1)])
  })

  it('keeps the k best, of equals those with smaller ids', () => {
    close(probabilities({ topK: 2 }, logitsOf(0.2, 0.4, 0.2, 0.2)), [1 / 3, 2 / 3, 0, 0])
  })

  it('keeps the fewest best tokens that reach top-p', () => {
    close(probabilities({ topP: 0.6 }, logitsOf(0.1, 0.5, 0.3, 0.1)), [0, 0.625, 0.375, 0])
    close(probabilities({ topP: 0.5 }, logitsOf(0.1, 0.55, 0.25, 0.1)), [0, 1, 0, 0])
    close(probabilities({ topP: 1e-9 }, logitsOf(0.1, 0.55, 0.25, 0.1)), [0, 1, 0, 0])
  })

  it('measures top-p within what top-k has left', () => {
    close(probabilities({ topK: 2, topP: 0.6 }, logitsOf(0.3, 0.3, 0.2, 0.2)), [0.5, 0.5, 0, 0])
  })

  it('keeps what is at least min-p times as probable as the best', () => {
    close(probabilities({ minP: 0.5 }, logitsOf(0.1, 0.5, 0.3, 0.1)), [0, 0.625, 0.375, 0])
  })

  it('penalises what was written: by count, by presence, and by repetition also what the prompt holds', () => {
    const frequent = new Sampler({ temperature: 0, frequencyPenalty: 0.5 })
    const logits = scores(1.2, 1, 0)
    assert.deepEqual(
      [frequent.next(logits), frequent.next(logits), frequent.next(logits), frequent.next(logits)],
      [0, 1, 0, 1],
    )
    const present = new Sampler({ temperature: 0, presencePenalty: 2 })
    assert.deepEqual(
      [present.next(logits), present.next(logits), present.next(logits), present.next(logits)],
      [0, 1, 2, 0],
    )
    const repeated = new Sampler({ temperature: 0, repetitionPenalty: 2 }, [0])
    assert.equal(repeated.next(logits), 1)
    const negative = new Sampler({ temperature: 0, repetitionPenalty: 2 }, [0])
    assert.equal(negative.next(scores(-1, -1.5)), 1, 'a negative score moves away from zero')
  })

  it('adds biases and never draws what a filter refuses', () => {
    assert.equal(
      new Sampler({
        temperature: 0,
        logitBias: new Map([
          [2, 100],
          [99, 5],
        ]),
      }).next(scores(5, 4, 3)),
      2,
    )
    const sampler = new Sampler({ seed: 3, topP: 0.9 })
    for (let i = 0; i < 50; i++)
      assert.notEqual(
        sampler.next(scores(9, 1, 1), (id) => id !== 0),
        0,
      )
  })

  it('repeats itself with the same seed, from the start and from a snapshot', () => {
    const options = { seed: 1234567890123n, temperature: 1.3, topP: 0.95, frequencyPenalty: 0.2 }
    const logits = Float32Array.from({ length: 50 }, (_, id) => Math.sin(id * 12.9898) * 3)
    const run = (sampler: Sampler, count: number): number[] => Array.from({ length: count }, () => sampler.next(logits))
    const whole = run(new Sampler(options), 40)
    assert.deepEqual(run(new Sampler(options), 40), whole)
    const first = new Sampler(options)
    run(first, 15)
    const resumed = new Sampler(options)
    resumed.restore(JSON.parse(JSON.stringify(first.snapshot())))
    assert.deepEqual(run(resumed, 25), whole.slice(15))
    const unseeded = new Sampler({ temperature: 1.3, topP: 0.95, frequencyPenalty: 0.2 })
    assert.deepEqual(run(new Sampler({ ...options, seed: unseeded.seed }), 40), run(unseeded, 40))
  })

  it('draws in proportion (chi-square over 20,000 draws, fixed seeds)', () => {
    const settings: SamplingOptions[] = [
      { temperature: 0.7 },
      { topP: 0.8 },
      { topK: 5, temperature: 1.5 },
      { minP: 0.1 },
    ]
    const logits = Float32Array.from({ length: 12 }, (_, id) => Math.cos(id * 7.7) * 2)
    for (const [index, options] of settings.entries()) {
      const sampler = new Sampler({ ...options, seed: 100 + index })
      const expected = sampler.distribution(logits)
      const counts = new Map<number, number>()
      const draws = 20_000
      for (let i = 0; i < draws; i++) {
        const id = sampler.next(logits)
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      let chiSquare = 0
      for (const [id, share] of expected) chiSquare += ((counts.get(id) ?? 0) - share * draws) ** 2 / (share * draws)
      assert.equal(
        [...counts.keys()].every((id) => expected.has(id)),
        true,
      )
      // 99.9 % quantile of chi-square with 11 degrees of freedom; fewer degrees only make it stricter to pass by chance.
      assert.equal(chiSquare < 31.26, true, `${JSON.stringify(options)}: ${chiSquare}`)
    }
  })

  it('refuses settings outside their range, naming them', () => {
    const bad: SamplingOptions[] = [
      { temperature: -1 },
      { temperature: Number.NaN },
      { topP: 0 },
      { topP: 1.1 },
      { topK: 1.5 },
      { topK: -1 },
      { minP: 2 },
      { repetitionPenalty: 0 },
      { frequencyPenalty: 3 },
      { presencePenalty: -2.5 },
      { seed: 0.5 },
      { logitBias: new Map([[1, 1000]]) },
      { logitBias: new Map([[-1, 1]]) },
    ]
    for (const options of bad) assert.throws(() => new Sampler(options), isError('MODEL_SAMPLING'))
  })

  it('says so when the scores are broken or nothing is left', () => {
    for (const temperature of [0, 1]) {
      const sampler = new Sampler({ temperature, seed: 1 })
      assert.throws(() => sampler.next(scores(1, Number.NaN)), isError('MODEL_LOGITS'))
      assert.throws(() => sampler.next(scores(1, Infinity)), isError('MODEL_LOGITS'))
      assert.throws(() => sampler.next(scores(-Infinity, -Infinity)), isError('MODEL_LOGITS'))
      assert.throws(() => sampler.next(scores()), isError('MODEL_LOGITS'))
      assert.throws(() => sampler.next(scores(1, 2), () => false), isError('MODEL_LOGITS'))
    }
  })

  it('copes with a vocabulary of 129,280 in every mode', () => {
    const logits = Float32Array.from({ length: 129_280 }, (_, id) => Math.sin(id) * 10)
    for (const options of [{}, { topP: 0.9 }, { topK: 50 }, { topK: 100_000, topP: 0.9 }, { minP: 0.1 }]) {
      assert.equal(new Sampler({ seed: 5, ...options }).next(logits) < 129_280, true)
    }
  })
})

describe('laws of the sampler', () => {
  const logitLists = fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 40 })
  const parameters = { seed: 20261123, numRuns: 300 }

  it('top-p keeps the fewest best tokens whose mass reaches p', () => {
    fc.assert(
      fc.property(logitLists, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (list, topP) => {
        const logits = Float32Array.from(list)
        const full = probabilities({}, logits)
        const kept = [...new Sampler({ topP, seed: 1 }).distribution(logits).keys()]
        const mass = kept.reduce((sum, id) => sum + full[id]!, 0)
        const weakest = Math.min(...kept.map((id) => full[id]!))
        assert.equal(mass >= topP - 1e-9, true)
        assert.equal(mass - weakest <= topP + 1e-9, true)
        assert.equal(
          full.every((share, id) => kept.includes(id) || share <= weakest),
          true,
        )
      }),
      parameters,
    )
  })

  it('any cuts leave a distribution that holds the best token', () => {
    const options = fc.record({
      temperature: fc.double({ min: 0, max: 5, noNaN: true }),
      topP: fc.double({ min: 0.001, max: 1, noNaN: true }),
      topK: fc.nat(50),
      minP: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(logitLists, options, (list, settings) => {
        const logits = Float32Array.from(list)
        const distribution = new Sampler({ ...settings, seed: 1 }).distribution(logits)
        const sum = [...distribution.values()].reduce((total, share) => total + share, 0)
        assert.equal(Math.abs(sum - 1) < 1e-9, true)
        assert.equal(distribution.has(bestOf(logits)), true)
        assert.equal(distribution.has(new Sampler({ ...settings, seed: 9 }).next(logits)), true)
      }),
      parameters,
    )
  })

  it('the best ids are those of a stable sort', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 30 }), fc.nat(35), (list, count) => {
        const sorted = list.map((_, id) => id).sort((a, b) => list[b]! - list[a]! || a - b)
        assert.deepEqual(bestIds(Float64Array.from(list), count), sorted.slice(0, count))
      }),
      parameters,
    )
  })
})

describe('log-probabilities', () => {
  it('are natural logarithms of the whole softmax, best first', () => {
    const { chosen, top } = logprobsOf(logitsOf(0.2, 0.5, 0.3), 0, 2)
    assert.equal(Math.abs(chosen.logprob - Math.log(0.2)) < 1e-6, true)
    assert.deepEqual(
      top.map(({ id }) => id),
      [1, 2],
    )
    assert.equal(logprobsOf(scores(1, 2), 1, 20).top.length, 2)
    assert.deepEqual(logprobsOf(scores(1, 2), 1, 0).top, [])
  })

  it('neither overflow nor lose small terms', () => {
    assert.equal(logSumExp(scores(1000, 1000)), 1000 + Math.log(2))
    assert.equal(logSumExp(scores(-1000)), -1000)
    const many = Float32Array.from({ length: 100_000 }, () => 0)
    assert.equal(Math.abs(logSumExp(many) - Math.log(100_000)) < 1e-12, true)
  })
})

describe('stop strings', () => {
  const run = (stops: string[], pieces: readonly string[]): { text: string; stop: string | null } => {
    const matcher = new StopMatcher(stops)
    let text = ''
    for (const piece of pieces) {
      const reading = matcher.push(piece)
      text += reading.text
      if (reading.stop !== null) return { text, stop: reading.stop }
    }
    return { text: text + matcher.flush(), stop: null }
  }

  it('are found across pieces, and nothing of them is shown', () => {
    assert.deepEqual(run(['\n\nUser:'], ['Yes.', '\n', '\nUs', 'er: no']), { text: 'Yes.', stop: '\n\nUser:' })
  })

  it('hold back only what could become one', () => {
    const matcher = new StopMatcher(['END'])
    assert.deepEqual(matcher.push('the E'), { text: 'the ', stop: null })
    assert.deepEqual(matcher.push('NTRY'), { text: 'ENTRY', stop: null })
    assert.equal(matcher.flush(), '')
  })

  it('give back what was held when the text ends', () => {
    assert.deepEqual(run(['END'], ['the EN']), { text: 'the EN', stop: null })
  })

  it('overlap themselves without being missed', () => {
    assert.deepEqual(run(['aab'], ['a', 'a', 'a', 'b']), { text: 'a', stop: 'aab' })
  })

  it('that is complete first wins, the longest of those that end together', () => {
    assert.deepEqual(run(['abc', 'b'], ['abc']), { text: 'a', stop: 'b' })
    assert.deepEqual(run(['c', 'abc'], ['abc']), { text: '', stop: 'abc' })
  })

  it('must not be empty; none at all is fine', () => {
    assert.throws(() => new StopMatcher(['']), isError('MODEL_SAMPLING'))
    assert.deepEqual(run([], ['a', 'b']), { text: 'ab', stop: null })
  })

  it('do not depend on how the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 })
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    })
    fc.assert(
      fc.property(stops, fc.array(letters, { maxLength: 6 }), (list, pieces) => {
        const whole = pieces.join('')
        const result = run(list, pieces)
        assert.deepEqual(result, run(list, [whole]))
        assert.deepEqual(result, run(list, whole.split('')))
        assert.equal(whole.startsWith(result.text + (result.stop ?? '')), true)
        assert.equal(
          list.some((stop) => result.text.includes(stop)),
          false,
        )
      }),
      { seed: 20261123, numRuns: 1000 },
    )
  })
})
