/**
 * The weights of a model in the structure of the forward pass, read from a checkpoint.
 *
 * Everything but routed experts is read at once, in stored precision. Experts are read when a token first
 * visits them; with a limit, the one unused longest leaves first, so a model larger than memory still runs.
 */
import { readFloats, readMatrix, type Checkpoint } from '../checkpoint/checkpoint.ts'
import { readExpertTable } from '../checkpoint/expert-table.ts'
import type { Matrix } from '../checkpoint/matrix.ts'
import type { LayerPlan, ModelConfig } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import type { AttentionWeights } from './attention.ts'
import type { BlockWeights } from './block.ts'
import type { CompressorWeights } from './compressor.ts'
import type { ExpertWeights } from './experts.ts'
import type { HyperSite } from './hyper-connections.ts'
import type { RouterWeights } from './router.ts'

export interface HeadWeights {
  readonly collapse: HyperSite
  readonly norm: Float32Array
}

export interface PredictionWeights {
  readonly block: BlockWeights
  readonly embeddingProjection: Matrix
  readonly embeddingNorm: Float32Array
  readonly streamProjection: Matrix
  readonly streamNorm: Float32Array
  readonly head: HeadWeights
}

export interface ModelWeights {
  readonly config: ModelConfig
  /** [V, D] */
  readonly embedding: Matrix
  readonly blocks: readonly BlockWeights[]
  readonly head: HeadWeights
  /** [V, D], shared with the prediction blocks. */
  readonly logits: Matrix
  readonly predictions: readonly PredictionWeights[]
}

export interface WeightOptions {
  /** Most routed experts held in memory at once, over all layers. Unlimited by default. */
  readonly residentExperts?: number
}

/** Least-recently-used store of experts, filled on demand. */
class ExpertStore {
  readonly #checkpoint: Checkpoint
  readonly #limit: number
  readonly #held = new Map<string, ExpertWeights>()

  constructor(checkpoint: Checkpoint, limit: number) {
    this.#checkpoint = checkpoint
    this.#limit = Math.max(1, limit)
  }

