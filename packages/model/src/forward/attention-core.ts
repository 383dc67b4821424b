/**
 * Softmax attention of all heads over one list of shared rows, with a sink.
 *
 * Key and value are the same row. Each head has a learned sink logit that takes part in the denominator
 * only: weights sum to less than one, and a head with nothing to say can say nothing.
 */
import { dot } from './linear.ts'

/**
 * @param queries [heads, d] from `queryAt`
 * @param rows    [count, d], count >= 1: a token always sees itself
 * @param sinks   [heads], not scaled
 * @param out     [heads, d] from `outAt`, overwritten
 */
export function attend(
  queries: Float32Array,
  queryAt: number,
  rows: Float32Array,
  count: number,
  dim: number,
  sinks: Float32Array,
  out: Float32Array,
  outAt: number,
): void {
  const scale = dim ** -0.5
  const weights = new Float64Array(count)
  const sum = new Float64Array(dim)
  for (let head = 0; head < sinks.length; head++) {
    let largest = -Infinity
    for (let row = 0; row < count; row++) {
      const score = dot(queries, queryAt + head * dim, rows, row * dim, dim) * scale
      weights[row] = score
      if (score > largest) largest = score
    }
    let denominator = Math.exp(sinks[head]! - largest)
    sum.fill(0)
    for (let row = 0; row < count; row++) {
      const weight = Math.exp(weights[row]! - largest)
      denominator += weight
      const start = row * dim
      for (let at = 0; at < dim; at++) sum[at]! += weight * rows[start + at]!
    }
    for (let at = 0; at < dim; at++) out[outAt + head * dim + at] = sum[at]! / denominator
  }
}
