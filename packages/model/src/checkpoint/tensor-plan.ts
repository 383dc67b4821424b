/**
 * Every tensor that a configuration implies: official name, logical shape, and the role that decides how it
 * may be stored.
 *
 * One list serves the loader (missing, surplus, wrong shape), the writer, random models and parameter counts.
 * The counts of the published shapes agree with the published totals to the parameter, which checks the list.
 */
import { mixSize, type LayerPlan, type ModelConfig } from '../config/model-config.ts'

/**
 * `linear`: FP8 with 2-D block scales. `expert`: FP4 with 32-column scales. `half`: BF16. `single`: F32.
 * `table`: integers. Plain floats are accepted in place of any quantised format.
 */
export type TensorRole = 'linear' | 'expert' | 'half' | 'single' | 'table'

export type TensorPart =
  | 'embedding'
  | 'head'
  | 'norm'
  | 'attention'
  | 'compressor'
  | 'indexer'
  | 'router'
  | 'routed-expert'
  | 'shared-expert'
  | 'hyper-connection'
  | 'prediction'

export interface PlannedTensor {
  readonly name: string
  readonly role: TensorRole
  readonly part: TensorPart
  /** `[out, in]` for matrices, whatever the storage packs. */
  readonly shape: readonly number[]
}

type Add = (name: string, role: TensorRole, part: TensorPart, ...shape: number[]) => void

function planCompressor(
  add: Add,
  prefix: string,
  part: TensorPart,
  hidden: number,
  rowDim: number,
  ratio: number,
  overlaps: boolean,
): void {
  const width = (overlaps ? 2 : 1) * rowDim
  add(`${prefix}.ape`, 'single', part, ratio, width)
  add(`${prefix}.norm.weight`, 'half', part, rowDim)
  add(`${prefix}.wgate.weight`, 'half', part, width, hidden)
  add(`${prefix}.wkv.weight`, 'half', part, width, hidden)
}

function planHyperSite(add: Add, prefix: string, config: ModelConfig): void {
  const { streams } = config.hyperConnections
  add(`${prefix}_base`, 'single', 'hyper-connection', mixSize(streams))
  add(`${prefix}_fn`, 'single', 'hyper-connection', mixSize(streams), streams * config.hiddenSize)
  add(`${prefix}_scale`, 'single', 'hyper-connection', 3)
}

function planHyperHead(add: Add, prefix: string, config: ModelConfig): void {
  const { streams } = config.hyperConnections
  add(`${prefix}hc_head_base`, 'single', 'hyper-connection', streams)
  add(`${prefix}hc_head_fn`, 'single', 'hyper-connection', streams, streams * config.hiddenSize)
  add(`${prefix}hc_head_scale`, 'single', 'hyper-connection', 1)
}

function planSwiGlu(add: Add, prefix: string, role: TensorRole, part: TensorPart, hidden: number, inner: number): void {
  add(`${prefix}.w1.weight`, role, part, inner, hidden)
  add(`${prefix}.w2.weight`, role, part, hidden, inner)
  add(`${prefix}.w3.weight`, role, part, inner, hidden)
}

