/**
 * Blocks in memory, the least recently used of which leave first, by bytes.
 *
 * A block is never older than a block that continues it: using or adding one also uses all before it. So what
 * leaves is always the end of some prefix, and what stays can always be reached from its beginning.
 */
import type { BlockState } from '../forward.ts'
import type { BlockKey } from './block-keys.ts'

interface Entry {
  readonly block: BlockState
  readonly parent: BlockKey | null
}

export class MemoryTier {
  readonly #limitBytes: number
  /** Least recently used first. */
  readonly #entries = new Map<BlockKey, Entry>()
  #bytes = 0
  #evicted = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get blocks(): number {
    return this.#entries.size
  }

  get evicted(): number {
    return this.#evicted
  }

  has(key: BlockKey): boolean {
    return this.#entries.has(key)
  }

  get(key: BlockKey): BlockState | null {
    return this.#entries.get(key)?.block ?? null
  }

  /** Marks a block and all before it as just used. */
  touch(key: BlockKey): void {
    for (let at: BlockKey | null = key; at !== null;) {
      const entry = this.#entries.get(at)
      if (entry === undefined) return
      this.#entries.delete(at)
      this.#entries.set(at, entry)
      at = entry.parent
    }
  }

  /** `parent` null: the first of a prefix. A block whose predecessor is not here would be out of reach. */
  add(key: BlockKey, parent: BlockKey | null, block: BlockState): void {
    const bytes = sizeOf(block)
    if (this.#entries.has(key) || bytes > this.#limitBytes) return
    if (parent !== null && !this.#entries.has(parent)) return
    this.#entries.set(key, { block, parent })
    this.#bytes += bytes
    this.touch(key)
    while (this.#bytes > this.#limitBytes) {
      const [oldest, entry] = this.#entries.entries().next().value!
      this.#entries.delete(oldest)
      this.#bytes -= sizeOf(entry.block)
      this.#evicted++
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }
}

function sizeOf({ rows, tail }: BlockState): number {
  return rows.length + tail.length
}
