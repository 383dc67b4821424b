/**
 * A checkpoint with the widths of the published Flash shape, few layers and experts, weights from a seed:
 *
 *   node --conditions=source bench/engine/make-checkpoint.ts DIRECTORY [--gigabytes 1.6] [--seed 1] [--small]
 *
 * Official layout and number formats (experts FP4, other linears FP8, the rest BF16 and F32), layers of every kind:
 * window, sparse, heavy, sparse. The number of experts a layer has follows from the size. Nothing larger than 8 MB
 * is held in memory. Nobody trained it; values are such that signals neither die nor explode. `--small` takes small
 * widths instead, for contexts that have to be computed and not filled.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  byteLengthOf,
  planMainTensors,
  publishedShape,
  readConfig,
  toOfficialConfig,
  type DataType,
  type ModelConfig,
  type PlannedTensor,
} from '@portolan/model'

const chunkBytes = 8 * 2 ** 20
const layers = {
  num_hidden_layers: 4,
  compress_ratios: [0, 4, 128, 4],
  num_hash_layers: 0,
  num_nextn_predict_layers: 0,
}
const small = {
  vocab_size: 512,
  hidden_size: 64,
  num_attention_heads: 4,
  head_dim: 128,
  q_lora_rank: 64,
  o_groups: 2,
  o_lora_rank: 32,
  sliding_window: 128,
  index_n_heads: 4,
  index_topk: 64,
  n_routed_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 64,
}

interface Part {
  readonly name: string
  readonly dtype: DataType
  readonly shape: readonly number[]
  readonly fill: (bytes: Uint8Array) => void
}

/** Random words, four bytes at a time. */
function generator(seed: number): (bytes: Uint8Array) => void {
  let state = seed >>> 0 || 1
  return (bytes) => {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
    for (let at = 0; at < words.length; at++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      words[at] = state
    }
    for (let at = words.length * 4; at < bytes.length; at++) bytes[at] = words[0] ?? 0
  }
}

const nearestPower = (value: number): number => 127 + Math.round(Math.log2(value))

/** One planned tensor as it is stored: itself, and its scales where it has some. */
function partsOf({ name, role, shape }: PlannedTensor, random: (bytes: Uint8Array) => void): Part[] {
  const [rows = 1, columns = 1] = shape
  const spread = columns ** -0.5
  const scale = name.replace(/\.weight$/, '.scale')
  if (role === 'expert') {
    // Sixteen codes alike have a deviation of 2.9.
    const byte = nearestPower(spread / 2.9)
    return [
      { name, dtype: 'I8', shape: [rows, columns / 2], fill: random },
      { name: scale, dtype: 'F8_E8M0', shape: [rows, columns / 32], fill: (bytes) => bytes.fill(byte) },
    ]
  }
  if (role === 'linear') {
    const byte = nearestPower(spread / 1.6)
    const scales = [Math.ceil(rows / 128), Math.ceil(columns / 128)]
    const fill = (bytes: Uint8Array): void => {
      random(bytes)
      // Four exponents, 1/4 to 3.75.
      for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at]! & 128) | (0x28 + (bytes[at]! & 31))
    }
    return [
      { name, dtype: 'F8_E4M3', shape, fill },
      { name: scale, dtype: 'F8_E8M0', shape: scales, fill: (bytes) => bytes.fill(byte) },
    ]
  }
  if (role === 'half') {
    const isNorm = name.endsWith('norm.weight')
    const exponent = name === 'embed.weight' ? 126 : nearestPower(spread / 1.5)
    const fill = (bytes: Uint8Array): void => {
      const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1)
      if (isNorm) {
        codes.fill(0x3f80)
        return
      }
      random(bytes)
      for (let at = 0; at < codes.length; at++) codes[at] = (codes[at]! & 0x807f) | (exponent << 7)
    }
    return [{ name, dtype: 'BF16', shape, fill }]
  }
  const fill = (bytes: Uint8Array): void => {
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
    if (name.endsWith('_scale')) {
      values.fill(0.8)
      return
    }
    random(bytes)
    const factor = name.endsWith('_fn') ? spread : 0.2
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
    for (let at = 0; at < values.length; at++) values[at] = (words[at]! / 2 ** 31 - 1) * factor
  }
  return [{ name, dtype: 'F32', shape, fill }]
}

function planFor(config: ModelConfig, seed: number): Part[] {
  const random = generator(seed)
  return planMainTensors(config).flatMap((planned) => partsOf(planned, random))
}

const bytesOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, [...shape]), 0)

/** Writes the folder and returns how many bytes of tensors it holds. */
export function makeCheckpoint(directory: string, gigabytes: number, seed: number, isSmall = false): number {
  const shaped = (experts: number): ModelConfig =>
    readConfig({
      ...toOfficialConfig(publishedShape('flash')),
      ...layers,
      ...(isSmall ? small : { vocab_size: 8192, n_routed_experts: experts }),
      portolan: { trained: false, shape: isSmall ? 'bench-small' : 'bench-flash', seed },
    })
  const one = bytesOf(planFor(shaped(8), seed))
  const perExpert = (bytesOf(planFor(shaped(9), seed)) - one) / 1
  const more = isSmall ? 0 : Math.max(0, Math.floor((gigabytes * 1e9 - one) / perExpert))
  const config = shaped(8 + more)
  const parts = planFor(config, seed)
  const header: Record<string, unknown> = {}
  let offset = 0
  for (const { name, dtype, shape } of parts) {
    const length = byteLengthOf(dtype, [...shape])
    header[name] = { dtype, shape, data_offsets: [offset, offset + length] }
    offset += length
  }
  mkdirSync(directory, { recursive: true })
  const text = JSON.stringify(header)
  const head = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ')
  head.writeBigUInt64LE(BigInt(head.length - 8))
  head.write(text, 8)
  const file = openSync(join(directory, 'model.safetensors'), 'w')
  try {
    writeSync(file, head)
    const buffer = new Uint8Array(chunkBytes)
    for (const { dtype, shape, fill } of parts) {
      for (let left = byteLengthOf(dtype, [...shape]); left > 0; left -= chunkBytes) {
        const chunk = buffer.subarray(0, Math.min(left, chunkBytes))
        fill(chunk)
        writeSync(file, chunk)
      }
    }
  } finally {
    closeSync(file)
  }
  writeFileSync(join(directory, 'config.json'), `${JSON.stringify(toOfficialConfig(config), null, 2)}\n`)
  return offset
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      gigabytes: { type: 'string', default: '1.6' },
      seed: { type: 'string', default: '1' },
      small: { type: 'boolean', default: false },
    },
  })
  const [directory] = positionals
  if (directory === undefined) throw new Error('Name the folder to write: make-checkpoint.ts DIRECTORY')
  const begin = performance.now()
  const bytes = makeCheckpoint(directory, Number(values.gigabytes), Number(values.seed), values.small)
  console.log(`${(bytes / 1e9).toFixed(2)} GB in ${((performance.now() - begin) / 1000).toFixed(1)} s: ${directory}`)
}
