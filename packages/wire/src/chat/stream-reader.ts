/**
 * Chat chunks to canonical events: one state machine for every upstream that speaks Chat, however loosely.
 *
 *   text     at most one block open; a delta of another kind closes it
 *   reasoning the same
 *   calls    any number open; found by index, then id, then "the last one"; each ends when it is whole and
 *            something else begins, else at the end
 *
 * Text that comes while a call is unfinished waits, so that blocks of different kinds never overlap. After the
 * finish reason everything is still read (usage, and content that some upstreams send late); `[DONE]` or the end
 * of the connection closes the stream. Only choice 0 is read: `n` > 1 never crosses protocols.
 */
import type { StreamReader } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { ReasoningItem } from '../canonical/request.ts'
import { noUsage, type Usage } from '../canonical/usage.ts'
import type { SseMessage } from '../sse/reader.ts'
import { readErrorValue } from './errors.ts'
import { isObject, textOf, type JsonObject } from './fields.ts'
import { isWholeJson, readFinish } from './finish.ts'
import { readReasoningDetail } from './reasoning.ts'
import { mintCallId, readContent } from './response.ts'
import { readChatUsage } from './usage.ts'

interface Call {
  key: number
  id: string | null
  name: string | null
  custom: boolean
  /** All argument text so far. */
  text: string
  state: 'held' | 'open' | 'ended'
}

/** Index of the one call that the first tool API can make. */
const legacyIndex = -1

export class ChatStreamReader implements StreamReader {
  #events: CanonicalEvent[] = []
  #isOver = false
  #started = false
  #responseId = ''
  #nextKey = 0
  #open: { kind: 'text'; key: number; refusal: boolean; citations: unknown[] } | OpenReasoning | null = null
  readonly #calls: Call[] = []
  readonly #callByIndex = new Map<number, Call>()
  /** Text and reasoning that arrived while a call was unfinished. */
  #waiting: (() => void)[] = []
  #finish: string | null = null
  #stopReason: unknown = null
  #usage: Usage | null = null

