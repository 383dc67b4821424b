/**
 * How one sequence lies in the kernels' memory, and how its state is cut into blocks.
 *
 *   fixed    per layer: window ring | open group | open group of the indexer
 *   blocks   of 128 tokens each, per layer: compressed rows | index rows, that these tokens complete
 *
 * A block's bytes are those of `ReferenceForward`: per layer in order, the rows that its tokens completed (`rows`);
 * the window and what is open at its end (`tail`), without the slots that will be overwritten before they are read.
 * Blocks can be shared with other sequences (`BlockMemory`); the fixed part never is.
 */
import { SequenceState, type ModelConfig, type NumericMode, type RowStorage } from '@portolan/model'
import { EngineError } from '../errors.ts'
import { blockTokens, type BlockState, type ForwardSequence } from '../forward.ts'
import type { BlockMemory, HeldBlock } from './block-memory.ts'
import type { PageMemory } from './page-memory.ts'

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
  /** Where its rows begin within a block. */
  readonly blockAt: number
  /** Rows of every block; null where blocks have different numbers of them. */
  readonly blockRows: number | null
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
  /** Rows of one block, of all kinds. */
  readonly blockBytes: number
  /** Of how many blocks one keeps its tail. */
  readonly tailEvery: number
}

/** Tails up to this are kept with every block: hits are worth more than so little memory. */
const smallTailBytes = 2 ** 20

export function layoutOf(config: ModelConfig, storage: RowStorage, mode: NumericMode): SequenceLayout {
  const { headDim, ropeDim, windowTokens } = config.attention
  const isPacked = storage === 'packed'
  const rowBytes = isPacked ? Math.ceil((headDim + ropeDim + Math.ceil((headDim - ropeDim) / 64)) / 8) * 8 : headDim * 4
  const { dim } = config.indexer
  const indexBytes = mode.indexVectors ? dim / 2 + dim / 32 : dim * 4
  const kinds: RowKind[] = []
  let fixedBytes = 0
  let blockBytes = 0
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
        blockAt: blockBytes,
        blockRows: blockTokens % ratio === 0 ? blockTokens / ratio : null,
      }
      kinds.push(kind)
      blockBytes += Math.ceil((Math.ceil(blockTokens / ratio) * bytes) / 8) * 8
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
  return {
    name,
    isPacked,
    rowBytes,
    windowTokens,
    layers,
    kinds,
    fixedBytes,
    blockBytes,
    tailEvery: tailEveryOf(layers, kinds, blockBytes),
  }
}

/** As often as tails cost no more than rows. */
function tailEveryOf(layers: readonly LayerLayout[], kinds: readonly RowKind[], blockBytes: number): number {
  const tailBytes =
    layers.reduce((sum, { windowBytes }) => sum + windowBytes, 0) +
    kinds.reduce((sum, { openNumbers, voidNumbers }) => sum + (openNumbers - voidNumbers) * 4, 0)
  return tailBytes <= smallTailBytes ? 1 : Math.ceil(tailBytes / Math.max(1, blockBytes))
}

export class KernelSequence implements ForwardSequence {
  readonly layout: SequenceLayout
  /** Address of the fixed part; 0 once the memory was given back. */
  fixedAt: number
  /** Rows by block; the last one may be in the making. */
  readonly blocks: HeldBlock[] = []
  position = 0
  readonly #memory: PageMemory
  readonly #blockMemory: BlockMemory
  readonly #memoryBytes: Uint8Array

