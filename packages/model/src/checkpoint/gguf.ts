/**
 * Export to GGUF (architecture `deepseek4`), the file that llama.cpp reads.
 *
 * Weights are written as F32, or as BF16 which still holds FP8 and FP4 weights exactly. What the file format
 * or its reader cannot say is refused: other ratios than 0, 4 and 128, other than four residual streams.
 * Prediction blocks are left out. GGUF lists dimensions fastest first, so `[out, in]` becomes `in, out`.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { ModelConfig } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import { floatsToBf16 } from '../quantisation/bf16.ts'
import { readFloats, readMatrix, readTable, type Checkpoint } from './checkpoint.ts'
import { decodeMatrix } from './matrix.ts'
import { planMainTensors, type PlannedTensor } from './tensor-plan.ts'

/** Numbers of GGUF's metadata types and of the tensor types used here. */
const valueTypes = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const
const tensorTypes = { F32: 0, I32: 26, BF16: 30 } as const
/** `LLAMA_EXPERT_GATING_FUNC_TYPE_SQRT_SOFTPLUS` */
const sqrtSoftplusGating = 4
const alignment = 32

export interface GgufVocabulary {
  readonly tokens: readonly string[]
  readonly merges: readonly string[]
  /** 1 normal, 3 control, 4 user defined. */
  readonly types: readonly number[]
}

export interface GgufOptions {
  readonly name?: string
  /** Storage of matrices; vectors are F32 always. Default `f32`. */
  readonly weights?: 'f32' | 'bf16'
  /** Without one the file says that it has no tokenizer, and readers take token ids only. */
  readonly vocabulary?: GgufVocabulary
}

type Value =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | {
      readonly type: 'array'
      readonly of: 'u32' | 'i32' | 'f32' | 'string'
      readonly values: readonly (number | string)[]
    }

const u32 = (value: number): Value => ({ type: 'u32', value })
const f32 = (value: number): Value => ({ type: 'f32', value })
const text = (value: string): Value => ({ type: 'string', value })

interface GgufTensor {
  readonly name: string
  /** Fastest dimension first. */
  readonly dimensions: readonly number[]
  readonly type: keyof typeof tensorTypes
  readonly byteLength: number
  /** Contents, piece by piece, so that a layer's experts are never in memory together. */
  pieces(): Iterable<Uint8Array>
}

/** Official stem inside a layer -> GGUF stem. */
const layerNames: readonly (readonly [string, string])[] = [
  ['attn_norm.weight', 'attn_norm.weight'],
  ['ffn_norm.weight', 'ffn_norm.weight'],
  ['hc_attn_fn', 'hc_attn_fn.weight'],
  ['hc_attn_base', 'hc_attn_base.weight'],
  ['hc_attn_scale', 'hc_attn_scale.weight'],
  ['hc_ffn_fn', 'hc_ffn_fn.weight'],
  ['hc_ffn_base', 'hc_ffn_base.weight'],
  ['hc_ffn_scale', 'hc_ffn_scale.weight'],
  ['attn.attn_sink', 'attn_sinks.weight'],
  ['attn.wq_a.weight', 'attn_q_a.weight'],
  ['attn.q_norm.weight', 'attn_q_a_norm.weight'],
  ['attn.wq_b.weight', 'attn_q_b.weight'],
  ['attn.wkv.weight', 'attn_kv.weight'],
  ['attn.kv_norm.weight', 'attn_kv_a_norm.weight'],
  ['attn.wo_a.weight', 'attn_output_a.weight'],
  ['attn.wo_b.weight', 'attn_output_b.weight'],
  ['attn.compressor.ape', 'attn_compressor_ape.weight'],
  ['attn.compressor.wkv.weight', 'attn_compressor_kv.weight'],
  ['attn.compressor.wgate.weight', 'attn_compressor_gate.weight'],
  ['attn.compressor.norm.weight', 'attn_compressor_norm.weight'],
  ['attn.indexer.wq_b.weight', 'indexer.attn_q_b.weight'],
  ['attn.indexer.weights_proj.weight', 'indexer.proj.weight'],
  ['attn.indexer.compressor.ape', 'indexer_compressor_ape.weight'],
  ['attn.indexer.compressor.wkv.weight', 'indexer_compressor_kv.weight'],
  ['attn.indexer.compressor.wgate.weight', 'indexer_compressor_gate.weight'],
  ['attn.indexer.compressor.norm.weight', 'indexer_compressor_norm.weight'],
  ['ffn.gate.weight', 'ffn_gate_inp.weight'],
  ['ffn.gate.bias', 'exp_probs_b.bias'],
  ['ffn.gate.tid2eid', 'ffn_gate_tid2eid.weight'],
  ['ffn.shared_experts.w1.weight', 'ffn_gate_shexp.weight'],
  ['ffn.shared_experts.w3.weight', 'ffn_up_shexp.weight'],
  ['ffn.shared_experts.w2.weight', 'ffn_down_shexp.weight'],
]

