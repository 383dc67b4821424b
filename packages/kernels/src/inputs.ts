/**
 * Inputs of matrix products, loaded once and used by any number of matrices of the same width.
 *
 * Each form that a product needs is made when it is first asked for: floats padded to 32 columns, the same
 * times 2^64 for FP8, seven-bit integers for int8 weights, eight-bit ones for FP4 weights. All in blocks of 128
 * columns, [block][token][128].
 */
import type { Arena } from './arena.ts'
import { KernelError } from './errors.ts'
import type { Pool } from './pool.ts'

export type InputForm = 'floats' | 'raised' | 'seven' | 'eight'

export interface PreparedInputs {
  readonly at: number
  readonly scalesAt: number
  readonly startsAt: number
}

export class Inputs {
  readonly columns: number
  readonly padded: number
  readonly capacity: number
  readonly #arena: Arena
  readonly #pool: Pool
  readonly #places: Readonly<Record<InputForm, PreparedInputs>>
  readonly #current = new Set<InputForm>()
  #from = 0
  #tokens = 0

  constructor(arena: Arena, pool: Pool, columns: number, capacity: number) {
    this.columns = columns
    this.padded = Math.ceil(columns / 32) * 32
    this.capacity = capacity
    this.#arena = arena
    this.#pool = pool
    const cells = capacity * Math.ceil(this.padded / 128) * 128
    const scales = capacity * Math.ceil(this.padded / 128) * 4
    const starts = capacity * (this.padded / 32) * 4
    // All at once, so that no buffer can be taken inside somebody's mark and release.
    this.#places = {
      floats: { at: arena.take(cells * 4), scalesAt: 0, startsAt: 0 },
      raised: { at: arena.take(cells * 4), scalesAt: 0, startsAt: 0 },
      seven: { at: arena.take(cells), scalesAt: arena.take(scales), startsAt: 0 },
      eight: { at: arena.take(cells), scalesAt: arena.take(scales), startsAt: arena.take(starts) },
    }
  }

  get tokens(): number {
    return this.#tokens
  }

  /** Takes `values` [tokens, columns]. They must not change before the products that use them have run. */
  load(values: Float32Array, tokens: number): void {
    if (tokens > this.capacity || tokens < 0) {
      throw new KernelError('KERNELS_SHAPE', `${tokens} tokens where at most ${this.capacity} were announced.`)
    }
    this.#from = this.#arena.addressOf(values, tokens * this.columns, 'An input')
    this.#tokens = tokens
    this.#current.clear()
  }

  prepared(form: InputForm): PreparedInputs {
    // One token's blocks lie one after another, as they came.
    if (form === 'floats' && this.padded === this.columns && this.#tokens === 1)
      return { at: this.#from, scalesAt: 0, startsAt: 0 }
    const place = this.#places[form]
    if (this.#current.has(form) || this.#tokens === 0) return place
    this.#current.add(form)
    this.#pool.runFirst(
      form === 'floats' || form === 'raised' ? 'padFloats' : 'quantiseInputs',
      [
        this.#from,
        this.columns,
        this.padded,
        place.at,
        place.scalesAt,
        place.startsAt,
        0,
        form === 'eight' ? 1 : 0,
        this.#tokens,
      ],
      this.#tokens,
      6,
      form === 'raised' ? 2 ** 64 : 1,
    )
    return place
  }
}
