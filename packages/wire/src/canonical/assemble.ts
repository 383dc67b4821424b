/**
 * A canonical stream as one complete answer, and the other way round.
 *
 * `assemble` serves upstreams that stream when asked for JSON; `disassemble` serves those that answer JSON
 * when asked to stream, and in-process upstreams behind a non-streaming door.
 */
import type { CanonicalEvent } from './event.ts'
import type { CanonicalResponse, OutputItem, StopReason } from './response.ts'
import { noUsage, type Usage } from './usage.ts'

/** Collects events until the terminal one. Memory is bounded by the answer itself. */
export class ResponseAssembler {
  readonly #items = new Map<number, OutputItem>()
  /** Of blocks that are not the first choice's. */
  readonly #choiceOf = new Map<number, number>()
  readonly #stops = new Map<number, StopReason>()
  readonly #foreign: { after: number; item: OutputItem }[] = []
  #id = ''
  #model = ''
  #createdSec: number | null = null
  #usage: Usage = noUsage
  /** By choice, Chat's object: lists of tokens by what they are tokens of. */
  readonly #logprobs = new Map<number, Record<string, unknown[]>>()
  #end: Extract<CanonicalEvent, { type: 'response-end' }> | null = null
  #error: Extract<CanonicalEvent, { type: 'error' }> | null = null

  push(event: CanonicalEvent): void {
    switch (event.type) {
      case 'response-start':
        this.#id = event.id
        this.#model = event.model
        this.#createdSec = event.createdSec
        if (event.usage) this.#usage = event.usage
        break
      case 'text-start':
        this.#assign(event)
        this.#items.set(event.key, {
          kind: 'assistant-text',
          parts: [{ type: 'text', text: '' }],
          refusal: event.refusal,
        })
        break
      case 'text-delta':
        this.#addLogprobs(event.key, event.logprobs)
        this.#change(event.key, 'assistant-text', (item) => ({
          ...item,
          parts: [{ ...item.parts[0]!, text: (item.parts[0]?.text ?? '') + event.text }],
        }))
        break
      case 'text-end':
        if (event.citations?.length)
          this.#change(event.key, 'assistant-text', (item) => ({
            ...item,
            parts: [{ ...item.parts[0]!, citations: event.citations }],
          }))
        break
      case 'reasoning-start':
        this.#assign(event)
        this.#items.set(event.key, {
          kind: 'reasoning',
          text: null,
          summary: [],
          token: null,
          redacted: event.redacted,
          id: event.id,
        })
        break
      case 'reasoning-delta':
        this.#addLogprobs(event.key, event.logprobs)
        this.#change(event.key, 'reasoning', (item) =>
          event.summary
            ? { ...item, summary: [(item.summary[0] ?? '') + event.text, ...item.summary.slice(1)] }
            : { ...item, text: (item.text ?? '') + event.text },
        )
        break
      case 'reasoning-end':
        this.#change(event.key, 'reasoning', (item) => ({ ...item, token: event.token }))
        break
      case 'tool-call-start':
        this.#assign(event)
        this.#items.set(event.key, {
          kind: 'tool-call',
          callId: event.callId,
          name: event.name,
          namespace: event.namespace,
          argumentsText: '',
          custom: event.custom,
        })
        break
      case 'tool-call-delta':
        this.#change(event.key, 'tool-call', (item) => ({
          ...item,
          argumentsText: item.argumentsText + event.argumentsDelta,
        }))
        break
      case 'foreign':
        this.#foreign.push({
          after: this.#items.size,
          item: { kind: 'foreign', protocol: 'messages', name: event.name, role: 'assistant', raw: event.raw },
        })
        break
      case 'choice-end':
        this.#stops.set(event.choice, event.stop)
        break
      case 'usage':
        this.#usage = event.usage
        break
      case 'response-end':
        this.#usage = event.usage
        this.#end = event
        break
      case 'error':
        this.#error = event
        break
      default:
        break
    }
  }

  /** The error that ended the stream; null when it ended well or has not ended. */
  get error(): Extract<CanonicalEvent, { type: 'error' }> | null {
    return this.#error
  }

  /** The whole answer; null before `response-end`. */
  response(): CanonicalResponse | null {
    if (!this.#end) return null
    const items = this.#itemsOf(0)
    for (const { after, item } of this.#foreign.toReversed()) items.splice(after, 0, item)
    return {
      id: this.#id,
      model: this.#model,
      createdSec: this.#createdSec,
      items,
      stop: this.#end.stop,
      stopSequence: this.#end.stopSequence,
      refusalExplanation: this.#end.refusalExplanation,
      usage: this.#usage,
      logprobs: this.#logprobs.get(0) ?? null,
      moreChoices: [...this.#stops]
        .filter(([choice]) => choice !== 0)
        .toSorted(([a], [b]) => a - b)
        .map(([choice, stop]) => ({
          items: this.#itemsOf(choice),
          stop,
          logprobs: this.#logprobs.get(choice) ?? null,
        })),
    }
  }

  #assign({ key, choice }: { readonly key: number; readonly choice?: number }): void {
    if (choice) this.#choiceOf.set(key, choice)
  }

  #itemsOf(choice: number): OutputItem[] {
    return [...this.#items].filter(([key]) => (this.#choiceOf.get(key) ?? 0) === choice).map(([, item]) => item)
  }

  #addLogprobs(key: number, logprobs: unknown): void {
    if (typeof logprobs !== 'object' || logprobs === null) return
    // Only the known lists: the object may come from anybody.
    for (const field of ['content', 'reasoning_content', 'refusal']) {
      const tokens = (logprobs as Record<string, unknown>)[field]
      if (!Array.isArray(tokens)) continue
      const choice = this.#choiceOf.get(key) ?? 0
      const lists = this.#logprobs.get(choice) ?? {}
      this.#logprobs.set(choice, lists)
      const list = (lists[field] ??= [])
      for (const token of tokens) list.push(token)
    }
  }

  #change<K extends OutputItem['kind']>(
    key: number,
    kind: K,
    edit: (item: Extract<OutputItem, { kind: K }>) => OutputItem,
  ): void {
    const item = this.#items.get(key)
    if (item?.kind === kind) this.#items.set(key, edit(item as Extract<OutputItem, { kind: K }>))
  }
}

