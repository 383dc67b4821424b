/**
 * One attention sub-layer: low-rank queries, one shared key = value row per token, window, compressed rows.
 *
 *   qr = RMSNorm(wq_a . u)                       [Rq]     also feeds the indexer
 *   q  = rope(rms(wq_b . qr))                    [H, d]   each head scaled to unit rms, last dims rotated
 *   kv = round8(rope(RMSNorm(wkv . u)))          [d]      into the window ring
 *   rows(t) = window rows max(0, t - W + 1)..t, then compressed rows whose group is complete at t
 *   o  = unrope(attend(q, rows(t)))              the rows carry rotation as values; it is turned back here
 *   out = wo_b . grouped(wo_a, o)
 *
 * A recent token may be attended twice, raw and inside a compressed row. That is how the model is defined.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import { plainDims, type LayerPlan, type ModelConfig } from '../config/model-config.ts'
import { decodeBf16, encodeBf16 } from '../quantisation/bf16.ts'
import { cacheRowBlock, roundTripE4m3 } from '../quantisation/round-trip.ts'
import { attend } from './attention-core.ts'
import type { Batch } from './batch.ts'
import { compressorInputs, normaliseRow, rowPosition, visibleRows, type CompressorWeights } from './compressor.ts'
import { projectOutput } from './grouped-output.ts'
import { finishIndexVector, indexQueries, selectRows, type IndexerWeights } from './indexer.ts'
import { project } from './linear.ts'
import { normaliseRows } from './rms-norm.ts'
import type { Rotary } from './rotary.ts'
import type { Run } from './run.ts'
import type { CompressedRows, LayerState } from './state.ts'

export interface AttentionWeights {
  readonly queryDown: Matrix
  readonly queryNorm: Float32Array
  readonly queryUp: Matrix
  readonly keyValue: Matrix
  readonly keyValueNorm: Float32Array
  /** [heads] */
  readonly sinks: Float32Array
  readonly outputDown: Matrix
  readonly outputUp: Matrix
  readonly compressor: CompressorWeights | null
  readonly indexer: IndexerWeights | null
}

/** Queries of a batch: the normalised low-rank vectors and the rotated heads. */
export function computeQueries(
  weights: AttentionWeights,
  inputs: Float32Array,
  positions: Int32Array,
  config: ModelConfig,
  rotary: Rotary,
  run: Run,
): { lowRank: Float32Array; queries: Float32Array } {
  const tokens = positions.length
  const { heads, headDim, queryRank } = config.attention
  const lowRank = project(weights.queryDown, inputs, tokens, run, 'query')
  normaliseRows(lowRank, tokens, queryRank, weights.queryNorm, config.normEpsilon)
  const queries = project(weights.queryUp, lowRank, tokens, run, 'query')
  normaliseRows(queries, tokens * heads, headDim, null, config.normEpsilon)
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      rotary.rotate(queries, (token * heads + head) * headDim + plainDims(config), positions[token]!)
    }
  }
  return { lowRank, queries }
}

/** Rotates a key-value row to its position and rounds its other dimensions as the cache holds them. */
function finishRow(
  rows: Float32Array,
  from: number,
  position: number,
  config: ModelConfig,
  rotary: Rotary,
  run: Run,
): void {
  const plain = plainDims(config)
  rotary.rotate(rows, from + plain, position)
  if (run.mode.cacheRows) roundTripE4m3(rows, from, from + plain, cacheRowBlock)
  if (run.mode.rotatingDims) {
    for (let at = from + plain; at < from + config.attention.headDim; at++) rows[at] = decodeBf16(encodeBf16(rows[at]!))
  }
}

/** Key-value rows of a batch as they enter the window, [tokens, d]. */
export function computeWindowRows(
  weights: AttentionWeights,
  inputs: Float32Array,
  positions: Int32Array,
  config: ModelConfig,
  rotary: Rotary,
  run: Run,
): Float32Array {
  const tokens = positions.length
  const { headDim } = config.attention
  const rows = project(weights.keyValue, inputs, tokens, run, 'key-value')
  normaliseRows(rows, tokens, headDim, weights.keyValueNorm, config.normEpsilon)
  for (let token = 0; token < tokens; token++) finishRow(rows, token * headDim, positions[token]!, config, rotary, run)
  return rows
}

