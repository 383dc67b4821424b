/**
 * A weight matrix `[rows, columns]` in the precision in which it is stored, decoded one row at a time.
 *
 * Weights stay small in memory and exact: BF16, FP8 and FP4 all decode to f32 without rounding, so the
 * product of a row and a vector differs between formats only through the weights themselves.
 */
import { dequantiseE2m1Row, dequantiseE4m3Row } from '../quantisation/weight-blocks.ts'

export interface MatrixShape {
  readonly rows: number
  readonly columns: number
}

export type Matrix = MatrixShape &
  (
    | { readonly format: 'f32'; readonly values: Float32Array }
    /** Upper halves of f32 values. */
    | { readonly format: 'bf16'; readonly codes: Uint16Array }
    | {
        readonly format: 'fp8'
        readonly codes: Uint8Array
        readonly scales: Float32Array
        readonly block: readonly [number, number]
      }
    | { readonly format: 'fp4'; readonly codes: Uint8Array; readonly scales: Float32Array }
    /** A shape without numbers: products are counted and come out as zeros. For efficiency figures. */
    | { readonly format: 'shape-only'; readonly precision: 'bf16' | 'fp8' | 'fp4' | 'f32' }
  )

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

/** Row `row` as f32: a view for f32 matrices, otherwise `scratch` filled. `scratch` holds at least `columns`. */
export function decodeRow(matrix: Matrix, row: number, scratch: Float32Array): Float32Array {
  const { columns } = matrix
  switch (matrix.format) {
    case 'f32':
      return matrix.values.subarray(row * columns, (row + 1) * columns)
    case 'bf16':
      for (let column = 0; column < columns; column++) {
        word[0] = matrix.codes[row * columns + column]! << 16
        scratch[column] = float[0]!
      }
      return scratch
    case 'fp8':
      dequantiseE4m3Row(matrix.codes, matrix.scales, row, columns, matrix.block, scratch)
      return scratch
    case 'fp4':
      dequantiseE2m1Row(matrix.codes, matrix.scales, row, columns, scratch)
      return scratch
    default:
      return scratch.fill(0, 0, columns)
  }
}

export function floatMatrix(rows: number, columns: number, values: Float32Array): Matrix {
  return { format: 'f32', rows, columns, values }
}

/** The whole matrix as f32, `[rows * columns]`. */
export function decodeMatrix(matrix: Matrix): Float32Array {
  if (matrix.format === 'f32') return matrix.values
  const out = new Float32Array(matrix.rows * matrix.columns)
  for (let row = 0; row < matrix.rows; row++) decodeRow(matrix, row, out.subarray(row * matrix.columns))
  return out
}
