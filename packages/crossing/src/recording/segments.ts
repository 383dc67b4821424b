/**
 * Append-only files of encrypted records. A record is found by file, offset and length; nothing is ever changed in
 * place. Each process writes files of its own. A record that a full disk cut off is taken back, so that what follows
 * it stands where the index says.
 */
import {
  closeSync,
  ftruncateSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
  readdirSync,
} from 'node:fs'
import { join } from 'node:path'
import { mintId } from '../records/index.ts'

/** A new file begins at this size, and with each UTC day, so that retention can delete whole files. */
const largestFileBytes = 64 << 20

export interface SegmentPlace {
  readonly file: string
  readonly offset: number
  readonly length: number
}

interface OpenFile {
  readonly name: string
  readonly descriptor: number
  readonly day: number
  size: number
}

export class SegmentWriter {
  readonly #directory: string
  #file: OpenFile | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  /** @throws the operating system's error; the file is then as long as before. */
  append(record: Uint8Array, nowMs: number): SegmentPlace {
    const file = this.#current(nowMs)
    const offset = file.size
    try {
      let written = 0
      while (written < record.length) written += writeSync(file.descriptor, record, written)
    } catch (error) {
      try {
        ftruncateSync(file.descriptor, offset)
      } catch {
        // A new file begins next time; what is left of the record belongs to nobody.
        this.close()
      }
      throw error
    }
    file.size += record.length
    return { file: file.name, offset, length: record.length }
  }

  close(): void {
    if (this.#file) closeSync(this.#file.descriptor)
    this.#file = null
  }

  #current(nowMs: number): OpenFile {
    const day = Math.floor(nowMs / 86_400_000)
    if (this.#file && (this.#file.size >= largestFileBytes || this.#file.day !== day)) this.close()
    if (this.#file) return this.#file
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const name = `${mintId('exc', nowMs).slice(4)}.segment`
    const descriptor = openSync(join(this.#directory, name), 'a', 0o600)
    this.#file = { name, descriptor, day, size: fstatSync(descriptor).size }
    return this.#file
  }
}

export class SegmentReader {
  readonly #directory: string
  #open: { readonly name: string; readonly descriptor: number } | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Null when the file is gone or shorter than the index says. */
  read({ file, offset, length }: SegmentPlace): Buffer | null {
    try {
      if (this.#open?.name !== file) {
        this.close()
        this.#open = { name: file, descriptor: openSync(join(this.#directory, file), 'r') }
      }
      const bytes = Buffer.alloc(length)
      let filled = 0
      while (filled < length) {
        const got = readSync(this.#open.descriptor, bytes, filled, length - filled, offset + filled)
        if (got === 0) return null
        filled += got
      }
      return bytes
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.descriptor)
    this.#open = null
  }
}

export function removeSegment(directory: string, file: string): void {
  rmSync(join(directory, file), { force: true })
}

/** Bytes of all files below. */
export function folderBytes(directory: string): number {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce(
        (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      )
  } catch {
    return 0
  }
}