  push(message: SseMessage): readonly CanonicalEvent[] {
    if (this.#isOver) return []
    if (message.data === '[DONE]') return this.end()
    // Blank data is a sign of life of some upstreams.
    if (message.data.trim() === '') return []
    let chunk: unknown
    try {
      chunk = JSON.parse(message.data)
    } catch {
      return this.#fail('upstream', 'The upstream sent a stream event that is not JSON.', 'WIRE_BAD_STREAM')
    }
    if (!isObject(chunk))
      return this.#fail('upstream', 'The upstream sent a stream event that is no object.', 'WIRE_BAD_STREAM')
    const error = chunk['error'] ?? (message.event === 'error' ? chunk : null)
    if (error !== null && error !== undefined) {
      const read = readErrorValue(0, error)
      return this.#fail(read.kind, read.message, read.code)
    }
    this.#chunk(chunk)
    return this.#take()
  }

  end(): readonly CanonicalEvent[] {
    if (this.#isOver) return []
    if (this.#finish === null)
      return this.#fail('upstream', 'The upstream closed the stream before the answer was complete.', 'WIRE_STREAM_CUT')
    for (const call of this.#calls)
      if (call.state === 'held')
        return this.#fail('upstream', 'The upstream sent a tool call without a name.', 'WIRE_BAD_STREAM')
    const last = this.#calls.at(-1)
    const whole = last === undefined || last.custom || last.text === '' || isWholeJson(last.text)
    const finish = readFinish(this.#finish, this.#stopReason, { count: this.#calls.length, whole })
    if ('kind' in finish)
      return this.#fail(
        finish.kind,
        finish.message,
        finish.kind === 'overloaded' ? 'WIRE_UPSTREAM_OVERLOADED' : 'WIRE_BAD_STREAM',
      )
    for (const call of this.#calls) this.#endCall(call)
    this.#releaseWaiting()
    this.#closeOpen()
    this.#start({})
    this.#events.push({
      type: 'response-end',
      stop: finish.stop,
      stopSequence: finish.stopSequence,
      refusalExplanation: null,
      usage: this.#usage ?? noUsage,
    })
    this.#isOver = true
    return this.#take()
  }

  #chunk(chunk: JsonObject): void {
    const choice = choiceZero(chunk['choices'])
    const usage = readChatUsage(chunk['usage'])
    if (usage !== null) {
      const isNews = this.#started
      this.#usage = usage
      if (isNews) this.#events.push({ type: 'usage', usage })
    }
    // A first chunk without a choice (Azure's prompt filter results) says nothing yet.
    if (!this.#started && choice === null && usage === null) return
    this.#start(chunk)
    if (choice === null) return
    if (isObject(choice['delta'])) this.#delta(choice['delta'], choice['logprobs'])
    const finish = textOf(choice['finish_reason'])
    if (finish !== null && finish !== '') {
      this.#finish = finish
      this.#stopReason = choice['stop_reason'] ?? null
    }
  }

  #start(chunk: JsonObject): void {
    if (this.#started) return
    this.#started = true
    this.#responseId = textOf(chunk['id']) ?? ''
    this.#events.push({
      type: 'response-start',
      id: this.#responseId,
      model: textOf(chunk['model']) ?? '',
      createdSec: typeof chunk['created'] === 'number' ? chunk['created'] : null,
      usage: this.#usage,
    })
  }

  #delta(delta: JsonObject, logprobs: unknown): void {
    this.#reasoningDelta(delta)
    const { text, thinking } = readContent(delta['content'])
    if (thinking !== null) this.#whenFree(() => this.#reasoning(thinking, false))
    if (text !== '') this.#whenFree(() => this.#text(text, false, logprobs))
    const refusal = textOf(delta['refusal'])
    if (refusal !== null && refusal !== '') this.#whenFree(() => this.#text(refusal, true, null))
    const annotations = delta['annotations']
    if (Array.isArray(annotations) && annotations.length > 0)
      this.#whenFree(() => {
        if (this.#open?.kind === 'text') this.#open.citations.push(...annotations)
      })
    // An empty list means none (catalogue 1); one chunk may bring several (catalogue 13).
    if (Array.isArray(delta['tool_calls']))
      for (const entry of delta['tool_calls']) if (isObject(entry)) this.#callDelta(entry)
    if (isObject(delta['function_call'])) this.#callDelta({ index: legacyIndex, function: delta['function_call'] })
  }

  // ------------------------------------------------------------------------------------ text and reasoning

  #reasoningDelta(delta: JsonObject): void {
    // Several members with the same text come from engines in transition: the first that says something counts.
    const plain = [delta['reasoning_content'], delta['reasoning']].find(
      (text): text is string => typeof text === 'string' && text !== '',
    )
    if (plain !== undefined) this.#whenFree(() => this.#reasoning(plain, false))
    const details = delta['reasoning_details']
    if (!Array.isArray(details)) return
    for (const entry of details) {
      const { text, summary, token, redacted } = readReasoningDetail(entry)
      if (plain === undefined && text !== '') this.#whenFree(() => this.#reasoning(text, false))
      if (plain === undefined && summary !== '') this.#whenFree(() => this.#reasoning(summary, true))
      if (token !== null) this.#whenFree(() => this.#reasoningToken(token, redacted))
    }
  }

  #text(text: string, refusal: boolean, logprobs: unknown): void {
    if (this.#open?.kind !== 'text' || this.#open.refusal !== refusal) {
      this.#closeOpen()
      this.#open = { kind: 'text', key: this.#nextKey++, refusal, citations: [] }
      this.#events.push({ type: 'text-start', key: this.#open.key, refusal })
    }
    const delta = { type: 'text-delta' as const, key: this.#open.key, text }
    this.#events.push(logprobs === null || logprobs === undefined ? delta : { ...delta, logprobs })
  }

  #reasoning(text: string, summary: boolean): void {
    this.#events.push({ type: 'reasoning-delta', key: this.#openReasoning(false).key, text, summary })
  }

  #reasoningToken(token: NonNullable<ReasoningItem['token']>, redacted: boolean): void {
    // A token closes its block: what follows is reasoning of its own.
    if (this.#open?.kind === 'reasoning' && this.#open.token !== null) this.#closeOpen()
    const isRedacted = redacted && token.family === 'anthropic'
    if (isRedacted) this.#closeOpen()
    this.#openReasoning(isRedacted).token = token
  }

  #openReasoning(redacted: boolean): OpenReasoning {
    if (this.#open?.kind === 'reasoning' && this.#open.token === null) return this.#open
    this.#closeOpen()
    const open: OpenReasoning = { kind: 'reasoning', key: this.#nextKey++, token: null }
    this.#open = open
    this.#events.push({ type: 'reasoning-start', key: open.key, redacted })
    return open
  }

  #closeOpen(): void {
    const open = this.#open
    this.#open = null
    if (open?.kind === 'reasoning') this.#events.push({ type: 'reasoning-end', key: open.key, token: open.token })
    else if (open?.kind === 'text')
      this.#events.push({
        type: 'text-end',
        key: open.key,
        ...(open.citations.length > 0 ? { citations: open.citations } : {}),
      })
  }

  /** Runs now, or once no call is unfinished. */
  #whenFree(action: () => void): void {
    if (this.#waiting.length === 0) {
      this.#endWholeCalls()
      if (this.#calls.every((call) => call.state === 'ended')) {
        action()
        return
      }
    }
    this.#waiting.push(action)
  }

  #releaseWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const action of waiting) action()
  }

  // ------------------------------------------------------------------------------------------------- calls

  #callDelta(entry: JsonObject): void {
    const custom = entry['type'] === 'custom' || isObject(entry['custom'])
    const inner = custom ? entry['custom'] : entry['function']
    const definition: JsonObject = isObject(inner) ? inner : {}
    const id = textOf(entry['id']) || null
    const name = textOf(definition['name']) || null
    const raw = custom ? definition['input'] : definition['arguments']
    const fragment = typeof raw === 'string' ? raw : isObject(raw) ? JSON.stringify(raw) : ''
    const index = typeof entry['index'] === 'number' ? entry['index'] : null

    const call = this.#findCall(index, id, name) ?? this.#newCall(custom)
    if (index !== null) this.#callByIndex.set(index, call)
    call.id ??= id
    call.name ??= name
    // A call that was whole when something else began takes no more: the rest could only spoil it (catalogue 8).
    if (call.state === 'ended') return
    // Appended and never cut: slicing the growing text would copy all of it for every fragment.
    call.text += fragment
    const wasHeld = call.state === 'held'
    if (wasHeld) this.#openCall(call)
    if (!isOpen(call)) return
    const argumentsDelta = wasHeld ? call.text : fragment
    if (argumentsDelta !== '') this.#events.push({ type: 'tool-call-delta', key: call.key, argumentsDelta })
  }

  /**
   * The call that a fragment belongs to; null for a new one. A repeated id or name is no new call (catalogue 11,
   * 12), but another id with a name under a known index is (catalogue 10).
   */
  #findCall(index: number | null, id: string | null, name: string | null): Call | null {
    const byId = id === null ? undefined : this.#calls.find((call) => call.id === id)
    if (index !== null) {
      const call = this.#callByIndex.get(index)
      if (call === undefined) return null
      const isOther = id !== null && call.id !== null && call.id !== id && name !== null
      return isOther ? (byId ?? null) : call
    }
    if (byId !== undefined) return byId
    if (id !== null) return null
    const last = this.#calls.at(-1)
    if (last === undefined) return null
    // Whole calls without id and index, one after the other.
    return name !== null && last.name !== null && isWholeJson(last.text) ? null : last
  }

  #newCall(custom: boolean): Call {
    this.#endWholeCalls()
    const call: Call = { key: -1, id: null, name: null, custom, text: '', state: 'held' }
    this.#calls.push(call)
    return call
  }

  /** The start waits for the name; an id that has not come by then is minted. */
  #openCall(call: Call): void {
    if (call.name === null) return
    if (this.#waiting.length > 0 && this.#calls.every((other) => other === call || other.state === 'ended'))
      this.#releaseWaiting()
    this.#closeOpen()
    call.key = this.#nextKey++
    call.id ??= mintCallId(this.#responseId, this.#calls.indexOf(call))
    call.state = 'open'
    this.#events.push({
      type: 'tool-call-start',
      key: call.key,
      callId: call.id,
      name: call.name,
      namespace: null,
      custom: call.custom,
    })
  }

  #endWholeCalls(): void {
    for (const call of this.#calls)
      if (call.state === 'open' && !call.custom && isWholeJson(call.text)) this.#endCall(call)
  }

  #endCall(call: Call): void {
    if (call.state !== 'open') return
    call.state = 'ended'
    // No arguments are an empty object: strict clients parse them.
    if (call.text === '' && !call.custom)
      this.#events.push({ type: 'tool-call-delta', key: call.key, argumentsDelta: '{}' })
    this.#events.push({ type: 'tool-call-end', key: call.key })
  }

  // --------------------------------------------------------------------------------------------------- end

  /** What was open stays open: a client must not take a cut block for a whole one. */
  #fail(
    kind: Extract<CanonicalEvent, { type: 'error' }>['kind'],
    message: string,
    code: string | null,
  ): readonly CanonicalEvent[] {
    this.#isOver = true
    this.#events.push({ type: 'error', kind, message, code })
    return this.#take()
  }

  #take(): readonly CanonicalEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }
}

interface OpenReasoning {
  readonly kind: 'reasoning'
  readonly key: number
  token: ReasoningItem['token']
}

function isOpen(call: Call): boolean {
  return call.state === 'open'
}

function choiceZero(choices: unknown): JsonObject | null {
  if (!Array.isArray(choices)) return null
  return choices.find((choice): choice is JsonObject => isObject(choice) && (choice['index'] ?? 0) === 0) ?? null
}
