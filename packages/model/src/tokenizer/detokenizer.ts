/**
 * Token ids to text, one at a time, never half a character.
 *
 * A byte-level token may end inside a UTF-8 sequence; such bytes wait for the rest. Bytes that can no longer
 * become a character turn into U+FFFD at the earliest moment, exactly as when decoding all at once, so
 * that the pieces always concatenate to `Tokenizer.decode` of the whole.
 */
import type { Tokenizer } from './tokenizer.ts'

export class Detokenizer {
  readonly #tokenizer: Tokenizer
  readonly #skipSpecials: boolean
  // ignoreBOM keeps a U+FEFF that the model wrote; the default would swallow it at the start.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  /** @param options.skipSpecials Special tokens give no text. Default false: they give their spelling, which the completion machine reads. */
  constructor(tokenizer: Tokenizer, options: { readonly skipSpecials?: boolean } = {}) {
    this.#tokenizer = tokenizer
    this.#skipSpecials = options.skipSpecials ?? false
  }

  /** Text that became certain with this token; may be empty. */
  push(id: number): string {
    // A special token ends an unfinished character, whether it is shown or not.
    if (this.#skipSpecials && this.#tokenizer.specialOf(id) !== null) return this.#decoder.decode()
    return this.#decoder.decode(this.#tokenizer.bytesOf(id), { stream: true })
  }

  /** What is left of an unfinished character (U+FFFD), and a clean start. */
  flush(): string {
    return this.#decoder.decode()
  }
}
