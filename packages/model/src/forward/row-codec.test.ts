import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeBf16, encodeBf16 } from '../quantisation/bf16.ts'
import { cacheRowBlock, indexBlock, roundTripE2m1, roundTripE4m3 } from '../quantisation/round-trip.ts'
import { GrowingRows, RingRows } from './cache-rows.ts'
import { floatRows, packedAttentionRows, packedIndexRows, type RowCodec } from './row-codec.ts'

/** A row with magnitudes over many powers of two, zeros and sharp outliers. */
function roughRow(width: number, seed: number): Float32Array {
  return Float32Array.from({ length: width }, (_, at) =>
    at % 17 === 3 ? 0 : Math.sin(at * seed) * 2 ** (((at * seed) % 13) - 6),
  )
}

function there(codec: RowCodec, row: Float32Array): Float32Array {
  const bytes = new Uint8Array(codec.rowBytes + 3)
  const out = new Float32Array(codec.width + 1)
  codec.encode(row, 0, bytes, 3)
  codec.decode(bytes, 3, out, 1)
  return out.subarray(1)
}

describe('row formats', () => {
  it('take 584 bytes for an attention row, 68 for an index row and 2048 for an f32 row', () => {
    assert.equal(packedAttentionRows(512, 64).rowBytes, 584)
    assert.equal(packedIndexRows(128).rowBytes, 68)
    assert.equal(floatRows(512).rowBytes, 2048)
  })

  it('hold rounded rows without loss, partial blocks included', () => {
    for (const [width, ropeDim] of [
      [512, 64],
      [32, 8],
      [128, 64],
      [200, 16],
    ] as const) {
      for (let seed = 1; seed < 20; seed++) {
        const row = roughRow(width, seed)
        roundTripE4m3(row, 0, width - ropeDim, cacheRowBlock)
        for (let at = width - ropeDim; at < width; at++) row[at] = decodeBf16(encodeBf16(row[at]!))
        assert.deepEqual(there(packedAttentionRows(width, ropeDim), row), row)
        const index = roughRow(128, seed)
        roundTripE2m1(index, 0, 128, indexBlock)
        assert.deepEqual(there(packedIndexRows(128), index), index)
        assert.deepEqual(there(floatRows(width), row), row)
      }
    }
  })

  it('grow by pages and come back from bytes', () => {
    const rows = new GrowingRows(floatRows(3))
    for (let at = 0; at < 150; at++) rows.append(new Float32Array([at, -at, 0.5]))
    const copy = new GrowingRows(floatRows(3))
    copy.restore(rows.toBytes())
    copy.append(new Float32Array([150, 0, 0]))
    const out = new Float32Array(3)
    for (const at of [0, 63, 64, 149]) {
      copy.read(at, out)
      assert.deepEqual([...out], [at, -at, 0.5])
    }
    assert.equal(rows.count, 150)
    assert.equal(copy.count, 151)
    assert.throws(() => rows.read(150, out), RangeError)
    assert.throws(() => rows.restore(new Uint8Array(13)), { code: 'MODEL_STATE' })
  })

  it('may lie in parts that several caches read, and grow on behind them', () => {
    const whole = new GrowingRows(floatRows(1))
    const growing = new GrowingRows(floatRows(1))
    const out = new Float32Array(1)
    const parts: Uint8Array[] = []
    for (let at = 0; at < 200; at++) {
      whole.append(new Float32Array([at]))
      growing.append(new Float32Array([at]))
      if (at % 40 < 39) continue
      parts.push(growing.encodedRows(at - 39, at + 1))
      growing.share(parts.at(-1)!)
      growing.share(new Uint8Array(0))
    }
    const other = new GrowingRows(floatRows(1))
    other.restore(parts)
    for (const rows of [growing, other]) {
      rows.append(new Float32Array([200]))
      assert.equal(rows.count, 201)
      for (const at of [0, 39, 40, 199, 80, 200, 3]) {
        rows.read(at, out)
        assert.equal(out[0], at)
      }
      assert.deepEqual(rows.encodedRows(30, 130), whole.encodedRows(30, 130))
      assert.throws(() => rows.share(parts[0]!), { code: 'MODEL_STATE' })
    }
    assert.equal(other.allocatedBytes, 64 * 4)
    parts[0]!.fill(0)
    other.read(39, out)
    assert.equal(out[0], 0)
  })

  it('keep the last rows of a window by position', () => {
    const ring = new RingRows(floatRows(1), 4)
    for (let position = 0; position < 10; position++) ring.write(position, new Float32Array([position]))
    const out = new Float32Array(1)
    for (let position = 6; position < 10; position++) {
      ring.read(position, out)
      assert.equal(out[0], position)
    }
  })
})
