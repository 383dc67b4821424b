/**
 * What every kernel is told besides its operands: which official round trips apply, and who counts the work.
 */
import type { Tally } from './tally.ts'

/**
 * Round trips of the official kernels, each with its own switch so that a difference can be traced to one.
 * The model was trained with all of them.
 */
export interface NumericMode {
  /** E4M3 on the non-rotating dimensions of window rows and compressed rows, blocks of 64. */
  readonly cacheRows: boolean
  /** BF16 on the rotating dimensions of the same rows: the width in which a cache stores them. */
  readonly rotatingDims: boolean
  /** E2M1 on index queries and index rows, blocks of 32. */
  readonly indexVectors: boolean
  /** E4M3 on the inputs of linears whose weights are stored quantised, blocks of 128. */
  readonly activations: boolean
}

export const numericModes = {
  /** No rounding beyond f32. */
  plain: { cacheRows: false, rotatingDims: false, indexVectors: false, activations: false },
  /** What is written to the cache is rounded as the model was trained; linears see exact inputs. */
  cache: { cacheRows: true, rotatingDims: false, indexVectors: true, activations: false },
  /** Everything that the official kernels round to 8 and 4 bits. */
  official: { cacheRows: true, rotatingDims: false, indexVectors: true, activations: true },
  /** As `official`, and nothing enters the cache that its packed row formats could not hold. */
  packed: { cacheRows: true, rotatingDims: true, indexVectors: true, activations: true },
} as const satisfies Record<string, NumericMode>

export interface Run {
  readonly mode: NumericMode
  readonly tally: Tally | null
}
