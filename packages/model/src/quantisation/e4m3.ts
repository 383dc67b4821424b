/**
 * FP8 E4M3 ("fn"): sign, four exponent bits with bias 7, three mantissa bits.
 *
 * No infinity; 0x7F and 0xFF are NaN; largest value 448, smallest 2^-9. This is the OCP encoding, not the
 * FNUZ one of some accelerators, which reads the same bytes as half the value.
 */

export const e4m3Maximum = 448

function decodeCode(code: number): number {
  const exponent = (code >> 3) & 15
  const mantissa = code & 7
  if (exponent === 15 && mantissa === 7) return Number.NaN
  const magnitude = exponent === 0 ? (mantissa / 8) * 2 ** -6 : (1 + mantissa / 8) * 2 ** (exponent - 7)
  return code & 128 ? -magnitude : magnitude
}

/** Value of each of the 256 codes. */
export const e4m3Values: Float32Array = Float32Array.from({ length: 256 }, (_, code) => decodeCode(code))

// Adding and subtracting 1.5 * 2^52 rounds a double to an integer, ties to even.
const roundingBias = 6_755_399_441_055_744

/**
 * Nearest E4M3 value, ties to even, saturating at 448.
 *
 * The value, not the code: round trips stay in floats, only storage needs codes.
 */
export function roundToE4m3(value: number): number {
  const magnitude = Math.abs(value)
  if (magnitude >= 448) return value < 0 ? -448 : 448
  // Spacing of codes: 2^(exponent - 3), and 2^-9 throughout the subnormal range.
  let step = 2 ** -9
  for (let bound = 2 ** -5; magnitude >= bound; bound *= 2) step *= 2
  return (
    Math.abs((magnitude / step + roundingBias - roundingBias) * step) * (value < 0 || Object.is(value, -0) ? -1 : 1)
  )
}

/** Code of the nearest E4M3 value. NaN becomes 0x7F. */
export function encodeE4m3(value: number): number {
  if (Number.isNaN(value)) return 0x7f
  const rounded = roundToE4m3(value)
  const sign = rounded < 0 || Object.is(rounded, -0) ? 128 : 0
  const magnitude = Math.abs(rounded)
  if (magnitude < 2 ** -6) return sign | (magnitude * 512)
  let exponent = 1
  let scale = 2 ** -6
  while (magnitude >= scale * 2) {
    scale *= 2
    exponent++
  }
  return sign | (exponent << 3) | ((magnitude / scale - 1) * 8)
}
