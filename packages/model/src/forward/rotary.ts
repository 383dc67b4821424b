/**
 * Rotary position embedding over adjacent pairs, in the last dimensions of a vector.
 *
 *   pair i = dimensions (2i, 2i + 1); (a, b) -> (a cos - b sin, a sin + b cos), angle = position * f_i
 *
 * Window layers use the plain base. Layers that compress use the other base stretched by YaRN for everything
 * in the layer: queries, window rows, compressed rows, index vectors and the inverse rotation of the output.
 * YaRN here has no magnitude factor and is on for short prompts too. Angles are f32 products, like the
 * reference's, because at a million tokens the rounding of the product is part of the function.
 */
import type { RopeSet } from '../config/model-config.ts'

/** Frequencies f_i, `dim / 2` of them. */
export function rotaryFrequencies(set: RopeSet, dim: number): Float32Array {
  const { base, yarn } = set
  const plain = Float32Array.from({ length: dim / 2 }, (_, pair) => base ** ((-2 * pair) / dim))
  if (yarn === null) return plain
  // Pair at which a frequency turns `rotations` times within the original context.
  const correction = (rotations: number) =>
    (dim * Math.log(yarn.originalPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(base))
  const low = Math.max(Math.floor(correction(yarn.betaFast)), 0)
  const high = Math.min(Math.ceil(correction(yarn.betaSlow)), dim - 1)
  const span = low === high ? 0.001 : high - low
  return plain.map((frequency, pair) => {
    const ramp = Math.min(1, Math.max(0, (pair - low) / span))
    return frequency * (1 - ramp) + (frequency / yarn.factor) * ramp
  })
}

export class Rotary {
  readonly dim: number
  readonly #frequencies: Float32Array
  readonly #cosines: Float64Array
  readonly #sines: Float64Array
  #position = -1

  constructor(set: RopeSet, dim: number) {
    this.dim = dim
    this.#frequencies = rotaryFrequencies(set, dim)
    this.#cosines = new Float64Array(dim / 2)
    this.#sines = new Float64Array(dim / 2)
  }

  /** Rotates `values[from, from + dim)` to `position`; `inverse` turns back. */
  rotate(values: Float32Array, from: number, position: number, inverse = false): void {
    if (position !== this.#position) {
      for (let pair = 0; pair < this.#frequencies.length; pair++) {
        const angle = Math.fround(position * this.#frequencies[pair]!)
        this.#cosines[pair] = Math.cos(angle)
        this.#sines[pair] = Math.sin(angle)
      }
      this.#position = position
    }
    for (let pair = 0; pair < this.#frequencies.length; pair++) {
      const cosine = this.#cosines[pair]!
      const sine = inverse ? -this.#sines[pair]! : this.#sines[pair]!
      const a = values[from + 2 * pair]!
      const b = values[from + 2 * pair + 1]!
      values[from + 2 * pair] = a * cosine - b * sine
      values[from + 2 * pair + 1] = a * sine + b * cosine
    }
  }
}