function planBlock(add: Add, prefix: string, layer: LayerPlan, config: ModelConfig): void {
  const { hiddenSize, attention, indexer, experts } = config
  const { heads, headDim, queryRank, outputGroups, outputRank } = attention
  add(`${prefix}.attn.attn_sink`, 'single', 'attention', heads)
  if (layer.compressor !== null) {
    const { ratio, overlaps } = layer.compressor
    planCompressor(add, `${prefix}.attn.compressor`, 'compressor', hiddenSize, headDim, ratio, overlaps)
  }
  if (layer.selectionOwner === layer.index && layer.compressor !== null) {
    const { ratio, overlaps } = layer.compressor
    planCompressor(add, `${prefix}.attn.indexer.compressor`, 'indexer', hiddenSize, indexer.dim, ratio, overlaps)
    add(`${prefix}.attn.indexer.weights_proj.weight`, 'half', 'indexer', indexer.heads, hiddenSize)
    add(`${prefix}.attn.indexer.wq_b.weight`, 'linear', 'indexer', indexer.heads * indexer.dim, queryRank)
  }
  add(`${prefix}.attn.kv_norm.weight`, 'half', 'attention', headDim)
  add(`${prefix}.attn.q_norm.weight`, 'half', 'attention', queryRank)
  add(`${prefix}.attn.wkv.weight`, 'linear', 'attention', headDim, hiddenSize)
  add(`${prefix}.attn.wo_a.weight`, 'linear', 'attention', outputGroups * outputRank, (heads / outputGroups) * headDim)
  add(`${prefix}.attn.wo_b.weight`, 'linear', 'attention', hiddenSize, outputGroups * outputRank)
  add(`${prefix}.attn.wq_a.weight`, 'linear', 'attention', queryRank, hiddenSize)
  add(`${prefix}.attn.wq_b.weight`, 'linear', 'attention', heads * headDim, queryRank)
  add(`${prefix}.attn_norm.weight`, 'half', 'norm', hiddenSize)
  for (let expert = 0; expert < experts.routed; expert++) {
    planSwiGlu(add, `${prefix}.ffn.experts.${expert}`, 'expert', 'routed-expert', hiddenSize, experts.innerSize)
  }
  if (layer.router === 'hash') add(`${prefix}.ffn.gate.tid2eid`, 'table', 'router', config.vocabSize, experts.perToken)
  else add(`${prefix}.ffn.gate.bias`, 'single', 'router', experts.routed)
  add(`${prefix}.ffn.gate.weight`, 'half', 'router', experts.routed, hiddenSize)
  planSwiGlu(add, `${prefix}.ffn.shared_experts`, 'linear', 'shared-expert', hiddenSize, experts.innerSize)
  add(`${prefix}.ffn_norm.weight`, 'half', 'norm', hiddenSize)
  planHyperSite(add, `${prefix}.hc_attn`, config)
  planHyperSite(add, `${prefix}.hc_ffn`, config)
}

/** Tensors of the main model, in the order in which the writer lays them out. */
export function planMainTensors(config: ModelConfig): PlannedTensor[] {
  const plan: PlannedTensor[] = []
  const add: Add = (name, role, part, ...shape) => plan.push({ name, role, part, shape })
  add('embed.weight', 'half', 'embedding', config.vocabSize, config.hiddenSize)
  planHyperHead(add, '', config)
  add('head.weight', 'half', 'head', config.vocabSize, config.hiddenSize)
  for (const layer of config.layers) planBlock(add, `layers.${layer.index}`, layer, config)
  add('norm.weight', 'half', 'norm', config.hiddenSize)
  return plan
}

/** Tensors of the multi-token-prediction blocks; embedding and head are shared with the main model. */
export function planPredictionTensors(config: ModelConfig): PlannedTensor[] {
  const plan: PlannedTensor[] = []
  const add: Add = (name, role, _part, ...shape) => plan.push({ name, role, part: 'prediction', shape })
  const { hiddenSize } = config
  for (const [at, layer] of config.mtpLayers.entries()) {
    const prefix = `mtp.${at}`
    planBlock(add, prefix, layer, config)
    add(`${prefix}.e_proj.weight`, 'linear', 'prediction', hiddenSize, hiddenSize)
    add(`${prefix}.enorm.weight`, 'half', 'prediction', hiddenSize)
    add(`${prefix}.h_proj.weight`, 'linear', 'prediction', hiddenSize, hiddenSize)
    planHyperHead(add, `${prefix}.`, config)
    add(`${prefix}.hnorm.weight`, 'half', 'prediction', hiddenSize)
    add(`${prefix}.norm.weight`, 'half', 'prediction', hiddenSize)
  }
  return plan
}

/** Name of the scale tensor beside a quantised matrix. */
export function scaleName(weightName: string): string {
  return weightName.replace(/\.weight$/, '.scale')
}

export interface ParameterCounts {
  readonly total: number
  /** Parameters that one token's forward pass touches; the embedding table is a look-up and not counted. */
  readonly active: number
  readonly byPart: Readonly<Record<string, number>>
}

/** Counts weights of the main model: neither scales nor the integer tables of hash layers. */
export function countParameters(config: ModelConfig): ParameterCounts {
  const byPart: Record<string, number> = {}
  let total = 0
  for (const { part, role, shape } of planMainTensors(config)) {
    if (role === 'table') continue
    const size = shape.reduce((product, dim) => product * dim, 1)
    byPart[part] = (byPart[part] ?? 0) + size
    total += size
  }
  const routed = byPart['routed-expert'] ?? 0
  const idle = routed - (routed / config.experts.routed) * config.experts.perToken
  return { total, active: total - idle - (byPart['embedding'] ?? 0), byPart }
}