const topNames: readonly (readonly [string, string])[] = [
  ['embed.weight', 'token_embd.weight'],
  ['head.weight', 'output.weight'],
  ['norm.weight', 'output_norm.weight'],
  ['hc_head_fn', 'output_hc_fn.weight'],
  ['hc_head_base', 'output_hc_base.weight'],
  ['hc_head_scale', 'output_hc_scale.weight'],
]

const toLayerName = new Map(layerNames)
const toTopName = new Map(topNames)

/** GGUF name of an official tensor, or null for routed experts, which GGUF stacks. */
export function toGgufName(name: string): string | null {
  const inLayer = /^layers\.(\d+)\.(.+)$/.exec(name)
  if (inLayer === null) return toTopName.get(name) ?? null
  const stem = toLayerName.get(inLayer[2] ?? '')
  return stem === undefined ? null : `blk.${inLayer[1]}.${stem}`
}

function checkExportable(config: ModelConfig): void {
  const ratios = new Set(config.layers.map((layer) => layer.compressor?.ratio ?? 0))
  for (const ratio of ratios) {
    if (ratio !== 0 && ratio !== 4 && ratio !== 128) {
      throw new ModelError(
        'MODEL_NOT_SUPPORTED',
        `GGUF readers know the compression ratios 0, 4 and 128, not ${ratio}.`,
        { ratio },
      )
    }
  }
  if (config.hyperConnections.streams !== 4) {
    throw new ModelError(
      'MODEL_NOT_SUPPORTED',
      `GGUF readers know four residual streams, not ${config.hyperConnections.streams}.`,
      {
        streams: config.hyperConnections.streams,
      },
    )
  }
  const firstScored = config.layers.findIndex((layer) => layer.router === 'scored')
  if (firstScored >= 0 && config.layers.slice(firstScored).some((layer) => layer.router === 'hash')) {
    throw new ModelError(
      'MODEL_NOT_SUPPORTED',
      'GGUF says how many leading layers are hash-routed; a hash layer after a scored one cannot be said.',
    )
  }
}

function vocabularyFields(config: ModelConfig, vocabulary: GgufVocabulary | undefined): [string, Value][] {
  if (vocabulary === undefined) return [['tokenizer.ggml.model', text('none')]]
  return [
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('joyai-llm')],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', values: vocabulary.tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', values: vocabulary.types }],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', values: vocabulary.merges }],
    ['tokenizer.ggml.bos_token_id', u32(config.bosTokenId)],
    ['tokenizer.ggml.eos_token_id', u32(config.eosTokenId)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
  ]
}

