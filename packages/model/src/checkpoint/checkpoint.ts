/**
 * A V4 checkpoint: a configuration and its tensors under official names, checked against the plan.
 *
 * Opening reads headers only. It refuses a missing or surplus tensor, a wrong shape and a number format
 * that a place does not allow, before any weight is touched; values (NaN scales, NaN codes) are refused when
 * they are read. The number format of experts is taken from the tensor, not from `expert_dtype`, which early
 * configurations leave out.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelConfig } from '../config/model-config.ts'
import { parseConfig } from '../config/read-config.ts'
import { ModelError } from '../errors.ts'
import { ue8m0Values } from '../quantisation/ue8m0.ts'
import { fp4Block, scaleShape } from '../quantisation/weight-blocks.ts'
import { openFile, type ByteSource } from './byte-source.ts'
import type { Matrix } from './matrix.ts'
import { byteLengthOf, readSafetensors, sliceTensor, type DataType, type StoredTensor } from './safetensors.ts'
import { parseFusedExperts, toOfficialName } from './tensor-names.ts'
import {
  planMainTensors,
  planPredictionTensors,
  scaleName,
  type PlannedTensor,
  type TensorRole,
} from './tensor-plan.ts'

export interface Checkpoint {
  readonly config: ModelConfig
  /** Under official names, scales included. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** True when the prediction blocks are part of it. */
  readonly hasPrediction: boolean
  close(): void
}

export interface CheckpointOptions {
  /**
   * Whether to require and keep the multi-token-prediction blocks. Newer checkpoints hold another draft module
   * under the same prefix, so the default leaves everything below `mtp.` alone.
   */
  readonly prediction?: boolean
  /** Tensors below these prefixes are passed over, e.g. expected results stored beside the weights. */
  readonly ignorePrefixes?: readonly string[]
}

const storage: Record<TensorRole, readonly DataType[]> = {
  linear: ['F8_E4M3', 'BF16', 'F32'],
  expert: ['I8', 'U8', 'F8_E4M3', 'BF16', 'F32'],
  half: ['BF16', 'F32'],
  single: ['F32', 'BF16'],
  table: ['I64', 'I32'],
}

function sameShape(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((size, at) => size === other[at])
}

function wrongShape(name: string, found: readonly number[], wanted: readonly number[]): never {
  throw new ModelError(
    'MODEL_TENSOR_SHAPE',
    `${name} has the shape ${JSON.stringify(found)}; the configuration implies ${JSON.stringify(wanted)}.`,
    {
      tensor: name,
      found,
      wanted,
    },
  )
}

function required(tensors: ReadonlyMap<string, StoredTensor>, name: string): StoredTensor {
  const tensor = tensors.get(name)
  if (tensor === undefined) {
    throw new ModelError(
      'MODEL_TENSOR_MISSING',
      `The checkpoint has no tensor ${name}, which its configuration needs.`,
      { tensor: name },
    )
  }
  return tensor
}

/** Splits the fused expert tensors of transformers into official ones; other tensors only change their name. */
function underOfficialNames(stored: Iterable<StoredTensor>): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>()
  const add = (name: string, tensor: StoredTensor) => {
    if (tensors.has(name)) {
      throw new ModelError(
        'MODEL_TENSOR_SURPLUS',
        `Two tensors stand for ${name}; the second is called ${tensor.name}.`,
        { tensor: name },
      )
    }
    tensors.set(name, tensor)
  }
  for (const tensor of stored) {
    const fused = parseFusedExperts(tensor.name)
    const [experts, rows, columns] = tensor.shape
    if (fused === null || experts === undefined || rows === undefined || columns === undefined) {
      add(toOfficialName(tensor.name), tensor)
      continue
    }
    const sliceRows = rows / fused.projections.length
    if (!Number.isInteger(sliceRows)) wrongShape(tensor.name, tensor.shape, [experts, rows + 1, columns])
    const sliceBytes = byteLengthOf(tensor.dtype, [sliceRows, columns])
    for (let expert = 0; expert < experts; expert++) {
      for (const [at, projection] of fused.projections.entries()) {
        const name = `${fused.layer}.ffn.experts.${expert}.${projection}${fused.suffix}`
        const start = (expert * fused.projections.length + at) * sliceBytes
        add(name, sliceTensor(tensor, name, [sliceRows, columns], start))
      }
    }
  }
  return tensors
}

