/**
 * Linear maps `y = W x` over weights in stored precision. V4 has no biases.
 *
 * Products are summed in f64 and stored as f32. The sum of a row depends on that row and one input only, so
 * a token's result is the same bits whatever else is in the batch: chunking and batching laws rest on it.
 */
import { decodeRow, type Matrix } from '../checkpoint/matrix.ts'
import { activationBlock, roundTripE4m3 } from '../quantisation/round-trip.ts'
import type { Run } from './run.ts'
import type { Work } from './tally.ts'

export function dot(one: Float32Array, oneAt: number, other: Float32Array, otherAt: number, length: number): number {
  let even = 0
  let odd = 0
  let at = 0
  for (; at + 1 < length; at += 2) {
    even += one[oneAt + at]! * other[otherAt + at]!
    odd += one[oneAt + at + 1]! * other[otherAt + at + 1]!
  }
  if (at < length) even += one[oneAt + at]! * other[otherAt + at]!
  return even + odd
}

/**
 * The inputs as a quantised linear sees them: rounded to E4M3 per token and block of 128 when the mode says
 * so and the weights are stored quantised, otherwise untouched.
 */
function visibleInputs(matrix: Matrix, inputs: Float32Array, tokens: number, run: Run): Float32Array {
  if (!run.mode.activations || (matrix.format !== 'fp8' && matrix.format !== 'fp4')) return inputs
  const { columns } = matrix
  const rounded = inputs.slice(0, tokens * columns)
  for (let token = 0; token < tokens; token++) {
    roundTripE4m3(rounded, token * columns, (token + 1) * columns, activationBlock)
  }
  return rounded
}

/** `inputs` [tokens, columns] -> [tokens, rows], inputs taken as they are. */
export function projectExact(matrix: Matrix, inputs: Float32Array, tokens: number, run: Run, work: Work): Float32Array {
  const { rows, columns } = matrix
  run.tally?.add(work, 2 * rows * columns * tokens)
  const out = new Float32Array(tokens * rows)
  if (matrix.format === 'shape-only') return out
  const scratch = new Float32Array(columns)
  for (let row = 0; row < rows; row++) {
    const weights = decodeRow(matrix, row, scratch)
    for (let token = 0; token < tokens; token++) {
      out[token * rows + row] = dot(weights, 0, inputs, token * columns, columns)
    }
  }
  return out
}

/** As `projectExact`, for the linears whose inputs the official kernels quantise. */
export function project(matrix: Matrix, inputs: Float32Array, tokens: number, run: Run, work: Work): Float32Array {
  return projectExact(matrix, visibleInputs(matrix, inputs, tokens, run), tokens, run, work)
}
