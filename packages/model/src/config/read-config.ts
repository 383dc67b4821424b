/**
 * From a `config.json` to a `ModelConfig`, and back.
 *
 * Accepts the official spelling, the flat inference spelling and the one transformers writes. Fields we do
 * not know survive in `source`; values that no V4 can have are refused. The class defaults of the official
 * Python are never used where both published files override them (`compress_rope_theta` is 160000 in both,
 * 40000 in the class).
 */
import { ModelError } from '../errors.ts'
import { FieldReader, isObject, refuse } from './field-reader.ts'
import type { ModelConfig, RopeSet, YarnStretch } from './model-config.ts'
import { readSchedule } from './schedule.ts'

const many = 1 << 20

/** Ten times what the largest published model has over all layers. */
const maximumExperts = 1 << 18

function readYarn(fields: FieldReader): YarnStretch | null {
  const factor = fields.number(['factor', 'rope_factor'], 0, 1e6, 1)
  if (factor === 1) return null
  return {
    factor,
    originalPositions: fields.integer(['original_max_position_embeddings', 'original_seq_len'], 1, 2 ** 31),
    betaFast: fields.number(['beta_fast'], 0, 1e6, 32),
    betaSlow: fields.number(['beta_slow'], 0, 1e6, 1),
  }
}

/** Plain and compressed rotary sets; transformers nests them, the official files spread them over the top level. */
function readRope(fields: FieldReader): { plain: RopeSet; compressed: RopeSet } {
  const nested = fields.object(['rope_parameters'])
  const main = nested?.object(['main']) ?? null
  const compress = nested?.object(['compress']) ?? null
  if (main !== null && compress !== null) {
    return {
      plain: { base: main.number(['rope_theta'], 1, 1e12), yarn: null },
      compressed: { base: compress.number(['rope_theta'], 1, 1e12), yarn: readYarn(compress) },
    }
  }
  const scaling = fields.object(['rope_scaling'])
  const kind = scaling?.find(['type', 'rope_type'])
  if (kind?.value !== undefined && kind.value !== 'yarn') refuse(kind.name, kind.value, '"yarn"')
  return {
    plain: { base: fields.number(['rope_theta'], 1, 1e12), yarn: null },
    compressed: { base: fields.number(['compress_rope_theta'], 1, 1e12), yarn: readYarn(scaling ?? fields) },
  }
}

function readRopeDim(fields: FieldReader, headDim: number): number {
  const direct = fields.find(['qk_rope_head_dim', 'rope_head_dim'])
  const partial = fields.find(['partial_rotary_factor'])
  const ropeDim =
    direct.value === undefined && partial.value !== undefined
      ? headDim * fields.number(['partial_rotary_factor'], 0, 1)
      : fields.integer(['qk_rope_head_dim', 'rope_head_dim'], 2, headDim)
  if (!Number.isInteger(ropeDim) || ropeDim % 2 !== 0 || ropeDim >= headDim) {
    refuse(
      direct.value === undefined ? partial.name : direct.name,
      direct.value ?? partial.value,
      `an even number of dimensions below head_dim ${headDim}`,
    )
  }
  return ropeDim
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0
}

/**
 * Reads one configuration object.
 *
 * @throws {ModelError} `MODEL_CONFIG_FIELD` with facts `field`, `value`, `allowed`;
 *   `MODEL_CONFIG_UNREADABLE` when it is not an object; `MODEL_NOT_SUPPORTED` for another architecture.
 */
