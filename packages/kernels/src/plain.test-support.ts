/**
 * What each kernel computes, in plain TypeScript with f64 sums: the definitions that the tests hold them to.
 *
 * Same definitions as the model package's forward pass, which this package must not import.
 */
import type { StoredMatrix } from './stored-matrix.ts'
import { decodeStoredRow } from './stored-matrix.ts'

/** Deterministic numbers in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bell-shaped numbers of deviation one. */
export function normals(length: number, random: () => number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, () => (random() + random() + random() + random() - 2) * Math.sqrt(3))
}

export const e4m3 = Float32Array.from({ length: 256 }, (_, code) => {
  const exponent = (code >> 3) & 15
  const mantissa = code & 7
  if (exponent === 15 && mantissa === 7) return Number.NaN
  const magnitude = exponent === 0 ? (mantissa / 8) * 2 ** -6 : (1 + mantissa / 8) * 2 ** (exponent - 7)
  return code & 128 ? -magnitude : magnitude
})

const e2m1Magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6]

export function e2m1(code: number): number {
  return (code & 8 ? -1 : 1) * e2m1Magnitudes[code & 7]!
}

export interface PlainProduct {
  readonly sums: Float64Array
  /** Sum of magnitudes of each output's terms: what its error is measured against. */
  readonly magnitudes: Float64Array
}

/** [tokens, rows] */
export function multiply(matrix: StoredMatrix, inputs: Float32Array, tokens: number): PlainProduct {
  const { rows, columns } = matrix
  const sums = new Float64Array(tokens * rows)
  const magnitudes = new Float64Array(tokens * rows)
  const weights = new Float32Array(columns)
  for (let row = 0; row < rows; row++) {
    decodeStoredRow(matrix, row, e4m3, weights)
    for (let token = 0; token < tokens; token++) {
      let sum = 0
      let magnitude = 0
      for (let column = 0; column < columns; column++) {
        const term = weights[column]! * inputs[token * columns + column]!
        sum += term
        magnitude += Math.abs(term)
      }
      sums[token * rows + row] = sum
      magnitudes[token * rows + row] = magnitude
    }
  }
  return { sums, magnitudes }
}

/** Attention row: E4M3 codes, BF16 rotating dimensions, one UE8M0 per 64 codes, padded to 8 bytes. */
export function attentionRowBytes(width: number, rotating: number): number {
  const plain = width - rotating
  return Math.ceil((plain + 2 * rotating + Math.ceil(plain / 64)) / 8) * 8
}

export function decodeAttentionRow(bytes: Uint8Array, width: number, rotating: number): Float64Array {
  const plain = width - rotating
  const bits = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const word = new DataView(new ArrayBuffer(4))
  return Float64Array.from({ length: width }, (_, dim) => {
    if (dim < plain) {
      const scale = bytes[plain + 2 * rotating + Math.floor(dim / 64)]!
      return e4m3[bytes[dim]!]! * (scale === 255 ? Number.NaN : 2 ** (scale - 127))
    }
    word.setUint16(0, bits.getUint16(plain + 2 * (dim - plain), true))
    return word.getFloat32(0)
  })
}

export function attend(
  query: Float32Array,
  rows: readonly Float64Array[],
  sink: number,
): { out: Float64Array; size: number } {
  const width = query.length
  const scores = rows.map((row) => row.reduce((sum, value, dim) => sum + value * query[dim]!, 0) / Math.sqrt(width))
  const largest = Math.max(...scores)
  const weights = scores.map((score) => Math.exp(score - largest))
  const denominator = weights.reduce((sum, weight) => sum + weight, Math.exp(sink - largest))
  const out = new Float64Array(width)
  let size = 0
  for (const [at, row] of rows.entries())
    for (let dim = 0; dim < width; dim++) {
      out[dim]! += (weights[at]! / denominator) * row[dim]!
      size = Math.max(size, Math.abs(row[dim]!))
    }
  return { out, size }
}

export function decodeIndexRow(bytes: Uint8Array, dims: number): Float64Array {
  return Float64Array.from({ length: dims }, (_, dim) => {
    const scale = bytes[dims / 2 + Math.floor(dim / 32)]!
    const byte = bytes[dim >> 1]!
    return e2m1(dim & 1 ? byte >> 4 : byte & 15) * (scale === 255 ? Number.NaN : 2 ** (scale - 127))
  })
}

/** Row softmax plus epsilon, then `iterations` column passes with row passes between them. */
export function sinkhorn(matrix: Float64Array, size: number, iterations: number, epsilon: number): void {
  const rows = Array.from({ length: size }, (_, row) => Array.from({ length: size }, (_, at) => row * size + at))
  const columns = rows.map((_, column) => rows.map((row) => row[column]!))
  for (const row of rows) {
    const largest = Math.max(...row.map((at) => matrix[at]!))
    const sum = row.reduce((total, at) => total + Math.exp(matrix[at]! - largest), 0)
    for (const at of row) matrix[at] = Math.exp(matrix[at]! - largest) / sum + epsilon
  }
  const divide = (lines: readonly (readonly number[])[]): void => {
    for (const line of lines) {
      const sum = line.reduce((total, at) => total + matrix[at]!, epsilon)
      for (const at of line) matrix[at]! /= sum
    }
  }
  divide(columns)
  for (let pass = 1; pass < iterations; pass++) {
    divide(rows)
    divide(columns)
  }
}
