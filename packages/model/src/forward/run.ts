/**
 * What every kernel is told besides its operands: which official round trips apply, and who counts the work.
 */
import type { Tally } from './tally.ts'

/**
 * Round trips of the official kernels, each with its own switch so that a difference can be traced to one.
 * The model was trained with all three.
 */
export interface NumericMode {
  /** E4M3 on the non-rotating dimensions of window rows and compressed rows, blocks of 64. */
  readonly cacheRows: boolean
  /** E2M1 on index queries and index rows, blocks of 32. */
  readonly indexVectors: boolean
  /** E4M3 on the inputs of linears whose weights are stored quantised, blocks of 128. */
  readonly activations: boolean
}

export const numericModes = {
  /** No rounding beyond f32. */
  plain: { cacheRows: false, indexVectors: false, activations: false },
  /** What is written to the cache is rounded as the model was trained; linears see exact inputs. */
  cache: { cacheRows: true, indexVectors: true, activations: false },
  /** Everything that the official kernels round to 8 and 4 bits. */
  official: { cacheRows: true, indexVectors: true, activations: true },
} as const satisfies Record<string, NumericMode>

export interface Run {
  readonly mode: NumericMode
  readonly tally: Tally | null
}
