/**
 * One mapping between official tensor names and those of transformers.
 *
 * Stems stand for a module (`attn.wq_a` owns `.weight` and `.scale`) or a bare parameter. transformers
 * fuses the experts of a layer into two tensors; those are slices and handled where tensors are gathered.
 * Names of early transformers versions, and the mixed spelling that the official converter accepts, map
 * one way only.
 */

/** [official, transformers] inside one layer. */
const layerStems: readonly (readonly [string, string])[] = [
  ['attn_norm', 'input_layernorm'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['hc_attn_fn', 'attn_hc.fn'],
  ['hc_attn_base', 'attn_hc.base'],
  ['hc_attn_scale', 'attn_hc.scale'],
  ['hc_ffn_fn', 'ffn_hc.fn'],
  ['hc_ffn_base', 'ffn_hc.base'],
  ['hc_ffn_scale', 'ffn_hc.scale'],
  ['attn.attn_sink', 'self_attn.sinks'],
  ['attn.wq_a', 'self_attn.q_a_proj'],
  ['attn.q_norm', 'self_attn.q_a_norm'],
  ['attn.wq_b', 'self_attn.q_b_proj'],
  ['attn.wkv', 'self_attn.kv_proj'],
  ['attn.kv_norm', 'self_attn.kv_norm'],
  ['attn.wo_a', 'self_attn.o_a_proj'],
  ['attn.wo_b', 'self_attn.o_b_proj'],
  ['attn.compressor.ape', 'self_attn.compressor.position_bias'],
  ['attn.compressor.wkv', 'self_attn.compressor.kv_proj'],
  ['attn.compressor.wgate', 'self_attn.compressor.gate_proj'],
  ['attn.compressor.norm', 'self_attn.compressor.kv_norm'],
  ['attn.indexer.compressor.ape', 'self_attn.compressor.indexer.position_bias'],
  ['attn.indexer.compressor.wkv', 'self_attn.compressor.indexer.kv_proj'],
  ['attn.indexer.compressor.wgate', 'self_attn.compressor.indexer.gate_proj'],
  ['attn.indexer.compressor.norm', 'self_attn.compressor.indexer.kv_norm'],
  ['attn.indexer.wq_b', 'self_attn.compressor.indexer.q_b_proj'],
  ['attn.indexer.weights_proj', 'self_attn.compressor.indexer.scorer.weights_proj'],
  ['ffn.gate', 'mlp.gate'],
  ['ffn.gate.bias', 'mlp.gate.e_score_correction_bias'],
  ['ffn.gate.tid2eid', 'mlp.gate.tid2eid'],
  ['ffn.shared_experts.w1', 'mlp.shared_experts.gate_proj'],
  ['ffn.shared_experts.w3', 'mlp.shared_experts.up_proj'],
  ['ffn.shared_experts.w2', 'mlp.shared_experts.down_proj'],
]

const topStems: readonly (readonly [string, string])[] = [
  ['embed', 'model.embed_tokens'],
  ['head', 'lm_head'],
  ['norm', 'model.norm'],
  ['hc_head_fn', 'model.hc_head.hc_fn'],
  ['hc_head_base', 'model.hc_head.hc_base'],
  ['hc_head_scale', 'model.hc_head.hc_scale'],
]

/** Spellings of early transformers versions. */
const oldStems: readonly (readonly [string, string])[] = [
  ['attn.q_norm', 'self_attn.q_norm'],
  ['attn.indexer.weights_proj', 'self_attn.compressor.indexer.weights_proj'],
]

const toTransformersLayer = new Map(layerStems)
const toOfficialLayer = new Map([...oldStems, ...layerStems].map(([official, other]) => [other, official]))
const toTransformersTop = new Map(topStems)
const toOfficialTop = new Map(topStems.map(([official, other]) => [other.replace(/^model\./, ''), official]))

const expertNames = new Map([
  ['gate_proj', 'w1'],
  ['up_proj', 'w3'],
  ['down_proj', 'w2'],
])

/** Cuts a name into the stem that owns it and what is stored for that stem. */
function splitSuffix(name: string): { stem: string; suffix: string } {
  for (const [spelled, suffix] of [
    ['.weight_scale_inv', '.scale'],
    ['.weight', '.weight'],
    ['.scale', '.scale'],
  ] as const) {
    // `hc_attn.scale` and friends are parameters called scale, not scales of a weight.
    if (name.endsWith(spelled) && !name.endsWith('_hc.scale')) return { stem: name.slice(0, -spelled.length), suffix }
  }
  return { stem: name, suffix: '' }
}

/** Official name for a tensor in any known spelling. Unknown names come back unchanged, to be refused by the plan. */
export function toOfficialName(name: string): string {
  const bare = name.replace(/^model\./, '')
  const inLayer = /^(layers|mtp)\.(\d+)\.(.+)$/.exec(bare)
  const { stem, suffix } = splitSuffix(inLayer?.[3] ?? bare)
  if (inLayer === null) return (toOfficialTop.get(stem) ?? stem) + suffix
  const prefix = `${inLayer[1]}.${inLayer[2]}.`
  const known = toOfficialLayer.get(stem)
  if (known !== undefined) return prefix + known + suffix
  const mixed = stem
    .replace(/^self_attn\./, 'attn.')
    .replace(/^mlp\./, 'ffn.')
    .replace(/\.e_score_correction_bias$/, '.bias')
    .replace(/^(ffn\.experts\.\d+)\.(\w+)$/, (whole, head: string, projection: string) => {
      const expert = expertNames.get(projection)
      return expert === undefined ? whole : `${head}.${expert}`
    })
  return prefix + mixed + suffix
}

/** transformers name for an official one, or null where transformers has no such tensor (fused experts, prediction). */
export function toTransformersName(name: string): string | null {
  const inLayer = /^layers\.(\d+)\.(.+)$/.exec(name)
  const { stem, suffix } = splitSuffix(inLayer?.[2] ?? name)
  const other = inLayer === null ? toTransformersTop.get(stem) : toTransformersLayer.get(stem)
  if (other === undefined) return null
  const spelled = suffix === '.scale' ? '.weight_scale_inv' : suffix
  return (inLayer === null ? other : `model.layers.${inLayer[1]}.${other}`) + spelled
}

/** What a fused expert tensor of transformers holds, or null for any other name. */
export function parseFusedExperts(
  name: string,
): { layer: string; projections: readonly string[]; suffix: string } | null {
  const match =
    /^(?:model\.)?(layers\.\d+)\.(?:mlp|ffn)\.experts\.(gate_up_proj|down_proj)(_scale_inv|\.weight_scale_inv|\.weight)?$/.exec(
      name,
    )
  if (match === null) return null
  return {
    layer: match[1] ?? '',
    projections: match[2] === 'down_proj' ? ['w2'] : ['w1', 'w3'],
    suffix: match[3]?.endsWith('scale_inv') === true ? '.scale' : '.weight',
  }
}
