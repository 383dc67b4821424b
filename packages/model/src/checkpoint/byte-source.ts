/**
 * Positional reads: bytes from a file of any size, or from memory.
 *
 * Weight files run to hundreds of gigabytes, so nothing is read whole and offsets are plain numbers up to
 * 2^53. Reads are synchronous: a reference model waits for its weights anyway, and its kernels stay simple.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { ModelError } from '../errors.ts'

export interface ByteSource {
  /** For messages: a file name without its folder. */
  readonly name: string
  readonly size: number
  /** Exactly `length` bytes from `offset`; throws `MODEL_FILE_TRUNCATED` when they are not there. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>
  close(): void
}

/** One system call moves at most this much; larger reads are split. */
const callBytes = 1 << 30

function truncated(name: string, offset: number, length: number, size: number): ModelError {
  return new ModelError(
    'MODEL_FILE_TRUNCATED',
    `${name} ends at byte ${size}, but bytes ${offset} to ${offset + length} are needed.`,
    { file: name, offset, length, size },
  )
}

export function openFile(path: string, name: string): ByteSource {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (cause) {
    throw new ModelError('MODEL_FILE_MISSING', `${name} cannot be opened.`, { file: name }, { cause })
  }
  const status = fstatSync(descriptor)
  if (!status.isFile()) {
    closeSync(descriptor)
    throw new ModelError('MODEL_FILE_MISSING', `${name} is not a regular file.`, { file: name })
  }
  const { size } = status
  return {
    name,
    size,
    read(offset, length) {
      if (offset + length > size) throw truncated(name, offset, length, size)
      const out = new Uint8Array(length)
      for (let done = 0; done < length;) {
        const got = readSync(descriptor, out, done, Math.min(callBytes, length - done), offset + done)
        if (got === 0) throw truncated(name, offset, length, offset + done)
        done += got
      }
      return out
    },
    close() {
      closeSync(descriptor)
    },
  }
}

export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  return {
    name,
    size: bytes.length,
    read(offset, length) {
      if (offset + length > bytes.length) throw truncated(name, offset, length, bytes.length)
      return new Uint8Array(bytes.subarray(offset, offset + length))
    },
    close() {},
  }
}