interface TokenInputs {
  readonly values: Float32Array
  readonly gates: Float32Array
}

/** Feeds one token to a compressor; a completed row is finished by `finish` and appended. */
function feed(
  state: CompressedRows,
  weights: CompressorWeights,
  inputs: TokenInputs,
  token: number,
  position: number,
  epsilon: number,
  finish: (row: Float32Array, rowAt: number) => void,
): void {
  const row = new Float32Array(state.open.rowDim)
  if (!state.open.take(position, inputs.values, inputs.gates, token * state.open.width, weights.positionBias, row))
    return
  normaliseRow(row, weights, epsilon)
  finish(row, rowPosition(state.open.plan, state.rows.count))
  state.rows.append(row)
}

/** Runs the sub-layer and advances the layer's part of each sequence's state. Returns [tokens, D]. */
export function attention(
  weights: AttentionWeights,
  plan: LayerPlan,
  layerAt: number,
  inputs: Float32Array,
  batch: Batch,
  config: ModelConfig,
  rotary: Rotary,
  run: Run,
): Float32Array {
  const { tokens, positions } = batch
  const { heads, headDim, windowTokens, outputGroups } = config.attention
  const plain = plainDims(config)
  const { lowRank, queries } = computeQueries(weights, inputs, positions, config, rotary, run)
  const windowRows = computeWindowRows(weights, inputs, positions, config, rotary, run)
  const pooled = weights.compressor && compressorInputs(weights.compressor, inputs, tokens, run, 'compressor')
  const indexPooled =
    weights.indexer && compressorInputs(weights.indexer.compressor, inputs, tokens, run, 'index-projection')
  const index = weights.indexer && indexQueries(weights.indexer, lowRank, inputs, positions, config, rotary, run)

  const out = new Float32Array(tokens * heads * headDim)
  let gathered = new Float32Array(0)
  for (let token = 0; token < tokens; token++) {
    const position = positions[token]!
    const state: LayerState = batch.states[token]!.layers[layerAt]!
    state.window.write(position, windowRows, token * headDim)

    let selected: Int32Array | null = null
    let visible = 0
    if (state.compressed !== null && weights.compressor !== null && pooled !== null && plan.compressor !== null) {
      visible = visibleRows(plan.compressor, position)
      if (state.index !== null && weights.indexer !== null && indexPooled !== null && index !== null) {
        feed(state.index, weights.indexer.compressor, indexPooled, token, position, config.normEpsilon, (row, rowAt) =>
          finishIndexVector(row, 0, row.length, rotary, rowAt, run),
        )
        selected = selectRows(index, token, state.index.rows, visible, config, run)
      }
      feed(state.compressed, weights.compressor, pooled, token, position, config.normEpsilon, (row, rowAt) =>
        finishRow(row, 0, rowAt, config, rotary, run),
      )
    }

    const first = Math.max(0, position - windowTokens + 1)
    const windowCount = position - first + 1
    const compressedCount = selected?.length ?? visible
    const count = windowCount + compressedCount
    if (gathered.length < count * headDim) gathered = new Float32Array(count * headDim)
    for (let at = 0; at < windowCount; at++) state.window.read(first + at, gathered, at * headDim)
    for (let at = 0; at < compressedCount; at++) {
      state.compressed?.rows.read(selected === null ? at : selected[at]!, gathered, (windowCount + at) * headDim)
    }
    run.tally?.add('attention-window', 4 * heads * headDim * windowCount)
    if (compressedCount > 0) {
      run.tally?.add(
        plan.attention === 'sparse' ? 'attention-sparse' : 'attention-heavy',
        4 * heads * headDim * compressedCount,
      )
    }

    const outAt = token * heads * headDim
    attend(queries, outAt, gathered, count, headDim, weights.sinks, out, outAt)
    for (let head = 0; head < heads; head++) rotary.rotate(out, outAt + head * headDim + plain, position, true)
  }
  return projectOutput(weights.outputDown, weights.outputUp, outputGroups, out, tokens, run)
}