/** Checks one planned tensor and its scale; returns the names it accounts for. */
function checkPlanned(
  tensors: ReadonlyMap<string, StoredTensor>,
  planned: PlannedTensor,
  config: ModelConfig,
): string[] {
  const tensor = required(tensors, planned.name)
  if (!storage[planned.role].includes(tensor.dtype)) {
    throw new ModelError(
      'MODEL_TENSOR_DTYPE',
      `${planned.name} is stored as ${tensor.dtype}; allowed: ${storage[planned.role].join(', ')}.`,
      {
        tensor: planned.name,
        found: tensor.dtype,
        allowed: storage[planned.role],
      },
    )
  }
  const [rows = 0, columns = 0] = planned.shape
  const packed = tensor.dtype === 'I8' || tensor.dtype === 'U8'
  const wanted = packed ? [rows, columns / 2] : planned.shape
  if (!sameShape(tensor.shape, wanted)) wrongShape(planned.name, tensor.shape, wanted)
  if (!packed && tensor.dtype !== 'F8_E4M3') return [planned.name]
  if (packed && columns % fp4Block !== 0)
    wrongShape(planned.name, tensor.shape, [rows, Math.ceil(columns / fp4Block) * (fp4Block / 2)])

  const scale = required(tensors, scaleName(planned.name))
  if (scale.dtype !== 'F8_E8M0' && scale.dtype !== 'F32') {
    throw new ModelError('MODEL_TENSOR_DTYPE', `${scale.name} is stored as ${scale.dtype}; allowed: F8_E8M0, F32.`, {
      tensor: scale.name,
      found: scale.dtype,
    })
  }
  const scaleWanted = packed ? [rows, columns / fp4Block] : scaleShape(rows, columns, config.weightBlock)
  if (!sameShape(scale.shape, scaleWanted)) wrongShape(scaleName(planned.name), scale.shape, scaleWanted)
  return [planned.name, scaleName(planned.name)]
}

/** Names and checks a set of stored tensors against a configuration. */
export function assembleCheckpoint(
  config: ModelConfig,
  stored: Iterable<StoredTensor>,
  options: CheckpointOptions = {},
  close: () => void = () => {},
): Checkpoint {
  const ignored = [...(options.ignorePrefixes ?? []), ...(options.prediction === true ? [] : ['mtp.'])]
  const tensors = underOfficialNames(stored)
  for (const name of tensors.keys()) if (ignored.some((prefix) => name.startsWith(prefix))) tensors.delete(name)

  const plan = planMainTensors(config)
  if (options.prediction === true) plan.push(...planPredictionTensors(config))
  const accounted = new Set<string>()
  for (const planned of plan) for (const name of checkPlanned(tensors, planned, config)) accounted.add(name)
  for (const [name, tensor] of tensors) {
    if (!accounted.has(name)) {
      throw new ModelError(
        'MODEL_TENSOR_SURPLUS',
        `The checkpoint holds ${tensor.name}, which its configuration gives no place to.`,
        { tensor: name },
      )
    }
  }
  return { config, tensors, hasPrediction: options.prediction === true, close }
}

/** Shards by index when there is one, otherwise every safetensors file of the folder. */
function gatherShards(directory: string, sources: ByteSource[]): StoredTensor[] {
  const open = (file: string) => {
    const source = openFile(join(directory, file), file)
    sources.push(source)
    return readSafetensors(source)
  }
  const indexName = 'model.safetensors.index.json'
  if (!existsSync(join(directory, indexName))) {
    const files = readdirSync(directory)
      .filter((file) => file.endsWith('.safetensors'))
      .sort()
    if (files.length === 0) {
      throw new ModelError('MODEL_FILE_MISSING', 'The folder holds neither a shard index nor a safetensors file.', {
        file: indexName,
      })
    }
    return files.flatMap(open)
  }
  let placement: Map<string, unknown>
  try {
    const index = JSON.parse(readFileSync(join(directory, indexName), 'utf8')) as {
      weight_map: Record<string, unknown>
    }
    placement = new Map(Object.entries(index.weight_map))
  } catch (cause) {
    throw new ModelError('MODEL_INDEX', `${indexName} is not JSON with a weight_map.`, { file: indexName }, { cause })
  }
  const tensors: StoredTensor[] = []
  const found = new Set<string>()
  for (const file of new Set(placement.values())) {
    // The index names files, so it must not be able to name one outside the folder.
    if (typeof file !== 'string' || !/^[\w.-]+\.safetensors$/.test(file)) {
      throw new ModelError(
        'MODEL_INDEX',
        `${indexName} names ${JSON.stringify(file)}, which is not a file of the folder.`,
        { file: indexName },
      )
    }
    for (const tensor of open(file)) {
      if (placement.get(tensor.name) !== file || found.has(tensor.name)) {
        throw new ModelError(
          'MODEL_INDEX',
          `${file} holds ${tensor.name}, which ${indexName} places in ${JSON.stringify(placement.get(tensor.name) ?? null)}.`,
          {
            file,
            tensor: tensor.name,
          },
        )
      }
      found.add(tensor.name)
      tensors.push(tensor)
    }
  }
  for (const [name, file] of placement) {
    if (!found.has(name)) {
      throw new ModelError('MODEL_INDEX', `${indexName} places ${name} in ${String(file)}, which does not hold it.`, {
        file: String(file),
        tensor: name,
      })
    }
  }
  return tensors
}

