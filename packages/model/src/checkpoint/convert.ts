/**
 * The same model in other clothes: official quantised storage, plain floats, or the transformers layout.
 *
 * A tensor that already has the wanted format passes through byte for byte; others are decoded exactly and
 * encoded anew. Weight scales are chosen reproducibly, so weights quantised here keep their bytes even through
 * floats: official -> f32 -> official.
 */
import { ModelError } from '../errors.ts'
import { floatsToBf16 } from '../quantisation/bf16.ts'
import { fp4Block, quantiseE2m1, quantiseE4m3, scaleShape } from '../quantisation/weight-blocks.ts'
import { readFloats, readMatrix, type Checkpoint } from './checkpoint.ts'
import { decodeMatrix } from './matrix.ts'
import { byteLengthOf, memoryTensor, type DataType, type StoredTensor } from './safetensors.ts'
import { toTransformersName } from './tensor-names.ts'
import { planMainTensors, planPredictionTensors, scaleName, type PlannedTensor } from './tensor-plan.ts'

/** `official`: FP8 linears, FP4 experts, BF16 and F32 as published. `bf16`, `f32`: no quantised tensors. */
export type StorageFormat = 'official' | 'bf16' | 'f32'

export function plannedTensors(checkpoint: Checkpoint): PlannedTensor[] {
  const { config } = checkpoint
  return [...planMainTensors(config), ...(checkpoint.hasPrediction ? planPredictionTensors(config) : [])]
}

export function targetDataType(planned: PlannedTensor, format: StorageFormat): DataType {
  if (planned.role === 'table') return 'I64'
  if (planned.role === 'single' || format === 'f32') return 'F32'
  if (planned.role === 'half' || format === 'bf16') return 'BF16'
  return planned.role === 'linear' ? 'F8_E4M3' : 'I8'
}

export interface StoredShape {
  readonly name: string
  readonly dtype: DataType
  readonly shape: readonly number[]
  readonly byteLength: number
}

/** What a planned tensor becomes on disk: itself, and its scale when it is quantised. */
export function storedShapes(
  planned: PlannedTensor,
  format: StorageFormat,
  block: readonly [number, number],
): StoredShape[] {
  const dtype = targetDataType(planned, format)
  const [rows = 0, columns = 0] = planned.shape
  const sized = (name: string, type: DataType, shape: readonly number[]): StoredShape => ({
    name,
    dtype: type,
    shape,
    byteLength: byteLengthOf(type, shape),
  })
  if (dtype === 'F8_E4M3') {
    return [
      sized(planned.name, dtype, planned.shape),
      sized(scaleName(planned.name), 'F8_E8M0', scaleShape(rows, columns, block)),
    ]
  }
  if (dtype === 'I8') {
    if (columns % fp4Block !== 0) {
      throw new ModelError(
        'MODEL_TENSOR_SHAPE',
        `${planned.name} has ${columns} columns; FP4 storage needs a multiple of ${fp4Block}.`,
        { tensor: planned.name, columns },
      )
    }
    return [
      sized(planned.name, dtype, [rows, columns / 2]),
      sized(scaleName(planned.name), 'F8_E8M0', [rows, columns / fp4Block]),
    ]
  }
  return [sized(planned.name, dtype, planned.shape)]
}

function floatsOf(checkpoint: Checkpoint, planned: PlannedTensor): Float32Array {
  return planned.shape.length === 2
    ? decodeMatrix(readMatrix(checkpoint, planned.name))
    : readFloats(checkpoint, planned.name)
}

function bytesOfFloats(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

/** One planned tensor of `checkpoint` in `format`. */
export function convertTensor(checkpoint: Checkpoint, planned: PlannedTensor, format: StorageFormat): StoredTensor[] {
  const shapes = storedShapes(planned, format, checkpoint.config.weightBlock)
  const present = shapes.map(({ name }) => checkpoint.tensors.get(name))
  if (present.every((tensor, at) => tensor?.dtype === shapes[at]!.dtype)) {
    return present.map((tensor, at) => ({ ...tensor!, name: shapes[at]!.name }))
  }
  const [weight, scale] = shapes
  if (weight === undefined) return []
  if (planned.role === 'table') {
    const narrow = new Int32Array(checkpoint.tensors.get(planned.name)!.read().buffer)
    return [memoryTensor(weight.name, 'I64', weight.shape, new Uint8Array(BigInt64Array.from(narrow, BigInt).buffer))]
  }
  const values = floatsOf(checkpoint, planned)
  if (scale === undefined) {
    return [
      memoryTensor(
        weight.name,
        weight.dtype,
        weight.shape,
        weight.dtype === 'BF16' ? floatsToBf16(values) : bytesOfFloats(values),
      ),
    ]
  }
  const [rows = 0, columns = 0] = planned.shape
  const { codes, scales } =
    weight.dtype === 'I8'
      ? quantiseE2m1(values, rows, columns)
      : quantiseE4m3(values, rows, columns, checkpoint.config.weightBlock)
  return [
    memoryTensor(weight.name, weight.dtype, weight.shape, codes),
    memoryTensor(scale.name, 'F8_E8M0', scale.shape, scales),
  ]
}

/** The whole model in another format, in memory. */
export function convertCheckpoint(checkpoint: Checkpoint, format: StorageFormat): Checkpoint {
  const tensors = plannedTensors(checkpoint).flatMap((planned) => convertTensor(checkpoint, planned, format))
  return { ...checkpoint, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) }
}

function joinTensors(name: string, parts: readonly StoredTensor[], shape: readonly number[]): StoredTensor {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part.read(), at)
    at += part.byteLength
  }
  return memoryTensor(name, parts[0]!.dtype, shape, bytes)
}

/** The main model under transformers names, experts fused per layer, quantised weights decoded. */
export function toTransformersTensors(checkpoint: Checkpoint, format: 'bf16' | 'f32'): StoredTensor[] {
  const { config } = checkpoint
  const plain = convertCheckpoint(checkpoint, format)
  const tensors: StoredTensor[] = []
  for (const planned of planMainTensors(config)) {
    const name = toTransformersName(planned.name)
    if (name !== null) tensors.push({ ...plain.tensors.get(planned.name)!, name })
  }
  const { routed, innerSize } = config.experts
  for (const { index } of config.layers) {
    const projection = (expert: number, which: string) =>
      plain.tensors.get(`layers.${index}.ffn.experts.${expert}.${which}.weight`)!
    const experts = Array.from({ length: routed }, (_, expert) => expert)
    const prefix = `model.layers.${index}.mlp.experts`
    tensors.push(
      joinTensors(
        `${prefix}.gate_up_proj`,
        experts.flatMap((expert) => [projection(expert, 'w1'), projection(expert, 'w3')]),
        [routed, 2 * innerSize, config.hiddenSize],
      ),
      joinTensors(
        `${prefix}.down_proj`,
        experts.map((expert) => projection(expert, 'w2')),
        [routed, config.hiddenSize, innerSize],
      ),
    )
  }
  return tensors
}
