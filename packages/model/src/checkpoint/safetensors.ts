/**
 * The safetensors container: an 8-byte little-endian header length, a JSON header, then tensor bytes.
 *
 * The header comes from a stranger, so each of its claims is checked before any byte is trusted: length,
 * JSON, dtype, shape against byte range, file size, and that ranges neither overlap nor leave holes.
 * `F8_E8M0`, which older readers reject, is a first-class dtype here: V4 cannot be read without it.
 */
import { ModelError } from '../errors.ts'
import type { ByteSource } from './byte-source.ts'

const elementBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
} as const

export type DataType = keyof typeof elementBytes

/** A tensor somewhere in a file, or made in memory. `read` gives its little-endian bytes, row-major. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: DataType
  readonly shape: readonly number[]
  readonly byteLength: number
  /** `length` bytes from `start` within the tensor; the whole tensor by default. */
  read(start?: number, length?: number): Uint8Array<ArrayBuffer>
}

/** The format's own limit on header length. */
const maximumHeaderBytes = 100_000_000

export function byteLengthOf(dtype: DataType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, elementBytes[dtype])
}

function lie(source: ByteSource, sentence: string): never {
  throw new ModelError('MODEL_HEADER', `${source.name}: ${sentence}`, { file: source.name })
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isDataType(value: unknown): value is DataType {
  return typeof value === 'string' && Object.hasOwn(elementBytes, value)
}

interface Entry {
  readonly name: string
  readonly dtype: DataType
  readonly shape: number[]
  readonly begin: number
  readonly end: number
}

function readEntry(source: ByteSource, name: string, value: unknown): Entry {
  if (typeof value !== 'object' || value === null) return lie(source, `the header entry of ${name} is not an object.`)
  const { dtype, shape, data_offsets: offsets } = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  if (!isDataType(dtype)) return lie(source, `${name} has the unknown dtype ${JSON.stringify(dtype)}.`)
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isIndex)) {
    return lie(source, `${name} has the shape ${JSON.stringify(shape)}, which is not a list of sizes.`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2) return lie(source, `${name} has no pair of data offsets.`)
  const [begin, end]: unknown[] = offsets
  if (!isIndex(begin) || !isIndex(end) || end < begin) {
    return lie(source, `${name} has the data offsets ${JSON.stringify(offsets)}, which are not a byte range.`)
  }
  const promised = byteLengthOf(dtype, shape)
  if (promised !== end - begin) {
    return lie(
      source,
      `${name} is ${dtype} ${JSON.stringify(shape)}, ${promised} bytes, but its range holds ${end - begin}.`,
    )
  }
  return { name, dtype, shape, begin, end }
}

/** Ranges must tile the data exactly; a hole or an overlap means that the writer or the file is broken. */
function checkTiling(source: ByteSource, entries: readonly Entry[], dataBytes: number): void {
  const ordered = [...entries].sort((one, other) => one.begin - other.begin || one.end - other.end)
  let reached = 0
  let previous = 'the header'
  for (const entry of ordered) {
    if (entry.end > dataBytes) {
      throw new ModelError(
        'MODEL_FILE_TRUNCATED',
        `${source.name}: ${entry.name} ends at data byte ${entry.end}, but the file holds ${dataBytes}.`,
        { file: source.name, tensor: entry.name, end: entry.end, dataBytes },
      )
    }
    if (entry.begin !== reached) {
      const what = entry.begin < reached ? 'overlaps' : 'leaves a hole after'
      throw new ModelError('MODEL_TENSOR_OVERLAP', `${source.name}: ${entry.name} ${what} ${previous}.`, {
        file: source.name,
        tensor: entry.name,
        begin: entry.begin,
        expected: reached,
      })
    }
    reached = entry.end
    previous = entry.name
  }
  if (reached !== dataBytes) {
    throw new ModelError(
      'MODEL_TENSOR_OVERLAP',
      `${source.name}: ${dataBytes - reached} bytes after ${previous} belong to no tensor.`,
      {
        file: source.name,
        reached,
        dataBytes,
      },
    )
  }
}

/** Reads and checks the header; tensor bytes stay in the file until somebody reads them. */
export function readSafetensors(source: ByteSource): StoredTensor[] {
  if (source.size < 8) {
    throw new ModelError(
      'MODEL_FILE_TRUNCATED',
      `${source.name} holds ${source.size} bytes, less than a header length.`,
      {
        file: source.name,
        size: source.size,
      },
    )
  }
  const headerBytes = Number(new DataView(source.read(0, 8).buffer).getBigUint64(0, true))
  if (headerBytes > maximumHeaderBytes)
    return lie(source, `the header claims ${headerBytes} bytes, above the limit of ${maximumHeaderBytes}.`)
  const dataStart = 8 + headerBytes
  const text = new TextDecoder('utf-8', { fatal: false }).decode(source.read(8, headerBytes))
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch {
    return lie(source, 'the header is not JSON.')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    return lie(source, 'the header is not an object.')
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(source, name, value))
  checkTiling(source, entries, source.size - dataStart)
  return entries.map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    byteLength: end - begin,
    read: (start = 0, length = end - begin - start) => source.read(dataStart + begin + start, length),
  }))
}

/** A tensor that exists only in memory. */
export function memoryTensor(name: string, dtype: DataType, shape: readonly number[], bytes: Uint8Array): StoredTensor {
  const byteLength = byteLengthOf(dtype, shape)
  if (bytes.length !== byteLength) {
    throw new ModelError(
      'MODEL_TENSOR_SHAPE',
      `${name}: ${bytes.length} bytes given for ${dtype} ${JSON.stringify(shape)}.`,
      { tensor: name },
    )
  }
  return {
    name,
    dtype,
    shape,
    byteLength,
    read: (start = 0, length = byteLength - start) => new Uint8Array(bytes.subarray(start, start + length)),
  }
}

/** A row-major slice of another tensor: what one expert is inside a fused expert tensor. */
export function sliceTensor(
  tensor: StoredTensor,
  name: string,
  shape: readonly number[],
  byteStart: number,
): StoredTensor {
  const byteLength = byteLengthOf(tensor.dtype, shape)
  return {
    name,
    dtype: tensor.dtype,
    shape,
    byteLength,
    read: (start = 0, length = byteLength - start) => tensor.read(byteStart + start, length),
  }
}

/**
 * Header bytes for tensors laid one after another, padded with spaces to a multiple of 8 like the official
 * writer, so that equal tensors give equal files.
 */
export function encodeHeader(tensors: readonly StoredTensor[]): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const { name, dtype, shape, byteLength } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + byteLength] }
    offset += byteLength
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const padded = Math.ceil(json.length / 8) * 8
  const out = new Uint8Array(8 + padded).fill(0x20)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.set(json, 8)
  return out
}

/** A whole safetensors file in memory. */
export function encodeSafetensors(tensors: readonly StoredTensor[]): Uint8Array<ArrayBuffer> {
  const header = encodeHeader(tensors)
  const out = new Uint8Array(tensors.reduce((sum, tensor) => sum + tensor.byteLength, header.length))
  out.set(header, 0)
  let offset = header.length
  for (const tensor of tensors) {
    out.set(tensor.read(), offset)
    offset += tensor.byteLength
  }
  return out
}
