/**
 * Weights as checkpoints store them, `[rows, columns]` row by row. The fields are those of a matrix of the
 * model package, so that one is taken as it is; `int8` is this package's own format.
 */

export type StoredMatrix = { readonly rows: number; readonly columns: number } & (
  | { readonly format: 'f32'; readonly values: Float32Array }
  /** Upper halves of f32 values. */
  | { readonly format: 'bf16'; readonly codes: Uint16Array }
  /** E4M3 codes; multipliers [ceil(rows / block rows), ceil(columns / block columns)]. */
  | {
      readonly format: 'fp8'
      readonly codes: Uint8Array
      readonly scales: Float32Array
      readonly block: readonly [number, number]
    }
  /** E2M1 nibbles, even columns low; multipliers [rows, columns / 32]. */
  | { readonly format: 'fp4'; readonly codes: Uint8Array; readonly scales: Float32Array }
  /** Multipliers [rows, ceil(columns / 128)]. */
  | { readonly format: 'int8'; readonly codes: Int8Array; readonly scales: Float32Array }
)

export const int8Block = 128

/** Nearest bytes with one scale a row and 128 columns: largest magnitude / 127. */
export function quantiseInt8(values: Float32Array, rows: number, columns: number): StoredMatrix {
  const blocks = Math.ceil(columns / int8Block)
  const codes = new Int8Array(rows * columns)
  const scales = new Float32Array(rows * blocks)
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * int8Block
      const to = Math.min(from + int8Block, (row + 1) * columns)
      let largest = 0
      for (let at = from; at < to; at++) largest = Math.max(largest, Math.abs(values[at]!))
      const scale = Math.fround(largest / 127)
      scales[row * blocks + block] = scale
      if (scale > 0)
        for (let at = from; at < to; at++) codes[at] = Math.max(-127, Math.min(127, Math.round(values[at]! / scale)))
    }
  }
  return { format: 'int8', rows, columns, codes, scales }
}

const doubled = [0, 1, 2, 3, 4, 6, 8, 12]

/** One row as f32, exactly. `e4m3` are the values of the 256 codes. */
export function decodeStoredRow(matrix: StoredMatrix, row: number, e4m3: Float32Array, out: Float32Array): void {
  const { columns } = matrix
  const start = row * columns
  switch (matrix.format) {
    case 'f32':
      out.set(matrix.values.subarray(start, start + columns))
      return
    case 'bf16': {
      const bits = new Uint32Array(out.buffer, out.byteOffset, columns)
      for (let column = 0; column < columns; column++) bits[column] = matrix.codes[start + column]! << 16
      return
    }
    case 'fp8': {
      const [blockRows, blockColumns] = matrix.block
      const scaleRow = Math.floor(row / blockRows) * Math.ceil(columns / blockColumns)
      for (let column = 0; column < columns; column++)
        out[column] =
          e4m3[matrix.codes[start + column]!]! * matrix.scales[scaleRow + Math.floor(column / blockColumns)]!
      return
    }
    case 'fp4':
      for (let column = 0; column < columns; column++) {
        const byte = matrix.codes[(start + column) >> 1]!
        const code = (start + column) & 1 ? byte >> 4 : byte & 15
        const value = (doubled[code & 7]! / 2) * (code & 8 ? -1 : 1)
        out[column] = value * matrix.scales[Math.floor((start + column) / 32)]!
      }
      return
    default: {
      const blocks = Math.ceil(columns / int8Block)
      for (let column = 0; column < columns; column++)
        out[column] = matrix.codes[start + column]! * matrix.scales[row * blocks + Math.floor(column / int8Block)]!
    }
  }
}
