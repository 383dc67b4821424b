/**
 * One layer: attention and experts, each read from the streams and written back through hyper-connections.
 */
import type { LayerPlan, ModelConfig } from '../config/model-config.ts'
import { attention, type AttentionWeights } from './attention.ts'
import type { Batch } from './batch.ts'
import { mixExperts, type ExpertWeights } from './experts.ts'
import { readStreams, writeStreams, type HyperShape, type HyperSite } from './hyper-connections.ts'
import { normaliseRows } from './rms-norm.ts'
import type { Rotary } from './rotary.ts'
import { route, type RouterWeights } from './router.ts'
import type { Run } from './run.ts'

export interface BlockWeights {
  readonly plan: LayerPlan
  readonly attentionSite: HyperSite
  readonly attentionNorm: Float32Array
  readonly attention: AttentionWeights
  readonly expertSite: HyperSite
  readonly expertNorm: Float32Array
  readonly router: RouterWeights
  readonly expertAt: (expert: number) => ExpertWeights
  readonly sharedExpert: ExpertWeights
}

export function hyperShape(config: ModelConfig): HyperShape {
  return { ...config.hyperConnections, hiddenSize: config.hiddenSize, normEpsilon: config.normEpsilon }
}

/** Advances `streams` [tokens, C, D] in place through one layer; `layerAt` is its place in each state. */
export function block(
  weights: BlockWeights,
  layerAt: number,
  streams: Float32Array,
  batch: Batch,
  config: ModelConfig,
  rotary: Rotary,
  run: Run,
): void {
  const { tokens } = batch
  const shape = hyperShape(config)

  const forAttention = readStreams(streams, tokens, weights.attentionSite, shape, run)
  normaliseRows(forAttention.input, tokens, config.hiddenSize, weights.attentionNorm, config.normEpsilon)
  const attended = attention(weights.attention, weights.plan, layerAt, forAttention.input, batch, config, rotary, run)
  writeStreams(streams, tokens, attended, forAttention, shape)

  const forExperts = readStreams(streams, tokens, weights.expertSite, shape, run)
  normaliseRows(forExperts.input, tokens, config.hiddenSize, weights.expertNorm, config.normEpsilon)
  const routing = route(weights.router, forExperts.input, batch.ids, config, run)
  const mixed = mixExperts(weights.expertAt, weights.sharedExpert, routing, forExperts.input, tokens, config, run)
  writeStreams(streams, tokens, mixed, forExperts, shape)
}
