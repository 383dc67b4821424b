/**
 * Grouped low-rank output: heads in G contiguous groups, each group projected alone, then all together.
 *
 *   y_g = wo_a[g] . concat(heads of g)        wo_a [G * Ro, (H / G) * d]
 *   out = wo_b . concat(y_0 .. y_{G-1})       wo_b [D, G * Ro]
 *
 * `wo_a` is stored quantised but the official code applies it to exact inputs; `wo_b` is an ordinary
 * quantised linear.
 */
import { decodeRow, type Matrix } from '../checkpoint/matrix.ts'
import { dot, project } from './linear.ts'
import type { Run } from './run.ts'

export function projectOutput(
  first: Matrix,
  second: Matrix,
  groups: number,
  heads: Float32Array,
  tokens: number,
  run: Run,
): Float32Array {
  const { rows, columns } = first
  const rank = rows / groups
  run.tally?.add('output', 2 * rows * columns * tokens)
  const middle = new Float32Array(tokens * rows)
  if (first.format !== 'shape-only') {
    const scratch = new Float32Array(columns)
    for (let row = 0; row < rows; row++) {
      const weights = decodeRow(first, row, scratch)
      const group = Math.floor(row / rank)
      for (let token = 0; token < tokens; token++) {
        middle[token * rows + row] = dot(weights, 0, heads, (token * groups + group) * columns, columns)
      }
    }
  }
  return project(second, middle, tokens, run, 'output')
}
