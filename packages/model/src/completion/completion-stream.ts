/**
 * Token ids in, completion events out: detokeniser, completion machine and stop strings in a row.
 *
 * Stop strings end the visible text only; reasoning and tool arguments may contain them. The end token and the
 * other specials reach the machine as their spelling. Counts tokens the way usage reports them.
 */
import type { CallMarkup } from '../encoding/profile.ts'
import { StopMatcher } from '../sampling/stop-matcher.ts'
import { Detokenizer } from '../tokenizer/detokenizer.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Completion, CompletionEvent, StopCause } from './completion-event.ts'
import { CompletionMachine } from './completion-machine.ts'

export interface CompletionStreamOptions {
  readonly tokenizer: Tokenizer
  readonly opens: 'reasoning' | 'text'
  /** `EncodedPrompt.begun`: part of the completion that stands in the prompt already. */
  readonly begun?: string
  readonly stops?: readonly string[]
  readonly markup?: CallMarkup
}

export class CompletionStream {
  readonly #detokenizer: Detokenizer
  readonly #machine: CompletionMachine
  readonly #stops: StopMatcher
  /** Events of the part that stood in the prompt, for the first call. */
  #early: CompletionEvent[]
  #text = ''
  #callCount = 0
  #outputTokens = 0
  #reasoningTokens = 0
  #stopString: string | null = null
  #hasEnded = false

  /** @throws {ModelError} `MODEL_SAMPLING` for an empty stop string. */
  constructor(options: CompletionStreamOptions) {
    this.#detokenizer = new Detokenizer(options.tokenizer)
    this.#machine = new CompletionMachine(options)
    this.#stops = new StopMatcher(options.stops ?? [])
    this.#early = this.#machine.push(options.begun ?? '')
  }

  /** Nothing more needs to be generated: the end token came, or a stop string. */
  get isDone(): boolean {
    return this.#hasEnded || this.#machine.isDone
  }

  /** Tokens taken, the end token included. */
  get outputTokens(): number {
    return this.#outputTokens
  }

  /** Tokens of the reasoning, its closing tag included. */
  get reasoningTokens(): number {
    return this.#reasoningTokens
  }

  /** The stop string that ended the text, null when none did. */
  get stopString(): string | null {
    return this.#stopString
  }

  /** Takes one generated token. Does nothing once ended. */
  push(id: number): CompletionEvent[] {
    if (this.#hasEnded) return []
    this.#outputTokens++
    if (this.#machine.isReasoning) this.#reasoningTokens++
    return this.#filter(this.#machine.push(this.#detokenizer.push(id)))
  }

  /** Ends the completion; gives nothing when a stop string has ended it already. */
  finish(cause: StopCause): CompletionEvent[] {
    if (this.#hasEnded) return []
    const events = this.#machine.push(this.#detokenizer.flush())
    return this.#filter([...events, ...this.#machine.finish(cause)])
  }

  /** The whole as the client saw it: text up to the stop string, no call after it. `spans` stay raw. */
  result(): Completion {
    const completion = this.#machine.result()
    const calls = completion.calls.slice(0, this.#callCount)
    const seen = { ...completion, text: this.#text, calls }
    return this.#stopString === null ? seen : { ...seen, rawCalls: null, finish: 'stop-string' }
  }

  #filter(latest: readonly CompletionEvent[]): CompletionEvent[] {
    const events = [...this.#early, ...latest]
    this.#early = []
    const shown: CompletionEvent[] = []
    const show = (text: string): void => {
      if (text === '') return
      this.#text += text
      shown.push({ type: 'text-delta', text })
    }
    for (const event of events) {
      if (event.type === 'text-delta') {
        const { text, stop } = this.#stops.push(event.text)
        show(text)
        if (stop === null) continue
        this.#stopString = stop
        this.#hasEnded = true
        this.#machine.finish('stop-string')
        return [...shown, { type: 'end', finish: 'stop-string', problems: this.#machine.result().problems }]
      }
      show(this.#stops.flush())
      if (event.type === 'tool-call-end') this.#callCount++
      if (event.type === 'end') this.#hasEnded = true
      shown.push(event)
    }
    return shown
  }
}
