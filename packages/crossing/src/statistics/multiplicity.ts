/**
 * Many tests at once.
 *
 * Slices of a report are flagged by Holm (Scand. J. Statist. 6, 1979), exploration by Benjamini and Hochberg
 * (J. R. Statist. Soc. B 57, 1995). Gates that must all pass need no correction: that is an intersection-union test.
 */

/** Holm's adjusted p values in the order given; the chance of one false flag among all stays below alpha. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p)
  const adjusted: number[] = Array.from(values, () => 1)
  let largest = 0
  for (const [rank, { p, index }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, p * (order.length - rank)))
    adjusted[index] = largest
  }
  return adjusted
}

/** Benjamini-Hochberg adjusted p values in the order given; bounds the share of false ones among the flags. */
export function benjaminiHochberg(values: readonly number[]): number[] {
  const order = values.map((p, index) => ({ p, index })).sort((a, b) => b.p - a.p)
  const adjusted: number[] = Array.from(values, () => 1)
  let smallest = 1
  for (const [place, { p, index }] of order.entries()) {
    smallest = Math.min(smallest, (p * order.length) / (order.length - place))
    adjusted[index] = smallest
  }
  return adjusted
}
