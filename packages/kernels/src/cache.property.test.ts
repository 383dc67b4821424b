/**
 * What enters a cache: rounding, packing, the Hadamard transform and pooling against plain definitions.
 *
 * Rounding and packing are exact: the nearest code, ties to even, of a power-of-two scale. Pooling agrees to 2^-18
 * of the largest value.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Kernels } from './kernels.ts'
import {
  attentionRowBytes,
  decodeAttentionRow,
  decodeIndexRow,
  e2m1,
  e4m3,
  generator,
  normals,
} from './plain.test-support.ts'

const options = { seed: 20261123, numRuns: 25 }

/** Smallest power of two of which `largest` times it reaches `amax`. */
function scaleFor(amax: number, largest: number, floor: number): number {
  const wanted = Math.fround(Math.fround(Math.max(amax, floor)) * Math.fround(1 / largest))
  let scale = 2 ** Math.floor(Math.log2(wanted))
  while (scale < wanted) scale *= 2
  while (scale / 2 >= wanted) scale /= 2
  return scale
}

/** The nearest value of a table by code; of two equally near the one with the even code. */
function nearest(value: number, table: readonly number[]): number {
  let best = 0
  for (const [code, candidate] of table.entries()) {
    const distance = Math.abs(candidate - Math.abs(value))
    const other = Math.abs(table[best]! - Math.abs(value))
    if (distance < other || (distance === other && code % 2 === 0)) best = code
  }
  return Math.sign(value) * table[best]!
}

const e4m3Magnitudes = Array.from(e4m3.subarray(0, 127))
const e2m1Magnitudes = Array.from({ length: 8 }, (_, code) => e2m1(code))

function rounded(values: Float32Array, block: number, table: readonly number[], largest: number, floor: number) {
  return values.map((value, at) => {
    const start = Math.floor(at / block) * block
    const amax = values.subarray(start, start + block).reduce((most, each) => Math.max(most, Math.abs(each)), 0)
    const scale = scaleFor(amax, largest, floor)
    return nearest(value / scale, table) * scale
  })
}

