/**
 * What a checkpoint holds, for people and for capacity planning; and a full check of its values.
 *
 * Describing reads headers only. Verifying reads every byte once: it finds what opening cannot see, a NaN
 * scale in an expert that no token has visited yet.
 */
import type { ModelConfig } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import { readFloats, readMatrix, type Checkpoint } from './checkpoint.ts'
import { plannedTensors } from './convert.ts'
import type { DataType } from './safetensors.ts'
import { countParameters, scaleName, type ParameterCounts, type TensorPart } from './tensor-plan.ts'
import { readExpertTable } from './expert-table.ts'

export interface CheckpointDescription {
  readonly config: ModelConfig
  readonly layers: {
    readonly window: number
    readonly sparse: number
    readonly heavy: number
    readonly hashRouted: number
  }
  readonly parameters: ParameterCounts
  readonly totalBytes: number
  /** Stored bytes, scales included. */
  readonly bytesByPart: Readonly<Partial<Record<TensorPart, number>>>
  readonly bytesByDataType: Readonly<Partial<Record<DataType, number>>>
  /** Bytes that one token reads: everything but idle experts and the embedding table. */
  readonly bytesPerToken: number
}

export function describeCheckpoint(checkpoint: Checkpoint): CheckpointDescription {
  const { config, tensors } = checkpoint
  const bytesByPart: Partial<Record<TensorPart, number>> = {}
  const bytesByDataType: Partial<Record<DataType, number>> = {}
  let totalBytes = 0
  for (const { name, part } of plannedTensors(checkpoint)) {
    for (const tensor of [tensors.get(name), name.endsWith('.weight') ? tensors.get(scaleName(name)) : undefined]) {
      if (tensor === undefined) continue
      bytesByPart[part] = (bytesByPart[part] ?? 0) + tensor.byteLength
      bytesByDataType[tensor.dtype] = (bytesByDataType[tensor.dtype] ?? 0) + tensor.byteLength
      totalBytes += tensor.byteLength
    }
  }
  const { routed, perToken } = config.experts
  const idle = ((bytesByPart['routed-expert'] ?? 0) * (routed - perToken)) / routed
  const count = (test: (layer: ModelConfig['layers'][number]) => boolean) => config.layers.filter(test).length
  return {
    config,
    layers: {
      window: count((layer) => layer.attention === 'window'),
      sparse: count((layer) => layer.attention === 'sparse'),
      heavy: count((layer) => layer.attention === 'heavy'),
      hashRouted: count((layer) => layer.router === 'hash'),
    },
    parameters: countParameters(config),
    totalBytes,
    bytesByPart,
    bytesByDataType,
    bytesPerToken: totalBytes - idle - (bytesByPart['embedding'] ?? 0) - (bytesByPart['prediction'] ?? 0),
  }
}

function refuseNotANumber(name: string, values: Float32Array): void {
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    throw new ModelError('MODEL_TENSOR_VALUE', `${name} holds ${values[bad]} at position ${bad}.`, {
      tensor: name,
      position: bad,
    })
  }
}

/**
 * Reads every tensor and refuses NaN, infinities, impossible scales and impossible router tables.
 *
 * @param onTensor Called after each tensor with how many of how many are done; for a progress bar.
 */
export function verifyCheckpoint(
  checkpoint: Checkpoint,
  onTensor: (done: number, total: number) => void = () => {},
): void {
  const plan = plannedTensors(checkpoint)
  for (const [at, { name, role, shape }] of plan.entries()) {
    if (role === 'table') readExpertTable(checkpoint, name)
    else if (shape.length === 1) refuseNotANumber(name, readFloats(checkpoint, name))
    else {
      // FP8 and FP4 codes and scales are checked by reading them; only floats can hide anything else.
      const matrix = readMatrix(checkpoint, name)
      if (matrix.format === 'f32') refuseNotANumber(name, matrix.values)
      if (matrix.format === 'bf16') {
        const bad = matrix.codes.findIndex((code) => (code & 0x7f80) === 0x7f80)
        if (bad >= 0)
          throw new ModelError('MODEL_TENSOR_VALUE', `${name} holds no finite number at position ${bad}.`, {
            tensor: name,
            position: bad,
          })
      }
    }
    onTensor(at + 1, plan.length)
  }
}
