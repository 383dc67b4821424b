/**
 * Small configurations with every mechanism, for tests and demonstrations of this repository.
 *
 * `smallConfig` fills in sizes that run in milliseconds; any official field can be overridden.
 */
import type { ModelConfig } from './model-config.ts'
import { publishedConstants } from './published-constants.ts'
import { readConfig } from './read-config.ts'

export function smallConfig(overrides: Readonly<Record<string, unknown>> = {}): ModelConfig {
  return readConfig({
    ...publishedConstants,
    vocab_size: 48,
    hidden_size: 32,
    num_hidden_layers: 4,
    num_nextn_predict_layers: 0,
    num_hash_layers: 1,
    compress_ratios: [0, 4, 8, 4],
    num_attention_heads: 4,
    head_dim: 32,
    qk_rope_head_dim: 8,
    q_lora_rank: 32,
    o_groups: 2,
    o_lora_rank: 16,
    sliding_window: 8,
    index_n_heads: 16,
    index_head_dim: 32,
    index_topk: 3,
    rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 64, beta_fast: 32, beta_slow: 1 },
    n_routed_experts: 6,
    num_experts_per_tok: 2,
    moe_intermediate_size: 32,
    routed_scaling_factor: 1.5,
    max_position_embeddings: 4096,
    ...overrides,
  })
}
