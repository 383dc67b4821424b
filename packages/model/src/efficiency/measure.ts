/**
 * What one sequence of a given length costs: bytes of cache and operations of one more token.
 *
 * Bytes are read off real cache objects in the packed row formats, filled to the length, one layer of each
 * kind at a time so that memory stays bounded. Operations are counted by the kernels of the forward pass as
 * they take the last token through that layer.
 */
import type { AttentionKind, LayerPlan, ModelConfig } from '../config/model-config.ts'
import { block } from '../forward/block.ts'
import type { GrowingRows } from '../forward/cache-rows.ts'
import { computeLogits } from '../forward/head.ts'
import { Rotary } from '../forward/rotary.ts'
import { numericModes } from '../forward/run.ts'
import { layerBytes, SequenceState, type LayerBytes } from '../forward/state.ts'
import { Tally, type Work } from '../forward/tally.ts'
import { shapeBlock, shapeHead } from './shape-weights.ts'

export interface LayerKindCost {
  readonly attention: AttentionKind
  /** Tokens per compressed row, null for window layers. */
  readonly ratio: number | null
  /** How many layers of the schedule are of this kind. */
  readonly layers: number
  /** Cache of one such layer. */
  readonly bytes: LayerBytes
  readonly compressedRows: number
  /** Operations of one token in one such layer, by work. */
  readonly operations: ReadonlyMap<Work, number>
}

export interface SequenceCost {
  readonly contextTokens: number
  readonly kinds: readonly LayerKindCost[]
  /** Rows that grow with the context, all layers. */
  readonly growingBytes: number
  /** Windows and open groups, all layers: the same at every length. */
  readonly fixedBytes: number
  /** Operations of the token at position `contextTokens - 1`, all layers and the head. */
  readonly operations: ReadonlyMap<Work, number>
}

/** Appends rows of plausible numbers, encoded once and copied in blocks, until `count` are there. */
export function fillRows(rows: GrowingRows, count: number): void {
  const { codec } = rows
  const blockRows = 64
  const encoded = new Uint8Array(blockRows * codec.rowBytes)
  const row = new Float32Array(codec.width)
  for (let at = 0; at < blockRows; at++) {
    for (let dim = 0; dim < codec.width; dim++) row[dim] = Math.sin(at * codec.width + dim)
    codec.encode(row, 0, encoded, at * codec.rowBytes)
  }
  while (rows.count < count) {
    rows.appendEncoded(encoded.subarray(0, Math.min(blockRows, count - rows.count) * codec.rowBytes))
  }
}

function kindOf(plan: LayerPlan): string {
  return `${plan.attention} ${plan.compressor?.ratio ?? 0}`
}

/** Cost of one layer at a context of `contextTokens`, of which the last token is computed here. */
function measureLayer(config: ModelConfig, plan: LayerPlan, layers: number, contextTokens: number): LayerKindCost {
  const tally = new Tally()
  const state = new SequenceState(config, 'packed', [plan])
  const position = contextTokens - 1
  const layer = state.layers[0]!
  const ratio = plan.compressor?.ratio ?? null
  for (const rows of [layer.compressed?.rows, layer.index?.rows]) {
    if (rows !== undefined && ratio !== null) fillRows(rows, Math.floor(position / ratio))
  }
  state.position = position
  const batch = { tokens: 1, ids: new Int32Array(1), positions: new Int32Array([position]), states: [state] }
  const streams = new Float32Array(config.hyperConnections.streams * config.hiddenSize)
  const rotary = new Rotary(config.rope[plan.rope], config.attention.ropeDim)
  block(shapeBlock(config, plan), 0, streams, batch, config, rotary, { mode: numericModes.packed, tally })
  return {
    attention: plan.attention,
    ratio,
    layers,
    bytes: layerBytes(layer),
    compressedRows: layer.compressed?.rows.count ?? 0,
    operations: new Map(tally.entries()),
  }
}

/**
 * Measures one sequence of `contextTokens` tokens on a model of this shape. `onKind` hears after each kind of
 * layer how many of how many are done.
 */
export function measureSequence(
  config: ModelConfig,
  contextTokens: number,
  onKind: (done: number, total: number) => void = () => {},
): SequenceCost {
  const groups = [...Map.groupBy(config.layers, kindOf).values()]
  const kinds = groups.map((plans, at) => {
    const cost = measureLayer(config, plans[0]!, plans.length, contextTokens)
    onKind(at + 1, groups.length)
    return cost
  })
  const tally = new Tally()
  const { head, vocabulary } = shapeHead(config)
  const streams = new Float32Array(config.hyperConnections.streams * config.hiddenSize)
  computeLogits(head, vocabulary, streams, 1, config, { mode: numericModes.packed, tally })
  let growingBytes = 0
  let fixedBytes = 0
  for (const { bytes, layers, operations } of kinds) {
    growingBytes += layers * (bytes.rows + bytes.indexRows)
    fixedBytes += layers * (bytes.window + bytes.openGroups)
    for (const [work, count] of operations) tally.add(work, layers * count)
  }
  return { contextTokens, kinds, growingBytes, fixedBytes, operations: new Map(tally.entries()) }
}
