/**
 * Everything a sequence remembers: position, and per layer the window ring, compressed rows, index rows and
 * open groups. Nothing else exists, so a snapshot of this is a snapshot of the sequence.
 *
 * A snapshot may be taken at any position. Going back to an earlier position is only possible through a
 * snapshot from there: rows alone cannot say what the ring and the open groups held.
 */
import type { LayerPlan, ModelConfig } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import { GrowingRows, RingRows } from './cache-rows.ts'
import { OpenGroup } from './compressor.ts'
import { floatRows, packedAttentionRows, packedIndexRows, type RowCodec } from './row-codec.ts'

/** How cache rows are kept: `f32` exactly as computed, `packed` in the 584- and 68-byte formats. */
export type RowStorage = 'f32' | 'packed'

export interface CompressedRows {
  readonly rows: GrowingRows
  readonly open: OpenGroup
}

export interface LayerState {
  readonly window: RingRows
  readonly compressed: CompressedRows | null
  readonly index: CompressedRows | null
}

export interface LayerBytes {
  readonly window: number
  readonly rows: number
  readonly indexRows: number
  readonly openGroups: number
}

function attentionCodec(config: ModelConfig, storage: RowStorage): RowCodec {
  const { headDim, ropeDim } = config.attention
  return storage === 'packed' ? packedAttentionRows(headDim, ropeDim) : floatRows(headDim)
}

function indexCodec(config: ModelConfig, storage: RowStorage): RowCodec {
  return storage === 'packed' ? packedIndexRows(config.indexer.dim) : floatRows(config.indexer.dim)
}

export function newLayerState(config: ModelConfig, layer: LayerPlan, storage: RowStorage): LayerState {
  const { compressor } = layer
  const attention = attentionCodec(config, storage)
  return {
    window: new RingRows(attention, config.attention.windowTokens),
    compressed:
      compressor === null
        ? null
        : { rows: new GrowingRows(attention), open: new OpenGroup(compressor, config.attention.headDim) },
    index:
      compressor === null || layer.selectionOwner === null
        ? null
        : { rows: new GrowingRows(indexCodec(config, storage)), open: new OpenGroup(compressor, config.indexer.dim) },
  }
}

/** Bytes held by one layer's cache objects. */
export function layerBytes(layer: LayerState): LayerBytes {
  return {
    window: layer.window.allocatedBytes,
    rows: layer.compressed?.rows.allocatedBytes ?? 0,
    indexRows: layer.index?.rows.allocatedBytes ?? 0,
    openGroups: (layer.compressed?.open.allocatedBytes ?? 0) + (layer.index?.open.allocatedBytes ?? 0),
  }
}

export interface CompressedSnapshot {
  /** A list: parts that a restored state reads where they lie, so nobody may change them. */
  readonly rows: Uint8Array<ArrayBuffer> | readonly Uint8Array[]
  readonly open: Float32Array<ArrayBuffer>
}

export interface LayerSnapshot {
  readonly window: Uint8Array<ArrayBuffer>
  readonly compressed: CompressedSnapshot | null
  readonly index: CompressedSnapshot | null
}

/** Plain data: can be structured-cloned, sent to a worker or written to disk. */
export interface StateSnapshot {
  /** Which shapes and row formats the bytes are laid out for. */
  readonly layout: string
  readonly position: number
  readonly layers: readonly LayerSnapshot[]
}

function takeCompressed(state: CompressedRows | null): CompressedSnapshot | null {
  return state === null ? null : { rows: state.rows.toBytes(), open: state.open.toFloats() }
}

function restoreCompressed(
  state: CompressedRows | null,
  snapshot: CompressedSnapshot | null,
  expectedRows: number,
): void {
  if ((state === null) !== (snapshot === null))
    throw new ModelError('MODEL_STATE', 'A snapshot and this model disagree about which layers compress.')
  if (state === null || snapshot === null) return
  state.rows.restore(snapshot.rows)
  state.open.restore(snapshot.open)
  if (state.rows.count !== expectedRows) {
    throw new ModelError(
      'MODEL_STATE',
      `A snapshot holds ${state.rows.count} compressed rows where its position implies ${expectedRows}.`,
    )
  }
}

export class SequenceState {
  readonly config: ModelConfig
  readonly storage: RowStorage
  readonly layers: readonly LayerState[]
  readonly #plans: readonly LayerPlan[]
  /** Tokens taken so far; the next token's position. */
  position = 0

  /** Clean state. `plans` are the main layers unless the state belongs to a prediction block. */
  constructor(config: ModelConfig, storage: RowStorage = 'f32', plans: readonly LayerPlan[] = config.layers) {
    this.config = config
    this.storage = storage
    this.#plans = plans
    this.layers = plans.map((plan) => newLayerState(config, plan, storage))
  }

  /** Names every size that the bytes of a snapshot depend on. */
  get layout(): string {
    const { attention, indexer } = this.config
    const ratios = this.#plans.map((plan) => `${plan.compressor?.ratio ?? 0}`).join(',')
    return `v4/1 ${this.storage} d${attention.headDim}r${attention.ropeDim}w${attention.windowTokens}i${indexer.dim} ${ratios}`
  }

  get allocatedBytes(): number {
    return this.layers.reduce((sum, layer) => {
      const bytes = layerBytes(layer)
      return sum + bytes.window + bytes.rows + bytes.indexRows + bytes.openGroups
    }, 0)
  }

  snapshot(): StateSnapshot {
    return {
      layout: this.layout,
      position: this.position,
      layers: this.layers.map((layer) => ({
        window: layer.window.toBytes(),
        compressed: takeCompressed(layer.compressed),
        index: takeCompressed(layer.index),
      })),
    }
  }

  /**
   * Replaces this state by a snapshot. `MODEL_STATE` when it belongs to another shape or contradicts itself;
   * a state whose restore failed is to be thrown away.
   */
  restore(snapshot: StateSnapshot): void {
    if (snapshot.layout !== this.layout || snapshot.layers.length !== this.layers.length) {
      throw new ModelError(
        'MODEL_STATE',
        `A snapshot laid out as "${snapshot.layout}" cannot be restored into "${this.layout}".`,
      )
    }
    for (const [at, layer] of this.layers.entries()) {
      const saved = snapshot.layers[at]!
      const ratio = this.#plans[at]!.compressor?.ratio ?? 1
      const rows = Math.floor(snapshot.position / ratio)
      layer.window.restore(saved.window)
      restoreCompressed(layer.compressed, saved.compressed, rows)
      restoreCompressed(layer.index, saved.index, rows)
    }
    this.position = snapshot.position
  }

  /** An independent copy: the way to try several continuations of one prefix. */
  fork(): SequenceState {
    const copy = new SequenceState(this.config, this.storage, this.#plans)
    copy.restore(this.snapshot())
    return copy
  }
}
