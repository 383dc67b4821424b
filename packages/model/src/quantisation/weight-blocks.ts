/**
 * Weight matrices in the official stored formats: FP8 in two-dimensional blocks, FP4 in runs of 32 columns.
 *
 *   FP8: codes [rows, columns], scales [ceil(rows / blockRows), ceil(columns / blockColumns)]
 *   FP4: bytes [rows, columns / 2], scales [rows, columns / 32]
 *
 * Dequantisation is exact in f32 because scales are powers of two. Quantisation picks the smallest scale
 * that fits, so that re-quantising dequantised weights reproduces their bytes.
 */
import { encodeE4m3, e4m3Values } from './e4m3.ts'
import { encodeE2m1, e2m1Values } from './e2m1.ts'
import { ue8m0Values, weightScale } from './ue8m0.ts'

export const fp4Block = 32

/** Halfway to the code that does not exist; ties to even keep it at 448. */
const e4m3Overflow = 464
/** Halfway between 6 and the 8 that does not exist. */
const e2m1Overflow = 7

export interface QuantisedMatrix {
  readonly codes: Uint8Array<ArrayBuffer>
  readonly scales: Uint8Array<ArrayBuffer>
}

export function scaleShape(rows: number, columns: number, block: readonly [number, number]): [number, number] {
  return [Math.ceil(rows / block[0]), Math.ceil(columns / block[1])]
}

export function quantiseE4m3(
  values: Float32Array,
  rows: number,
  columns: number,
  block: readonly [number, number],
): QuantisedMatrix {
  const [scaleRows, scaleColumns] = scaleShape(rows, columns, block)
  const codes = new Uint8Array(rows * columns)
  const scales = new Uint8Array(scaleRows * scaleColumns)
  for (let blockRow = 0; blockRow < scaleRows; blockRow++) {
    for (let blockColumn = 0; blockColumn < scaleColumns; blockColumn++) {
      const rowEnd = Math.min(rows, (blockRow + 1) * block[0])
      const columnStart = blockColumn * block[1]
      const columnEnd = Math.min(columns, columnStart + block[1])
      let amax = 0
      for (let row = blockRow * block[0]; row < rowEnd; row++) {
        for (let column = columnStart; column < columnEnd; column++) {
          amax = Math.max(amax, Math.abs(values[row * columns + column]!))
        }
      }
      const scaleByte = weightScale(amax, e4m3Overflow)
      const scale = ue8m0Values[scaleByte]!
      scales[blockRow * scaleColumns + blockColumn] = scaleByte
      for (let row = blockRow * block[0]; row < rowEnd; row++) {
        for (let column = columnStart; column < columnEnd; column++) {
          codes[row * columns + column] = encodeE4m3(values[row * columns + column]! / scale)
        }
      }
    }
  }
  return { codes, scales }
}

/** One FP8 row into `out[0, columns)`. `scales` are multipliers, already decoded. */
export function dequantiseE4m3Row(
  codes: Uint8Array,
  scales: Float32Array,
  row: number,
  columns: number,
  block: readonly [number, number],
  out: Float32Array,
): void {
  const [blockRows, blockColumns] = block
  const scaleRow = Math.floor(row / blockRows) * Math.ceil(columns / blockColumns)
  for (let start = 0, scaleAt = scaleRow; start < columns; start += blockColumns, scaleAt++) {
    const scale = scales[scaleAt]!
    const end = Math.min(columns, start + blockColumns)
    for (let column = start; column < end; column++) out[column] = e4m3Values[codes[row * columns + column]!]! * scale
  }
}

/** `columns` must be a multiple of 32. */
export function quantiseE2m1(values: Float32Array, rows: number, columns: number): QuantisedMatrix {
  const codes = new Uint8Array((rows * columns) / 2)
  const scales = new Uint8Array((rows * columns) / fp4Block)
  for (let blockAt = 0; blockAt < scales.length; blockAt++) {
    const start = blockAt * fp4Block
    let amax = 0
    for (let at = start; at < start + fp4Block; at++) amax = Math.max(amax, Math.abs(values[at]!))
    const scaleByte = weightScale(amax, e2m1Overflow)
    const scale = ue8m0Values[scaleByte]!
    scales[blockAt] = scaleByte
    for (let at = start; at < start + fp4Block; at += 2) {
      codes[at / 2] = encodeE2m1(values[at]! / scale) | (encodeE2m1(values[at + 1]! / scale) << 4)
    }
  }
  return { codes, scales }
}

/** One FP4 row into `out[0, columns)`. `scales` are multipliers, already decoded. */
export function dequantiseE2m1Row(
  codes: Uint8Array,
  scales: Float32Array,
  row: number,
  columns: number,
  out: Float32Array,
): void {
  const byteStart = (row * columns) / 2
  const scaleStart = (row * columns) / fp4Block
  for (let column = 0; column < columns; column += 2) {
    const byte = codes[byteStart + column / 2]!
    const scale = scales[scaleStart + Math.floor(column / fp4Block)]!
    out[column] = e2m1Values[byte & 15]! * scale
    out[column + 1] = e2m1Values[byte >> 4]! * scale
  }
}
