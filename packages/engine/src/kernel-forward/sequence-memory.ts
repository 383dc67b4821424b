/**
 * How one sequence lies in the kernels' memory, and how its state is cut into blocks.
 *
 *   fixed   per layer: window ring | open group | open group of the indexer
 *   pages   of 64 rows each, per layer: compressed rows, index rows
 *
 * A block's bytes are those of `ReferenceForward`: per layer in order, the rows that its tokens completed (`rows`);
 * the window and what is open at its end (`tail`), without the slots that will be overwritten before they are read.
 */
import { SequenceState, type ModelConfig, type NumericMode, type RowStorage } from '@portolan/model'
import { EngineError } from '../errors.ts'
import { blockTokens, type BlockState, type ForwardSequence } from '../forward.ts'
import type { PageMemory } from './page-memory.ts'

/** Rows of a page, a multiple of the 16 that the indexer takes at once. */
export const pageRows = 64

/** Rows of one kind in one layer: pooled from groups of tokens and kept for good. */
export interface RowKind {
  /** Rows that the indexer scores, and not those that are attended. */
  readonly isIndex: boolean
  readonly ratio: number
  readonly overlaps: boolean
  readonly rowDims: number
  readonly rowBytes: number
  readonly isPacked: boolean
  /** Of the open group, in the fixed part; numbers in all, and those at its beginning that are void at a block's end. */
  readonly openAt: number
  readonly openNumbers: number
  readonly voidNumbers: number
  /** Which of a sequence's page lists. */
  readonly listAt: number
}

export interface LayerLayout {
  readonly windowAt: number
  readonly windowBytes: number
  readonly compressed: RowKind | null
  readonly index: RowKind | null
}

export interface SequenceLayout {
  readonly name: string
  readonly isPacked: boolean
  readonly rowBytes: number
  readonly windowTokens: number
  readonly layers: readonly LayerLayout[]
  readonly kinds: readonly RowKind[]
  readonly fixedBytes: number
}

export function layoutOf(config: ModelConfig, storage: RowStorage, mode: NumericMode): SequenceLayout {
  const { headDim, ropeDim, windowTokens } = config.attention
  const isPacked = storage === 'packed'
  const rowBytes = isPacked ? Math.ceil((headDim + ropeDim + Math.ceil((headDim - ropeDim) / 64)) / 8) * 8 : headDim * 4
  const { dim } = config.indexer
  const indexBytes = mode.indexVectors ? dim / 2 + dim / 32 : dim * 4
  const kinds: RowKind[] = []
  let fixedBytes = 0
  const place = (bytes: number): number => {
    const at = fixedBytes
    fixedBytes += Math.ceil(bytes / 64) * 64
    return at
  }
  const layers = config.layers.map(({ compressor, selectionOwner }): LayerLayout => {
    const windowBytes = windowTokens * rowBytes
    const windowAt = place(windowBytes)
    if (compressor === null) return { windowAt, windowBytes, compressed: null, index: null }
    const { ratio, overlaps } = compressor
    const kindOf = (isIndex: boolean, rowDims: number, bytes: number, packed: boolean): RowKind => {
      const own = 2 * ratio * (overlaps ? 2 : 1) * rowDims
      const openNumbers = own + (overlaps ? 2 * ratio * rowDims : 0)
      const kind = {
        isIndex,
        ratio,
        overlaps,
        rowDims,
        rowBytes: bytes,
        isPacked: packed,
        openAt: place(openNumbers * 4),
        openNumbers,
        voidNumbers: blockTokens % ratio === 0 ? own : 0,
        listAt: kinds.length,
      }
      kinds.push(kind)
      return kind
    }
    const compressed = kindOf(false, headDim, rowBytes, isPacked)
    return {
      windowAt,
      windowBytes,
      compressed,
      index: selectionOwner === null ? null : kindOf(true, dim, indexBytes, mode.indexVectors),
    }
  })
  const name = `${new SequenceState(config, storage).layout} ${indexBytes}`
  return { name, isPacked, rowBytes, windowTokens, layers, kinds, fixedBytes }
}

export class KernelSequence implements ForwardSequence {
  readonly layout: SequenceLayout
  /** Address of the fixed part; 0 once the memory was given back. */
  fixedAt: number
  /** Addresses of pages by `listAt`. */
  readonly pages: readonly number[][]
  position = 0
  readonly #memory: PageMemory
  readonly #memoryBytes: Uint8Array

  /** A clean sequence. `bytes` is the whole memory in which `memory` lends. */
  constructor(layout: SequenceLayout, memory: PageMemory, bytes: Uint8Array) {
    this.layout = layout
    this.#memory = memory
    this.#memoryBytes = bytes
    this.fixedAt = memory.take(layout.fixedBytes)
    this.pages = layout.kinds.map(() => [])
    bytes.fill(0, this.fixedAt, this.fixedAt + layout.fixedBytes)
    for (const kind of layout.kinds) {
      const { ratio, overlaps, rowDims } = kind
      const width = overlaps ? 2 * rowDims : rowDims
      const open = this.open(kind)
      open.fill(-Infinity, ratio * width, 2 * ratio * width)
      if (overlaps) open.fill(-Infinity, 2 * ratio * width + ratio * rowDims)
    }
  }

