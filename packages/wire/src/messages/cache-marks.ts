/**
 * Cache marks on what we send: at most four, only where the upstream takes them, never `null` (litellm#33816).
 *
 * Marks are put while blocks are made and counted at the end, when it is known which of them are surplus.
 */
import type { CacheMark } from '../canonical/request.ts'

/** The vendor's limit for one request; a mark at the top level of the body counts. */
const mostMarks = 4

export class CacheMarks {
  readonly #enabled: boolean
  readonly #marked: Record<string, unknown>[] = []
  #asked = 0

  constructor(enabled: boolean) {
    this.#enabled = enabled
  }

  /** Marks `block` and returns it. Blocks must be given in prompt order. */
  put<B extends Record<string, unknown> | undefined>(block: B, mark: CacheMark | undefined): B {
    if (mark === undefined || block === undefined) return block
    this.#asked++
    if (!this.#enabled) return block
    if (block['cache_control'] === undefined) this.#marked.push(block)
    block['cache_control'] = writeCacheMark(mark)
    return block
  }

  /** Were there marks that this upstream does not take? */
  get lost(): boolean {
    return !this.#enabled && this.#asked > 0
  }

  get count(): number {
    return this.#marked.length
  }

  /**
   * Removes surplus marks: the first stays, because it covers tools and system text, and so do the last ones,
   * which cover the growing conversation.
   *
   * @returns whether any mark was removed.
   */
  trim(reserved: number): boolean {
    const surplus = this.#marked.length - (mostMarks - reserved)
    if (surplus <= 0) return false
    for (const block of this.#marked.splice(1, surplus)) delete block['cache_control']
    return true
  }
}

export function writeCacheMark(mark: CacheMark): Record<string, unknown> {
  return mark.ttl === null ? { type: 'ephemeral' } : { type: 'ephemeral', ttl: mark.ttl }
}