export function readConfig(source: unknown): ModelConfig {
  if (!isObject(source)) {
    throw new ModelError('MODEL_CONFIG_UNREADABLE', 'The model configuration is not a JSON object.')
  }
  const fields = new FieldReader(source)
  const modelType = fields.find(['model_type']).value ?? 'deepseek_v4'
  if (modelType !== 'deepseek_v4') {
    throw new ModelError(
      'MODEL_NOT_SUPPORTED',
      `Configuration field model_type is ${JSON.stringify(modelType)}; supported: "deepseek_v4".`,
      {
        field: 'model_type',
      },
    )
  }

  const hiddenSize = fields.integer(['hidden_size', 'dim'], 1, many)
  const vocabSize = fields.integer(['vocab_size'], 1, 1 << 24)
  const layerCount = fields.integer(['num_hidden_layers', 'n_layers'], 1, 4096)
  const mtpCount = fields.integer(['num_nextn_predict_layers', 'n_mtp_layers'], 0, 16, 0)
  const { layers, mtpLayers } = readSchedule(fields, layerCount, mtpCount)

  const heads = fields.integer(['num_attention_heads', 'n_heads'], 1, 65_536)
  const headDim = fields.integer(['head_dim'], 4, 65_536)
  const ropeDim = readRopeDim(fields, headDim)
  const outputGroups = fields.integer(['o_groups'], 1, heads)
  if (heads % outputGroups !== 0) refuse('o_groups', outputGroups, `a divisor of the ${heads} attention heads`)

  const hasIndexer = layers.some((layer) => layer.attention === 'sparse')
  const indexer = {
    heads: fields.integer(['index_n_heads'], 1, 65_536, hasIndexer ? undefined : 1),
    dim: fields.integer(['index_head_dim'], 2, 65_536, hasIndexer ? undefined : 128),
    topK: fields.integer(['index_topk'], 1, many, hasIndexer ? undefined : 1),
  }
  if (hasIndexer && (!isPowerOfTwo(indexer.dim) || indexer.dim < ropeDim)) {
    refuse('index_head_dim', indexer.dim, `a power of two of at least the ${ropeDim} rotating dimensions`)
  }

  const routed = fields.integer(['n_routed_experts'], 1, 65_536)
  // A plan names every expert, so a hostile file must not be able to ask for a billion of them.
  if (routed * layerCount > maximumExperts) {
    refuse(
      'n_routed_experts',
      routed,
      `at most ${Math.floor(maximumExperts / layerCount)} experts in each of ${layerCount} layers`,
    )
  }
  const perToken = fields.integer(['num_experts_per_tok', 'n_activated_experts'], 1, routed)
  fields.integer(['n_shared_experts'], 1, 1, 1)
  fields.integer(['num_key_value_heads'], 1, 1, 1)
  fields.mustBe(['scoring_func', 'score_func'], 'sqrtsoftplus')
  fields.mustBe(['topk_method'], 'noaux_tc')
  fields.mustBe(['norm_topk_prob'], true)
  fields.mustBe(['hidden_act'], 'silu')
  fields.mustBe(['tie_word_embeddings'], false)
  fields.mustBe(['attention_bias'], false)

  const quantisation = fields.object(['quantization_config'])
  const block = quantisation?.integers(['weight_block_size'], 1, 65_536) ?? null
  if (block !== null && block.values.length !== 2) refuse(block.name, block.values, 'two integers: rows and columns')

  return {
    modelType,
    vocabSize,
    hiddenSize,
    maximumPositions: fields.integer(['max_position_embeddings'], 1, 2 ** 31, 1_048_576),
    normEpsilon: fields.number(['rms_norm_eps', 'norm_eps'], 0, 1, 1e-6),
    bosTokenId: fields.integer(['bos_token_id'], 0, vocabSize - 1, 0),
    eosTokenId: fields.integer(['eos_token_id'], 0, vocabSize - 1, Math.min(1, vocabSize - 1)),
    layers,
    mtpLayers,
    attention: {
      heads,
      headDim,
      ropeDim,
      queryRank: fields.integer(['q_lora_rank'], 1, many),
      outputGroups,
      outputRank: fields.integer(['o_lora_rank'], 1, many),
      windowTokens: fields.integer(['sliding_window', 'window_size'], 1, many),
    },
    indexer,
    rope: readRope(fields),
    experts: {
      routed,
      perToken,
      innerSize: fields.integer(['moe_intermediate_size', 'moe_inter_dim'], 1, many),
      routeScale: fields.number(['routed_scaling_factor', 'route_scale'], 0, 1e6, 1),
      clampLimit: fields.number(['swiglu_limit'], 0, 1e9, Infinity),
    },
    hyperConnections: {
      streams: fields.integer(['hc_mult'], 1, 64),
      sinkhornIterations: fields.integer(['hc_sinkhorn_iters'], 1, 1000, 20),
      epsilon: fields.number(['hc_eps'], 0, 1, 1e-6),
    },
    weightBlock: [block?.values[0] ?? 128, block?.values[1] ?? 128],
    source,
  }
}

/** Parses the text of a `config.json`. */
export function parseConfig(text: string): ModelConfig {
  let source: unknown
  try {
    source = JSON.parse(text)
  } catch (cause) {
    throw new ModelError('MODEL_CONFIG_UNREADABLE', 'The model configuration is not valid JSON.', {}, { cause })
  }
  return readConfig(source)
}

/** The official `config.json` for a model: known fields in the official spelling, unknown ones as they came. */
export function toOfficialConfig(config: ModelConfig): Record<string, unknown> {
  const { attention, indexer, experts, hyperConnections, rope } = config
  const yarn = rope.compressed.yarn
  const ratios = [...config.layers, ...config.mtpLayers].map((layer) => layer.compressor?.ratio ?? 0)
  return {
    ...config.source,
    architectures: ['DeepseekV4ForCausalLM'],
    model_type: config.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers.length,
    num_nextn_predict_layers: config.mtpLayers.length,
    num_hash_layers: config.layers.filter((layer) => layer.router === 'hash').length,
    compress_ratios: ratios,
    num_attention_heads: attention.heads,
    num_key_value_heads: 1,
    head_dim: attention.headDim,
    qk_rope_head_dim: attention.ropeDim,
    q_lora_rank: attention.queryRank,
    o_groups: attention.outputGroups,
    o_lora_rank: attention.outputRank,
    sliding_window: attention.windowTokens,
    index_n_heads: indexer.heads,
    index_head_dim: indexer.dim,
    index_topk: indexer.topK,
    rope_theta: rope.plain.base,
    compress_rope_theta: rope.compressed.base,
    ...(yarn === null
      ? {}
      : {
          rope_scaling: {
            type: 'yarn',
            factor: yarn.factor,
            original_max_position_embeddings: yarn.originalPositions,
            beta_fast: yarn.betaFast,
            beta_slow: yarn.betaSlow,
          },
        }),
    n_routed_experts: experts.routed,
    n_shared_experts: 1,
    num_experts_per_tok: experts.perToken,
    moe_intermediate_size: experts.innerSize,
    routed_scaling_factor: experts.routeScale,
    ...(Number.isFinite(experts.clampLimit) ? { swiglu_limit: experts.clampLimit } : {}),
    scoring_func: 'sqrtsoftplus',
    topk_method: 'noaux_tc',
    norm_topk_prob: true,
    hidden_act: 'silu',
    hc_mult: hyperConnections.streams,
    hc_sinkhorn_iters: hyperConnections.sinkhornIterations,
    hc_eps: hyperConnections.epsilon,
    rms_norm_eps: config.normEpsilon,
    tie_word_embeddings: false,
    attention_bias: false,
    max_position_embeddings: config.maximumPositions,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenId,
  }
}
