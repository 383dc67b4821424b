/**
 * The whole model: embedding, layers, head, over any mix of prompt chunks and single tokens.
 *
 * This is the reference that faster kernels are measured against. A token's logits are the same bits whether
 * its prompt came whole, in pieces, alone or beside other sequences, because nothing that is summed for one
 * token depends on which others are present.
 */
import { decodeRow } from '../checkpoint/matrix.ts'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { ModelConfig } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import { layOut, type Batch, type Segment } from './batch.ts'
import { block } from './block.ts'
import { computeLogits } from './head.ts'
import { Rotary } from './rotary.ts'
import { numericModes, type NumericMode, type Run } from './run.ts'
import { SequenceState, type RowStorage } from './state.ts'
import type { Tally } from './tally.ts'
import { loadWeights, type ModelWeights, type WeightOptions } from './weights.ts'

/** Tokens that go through the layers together: enough to read each weight row rarely, little enough to fit. */
const prefillChunkTokens = 256

export interface ModelOptions extends WeightOptions {
  /** Default: every official round trip, and for packed storage the one that makes packing lossless. */
  readonly mode?: NumericMode
  /** How new states keep their rows. Default `f32`. */
  readonly storage?: RowStorage
  readonly tally?: Tally
}

export interface ForwardOptions {
  /** Which tokens of each segment get logits. Default `last`. */
  readonly logits?: 'last' | 'all' | 'none'
  /** Also return the streams before the final collapse, which a prediction block reads. */
  readonly streams?: boolean
}

export interface SegmentResult {
  /** [V] for `last`, [tokens, V] for `all`, empty for `none`. */
  readonly logits: Float32Array
  /** [tokens, C, D], empty unless asked for. */
  readonly streams: Float32Array
}

export class Model {
  readonly config: ModelConfig
  readonly weights: ModelWeights
  readonly run: Run
  readonly #storage: RowStorage
  readonly #rotaries: { readonly plain: Rotary; readonly compressed: Rotary }

  constructor(weights: ModelWeights, options: ModelOptions = {}) {
    this.config = weights.config
    this.weights = weights
    this.#storage = options.storage ?? 'f32'
    const { mode = this.#storage === 'packed' ? numericModes.packed : numericModes.official } = options
    this.run = { mode, tally: options.tally ?? null }
    if (this.#storage === 'packed' && !(mode.cacheRows && mode.indexVectors && mode.rotatingDims)) {
      throw new ModelError(
        'MODEL_STATE',
        'Packed cache rows need a numeric mode that rounds cache rows, rotating dimensions and index vectors to what they can hold.',
      )
    }
    const { plain, compressed } = this.config.rope
    this.#rotaries = {
      plain: new Rotary(plain, this.config.attention.ropeDim),
      compressed: new Rotary(compressed, this.config.attention.ropeDim),
    }
  }

  /** Reads every weight but the experts, which follow when first visited; keep the checkpoint open. */
  static load(checkpoint: Checkpoint, options: ModelOptions = {}): Model {
    return new Model(loadWeights(checkpoint, options), options)
  }

  rotary(set: 'plain' | 'compressed'): Rotary {
    return this.#rotaries[set]
  }

  newState(): SequenceState {
    return new SequenceState(this.config, this.#storage)
  }

  /** Clean state for the prediction blocks, which keep windows of their own. */
  newPredictionState(): SequenceState {
    return new SequenceState(this.config, this.#storage, this.config.mtpLayers)
  }

  checkTokens(ids: ArrayLike<number>, from: number): void {
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at]!
      if (!Number.isInteger(id) || id < 0 || id >= this.config.vocabSize) {
        throw new ModelError(
          'MODEL_TOKEN',
          `Token ${at} is ${id}; allowed: an integer from 0 to ${this.config.vocabSize - 1}.`,
          { at, id },
        )
      }
    }
    if (from + ids.length > this.config.maximumPositions) {
      throw new ModelError(
        'MODEL_CONTEXT',
        `The sequence would reach ${from + ids.length} tokens; the model was made for ${this.config.maximumPositions}.`,
        {
          tokens: from + ids.length,
          maximum: this.config.maximumPositions,
        },
      )
    }
  }

