/**
 * How one cache row lies in memory: as f32, or in the packed formats that production engines store.
 *
 *   attention row  E4M3 of the non-rotating dimensions | BF16 of the rotating ones | one UE8M0 per 64 | pad to 8
 *                  448 + 128 + 7 + 1 = 584 bytes for d = 512
 *   index row      E2M1 nibbles | one UE8M0 per 32          64 + 4 = 68 bytes for 128 dimensions
 *
 * Rows that went through the official round trips are on these grids already, and rotating dimensions are
 * BF16 in the official code, so packing such rows loses nothing.
 */
import { decodeBf16, encodeBf16 } from '../quantisation/bf16.ts'
import { e2m1Maximum, e2m1Values, encodeE2m1 } from '../quantisation/e2m1.ts'
import { e4m3Maximum, e4m3Values, encodeE4m3 } from '../quantisation/e4m3.ts'
import { cacheRowBlock, e2m1Floor, e4m3Floor, indexBlock, largestMagnitude } from '../quantisation/round-trip.ts'
import { dynamicScale, ue8m0Values } from '../quantisation/ue8m0.ts'

export interface RowCodec {
  readonly name: string
  readonly width: number
  readonly rowBytes: number
  encode(row: Float32Array, rowAt: number, bytes: Uint8Array, at: number): void
  decode(bytes: Uint8Array, at: number, row: Float32Array, rowAt: number): void
}

export function floatRows(width: number): RowCodec {
  return {
    name: 'f32',
    width,
    rowBytes: width * 4,
    encode(row, rowAt, bytes, at) {
      bytes.set(new Uint8Array(row.buffer, row.byteOffset + rowAt * 4, width * 4), at)
    },
    decode(bytes, at, row, rowAt) {
      new Uint8Array(row.buffer, row.byteOffset + rowAt * 4, width * 4).set(bytes.subarray(at, at + width * 4))
    },
  }
}

export function packedAttentionRows(width: number, ropeDim: number): RowCodec {
  const plain = width - ropeDim
  const blocks = Math.ceil(plain / cacheRowBlock)
  const ropeAt = plain
  const scaleAt = plain + 2 * ropeDim
  return {
    name: 'packed-attention',
    width,
    rowBytes: Math.ceil((scaleAt + blocks) / 8) * 8,
    encode(row, rowAt, bytes, at) {
      for (let block = 0; block < blocks; block++) {
        const start = block * cacheRowBlock
        const end = Math.min(plain, start + cacheRowBlock)
        const scaleByte = dynamicScale(largestMagnitude(row, rowAt + start, rowAt + end), e4m3Maximum, e4m3Floor)
        const scale = ue8m0Values[scaleByte]!
        bytes[at + scaleAt + block] = scaleByte
        for (let dim = start; dim < end; dim++) bytes[at + dim] = encodeE4m3(row[rowAt + dim]! / scale)
      }
      for (let dim = 0; dim < ropeDim; dim++) {
        const code = encodeBf16(row[rowAt + plain + dim]!)
        bytes[at + ropeAt + 2 * dim] = code & 255
        bytes[at + ropeAt + 2 * dim + 1] = code >> 8
      }
    },
    decode(bytes, at, row, rowAt) {
      for (let block = 0; block < blocks; block++) {
        const end = Math.min(plain, (block + 1) * cacheRowBlock)
        const scale = ue8m0Values[bytes[at + scaleAt + block]!]!
        for (let dim = block * cacheRowBlock; dim < end; dim++) row[rowAt + dim] = e4m3Values[bytes[at + dim]!]! * scale
      }
      for (let dim = 0; dim < ropeDim; dim++) {
        row[rowAt + plain + dim] = decodeBf16(bytes[at + ropeAt + 2 * dim]! | (bytes[at + ropeAt + 2 * dim + 1]! << 8))
      }
    },
  }
}

export function packedIndexRows(width: number): RowCodec {
  const blocks = Math.ceil(width / indexBlock)
  const scaleAt = width / 2
  return {
    name: 'packed-index',
    width,
    rowBytes: scaleAt + blocks,
    encode(row, rowAt, bytes, at) {
      for (let block = 0; block < blocks; block++) {
        const start = block * indexBlock
        const end = Math.min(width, start + indexBlock)
        const scaleByte = dynamicScale(largestMagnitude(row, rowAt + start, rowAt + end), e2m1Maximum, e2m1Floor)
        const scale = ue8m0Values[scaleByte]!
        bytes[at + scaleAt + block] = scaleByte
        for (let dim = start; dim < end; dim += 2) {
          bytes[at + dim / 2] = encodeE2m1(row[rowAt + dim]! / scale) | (encodeE2m1(row[rowAt + dim + 1]! / scale) << 4)
        }
      }
    },
    decode(bytes, at, row, rowAt) {
      for (let block = 0; block < blocks; block++) {
        const end = Math.min(width, (block + 1) * indexBlock)
        const scale = ue8m0Values[bytes[at + scaleAt + block]!]!
        for (let dim = block * indexBlock; dim < end; dim += 2) {
          const byte = bytes[at + dim / 2]!
          row[rowAt + dim] = e2m1Values[byte & 15]! * scale
          row[rowAt + dim + 1] = e2m1Values[byte >> 4]! * scale
        }
      }
    },
  }
}
