/**
 * Answers to text completions: canonical events in the older API's shape, as a stream or collected into one object.
 *
 * Same id, model and time on every chunk; usage in a chunk of its own behind the last finish reason and only if
 * asked for; `[DONE]` ends an answer and only an answer. Offsets of tokens count code points from the beginning of
 * the text of their choice, an echoed prompt included, as the API's own server counts them.
 */
import type { StreamWriter } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { StopReason } from '../canonical/response.ts'
import type { Usage } from '../canonical/usage.ts'
import { writeChatErrorEvent } from '../chat/errors.ts'
import { isObject } from '../chat/fields.ts'
import { writeFinish } from '../chat/finish.ts'
import { writeChatUsage } from '../chat/usage.ts'
import { writeComment, writeSse } from '../sse/writer.ts'
import type { TextCompletionRequest } from './request.ts'

export interface TextCompletionContext {
  readonly request: TextCompletionRequest
  readonly requestId: string
  readonly createdSec: number
}

/** Collects events until the terminal one. */
export class TextCompletionCollector {
  readonly #context: TextCompletionContext
  readonly #choices: Choices
  readonly #texts = new Map<number, string>()
  readonly #logprobs = new Map<number, Logprobs[]>()
  readonly #stops = new Map<number, StopReason>()
  #usage: Usage | null = null

  constructor(context: TextCompletionContext) {
    this.#context = context
    this.#choices = new Choices(context.request)
  }

