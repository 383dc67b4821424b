/**
 * BF16: the upper half of an f32. Decoding is exact; encoding rounds to nearest, ties to even.
 */

const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)

export function encodeBf16(value: number): number {
  word[0] = value
  const pattern = bits[0]!
  // A NaN whose payload sits in the lost half would become an infinity; keep it a NaN.
  if ((pattern & 0x7fff_ffff) > 0x7f80_0000) return (pattern >>> 16) | 0x40
  return (pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16
}

export function decodeBf16(code: number): number {
  bits[0] = code << 16
  return word[0]!
}

/** Decodes little-endian BF16 bytes. */
export function bf16ToFloats(bytes: Uint8Array): Float32Array {
  const out = new Uint32Array(bytes.length / 2)
  for (let at = 0; at < out.length; at++) out[at] = (bytes[2 * at]! << 16) | (bytes[2 * at + 1]! << 24)
  return new Float32Array(out.buffer)
}

/** Encodes as little-endian BF16 bytes. */
export function floatsToBf16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(values.length * 2)
  for (let at = 0; at < values.length; at++) {
    const code = encodeBf16(values[at]!)
    out[2 * at] = code & 255
    out[2 * at + 1] = code >> 8
  }
  return out
}
