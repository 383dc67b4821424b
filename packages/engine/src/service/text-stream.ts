/**
 * Token ids in, text out: what a text completion needs of a completion stream, and no more.
 *
 * Whatever the model writes is text, also what looks like a thought or a call. Special tokens show nothing; the end
 * token ends.
 */
import {
  Detokenizer,
  StopMatcher,
  specialTokens,
  type CompletionEvent,
  type Finish,
  type StopCause,
  type Tokenizer,
} from '@portolan/model'

export class TextStream {
  readonly #tokenizer: Tokenizer
  readonly #detokenizer: Detokenizer
  readonly #stops: StopMatcher
  readonly #endId: number
  #finish: Finish | null = null
  readonly reasoningTokens = 0
  stopString: string | null = null
  isDone = false

  /** @throws {ModelError} `MODEL_SAMPLING` for an empty stop string. */
  constructor(tokenizer: Tokenizer, stops: readonly string[]) {
    this.#tokenizer = tokenizer
    this.#detokenizer = new Detokenizer(tokenizer)
    this.#stops = new StopMatcher(stops)
    this.#endId = tokenizer.specialId(specialTokens.endOfSentence)
  }

  /** Takes one generated token. Does nothing once done. */
  push(id: number): CompletionEvent[] {
    if (this.isDone) return []
    if (id === this.#endId) this.isDone = true
    return this.#tokenizer.specialOf(id) === null ? this.#read(this.#detokenizer.push(id)) : []
  }

  finish(cause: StopCause): CompletionEvent[] {
    if (this.#finish !== null) return []
    const events = this.#read(this.#detokenizer.flush())
    const rest = this.stopString === null ? this.#stops.flush() : ''
    this.#finish = this.stopString !== null ? 'stop-string' : this.isDone ? 'stop' : cause
    return [...events, ...deltaOf(rest), { type: 'end', finish: this.#finish, problems: [] }]
  }

  result(): { readonly finish: Finish; readonly rawCalls: null } {
    return { finish: this.#finish ?? 'aborted', rawCalls: null }
  }

  #read(decoded: string): CompletionEvent[] {
    if (decoded === '' || this.stopString !== null) return []
    const { text, stop } = this.#stops.push(decoded)
    if (stop !== null) {
      this.stopString = stop
      this.isDone = true
    }
    return deltaOf(text)
  }
}

function deltaOf(text: string): CompletionEvent[] {
  return text === '' ? [] : [{ type: 'text-delta', text }]
}
