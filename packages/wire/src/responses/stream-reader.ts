/**
 * A Responses stream as canonical events.
 *
 * Every event type is taken leniently: items are found by id, then by output index (servers get one or the
 * other wrong; kitty-bridge#116), deltas may come without their `added`, and full texts in `done` events or
 * in the final object supply whatever deltas did not. Unknown events are ignored. A stream without a terminal
 * event is an error, never a success (law 7).
 */
import type { StreamReader } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { StopReason } from '../canonical/response.ts'
import { noUsage } from '../canonical/usage.ts'
import type { SseMessage } from '../sse/reader.ts'
import { readStreamError } from './errors.ts'
import { isObject, type WireObject } from './read-field.ts'
import { stopOf } from './stop.ts'
import { readUsage } from './usage.ts'

/** One run of text inside a block: what was given out, so that `done` events add only what is missing. */
interface Run {
  key: number
  given: string
  ended: boolean
  refusal: boolean
}

interface ReadItem {
  type: string
  id: string | null
  done: boolean
  /** Message parts by content index. */
  readonly parts: Map<number, Run>
  /** The one block of a reasoning item or call; null until something is said. */
  block: { readonly key: number; ended: boolean } | null
  text: string
  summary: string
  summaryIndex: number
  call: { callId: string; name: string; namespace: string | null } | null
}

export function createStreamReader(): StreamReader {
  const machine = new ResponsesStream()
  return {
    push: (message) => machine.take(() => machine.read(message)),
    end: () => machine.take(() => machine.cut()),
  }
}

class ResponsesStream {
  #events: CanonicalEvent[] = []
  #started = false
  #ended = false
  #nextKey = 0
  readonly #items: ReadItem[] = []
  readonly #byId = new Map<string, ReadItem>()
  readonly #byIndex = new Map<number, ReadItem>()
  /** At most one of each is open. */
  #openText: Run | null = null
  #openReasoning: ReadItem | null = null
  #openCalls = 0
  #waiting: CanonicalEvent[] = []
  #sawCall = false
  #sawRefusal = false

