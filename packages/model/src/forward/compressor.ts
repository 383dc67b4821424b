/**
 * Compressors: m tokens become one row by a softmax over tokens, channel by channel.
 *
 *   z_t = wkv u_t,  g_t = wgate u_t + ape[t mod m]           per token, t absolute
 *   row[ch] = sum_t softmax_t(g_t[ch]) z_t[ch]
 *
 * Heavy (HCA): row c pools tokens m c .. m c + m - 1. Sparse (CSA): each token yields two streams of
 * channels; row c pools stream A of the previous group and stream B of its own, so a token contributes to
 * its own row through B and to the next one through A. The first row has no previous group: those slots
 * weigh exactly nothing. A row is then normalised, rotated to the position of the first token of its own
 * group, and rounded as its cache wants it.
 *
 * State: the open group, and for overlapping compressors stream A of the previous group. A group is pooled
 * in the step that completes it, so the cache never holds a row that its newest token may not see.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import type { CompressorPlan } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import { projectExact } from './linear.ts'
import { normaliseRows } from './rms-norm.ts'
import type { Run } from './run.ts'
import type { Work } from './tally.ts'

export interface CompressorWeights {
  /** [width, D] with width = row dimension, twice that when groups overlap. */
  readonly values: Matrix
  /** [width, D] */
  readonly gates: Matrix
  /** [m, width], added to the gates by t mod m. */
  readonly positionBias: Float32Array
  /** [row dimension] */
  readonly norm: Float32Array
}

/** Tokens of the group that is still open, and what overlaps into it. */
export class OpenGroup {
  readonly plan: CompressorPlan
  readonly rowDim: number
  readonly width: number
  /** [m, width] each. */
  readonly values: Float32Array
  readonly gates: Float32Array
  /** Stream A of the previous group, [m, rowDim] each; empty without overlap. A gate of -inf weighs nothing. */
  readonly previousValues: Float32Array
  readonly previousGates: Float32Array

  constructor(plan: CompressorPlan, rowDim: number) {
    this.plan = plan
    this.rowDim = rowDim
    this.width = plan.overlaps ? 2 * rowDim : rowDim
    const previous = plan.overlaps ? plan.ratio * rowDim : 0
    this.values = new Float32Array(plan.ratio * this.width)
    this.gates = new Float32Array(plan.ratio * this.width).fill(-Infinity)
    this.previousValues = new Float32Array(previous)
    this.previousGates = new Float32Array(previous).fill(-Infinity)
  }

  get allocatedBytes(): number {
    return 8 * (this.values.length + this.previousValues.length)
  }

  /**
   * Takes the token at `position`; when it completes its group, pools the group into `row` and returns true.
   *
   * `values` and `gates` hold the token's `width` numbers from `at`; gates without position bias.
   */
  take(
    position: number,
    values: Float32Array,
    gates: Float32Array,
    at: number,
    positionBias: Float32Array,
    row: Float32Array,
  ): boolean {
    const { ratio, overlaps } = this.plan
    const slot = position % ratio
    for (let channel = 0; channel < this.width; channel++) {
      this.values[slot * this.width + channel] = values[at + channel]!
      this.gates[slot * this.width + channel] = gates[at + channel]! + positionBias[slot * this.width + channel]!
    }
    if (slot !== ratio - 1) return false
    this.#pool(row)
    if (overlaps) {
      for (let token = 0; token < ratio; token++) {
        const from = token * this.width
        this.previousValues.set(this.values.subarray(from, from + this.rowDim), token * this.rowDim)
        this.previousGates.set(this.gates.subarray(from, from + this.rowDim), token * this.rowDim)
      }
    }
    // An empty group has one representation, so that equal states are equal bytes.
    this.values.fill(0)
    this.gates.fill(-Infinity)
    return true
  }

  #pool(row: Float32Array): void {
    const { ratio, overlaps } = this.plan
    const own = overlaps ? this.rowDim : 0
    for (let channel = 0; channel < this.rowDim; channel++) {
      let largest = -Infinity
      for (let token = 0; token < ratio; token++) {
        largest = Math.max(largest, this.gates[token * this.width + own + channel]!)
        if (overlaps) largest = Math.max(largest, this.previousGates[token * this.rowDim + channel]!)
      }
      let weightSum = 0
      let sum = 0
      if (overlaps) {
        for (let token = 0; token < ratio; token++) {
          const weight = Math.exp(this.previousGates[token * this.rowDim + channel]! - largest)
          weightSum += weight
          sum += weight * this.previousValues[token * this.rowDim + channel]!
        }
      }
      for (let token = 0; token < ratio; token++) {
        const weight = Math.exp(this.gates[token * this.width + own + channel]! - largest)
        weightSum += weight
        sum += weight * this.values[token * this.width + own + channel]!
      }
      row[channel] = sum / weightSum
    }
  }

  toFloats(): Float32Array<ArrayBuffer> {
    const parts = [this.values, this.gates, this.previousValues, this.previousGates]
    const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  restore(floats: Float32Array): void {
    const parts = [this.values, this.gates, this.previousValues, this.previousGates]
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    if (floats.length !== length) {
      throw new ModelError(
        'MODEL_STATE',
        `A snapshot holds ${floats.length} numbers of an open group; this model needs ${length}.`,
      )
    }
    let at = 0
    for (const part of parts) {
      part.set(floats.subarray(at, at + part.length))
      at += part.length
    }
  }
}

/** Values and gates of a batch of tokens, [tokens, width] each. Inputs are exact: these linears stay in f32. */
export function compressorInputs(
  weights: CompressorWeights,
  inputs: Float32Array,
  tokens: number,
  run: Run,
  work: Work,
): { values: Float32Array; gates: Float32Array } {
  return {
    values: projectExact(weights.values, inputs, tokens, run, work),
    gates: projectExact(weights.gates, inputs, tokens, run, work),
  }
}

/** Position to which a completed row is rotated: the first token of its own group. */
export function rowPosition(plan: CompressorPlan, row: number): number {
  return row * plan.ratio
}

/** Rows visible to the token at `position`: groups that are complete including that token. */
export function visibleRows(plan: CompressorPlan, position: number): number {
  return Math.floor((position + 1) / plan.ratio)
}

/** Normalises a pooled row in place; rotation and rounding are the cache owner's. */
export function normaliseRow(row: Float32Array, weights: CompressorWeights, epsilon: number): void {
  normaliseRows(row, 1, row.length, weights.norm, epsilon)
}
