/**
 * Manifold-constrained hyper-connections: C residual streams, mixed before and after each sub-layer.
 *
 *   mix  = (fn . flatten(streams)) / rms(flatten(streams))          [(2 + C) * C]
 *   pre  = sigmoid(mix * scale0 + base) + eps                        [C]     what the sub-layer reads
 *   post = 2 sigmoid(mix * scale1 + base)                            [C]     how its output is spread
 *   comb = Sinkhorn(mix * scale2 + base)                             [C, C]  how the streams carry over
 *
 * `comb` is made nearly doubly stochastic, which keeps the streams' total from growing with depth. When the
 * streams are written back, the sum runs over the FIRST index of `comb`: its transpose acts on the streams.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import { mixSize } from '../config/model-config.ts'
import { projectExact } from './linear.ts'
import { inverseRms } from './rms-norm.ts'
import type { Run } from './run.ts'

export interface HyperSite {
  /** [(2 + C) * C, C * D] */
  readonly fn: Matrix
  readonly base: Float32Array
  readonly scale: Float32Array
}

export interface HyperShape {
  readonly streams: number
  readonly hiddenSize: number
  readonly sinkhornIterations: number
  readonly epsilon: number
  readonly normEpsilon: number
}

export interface MixedStreams {
  /** Input of the sub-layer, [tokens, D]. */
  readonly input: Float32Array
  /** [tokens, C] */
  readonly post: Float32Array
  /** [tokens, C, C] */
  readonly comb: Float32Array
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value))
}

/**
 * Sinkhorn normalisation of one C x C block of logits, in place.
 *
 * Row softmax first, then a column pass, then rows and columns in turn: `iterations` column passes in all.
 */
export function sinkhorn(matrix: Float64Array, size: number, iterations: number, epsilon: number): void {
  for (let row = 0; row < size; row++) {
    let largest = -Infinity
    for (let column = 0; column < size; column++) largest = Math.max(largest, matrix[row * size + column]!)
    let sum = 0
    for (let column = 0; column < size; column++) sum += Math.exp(matrix[row * size + column]! - largest)
    for (let column = 0; column < size; column++) {
      matrix[row * size + column] = Math.exp(matrix[row * size + column]! - largest) / sum + epsilon
    }
  }
  for (let pass = 0; pass < iterations; pass++) {
    if (pass > 0) {
      for (let row = 0; row < size; row++) {
        let sum = epsilon
        for (let column = 0; column < size; column++) sum += matrix[row * size + column]!
        for (let column = 0; column < size; column++) matrix[row * size + column]! /= sum
      }
    }
    for (let column = 0; column < size; column++) {
      let sum = epsilon
      for (let row = 0; row < size; row++) sum += matrix[row * size + column]!
      for (let row = 0; row < size; row++) matrix[row * size + column]! /= sum
    }
  }
}

/** Pre, post and combination weights from one token's normalised mixing logits `mix[mixAt...]`. */
export function mixWeights(
  mix: ArrayLike<number>,
  mixAt: number,
  site: Pick<HyperSite, 'base' | 'scale'>,
  shape: Pick<HyperShape, 'streams' | 'sinkhornIterations' | 'epsilon'>,
): { pre: Float64Array; post: Float64Array; comb: Float64Array } {
  const { streams, epsilon } = shape
  const [preScale = 0, postScale = 0, combScale = 0] = site.scale
  const pre = new Float64Array(streams)
  const post = new Float64Array(streams)
  const comb = new Float64Array(streams * streams)
  for (let stream = 0; stream < streams; stream++) {
    pre[stream] = sigmoid(mix[mixAt + stream]! * preScale + site.base[stream]!) + epsilon
    post[stream] = 2 * sigmoid(mix[mixAt + streams + stream]! * postScale + site.base[streams + stream]!)
  }
  for (let at = 0; at < streams * streams; at++) {
    comb[at] = mix[mixAt + 2 * streams + at]! * combScale + site.base[2 * streams + at]!
  }
  sinkhorn(comb, streams, shape.sinkhornIterations, epsilon)
  return { pre, post, comb }
}

