import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bf16ToFloats, decodeBf16, encodeBf16, floatsToBf16 } from './bf16.ts'
import { e2m1Values, encodeE2m1 } from './e2m1.ts'
import { e4m3Values, encodeE4m3, roundToE4m3 } from './e4m3.ts'
import { cacheRowBlock, indexBlock, roundTripE2m1, roundTripE4m3 } from './round-trip.ts'
import { dynamicScale, ue8m0Values, weightScale } from './ue8m0.ts'
import { dequantiseE2m1Row, dequantiseE4m3Row, quantiseE2m1, quantiseE4m3 } from './weight-blocks.ts'

describe('E4M3', () => {
  it('decodes the published sample codes', () => {
    const samples: [number, number][] = [
      [0x01, 0.001953125],
      [0x07, 0.013671875],
      [0x08, 0.015625],
      [0x38, 1],
      [0x3c, 1.5],
      [0x7e, 448],
      [0xc0, -2],
    ]
    for (const [code, value] of samples) assert.equal(e4m3Values[code], value)
  })

  it('gives every finite code its own value from the bit formula, and NaN to exactly two codes', () => {
    let notANumber = 0
    for (let code = 0; code < 256; code++) {
      const exponent = (code >> 3) & 15
      const fraction = code & 7
      if (exponent === 15 && fraction === 7) {
        assert.ok(Number.isNaN(e4m3Values[code]))
        notANumber++
        continue
      }
      const magnitude = exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10)
      assert.equal(e4m3Values[code], code < 128 ? magnitude : -magnitude)
    }
    assert.equal(notANumber, 2)
  })

  it('encodes every finite value back to its code, negative zero included', () => {
    for (let code = 0; code < 256; code++) {
      if ((code & 127) !== 127) assert.equal(encodeE4m3(e4m3Values[code]!), code)
    }
  })

  it('rounds to the nearest code and a tie to the even one', () => {
    for (let code = 0; code < 126; code++) {
      const low = e4m3Values[code]!
      const high = e4m3Values[code + 1]!
      const middle = (low + high) / 2
      assert.equal(encodeE4m3(middle), code % 2 === 0 ? code : code + 1)
      assert.equal(encodeE4m3(low * 0.51 + high * 0.49), code)
      assert.equal(roundToE4m3(-(low * 0.49 + high * 0.51)), -high)
    }
    assert.equal(encodeE4m3(1e9), 0x7e)
  })
})

describe('E2M1', () => {
  it('decodes all sixteen codes', () => {
    assert.deepEqual([...e2m1Values], [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6])
  })

  it('encodes every value back to its code and rounds ties to the even code', () => {
    for (let code = 0; code < 16; code++) assert.equal(encodeE2m1(e2m1Values[code]!), code)
    for (let code = 0; code < 7; code++) {
      const middle = (e2m1Values[code]! + e2m1Values[code + 1]!) / 2
      assert.equal(encodeE2m1(middle), code % 2 === 0 ? code : code + 1)
    }
  })
})

describe('UE8M0', () => {
  it('means 2^(x - 127) for every byte but 255, which is NaN', () => {
    for (let byte = 0; byte < 255; byte++) assert.equal(ue8m0Values[byte], 2 ** (byte - 127))
    assert.ok(Number.isNaN(ue8m0Values[255]))
  })

  it('chooses the dynamic scale by rounding the exponent up, from f32 bits', () => {
    assert.equal(ue8m0Values[dynamicScale(448.5, 448, 1e-4)], 2)
    assert.equal(ue8m0Values[dynamicScale(5.5, 448, 1e-4)], 2 ** -6)
    assert.equal(ue8m0Values[dynamicScale(0, 448, 1e-4)], 2 ** -22)
  })

  it('chooses a weight scale that the decoded weights choose again', () => {
    for (let step = 1; step < 4000; step++) {
      const amax = step * 0.37
      const byte = weightScale(amax, 464)
      const kept = roundToE4m3(amax / ue8m0Values[byte]!) * ue8m0Values[byte]!
      assert.equal(weightScale(kept, 464), byte)
    }
  })
})

describe('BF16', () => {
  it('decodes every code and encodes it back', () => {
    for (let code = 0; code < 65_536; code++) {
      const value = decodeBf16(code)
      if (!Number.isNaN(value)) assert.equal(encodeBf16(value), code)
      else assert.ok(Number.isNaN(decodeBf16(encodeBf16(value))))
    }
  })

  it('rounds ties to even', () => {
    assert.equal(decodeBf16(encodeBf16(1 + 2 ** -8)), 1)
    assert.equal(decodeBf16(encodeBf16(1 + 3 * 2 ** -8)), 1 + 2 ** -6)
    assert.deepEqual(bf16ToFloats(floatsToBf16(new Float32Array([1, -2.5, 0]))), new Float32Array([1, -2.5, 0]))
  })
})

describe('round trips of the official kernels', () => {
  it('reproduces the FP8 check block, 100 being a tie that goes to 96', () => {
    const block = new Float32Array([0.1, -0.2, 0.3, 1, -3.7, 5.5, 100, -448.5])
    roundTripE4m3(block, 0, 8, cacheRowBlock)
    assert.deepEqual([...block], [0.1015625, -0.203125, 0.3125, 1, -3.75, 5.5, 96, -448])
  })

  it('reproduces the FP4 check block', () => {
    const block = new Float32Array([0.24, 0.25, 0.26, -0.75, 1.25, 1.75, 2.5, 5])
    roundTripE2m1(block, 0, 8, indexBlock)
    assert.deepEqual([...block], [0, 0, 0.5, -1, 1, 2, 2, 4])
  })

  it('leaves values outside the range alone', () => {
    const row = new Float32Array(80).fill(0.3)
    roundTripE4m3(row, 8, 72, cacheRowBlock)
    assert.equal(row[7], Math.fround(0.3))
    assert.equal(row[72], Math.fround(0.3))
    assert.equal(row[8], 0.3125)
  })
})

describe('stored weight blocks', () => {
  const rows = 5
  const columns = 64
  const values = Float32Array.from({ length: rows * columns }, (_, at) => Math.sin(at * 1.7) * 10 ** ((at % 9) - 4))

  it('re-quantises dequantised FP8 weights to the same bytes', () => {
    const block = [2, 16] as const
    const once = quantiseE4m3(values, rows, columns, block)
    const scales = once.scales.map((byte) => byte)
    const decoded = new Float32Array(rows * columns)
    const multipliers = Float32Array.from(scales, (byte) => ue8m0Values[byte]!)
    for (let row = 0; row < rows; row++) {
      dequantiseE4m3Row(once.codes, multipliers, row, columns, block, decoded.subarray(row * columns))
    }
    assert.deepEqual(quantiseE4m3(decoded, rows, columns, block), once)
  })

  it('re-quantises dequantised FP4 weights to the same bytes, low nibble first', () => {
    const once = quantiseE2m1(values, rows, columns)
    const decoded = new Float32Array(rows * columns)
    const multipliers = Float32Array.from(once.scales, (byte) => ue8m0Values[byte]!)
    for (let row = 0; row < rows; row++) {
      dequantiseE2m1Row(once.codes, multipliers, row, columns, decoded.subarray(row * columns))
    }
    assert.deepEqual(quantiseE2m1(decoded, rows, columns), once)
    const ordered = quantiseE2m1(
      Float32Array.from({ length: 32 }, (_, at) => (at === 0 ? 6 : at === 1 ? -1 : 0)),
      1,
      32,
    )
    assert.equal(ordered.codes[0], 0xa7)
  })
})
