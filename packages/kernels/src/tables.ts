/**
 * Constants in shared memory, at the places that `assembly/lanes.ts` names, and the layout of the first pages.
 *
 *   page 0   data of the compiled module
 *   page 1   tables | job queue (pool.ts)
 *   page 2   first allocation
 */

export const pageBytes = 65_536
/** Behind the first page, which stays empty so that a null address is never valid. */
export const tablesAt = 1 * pageBytes
export const queueAt = tablesAt + 8192
export const firstAllocation = 2 * pageBytes

const doubled = [0, 1, 2, 3, 4, 6, 8, 12]
const signed = [...doubled, ...doubled.map((value) => -value)]

function e4m3(code: number): number {
  const exponent = (code >> 3) & 15
  const mantissa = code & 7
  if (exponent === 15 && mantissa === 7) return Number.NaN
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10)
  return code & 128 ? -magnitude : magnitude
}

export function writeTables(memory: SharedArrayBuffer): void {
  new Uint8Array(memory, tablesAt, 16).set(signed.map((value) => value + 12))
  new Int8Array(memory, tablesAt + 16, 16).set(signed)
  new Uint8Array(memory, tablesAt + 32, 16).fill(15)
  new Uint32Array(memory, tablesAt + 48, 4).fill(0xff00_0000)
  new Uint16Array(memory, tablesAt + 64, 8).fill(0x87f0)
  new Float32Array(memory, tablesAt + 80, 4).fill(1.5 * 2 ** 23)
  new Uint8Array(memory, tablesAt + 128, 64).fill(0)
  new Float32Array(memory, tablesAt + 192, 16).fill(1)
  new Float32Array(memory, tablesAt + 256, 16).fill(2 ** -24)
  const lanes = [0x8000_0000, 0x43e0_0000, 0x3c80_0000, 0x46c0_0000, 0x7_ffff, 1, 0xfff0_0000]
  new Uint32Array(memory, tablesAt + 320, 28).set(lanes.flatMap((bits) => [bits, bits, bits, bits]))
  new Float32Array(memory, tablesAt + 1024, 256).set(Float32Array.from({ length: 256 }, (_, code) => e4m3(code)))
  new Float32Array(memory, tablesAt + 2048, 256).set(
    Float32Array.from({ length: 256 }, (_, byte) => (byte === 255 ? Number.NaN : 2 ** (byte - 127))),
  )
}
