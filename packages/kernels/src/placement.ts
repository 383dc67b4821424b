/**
 * Puts a stored matrix into the kernels' memory: panels of 16 rows side by side, columns padded to 32.
 *
 * Padding is zero in rows and columns. What a fast layout cannot express is kept exact in a wider one: odd
 * block shapes, NaN codes and scales, scales beyond 2^±64 become BF16 if that is exact, otherwise F32.
 */
import type { Arena } from './arena.ts'
import { KernelError } from './errors.ts'
import { tablesAt } from './tables.ts'
import { decodeStoredRow, int8Block, type StoredMatrix } from './stored-matrix.ts'

export const panelRows = 16

export interface PlacedMatrix {
  readonly format: 'f32' | 'bf16' | 'fp8' | 'fp4' | 'int8'
  readonly rows: number
  readonly columns: number
  /** Columns including padding, a multiple of 32. */
  readonly padded: number
  readonly weightsAt: number
  /** FP8 only: multipliers times 2^56 by panel and block of 128 columns. */
  readonly scalesAt: number
  /** Bytes that one product of one token reads. */
  readonly bytes: number
}

export function placeMatrix(arena: Arena, matrix: StoredMatrix): PlacedMatrix {
  checkShape(matrix)
  switch (matrix.format) {
    case 'f32':
      return placeFloats(arena, matrix)
    case 'bf16':
      return placeBf16(arena, matrix)
    case 'fp8':
      return fitsFp8(matrix) ? placeFp8(arena, matrix) : placeExactly(arena, matrix)
    case 'fp4':
      return fitsFp4(matrix) ? placeFp4(arena, matrix) : placeExactly(arena, matrix)
    default:
      return matrix.scales.every((scale) => scale === 0 || (scale > 2 ** -64 && scale < 2 ** 64))
        ? placeInt8(arena, matrix)
        : placeExactly(arena, matrix)
  }
}

function checkShape(matrix: StoredMatrix): void {
  const { rows, columns } = matrix
  const cells = rows * columns
  const wanted: readonly [number, number][] =
    matrix.format === 'f32'
      ? [[matrix.values.length, cells]]
      : matrix.format === 'bf16'
        ? [[matrix.codes.length, cells]]
        : matrix.format === 'fp8'
          ? [
              [matrix.codes.length, cells],
              [matrix.scales.length, Math.ceil(rows / matrix.block[0]) * Math.ceil(columns / matrix.block[1])],
            ]
          : matrix.format === 'fp4'
            ? [
                [matrix.codes.length, cells / 2],
                [matrix.scales.length, cells / 32],
                [columns % 32, 0],
              ]
            : [
                [matrix.codes.length, cells],
                [matrix.scales.length, rows * Math.ceil(columns / int8Block)],
              ]
  if (!(rows > 0 && columns > 0) || wanted.some(([found, needed]) => found !== needed)) {
    throw new KernelError('KERNELS_SHAPE', `The parts of a ${matrix.format} matrix do not make [${rows}, ${columns}].`)
  }
}

interface Plan {
  readonly padded: number
  readonly panels: number
}

function planOf({ rows, columns }: StoredMatrix): Plan {
  return { padded: Math.ceil(columns / 32) * 32, panels: Math.ceil(rows / panelRows) }
}

function placed(matrix: StoredMatrix, plan: Plan, weightsAt: number, bytes: number, scalesAt = 0): PlacedMatrix {
  const { format, rows, columns } = matrix
  return { format, rows, columns, padded: plan.padded, weightsAt, scalesAt, bytes }
}

/** Copies cells into panels of `[padded][16]`, for formats of one element a cell. */
function interleave<T extends Float32Array | Uint16Array | Uint8Array>(
  from: T,
  to: T,
  matrix: StoredMatrix,
  plan: Plan,
): void {
  const { rows, columns } = matrix
  to.fill(0)
  for (let first = 0; first < rows; first += panelRows) {
    const lanes = Math.min(panelRows, rows - first)
    const panel = first * plan.padded
    // Column by column: what is written lies together, what is read comes from a few streams.
    for (let column = 0; column < columns; column++) {
      const at = panel + column * panelRows
      let source = first * columns + column
      for (let lane = 0; lane < lanes; lane++, source += columns) to[at + lane] = from[source]!
    }
  }
}

function placeFloats(arena: Arena, matrix: StoredMatrix & { format: 'f32' }): PlacedMatrix {
  const plan = planOf(matrix)
  const to = arena.floats(plan.panels * panelRows * plan.padded)
  interleave<Float32Array>(matrix.values, to, matrix, plan)
  return placed(matrix, plan, to.byteOffset, to.byteLength)
}

function placeBf16(arena: Arena, matrix: StoredMatrix & { format: 'bf16' }): PlacedMatrix {
  const plan = planOf(matrix)
  const length = plan.panels * panelRows * plan.padded
  const to = new Uint16Array(arena.buffer, arena.take(length * 2), length)
  interleave<Uint16Array>(matrix.codes, to, matrix, plan)
  return placed(matrix, plan, to.byteOffset, to.byteLength)
}

