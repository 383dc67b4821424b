import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Matrix } from '../checkpoint/matrix.ts'
import { seededUniform } from '../checkpoint/random-checkpoint.ts'
import { e2m1Values } from '../quantisation/e2m1.ts'
import { e4m3Maximum, e4m3Values, roundToE4m3 } from '../quantisation/e4m3.ts'
import { dynamicScale, ue8m0Values } from '../quantisation/ue8m0.ts'
import { quantiseE2m1, quantiseE4m3 } from '../quantisation/weight-blocks.ts'
import { project, projectExact } from './linear.ts'
import { numericModes } from './run.ts'
import { Tally } from './tally.ts'

const rows = 20
const columns = 288
const uniform = seededUniform(3)
const values = Float32Array.from({ length: rows * columns }, () => uniform() - 0.5)
const input = Float32Array.from({ length: columns }, () => (uniform() - 0.5) * 40)
const official = { mode: numericModes.official, tally: null }

/** Codes and scale of each 128-wide block of the input, as the official kernel makes them. */
function quantisedInput(): { codes: number[]; scales: number[] } {
  const codes: number[] = []
  const scales: number[] = []
  for (let start = 0; start < columns; start += 128) {
    const block = input.subarray(start, start + 128)
    const amax = block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    const scale = ue8m0Values[dynamicScale(amax, e4m3Maximum, 1e-4)]!
    scales.push(scale)
    for (const value of block) codes.push(roundToE4m3(value / scale))
  }
  return { codes, scales }
}

describe('quantised linears', () => {
  it('multiply FP8 codes block by block and apply both scales to each partial sum', () => {
    const { codes, scales } = quantiseE4m3(values, rows, columns, [16, 128])
    const matrix: Matrix = {
      format: 'fp8',
      rows,
      columns,
      codes,
      scales: Float32Array.from(scales, (byte) => ue8m0Values[byte]!),
      block: [16, 128],
    }
    const seen = quantisedInput()
    const got = project(matrix, input, 1, official, 'query')
    for (let row = 0; row < rows; row++) {
      let wanted = 0
      for (let block = 0; block < 3; block++) {
        let partial = 0
        for (let column = block * 128; column < Math.min(columns, block * 128 + 128); column++) {
          partial += seen.codes[column]! * e4m3Values[codes[row * columns + column]!]!
        }
        wanted += partial * seen.scales[block]! * ue8m0Values[scales[Math.floor(row / 16) * 3 + block]!]!
      }
      assert.equal(got[row], Math.fround(wanted))
    }
  })

  it('multiply FP4 codes with a weight scale per 32 columns and an input scale per 128', () => {
    const { codes, scales } = quantiseE2m1(values, rows, columns)
    const matrix: Matrix = {
      format: 'fp4',
      rows,
      columns,
      codes,
      scales: Float32Array.from(scales, (byte) => ue8m0Values[byte]!),
    }
    const seen = quantisedInput()
    const got = project(matrix, input, 1, official, 'expert')
    for (let row = 0; row < rows; row++) {
      let wanted = 0
      for (let block = 0; block < columns / 32; block++) {
        let partial = 0
        for (let column = block * 32; column < block * 32 + 32; column++) {
          const byte = codes[(row * columns + column) >> 1]!
          partial += seen.codes[column]! * e2m1Values[column % 2 === 0 ? byte & 15 : byte >> 4]!
        }
        wanted += partial * seen.scales[block >> 2]! * ue8m0Values[scales[row * 9 + block]!]!
      }
      assert.ok(Math.abs(got[row]! - wanted) <= 1e-5 * Math.max(1, Math.abs(wanted)))
    }
  })

  it('leave inputs alone where weights are not quantised, where the mode says so, and in exact linears', () => {
    const { codes, scales } = quantiseE4m3(values, rows, columns, [128, 128])
    const fp8: Matrix = {
      format: 'fp8',
      rows,
      columns,
      codes,
      scales: Float32Array.from(scales, (byte) => ue8m0Values[byte]!),
      block: [128, 128],
    }
    const wide: Matrix = { format: 'f32', rows, columns, values }
    const cache = { mode: numericModes.cache, tally: null }
    assert.deepEqual(project(wide, input, 1, official, 'query'), projectExact(wide, input, 1, official, 'query'))
    assert.deepEqual(project(fp8, input, 1, cache, 'query'), projectExact(fp8, input, 1, official, 'query'))
    assert.notDeepEqual(project(fp8, input, 1, official, 'query'), projectExact(fp8, input, 1, official, 'query'))
  })

  it('count two operations per multiply-add', () => {
    const tally = new Tally()
    projectExact({ format: 'f32', rows, columns, values }, input, 1, { mode: numericModes.plain, tally }, 'head')
    assert.equal(tally.of('head'), 2 * rows * columns)
    assert.equal(tally.total(), 2 * rows * columns)
  })
})
