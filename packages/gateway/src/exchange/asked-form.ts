/**
 * An answer whose schema its upstream was only asked for in words: kept while it passes, checked at its end.
 *
 * The answer is never altered. What does not fit is said beside it, `unmet=FIELD` in the translation header of a whole
 * answer, in a comment before the end of a stream, and on the ledger row. Whoever checks runs a caller's schema, so it is
 * a port with a time limit: no verdict in time says nothing, and the header still says `instructed`.
 */
import type { CanonicalEvent } from '@portolan/wire'

export interface SchemaPort {
  /** Null: it could not be told. Never rejects. */
  fits(schema: unknown, text: string): Promise<boolean | null>
}

/** A longer answer is not checked. */
const longestChars = 1 << 20
/** A caller waits no longer than this for the last bytes of an answer. */
const longestWaitMs = 300
/** Checks that wait for the one thread; beyond, none is made. */
const mostWaiting = 32

let waiting = 0

export class AskedForm {
  readonly #schema: unknown
  #text = ''
  /** A call is no answer yet, a refusal says itself that it is none. */
  #isAnswer = true

  constructor(schema: unknown) {
    this.#schema = schema
  }

  observe(event: CanonicalEvent): void {
    if (event.type === 'text-delta')
      this.#text = this.#text.length > longestChars ? this.#text : this.#text + event.text
    else if (event.type === 'tool-call-start' || (event.type === 'text-start' && event.refusal)) this.#isAnswer = false
    else if (event.type === 'error') this.#isAnswer = false
  }

  /** Whether the answer is known not to fit. */
  async isUnmet(port: SchemaPort): Promise<boolean> {
    if (!this.#isAnswer || this.#text.length > longestChars || waiting >= mostWaiting) return false
    waiting++
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), longestWaitMs)
    })
    try {
      return (await Promise.race([port.fits(this.#schema, this.#text), late])) === false
    } finally {
      clearTimeout(timer)
      waiting--
    }
  }
}

/** Before the last bytes of a stream: a comment, which every client of the three doors passes over. */
export function withComment(final: Buffer | string | null, comment: string): Buffer {
  return Buffer.concat([Buffer.from(`: ${comment}\n\n`), Buffer.from(final ?? '')])
}
