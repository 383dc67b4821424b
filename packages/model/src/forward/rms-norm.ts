/**
 * RMSNorm: `y = w * x / sqrt(mean(x^2) + epsilon)`, plain weights (no `1 + w`).
 */

/** Reciprocal root mean square of `values[from, from + length)`. */
export function inverseRms(values: Float32Array, from: number, length: number, epsilon: number): number {
  let sum = 0
  for (let at = from; at < from + length; at++) sum += values[at]! * values[at]!
  return 1 / Math.sqrt(sum / length + epsilon)
}

/** Normalises each of `count` consecutive vectors in place; `weight` null means scaling only. */
export function normaliseRows(
  values: Float32Array,
  count: number,
  width: number,
  weight: Float32Array | null,
  epsilon: number,
): void {
  for (let row = 0; row < count; row++) {
    const start = row * width
    const factor = inverseRms(values, start, width, epsilon)
    for (let at = 0; at < width; at++)
      values[start + at] = values[start + at]! * factor * (weight === null ? 1 : weight[at]!)
  }
}