for (const variant of ['relaxed-simd', 'simd'] as const)
  describe(`what enters a cache, ${variant}`, () => {
    let kernels: Kernels
    before(async () => {
      kernels = await Kernels.start({ bytes: 2 ** 24, variant })
    })
    after(() => kernels.close())

    function floats(values: ArrayLike<number>): Float32Array {
      const array = kernels.arena.floats(values.length)
      array.set(values)
      return array
    }

    const row = fc.record({
      seed: fc.nat(),
      width: fc.integer({ min: 1, max: 300 }),
      size: fc.constantFrom(1e-30, 1e-5, 1, 3e4, 1e30),
    })

    it('rounding to E4M3 gives the nearest value of each block, and leaves other dimensions alone', () => {
      fc.assert(
        fc.property(row, ({ seed, width, size }) => {
          const mark = kernels.arena.mark()
          const plain = normals(width, generator(seed)).map((value, at) => value * size * (at % 5 === 0 ? 1e-3 : 1))
          const values = floats([7, ...plain, 9])
          kernels.round(values, 1, width + 2, 1, width, 64)
          assert.deepEqual(
            Array.from(values, (value) => value + 0),
            [7, ...rounded(plain, 64, e4m3Magnitudes, 448, 1e-4), 9].map((value) => value + 0),
          )
          kernels.arena.release(mark)
        }),
        options,
      )
    })

    it('packed attention rows decode to what rounding gives, with BF16 in the rotating dimensions', () => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.constantFrom<[number, number]>([32, 8], [128, 64], [512, 64]),
          (seed, [width, rotating]) => {
            const mark = kernels.arena.mark()
            const plain = normals(3 * width, generator(seed))
            const bytes = attentionRowBytes(width, rotating)
            const packed = kernels.arena.bytes(3 * bytes).fill(255)
            const addresses = kernels.arena.integers(3)
            addresses.set([2, 0, 1].map((at) => packed.byteOffset + at * bytes))
            kernels.packAttention(floats(plain), 3, width, rotating, addresses)
            for (const [at, place] of [2, 0, 1].entries()) {
              const values = plain.subarray(at * width, (at + 1) * width)
              const found = decodeAttentionRow(packed.slice(place * bytes, (place + 1) * bytes), width, rotating)
              const wanted = rounded(values.subarray(0, width - rotating), 64, e4m3Magnitudes, 448, 1e-4)
              assert.deepEqual(
                Array.from(found.subarray(0, width - rotating), (value) => value + 0),
                Array.from(wanted, (value) => value + 0),
              )
              for (let dim = width - rotating; dim < width; dim++)
                assert.ok(Math.abs(found[dim]! - values[dim]!) <= Math.abs(values[dim]!) * 2 ** -8)
            }
            kernels.arena.release(mark)
          },
        ),
        options,
      )
    })

    it('packed index rows decode to the nearest four-bit values', () => {
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom(32, 64, 128), (seed, dims) => {
          const mark = kernels.arena.mark()
          const plain = normals(2 * dims, generator(seed))
          const bytes = dims / 2 + dims / 32
          const packed = kernels.arena.bytes(2 * bytes)
          kernels.packIndex(floats(plain), 2, dims, packed)
          const wanted = rounded(plain, 32, e2m1Magnitudes, 6, 6 * 2 ** -126)
          for (const at of [0, 1])
            assert.deepEqual(
              Array.from(decodeIndexRow(packed.slice(at * bytes, (at + 1) * bytes), dims), (value) => value + 0),
              Array.from(wanted.subarray(at * dims, (at + 1) * dims), (value) => value + 0),
            )
          kernels.arena.release(mark)
        }),
        options,
      )
    })

    it('the transform keeps lengths and undoes itself', () => {
      for (const width of [1, 2, 8, 128]) {
        const plain = normals(2 * width, generator(width))
        const values = floats(plain)
        kernels.transform(values, 2, width)
        if (width > 1) assert.notDeepEqual(Float32Array.from(values), plain)
        kernels.transform(values, 2, width)
        for (const [at, value] of values.entries()) assert.ok(Math.abs(value - plain[at]!) < 1e-5)
      }
      assert.throws(() => kernels.transform(floats([1, 2, 3]), 1, 3), { code: 'KERNELS_SHAPE' })
    })

    const pooling = fc.record({
      seed: fc.nat(),
      ratio: fc.integer({ min: 1, max: 9 }),
      overlaps: fc.boolean(),
      rowDims: fc.constantFrom(4, 12, 32),
      tokens: fc.integer({ min: 1, max: 40 }),
      cut: fc.nat(),
    })

    it('pooling agrees with softmax over groups, however the tokens are cut into pieces', () => {
      fc.assert(
        fc.property(pooling, ({ seed, ratio, overlaps, rowDims, tokens, cut }) => {
          const mark = kernels.arena.mark()
          const random = generator(seed)
          const width = overlaps ? 2 * rowDims : rowDims
          const values = floats(normals(tokens * width, random))
          const gates = floats(normals(tokens * width, random))
          const bias = floats(normals(ratio * width, random))
          const group = { ratio, overlaps, rowDims }
          const stateOf = (): Float32Array => {
            const state = kernels.arena.floats(2 * ratio * (overlaps ? width + rowDims : width)).fill(0)
            state.fill(-Infinity, ratio * width, 2 * ratio * width)
            if (overlaps) state.fill(-Infinity, 2 * ratio * width + ratio * rowDims)
            return state
          }
          const rows = Math.floor(tokens / ratio)
          const whole = kernels.arena.floats(Math.max(1, rows * rowDims)).fill(0)
          kernels.pool(values, gates, stateOf(), bias, group, 0, tokens, whole)
          const gateOf = (token: number, channel: number): number =>
            gates[token * width + channel]! + bias[(token % ratio) * width + channel]!
          for (let at = 0; at < rows; at++)
            for (let channel = 0; channel < rowDims; channel++) {
              const terms: [gate: number, value: number][] = []
              for (let token = at * ratio; token < (at + 1) * ratio; token++) {
                const own = channel + (overlaps ? rowDims : 0)
                terms.push([gateOf(token, own), values[token * width + own]!])
                if (overlaps && token >= ratio)
                  terms.push([gateOf(token - ratio, channel), values[(token - ratio) * width + channel]!])
              }
              const most = Math.max(...terms.map(([gate]) => gate))
              const weights = terms.map(([gate]) => Math.exp(gate - most))
              const wanted =
                terms.reduce((sum, [, value], term) => sum + weights[term]! * value, 0) /
                weights.reduce((sum, weight) => sum + weight, 0)
              assert.ok(Math.abs(whole[at * rowDims + channel]! - wanted) <= 2 ** -18 * 4)
            }
          const first = cut % (tokens + 1)
          const state = stateOf()
          const pieces = kernels.arena.floats(Math.max(1, rows * rowDims)).fill(0)
          kernels.pool(values, gates, state, bias, group, 0, first, pieces)
          const rest = pieces.subarray(Math.floor(first / ratio) * rowDims)
          kernels.pool(
            values.subarray(first * width),
            gates.subarray(first * width),
            state,
            bias,
            group,
            first,
            tokens - first,
            rest,
          )
          assert.deepEqual(pieces, whole)
          kernels.arena.release(mark)
        }),
        options,
      )
    })
  })
