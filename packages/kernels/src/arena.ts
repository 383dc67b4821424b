/**
 * One shared memory and a pointer that only goes up.
 *
 * Weights are placed once and stay; what is needed for one step is taken after `mark` and given back by
 * `release`. Typed arrays over the memory are the handles that kernels take: their byte offset is the
 * address. A memory holds at most 4 GiB (32-bit addresses); larger models take several `Kernels`, each with a
 * part of the rows. Pages are committed by the operating system when they are first touched.
 */
import { KernelError } from './errors.ts'
import { firstAllocation, pageBytes, writeTables } from './tables.ts'
import { webAssembly, type WasmMemory } from './web-assembly.ts'

export const maximumArenaBytes = 65_536 * pageBytes

export class Arena {
  readonly memory: WasmMemory
  readonly buffer: SharedArrayBuffer
  #next = firstAllocation
  #peak = firstAllocation

  constructor(bytes: number) {
    const pages = Math.ceil(bytes / pageBytes) + firstAllocation / pageBytes
    if (!(bytes >= 0) || pages > 65_536) {
      throw new KernelError(
        'KERNELS_OUT_OF_MEMORY',
        `${bytes} bytes do not fit in one memory of ${maximumArenaBytes - firstAllocation}; use several.`,
      )
    }
    this.memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    this.buffer = this.memory.buffer
    writeTables(this.buffer)
  }

  /** The most that was ever taken at once. */
  get peakBytes(): number {
    return this.#peak
  }

  get freeBytes(): number {
    return this.buffer.byteLength - this.#next
  }

  /** Address of `bytes` new bytes, at a multiple of 64. They are zero unless released memory is used again. */
  take(bytes: number): number {
    const at = this.#next
    const next = at + Math.ceil(bytes / 64) * 64
    if (!(next <= this.buffer.byteLength)) {
      throw new KernelError('KERNELS_OUT_OF_MEMORY', `${bytes} bytes asked for, ${this.freeBytes} left in the memory.`)
    }
    this.#next = next
    this.#peak = Math.max(this.#peak, next)
    return at
  }

  floats(length: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.buffer, this.take(length * 4), length)
  }

  integers(length: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.buffer, this.take(length * 4), length)
  }

  bytes(length: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.buffer, this.take(length), length)
  }

  mark(): number {
    return this.#next
  }

  /** Gives back everything taken since `mark`. */
  release(mark: number): void {
    if (mark > this.#next || mark < firstAllocation) throw new RangeError('That mark is not from this arena.')
    this.#next = mark
  }

  /** Address of an array that lies in this memory and holds at least `length` elements. */
  addressOf(array: Float32Array | Int32Array | Uint32Array | Uint8Array, length: number, what: string): number {
    if (array.buffer !== this.buffer) {
      throw new KernelError('KERNELS_FOREIGN_ARRAY', `${what} does not lie in the kernels' memory.`)
    }
    if (array.length < length) {
      throw new KernelError('KERNELS_SHAPE', `${what} holds ${array.length} elements; ${length} are needed.`)
    }
    return array.byteOffset
  }
}
