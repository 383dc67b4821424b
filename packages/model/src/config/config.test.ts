import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ModelError } from '../errors.ts'
import { parseConfig, readConfig, toOfficialConfig } from './read-config.ts'
import { publishedShape } from './shapes.ts'

const official = toOfficialConfig(publishedShape('flash'))

function refusal(change: Record<string, unknown>): ModelError {
  try {
    readConfig({ ...official, ...change })
  } catch (error) {
    assert.ok(error instanceof ModelError)
    return error
  }
  return assert.fail(`accepted ${JSON.stringify(change)}`)
}

describe('model configuration', () => {
  it('plans Flash as 2 window, 21 sparse and 20 heavy layers, the first three hash-routed', () => {
    const { layers, mtpLayers } = publishedShape('flash')
    const count = (kind: string) => layers.filter((layer) => layer.attention === kind).length
    assert.deepEqual([count('window'), count('sparse'), count('heavy')], [2, 21, 20])
    assert.deepEqual(
      layers.filter((layer) => layer.router === 'hash').map((layer) => layer.index),
      [0, 1, 2],
    )
    assert.deepEqual(
      mtpLayers.map((layer) => [layer.attention, layer.router, layer.rope]),
      [['window', 'scored', 'plain']],
    )
  })

  it('plans Pro as 30 sparse and 31 heavy layers and no window layer', () => {
    const { layers } = publishedShape('pro')
    assert.equal(layers.filter((layer) => layer.attention === 'sparse').length, 30)
    assert.equal(layers.filter((layer) => layer.attention === 'heavy').length, 31)
    assert.equal(layers[0]?.compressor?.ratio, 128)
  })

  it('gives sparse layers an overlapping compressor of their own and a selection, heavy layers neither overlap nor selection', () => {
    const { layers } = publishedShape('flash')
    assert.deepEqual(layers[2]?.compressor, { ratio: 4, overlaps: true, owner: 2 })
    assert.equal(layers[2]?.selectionOwner, 2)
    assert.deepEqual(layers[3]?.compressor, { ratio: 128, overlaps: false, owner: 3 })
    assert.equal(layers[3]?.selectionOwner, null)
  })

  it('reads the flat inference spelling to the same model', () => {
    const flat = readConfig({
      vocab_size: 129_280,
      dim: 4096,
      moe_inter_dim: 2048,
      n_layers: 43,
      n_hash_layers: 3,
      n_mtp_layers: 1,
      n_heads: 64,
      n_routed_experts: 256,
      n_shared_experts: 1,
      n_activated_experts: 6,
      score_func: 'sqrtsoftplus',
      route_scale: 1.5,
      swiglu_limit: 10,
      q_lora_rank: 1024,
      head_dim: 512,
      rope_head_dim: 64,
      norm_eps: 1e-6,
      o_groups: 8,
      o_lora_rank: 1024,
      window_size: 128,
      compress_ratios: official['compress_ratios'],
      compress_rope_theta: 160_000,
      original_seq_len: 65_536,
      rope_theta: 10_000,
      rope_factor: 16,
      beta_fast: 32,
      beta_slow: 1,
      index_n_heads: 64,
      index_head_dim: 128,
      index_topk: 512,
      hc_mult: 4,
      hc_sinkhorn_iters: 20,
      hc_eps: 1e-6,
      dtype: 'fp8',
      scale_fmt: 'ue8m0',
    })
    assert.deepEqual({ ...flat, source: null }, { ...publishedShape('flash'), source: null })
  })

  it('reads what transformers writes to the same model', () => {
    const { layers } = publishedShape('flash')
    const spelled: Record<string, unknown> = { ...official }
    for (const field of [
      'compress_ratios',
      'num_hash_layers',
      'rope_scaling',
      'rope_theta',
      'compress_rope_theta',
      'qk_rope_head_dim',
    ]) {
      delete spelled[field]
    }
    const read = readConfig({
      ...spelled,
      layer_types: layers.map(({ attention }) =>
        attention === 'window'
          ? 'sliding_attention'
          : attention === 'sparse'
            ? 'compressed_sparse_attention'
            : 'heavily_compressed_attention',
      ),
      compress_rates: { compressed_sparse_attention: 4, heavily_compressed_attention: 128 },
      mlp_layer_types: layers.map(({ router }) => (router === 'hash' ? 'hash_moe' : 'moe')),
      partial_rotary_factor: 0.125,
      rope_parameters: {
        main: { rope_type: 'default', rope_theta: 10_000, partial_rotary_factor: 0.125 },
        compress: {
          rope_type: 'yarn',
          rope_theta: 160_000,
          factor: 16,
          original_max_position_embeddings: 65_536,
          beta_fast: 32,
          beta_slow: 1,
        },
      },
    })
    assert.deepEqual({ ...read, source: null }, { ...publishedShape('flash'), source: null })
  })

  it('cuts the surplus ratios that belong to draft modules', () => {
    const ratios = [...(official['compress_ratios'] as number[]), 0, 0]
    assert.equal(readConfig({ ...official, compress_ratios: ratios }).layers.length, 43)
  })

  it('keeps fields of unknown name through reading and writing', () => {
    const config = readConfig({ ...official, dspark_block_size: 5, expert_dtype: 'fp4' })
    assert.equal(toOfficialConfig(config)['dspark_block_size'], 5)
    assert.deepEqual({ ...readConfig(toOfficialConfig(config)), source: null }, { ...config, source: null })
  })

  const impossible: [change: Record<string, unknown>, field: string, allowed: RegExp][] = [
    [{ num_hidden_layers: 0 }, 'num_hidden_layers', /1 to/],
    [{ num_hidden_layers: 44.5 }, 'num_hidden_layers', /integer/],
    [{ num_hidden_layers: 1e12 }, 'num_hidden_layers', /4096/],
    [{ hidden_size: null }, 'hidden_size', /integer/],
    [{ o_groups: 7 }, 'o_groups', /divisor of the 64/],
    [{ num_experts_per_tok: 257 }, 'num_experts_per_tok', /1 to 256/],
    [{ n_routed_experts: 65_536 }, 'n_routed_experts', /at most 6096 experts/],
    [{ compress_ratios: [0, 4] }, 'compress_ratios', /at least 43/],
    [{ compress_ratios: [0, 4, -1] }, 'compress_ratios[2]', /from 0/],
    [{ compress_ratios: 'all' }, 'compress_ratios', /list/],
    [{ compress_rope_theta: undefined }, 'compress_rope_theta', /above 1/],
    [{ qk_rope_head_dim: 63 }, 'qk_rope_head_dim', /even/],
    [{ qk_rope_head_dim: 512 }, 'qk_rope_head_dim', /below head_dim 512/],
    [{ index_head_dim: 96 }, 'index_head_dim', /power of two/],
    [{ num_hash_layers: 44 }, 'num_hash_layers', /0 to 43/],
    [{ scoring_func: 'sigmoid' }, 'scoring_func', /sqrtsoftplus/],
    [{ num_key_value_heads: 8 }, 'num_key_value_heads', /1 to 1/],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling.type', /yarn/],
    [{ eos_token_id: 129_280 }, 'eos_token_id', /129279/],
    [{ rms_norm_eps: 'small' }, 'rms_norm_eps', /above 0/],
  ]
  for (const [change, field, allowed] of impossible) {
    it(`refuses ${JSON.stringify(change)} naming ${field} and the allowed range`, () => {
      const error = refusal(change)
      assert.equal(error.code, 'MODEL_CONFIG_FIELD')
      assert.equal(error.facts['field'], field)
      assert.match(error.message, allowed)
    })
  }

  it('refuses text that is no JSON object and architectures that are not V4', () => {
    assert.throws(() => parseConfig('{'), { code: 'MODEL_CONFIG_UNREADABLE' })
    assert.throws(() => parseConfig('[1]'), { code: 'MODEL_CONFIG_UNREADABLE' })
    assert.throws(() => readConfig({ ...official, model_type: 'deepseek_v41' }), { code: 'MODEL_NOT_SUPPORTED' })
  })
})