  get(prefix: string): ExpertWeights {
    const held = this.#held.get(prefix)
    this.#held.delete(prefix)
    const expert = held ?? readExpert(this.#checkpoint, prefix)
    this.#held.set(prefix, expert)
    if (this.#held.size > this.#limit) {
      const [oldest] = this.#held.keys()
      if (oldest !== undefined) this.#held.delete(oldest)
    }
    return expert
  }
}

function readExpert(checkpoint: Checkpoint, prefix: string): ExpertWeights {
  return {
    gate: readMatrix(checkpoint, `${prefix}.w1.weight`),
    up: readMatrix(checkpoint, `${prefix}.w3.weight`),
    down: readMatrix(checkpoint, `${prefix}.w2.weight`),
  }
}

function readSite(checkpoint: Checkpoint, prefix: string): HyperSite {
  return {
    fn: readMatrix(checkpoint, `${prefix}_fn`),
    base: readFloats(checkpoint, `${prefix}_base`),
    scale: readFloats(checkpoint, `${prefix}_scale`),
  }
}

function readCompressor(checkpoint: Checkpoint, prefix: string): CompressorWeights {
  return {
    values: readMatrix(checkpoint, `${prefix}.wkv.weight`),
    gates: readMatrix(checkpoint, `${prefix}.wgate.weight`),
    positionBias: readFloats(checkpoint, `${prefix}.ape`),
    norm: readFloats(checkpoint, `${prefix}.norm.weight`),
  }
}

function readAttention(checkpoint: Checkpoint, prefix: string, plan: LayerPlan): AttentionWeights {
  return {
    queryDown: readMatrix(checkpoint, `${prefix}.wq_a.weight`),
    queryNorm: readFloats(checkpoint, `${prefix}.q_norm.weight`),
    queryUp: readMatrix(checkpoint, `${prefix}.wq_b.weight`),
    keyValue: readMatrix(checkpoint, `${prefix}.wkv.weight`),
    keyValueNorm: readFloats(checkpoint, `${prefix}.kv_norm.weight`),
    sinks: readFloats(checkpoint, `${prefix}.attn_sink`),
    outputDown: readMatrix(checkpoint, `${prefix}.wo_a.weight`),
    outputUp: readMatrix(checkpoint, `${prefix}.wo_b.weight`),
    compressor: plan.compressor === null ? null : readCompressor(checkpoint, `${prefix}.compressor`),
    indexer:
      plan.selectionOwner === null
        ? null
        : {
            queries: readMatrix(checkpoint, `${prefix}.indexer.wq_b.weight`),
            headWeights: readMatrix(checkpoint, `${prefix}.indexer.weights_proj.weight`),
            compressor: readCompressor(checkpoint, `${prefix}.indexer.compressor`),
          },
  }
}

function readRouter(checkpoint: Checkpoint, prefix: string, plan: LayerPlan): RouterWeights {
  return {
    gate: readMatrix(checkpoint, `${prefix}.weight`),
    bias: plan.router === 'scored' ? readFloats(checkpoint, `${prefix}.bias`) : null,
    expertsOfToken: plan.router === 'hash' ? readExpertTable(checkpoint, `${prefix}.tid2eid`) : null,
  }
}

function readBlock(checkpoint: Checkpoint, prefix: string, plan: LayerPlan, experts: ExpertStore): BlockWeights {
  if (
    (plan.compressor !== null && plan.compressor.owner !== plan.index) ||
    (plan.selectionOwner !== null && plan.selectionOwner !== plan.index)
  ) {
    throw new ModelError(
      'MODEL_NOT_SUPPORTED',
      `Layer ${plan.index} shares a compressor or selection with another layer.`,
      { layer: plan.index },
    )
  }
  return {
    plan,
    attentionSite: readSite(checkpoint, `${prefix}.hc_attn`),
    attentionNorm: readFloats(checkpoint, `${prefix}.attn_norm.weight`),
    attention: readAttention(checkpoint, `${prefix}.attn`, plan),
    expertSite: readSite(checkpoint, `${prefix}.hc_ffn`),
    expertNorm: readFloats(checkpoint, `${prefix}.ffn_norm.weight`),
    router: readRouter(checkpoint, `${prefix}.ffn.gate`, plan),
    expertAt: (expert) => experts.get(`${prefix}.ffn.experts.${expert}`),
    sharedExpert: readExpert(checkpoint, `${prefix}.ffn.shared_experts`),
  }
}

export function loadWeights(checkpoint: Checkpoint, options: WeightOptions = {}): ModelWeights {
  const { config } = checkpoint
  const experts = new ExpertStore(checkpoint, options.residentExperts ?? Infinity)
  return {
    config,
    embedding: readMatrix(checkpoint, 'embed.weight'),
    blocks: config.layers.map((plan) => readBlock(checkpoint, `layers.${plan.index}`, plan, experts)),
    head: { collapse: readSite(checkpoint, 'hc_head'), norm: readFloats(checkpoint, 'norm.weight') },
    logits: readMatrix(checkpoint, 'head.weight'),
    predictions: !checkpoint.hasPrediction
      ? []
      : config.mtpLayers.map((plan, at) => ({
          block: readBlock(checkpoint, `mtp.${at}`, plan, experts),
          embeddingProjection: readMatrix(checkpoint, `mtp.${at}.e_proj.weight`),
          embeddingNorm: readFloats(checkpoint, `mtp.${at}.enorm.weight`),
          streamProjection: readMatrix(checkpoint, `mtp.${at}.h_proj.weight`),
          streamNorm: readFloats(checkpoint, `mtp.${at}.hnorm.weight`),
          head: {
            collapse: readSite(checkpoint, `mtp.${at}.hc_head`),
            norm: readFloats(checkpoint, `mtp.${at}.norm.weight`),
          },
        })),
  }
}
