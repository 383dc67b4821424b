/**
 * A Messages stream as canonical events.
 *
 *   message_start (content_block_start(i) content_block_delta(i)* content_block_stop(i))* message_delta message_stop
 *
 * Lenient: blocks are opened by their first content, whichever event brings it, so deltas for unopened indexes,
 * missing stops, empty blocks, text in the start event and a delta of another kind than its block all read as
 * what they say (litellm#32357). Usage is cumulative. A stream that ends without a stop reason was cut, and is
 * never reported as success (litellm#32159, #32686); one that had it ended well even without `message_stop`.
 */
import type { StreamReader } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { noUsage } from '../canonical/usage.ts'
import { collectRaw, minifyJson } from '../json/raw-values.ts'
import type { SseMessage } from '../sse/reader.ts'
import { kindOfStreamError, readMessagesError } from './errors.ts'
import { isVendorBlock } from './response.ts'
import { readStopReason, stopWithoutReason } from './stop-reason.ts'
import { isObject, listOf, numberOr, stringOr, type WireObject } from './types.ts'
import { mergeMessagesUsage, readMessagesUsage } from './usage.ts'

export function createMessagesStreamReader(): StreamReader {
  return new MessagesStreamReader()
}

type Block = TextBlock | ReasoningBlock | ToolBlock | VendorBlock

interface TextBlock {
  readonly kind: 'text'
  /** Null until its first text. */
  key: number | null
  readonly citations: unknown[]
}

interface ReasoningBlock {
  readonly kind: 'reasoning'
  key: number | null
  signature: string
}

interface ToolBlock {
  readonly kind: 'tool'
  readonly key: number
  /** Arguments in the start event: they count only when no delta comes. */
  readonly startInput: string
  hasDelta: boolean
}

interface VendorBlock {
  readonly kind: 'vendor'
  readonly name: string
  readonly raw: WireObject
  json: string
}

class MessagesStreamReader implements StreamReader {
  readonly #blocks = new Map<number, Block>()
  #out: CanonicalEvent[] = []
  #started = false
  #done = false
  #nextKey = 0
  #hasToolCall = false
  #hasVendorBlock = false
  #usage: WireObject | null = null
  #stopWord: string | null = null
  #stopSequence: string | null = null
  #explanation: string | null = null

