/**
 * The prefix cache: how far a prompt is known already, from memory first and then from disk.
 *
 *   hit = floor(common prefix / 128) * 128, of a prefix that ends before the prompt's last token
 *
 * because the last token must be computed for its logits. Every block of a prefix is a place where it can be
 * taken up, so two prompts that part anywhere share all whole blocks before. Counters are exact: `hitTokens +
 * missTokens` is the sum of all prompts that were looked up.
 */
import { blockTokens, type BlockState } from '../forward.ts'
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
    const usable = Math.min(keys.length, Math.floor(Math.max(0, promptTokens - 1) / this.#size))
    const blocks: BlockState[] = []
    for (let at = 0; at < usable; at++) {
      const block = this.#load(keys, at, holds)
      if (block === null) break
      blocks.push(block)
    }
    const tokens = blocks.length * this.#size
    if (!isReturn) {
      this.#lookups++
      this.#hitTokens += tokens
      this.#missTokens += promptTokens - tokens
    }
    const last = blocks.at(-1)
    if (last === undefined) return null
    this.#memory.touch(keys[blocks.length - 1]!)
    return { tokens, rows: blocks.map((block) => block.rows), tail: last.tail }
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

  /** A block that lies in memory; looking is not using it. */
  inMemory(key: BlockKey): BlockState | null {
    return this.#memory.get(key)
  }

  /** Keeps block `at` of a prefix. */
  store(keys: readonly BlockKey[], at: number, block: BlockState): void {
    if (this.has(keys[at]!)) return
    this.#stored++
    this.#memory.add(keys[at]!, parentOf(keys, at), block)
    this.#disk?.put(keys[at]!, block)
  }

  /** Block `at` for a sequence that holds all before it: known already, or captured from the sequence now. */
  hold(keys: readonly BlockKey[], at: number, capture: () => BlockState): BlockState {
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

  #load(keys: readonly BlockKey[], at: number, holds: boolean): BlockState | null {
    const key = keys[at]!
    const kept = this.#memory.get(key)
    if (kept !== null) {
      this.#fromMemory++
      if (holds) this.#memory.hold(key, parentOf(keys, at), kept)
      // What is still asked for outlives the segment it was written to.
      this.#disk?.put(key, kept)
      return kept
    }
    const read = this.#disk?.get(key) ?? null
    if (read === null) return null
    this.#fromDisk++
    if (holds) this.#memory.hold(key, parentOf(keys, at), read)
    else this.#memory.add(key, parentOf(keys, at), read)
    return read
  }
}

function parentOf(keys: readonly BlockKey[], at: number): BlockKey | null {
  return at === 0 ? null : keys[at - 1]!
}
