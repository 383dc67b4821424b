/**
 * The two published shapes, Flash and Pro, as configuration data.
 *
 * Values of the April 2026 `config.json` files. Used for tensor plans, parameter counts and efficiency
 * figures; weights of course come from a checkpoint.
 */
import type { ModelConfig } from './model-config.ts'
import { publishedConstants } from './published-constants.ts'
import { readConfig } from './read-config.ts'

export type ShapeName = 'flash' | 'pro'

const common = {
  ...publishedConstants,
  vocab_size: 129_280,
  head_dim: 512,
  qk_rope_head_dim: 64,
  o_lora_rank: 1024,
  sliding_window: 128,
  rope_scaling: { type: 'yarn', factor: 16, original_max_position_embeddings: 65_536, beta_fast: 32, beta_slow: 1 },
  max_position_embeddings: 1_048_576,
  index_n_heads: 64,
  index_head_dim: 128,
  num_experts_per_tok: 6,
  num_hash_layers: 3,
  num_nextn_predict_layers: 1,
  quantization_config: { quant_method: 'fp8', fmt: 'e4m3', scale_fmt: 'ue8m0', weight_block_size: [128, 128] },
}

/** Two leading ratios, then sparse and heavy layers in turn, then the prediction block's 0. */
function ratios(layers: number, leading: number): number[] {
  const body = Array.from({ length: layers - 2 }, (_, at) => (at % 2 === 0 ? 4 : 128))
  return [leading, leading, ...body, 0]
}

const sources: Record<ShapeName, Record<string, unknown>> = {
  flash: {
    ...common,
    hidden_size: 4096,
    num_hidden_layers: 43,
    num_attention_heads: 64,
    q_lora_rank: 1024,
    o_groups: 8,
    compress_ratios: ratios(43, 0),
    index_topk: 512,
    n_routed_experts: 256,
    moe_intermediate_size: 2048,
    routed_scaling_factor: 1.5,
  },
  pro: {
    ...common,
    hidden_size: 7168,
    num_hidden_layers: 61,
    num_attention_heads: 128,
    q_lora_rank: 1536,
    o_groups: 16,
    compress_ratios: ratios(61, 128),
    index_topk: 1024,
    n_routed_experts: 384,
    moe_intermediate_size: 3072,
    routed_scaling_factor: 2.5,
  },
}

export function publishedShape(name: ShapeName): ModelConfig {
  return readConfig(sources[name])
}
