/**
 * What every part of one pass works with: kernels, memory, how numbers are rounded, and the tokens.
 */
import type { Kernels, NumericMode as Precision } from '@portolan/kernels'
import type { ModelConfig, NumericMode } from '@portolan/model'
import type { Linear } from './placed-weights.ts'
import type { KernelSequence } from './sequence-memory.ts'
import type { Workspace } from './workspace.ts'

/** Width of the blocks in which inputs of quantised weights share a scale. */
const activationBlock = 128

export interface Machine {
  readonly kernels: Kernels
  readonly config: ModelConfig
  readonly mode: NumericMode
  readonly precision: Precision
  readonly workspace: Workspace
  /** The whole memory. */
  readonly bytes: Uint8Array
  /** Writes cosine and sine of each pair for a position, `ropeDim` numbers. */
  readonly rotation: (set: 'plain' | 'compressed', position: number, out: Float32Array, at: number) => void
}

export interface Piece {
  readonly sequence: KernelSequence
  /** Position of its first token, and where that token stands in the batch. */
  readonly start: number
  readonly from: number
  readonly tokens: number
}

export interface Batch {
  readonly tokens: number
  readonly ids: Int32Array
  readonly positions: Int32Array
  readonly pieces: readonly Piece[]
}

/**
 * Whether this linear's inputs are rounded to E4M3 first. In fast mode too, although FP4 products round to eight
 * bits after it: without this step they differ from the reference by all that E4M3 takes away, which is more.
 */
export function roundsInputs({ mode }: Machine, { isQuantised }: Linear): boolean {
  return mode.activations && isQuantised
}

/** Rounds rows of a width as quantised linears see them, in place. */
export function roundActivations({ kernels }: Machine, values: Float32Array, rows: number, width: number): void {
  kernels.round(values, rows, width, 0, width, activationBlock)
}
