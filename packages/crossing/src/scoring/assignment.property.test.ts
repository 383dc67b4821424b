/** The best pairing equals the best of all permutations. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assign } from './assignment.ts'

/** The largest sum over all ways to give rows different columns. */
function best(gain: readonly (readonly number[])[], row = 0, taken = 0): number {
  if (row === gain.length) return 0
  const free = gain[row]!.flatMap((value, column) =>
    taken & (1 << column) ? [] : [value + best(gain, row + 1, taken | (1 << column))],
  )
  return Math.max(...free)
}

const matrix = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) =>
  fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  }),
)

describe('the best pairing', () => {
  it('is as good as the best of all permutations, and uses no column twice', () => {
    fc.assert(
      fc.property(matrix, (gain) => {
        const chosen = assign(gain)
        const used = chosen.filter((column) => column >= 0)
        assert.equal(new Set(used).size, used.length)
        assert.equal(used.length, Math.min(gain.length, gain[0]!.length))
        const sum = chosen.reduce((total, column, row) => total + (column < 0 ? 0 : gain[row]![column]!), 0)
        const turned = gain.length <= gain[0]!.length ? gain : gain[0]!.map((_, at) => gain.map((row) => row[at]!))
        assert.equal(sum, best(turned))
      }),
      { seed: 20261123, numRuns: 500 },
    )
  })

  it('of nothing is nothing', () => {
    assert.deepEqual(assign([]), [])
    assert.deepEqual(assign([[], []]), [-1, -1])
  })
})