/** The events that a stream of this answer would have had: one delta per block, of the first choice. */
export function* disassemble(response: CanonicalResponse): Generator<CanonicalEvent> {
  const logprobs = new Logprobs(response.logprobs)
  yield {
    type: 'response-start',
    id: response.id,
    model: response.model,
    createdSec: response.createdSec,
    usage: response.usage,
  }
  for (const [key, item] of response.items.entries()) {
    switch (item.kind) {
      case 'assistant-text': {
        yield { type: 'text-start', key, refusal: item.refusal ?? false }
        const text = item.parts.map((part) => part.text).join('')
        if (text !== '') yield { type: 'text-delta', key, text, ...logprobs.take(item.refusal ? 'refusal' : 'content') }
        const citations = item.parts.flatMap((part) => part.citations ?? [])
        yield citations.length > 0 ? { type: 'text-end', key, citations } : { type: 'text-end', key }
        break
      }
      case 'reasoning':
        yield { type: 'reasoning-start', key, redacted: item.redacted ?? false, id: item.id }
        for (const text of item.summary) if (text !== '') yield { type: 'reasoning-delta', key, text, summary: true }
        if (item.text)
          yield {
            type: 'reasoning-delta',
            key,
            text: item.text,
            summary: false,
            ...logprobs.take('reasoning_content'),
          }
        yield { type: 'reasoning-end', key, token: item.token }
        break
      case 'tool-call':
        yield {
          type: 'tool-call-start',
          key,
          callId: item.callId,
          name: item.name,
          namespace: item.namespace,
          custom: item.custom,
        }
        if (item.argumentsText !== '') yield { type: 'tool-call-delta', key, argumentsDelta: item.argumentsText }
        yield { type: 'tool-call-end', key }
        break
      default:
        yield { type: 'foreign', name: item.name, raw: item.raw }
    }
  }
  yield {
    type: 'response-end',
    stop: response.stop,
    stopSequence: response.stopSequence,
    refusalExplanation: response.refusalExplanation,
    usage: response.usage,
  }
}

/** Lists of tokens by what they are tokens of. Which block each belongs to is not said: the first has them all. */
class Logprobs {
  readonly #lists: Map<string, unknown>

  constructor(logprobs: unknown) {
    this.#lists = new Map(typeof logprobs === 'object' && logprobs !== null ? Object.entries(logprobs) : [])
  }

  take(field: string): { readonly logprobs?: unknown } {
    const list = this.#lists.get(field)
    this.#lists.delete(field)
    return Array.isArray(list) && list.length > 0 ? { logprobs: { [field]: list as unknown } } : {}
  }
}
