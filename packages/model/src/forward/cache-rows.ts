/**
 * The two shapes of cache memory: rows that only ever grow, and the ring of the last few tokens.
 *
 * Compressed rows never change once written, so they live in pages, and the first of them may lie in memory of
 * somebody else who keeps them for several caches (`share`). Both keep rows in any codec; a reader always gets f32.
 */
import { ModelError } from '../errors.ts'
import type { RowCodec } from './row-codec.ts'

/** Rows of one page: small enough that a short sequence wastes little, large enough to keep the page list short. */
const pageRows = 64

export class GrowingRows {
  readonly codec: RowCodec
  /** Rows that lie elsewhere come before all own ones. */
  readonly #parts: Uint8Array[] = []
  /** The row after each part's last. */
  readonly #partEnds: number[] = []
  /** The part that was read last: rows are mostly read in order. */
  #cursor = 0
  readonly #pages: Uint8Array[] = []
  #ownCount = 0

  constructor(codec: RowCodec) {
    this.codec = codec
  }

  get count(): number {
    return this.#sharedCount + this.#ownCount
  }

  /** Memory held, whole pages included; shared rows are their owner's. */
  get allocatedBytes(): number {
    return this.#pages.length * pageRows * this.codec.rowBytes
  }

  get #sharedCount(): number {
    return this.#partEnds.at(-1) ?? 0
  }

  append(row: Float32Array, rowAt = 0): void {
    const page = this.#pageFor()
    this.codec.encode(row, rowAt, page, (this.#ownCount % pageRows) * this.codec.rowBytes)
    this.#ownCount++
  }

  /** Appends whole rows that are encoded already, as `toBytes` gives them: blocks that come back from a cache tier. */
  appendEncoded(bytes: Uint8Array): void {
    const { rowBytes } = this.codec
    this.#rowsIn(bytes)
    for (let done = 0; done < bytes.length;) {
      const slot = this.#ownCount % pageRows
      const page = this.#pageFor()
      const taken = Math.min((pageRows - slot) * rowBytes, bytes.length - done)
      page.set(bytes.subarray(done, done + taken), slot * rowBytes)
      this.#ownCount += taken / rowBytes
      done += taken
    }
  }

  /**
   * Reads the next rows from `bytes`, where they lie and where nobody may change them. Own rows, if there are any,
   * must be these very rows, and are given up for them.
   */
  share(bytes: Uint8Array): void {
    const rows = this.#rowsIn(bytes)
    if (this.#ownCount !== 0 && this.#ownCount !== rows) {
      throw new ModelError('MODEL_STATE', `A block of ${rows} rows cannot stand for ${this.#ownCount} rows of its own.`)
    }
    this.#ownCount = 0
    if (rows === 0) return
    this.#partEnds.push(this.#sharedCount + rows)
    this.#parts.push(bytes)
  }

  read(index: number, out: Float32Array, outAt = 0): void {
    if (index < 0 || index >= this.count) throw new RangeError(`Cache row ${index} of ${this.count} does not exist.`)
    const { bytes, at } = this.#locate(index)
    this.codec.decode(bytes, at, out, outAt)
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.encodedRows(0, this.count)
  }

  /** Rows `from` up to, not including, `to`, as they are stored: what a cache tier keeps of one block. */
  encodedRows(from: number, to: number): Uint8Array<ArrayBuffer> {
    if (from < 0 || from > to || to > this.count)
      throw new RangeError(`Cache rows ${from} to ${to} of ${this.count} do not exist.`)
    const { rowBytes } = this.codec
    const out = new Uint8Array((to - from) * rowBytes)
    for (let row = from; row < to;) {
      const { bytes, at, following } = this.#locate(row)
      const taken = Math.min(following, to - row)
      out.set(bytes.subarray(at, at + taken * rowBytes), (row - from) * rowBytes)
      row += taken
    }
    return out
  }

  /** Replaces the content by `bytes` as written by `toBytes`; parts of a list are shared, not copied. */
  restore(bytes: Uint8Array | readonly Uint8Array[]): void {
    this.#pages.length = 0
    this.#parts.length = 0
    this.#partEnds.length = 0
    this.#ownCount = 0
    if (bytes instanceof Uint8Array) this.appendEncoded(bytes)
    else for (const part of bytes) this.share(part)
  }

  #rowsIn(bytes: Uint8Array): number {
    const { rowBytes } = this.codec
    if (bytes.length % rowBytes !== 0) {
      throw new ModelError('MODEL_STATE', `A block holds ${bytes.length} bytes of rows, not a multiple of ${rowBytes}.`)
    }
    return bytes.length / rowBytes
  }

  /** The page of the next own row. */
  #pageFor(): Uint8Array {
    const at = Math.floor(this.#ownCount / pageRows)
    return (this.#pages[at] ??= new Uint8Array(pageRows * this.codec.rowBytes))
  }

  /** Where a row lies, and how many rows follow it there, itself included. */
  #locate(index: number): { readonly bytes: Uint8Array; readonly at: number; readonly following: number } {
    const { rowBytes } = this.codec
    const own = index - this.#sharedCount
    if (own >= 0) {
      const slot = own % pageRows
      return { bytes: this.#pages[Math.floor(own / pageRows)]!, at: slot * rowBytes, following: pageRows - slot }
    }
    const part = this.#partOf(index)
    const start = part === 0 ? 0 : this.#partEnds[part - 1]!
    return {
      bytes: this.#parts[part]!,
      at: (index - start) * rowBytes,
      following: this.#partEnds[part]! - index,
    }
  }

  #partOf(index: number): number {
    const holds = (part: number): boolean =>
      index < (this.#partEnds[part] ?? 0) && (part === 0 || index >= this.#partEnds[part - 1]!)
    if (holds(this.#cursor)) return this.#cursor
    if (holds(this.#cursor + 1)) return ++this.#cursor
    let low = 0
    for (let high = this.#parts.length - 1; low < high;) {
      const middle = (low + high) >> 1
      if (index < this.#partEnds[middle]!) high = middle
      else low = middle + 1
    }
    this.#cursor = low
    return low
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