/** Opens a checkpoint folder: `config.json` and one or many safetensors files. */
export function openCheckpoint(directory: string, options: CheckpointOptions = {}): Checkpoint {
  let text: string
  try {
    text = readFileSync(join(directory, 'config.json'), 'utf8')
  } catch (cause) {
    throw new ModelError(
      'MODEL_FILE_MISSING',
      'The folder holds no readable config.json.',
      { file: 'config.json' },
      { cause },
    )
  }
  const sources: ByteSource[] = []
  const close = () => {
    for (const source of sources.splice(0)) source.close()
  }
  try {
    return assembleCheckpoint(parseConfig(text), gatherShards(directory, sources), options, close)
  } catch (error) {
    close()
    throw error
  }
}

function halves(bytes: Uint8Array<ArrayBuffer>): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
}

/** A float tensor of any shape as f32. */
export function readFloats(checkpoint: Checkpoint, name: string): Float32Array {
  const tensor = required(checkpoint.tensors, name)
  const bytes = tensor.read()
  if (tensor.dtype === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const codes = halves(bytes)
  const out = new Uint32Array(codes.length)
  for (let at = 0; at < codes.length; at++) out[at] = codes[at]! << 16
  return new Float32Array(out.buffer)
}

/** An integer table as 32-bit integers. Values beyond 32 bits are refused, not wrapped. */
export function readTable(checkpoint: Checkpoint, name: string): Int32Array {
  const tensor = required(checkpoint.tensors, name)
  const bytes = tensor.read()
  if (tensor.dtype === 'I32') return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const wide = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
  const out = new Int32Array(wide.length)
  for (let at = 0; at < wide.length; at++) {
    const value = Number(wide[at])
    if (value !== Math.trunc(value) || Math.abs(value) > 0x7fff_ffff) {
      throw new ModelError('MODEL_TENSOR_VALUE', `${name} holds ${value}, beyond 32 bits.`, { tensor: name })
    }
    out[at] = value
  }
  return out
}

function powersOfTwo(bytes: Uint8Array): Float32Array {
  const out = new Float32Array(bytes.length)
  for (let at = 0; at < bytes.length; at++) out[at] = ue8m0Values[bytes[at]!]!
  return out
}

function readScales(checkpoint: Checkpoint, name: string): Float32Array {
  const tensor = required(checkpoint.tensors, name)
  const scales = tensor.dtype === 'F32' ? readFloats(checkpoint, name) : powersOfTwo(tensor.read())
  let bad = 0
  while (bad < scales.length && scales[bad]! > 0 && scales[bad]! < Infinity) bad++
  if (bad < scales.length) {
    throw new ModelError('MODEL_SCALE', `${name} holds the scale ${scales[bad]} at position ${bad}.`, {
      tensor: name,
      position: bad,
    })
  }
  return scales
}

/** A matrix in its stored precision. NaN codes and NaN scales are refused here. */
export function readMatrix(checkpoint: Checkpoint, name: string): Matrix {
  const tensor = required(checkpoint.tensors, name)
  const [rows = 0, storedColumns = 0] = tensor.shape
  switch (tensor.dtype) {
    case 'BF16':
      return { format: 'bf16', rows, columns: storedColumns, codes: halves(tensor.read()) }
    case 'F8_E4M3': {
      const codes = tensor.read()
      // Plain loops here and below: large checkpoints hold billions of codes.
      let bad = 0
      while (bad < codes.length && (codes[bad]! & 127) !== 127) bad++
      if (bad < codes.length)
        throw new ModelError('MODEL_TENSOR_VALUE', `${name} holds NaN at position ${bad}.`, {
          tensor: name,
          position: bad,
        })
      return {
        format: 'fp8',
        rows,
        columns: storedColumns,
        codes,
        scales: readScales(checkpoint, scaleName(name)),
        block: checkpoint.config.weightBlock,
      }
    }
    case 'I8':
    case 'U8':
      return {
        format: 'fp4',
        rows,
        columns: storedColumns * 2,
        codes: tensor.read(),
        scales: readScales(checkpoint, scaleName(name)),
      }
    default:
      return { format: 'f32', rows, columns: storedColumns, values: readFloats(checkpoint, name) }
  }
}
