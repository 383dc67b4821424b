/**
 * How one block lies on disk: 64 bytes of head, then rows, then tail, if it has one.
 *
 *   0 magic "PKV1" | 4 key, 32 bytes | 36 segment u32 | 40 offset f64 | 48 rows u32 | 52 tail u32
 *   | 56 CRC-32 of rows and tail | 60 CRC-32 of the 60 bytes before
 *
 * The head stands before the block in its segment and again in the index, so either can be made from the other.
 */
import { crc32 } from 'node:zlib'
import type { KeptBlock } from '../forward.ts'
import type { BlockKey } from './block-keys.ts'

export const headBytes = 64

const magic = 0x31_56_4b_50

export interface BlockPlace {
  readonly key: BlockKey
  readonly segment: number
  /** Of the head within its segment. */
  readonly offset: number
  readonly rowsBytes: number
  readonly tailBytes: number
  readonly checksum: number
}

export function checksumOf({ rows, tail }: KeptBlock): number {
  return tail === null ? crc32(rows) : crc32(tail, crc32(rows))
}

export function wholeBytes(place: BlockPlace): number {
  return headBytes + place.rowsBytes + place.tailBytes
}

export function encodeHead(place: BlockPlace): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32LE(magic, 0)
  head.write(place.key, 4, 32, 'hex')
  head.writeUInt32LE(place.segment, 36)
  head.writeDoubleLE(place.offset, 40)
  head.writeUInt32LE(place.rowsBytes, 48)
  head.writeUInt32LE(place.tailBytes, 52)
  head.writeUInt32LE(place.checksum, 56)
  head.writeUInt32LE(crc32(head.subarray(0, 60)), 60)
  return head
}

/** Null for anything that is not a whole, undamaged head. */
export function decodeHead(bytes: Buffer, at: number): BlockPlace | null {
  if (at + headBytes > bytes.length || bytes.readUInt32LE(at) !== magic) return null
  if (crc32(bytes.subarray(at, at + 60)) !== bytes.readUInt32LE(at + 60)) return null
  return {
    key: bytes.toString('hex', at + 4, at + 36),
    segment: bytes.readUInt32LE(at + 36),
    offset: bytes.readDoubleLE(at + 40),
    rowsBytes: bytes.readUInt32LE(at + 48),
    tailBytes: bytes.readUInt32LE(at + 52),
    checksum: bytes.readUInt32LE(at + 56),
  }
}
