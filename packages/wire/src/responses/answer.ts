/**
 * One answer in Responses' terms, built event by event from canonical events.
 *
 *   created, in_progress, (per item: output_item.added .. output_item.done)*, completed | incomplete | failed
 *
 * Each item has an `output_index` of its own, in order of appearance, never shared (kitty-bridge#116); items
 * may be open side by side, so parallel calls stream live. `done` events and the final object repeat the full
 * text. Reasoning goes out as `reasoning_text`, as servers of open models do, summaries as summaries, and the
 * item carries a token that brings it back on the next turn. The stream writer turns the events into SSE; the
 * writer of complete answers keeps only the final object.
 */
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { ReasoningItem } from '../canonical/request.ts'
import { noUsage, type Usage } from '../canonical/usage.ts'
import { ToolRestorer } from '../history/tool-restore.ts'
import { annotationOf } from './annotations.ts'
import { callNames } from './call-names.ts'
import { streamErrorCode } from './errors.ts'
import { isObject } from './read-field.ts'
import { foreignTokenPrefix } from './read-items.ts'
import { idPart, responseFrame } from './response-object.ts'
import { writeUsage } from './usage.ts'

export type ResponsesEvent = { readonly type: string } & Readonly<Record<string, unknown>>
type Event<T extends CanonicalEvent['type']> = Extract<CanonicalEvent, { type: T }>

interface OpenText {
  readonly kind: 'text'
  readonly index: number
  readonly id: string
  readonly refusal: boolean
  text: string
  logprobs: unknown[]
}

interface OpenReasoning {
  readonly kind: 'reasoning'
  readonly index: number
  readonly id: string
  readonly redacted: boolean
  text: string | null
  summary: string | null
}

interface OpenCall {
  readonly kind: 'call'
  readonly index: number
  readonly id: string
  readonly custom: boolean
  readonly callId: string
  readonly name: string
  readonly namespace: string | null
  text: string
}

type OpenItem = OpenText | OpenReasoning | OpenCall
type WireItem = Record<string, unknown>

export class Answer {
  readonly #context: AnswerContext
  readonly #emit: (event: ResponsesEvent) => void
  readonly #frame: Record<string, unknown>
  readonly #restorer: ToolRestorer
  readonly #idPart: string
  readonly #open = new Map<number, OpenItem>()
  /** Finished items by output index; a hole is an item still open. */
  readonly #output: (WireItem | undefined)[] = []
  #usage: Usage = noUsage
  #started = false
  #sequence = 0
  #refused = false
  #final: WireItem | null = null

  constructor(context: AnswerContext, emit: (event: ResponsesEvent) => void) {
    this.#context = context
    this.#emit = emit
    this.#frame = responseFrame(context)
    this.#restorer = new ToolRestorer(callNames(context))
    this.#idPart = idPart(context.requestId)
  }

  /** The response object after the terminal event; null before. */
  get final(): WireItem | null {
    return this.#final
  }

  push(event: CanonicalEvent): void {
    if (this.#final !== null || event.type === 'ping') return
    if (!this.#started) this.#start()
    // A call that names its namespace came from an upstream that knows namespaces.
    if (event.type === 'tool-call-start' && event.namespace !== null) this.#accept(event)
    else for (const restored of this.#restorer.push(event)) this.#accept(restored)
  }

  #accept(event: CanonicalEvent): void {
    switch (event.type) {
      case 'response-start':
        this.#usage = event.usage ?? this.#usage
        break
      case 'usage':
        this.#usage = event.usage
        break
      case 'text-start':
        this.#startText(event)
        break
      case 'text-delta':
        this.#text(event)
        break
      case 'text-end':
        this.#endText(event.key, event.citations ?? [])
        break
      case 'reasoning-start':
        this.#startReasoning(event)
        break
      case 'reasoning-delta':
        this.#reasoning(event)
        break
      case 'reasoning-end':
        this.#endReasoning(event.key, event.token)
        break
      case 'tool-call-start':
        this.#startCall(event)
        break
      case 'tool-call-delta':
        this.#call(event.key, event.argumentsDelta)
        break
      case 'tool-call-end':
        this.#endCall(event.key)
        break
      case 'foreign':
        this.#foreign(event)
        break
      case 'response-end':
        this.#end(event)
        break
      case 'error':
        this.#fail(event)
        break
      default:
        break
    }
  }

  #send(type: string, members: Record<string, unknown>): void {
    this.#emit({ type, ...members, sequence_number: this.#sequence++ })
  }

  #start(): void {
    this.#started = true
    const response = this.#response('in_progress', {})
    this.#send('response.created', { response })
    this.#send('response.in_progress', { response })
  }

  #response(status: string, members: WireItem): WireItem {
    const output = this.#output.filter((item) => item !== undefined)
    return { ...this.#frame, status, error: null, incomplete_details: null, ...members, output }
  }