  take(step: () => void): readonly CanonicalEvent[] {
    if (this.#ended) return []
    step()
    const events = this.#events
    this.#events = []
    return events
  }

  cut(): void {
    this.#fail('upstream', 'The upstream closed the stream before its terminal event.', 'WIRE_STREAM_CUT')
  }

  read(message: SseMessage): void {
    if (message.data === '' || message.data === '[DONE]') return
    let data: unknown
    try {
      data = JSON.parse(message.data)
    } catch {
      return this.#fail('upstream', 'The upstream sent a stream event that is not JSON.', 'WIRE_BAD_STREAM')
    }
    if (!isObject(data))
      return this.#fail('upstream', 'The upstream sent a stream event that is not an object.', 'WIRE_BAD_STREAM')
    this.#event(typeof data.type === 'string' ? data.type : (message.event ?? ''), data)
  }

  #event(type: string, data: WireObject): void {
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.#start(data.response)
      case 'response.output_item.added':
        return this.#added(data)
      case 'response.output_item.done':
        return isObject(data.item)
          ? this.#itemDone(this.#find(data, typeOf(data.item), data.item), data.item)
          : undefined
      case 'response.output_text.delta':
        return this.#part(data, false, textOf(data.delta), data.logprobs)
      case 'response.refusal.delta':
        return this.#part(data, true, textOf(data.delta))
      case 'response.output_text.done':
        return this.#partDone(data, false, textOf(data.text))
      case 'response.refusal.done':
        return this.#partDone(data, true, textOf(data.refusal))
      case 'response.content_part.done':
        return this.#contentPartDone(data)
      case 'response.reasoning_text.delta':
      case 'response.reasoning.delta':
        return this.#reasoning(this.#find(data, 'reasoning'), textOf(data.delta), false)
      case 'response.reasoning_text.done':
      case 'response.reasoning.done': {
        const item = this.#find(data, 'reasoning')
        return this.#reasoning(item, rest(item.text, textOf(data.text)), false)
      }
      case 'response.reasoning_summary_text.delta':
        return this.#summary(data, textOf(data.delta))
      case 'response.reasoning_summary_text.done':
        return this.#summaryDone(data)
      case 'response.function_call_arguments.delta':
        return this.#arguments(this.#find(data, 'function_call'), textOf(data.delta))
      case 'response.function_call_arguments.done': {
        const item = this.#find(data, 'function_call')
        return this.#arguments(item, rest(item.text, textOf(data.arguments)))
      }
      case 'response.custom_tool_call_input.delta':
        return this.#arguments(this.#find(data, 'custom_tool_call'), textOf(data.delta))
      case 'response.custom_tool_call_input.done': {
        const item = this.#find(data, 'custom_tool_call')
        return this.#arguments(item, rest(item.text, textOf(data.input)))
      }
      case 'response.completed':
      case 'response.done':
        return this.#finish(data.response)
      case 'response.incomplete':
        return this.#finish({ ...(isObject(data.response) ? data.response : {}), status: 'incomplete' })
      case 'response.failed':
      case 'response.cancelled': {
        const error = readStreamError(isObject(data.response) ? data.response.error : null)
        return this.#fail(error.kind, error.message, error.code)
      }
      case 'error': {
        const error = readStreamError(isObject(data.error) ? data.error : data)
        return this.#fail(error.kind, error.message, error.code === 'error' ? null : error.code)
      }
      default:
        return undefined
    }
  }

  #start(value: unknown): void {
    if (this.#started) return
    this.#started = true
    const response = isObject(value) ? value : {}
    this.#events.push({
      type: 'response-start',
      id: textOf(response.id),
      model: textOf(response.model),
      createdSec: typeof response.created_at === 'number' ? response.created_at : null,
      usage: readUsage(response.usage),
    })
  }

  /** Text and reasoning that arrive beside an open call wait for its end: they overlap nothing. */
  #emit(event: CanonicalEvent): void {
    this.#start(null)
    if (event.type === 'tool-call-start') this.#openCalls++
    const overlaps = this.#openCalls > 0 && !event.type.startsWith('tool-call')
    if (overlaps) this.#waiting.push(event)
    else this.#events.push(event)
    if (event.type === 'tool-call-end' && --this.#openCalls === 0) {
      this.#events.push(...this.#waiting)
      this.#waiting = []
    }
  }

  #fail(kind: Extract<CanonicalEvent, { type: 'error' }>['kind'], message: string, code: string | null): void {
    this.#ended = true
    this.#events.push({ type: 'error', kind, message, code })
  }

  // ------------------------------------------------------------------------------------------ items

  #added(data: WireObject): void {
    if (!isObject(data.item)) return
    const item = this.#create(typeOf(data.item), idOf(data.item.id), data.output_index)
    if (item.type === 'function_call' || item.type === 'custom_tool_call') {
      this.#nameCall(item, data.item)
      const text = item.type === 'custom_tool_call' ? data.item.input : data.item.arguments
      this.#arguments(item, textOf(text))
    }
  }

  #create(type: string, id: string | null, index: unknown): ReadItem {
    const item: ReadItem = {
      type,
      id,
      done: false,
      parts: new Map(),
      block: null,
      text: '',
      summary: '',
      summaryIndex: 0,
      call: null,
    }
    this.#items.push(item)
    if (id !== null) this.#byId.set(id, item)
    if (typeof index === 'number') this.#byIndex.set(index, item)
    return item
  }

  /** The item an event speaks of: by id, else by place if that place holds the same kind, else a new one. */
  #find(data: WireObject, type: string, wire?: WireObject): ReadItem {
    const id = idOf(data.item_id) ?? idOf(wire?.id)
    const known = id === null ? undefined : this.#byId.get(id)
    if (known?.type === type) return known
    const placed = typeof data.output_index === 'number' ? this.#byIndex.get(data.output_index) : undefined
    if (placed?.type === type && !(placed.done && id !== placed.id)) return placed
    return this.#create(type, id, data.output_index)
  }

  #itemDone(item: ReadItem, wire: WireObject): void {
    if (item.done) return
    item.done = true
    switch (item.type) {
      case 'message':
        for (const [index, part] of listOf(wire.content).entries()) {
          const refusal = part.type === 'refusal'
          if (!refusal && part.type !== 'output_text') continue
          const text = textOf(refusal ? part.refusal : part.text)
          this.#partText(item, index, refusal, rest(item.parts.get(index)?.given ?? '', text))
          this.#endPart(item.parts.get(index), listOf(part.annotations))
        }
        for (const part of item.parts.values()) this.#endPart(part, [])
        return
      case 'reasoning':
        return this.#reasoningDone(item, wire)
      case 'function_call':
      case 'custom_tool_call': {
        this.#nameCall(item, wire)
        const text = textOf(item.type === 'custom_tool_call' ? wire.input : wire.arguments)
        this.#arguments(item, rest(item.text, text))
        this.#startCall(item)
        return this.#endCall(item)
      }
      default:
        this.#emit({ type: 'foreign', name: item.type, raw: wire })
    }
  }

  // ------------------------------------------------------------------------------------------- text

  #part(data: WireObject, refusal: boolean, text: string, logprobs?: unknown): void {
    this.#partText(this.#find(data, 'message'), indexOf(data.content_index), refusal, text, logprobs)
  }

  #partText(item: ReadItem, index: number, refusal: boolean, text: string, logprobs?: unknown): void {
    if (text === '') return
    let part = item.parts.get(index)
    if (part === undefined || part.ended) {
      this.#closeText()
      this.#closeReasoning()
      part = { key: this.#nextKey++, given: part?.given ?? '', ended: false, refusal }
      item.parts.set(index, part)
      this.#openText = part
      this.#sawRefusal ||= refusal
      this.#emit({ type: 'text-start', key: part.key, refusal })
    }
    part.given += text
    const known = Array.isArray(logprobs) && logprobs.length > 0 ? { logprobs: { content: logprobs as unknown } } : {}
    this.#emit({ type: 'text-delta', key: part.key, text, ...known })
  }

  #partDone(data: WireObject, refusal: boolean, text: string): void {
    const item = this.#find(data, 'message')
    const index = indexOf(data.content_index)
    this.#partText(item, index, refusal, rest(item.parts.get(index)?.given ?? '', text))
  }

  #contentPartDone(data: WireObject): void {
    if (!isObject(data.part)) return
    const refusal = data.part.type === 'refusal'
    if (!refusal && data.part.type !== 'output_text') return
    this.#partDone(data, refusal, textOf(refusal ? data.part.refusal : data.part.text))
    const item = this.#find(data, 'message')
    this.#endPart(item.parts.get(indexOf(data.content_index)), listOf(data.part.annotations))
  }

  #endPart(part: Run | undefined, citations: readonly unknown[]): void {
    if (part === undefined || part.ended) return
    part.ended = true
    this.#emit({ type: 'text-end', key: part.key, ...(citations.length > 0 && { citations }) })
  }

  #closeText(): void {
    this.#endPart(this.#openText ?? undefined, [])
    this.#openText = null
  }

  // -------------------------------------------------------------------------------------- reasoning

  #reasoning(item: ReadItem, text: string, summary: boolean): void {
    if (text === '' || item.block?.ended) return
    const key = this.#startReasoning(item, false)
    if (summary) item.summary += text
    else item.text += text
    this.#emit({ type: 'reasoning-delta', key, text, summary })
  }

  #startReasoning(item: ReadItem, redacted: boolean): number {
    if (item.block === null) {
      this.#closeText()
      this.#closeReasoning()
      item.block = { key: this.#nextKey++, ended: false }
      this.#openReasoning = item
      const known = item.id === null ? {} : { id: item.id }
      this.#emit({ type: 'reasoning-start', key: item.block.key, redacted, ...known })
    }
    return item.block.key
  }

  /** Summary parts are paragraphs of one summary here. */
  #summary(data: WireObject, text: string): void {
    const item = this.#find(data, 'reasoning')
    const index = indexOf(data.summary_index)
    if (index > item.summaryIndex && item.summary !== '' && text !== '') this.#reasoning(item, '\n\n', true)
    item.summaryIndex = Math.max(item.summaryIndex, index)
    this.#reasoning(item, text, true)
  }

  /** Only for servers that send no deltas: the part is new, or there is nothing yet. */
  #summaryDone(data: WireObject): void {
    const item = this.#find(data, 'reasoning')
    if (item.summary === '' || indexOf(data.summary_index) > item.summaryIndex) this.#summary(data, textOf(data.text))
  }

  #reasoningDone(item: ReadItem, wire: WireObject): void {
    if (item.block?.ended) return
    const token = typeof wire.encrypted_content === 'string' ? wire.encrypted_content : ''
    const text = listOf(wire.content)
      .map((part) => textOf(part.text))
      .join('')
    const summary = listOf(wire.summary)
      .map((part) => textOf(part.text))
      .join('\n\n')
    if (item.summary === '') this.#reasoning(item, summary, true)
    this.#reasoning(item, rest(item.text, text), false)
    if (item.block === null && token === '') return
    this.#startReasoning(item, false)
    this.#endReasoning(item, token === '' ? null : token)
  }

  #endReasoning(item: ReadItem, token: string | null): void {
    if (item.block === null || item.block.ended) return
    item.block.ended = true
    const data = token === null ? null : ({ family: 'openai', data: token } as const)
    this.#emit({ type: 'reasoning-end', key: item.block.key, token: data })
  }

  #closeReasoning(): void {
    if (this.#openReasoning !== null) this.#endReasoning(this.#openReasoning, null)
    this.#openReasoning = null
  }

  // ------------------------------------------------------------------------------------------ calls

  #nameCall(item: ReadItem, wire: WireObject): void {
    if (item.call !== null || typeof wire.name !== 'string') return
    const callId = idOf(wire.call_id) ?? idOf(wire.id)
    if (callId === null) return
    item.call = { callId, name: wire.name, namespace: typeof wire.namespace === 'string' ? wire.namespace : null }
  }

  /** Fragments that come before the name wait for it. */
  #arguments(item: ReadItem, text: string): void {
    if (item.block?.ended || (text === '' && item.call === null)) return
    const started = item.block !== null
    item.text += text
    if (item.call === null) return
    const key = this.#startCall(item)
    const due = started ? text : item.text
    if (key !== null && due !== '') this.#emit({ type: 'tool-call-delta', key, argumentsDelta: due })
  }

  #startCall(item: ReadItem): number | null {
    if (item.block !== null) return item.block.key
    if (item.call === null) return null
    this.#closeText()
    this.#closeReasoning()
    item.block = { key: this.#nextKey++, ended: false }
    this.#sawCall = true
    const custom = item.type === 'custom_tool_call'
    this.#emit({ type: 'tool-call-start', key: item.block.key, ...item.call, custom })
    return item.block.key
  }

  #endCall(item: ReadItem): void {
    if (item.call === null || item.block === null || item.block.ended) return
    item.block.ended = true
    this.#emit({ type: 'tool-call-end', key: item.block.key })
  }

  // ------------------------------------------------------------------------------------------- ends

  #finish(value: unknown): void {
    const response = isObject(value) ? value : {}
    this.#start(response)
    const seen = new Map<string, number>()
    const streamed = [...this.#items]
    for (const wire of listOf(response.output)) {
      const type = typeOf(wire)
      const nth = seen.get(type) ?? 0
      seen.set(type, nth + 1)
      this.#itemDone(
        this.#byId.get(textOf(wire.id)) ?? nthOfType(streamed, type, nth) ?? this.#create(type, null, null),
        wire,
      )
    }
    for (const item of this.#items) this.#endCall(item)
    this.#closeText()
    this.#closeReasoning()
    const stop: StopReason = stopOf(response, this.#sawCall, this.#sawRefusal)
    const usage = readUsage(response.usage) ?? noUsage
    this.#emit({ type: 'response-end', stop, stopSequence: null, refusalExplanation: null, usage })
    this.#ended = true
  }
}

/** What `full` says beyond what was given out; nothing when it says something else. */
function rest(given: string, full: string): string {
  return full.length > given.length && full.startsWith(given) ? full.slice(given.length) : ''
}

/** Ids in the final object may differ from those of the stream; the order of one kind does not. */
function nthOfType(items: readonly ReadItem[], type: string, nth: number): ReadItem | undefined {
  return items.filter((item) => item.type === type)[nth]
}

function typeOf(wire: WireObject): string {
  return typeof wire.type === 'string' ? wire.type : ''
}

function idOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function indexOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

function listOf(value: unknown): readonly WireObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
