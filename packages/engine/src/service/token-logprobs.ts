/**
 * Log-probabilities of the tokens of an answer, beside the deltas that show them.
 *
 * Of the model's own distribution: temperature 1, before grammar masks, penalties, bias and cuts. Tokens that
 * show nothing of themselves (the end token, tags, markup of calls, a stop string) have none. A token goes with the
 * first delta that shows any of it, so the bytes of all tokens in a row are the text.
 */
import { Detokenizer, logprobsOf, type CompletionEvent, type Tokenizer } from '@portolan/model'
import type { SampledToken, TokenBelief } from './protocol.ts'

/** What the reference writes for a probability of nothing: JSON has no infinity. */
const leastLogprob = -9999

interface Pending {
  readonly token: SampledToken
  /** Where its text begins, in UTF-16 units of its own channel. */
  readonly from: number
}

interface Channel {
  pending: Pending[]
  /** Text decoded so far, and how much of it has been shown. */
  decoded: number
  shown: number
}

export class TokenLogprobs {
  readonly #tokenizer: Tokenizer
  readonly #count: number
  readonly #detokenizer: Detokenizer
  readonly #text: Channel = { pending: [], decoded: 0, shown: 0 }
  readonly #reasoning: Channel = { pending: [], decoded: 0, shown: 0 }

  /** @param count Alternatives for each token. */
  constructor(tokenizer: Tokenizer, count: number) {
    this.#tokenizer = tokenizer
    this.#count = count
    this.#detokenizer = new Detokenizer(tokenizer)
  }

  push(id: number, logits: Float32Array, isReasoning: boolean): void {
    const text = this.#detokenizer.push(id)
    if (this.#tokenizer.specialOf(id) !== null) return
    const { chosen, top } = logprobsOf(logits, id, this.#count)
    const token = { ...this.#belief(id, chosen.logprob), top: top.map((each) => this.#belief(each.id, each.logprob)) }
    const channel = isReasoning ? this.#reasoning : this.#text
    channel.pending.push({ token, from: channel.decoded })
    channel.decoded += text.length
  }

  /** The tokens that this event is the first to show. */
  shownBy(event: CompletionEvent): readonly SampledToken[] {
    if (event.type === 'tool-call-start') this.#text.pending = []
    if (event.type !== 'text-delta' && event.type !== 'reasoning-delta') return []
    const channel = event.type === 'text-delta' ? this.#text : this.#reasoning
    channel.shown += event.text.length
    const cut = channel.pending.findIndex(({ from }) => from >= channel.shown)
    return channel.pending.splice(0, cut === -1 ? channel.pending.length : cut).map(({ token }) => token)
  }

  #belief(id: number, logprob: number): TokenBelief {
    return {
      token: this.#tokenizer.decode([id]),
      bytes: [...this.#tokenizer.bytesOf(id)],
      logprob: Math.max(leastLogprob, logprob),
    }
  }
}
