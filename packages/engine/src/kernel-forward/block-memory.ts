/**
 * Rows of blocks in the kernels' memory, each block one piece: taken by the sequence that computes it, then read by
 * all who have the same block.
 *
 * A block is known by the array in which the cache keeps its rows: equal arrays, equal bytes. Nobody writes to a
 * shared block, because a sequence writes rows of its newest block only, and shares whole ones.
 */
import type { PageMemory } from './page-memory.ts'

export interface HeldBlock {
  readonly at: number
  readers: number
  isShared: boolean
}

export class BlockMemory {
  readonly #memory: PageMemory
  readonly #blockBytes: number
  /** Weak, so that it keeps no rows of the cache alive. A block without readers is gone, whoever may still find it. */
  readonly #byRows = new WeakMap<Uint8Array, HeldBlock>()
  #sharedBlocks = 0

  constructor(memory: PageMemory, blockBytes: number) {
    this.#memory = memory
    this.#blockBytes = blockBytes
  }

  /** Bytes of shared blocks, each counted once. */
  get sharedBytes(): number {
    return this.#sharedBlocks * this.#blockBytes
  }

  /** A block of one's own, to be written. */
  take(): HeldBlock {
    return { at: this.#memory.take(this.#blockBytes), readers: 1, isShared: false }
  }

  /** One reader less. */
  give(block: HeldBlock): void {
    if (--block.readers > 0) return
    this.#memory.give(block.at, this.#blockBytes)
    if (block.isShared) this.#sharedBlocks--
  }

  /** The block of these rows, for one reader more; null: nobody reads it. */
  join(rows: Uint8Array): HeldBlock | null {
    const block = this.#byRows.get(rows)
    if (block === undefined || block.readers === 0) return null
    block.readers++
    return block
  }

  /** From now on others may read it. */
  publish(rows: Uint8Array, block: HeldBlock): void {
    if (block.isShared) return
    block.isShared = true
    this.#sharedBlocks++
    this.#byRows.set(rows, block)
  }
}
