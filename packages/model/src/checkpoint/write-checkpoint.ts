/**
 * Writes a checkpoint folder in the official layout: `config.json`, shards, and an index when there are several.
 *
 * Shards are filled in plan order up to a size, so the memory needed is one shard. The same model written
 * twice is the same bytes.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toOfficialConfig } from '../config/read-config.ts'
import type { Checkpoint } from './checkpoint.ts'
import { convertTensor, plannedTensors, storedShapes, type StorageFormat } from './convert.ts'
import { encodeSafetensors } from './safetensors.ts'
import type { PlannedTensor } from './tensor-plan.ts'

export interface WriteOptions {
  /** Default `official`. */
  readonly format?: StorageFormat
  /** A shard is closed before it would grow beyond this. Default 1 GiB. */
  readonly maximumShardBytes?: number
}

/** Cuts the plan into shards by stored size. */
function planShards(checkpoint: Checkpoint, format: StorageFormat, maximumBytes: number): PlannedTensor[][] {
  const shards: PlannedTensor[][] = [[]]
  let filled = 0
  for (const planned of plannedTensors(checkpoint)) {
    const bytes = storedShapes(planned, format, checkpoint.config.weightBlock).reduce(
      (sum, shape) => sum + shape.byteLength,
      0,
    )
    if (filled > 0 && filled + bytes > maximumBytes) {
      shards.push([])
      filled = 0
    }
    shards[shards.length - 1]!.push(planned)
    filled += bytes
  }
  return shards
}

function quantisationFields(checkpoint: Checkpoint, format: StorageFormat): Record<string, unknown> {
  if (format !== 'official') return { torch_dtype: format === 'bf16' ? 'bfloat16' : 'float32' }
  return {
    torch_dtype: 'bfloat16',
    expert_dtype: 'fp4',
    quantization_config: {
      quant_method: 'fp8',
      fmt: 'e4m3',
      scale_fmt: 'ue8m0',
      weight_block_size: checkpoint.config.weightBlock,
      activation_scheme: 'dynamic',
    },
  }
}

function fiveDigits(value: number): string {
  return String(value).padStart(5, '0')
}

/** Writes into `directory`, which is made when it does not exist. Returns the names of the files written. */
export function writeCheckpoint(directory: string, checkpoint: Checkpoint, options: WriteOptions = {}): string[] {
  const format = options.format ?? 'official'
  const shards = planShards(checkpoint, format, options.maximumShardBytes ?? 2 ** 30)
  mkdirSync(directory, { recursive: true })
  const files: string[] = []
  const put = (file: string, content: string | Uint8Array) => {
    writeFileSync(join(directory, file), content)
    files.push(file)
  }

  const weightMap: Record<string, string> = {}
  let totalBytes = 0
  for (const [at, shard] of shards.entries()) {
    const file =
      shards.length === 1
        ? 'model.safetensors'
        : `model-${fiveDigits(at + 1)}-of-${fiveDigits(shards.length)}.safetensors`
    const tensors = shard.flatMap((planned) => convertTensor(checkpoint, planned, format))
    for (const tensor of tensors) {
      weightMap[tensor.name] = file
      totalBytes += tensor.byteLength
    }
    put(file, encodeSafetensors(tensors))
  }
  if (shards.length > 1) {
    put(
      'model.safetensors.index.json',
      `${JSON.stringify({ metadata: { total_size: totalBytes }, weight_map: weightMap }, null, 2)}\n`,
    )
  }
  const {
    quantization_config: _quantisation,
    expert_dtype: _experts,
    torch_dtype: _dtype,
    ...config
  } = toOfficialConfig(checkpoint.config)
  put('config.json', `${JSON.stringify({ ...config, ...quantisationFields(checkpoint, format) }, null, 2)}\n`)
  return files
}
