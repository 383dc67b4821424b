/**
 * Canonical events to Chat chunks.
 *
 * `id`, `created` and `model` are the same on every chunk; calls have their own running index 0, 1, 2 (never a
 * block's: SDKs build arrays by it, litellm#5231); usage comes in a chunk of its own behind the finish chunk and
 * only if asked for; `[DONE]` ends an answer, and only an answer. Several choices come as they are made, each with
 * its role and its finish reason.
 */
import type { AnswerContext, StreamWriter } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { ReasoningItem } from '../canonical/request.ts'
import type { StopReason } from '../canonical/response.ts'
import { ToolRestorer } from '../history/tool-restore.ts'
import { writeComment, writeSse } from '../sse/writer.ts'
import { annotationsOf } from './annotations.ts'
import { writeChatErrorEvent } from './errors.ts'
import { writeFinish } from './finish.ts'
import { writeReasoningDetail } from './reasoning.ts'
import { chatResponseId } from './response.ts'
import { writeChatUsage } from './usage.ts'

interface CallState {
  readonly choice: ChoiceState
  readonly index: number
  readonly custom: boolean
  hasArguments: boolean
}

interface ChoiceState {
  readonly index: number
  isStarted: boolean
  isEnded: boolean
  calls: number
  /** Of reasoning. */
  tokens: number
  hasRefusal: boolean
  textLength: number
  textStart: number
}