/** `out[token] = sum over streams of weight * stream`. */
function collapse(
  streams: Float32Array,
  token: number,
  weights: Float64Array,
  hiddenSize: number,
  out: Float32Array,
): void {
  const start = token * weights.length * hiddenSize
  for (let dim = 0; dim < hiddenSize; dim++) {
    let sum = 0
    for (let stream = 0; stream < weights.length; stream++)
      sum += weights[stream]! * streams[start + stream * hiddenSize + dim]!
    out[token * hiddenSize + dim] = sum
  }
}

/** Reads the streams for a sub-layer. `streams` [tokens, C, D] is not changed. */
export function readStreams(
  streams: Float32Array,
  tokens: number,
  site: HyperSite,
  shape: HyperShape,
  run: Run,
): MixedStreams {
  const width = shape.streams * shape.hiddenSize
  const size = mixSize(shape.streams)
  const mix = projectExact(site.fn, streams, tokens, run, 'hyper-connection')
  const input = new Float32Array(tokens * shape.hiddenSize)
  const post = new Float32Array(tokens * shape.streams)
  const comb = new Float32Array(tokens * shape.streams * shape.streams)
  for (let token = 0; token < tokens; token++) {
    const factor = inverseRms(streams, token * width, width, shape.normEpsilon)
    for (let at = token * size; at < (token + 1) * size; at++) mix[at]! *= factor
    const weights = mixWeights(mix, token * size, site, shape)
    collapse(streams, token, weights.pre, shape.hiddenSize, input)
    post.set(weights.post, token * shape.streams)
    comb.set(weights.comb, token * shape.streams * shape.streams)
  }
  return { input, post, comb }
}

/** Writes a sub-layer's output back: `new[j] = post[j] * output + sum_i comb[i][j] * stream[i]`, in place. */
export function writeStreams(
  streams: Float32Array,
  tokens: number,
  output: Float32Array,
  mixed: MixedStreams,
  shape: HyperShape,
): void {
  const { streams: count, hiddenSize } = shape
  const before = new Float64Array(count)
  for (let token = 0; token < tokens; token++) {
    const start = token * count * hiddenSize
    const combStart = token * count * count
    for (let dim = 0; dim < hiddenSize; dim++) {
      for (let stream = 0; stream < count; stream++) before[stream] = streams[start + stream * hiddenSize + dim]!
      const value = output[token * hiddenSize + dim]!
      for (let target = 0; target < count; target++) {
        let sum = mixed.post[token * count + target]! * value
        for (let source = 0; source < count; source++)
          sum += mixed.comb[combStart + source * count + target]! * before[source]!
        streams[start + target * hiddenSize + dim] = sum
      }
    }
  }
}

/** Final collapse before the language-model head: sigmoid weights only, no Sinkhorn. Returns [tokens, D]. */
export function collapseStreams(
  streams: Float32Array,
  tokens: number,
  head: HyperSite,
  shape: HyperShape,
  run: Run,
): Float32Array {
  const width = shape.streams * shape.hiddenSize
  const mix = projectExact(head.fn, streams, tokens, run, 'hyper-connection')
  const out = new Float32Array(tokens * shape.hiddenSize)
  const weights = new Float64Array(shape.streams)
  for (let token = 0; token < tokens; token++) {
    const factor = inverseRms(streams, token * width, width, shape.normEpsilon)
    for (let stream = 0; stream < shape.streams; stream++) {
      const logit = mix[token * shape.streams + stream]! * factor
      weights[stream] = sigmoid(logit * head.scale[0]! + head.base[stream]!) + shape.epsilon
    }
    collapse(streams, token, weights, shape.hiddenSize, out)
  }
  return out
}