  /** A clean sequence. `bytes` is the whole memory in which the others lend. */
  constructor(layout: SequenceLayout, memory: PageMemory, blockMemory: BlockMemory, bytes: Uint8Array) {
    this.layout = layout
    this.#memory = memory
    this.#blockMemory = blockMemory
    this.#memoryBytes = bytes
    this.fixedAt = memory.take(layout.fixedBytes)
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

  /** A row lies in the block that its last token belongs to. */
  rowAddress({ ratio, rowBytes, blockAt }: RowKind, row: number): number {
    const block = Math.floor(((row + 1) * ratio - 1) / blockTokens)
    return this.blocks[block]!.at + blockAt + (row - firstRowOf(ratio, block)) * rowBytes
  }

  /** Addresses of the first `count` rows, into `out` from `at`; returns what follows them. */
  listRows({ ratio, rowBytes, blockAt }: RowKind, count: number, out: Int32Array, at: number): number {
    let next = at
    for (let block = 0, row = 0; row < count; block++) {
      const end = Math.min(count, firstRowOf(ratio, block + 1))
      for (let address = this.blocks[block]!.at + blockAt; row < end; row++, address += rowBytes) out[next++] = address
    }
    return next
  }

  /** Memory that it shares with nobody. */
  get ownBytes(): number {
    if (this.fixedAt === 0) return 0
    const { fixedBytes, blockBytes } = this.layout
    return this.blocks.reduce((sum, { isShared }) => sum + (isShared ? 0 : blockBytes), fixedBytes)
  }

  /** Takes the blocks of `tokens` tokens. */
  reserve(tokens: number): void {
    if (this.fixedAt === 0) throw new EngineError('ENGINE_FAILED', 'This sequence was given back.')
    while (this.blocks.length * blockTokens < tokens) this.blocks.push(this.#blockMemory.take())
  }

  /** Gives the memory back; the sequence is of no use afterwards. */
  release(): void {
    if (this.fixedAt === 0) return
    this.#memory.give(this.fixedAt, this.layout.fixedBytes)
    this.fixedAt = 0
    for (const block of this.blocks.splice(0)) this.#blockMemory.give(block)
  }

  capture(): BlockState {
    const end = this.position
    if (end === 0 || end % blockTokens !== 0) throw new RangeError(`No block ends at token ${end}.`)
    const tail: Uint8Array[] = []
    for (const { windowAt, windowBytes, compressed, index } of this.layout.layers) {
      tail.push(this.#memoryBytes.subarray(this.fixedAt + windowAt, this.fixedAt + windowAt + windowBytes))
      for (const kind of [compressed, index]) {
        if (kind === null) continue
        const openAt = this.fixedAt + kind.openAt
        tail.push(this.#memoryBytes.subarray(openAt + kind.voidNumbers * 4, openAt + kind.openNumbers * 4))
      }
    }
    const rows = this.#rowsOf(end / blockTokens - 1)
    return { rows: Uint8Array.from(Buffer.concat(rows)), tail: Uint8Array.from(Buffer.concat(tail)) }
  }

  /** The newest block is the one that `rows` holds: it is read with others, or by others from now on. */
  share(rows: Uint8Array): void {
    const at = this.position / blockTokens - 1
    const own = this.blocks[at]!
    const shared = own.isShared ? null : this.#blockMemory.join(rows)
    if (shared === null) this.#blockMemory.publish(rows, own)
    else {
      this.blocks[at] = shared
      this.#blockMemory.give(own)
    }
  }

  /** Fills a clean sequence with blocks, those that others read already by reading them too. */
  restore(blocks: readonly Uint8Array[], tail: Uint8Array): void {
    for (const [at, rows] of blocks.entries()) {
      const shared = this.#blockMemory.join(rows)
      this.blocks.push(shared ?? this.#blockMemory.take())
      if (shared !== null) continue
      const reader = new Reader(rows)
      for (const part of this.#rowsOf(at)) part.set(reader.take(part.length))
      reader.end()
      this.#blockMemory.publish(rows, this.blocks[at]!)
    }
    const reader = new Reader(tail)
    for (const { windowAt, windowBytes, compressed, index } of this.layout.layers) {
      this.#memoryBytes.set(reader.take(windowBytes), this.fixedAt + windowAt)
      for (const kind of [compressed, index]) {
        if (kind === null) continue
        const kept = reader.take((kind.openNumbers - kind.voidNumbers) * 4)
        this.#memoryBytes.set(kept, this.fixedAt + kind.openAt + kind.voidNumbers * 4)
      }
    }
    reader.end()
    this.position = blocks.length * blockTokens
  }

  /** The rows of one block, a part for each kind. */
  #rowsOf(block: number): Uint8Array[] {
    const { at } = this.blocks[block]!
    return this.layout.kinds.map(({ ratio, rowBytes, blockAt }) => {
      const rows = firstRowOf(ratio, block + 1) - firstRowOf(ratio, block)
      return this.#memoryBytes.subarray(at + blockAt, at + blockAt + rows * rowBytes)
    })
  }
}

/** The first row that is completed in a block, or after it where none is. */
function firstRowOf(ratio: number, block: number): number {
  return Math.floor((block * blockTokens) / ratio)
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
