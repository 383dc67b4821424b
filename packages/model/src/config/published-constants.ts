/** What the published V4 models have in common whatever their size (`config.json` files of April 2026). */
export const publishedConstants = {
  model_type: 'deepseek_v4',
  num_key_value_heads: 1,
  rope_theta: 10_000,
  compress_rope_theta: 160_000,
  n_shared_experts: 1,
  scoring_func: 'sqrtsoftplus',
  swiglu_limit: 10,
  hc_mult: 4,
  hc_sinkhorn_iters: 20,
  hc_eps: 1e-6,
  rms_norm_eps: 1e-6,
  bos_token_id: 0,
  eos_token_id: 1,
} as const