function fitsFp8({ codes, scales, block }: StoredMatrix & { format: 'fp8' }): boolean {
  if (block[0] % panelRows !== 0 || block[1] % 128 !== 0) return false
  if (!scales.every((scale) => scale > 2 ** -64 && scale < 2 ** 64)) return false
  for (let at = 0; at < codes.length; at++) if ((codes[at]! & 127) === 127) return false
  return true
}

function placeFp8(arena: Arena, matrix: StoredMatrix & { format: 'fp8' }): PlacedMatrix {
  const plan = planOf(matrix)
  const to = arena.bytes(plan.panels * panelRows * plan.padded)
  interleave<Uint8Array>(matrix.codes, to, matrix, plan)
  const blocks = Math.ceil(plan.padded / 128)
  const scales = arena.floats(plan.panels * blocks)
  const [blockRows, blockColumns] = matrix.block
  const perRow = Math.ceil(matrix.columns / blockColumns)
  for (let panel = 0; panel < plan.panels; panel++) {
    const scaleRow = Math.floor((panel * panelRows) / blockRows) * perRow
    for (let block = 0; block < blocks; block++)
      scales[panel * blocks + block] = matrix.scales[scaleRow + Math.floor((block * 128) / blockColumns)]! * 2 ** 56
  }
  return placed(matrix, plan, to.byteOffset, to.byteLength + scales.byteLength, scales.byteOffset)
}

const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)

/** Byte of a power of two, or 0 when it is none or too far out. */
function scaleByte(scale: number): number {
  word[0] = scale
  const pattern = bits[0]!
  const exponent = pattern >>> 23
  return (pattern & 0x7f_ffff) === 0 && exponent > 63 && exponent < 192 ? exponent : 0
}

function fitsFp4({ scales }: StoredMatrix & { format: 'fp4' }): boolean {
  return scales.every((scale) => scaleByte(scale) !== 0)
}

function placeFp4(arena: Arena, matrix: StoredMatrix & { format: 'fp4' }): PlacedMatrix {
  const plan = planOf(matrix)
  const runs = plan.padded / 32
  const to = arena.bytes(plan.panels * runs * 272)
  // Rows of padding are zero codes at scale one.
  to.fill(0)
  const { rows, columns, scales } = matrix
  const codes = matrix.codes.byteOffset % 4 === 0 ? matrix.codes : matrix.codes.slice()
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4)
  const wordsTo = new Uint32Array(to.buffer, to.byteOffset, to.length / 4)
  for (let panel = 0; panel < plan.panels; panel++) {
    for (let run = 0; run < runs; run++) {
      const at = (panel * runs + run) * 272
      for (let lane = 0; lane < panelRows; lane++) {
        const row = panel * panelRows + lane
        if (row >= rows) {
          to[at + lane] = 127
          continue
        }
        to[at + lane] = scaleByte(scales[row * runs + run]!)
        const from = (row * columns) / 8 + run * 4
        // Four bytes of a row (eight columns) go to lane `lane % 4` of vector `lane / 4` of their step.
        const target = (at + 16) / 4 + lane
        for (let step = 0; step < 4; step++) wordsTo[target + 16 * step] = words[from + step]!
      }
    }
  }
  return placed(matrix, plan, to.byteOffset, to.byteLength)
}

function placeInt8(arena: Arena, matrix: StoredMatrix & { format: 'int8' }): PlacedMatrix {
  const plan = planOf(matrix)
  const { rows, columns, codes, scales } = matrix
  const blocks = Math.ceil(plan.padded / int8Block)
  const panelBytes = plan.padded * panelRows + blocks * 128
  const at = arena.take(plan.panels * panelBytes)
  const bytes = new Int8Array(arena.buffer, at, plan.panels * panelBytes)
  const integers = new Int32Array(arena.buffer, at, bytes.length / 4)
  const floats = new Float32Array(arena.buffer, at, bytes.length / 4)
  bytes.fill(0)
  for (let row = 0; row < rows; row++) {
    const lane = row % panelRows
    for (let block = 0; block < blocks; block++) {
      const head = Math.floor(row / panelRows) * panelBytes + block * (int8Block * panelRows + 128)
      const end = Math.min(columns, (block + 1) * int8Block)
      let sum = 0
      for (let column = block * int8Block; column < end; column++) {
        const code = codes[row * columns + column]!
        sum += code
        const inside = column - block * int8Block
        bytes[head + 128 + (inside >> 2) * 64 + lane * 4 + (inside & 3)] = code
      }
      // Inputs are offset by 64.
      integers[head / 4 + lane] = -64 * sum
      floats[head / 4 + panelRows + lane] = scales[row * blocks + block]!
    }
  }
  return placed(matrix, plan, at, bytes.length)
}

function placeExactly(arena: Arena, matrix: StoredMatrix): PlacedMatrix {
  const { rows, columns } = matrix
  const e4m3 = new Float32Array(arena.buffer, tablesAt + 1024, 256)
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++)
    decodeStoredRow(matrix, row, e4m3, values.subarray(row * columns, (row + 1) * columns))
  const patterns = new Uint32Array(values.buffer)
  if (patterns.every((pattern) => (pattern & 0xffff) === 0)) {
    return placeBf16(arena, {
      format: 'bf16',
      rows,
      columns,
      codes: Uint16Array.from(patterns, (pattern) => pattern >>> 16),
    })
  }
  return placeFloats(arena, { format: 'f32', rows, columns, values })
}
