/**
 * Lightning Indexer: scores every visible compressed row cheaply and keeps the best few for attention.
 *
 *   qi[h]    = round4(hadamard(rope(wq_b . qr)))                  [Hi, di], from the low-rank query
 *   weight   = (weights_proj . u) * di^-0.5 * Hi^-0.5              [Hi], may be negative
 *   score(c) = sum_h weight[h] * max(0, qi[h] . ki_c)              ki_c: rows of the indexer's own compressor
 *
 * The ReLU is per head, before weighting. While no more rows are visible than are kept, scoring is skipped:
 * all of them are selected, as they would be.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import type { ModelConfig } from '../config/model-config.ts'
import { indexBlock, roundTripE2m1 } from '../quantisation/round-trip.ts'
import type { GrowingRows } from './cache-rows.ts'
import type { CompressorWeights } from './compressor.ts'
import { hadamard } from './hadamard.ts'
import { dot, project, projectExact } from './linear.ts'
import type { Rotary } from './rotary.ts'
import type { Run } from './run.ts'
import { topK } from './top-k.ts'

export interface IndexerWeights {
  /** [Hi * di, Rq] */
  readonly queries: Matrix
  /** [Hi, D] */
  readonly headWeights: Matrix
  readonly compressor: CompressorWeights
}

/** Rotates, spreads and rounds one index vector of `dim` numbers at `from`. */
export function finishIndexVector(
  values: Float32Array,
  from: number,
  dim: number,
  rotary: Rotary,
  position: number,
  run: Run,
): void {
  rotary.rotate(values, from + dim - rotary.dim, position)
  hadamard(values, from, dim)
  if (run.mode.indexVectors) roundTripE2m1(values, from, from + dim, indexBlock)
}

export interface IndexQueries {
  /** [tokens, Hi, di] */
  readonly queries: Float32Array
  /** [tokens, Hi] */
  readonly weights: Float32Array
}

/** Index queries of a batch. `lowRank` [tokens, Rq] normalised, `inputs` [tokens, D]. */
export function indexQueries(
  weights: IndexerWeights,
  lowRank: Float32Array,
  inputs: Float32Array,
  positions: Int32Array,
  config: ModelConfig,
  rotary: Rotary,
  run: Run,
): IndexQueries {
  const tokens = positions.length
  const { heads, dim } = config.indexer
  const queries = project(weights.queries, lowRank, tokens, run, 'index-projection')
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      finishIndexVector(queries, (token * heads + head) * dim, dim, rotary, positions[token]!, run)
    }
  }
  const headWeights = projectExact(weights.headWeights, inputs, tokens, run, 'index-projection')
  const factor = dim ** -0.5 * heads ** -0.5
  for (let at = 0; at < headWeights.length; at++) headWeights[at]! *= factor
  return { queries, weights: headWeights }
}

/** Rows selected for one token among the first `visible`, in ascending order. */
export function selectRows(
  index: IndexQueries,
  token: number,
  rows: GrowingRows,
  visible: number,
  config: ModelConfig,
  run: Run,
): Int32Array {
  const { heads, dim, topK: keep } = config.indexer
  if (visible <= keep) return Int32Array.from({ length: visible }, (_, row) => row)
  run.tally?.add('index-score', 2 * heads * dim * visible)
  const scores = new Float64Array(visible)
  const key = new Float32Array(dim)
  for (let row = 0; row < visible; row++) {
    rows.read(row, key)
    let score = 0
    for (let head = 0; head < heads; head++) {
      const product = dot(index.queries, (token * heads + head) * dim, key, 0, dim)
      if (product > 0) score += index.weights[token * heads + head]! * product
    }
    scores[row] = score
  }
  return topK(scores, visible, keep)
}
