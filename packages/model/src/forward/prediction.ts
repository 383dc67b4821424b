/**
 * Multi-token prediction: one extra layer that guesses a token further ahead, for speculative decoding.
 *
 *   e    = RMSNorm(embed[id])
 *   x[c] = e_proj . e + h_proj . RMSNorm(streams[c])     for each stream of the main model before its collapse
 *   x    = block(x)                                       window attention, plain rope
 *   logits = head . RMSNorm(collapse(x))                  head and embedding shared with the main model
 *
 * Which id goes with which streams is the caller's: in training the row of position i pairs the streams of
 * token i with token i + 1 and predicts token i + 2. This function pairs row t with `ids[t]` as given.
 */
import { ModelError } from '../errors.ts'
import { block } from './block.ts'
import { computeLogits } from './head.ts'
import { project } from './linear.ts'
import type { Model } from './model.ts'
import { normaliseRows } from './rms-norm.ts'
import type { SequenceState } from './state.ts'

/** `streams` [tokens, C, D] -> logits of the last row, [V]. `state` comes from `newPredictionState`. */
export function predict(
  model: Model,
  state: SequenceState,
  streams: Float32Array,
  ids: ArrayLike<number>,
  predictionAt = 0,
): Float32Array {
  const { config, run, weights } = model
  const prediction = weights.predictions[predictionAt]
  if (prediction === undefined) {
    throw new ModelError('MODEL_NOT_SUPPORTED', `The checkpoint was opened without prediction block ${predictionAt}.`, {
      block: predictionAt,
    })
  }
  const { hiddenSize, normEpsilon } = config
  const tokens = ids.length
  const count = config.hyperConnections.streams
  if (tokens === 0 || streams.length !== tokens * count * hiddenSize) {
    throw new ModelError('MODEL_STATE', `${streams.length} stream values do not belong to ${tokens} tokens.`)
  }
  model.checkTokens(ids, state.position)

  const embedded = model.embed(ids)
  normaliseRows(embedded, tokens, hiddenSize, prediction.embeddingNorm, normEpsilon)
  const fromEmbedding = project(prediction.embeddingProjection, embedded, tokens, run, 'prediction')
  const normalised = streams.slice()
  normaliseRows(normalised, tokens * count, hiddenSize, prediction.streamNorm, normEpsilon)
  const x = project(prediction.streamProjection, normalised, tokens * count, run, 'prediction')
  for (let row = 0; row < tokens * count; row++) {
    const token = Math.floor(row / count)
    for (let dim = 0; dim < hiddenSize; dim++) x[row * hiddenSize + dim]! += fromEmbedding[token * hiddenSize + dim]!
  }

  const batch = {
    tokens,
    ids: Int32Array.from(ids),
    positions: Int32Array.from({ length: tokens }, (_, at) => state.position + at),
    states: Array.from({ length: tokens }, () => state),
  }
  block(prediction.block, predictionAt, x, batch, config, model.rotary(prediction.block.plan.rope), run)
  state.position += tokens
  return computeLogits(prediction.head, weights.logits, x.subarray((tokens - 1) * count * hiddenSize), 1, config, run)
}
