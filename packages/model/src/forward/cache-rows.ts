/**
 * The two shapes of cache memory: rows that only ever grow, and the ring of the last few tokens.
 *
 * Compressed rows never change once written, so they live in pages and a copy of a cache is a copy of bytes.
 * Both keep rows in any codec; a reader always gets f32.
 */
import { ModelError } from '../errors.ts'
import type { RowCodec } from './row-codec.ts'

/** Rows of one page: small enough that a short sequence wastes little, large enough to keep the page list short. */
const pageRows = 64

export class GrowingRows {
  readonly codec: RowCodec
  readonly #pages: Uint8Array[] = []
  #count = 0

  constructor(codec: RowCodec) {
    this.codec = codec
  }

  get count(): number {
    return this.#count
  }

  /** Memory held, whole pages included. */
  get allocatedBytes(): number {
    return this.#pages.length * pageRows * this.codec.rowBytes
  }

  append(row: Float32Array, rowAt = 0): void {
    if (this.#count === this.#pages.length * pageRows) this.#pages.push(new Uint8Array(pageRows * this.codec.rowBytes))
    const page = this.#pages[this.#pages.length - 1]!
    this.codec.encode(row, rowAt, page, (this.#count % pageRows) * this.codec.rowBytes)
    this.#count++
  }

  /** Appends whole rows that are encoded already, as `toBytes` gives them: blocks that come back from a cache tier. */
  appendEncoded(bytes: Uint8Array): void {
    const { rowBytes } = this.codec
    if (bytes.length % rowBytes !== 0) {
      throw new ModelError('MODEL_STATE', `A block holds ${bytes.length} bytes of rows, not a multiple of ${rowBytes}.`)
    }
    for (let done = 0; done < bytes.length;) {
      const slot = this.#count % pageRows
      if (this.#count === this.#pages.length * pageRows) this.#pages.push(new Uint8Array(pageRows * rowBytes))
      const taken = Math.min((pageRows - slot) * rowBytes, bytes.length - done)
      this.#pages[this.#pages.length - 1]!.set(bytes.subarray(done, done + taken), slot * rowBytes)
      this.#count += taken / rowBytes
      done += taken
    }
  }

  read(index: number, out: Float32Array, outAt = 0): void {
    const page = this.#pages[Math.floor(index / pageRows)]
    if (page === undefined || index >= this.#count)
      throw new RangeError(`Cache row ${index} of ${this.#count} does not exist.`)
    this.codec.decode(page, (index % pageRows) * this.codec.rowBytes, out, outAt)
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.encodedRows(0, this.#count)
  }

  /** Rows `from` up to, not including, `to`, as they are stored: what a cache tier keeps of one block. */
  encodedRows(from: number, to: number): Uint8Array<ArrayBuffer> {
    if (from < 0 || from > to || to > this.#count)
      throw new RangeError(`Cache rows ${from} to ${to} of ${this.#count} do not exist.`)
    const { rowBytes } = this.codec
    const out = new Uint8Array((to - from) * rowBytes)
    for (let row = from; row < to;) {
      const slot = row % pageRows
      const taken = Math.min(pageRows - slot, to - row)
      const page = this.#pages[Math.floor(row / pageRows)]!
      out.set(page.subarray(slot * rowBytes, (slot + taken) * rowBytes), (row - from) * rowBytes)
      row += taken
    }
    return out
  }

  /** Replaces the content by `bytes` as written by `toBytes`. */
  restore(bytes: Uint8Array): void {
    this.#pages.length = 0
    this.#count = 0
    this.appendEncoded(bytes)
  }
}

/** The last `capacity` rows by position; slot = position mod capacity. */
export class RingRows {
  readonly codec: RowCodec
  readonly capacity: number
  readonly #bytes: Uint8Array<ArrayBuffer>

  constructor(codec: RowCodec, capacity: number) {
    this.codec = codec
    this.capacity = capacity
    this.#bytes = new Uint8Array(capacity * codec.rowBytes)
  }

  get allocatedBytes(): number {
    return this.#bytes.length
  }

  write(position: number, row: Float32Array, rowAt = 0): void {
    this.codec.encode(row, rowAt, this.#bytes, (position % this.capacity) * this.codec.rowBytes)
  }

  read(position: number, out: Float32Array, outAt = 0): void {
    this.codec.decode(this.#bytes, (position % this.capacity) * this.codec.rowBytes, out, outAt)
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice()
  }

  restore(bytes: Uint8Array): void {
    if (bytes.length !== this.#bytes.length) {
      throw new ModelError(
        'MODEL_STATE',
        `A snapshot holds ${bytes.length} window bytes; this model needs ${this.#bytes.length}.`,
      )
    }
    this.#bytes.set(bytes)
  }
}
