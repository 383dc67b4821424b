/**
 * Each mechanism against numbers worked out independently from its equation, traps first.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { floatMatrix } from '../checkpoint/matrix.ts'
import { smallConfig } from '../config/small-configs.ts'
import { publishedShape } from '../config/shapes.ts'
import { attend } from './attention-core.ts'
import { OpenGroup, visibleRows } from './compressor.ts'
import { runExpert } from './experts.ts'
import { hadamard } from './hadamard.ts'
import { mixWeights, writeStreams } from './hyper-connections.ts'
import { Rotary, rotaryFrequencies } from './rotary.ts'
import { route } from './router.ts'
import { numericModes, type Run } from './run.ts'
import { topK } from './top-k.ts'

const run: Run = { mode: numericModes.plain, tally: null }

function near(got: ArrayLike<number>, wanted: readonly number[], tolerance: number): void {
  assert.equal(got.length, wanted.length)
  for (const [at, value] of wanted.entries()) {
    assert.ok(Math.abs(got[at]! - value) <= tolerance, `[${at}] ${got[at]} instead of ${value}`)
  }
}

describe('hyper-connections', () => {
  it('mixes with sigmoid + eps, twice a sigmoid, and a Sinkhorn that starts with a softmax and a column pass', () => {
    const mix = Float32Array.from({ length: 24 }, (_, i) => (((7 * i) % 11) - 5) / 5)
    const base = Float32Array.from({ length: 24 }, (_, i) => (((3 * i) % 7) - 3) / 10)
    const site = { base, scale: new Float32Array([0.5, 1, 2]) }
    const { pre, post, comb } = mixWeights(mix, 0, site, { streams: 4, sinkhornIterations: 20, epsilon: 1e-6 })
    near(pre, [0.3100265, 0.549835, 0.5249802, 0.5986887], 2e-7)
    near(post, [1.1973753, 0.62005098, 1.421899, 0.851115], 2e-7)
    const rows = [
      [0.1130744, 0.5537567, 0.2094012, 0.1237666],
      [0.2495882, 0.0150072, 0.462216, 0.2731876],
      [0.171603, 0.4173289, 0.317792, 0.093275],
      [0.4657333, 0.0139061, 0.0105898, 0.5097698],
    ]
    near(comb, rows.flat(), 2e-7)
  })

  it('carries streams over by the transpose of comb: the sum runs over its first index', () => {
    const streams = new Float32Array([1, 10])
    const mixed = {
      input: new Float32Array(1),
      post: new Float32Array([0, 0]),
      comb: new Float32Array([0.25, 0.75, 0.5, 0.5]),
    }
    const shape = { streams: 2, hiddenSize: 1, sinkhornIterations: 1, epsilon: 0, normEpsilon: 0 }
    writeStreams(streams, 1, new Float32Array([5]), mixed, shape)
    near(streams, [0.25 * 1 + 0.5 * 10, 0.75 * 1 + 0.5 * 10], 0)
  })
})

describe('rotary embedding', () => {
  it('stretches the compressed frequencies by YaRN between pairs 15 and 25', () => {
    const { rope } = publishedShape('flash')
    const frequencies = rotaryFrequencies(rope.compressed, 64)
    const checks: [number, number][] = [
      [0, 1],
      [1, 0.6876560219],
      [8, 0.05],
      [15, 3.635538584e-3],
      [16, 2.265625e-3],
      [20, 2.969777783e-4],
      [24, 1.953125e-5],
      [25, 5.372312671e-6],
      [31, 5.680529037e-7],
    ]
    for (const [pair, value] of checks) assert.ok(Math.abs(frequencies[pair]! / value - 1) < 1e-6, `pair ${pair}`)
  })

  it('rotates adjacent pairs, not halves, without a magnitude factor, and turns back', () => {
    const rotary = new Rotary({ base: 10_000, yarn: null }, 4)
    const values = new Float32Array([9, 1, 0, 0, 1])
    rotary.rotate(values, 1, 3)
    near(values, [9, Math.cos(3), Math.sin(3), -Math.sin(0.03), Math.cos(0.03)], 1e-6)
    rotary.rotate(values, 1, 3, true)
    near(values, [9, 1, 0, 0, 1], 1e-6)
  })
})

describe('attention core', () => {
  it('lets the sink take weight from the rows and give none of its own', () => {
    // Two one-dimensional rows with scores 1 and 0 and a sink of 0.5; a row is its own value.
    const out = new Float32Array(1)
    attend(new Float32Array([1]), 0, new Float32Array([1, 0]), 2, 1, new Float32Array([0.5]), out, 0)
    near(out, [0.5064804], 1e-6)
    attend(new Float32Array([0]), 0, new Float32Array([1, 0]), 2, 1, new Float32Array([-Infinity]), out, 0)
    near(out, [0.5], 1e-7)
  })
})

describe('compressor', () => {
  it('pools stream A of the previous group with stream B of its own', () => {
    const open = new OpenGroup({ ratio: 4, overlaps: true, owner: 0 }, 1)
    const bias = new Float32Array([0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4])
    const rows: number[] = []
    for (let t = 0; t < 8; t++) {
      const values = new Float32Array([0.1 * t, 1 - 0.1 * t])
      const gates = new Float32Array([0.5 * ((3 * t) % 5) - 1, 0.25 * ((2 * t) % 7) - 0.5])
      const row = new Float32Array(1)
      if (open.take(t, values, gates, 0, bias, row)) rows.push(row[0]!)
    }
    near(rows, [0.8021363378, 0.2974510286], 1e-6)
  })

  it('shows a row to the token that completes its group and to nobody before', () => {
    const heavy = { ratio: 128, overlaps: false, owner: 0 }
    assert.deepEqual(
      [0, 126, 127, 254, 255].map((position) => visibleRows(heavy, position)),
      [0, 0, 1, 1, 2],
    )
    const sparse = { ratio: 4, overlaps: true, owner: 0 }
    assert.deepEqual(
      [2, 3, 6, 7].map((position) => visibleRows(sparse, position)),
      [0, 1, 1, 2],
    )
  })
})

describe('indexer parts', () => {
  it('spreads with a Hadamard that keeps lengths and undoes itself', () => {
    const values = Float32Array.from({ length: 8 }, (_, at) => at - 2)
    const once = values.slice()
    hadamard(once, 0, 8)
    near(once.subarray(0, 2), [(8 * 1.5) / Math.sqrt(8), -4 / Math.sqrt(8)], 1e-6)
    hadamard(once, 0, 8)
    near(once, [...values], 1e-5)
  })

  it('keeps the best rows and breaks ties by the lower row', () => {
    const scores = new Float64Array([0, 3, 0, -1, 3, 0, 2])
    assert.deepEqual([...topK(scores, 7, 4)], [0, 1, 4, 6])
    assert.deepEqual([...topK(scores, 7, 5)], [0, 1, 2, 4, 6])
    assert.deepEqual([...topK(scores, 2, 9)], [0, 1])
  })
})

describe('router', () => {
  const config = smallConfig({ hidden_size: 1, n_routed_experts: 4, num_experts_per_tok: 2 })
  const gate = floatMatrix(4, 1, new Float32Array([2, -1, 0.5, 0]))
  const one = new Float32Array([1])

  it('chooses with the bias and weighs without it', () => {
    const bias = new Float32Array([0, 0.9, -0.2, 0.3])
    const { experts, weights } = route({ gate, bias, expertsOfToken: null }, one, new Int32Array([0]), config, run)
    assert.deepEqual([...experts], [0, 1])
    near(weights, [1.0839909, 0.4160091], 1e-6)
  })

  it('looks hash layers up by token id and still weighs by score', () => {
    const expertsOfToken = new Int32Array(48 * 2).fill(0)
    expertsOfToken.set([3, 2], 5 * 2)
    const { experts, weights } = route({ gate, bias: null, expertsOfToken }, one, new Int32Array([5]), config, run)
    assert.deepEqual([...experts], [2, 3])
    near(weights, [(1.5 * 0.9869534) / (0.9869534 + 0.8325546), (1.5 * 0.8325546) / (0.9869534 + 0.8325546)], 1e-6)
  })

  it('survives logits far beyond the range of exp', () => {
    const steep = floatMatrix(4, 1, new Float32Array([2000, -2000, 0, 1]))
    const { weights } = route({ gate: steep, bias: null, expertsOfToken: null }, one, new Int32Array([0]), config, run)
    assert.ok(weights.every((weight) => Number.isFinite(weight)))
  })
})

describe('experts', () => {
  it('clamp the gate above only and the value on both sides', () => {
    const matrix = (value: number) => floatMatrix(1, 1, new Float32Array([value]))
    const at = (gate: number, up: number) =>
      runExpert(
        { gate: matrix(gate), up: matrix(up), down: matrix(1) },
        new Float32Array([1]),
        1,
        null,
        10,
        run,
        'expert',
      )[0]!
    const silu = (x: number) => x / (1 + Math.exp(-x))
    near([at(50, 1), at(-12, 1), at(1, 50), at(1, -50)], [silu(10), silu(-12), 10 * silu(1), -10 * silu(1)], 1e-5)
  })
})
