/**
 * UE8M0 block scales: one byte x means 2^(x - 127); 255 is NaN. A scale multiplies.
 *
 * Two rules choose a scale. The dynamic one, for activations and cache rows, is the official kernels': the
 * exponent is read off the bits of `amax * (1 / maximum)` in f32 and rounded up. The other, for weights that
 * we write, takes the smallest scale at which nothing rounds beyond the format, which makes
 * quantise(dequantise(q)) = q: a checkpoint that is read and written again keeps its bytes.
 */

export const ue8m0Nan = 255

/** Value of each byte; entry 255 is NaN. */
export const ue8m0Values: Float32Array = Float32Array.from({ length: 256 }, (_, byte) =>
  byte === ue8m0Nan ? Number.NaN : 2 ** (byte - 127),
)

const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)

/**
 * Exponent of the dynamic scale for a block.
 *
 * @param amax    Largest magnitude in the block.
 * @param maximum Largest value of the format: 448 (E4M3) or 6 (E2M1).
 * @param floor   Smallest `amax` considered: 1e-4 for E4M3, 6 * 2^-126 for E2M1.
 * @returns Byte of the scale, so that `ue8m0Values[byte]` is the multiplier.
 */
export function dynamicScale(amax: number, maximum: number, floor: number): number {
  word[0] = Math.fround(Math.max(amax, floor)) * Math.fround(1 / maximum)
  const pattern = bits[0]!
  return Math.min(254, ((pattern >>> 23) & 255) + ((pattern & 0x7f_ffff) !== 0 ? 1 : 0))
}

/**
 * Smallest scale at which `amax` still rounds into the format.
 *
 * @param overflow Largest scaled magnitude that rounds to the format's maximum: 464 (E4M3) or 7 (E2M1).
 */
export function weightScale(amax: number, overflow: number): number {
  if (amax === 0) return 127
  let exponent = Math.ceil(Math.log2(amax / overflow))
  while (amax > overflow * 2 ** exponent) exponent++
  while (amax <= overflow * 2 ** (exponent - 1)) exponent--
  return Math.min(254, Math.max(0, exponent + 127))
}