function metadata(config: ModelConfig, options: GgufOptions): [string, Value][] {
  const { attention, indexer, experts, hyperConnections, rope, layers } = config
  const { yarn } = rope.compressed
  const key = (name: string) => `deepseek4.${name}`
  const perLayer = (value: number): Value => ({ type: 'array', of: 'f32', values: layers.map(() => value) })
  // A limit that never binds stands for no limit.
  const clamp = Number.isFinite(experts.clampLimit) ? experts.clampLimit : 1e30
  return [
    ['general.architecture', text('deepseek4')],
    ['general.name', text(options.name ?? 'v4')],
    ['general.alignment', u32(alignment)],
    ['general.file_type', u32(options.weights === 'bf16' ? 32 : 0)],
    [key('vocab_size'), u32(config.vocabSize)],
    [key('context_length'), u32(config.maximumPositions)],
    [key('embedding_length'), u32(config.hiddenSize)],
    [key('block_count'), u32(layers.length)],
    [key('attention.head_count'), u32(attention.heads)],
    [key('attention.head_count_kv'), u32(1)],
    [key('attention.key_length'), u32(attention.headDim)],
    [key('attention.value_length'), u32(attention.headDim)],
    [key('attention.layer_norm_rms_epsilon'), f32(config.normEpsilon)],
    [key('attention.q_lora_rank'), u32(attention.queryRank)],
    [key('attention.sliding_window'), u32(attention.windowTokens)],
    [
      key('attention.compress_ratios'),
      { type: 'array', of: 'u32', values: layers.map((layer) => layer.compressor?.ratio ?? 0) },
    ],
    [key('attention.compress_rope_freq_base'), f32(rope.compressed.base)],
    [key('attention.output_group_count'), u32(attention.outputGroups)],
    [key('attention.output_lora_rank'), u32(attention.outputRank)],
    [key('attention.indexer.head_count'), u32(indexer.heads)],
    [key('attention.indexer.key_length'), u32(indexer.dim)],
    [key('attention.indexer.top_k'), u32(indexer.topK)],
    [key('rope.dimension_count'), u32(attention.ropeDim)],
    [key('rope.freq_base'), f32(rope.plain.base)],
    ...(yarn === null
      ? []
      : ([
          [key('rope.scaling.type'), text('yarn')],
          [key('rope.scaling.factor'), f32(yarn.factor)],
          [key('rope.scaling.original_context_length'), u32(yarn.originalPositions)],
          [key('rope.scaling.yarn_beta_fast'), f32(yarn.betaFast)],
          [key('rope.scaling.yarn_beta_slow'), f32(yarn.betaSlow)],
        ] satisfies [string, Value][])),
    [key('expert_count'), u32(experts.routed)],
    [key('expert_used_count'), u32(experts.perToken)],
    [key('expert_shared_count'), u32(1)],
    [key('expert_feed_forward_length'), u32(experts.innerSize)],
    [key('expert_weights_scale'), f32(experts.routeScale)],
    [key('expert_weights_norm'), { type: 'bool', value: true }],
    [key('expert_gating_func'), u32(sqrtSoftplusGating)],
    [key('swiglu_clamp_exp'), perLayer(clamp)],
    [key('swiglu_clamp_shexp'), perLayer(clamp)],
    [key('hash_layer_count'), u32(layers.filter((layer) => layer.router === 'hash').length)],
    [key('hyper_connection.count'), u32(hyperConnections.streams)],
    [key('hyper_connection.sinkhorn_iterations'), u32(hyperConnections.sinkhornIterations)],
    [key('hyper_connection.epsilon'), f32(hyperConnections.epsilon)],
    ...vocabularyFields(config, options.vocabulary),
  ]
}

