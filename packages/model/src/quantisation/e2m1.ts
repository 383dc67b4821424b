/**
 * FP4 E2M1: sign, two exponent bits, one mantissa bit; two codes to a byte.
 *
 * Byte j of a row holds element 2j in its low nibble and element 2j+1 in its high nibble, as the official
 * checkpoints pack experts.
 */

export const e2m1Maximum = 6

const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6] as const

/** Value of each of the 16 codes; code 8 is negative zero. */
export const e2m1Values: Float32Array = Float32Array.from([...magnitudes, ...magnitudes.map((value) => -value)])

/** Code of the nearest value, ties to the even code, saturating at 6. */
export function encodeE2m1(value: number): number {
  const magnitude = Math.abs(value)
  const sign = value < 0 || Object.is(value, -0) ? 8 : 0
  // Halfway points between neighbours; `<=` where the lower neighbour is the even code.
  if (magnitude <= 0.25) return sign
  if (magnitude < 0.75) return sign | 1
  if (magnitude <= 1.25) return sign | 2
  if (magnitude < 1.75) return sign | 3
  if (magnitude <= 2.5) return sign | 4
  if (magnitude < 3.5) return sign | 5
  if (magnitude <= 5) return sign | 6
  return sign | 7
}

export function roundToE2m1(value: number): number {
  return e2m1Values[encodeE2m1(value)] ?? 0
}
