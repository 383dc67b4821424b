/**
 * The prefix cache: how far a prompt is known already, from memory first and then from disk.
 *
 *   hit = floor(common prefix / 128) * 128, of a prefix that ends before the prompt's last token
 *
 * because the last token must be computed for its logits. Every block of a prefix that was kept with its tail is a
 * place where it can be taken up, so where all are, two prompts that part anywhere share all whole blocks before.
 * Where some are not, the last one before the end of what is known counts, and nothing that has to be computed again
 * is a hit. Counters are exact: `hitTokens + missTokens` is the sum of all prompts that were looked up.
 */
import { blockTokens, type BlockState, type KeptBlock } from '../forward.ts'
import type { BlockKey } from './block-keys.ts'
import type { DiskTier } from './disk-tier.ts'
import { MemoryTier } from './memory-tier.ts'

export interface PrefixCacheOptions {
  readonly memoryBytes: number
  readonly disk?: DiskTier | null
  /** For tests of the bookkeeping alone. */
  readonly blockTokens?: number
}

export interface FindOptions {
  /** The blocks stay in memory until they are released. Default: no. */
  readonly holds?: boolean
  /** No prompt has come, a job that was put down goes on: nothing to count. Default: no. */
  readonly isReturn?: boolean
}

export interface CacheHit {
  /** A multiple of 128 above 0: the prefix is taken up here. */
  readonly tokens: number
  readonly rows: readonly Uint8Array[]
  readonly tail: Uint8Array
}

export interface CacheCounters {
  readonly lookups: number
  readonly hitTokens: number
  readonly missTokens: number
  readonly blocksFromMemory: number
  readonly blocksFromDisk: number
  readonly blocksStored: number
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  /** Of the bytes in memory, what running sequences read. */
  readonly heldBytes: number
  readonly memoryBlocks: number
  readonly memoryEvicted: number
  readonly diskBytes: number
  /** 0 without a disk. */
  readonly diskLimitBytes: number
  readonly diskBlocks: number
  readonly diskEvicted: number
  readonly diskDamaged: number
}

export class PrefixCache {
  readonly #memory: MemoryTier
  readonly #disk: DiskTier | null
  readonly #size: number
  #lookups = 0
  #hitTokens = 0
  #missTokens = 0
  #fromMemory = 0
  #fromDisk = 0
  #stored = 0

  constructor(options: PrefixCacheOptions) {
    this.#memory = new MemoryTier(options.memoryBytes)
    this.#disk = options.disk ?? null
    this.#size = options.blockTokens ?? blockTokens
  }

  get counters(): CacheCounters {
    return {
      lookups: this.#lookups,
      hitTokens: this.#hitTokens,
      missTokens: this.#missTokens,
      blocksFromMemory: this.#fromMemory,
      blocksFromDisk: this.#fromDisk,
      blocksStored: this.#stored,
      memoryBytes: this.#memory.bytes,
      memoryLimitBytes: this.#memory.limitBytes,
      heldBytes: this.#memory.heldBytes,
      memoryBlocks: this.#memory.blocks,
      memoryEvicted: this.#memory.evicted,
      diskBytes: this.#disk?.bytes ?? 0,
      diskLimitBytes: this.#disk?.limitBytes ?? 0,
      diskBlocks: this.#disk?.blocks ?? 0,
      diskEvicted: this.#disk?.evicted ?? 0,
      diskDamaged: this.#disk?.damaged ?? 0,
    }
  }

  /**
   * The longest known prefix of a prompt of `promptTokens` tokens, `keys` being those of its whole blocks. Null
   * when not even the first block is known.
   */
  find(keys: readonly BlockKey[], promptTokens: number, options: FindOptions = {}): CacheHit | null {
    const { holds = false, isReturn = false } = options
    const blocks = this.#takeUp(keys, this.known(keys, promptTokens), holds)
    const tokens = blocks.length * this.#size
    if (!isReturn) {
      this.#lookups++
      this.#hitTokens += tokens
      this.#missTokens += promptTokens - tokens
    }
    const last = blocks.at(-1)
    if (last === undefined) return null
    this.#memory.touch(keys[blocks.length - 1]!)
    return { tokens, rows: blocks.map((block) => block.rows), tail: last.tail! }
  }