function bytesOf(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Tensors in file order: everything with a name of its own, then the stacked experts of each layer. */
function planGguf(checkpoint: Checkpoint, options: GgufOptions): GgufTensor[] {
  const { config } = checkpoint
  const wide = options.weights === 'bf16' ? 'BF16' : 'F32'
  const matrixBytes = (name: string) => {
    const values = decodeMatrix(readMatrix(checkpoint, name))
    return wide === 'BF16' ? floatsToBf16(values) : bytesOf(values)
  }
  const single = (planned: PlannedTensor, name: string): GgufTensor => {
    const dimensions = [...planned.shape].reverse()
    const count = elementCount(planned.shape)
    if (planned.role === 'table') {
      return {
        name,
        dimensions,
        type: 'I32',
        byteLength: 4 * count,
        pieces: () => [bytesOf(readTable(checkpoint, planned.name))],
      }
    }
    if (planned.role === 'single' || planned.shape.length === 1) {
      return {
        name,
        dimensions,
        type: 'F32',
        byteLength: 4 * count,
        pieces: () => [bytesOf(readFloats(checkpoint, planned.name))],
      }
    }
    return {
      name,
      dimensions,
      type: wide,
      byteLength: (wide === 'BF16' ? 2 : 4) * count,
      pieces: () => [matrixBytes(planned.name)],
    }
  }
  const tensors: GgufTensor[] = []
  for (const planned of planMainTensors(config)) {
    const name = toGgufName(planned.name)
    if (name !== null) tensors.push(single(planned, name))
  }
  const { routed, innerSize } = config.experts
  for (const { index } of config.layers) {
    for (const [which, stem, rows, columns] of [
      ['w1', 'ffn_gate_exps', innerSize, config.hiddenSize],
      ['w3', 'ffn_up_exps', innerSize, config.hiddenSize],
      ['w2', 'ffn_down_exps', config.hiddenSize, innerSize],
    ] as const) {
      tensors.push({
        name: `blk.${index}.${stem}.weight`,
        dimensions: [columns, rows, routed],
        type: wide,
        byteLength: (wide === 'BF16' ? 2 : 4) * rows * columns * routed,
        *pieces() {
          for (let expert = 0; expert < routed; expert++)
            yield matrixBytes(`layers.${index}.ffn.experts.${expert}.${which}.weight`)
        },
      })
    }
  }
  return tensors
}

/** Little-endian bytes, appended one value after another. */
class ByteWriter {
  readonly #parts: Uint8Array[] = []
  length = 0

  bytes(part: Uint8Array): void {
    this.#parts.push(part)
    this.length += part.length
  }

  number(type: 'u32' | 'i32' | 'f32' | 'u64', value: number): void {
    const part = new Uint8Array(type === 'u64' ? 8 : 4)
    const view = new DataView(part.buffer)
    if (type === 'u64') view.setBigUint64(0, BigInt(value), true)
    else if (type === 'u32') view.setUint32(0, value, true)
    else if (type === 'i32') view.setInt32(0, value, true)
    else view.setFloat32(0, value, true)
    this.bytes(part)
  }

  text(value: string): void {
    const encoded = new TextEncoder().encode(value)
    this.number('u64', encoded.length)
    this.bytes(encoded)
  }

  value(value: Value): void {
    this.number('u32', valueTypes[value.type])
    if (value.type === 'array') {
      this.number('u32', valueTypes[value.of])
      this.number('u64', value.values.length)
      for (const entry of value.values) {
        if (typeof entry === 'string') this.text(entry)
        else this.number(value.of === 'string' ? 'u32' : value.of, entry)
      }
    } else if (value.type === 'string') this.text(value.value)
    else if (value.type === 'bool') this.bytes(new Uint8Array([value.value ? 1 : 0]))
    else this.number(value.type, value.value)
  }

  pad(): void {
    this.bytes(new Uint8Array((alignment - (this.length % alignment)) % alignment))
  }

  joined(): Uint8Array {
    const out = new Uint8Array(this.length)
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
}

/** Writes the main model of `checkpoint` to a GGUF file. */
export function writeGguf(path: string, checkpoint: Checkpoint, options: GgufOptions = {}): void {
  const { config } = checkpoint
  checkExportable(config)
  if (options.vocabulary !== undefined && options.vocabulary.tokens.length !== config.vocabSize) {
    throw new ModelError(
      'MODEL_TENSOR_SHAPE',
      `The vocabulary has ${options.vocabulary.tokens.length} tokens; the model has ${config.vocabSize}.`,
    )
  }
  const fields = metadata(config, options)
  const tensors = planGguf(checkpoint, options)
  const head = new ByteWriter()
  head.bytes(new TextEncoder().encode('GGUF'))
  head.number('u32', 3)
  head.number('u64', tensors.length)
  head.number('u64', fields.length)
  for (const [key, value] of fields) {
    head.text(key)
    head.value(value)
  }
  let offset = 0
  for (const tensor of tensors) {
    head.text(tensor.name)
    head.number('u32', tensor.dimensions.length)
    for (const dimension of tensor.dimensions) head.number('u64', dimension)
    head.number('u32', tensorTypes[tensor.type])
    head.number('u64', offset)
    offset += Math.ceil(tensor.byteLength / alignment) * alignment
  }
  head.pad()

  const descriptor = openSync(path, 'w')
  try {
    const put = (bytes: Uint8Array) => {
      for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done)
    }
    put(head.joined())
    for (const tensor of tensors) {
      for (const piece of tensor.pieces()) put(piece)
      put(new Uint8Array((alignment - (tensor.byteLength % alignment)) % alignment))
    }
  } finally {
    closeSync(descriptor)
  }
}
