/**
 * Canonical events to Chat chunks.
 *
 * `id`, `created` and `model` are the same on every chunk; calls have their own running index 0, 1, 2 (never a
 * block's: SDKs build arrays by it, litellm#5231); usage comes in a chunk of its own behind the finish chunk and
 * only if asked for; `[DONE]` ends an answer, and only an answer.
 */
import type { AnswerContext, StreamWriter } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { ReasoningItem } from '../canonical/request.ts'
import { ToolRestorer } from '../history/tool-restore.ts'
import { writeComment, writeSse } from '../sse/writer.ts'
import { annotationsOf } from './annotations.ts'
import { writeChatErrorEvent } from './errors.ts'
import { writeFinish } from './finish.ts'
import { writeReasoningDetail } from './reasoning.ts'
import { chatResponseId } from './response.ts'
import { writeChatUsage } from './usage.ts'

interface CallState {
  readonly index: number
  readonly custom: boolean
  hasArguments: boolean
}

export class ChatStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #restorer: ToolRestorer
  /** Everything before the delta, as text: it never changes. */
  readonly #head: string
  readonly #tail: string
  #isStarted = false
  #isOver = false
  readonly #calls = new Map<number, CallState>()
  readonly #reasoning = new Map<number, { text: string; redacted: boolean; id?: string }>()
  #tokens = 0
  readonly #refusals = new Set<number>()
  #textLength = 0
  #textStart = 0

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
        return this.#start()
      case 'text-start':
        if (event.refusal) this.#refusals.add(event.key)
        this.#textStart = this.#textLength
        return ''
      case 'text-delta':
        if (this.#refusals.has(event.key)) return this.#delta({ refusal: event.text })
        this.#textLength += event.text.length
        return this.#delta({ content: event.text }, event.logprobs)
      case 'text-end': {
        const annotations = annotationsOf(event.citations ?? [], this.#textStart, this.#textLength)
        return annotations.length === 0 ? '' : this.#delta({ annotations })
      }
      case 'reasoning-start':
        this.#reasoning.set(event.key, { text: '', redacted: event.redacted, id: event.id })
        return ''
      case 'reasoning-delta': {
        const block = this.#reasoning.get(event.key)
        if (block !== undefined && !event.summary) block.text += event.text
        return this.#delta({ reasoning_content: event.text }, event.logprobs)
      }
      case 'reasoning-end':
        return this.#reasoningEnd(event.key, event.token)
      case 'tool-call-start': {
        const call = { index: this.#calls.size, custom: event.custom, hasArguments: false }
        this.#calls.set(event.key, call)
        const body = event.custom
          ? { type: 'custom', custom: { name: event.name, input: '' } }
          : { type: 'function', function: { name: event.name, arguments: '' } }
        return this.#delta({ tool_calls: [{ index: call.index, id: event.callId, ...body }] })
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

  #start(): string {
    if (this.#isStarted) return ''
    this.#isStarted = true
    return this.#chunk({ role: 'assistant', content: '' }, null, null)
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
    const detail = writeReasoningDetail(token, this.#tokens++, block?.redacted ?? false, block?.id)
    return this.#delta({ reasoning_details: [detail] })
  }

  #arguments(call: CallState, fragment: string): string {
    const body = call.custom ? { custom: { input: fragment } } : { function: { arguments: fragment } }
    return this.#delta({ tool_calls: [{ index: call.index, ...body }] })
  }

  #end(event: Extract<CanonicalEvent, { type: 'response-end' }>): string {
    let text = this.#start()
    if (event.stop === 'refusal' && event.refusalExplanation !== null && this.#refusals.size === 0)
      text += this.#delta({ refusal: event.refusalExplanation })
    text += this.#chunk({}, null, writeFinish(event.stop, this.#calls.size))
    const usage = this.#context.request.includeUsage ? writeChatUsage(event.usage) : null
    if (usage !== null) text += writeSse(null, `${this.#head}[],"usage":${JSON.stringify(usage)}}`)
    this.#isOver = true
    return text + writeSse(null, '[DONE]')
  }

  #delta(delta: unknown, logprobs: unknown = null): string {
    return this.#start() + this.#chunk(delta, logprobs ?? null, null)
  }

  #chunk(delta: unknown, logprobs: unknown, finish: string | null): string {
    const choice = `[{"index":0,"delta":${JSON.stringify(delta)},"logprobs":${JSON.stringify(logprobs)},"finish_reason":${JSON.stringify(finish)}}]`
    return writeSse(null, this.#head + choice + this.#tail)
  }
}