  #add(key: number, open: OpenItem, item: WireItem): void {
    this.#open.set(key, open)
    this.#output[open.index] = undefined
    this.#send('response.output_item.added', { output_index: open.index, item })
  }

  #finish(key: number, open: OpenItem, item: WireItem): void {
    this.#open.delete(key)
    this.#output[open.index] = item
    this.#send('response.output_item.done', { output_index: open.index, item })
  }

  #id(prefix: string): string {
    return `${prefix}_${this.#idPart}_${this.#output.length}`
  }

  // ------------------------------------------------------------------------------------------- text

  #startText(event: Event<'text-start'>): void {
    const index = this.#output.length
    const open: OpenText = { kind: 'text', index, id: this.#id('msg'), refusal: event.refusal, text: '', logprobs: [] }
    this.#refused ||= event.refusal
    this.#add(event.key, open, { id: open.id, type: 'message', status: 'in_progress', role: 'assistant', content: [] })
    this.#send('response.content_part.added', { ...where(open), content_index: 0, part: textPart(open, []) })
  }

  #text(event: Event<'text-delta'>): void {
    const open = this.#open.get(event.key)
    if (open?.kind !== 'text') return
    open.text += event.text
    const at = { ...where(open), content_index: 0, delta: event.text }
    if (open.refusal) return this.#send('response.refusal.delta', at)
    const logprobs = logprobsOf(event.logprobs)
    open.logprobs.push(...logprobs)
    this.#send('response.output_text.delta', { ...at, logprobs })
  }

  #endText(key: number, citations: readonly unknown[]): void {
    const open = this.#open.get(key)
    if (open?.kind !== 'text') return
    const at = { ...where(open), content_index: 0 }
    const annotations = citations.map((citation) => annotationOf(citation, open.text)).filter((one) => one !== null)
    for (const [index, annotation] of annotations.entries())
      this.#send('response.output_text.annotation.added', { ...at, annotation_index: index, annotation })
    if (open.refusal) this.#send('response.refusal.done', { ...at, refusal: open.text })
    else this.#send('response.output_text.done', { ...at, text: open.text, logprobs: open.logprobs })
    const part = textPart(open, annotations)
    this.#send('response.content_part.done', { ...at, part })
    this.#finish(key, open, { id: open.id, type: 'message', status: 'completed', role: 'assistant', content: [part] })
  }

  // -------------------------------------------------------------------------------------- reasoning

  #startReasoning(event: Event<'reasoning-start'>): void {
    const index = this.#output.length
    const { redacted } = event
    const open: OpenReasoning = { kind: 'reasoning', index, id: this.#id('rs'), redacted, text: null, summary: null }
    this.#add(event.key, open, { id: open.id, type: 'reasoning', status: 'in_progress', summary: [] })
  }

  #reasoning(event: Event<'reasoning-delta'>): void {
    const open = this.#open.get(event.key)
    if (open?.kind !== 'reasoning') return
    if (event.summary) {
      const at = { ...where(open), summary_index: 0 }
      if (open.summary === null)
        this.#send('response.reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } })
      open.summary = (open.summary ?? '') + event.text
      this.#send('response.reasoning_summary_text.delta', { ...at, delta: event.text })
      return
    }
    const at = { ...where(open), content_index: 0 }
    if (open.text === null)
      this.#send('response.content_part.added', { ...at, part: { type: 'reasoning_text', text: '' } })
    open.text = (open.text ?? '') + event.text
    this.#send('response.reasoning_text.delta', { ...at, delta: event.text })
  }

  #endReasoning(key: number, token: ReasoningItem['token']): void {
    const open = this.#open.get(key)
    if (open?.kind !== 'reasoning') return
    const { text, summary } = open
    if (summary !== null) {
      const at = { ...where(open), summary_index: 0 }
      this.#send('response.reasoning_summary_text.done', { ...at, text: summary })
      this.#send('response.reasoning_summary_part.done', { ...at, part: { type: 'summary_text', text: summary } })
    }
    if (text !== null) {
      const at = { ...where(open), content_index: 0 }
      this.#send('response.reasoning_text.done', { ...at, text })
      this.#send('response.content_part.done', { ...at, part: { type: 'reasoning_text', text } })
    }
    const sealed = this.#token(open, token)
    this.#finish(key, open, {
      id: open.id,
      type: 'reasoning',
      status: 'completed',
      summary: summary === null ? [] : [{ type: 'summary_text', text: summary }],
      ...(text !== null && { content: [{ type: 'reasoning_text', text }] }),
      ...(sealed !== null && { encrypted_content: sealed }),
    })
  }

  /** What `encrypted_content` says: our sealed token where we seal, the upstream's own otherwise. */
  #token(open: OpenReasoning, token: ReasoningItem['token']): string | null {
    const { sealer, upstreamFamily } = this.#context
    const own = token !== null && token.family !== 'portolan' ? token : null
    if (sealer !== null) {
      if (own === null && open.text === null) return token?.data ?? null
      return sealer.seal({
        family: upstreamFamily,
        reasoning: open.text ?? '',
        // Calls come back with their arguments verbatim in this protocol; only reasoning needs sealing.
        toolArguments: {},
        ...(own !== null && {
          token: { family: own.family, data: own.data, ...(open.redacted && { redacted: true }) },
        }),
      })
    }
    if (token?.family === 'anthropic') return foreignTokenPrefix.anthropic + token.data
    return token?.data ?? null
  }

  // ------------------------------------------------------------------------------------------ calls

  #startCall(event: Event<'tool-call-start'>): void {
    const { callId, name, namespace, custom } = event
    const index = this.#output.length
    const id = this.#id(custom ? 'ctc' : 'fc')
    const open: OpenCall = { kind: 'call', index, id, custom, callId, name, namespace, text: '' }
    this.#add(event.key, open, callItem(open, 'in_progress'))
  }

  #call(key: number, delta: string): void {
    const open = this.#open.get(key)
    if (open?.kind !== 'call') return
    open.text += delta
    const type = open.custom ? 'response.custom_tool_call_input.delta' : 'response.function_call_arguments.delta'
    this.#send(type, { ...where(open), delta })
  }

  #endCall(key: number): void {
    const open = this.#open.get(key)
    if (open?.kind !== 'call') return
    // Clients parse the arguments of a call without any as JSON too.
    if (!open.custom && open.text === '') this.#call(key, '{}')
    if (open.custom) this.#send('response.custom_tool_call_input.done', { ...where(open), input: open.text })
    else this.#send('response.function_call_arguments.done', { ...where(open), name: open.name, arguments: open.text })
    this.#finish(key, open, callItem(open, open.custom || isJson(open.text) ? 'completed' : 'incomplete'))
  }

  /** An item of this protocol that has no canonical form; those of other protocols have no place here. */
  #foreign(event: Event<'foreign'>): void {
    const { raw } = event
    if (!isObject(raw) || typeof raw.id !== 'string' || !hostedItem.test(event.name)) return
    const index = this.#output.length
    this.#output[index] = { ...raw }
    this.#send('response.output_item.added', { output_index: index, item: raw })
    this.#send('response.output_item.done', { output_index: index, item: raw })
  }

  // ------------------------------------------------------------------------------------------- ends

  #closeAll(): void {
    for (const [key, open] of this.#open) {
      if (open.kind === 'text') this.#endText(key, [])
      else if (open.kind === 'reasoning') this.#endReasoning(key, null)
      else this.#endCall(key)
    }
  }

  #end(event: Event<'response-end'>): void {
    this.#closeAll()
    const reason = event.stop === 'length' || event.stop === 'context' ? 'max_output_tokens' : this.#refusal(event)
    const usage = writeUsage(event.usage) ?? writeUsage(this.#usage)
    const told = usage === null ? {} : { usage }
    this.#final =
      reason === null
        ? this.#response('completed', told)
        : this.#response('incomplete', { ...told, incomplete_details: { reason } })
    this.#send(reason === null ? 'response.completed' : 'response.incomplete', { response: this.#final })
  }

  /** A refusal is said by a refusal part; without words for one, by the reason of an incomplete answer. */
  #refusal(event: Event<'response-end'>): 'content_filter' | null {
    if (event.stop !== 'refusal' || this.#refused) return null
    if (event.refusalExplanation === null || event.refusalExplanation === '') return 'content_filter'
    const key = Number.MAX_SAFE_INTEGER
    this.#startText({ type: 'text-start', key, refusal: true })
    this.#text({ type: 'text-delta', key, text: event.refusalExplanation })
    this.#endText(key, [])
    return null
  }

  /** What had arrived is repeated; calls cut in the middle are not, so that nobody runs them. */
  #fail(event: Event<'error'>): void {
    const usage = writeUsage(this.#usage)
    const error = { code: streamErrorCode(event.kind, event.code), message: event.message }
    this.#final = this.#response('failed', { error, ...(usage !== null && { usage }) })
    this.#send('response.failed', { response: this.#final })
  }
}

const hostedItem = /_call$|_call_output$|^mcp_|^compaction$|^tool_search_output$|^program/

function where(open: OpenItem): { readonly item_id: string; readonly output_index: number } {
  return { item_id: open.id, output_index: open.index }
}

function textPart(open: OpenText, annotations: readonly unknown[]): WireItem {
  return open.refusal
    ? { type: 'refusal', refusal: open.text }
    : { type: 'output_text', text: open.text, annotations, logprobs: open.logprobs }
}

function callItem(open: OpenCall, status: string): WireItem {
  const { id, callId, name, namespace, text } = open
  const named = { id, call_id: callId, name, ...(namespace !== null && { namespace }) }
  return open.custom
    ? { ...named, type: 'custom_tool_call', status, input: text }
    : { ...named, type: 'function_call', status, arguments: text }
}

/** Chat's object (`{content: [...]}`) and this protocol's list. */
function logprobsOf(value: unknown): readonly unknown[] {
  const list = isObject(value) ? value.content : value
  return Array.isArray(list) ? list : []
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