  /** How many blocks of a prompt are known, with or without their tails, before its last token. */
  known(keys: readonly BlockKey[], promptTokens: number): number {
    const usable = Math.min(keys.length, Math.floor(Math.max(0, promptTokens - 1) / this.#size))
    let at = 0
    while (at < usable && (this.#memory.has(keys[at]!) || this.#disk?.has(keys[at]!) === true)) at++
    return at
  }

  /** Bytes of blocks that running sequences read. */
  get heldBytes(): number {
    return this.#memory.heldBytes
  }

  /** Takes back what `find` counted, when the blocks turned out to be of no use. */
  discount(hitTokens: number): void {
    this.#hitTokens -= hitTokens
    this.#missTokens += hitTokens
  }

  /** Takes back a look-up altogether: the prompt could not be begun and will come again. */
  forget(hitTokens: number, promptTokens: number): void {
    this.#lookups--
    this.#hitTokens -= hitTokens
    this.#missTokens -= promptTokens - hitTokens
  }

  /** Is this block kept wherever it should be? */
  has(key: BlockKey): boolean {
    return this.#memory.has(key) && (this.#disk === null || this.#disk.has(key))
  }

  /** Can a prefix be taken up at the end of this block? */
  hasTail(key: BlockKey): boolean {
    return this.#memory.get(key)?.tail != null || this.#disk?.hasTail(key) === true
  }

  /** A block that lies in memory; looking is not using it. */
  inMemory(key: BlockKey): KeptBlock | null {
    return this.#memory.get(key)
  }

  /** Keeps block `at` of a prefix, or the tail of one that is kept without. */
  store(keys: readonly BlockKey[], at: number, block: KeptBlock): void {
    const key = keys[at]!
    if (!this.has(key)) {
      this.#stored++
      this.#memory.add(key, parentOf(keys, at), block)
    } else if (block.tail === null || this.hasTail(key)) return
    if (block.tail !== null) this.#memory.complete(key, block.tail)
    this.#disk?.put(key, block)
  }

  /** Block `at` for a sequence that holds all before it: known already, or captured from the sequence now. */
  hold(keys: readonly BlockKey[], at: number, capture: () => BlockState): KeptBlock {
    const key = keys[at]!
    if (!this.has(key)) this.#stored++
    const block = this.#memory.hold(key, parentOf(keys, at), this.#memory.get(key) ?? capture())
    this.#disk?.put(key, block)
    return block
  }

  /** A sequence no longer reads the first `blocks` blocks. */
  release(keys: readonly BlockKey[], blocks: number): void {
    this.#memory.release(keys.slice(0, blocks))
  }

  /** The blocks up to the last of the first `known` that has its tail, and whatever of them can really be read. */
  #takeUp(keys: readonly BlockKey[], known: number, holds: boolean): KeptBlock[] {
    const blocks: KeptBlock[] = []
    for (let end = known; ;) {
      while (end > 0 && !this.hasTail(keys[end - 1]!)) end--
      if (holds) this.#memory.release(keys.slice(end, blocks.length))
      blocks.splice(end)
      while (blocks.length < end) {
        const block = this.#load(keys, blocks.length, holds, blocks.length === end - 1)
        if (block === null) break
        blocks.push(block)
      }
      if (blocks.length === end) return blocks
      // What could not be read is known no longer.
      end = blocks.length
    }
  }

  #load(keys: readonly BlockKey[], at: number, holds: boolean, needsTail: boolean): KeptBlock | null {
    const key = keys[at]!
    const kept = this.#memory.get(key)
    if (kept !== null && (kept.tail !== null || !needsTail)) {
      this.#fromMemory++
      if (holds) this.#memory.hold(key, parentOf(keys, at), kept)
      // What is still asked for outlives the segment it was written to.
      this.#disk?.put(key, kept)
      return kept
    }
    const read = this.#disk?.get(key) ?? null
    if (read === null || (needsTail && read.tail === null)) return null
    this.#fromDisk++
    if (read.tail !== null) this.#memory.complete(key, read.tail)
    if (holds) this.#memory.hold(key, parentOf(keys, at), read)
    else this.#memory.add(key, parentOf(keys, at), read)
    return this.#memory.get(key) ?? read
  }
}

function parentOf(keys: readonly BlockKey[], at: number): BlockKey | null {
  return at === 0 ? null : keys[at - 1]!
}
