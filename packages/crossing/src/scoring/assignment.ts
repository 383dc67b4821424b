/**
 * The best pairing of two lists: the Hungarian method with potentials, O(n^2 m).
 *
 * Kuhn, Naval Res. Logist. Q. 2, 1955; the row-by-row form with shortest augmenting paths is Jonker and Volgenant,
 * Computing 38, 1987. Checked against every permutation (assignment.property.test.ts).
 */

/**
 * @param gain `gain[row][column]`, finite, all rows equally long
 * @returns for each row its column, or -1 where there are more rows than columns; the sum of gains is the largest possible
 */
export function assign(gain: readonly (readonly number[])[]): number[] {
  const rows = gain.length
  const columns = gain[0]?.length ?? 0
  if (rows === 0 || columns === 0) return gain.map(() => -1)
  if (rows > columns) {
    const turned = assign(Array.from({ length: columns }, (_, column) => gain.map((row) => row[column]!)))
    const result = gain.map(() => -1)
    for (const [column, row] of turned.entries()) if (row >= 0) result[row] = column
    return result
  }
  // Numbered from 1; 0 is the place of the row that is being placed.
  const rowPotential = new Float64Array(rows + 1)
  const columnPotential = new Float64Array(columns + 1)
  const rowOf = new Int32Array(columns + 1)
  const cameFrom = new Int32Array(columns + 1)
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row
    let at = 0
    const shortest = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY)
    const reached = new Uint8Array(columns + 1)
    do {
      reached[at] = 1
      const from = rowOf[at]!
      let step = Number.POSITIVE_INFINITY
      let next = 0
      for (let column = 1; column <= columns; column++) {
        if (reached[column]) continue
        const cost = -gain[from - 1]![column - 1]! - rowPotential[from]! - columnPotential[column]!
        if (cost < shortest[column]!) {
          shortest[column] = cost
          cameFrom[column] = at
        }
        if (shortest[column]! < step) {
          step = shortest[column]!
          next = column
        }
      }
      for (let column = 0; column <= columns; column++) {
        if (reached[column]) {
          rowPotential[rowOf[column]!]! += step
          columnPotential[column]! -= step
        } else shortest[column]! -= step
      }
      at = next
    } while (rowOf[at] !== 0)
    while (at !== 0) {
      const before = cameFrom[at]!
      rowOf[at] = rowOf[before]!
      at = before
    }
  }
  const result = gain.map(() => -1)
  for (let column = 1; column <= columns; column++) if (rowOf[column]! > 0) result[rowOf[column]! - 1] = column - 1
  return result
}
