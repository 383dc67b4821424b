/**
 * Blocks in memory, each once, however many sequences read it. The least recently used leave first, by bytes.
 *
 * A block that a sequence reads is *held*: it is counted, but it cannot leave, for its memory would not come free.
 * Who holds a block holds all before it. A block is never older than a block that continues it: using or adding
 * one also uses all before it. So what leaves is always the end of some prefix, and what stays can always be
 * reached from its beginning. The limit is kept except for what is held.
 */
import type { KeptBlock } from '../forward.ts'
import type { BlockKey } from './block-keys.ts'

interface Entry {
  block: KeptBlock
  readonly parent: BlockKey | null
  holders: number
}

export class MemoryTier {
  readonly limitBytes: number
  /** Held by nobody; least recently used first. */
  readonly #free = new Map<BlockKey, Entry>()
  readonly #held = new Map<BlockKey, Entry>()
  #freeBytes = 0
  #heldBytes = 0
  #evicted = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#freeBytes + this.#heldBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  get blocks(): number {
    return this.#free.size + this.#held.size
  }

  get evicted(): number {
    return this.#evicted
  }

  has(key: BlockKey): boolean {
    return this.#free.has(key) || this.#held.has(key)
  }

  get(key: BlockKey): KeptBlock | null {
    return (this.#free.get(key) ?? this.#held.get(key))?.block ?? null
  }

  /** Marks a block and all before it as just used. */
  touch(key: BlockKey): void {
    for (let at: BlockKey | null = key; at !== null;) {
      const entry = this.#free.get(at)
      // What is not here, or held, has nothing but the same before it.
      if (entry === undefined) return
      this.#free.delete(at)
      this.#free.set(at, entry)
      at = entry.parent
    }
  }

  /** `parent` null: the first of a prefix. A block whose predecessor is not here would be out of reach. */
  add(key: BlockKey, parent: BlockKey | null, block: KeptBlock): void {
    const bytes = sizeOf(block)
    if (this.has(key) || bytes > this.limitBytes) return
    if (parent !== null && !this.has(parent)) return
    this.#free.set(key, { block, parent, holders: 0 })
    this.#freeBytes += bytes
    this.touch(key)
    this.#makeRoom()
  }

  /** Gives a block that is here without its tail the tail. */
  complete(key: BlockKey, tail: Uint8Array): void {
    const entry = this.#free.get(key) ?? this.#held.get(key)
    if (entry === undefined || entry.block.tail !== null) return
    entry.block = { rows: entry.block.rows, tail }
    if (entry.holders > 0) this.#heldBytes += tail.length
    else this.#freeBytes += tail.length
    this.touch(key)
    this.#makeRoom()
  }

  /** Keeps a block for a sequence that holds all before it; `block` is taken where none is here, whatever the limit. */
  hold(key: BlockKey, parent: BlockKey | null, block: KeptBlock): KeptBlock {
    const entry = this.#free.get(key) ?? this.#held.get(key) ?? { block, parent, holders: 0 }
    if (entry.holders++ === 0) {
      const bytes = sizeOf(entry.block)
      if (this.#free.delete(key)) this.#freeBytes -= bytes
      this.#held.set(key, entry)
      this.#heldBytes += bytes
      this.#makeRoom()
    }
    return entry.block
  }

  /** A sequence no longer reads these blocks, the first of a prefix. */
  release(keys: readonly BlockKey[]): void {
    // The last one first, so that none is older than a block that continues it.
    for (const key of keys.toReversed()) {
      const entry = this.#held.get(key)!
      if (--entry.holders > 0) continue
      const bytes = sizeOf(entry.block)
      this.#held.delete(key)
      this.#heldBytes -= bytes
      this.#free.set(key, entry)
      this.#freeBytes += bytes
    }
    this.#makeRoom()
  }

  #makeRoom(): void {
    while (this.bytes > this.limitBytes && this.#free.size > 0) {
      const [oldest, entry] = this.#free.entries().next().value!
      this.#free.delete(oldest)
      this.#freeBytes -= sizeOf(entry.block)
      this.#evicted++
    }
  }
}

function sizeOf({ rows, tail }: KeptBlock): number {
  return rows.length + (tail?.length ?? 0)
}