  /** Numbers of an open group, in place. */
  open({ openAt, openNumbers }: RowKind): Float32Array {
    return new Float32Array(this.#memoryBytes.buffer, this.fixedAt + openAt, openNumbers)
  }

  rowAddress(kind: RowKind, row: number): number {
    return this.pages[kind.listAt]![Math.floor(row / pageRows)]! + (row % pageRows) * kind.rowBytes
  }

  /** Memory that it holds. */
  get bytes(): number {
    if (this.fixedAt === 0) return 0
    return this.layout.kinds.reduce(
      (sum, { rowBytes, listAt }) => sum + this.pages[listAt]!.length * pageRows * rowBytes,
      this.layout.fixedBytes,
    )
  }

  /** Takes the pages of every row that exists once `tokens` tokens are known. */
  reserve(tokens: number): void {
    if (this.fixedAt === 0) throw new EngineError('ENGINE_FAILED', 'This sequence was given back.')
    for (const { ratio, rowBytes, listAt } of this.layout.kinds) {
      const pages = this.pages[listAt]!
      const wanted = Math.ceil(Math.floor(tokens / ratio) / pageRows)
      while (pages.length < wanted) pages.push(this.#memory.take(pageRows * rowBytes))
    }
  }

  /** Gives the memory back; the sequence is of no use afterwards. */
  release(): void {
    if (this.fixedAt === 0) return
    this.#memory.give(this.fixedAt, this.layout.fixedBytes)
    this.fixedAt = 0
    for (const { rowBytes, listAt } of this.layout.kinds) {
      for (const page of this.pages[listAt]!.splice(0)) this.#memory.give(page, pageRows * rowBytes)
    }
  }

  capture(): BlockState {
    const end = this.position
    if (end === 0 || end % blockTokens !== 0) throw new RangeError(`No block ends at token ${end}.`)
    const rows: Uint8Array[] = []
    const tail: Uint8Array[] = []
    for (const { windowAt, windowBytes, compressed, index } of this.layout.layers) {
      tail.push(this.#memoryBytes.subarray(this.fixedAt + windowAt, this.fixedAt + windowAt + windowBytes))
      for (const kind of [compressed, index]) {
        if (kind === null) continue
        const [from, to] = rowsOfBlock(kind.ratio, end)
        for (const [at, bytes] of this.#runs(kind, from, to)) rows.push(this.#memoryBytes.subarray(at, at + bytes))
        const openAt = this.fixedAt + kind.openAt
        tail.push(this.#memoryBytes.subarray(openAt + kind.voidNumbers * 4, openAt + kind.openNumbers * 4))
      }
    }
    return { rows: Uint8Array.from(Buffer.concat(rows)), tail: Uint8Array.from(Buffer.concat(tail)) }
  }

  /** Fills a clean sequence with blocks. */
  restore(blocks: readonly Uint8Array[], tail: Uint8Array): void {
    const position = blocks.length * blockTokens
    this.reserve(position)
    const readers = blocks.map((block) => new Reader(block))
    const tailReader = new Reader(tail)
    for (const { windowAt, windowBytes, compressed, index } of this.layout.layers) {
      this.#memoryBytes.set(tailReader.take(windowBytes), this.fixedAt + windowAt)
      for (const kind of [compressed, index]) {
        if (kind === null) continue
        for (const [at, reader] of readers.entries()) {
          const [from, to] = rowsOfBlock(kind.ratio, (at + 1) * blockTokens)
          for (const [place, bytes] of this.#runs(kind, from, to)) this.#memoryBytes.set(reader.take(bytes), place)
        }
        const kept = tailReader.take((kind.openNumbers - kind.voidNumbers) * 4)
        this.#memoryBytes.set(kept, this.fixedAt + kind.openAt + kind.voidNumbers * 4)
      }
    }
    for (const reader of [tailReader, ...readers]) reader.end()
    this.position = position
  }

  /** Where rows lie: address and length of each run within one page. */
  *#runs(kind: RowKind, from: number, to: number): Iterable<readonly [at: number, bytes: number]> {
    for (let row = from; row < to;) {
      const taken = Math.min(pageRows - (row % pageRows), to - row)
      yield [this.rowAddress(kind, row), taken * kind.rowBytes]
      row += taken
    }
  }
}

/** Rows that the block ending at `end` completed. */
function rowsOfBlock(ratio: number, end: number): readonly [from: number, to: number] {
  return [Math.floor((end - blockTokens) / ratio), Math.floor(end / ratio)]
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw misfit()
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw misfit()
  }
}

function misfit(): EngineError {
  return new EngineError('ENGINE_FAILED', 'Cached state does not have the size that this model needs.')
}
