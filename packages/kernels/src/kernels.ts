/**
 * The kernels behind one small interface: place weights once, load inputs, multiply, reduce, attend.
 *
 * Every array lies in the kernels' own memory (`arena`); a call outside `stage` returns when the result is
 * there. Inside `stage` calls are collected and run together at its end, so none may need another's result.
 */
import { Arena } from './arena.ts'
import { KernelError } from './errors.ts'
import { Inputs, type InputForm } from './inputs.ts'
import { placeMatrix, panelRows, type PlacedMatrix } from './placement.ts'
import { Pool, type KernelName } from './pool.ts'
import type { StoredMatrix } from './stored-matrix.ts'
import { chooseVariant, moduleBytes, type Variant } from './variants.ts'

/** `exact` multiplies f32 inputs; `fast` rounds them to 7 or 8 bits where weights are int8 or FP4. */
export type NumericMode = 'exact' | 'fast'

export interface KernelOptions {
  /** Size of the memory, up to 4 GiB. Pages cost nothing until they are used. */
  readonly bytes: number
  /** Threads besides the caller's. 0 runs everything here. */
  readonly workers?: number
  readonly variant?: Variant | 'auto'
  /** Bytes of working memory per thread; bounds how many tokens one pass over weights serves. */
  readonly scratchBytes?: number
}

const products: Readonly<
  Record<PlacedMatrix['format'], Readonly<Record<NumericMode, readonly [KernelName, InputForm]>>>
> = {
  f32: { exact: ['productF32', 'floats'], fast: ['productF32', 'floats'] },
  bf16: { exact: ['productBf16', 'floats'], fast: ['productBf16', 'floats'] },
  fp8: { exact: ['productE4m3', 'raised'], fast: ['productE4m3', 'raised'] },
  fp4: { exact: ['productE2m1', 'floats'], fast: ['productE2m1Fast', 'eight'] },
  int8: { exact: ['productBytes', 'floats'], fast: ['productBytesFast', 'seven'] },
}

/** Weights, scales and descriptions that a product keeps in scratch, before 64 bytes a token. */
const productScratch = 8320

export class Kernels {
  readonly variant: Variant
  readonly arena: Arena
  readonly #pool: Pool
  readonly #tokensPerPass: number
  #collecting = 0

  private constructor(variant: Variant, arena: Arena, pool: Pool, scratchBytes: number) {
    this.variant = variant
    this.arena = arena
    this.#pool = pool
    this.#tokensPerPass = Math.floor((scratchBytes - productScratch) / 64)
  }

  static async start(options: KernelOptions): Promise<Kernels> {
    const variant = chooseVariant(options.variant ?? 'auto')
    const workers = options.workers ?? 0
    const scratchBytes = options.scratchBytes ?? 524_288
    if (!Number.isInteger(workers) || workers < 0 || workers > 256 || !(scratchBytes >= 131_072)) {
      throw new KernelError('KERNELS_SHAPE', `${workers} workers with ${scratchBytes} bytes each are not possible.`)
    }
    const arena = new Arena(options.bytes + (workers + 1) * scratchBytes)
    const module = new WebAssembly.Module(moduleBytes(variant))
    const pool = await Pool.start(arena, module, workers, scratchBytes)
    return new Kernels(variant, arena, pool, scratchBytes)
  }

  get workers(): number {
    return this.#pool.workers
  }

  /** Copies a matrix into the memory, in the layout of its kernels. */
  place(matrix: StoredMatrix): PlacedMatrix {
    return placeMatrix(this.arena, matrix)
  }

  /** Buffers for up to `tokens` inputs of a width. */
  inputs(columns: number, tokens: number): Inputs {
    return new Inputs(this.arena, this.#pool, columns, tokens)
  }

  /** `out[token * outStride + row] = sum over columns of W[row] x[token]`; `outStride` is `rows` by default. */
  multiply(matrix: PlacedMatrix, inputs: Inputs, out: Float32Array, mode: NumericMode, outStride = matrix.rows): void {
    if (inputs.columns !== matrix.columns || outStride < matrix.rows) {
      throw new KernelError('KERNELS_SHAPE', `Inputs of ${inputs.columns} for a matrix of ${matrix.columns} columns.`)
    }
    const { tokens, padded } = inputs
    if (tokens === 0) return
    const outAt = this.arena.addressOf(out, (tokens - 1) * outStride + matrix.rows, 'An output')
    const [kernel, form] = products[matrix.format][mode]
    const { at, scalesAt, startsAt } = inputs.prepared(form)
    const panels = Math.ceil(matrix.rows / panelRows)
    const cell = form === 'seven' || form === 'eight' ? 1 : 4
    for (let from = 0; from < tokens; from += this.#tokensPerPass) {
      const count = Math.min(this.#tokensPerPass, tokens - from)
      this.#pool.add(
        kernel,
        [
          matrix.weightsAt,
          matrix.scalesAt,
          matrix.rows,
          padded,
          count,
          at + from * padded * cell,
          scalesAt + from * Math.ceil(padded / 128) * 4,
          startsAt + from * (padded / 32) * 4,
          outAt + from * outStride * 4,
          outStride,
        ],
        panels,
        this.#pool.grainFor(panels),
      )
    }
    this.#done()
  }

  /** Collects the calls of `work` and runs them together. */
  stage(work: () => void): void {
    this.#collecting++
    try {
      work()
    } finally {
      this.#collecting--
    }
    this.#done()
  }

  #done(): void {
    if (this.#collecting === 0) this.#pool.flush()
  }

  /** Stops the workers. The memory goes when nobody holds it any more. */
  close(): Promise<void> {
    return this.#pool.close()
  }
}