  push(message: SseMessage): readonly CanonicalEvent[] {
    if (this.#done || message.data === '' || message.data === '[DONE]') return []
    let data: unknown
    try {
      data = JSON.parse(message.data)
    } catch {
      this.#fail('upstream', 'The upstream sent an event that is not JSON.', 'WIRE_BAD_STREAM')
      return this.#take()
    }
    if (!isObject(data)) return []
    this.#read(stringOr(data['type']) ?? message.event, data, message.data)
    return this.#take()
  }

  end(): readonly CanonicalEvent[] {
    if (this.#done) return []
    if (this.#stopWord !== null) this.#finish()
    else
      this.#fail(
        'upstream',
        this.#started
          ? 'The upstream closed the stream before its answer was complete.'
          : 'The upstream closed the stream without an answer.',
        'WIRE_STREAM_CUT',
      )
    return this.#take()
  }

  #read(type: string | null, data: WireObject, text: string): void {
    switch (type) {
      case 'message_start':
        this.#messageStart(isObject(data['message']) ? data['message'] : {})
        break
      case 'content_block_start':
        this.#blockStart(indexOf(data), isObject(data['content_block']) ? data['content_block'] : {}, text)
        break
      case 'content_block_delta':
        if (isObject(data['delta'])) this.#blockDelta(indexOf(data), data['delta'])
        break
      case 'content_block_stop':
        this.#start()
        this.#close(indexOf(data))
        break
      case 'message_delta':
        this.#messageDelta(data)
        break
      case 'message_stop':
        this.#finish()
        break
      case 'ping':
        // The grammar starts with response-start; an earlier sign of life needs no event.
        if (this.#started) this.#out.push({ type: 'ping' })
        break
      case 'error': {
        const error = readMessagesError(data)
        const message = error?.message || 'The upstream reported an error without saying which.'
        this.#fail(kindOfStreamError({ kind: error?.kind ?? null, message }), message, error?.code ?? null)
        break
      }
      default:
        // An event of a later version of the protocol; or an error in the other vendor's envelope.
        if (isObject(data['error'])) this.#read('error', data, text)
    }
  }

  // ------------------------------------------------------------------------------------------ message

  #messageStart(message: WireObject): void {
    this.#usage = mergeMessagesUsage(this.#usage, message['usage'])
    if (this.#started) return
    this.#start(stringOr(message['id']) ?? '', stringOr(message['model']) ?? '')
    // Some servers put whole blocks here; the vendor sends none.
    for (const [at, block] of listOf(message['content']).entries()) if (isObject(block)) this.#blockStart(at, block, '')
  }

  #messageDelta(data: WireObject): void {
    this.#start()
    this.#usage = mergeMessagesUsage(this.#usage, data['usage'])
    const delta = isObject(data['delta']) ? data['delta'] : {}
    // A delta without a reason only updates the usage.
    this.#stopWord = stringOr(delta['stop_reason']) ?? this.#stopWord
    this.#stopSequence = stringOr(delta['stop_sequence']) ?? this.#stopSequence
    const details = isObject(delta['stop_details']) ? delta['stop_details'] : null
    this.#explanation = stringOr(details?.['explanation']) ?? this.#explanation
  }

  #start(id = '', model = ''): void {
    if (this.#started) return
    this.#started = true
    this.#out.push({ type: 'response-start', id, model, createdSec: null, usage: readMessagesUsage(this.#usage) })
  }

  #finish(): void {
    this.#start()
    this.#closeAll()
    const stop =
      this.#stopWord === null ? stopWithoutReason(this.#hasToolCall) : readStopReason(this.#stopWord, this.#hasToolCall)
    if (stop === 'tool-call' && !this.#hasToolCall && !this.#hasVendorBlock) {
      this.#fail('upstream', 'The upstream stopped for a tool call without making one.', 'WIRE_BAD_STREAM')
      return
    }
    this.#done = true
    this.#out.push({
      type: 'response-end',
      stop,
      stopSequence: this.#stopSequence,
      refusalExplanation: this.#explanation,
      usage: readMessagesUsage(this.#usage) ?? noUsage,
    })
  }

  /** Blocks stay open: what was cut must not look complete. */
  #fail(kind: Extract<CanonicalEvent, { type: 'error' }>['kind'], message: string, code: string | null): void {
    this.#done = true
    this.#out.push({ type: 'error', kind, message, code })
  }

  // ------------------------------------------------------------------------------------------- blocks

  #blockStart(index: number, wire: WireObject, text: string): void {
    this.#start()
    this.#close(index)
    const type = stringOr(wire['type']) ?? ''
    switch (type) {
      case 'text':
        this.#blocks.set(index, { kind: 'text', key: null, citations: [...listOf(wire['citations'])] })
        this.#textDelta(index, stringOr(wire['text']) ?? '')
        break
      case 'thinking':
        this.#blocks.set(index, { kind: 'reasoning', key: null, signature: stringOr(wire['signature']) ?? '' })
        this.#reasoningDelta(index, stringOr(wire['thinking']) ?? '')
        break
      case 'redacted_thinking': {
        this.#closeSpeech()
        const key = this.#nextKey++
        const data = stringOr(wire['data']) ?? ''
        this.#out.push({ type: 'reasoning-start', key, redacted: true })
        this.#out.push({ type: 'reasoning-end', key, token: { family: 'anthropic', data } })
        break
      }
      case 'tool_use':
        this.#openTool(index, wire, text)
        break
      default:
        if (!isVendorBlock(type)) break
        this.#hasVendorBlock = true
        this.#blocks.set(index, { kind: 'vendor', name: type, raw: wire, json: '' })
    }
  }

  #openTool(index: number, wire: WireObject, text: string): void {
    this.#closeSpeech()
    const key = this.#nextKey++
    const input = wire['input']
    const isEmpty = !isObject(input) || Object.keys(input).length === 0
    this.#blocks.set(index, {
      kind: 'tool',
      key,
      startInput: isEmpty ? '{}' : startInput(text, input),
      hasDelta: false,
    })
    this.#hasToolCall = true
    this.#out.push({
      type: 'tool-call-start',
      key,
      callId: stringOr(wire['id']) || `toolu_${index}`,
      name: stringOr(wire['name']) ?? '',
      namespace: null,
      custom: false,
    })
  }

  #blockDelta(index: number, delta: WireObject): void {
    this.#start()
    const block = this.#blocks.get(index)
    switch (delta['type']) {
      case 'text_delta':
        this.#textDelta(index, stringOr(delta['text']) ?? '')
        break
      case 'thinking_delta':
        this.#reasoningDelta(index, stringOr(delta['thinking']) ?? '')
        break
      case 'signature_delta':
        if (block?.kind === 'reasoning') block.signature = stringOr(delta['signature']) ?? block.signature
        break
      case 'citations_delta':
        if (block?.kind === 'text' && delta['citation'] !== undefined) block.citations.push(delta['citation'])
        break
      case 'input_json_delta': {
        const json = stringOr(delta['partial_json']) ?? ''
        if (json === '') break
        if (block?.kind === 'vendor') block.json += json
        if (block?.kind !== 'tool') break
        block.hasDelta = true
        this.#out.push({ type: 'tool-call-delta', key: block.key, argumentsDelta: json })
        break
      }
      default:
        break
    }
  }

  #textDelta(index: number, text: string): void {
    if (text === '') return
    const block = this.#blocks.get(index)
    const open: TextBlock = block?.kind === 'text' ? block : { kind: 'text', key: null, citations: [] }
    if (open !== block) this.#replace(index, open)
    if (open.key === null) {
      this.#closeSpeech(open)
      open.key = this.#nextKey++
      this.#out.push({ type: 'text-start', key: open.key, refusal: false })
    }
    this.#out.push({ type: 'text-delta', key: open.key, text })
  }

  #reasoningDelta(index: number, text: string): void {
    if (text === '') return
    const block = this.#blocks.get(index)
    const open: ReasoningBlock = block?.kind === 'reasoning' ? block : { kind: 'reasoning', key: null, signature: '' }
    if (open !== block) this.#replace(index, open)
    this.#openReasoning(open)
    if (open.key !== null) this.#out.push({ type: 'reasoning-delta', key: open.key, text, summary: false })
  }

  #openReasoning(block: ReasoningBlock): void {
    if (block.key !== null) return
    this.#closeSpeech(block)
    block.key = this.#nextKey++
    this.#out.push({ type: 'reasoning-start', key: block.key, redacted: false })
  }

  /** A delta of another kind than its block, or for a block that was never opened: a block of its own. */
  #replace(index: number, block: Block): void {
    const old = this.#blocks.get(index)
    if (old?.kind === 'tool') {
      // The call goes on under its index; the text gets a place that no index has.
      this.#blocks.set(-1 - this.#nextKey, block)
      return
    }
    this.#close(index)
    this.#blocks.set(index, block)
  }

  /** Text and reasoning are serial: an open one ends when another begins, but may begin again. */
  #closeSpeech(except: Block | null = null): void {
    for (const block of this.#blocks.values())
      if (block !== except && (block.kind === 'text' || block.kind === 'reasoning')) this.#endSpeech(block)
  }

  #endSpeech(block: TextBlock | ReasoningBlock): void {
    if (block.key === null) return
    if (block.kind === 'text') {
      const citations = block.citations.splice(0)
      this.#out.push({ type: 'text-end', key: block.key, ...(citations.length > 0 ? { citations } : {}) })
    } else {
      const data = block.signature
      this.#out.push({
        type: 'reasoning-end',
        key: block.key,
        token: data === '' ? null : { family: 'anthropic', data },
      })
      block.signature = ''
    }
    block.key = null
  }

  #close(index: number): void {
    const block = this.#blocks.get(index)
    if (block === undefined) return
    this.#blocks.delete(index)
    switch (block.kind) {
      case 'text':
        this.#endSpeech(block)
        break
      case 'reasoning':
        // Thinking that the caller did not want to see comes as a signature alone.
        if (block.signature !== '') this.#openReasoning(block)
        this.#endSpeech(block)
        break
      case 'tool':
        if (!block.hasDelta)
          this.#out.push({ type: 'tool-call-delta', key: block.key, argumentsDelta: block.startInput })
        this.#out.push({ type: 'tool-call-end', key: block.key })
        break
      default:
        this.#out.push({ type: 'foreign', name: block.name, raw: withInput(block) })
    }
  }

  #closeAll(): void {
    for (const index of this.#blocks.keys()) this.#close(index)
  }

  #take(): readonly CanonicalEvent[] {
    const out = this.#out
    this.#out = []
    return out
  }
}

/** A block without an index is the first. */
function indexOf(data: WireObject): number {
  return numberOr(data['index']) ?? 0
}

/** The characters of `content_block.input`, so that numbers keep their spelling. */
function startInput(text: string, input: unknown): string {
  if (text !== '') {
    const raw = collectRaw(text, (path) => path.length === 2 && path[0] === 'content_block' && path[1] === 'input')
    const found = raw.get('/content_block/input')
    if (found !== undefined) return minifyJson(found)
  }
  return JSON.stringify(input)
}

function withInput(block: VendorBlock): WireObject {
  if (block.json === '') return block.raw
  try {
    return { ...block.raw, input: JSON.parse(block.json) as unknown }
  } catch {
    return block.raw
  }
}
