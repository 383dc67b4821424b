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
  readonly memoryBlocks: number
  readonly memoryEvicted: number
  readonly diskBytes: number
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
      memoryBlocks: this.#memory.blocks,
      memoryEvicted: this.#memory.evicted,
      diskBytes: this.#disk?.bytes ?? 0,
      diskBlocks: this.#disk?.blocks ?? 0,
      diskEvicted: this.#disk?.evicted ?? 0,
      diskDamaged: this.#disk?.damaged ?? 0,
    }
  }

  /**
   * The longest known prefix of a prompt of `promptTokens` tokens, `keys` being those of its whole blocks. Null
   * when not even the first block is known.
   */
  find(keys: readonly BlockKey[], promptTokens: number): CacheHit | null {
    const usable = Math.min(keys.length, Math.floor(Math.max(0, promptTokens - 1) / this.#size))
    const blocks: BlockState[] = []
    for (let at = 0; at < usable; at++) {
      const block = this.#load(keys, at)
      if (block === null) break
      blocks.push(block)
    }
    const tokens = blocks.length * this.#size
    this.#lookups++
    this.#hitTokens += tokens
    this.#missTokens += promptTokens - tokens
    const last = blocks.at(-1)
    if (last === undefined) return null
    this.#memory.touch(keys[blocks.length - 1]!)
    return { tokens, rows: blocks.map((block) => block.rows), tail: last.tail }
  }

  /** Takes back what `find` counted, when the blocks turned out to be of no use. */
  discount(hitTokens: number): void {
    this.#hitTokens -= hitTokens
    this.#missTokens += hitTokens
  }

  /** Is this block kept wherever it should be? */
  has(key: BlockKey): boolean {
    return this.#memory.has(key) && (this.#disk === null || this.#disk.has(key))
  }

  /** Keeps block `at` of a prefix. */
  store(keys: readonly BlockKey[], at: number, block: BlockState): void {
    if (this.has(keys[at]!)) return
    this.#stored++
    this.#memory.add(keys[at]!, at === 0 ? null : keys[at - 1]!, block)
    this.#disk?.put(keys[at]!, block)
  }

  #load(keys: readonly BlockKey[], at: number): BlockState | null {
    const key = keys[at]!
    const kept = this.#memory.get(key)
    if (kept !== null) {
      this.#fromMemory++
      // What is still asked for outlives the segment it was written to.
      this.#disk?.put(key, kept)
      return kept
    }
    const read = this.#disk?.get(key) ?? null
    if (read === null) return null
    this.#fromDisk++
    this.#memory.add(key, at === 0 ? null : keys[at - 1]!, read)
    return read
  }
}
