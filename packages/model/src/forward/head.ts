/**
 * From streams to logits: collapse, normalise, multiply by the vocabulary. f32 throughout, no bias, no cap.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import type { ModelConfig } from '../config/model-config.ts'
import { hyperShape } from './block.ts'
import { collapseStreams } from './hyper-connections.ts'
import { projectExact } from './linear.ts'
import { normaliseRows } from './rms-norm.ts'
import type { Run } from './run.ts'
import type { HeadWeights } from './weights.ts'

/** `streams` [tokens, C, D] -> [tokens, V] */
export function computeLogits(
  head: HeadWeights,
  vocabulary: Matrix,
  streams: Float32Array,
  tokens: number,
  config: ModelConfig,
  run: Run,
): Float32Array {
  const hidden = collapseStreams(streams, tokens, head.collapse, hyperShape(config), run)
  normaliseRows(hidden, tokens, config.hiddenSize, head.norm, config.normEpsilon)
  return projectExact(vocabulary, hidden, tokens, run, 'head')
}
