/**
 * Walsh-Hadamard transform in natural order, scaled to keep lengths.
 *
 * Applied to index queries and index rows alike, so it changes no score by itself; it spreads outliers over
 * the dimensions before both are rounded to four bits.
 */

/** Transforms `values[from, from + size)` in place; `size` is a power of two. */
export function hadamard(values: Float32Array, from: number, size: number): void {
  for (let half = 1; half < size; half *= 2) {
    for (let start = from; start < from + size; start += 2 * half) {
      for (let at = start; at < start + half; at++) {
        const a = values[at]!
        const b = values[at + half]!
        values[at] = a + b
        values[at + half] = a - b
      }
    }
  }
  const factor = size ** -0.5
  for (let at = from; at < from + size; at++) values[at] = values[at]! * factor
}