export class ChatStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #restorer: ToolRestorer
  /** Everything before the delta, as text: it never changes. */
  readonly #head: string
  readonly #tail: string
  #isOver = false
  readonly #choices = new Map<number, ChoiceState>()
  /** Whose a block is, by its key. */
  readonly #owners = new Map<number, ChoiceState>()
  readonly #calls = new Map<number, CallState>()
  readonly #reasoning = new Map<number, { text: string; redacted: boolean; id?: string }>()
  readonly #refusals = new Set<number>()

  constructor(context: AnswerContext) {
    this.#context = context
    this.#restorer = new ToolRestorer(context.toolNames)
    const id = JSON.stringify(chatResponseId(context.requestId))
    const model = JSON.stringify(context.model)
    this.#head = `{"id":${id},"object":"chat.completion.chunk","created":${context.createdSec},"model":${model},"choices":`
    this.#tail = context.request.includeUsage ? ',"usage":null}' : '}'
  }

  write(event: CanonicalEvent): string {
    let text = ''
    for (const restored of this.#restorer.push(event)) text += this.#write(restored)
    return text
  }

  keepAlive(): string {
    return writeComment('keep-alive')
  }

  #write(event: CanonicalEvent): string {
    if (this.#isOver) return ''
    switch (event.type) {
      case 'response-start':
        return this.#start(this.#choice(0))
      case 'text-start': {
        const choice = this.#own(event)
        if (event.refusal) {
          this.#refusals.add(event.key)
          choice.hasRefusal = true
        }
        choice.textStart = choice.textLength
        return ''
      }
      case 'text-delta': {
        const choice = this.#ownerOf(event.key)
        if (this.#refusals.has(event.key)) return this.#delta(choice, { refusal: event.text })
        choice.textLength += event.text.length
        return this.#delta(choice, { content: event.text }, event.logprobs)
      }
      case 'text-end': {
        const choice = this.#ownerOf(event.key)
        const annotations = annotationsOf(event.citations ?? [], choice.textStart, choice.textLength)
        return annotations.length === 0 ? '' : this.#delta(choice, { annotations })
      }
      case 'reasoning-start':
        this.#own(event)
        this.#reasoning.set(event.key, { text: '', redacted: event.redacted, id: event.id })
        return ''
      case 'reasoning-delta': {
        const block = this.#reasoning.get(event.key)
        if (block !== undefined && !event.summary) block.text += event.text
        return this.#delta(this.#ownerOf(event.key), { reasoning_content: event.text }, event.logprobs)
      }
      case 'reasoning-end':
        return this.#reasoningEnd(event.key, event.token)
      case 'tool-call-start': {
        const choice = this.#own(event)
        const call = { choice, index: choice.calls++, custom: event.custom, hasArguments: false }
        this.#calls.set(event.key, call)
        const body = event.custom
          ? { type: 'custom', custom: { name: event.name, input: '' } }
          : { type: 'function', function: { name: event.name, arguments: '' } }
        return this.#delta(choice, { tool_calls: [{ index: call.index, id: event.callId, ...body }] })
      }
      case 'tool-call-delta': {
        const call = this.#calls.get(event.key)
        if (call === undefined) return ''
        call.hasArguments = true
        return this.#arguments(call, event.argumentsDelta)
      }
      case 'tool-call-end': {
        const call = this.#calls.get(event.key)
        return call === undefined || call.hasArguments || call.custom ? '' : this.#arguments(call, '{}')
      }
      case 'choice-end':
        return this.#finish(this.#choice(event.choice), event.stop, null)
      case 'ping':
        return this.keepAlive()
      case 'response-end':
        return this.#end(event)
      case 'error':
        this.#isOver = true
        return writeChatErrorEvent({ ...event, param: null, requestId: this.#context.requestId })
      // Server tools have no form here: shown as calls, the client would try to run them. Usage waits for the end.
      default:
        return ''
    }
  }

  #choice(index: number): ChoiceState {
    let choice = this.#choices.get(index)
    if (choice === undefined) {
      choice = {
        index,
        isStarted: false,
        isEnded: false,
        calls: 0,
        tokens: 0,
        hasRefusal: false,
        textLength: 0,
        textStart: 0,
      }
      this.#choices.set(index, choice)
    }
    return choice
  }

  #own({ key, choice }: { readonly key: number; readonly choice?: number }): ChoiceState {
    const owner = this.#choice(choice ?? 0)
    this.#owners.set(key, owner)
    return owner
  }

  #ownerOf(key: number): ChoiceState {
    return this.#owners.get(key) ?? this.#choice(0)
  }

  #start(choice: ChoiceState): string {
    if (choice.isStarted) return ''
    choice.isStarted = true
    return this.#chunk(choice, { role: 'assistant', content: '' }, null, null)
  }

  #reasoningEnd(key: number, upstreamToken: ReasoningItem['token']): string {
    const block = this.#reasoning.get(key)
    this.#reasoning.delete(key)
    const { sealer, upstreamFamily } = this.#context
    let token = upstreamToken
    if (token === null && sealer !== null && block !== undefined && block.text !== '')
      token = {
        family: 'portolan',
        data: sealer.seal({ family: upstreamFamily, reasoning: block.text, toolArguments: {} }),
      }
    if (token === null) return ''
    const choice = this.#ownerOf(key)
    const detail = writeReasoningDetail(token, choice.tokens++, block?.redacted ?? false, block?.id)
    return this.#delta(choice, { reasoning_details: [detail] })
  }

  #arguments(call: CallState, fragment: string): string {
    const body = call.custom ? { custom: { input: fragment } } : { function: { arguments: fragment } }
    return this.#delta(call.choice, { tool_calls: [{ index: call.index, ...body }] })
  }

  #finish(choice: ChoiceState, stop: StopReason, refusalExplanation: string | null): string {
    if (choice.isEnded) return ''
    choice.isEnded = true
    let text = this.#start(choice)
    if (stop === 'refusal' && refusalExplanation !== null && !choice.hasRefusal)
      text += this.#delta(choice, { refusal: refusalExplanation })
    return text + this.#chunk(choice, {}, null, writeFinish(stop, choice.calls))
  }

  #end(event: Extract<CanonicalEvent, { type: 'response-end' }>): string {
    let text = this.#finish(this.#choice(0), event.stop, event.refusalExplanation)
    const usage = this.#context.request.includeUsage ? writeChatUsage(event.usage) : null
    if (usage !== null) text += writeSse(null, `${this.#head}[],"usage":${JSON.stringify(usage)}}`)
    this.#isOver = true
    return text + writeSse(null, '[DONE]')
  }

  #delta(choice: ChoiceState, delta: unknown, logprobs: unknown = null): string {
    return this.#start(choice) + this.#chunk(choice, delta, logprobs ?? null, null)
  }

  #chunk({ index }: ChoiceState, delta: unknown, logprobs: unknown, finish: string | null): string {
    const choice = `[{"index":${index},"delta":${JSON.stringify(delta)},"logprobs":${JSON.stringify(logprobs)},"finish_reason":${JSON.stringify(finish)}}]`
    return writeSse(null, this.#head + choice + this.#tail)
  }
}
