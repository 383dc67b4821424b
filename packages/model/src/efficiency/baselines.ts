/**
 * What V4 is compared with: DeepSeek-V3.2 (latent attention with an indexer over every token) and plain
 * attention with 8 key-value heads of 128 dimensions in BF16.
 *
 * These models are not implemented here. Their linears go through the same counting kernels as V4's, their
 * attention and cache are arithmetic from the published shapes, written out below.
 */
import { projectExact } from '../forward/linear.ts'
import { numericModes } from '../forward/run.ts'
import { Tally, type Work } from '../forward/tally.ts'
import { shapeOnly } from './shape-weights.ts'

/** Published shape of V3.2. Its three dense layers are as wide as nine experts, so every layer counts as nine. */
const v32 = {
  layers: 61,
  hiddenSize: 7168,
  heads: 128,
  queryRank: 1536,
  latentDim: 512,
  ropeDim: 64,
  plainDim: 128,
  valueDim: 128,
  indexHeads: 64,
  indexDim: 128,
  indexTopK: 2048,
  routedExperts: 256,
  expertsPerToken: 8,
  expertInner: 2048,
  vocabSize: 129_280,
} as const

/** Row formats of V3.2's production cache: FP8 latent with F32 scales and BF16 rope; FP8 index key with one scale. */
const v32RowBytes = 656
const v32IndexRowBytes = 132

export function v32BytesPerToken(): number {
  return v32.layers * (v32RowBytes + v32IndexRowBytes)
}

/** 8 heads, keys and values, 128 dimensions, 2 bytes, per layer. */
export function groupedQueryBytesPerToken(layers: number): number {
  return layers * 8 * 2 * 128 * 2
}

/** Operations of one V3.2 token with `contextTokens` tokens in view. */
export function v32Operations(contextTokens: number): ReadonlyMap<Work, number> {
  const tally = new Tally()
  const run = { mode: numericModes.plain, tally }
  const none = new Float32Array(0)
  const linear = (work: Work, rows: number, columns: number, times: number) => {
    projectExact(shapeOnly(rows, columns, 'fp8'), none, times, run, work)
  }
  const { layers, hiddenSize, heads, queryRank, latentDim, ropeDim, plainDim, valueDim } = v32
  linear('query', queryRank, hiddenSize, layers)
  linear('query', heads * (plainDim + ropeDim), queryRank, layers)
  linear('key-value', latentDim + ropeDim, hiddenSize, layers)
  // Decoding in the latent space: queries go down to it, attended values come back up, head by head.
  linear('key-value', latentDim, plainDim, layers * heads)
  linear('output', valueDim, latentDim, layers * heads)
  linear('output', hiddenSize, heads * valueDim, layers)
  linear('index-projection', v32.indexHeads * v32.indexDim, queryRank, layers)
  linear('index-projection', v32.indexDim + v32.indexHeads, hiddenSize, layers)
  tally.add('index-score', layers * 2 * v32.indexHeads * v32.indexDim * contextTokens)
  const attended = Math.min(v32.indexTopK, contextTokens)
  tally.add('attention-sparse', layers * 2 * heads * attended * (latentDim + ropeDim + latentDim))
  linear('router', v32.routedExperts, hiddenSize, layers)
  linear('expert', 3 * v32.expertInner, hiddenSize, layers * v32.expertsPerToken)
  linear('shared-expert', 3 * v32.expertInner, hiddenSize, layers)
  linear('head', v32.vocabSize, hiddenSize, 1)
  return new Map(tally.entries())
}