  /** Embeddings of a batch, [tokens, D]. */
  embed(ids: ArrayLike<number>): Float32Array {
    const { hiddenSize } = this.config
    const out = new Float32Array(ids.length * hiddenSize)
    const scratch = new Float32Array(hiddenSize)
    for (let token = 0; token < ids.length; token++)
      out.set(decodeRow(this.weights.embedding, ids[token]!, scratch), token * hiddenSize)
    return out
  }

  /** Every stream starts as a copy of the embedding: [tokens, C, D]. */
  #openStreams(batch: Batch): Float32Array {
    const { hiddenSize, hyperConnections } = this.config
    const embedded = this.embed(batch.ids)
    const streams = new Float32Array(batch.tokens * hyperConnections.streams * hiddenSize)
    for (let token = 0; token < batch.tokens; token++) {
      const row = embedded.subarray(token * hiddenSize, (token + 1) * hiddenSize)
      for (let stream = 0; stream < hyperConnections.streams; stream++) {
        streams.set(row, (token * hyperConnections.streams + stream) * hiddenSize)
      }
    }
    return streams
  }

  /**
   * One pass over pieces of any sequences. States advance by their piece.
   *
   * All inputs are checked before any state changes; a state may appear in one segment only.
   */
  forward(segments: readonly Segment[], options: ForwardOptions = {}): SegmentResult[] {
    for (const { state, ids } of segments) {
      if (ids.length === 0) throw new ModelError('MODEL_TOKEN', 'A segment without tokens has nothing to compute.')
      this.checkTokens(ids, state.position)
    }
    if (new Set(segments.map((segment) => segment.state)).size !== segments.length) {
      throw new ModelError('MODEL_STATE', 'One sequence appears twice in a batch; join its pieces into one segment.')
    }
    const batch = layOut(segments)
    const streams = this.#openStreams(batch)
    for (const [layerAt, weights] of this.weights.blocks.entries()) {
      block(weights, layerAt, streams, batch, this.config, this.#rotaries[weights.plan.rope], this.run)
    }
    const streamWidth = this.config.hyperConnections.streams * this.config.hiddenSize
    let start = 0
    return segments.map(({ state, ids }) => {
      const end = start + ids.length
      const from = options.logits === 'all' ? start : end - 1
      const logits =
        options.logits === 'none'
          ? new Float32Array(0)
          : computeLogits(
              this.weights.head,
              this.weights.logits,
              streams.subarray(from * streamWidth, end * streamWidth),
              end - from,
              this.config,
              this.run,
            )
      const kept =
        options.streams === true ? streams.slice(start * streamWidth, end * streamWidth) : new Float32Array(0)
      start = end
      state.position += ids.length
      return { logits, streams: kept }
    })
  }

  /**
   * Takes a piece of prompt of any length; returns the logits after its last token, [V].
   *
   * Long pieces go through in chunks, which bounds memory and changes no bit. `onTokens` hears how many of
   * the piece are done; all ids are checked before the first chunk.
   */
  prefill(state: SequenceState, ids: ArrayLike<number>, onTokens: (done: number) => void = () => {}): Float32Array {
    this.checkTokens(ids, state.position)
    const all = Array.from(ids)
    const lastChunk = Math.max(0, Math.ceil(all.length / prefillChunkTokens) - 1) * prefillChunkTokens
    for (let at = 0; at < lastChunk; at += prefillChunkTokens) {
      this.forward([{ state, ids: all.slice(at, at + prefillChunkTokens) }], { logits: 'none' })
      onTokens(at + prefillChunkTokens)
    }
    const { logits } = this.forward([{ state, ids: all.slice(lastChunk) }])[0]!
    onTokens(all.length)
    return logits
  }

  /** Takes one token; returns the logits of the next, [V]. */
  decode(state: SequenceState, id: number): Float32Array {
    return this.prefill(state, [id])
  }
}
