/**
 * Ends a text at the first stop string, also when it is spread over several pieces.
 *
 * What could still become a stop string is held back. The match that is complete first wins; of several
 * complete at the same character the longest. So the result does not depend on how the text was cut.
 */
import { ModelError } from '../errors.ts'

export interface StopReading {
  /** Text that is certain to stand before any stop string. */
  readonly text: string
  /** The stop string that was found; null while none was. */
  readonly stop: string | null
}

export class StopMatcher {
  readonly #stops: readonly string[]
  readonly #longest: number
  #held = ''
  #found: string | null = null

  /** @throws {ModelError} `MODEL_SAMPLING` for an empty stop string, which would match everywhere. */
  constructor(stops: readonly string[]) {
    if (stops.includes('')) throw new ModelError('MODEL_SAMPLING', 'A stop string is empty.', { setting: 'stop' })
    this.#stops = [...new Set(stops)]
    this.#longest = this.#stops.reduce((most, stop) => Math.max(most, stop.length), 0)
  }

  /** Takes the next piece. Once a stop string was found, everything after it is swallowed. */
  push(piece: string): StopReading {
    if (this.#found !== null) return { text: '', stop: this.#found }
    const text = this.#held + piece
    let end = Infinity
    let start = 0
    for (const stop of this.#stops) {
      const at = text.indexOf(stop)
      if (at < 0) continue
      const stopEnd = at + stop.length
      if (stopEnd < end || (stopEnd === end && at < start)) {
        end = stopEnd
        start = at
        this.#found = stop
      }
    }
    if (this.#found !== null) {
      this.#held = ''
      return { text: text.slice(0, start), stop: this.#found }
    }
    const held = this.#heldLength(text)
    this.#held = text.slice(text.length - held)
    return { text: text.slice(0, text.length - held), stop: null }
  }

  /** The text held back, when no more will come. */
  flush(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }

  #heldLength(text: string): number {
    for (let length = Math.min(text.length, this.#longest - 1); length > 0; length--) {
      const end = text.slice(text.length - length)
      if (this.#stops.some((stop) => stop.startsWith(end))) return length
    }
    return 0
  }
}
