/**
 * A stretch of the kernels' memory that is lent in pieces of a few sizes and given back.
 *
 * Pieces of one size are lent again as they come back; sizes never change into each other, because a layer needs
 * its kinds of pages in fixed proportion.
 */
import { EngineError } from '../errors.ts'

/** Sizes are rounded up to this; blocks at the published shapes are multiples of it. */
const grainBytes = 32

export class PageMemory {
  readonly bytes: number
  readonly #start: number
  readonly #end: number
  readonly #free = new Map<number, number[]>()
  #next: number
  #lentBytes = 0

  /** @param start address of `bytes` bytes that nobody else uses */
  constructor(start: number, bytes: number) {
    this.#start = start
    this.#next = start
    this.bytes = bytes
    this.#end = start + bytes
  }

  get lentBytes(): number {
    return this.#lentBytes
  }

  /** What was ever lent: pages beyond were never touched and cost nothing. */
  get touchedBytes(): number {
    return this.#next - this.#start
  }

  /** Address of a piece. What it holds is whatever its last owner left. */
  take(bytes: number): number {
    const size = Math.ceil(bytes / grainBytes) * grainBytes
    const at = this.#free.get(size)?.pop() ?? this.#next
    if (at === this.#next) {
      if (at + size > this.#end) throw new EngineError('ENGINE_MEMORY')
      this.#next += size
    }
    this.#lentBytes += size
    return at
  }

  give(at: number, bytes: number): void {
    const size = Math.ceil(bytes / grainBytes) * grainBytes
    const list = this.#free.get(size)
    if (list === undefined) this.#free.set(size, [at])
    else list.push(at)
    this.#lentBytes -= size
  }
}