  push(event: CanonicalEvent): void {
    switch (event.type) {
      case 'text-start':
        this.#choices.own(event)
        break
      case 'text-delta': {
        const choice = this.#choices.ownerOf(event.key)
        const more = this.#choices.logprobs(choice, event)
        this.#texts.set(choice.index, (this.#texts.get(choice.index) ?? '') + event.text)
        const pieces = this.#logprobs.get(choice.index)
        if (pieces !== undefined && more !== null) pieces.push(more)
        else if (more !== null) this.#logprobs.set(choice.index, [more])
        break
      }
      case 'choice-end':
        this.#stops.set(event.choice, event.stop)
        break
      case 'response-end':
        this.#usage = event.usage
        if (!this.#stops.has(0)) this.#stops.set(0, event.stop)
        break
      default:
        break
    }
  }

  /** The whole answer; null before its end. */
  body(): Record<string, unknown> | null {
    if (this.#usage === null) return null
    const { request } = this.#context
    const usage = writeChatUsage(this.#usage)
    return {
      ...head(this.#context),
      choices: [...this.#stops]
        .toSorted(([a], [b]) => a - b)
        .map(([index, stop]) => ({
          text: echoOf(request, index) + (this.#texts.get(index) ?? ''),
          index,
          logprobs: request.topLogprobs === null ? null : joinLogprobs(this.#logprobs.get(index) ?? []),
          finish_reason: writeFinish(stop, 0),
        })),
      ...(usage === null ? {} : { usage }),
    }
  }
}

export class TextCompletionStreamWriter implements StreamWriter {
  readonly #context: TextCompletionContext
  /** Everything before the list of choices, as text: it never changes. */
  readonly #head: string
  readonly #tail: string
  readonly #choices: Choices
  #isOver = false

  constructor(context: TextCompletionContext) {
    this.#context = context
    this.#choices = new Choices(context.request)
    this.#head = `${JSON.stringify(head(context)).slice(0, -1)},"choices":`
    this.#tail = context.request.includeUsage ? ',"usage":null}' : '}'
  }

  write(event: CanonicalEvent): string {
    if (this.#isOver) return ''
    switch (event.type) {
      case 'text-start':
        return this.#start(this.#choices.own(event))
      case 'text-delta': {
        const choice = this.#choices.ownerOf(event.key)
        return this.#chunk(choice, event.text, this.#choices.logprobs(choice, event), null)
      }
      case 'choice-end':
        return this.#finish(this.#choices.of(event.choice), event.stop)
      case 'ping':
        return this.keepAlive()
      case 'response-end': {
        let text = this.#finish(this.#choices.of(0), event.stop)
        const usage = this.#context.request.includeUsage ? writeChatUsage(event.usage) : null
        if (usage !== null) text += writeSse(null, `${this.#head}[],"usage":${JSON.stringify(usage)}}`)
        this.#isOver = true
        return text + writeSse(null, '[DONE]')
      }
      case 'error':
        this.#isOver = true
        return writeChatErrorEvent({ ...event, param: null, requestId: this.#context.requestId })
      default:
        return ''
    }
  }

  keepAlive(): string {
    return writeComment('keep-alive')
  }

  #start(choice: Choice): string {
    if (choice.isStarted) return ''
    choice.isStarted = true
    const echo = echoOf(this.#context.request, choice.index)
    return echo === '' ? '' : this.#chunk(choice, echo, null, null)
  }

  #finish(choice: Choice, stop: StopReason): string {
    if (choice.isEnded) return ''
    choice.isEnded = true
    return this.#start(choice) + this.#chunk(choice, '', null, writeFinish(stop, 0))
  }

  #chunk({ index }: Choice, text: string, logprobs: Logprobs | null, finish: string | null): string {
    const choice = JSON.stringify([{ text, index, logprobs, finish_reason: finish }])
    return writeSse(null, this.#head + choice + this.#tail)
  }
}

interface Choice {
  readonly index: number
  isStarted: boolean
  isEnded: boolean
  /** Code points of its text so far, an echo included. */
  length: number
  /** From the first token on. */
  offsets: Offsets | null
}

/** The choices of one answer, and whose each block is. */
class Choices {
  readonly #request: TextCompletionRequest
  readonly #known = new Map<number, Choice>()
  readonly #owners = new Map<number, Choice>()

  constructor(request: TextCompletionRequest) {
    this.#request = request
  }

  of(index: number): Choice {
    let choice = this.#known.get(index)
    if (choice === undefined) {
      const length = lengthOf(echoOf(this.#request, index))
      choice = { index, isStarted: false, isEnded: false, length, offsets: null }
      this.#known.set(index, choice)
    }
    return choice
  }

  own({ key, choice }: { readonly key: number; readonly choice?: number }): Choice {
    const owner = this.of(choice ?? 0)
    this.#owners.set(key, owner)
    return owner
  }

  ownerOf(key: number): Choice {
    return this.#owners.get(key) ?? this.of(0)
  }

  /** Of the tokens that a delta shows; null: none were asked for, or it shows none. Counts the delta's text. */
  logprobs(choice: Choice, { text, logprobs }: Extract<CanonicalEvent, { type: 'text-delta' }>): Logprobs | null {
    const tokens = tokensOf(logprobs)
    if (tokens.length > 0) choice.offsets ??= new Offsets(choice.length)
    choice.length += lengthOf(text)
    return choice.offsets === null || tokens.length === 0 ? null : writeLogprobs(tokens, choice.offsets)
  }
}

function head({ request, requestId, createdSec }: TextCompletionContext): Record<string, unknown> {
  return { id: `cmpl-${requestId}`, object: 'text_completion', created: createdSec, model: request.model }
}

function echoOf({ echo, prompts, choices }: TextCompletionRequest, index: number): string {
  const prompt = echo ? prompts[Math.floor(index / choices)] : ''
  return typeof prompt === 'string' ? prompt : ''
}

// --------------------------------------------------------------------------------------- log-probabilities

interface Token {
  readonly token: string
  readonly logprob: number
  readonly bytes: readonly number[]
  readonly top: readonly { readonly token: string; readonly logprob: number }[]
}

/** Chat's object, as canonical events and answers carry it. */
function tokensOf(logprobs: unknown): readonly Token[] {
  const content = isObject(logprobs) ? logprobs['content'] : null
  return Array.isArray(content) ? content.filter(isObject).map(tokenOf) : []
}

function tokenOf(value: Readonly<Record<string, unknown>>): Token {
  const { token, logprob, bytes, top_logprobs: top } = value
  return {
    token: typeof token === 'string' ? token : '',
    logprob: typeof logprob === 'number' ? logprob : 0,
    bytes: Array.isArray(bytes) ? bytes.filter((byte) => typeof byte === 'number') : [],
    top: Array.isArray(top) ? top.filter(isObject).map(tokenOf) : [],
  }
}

/** Where each token begins. Tokens may be parts of characters: their bytes say when one is whole. */
class Offsets {
  readonly #decoder = new TextDecoder()
  #at: number

  constructor(start: number) {
    this.#at = start
  }

  next({ bytes }: Token): number {
    const at = this.#at
    this.#at += lengthOf(this.#decoder.decode(Uint8Array.from(bytes), { stream: true }))
    return at
  }
}

interface Logprobs {
  readonly tokens: readonly string[]
  readonly token_logprobs: readonly number[]
  readonly top_logprobs: readonly Readonly<Record<string, number>>[]
  readonly text_offset: readonly number[]
}

function writeLogprobs(tokens: readonly Token[], offsets: Offsets): Logprobs {
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: tokens.map((token) => offsets.next(token)),
  }
}

function joinLogprobs(known: readonly Logprobs[]): Logprobs {
  return {
    tokens: known.flatMap(({ tokens }) => tokens),
    token_logprobs: known.flatMap(({ token_logprobs: each }) => each),
    top_logprobs: known.flatMap(({ top_logprobs: each }) => each),
    text_offset: known.flatMap(({ text_offset: each }) => each),
  }
}

function lengthOf(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
