/**
 * Canonical events as a Messages stream that the strictest clients accept.
 *
 * Blocks are opened by their first content, numbered densely and never overlap: while one is open, the others
 * wait in line with what has arrived for them. The head of the line closes when it ended, or when a later block
 * has content and the head is speech, or a call whose arguments are complete JSON; so parallel calls stream
 * live where that is possible. A call without arguments sends one `{}` delta (vscode-copilot-release#8040).
 * Thinking closes with its signature. `event:` lines always: the vendor's client discards messages without.
 */
import type { AnswerContext, StreamWriter } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { ReasoningItem } from '../canonical/request.ts'
import { noUsage, type Usage } from '../canonical/usage.ts'
import { ToolRestorer } from '../history/tool-restore.ts'
import { writeSse } from '../sse/writer.ts'
import { writeMessagesErrorEvent } from './errors.ts'
import { hidesThinking, isVendorBlock, messageId, signatureOf, writeCitations } from './response.ts'
import { stopOfRefusal, writeStopDetails, writeStopReason } from './stop-reason.ts'
import { isCompleteObject } from './tool-input.ts'
import { isObject } from './types.ts'
import { writeMessagesDeltaUsage, writeMessagesUsage } from './usage.ts'

export function createMessagesStreamWriter(context: AnswerContext): StreamWriter {
  return new MessagesStreamWriter(context)
}

type Waiting = WaitingText | WaitingReasoning | WaitingTool | WaitingVendor

interface WaitingText {
  readonly kind: 'text'
  readonly key: number
  pending: string
  citations: readonly unknown[]
  ended: boolean
}

interface WaitingReasoning {
  readonly kind: 'reasoning'
  readonly key: number
  pending: string
  /** Everything thought in this block: what its signature is made from. */
  whole: string
  token: ReasoningItem['token']
  /** The item's id where it came from, if it had one. */
  id?: string
  readonly redacted: boolean
  ended: boolean
}

interface WaitingTool {
  readonly kind: 'tool'
  readonly key: number
  readonly callId: string
  readonly name: string
  readonly custom: boolean
  pending: string
  whole: string
  sentAny: boolean
  ended: boolean
  /** How much of `whole` was last looked at for completeness. */
  checkedLength: number
}

interface WaitingVendor {
  readonly kind: 'vendor'
  readonly key: number
  readonly raw: Readonly<Record<string, unknown>>
  readonly ended: true
}

class MessagesStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #restorer: ToolRestorer
  /** Blocks not closed yet, in the order in which they got content; only the first may be open. */
  readonly #line: Waiting[] = []
  #headIsOpen = false
  #index = 0
  #started = false
  #done = false
  /** Visible text was said as a refusal. */
  #refused = false
  #usage: Usage | null = null
  #hasToolCall = false
  #nextVendorKey = -1
  #out = ''

  constructor(context: AnswerContext) {
    this.#context = context
    this.#restorer = new ToolRestorer(context.toolNames)
  }

  write(event: CanonicalEvent): string {
    for (const restored of this.#restorer.push(event)) {
      if (this.#done) break
      this.#take(restored)
    }
    const out = this.#out
    this.#out = ''
    return out
  }

  keepAlive(): string {
    return this.#done ? '' : writeSse('ping', '{"type":"ping"}')
  }

  #take(event: CanonicalEvent): void {
    switch (event.type) {
      case 'response-start':
        this.#usage = event.usage ?? this.#usage
        // Without counts it waits for the first content: they may still come, and an honest 0 is all we would have.
        if (event.usage !== null) this.#start()
        break
      case 'usage':
        this.#usage = event.usage
        this.#start()
        break
      case 'text-delta':
        this.#textOf(event.key).pending += event.text
        this.#advance()
        break
      case 'text-end': {
        const block = this.#find(event.key, 'text')
        if (block === undefined) break
        block.citations = event.citations ?? []
        block.ended = true
        this.#advance()
        break
      }
      case 'reasoning-start':
        if (event.redacted) this.#reasoningOf(event.key, true)
        else if (event.id !== undefined) this.#reasoningOf(event.key, false).id = event.id
        break
      case 'reasoning-delta': {
        const block = this.#reasoningOf(event.key, false)
        block.pending += event.text
        block.whole += event.text
        this.#advance()
        break
      }
      case 'reasoning-end': {
        const block =
          this.#find(event.key, 'reasoning') ?? (event.token === null ? undefined : this.#reasoningOf(event.key, false))
        if (block === undefined) break
        block.token = event.token
        block.ended = true
        this.#advance()
        break
      }
      case 'tool-call-start':
        this.#hasToolCall = true
        this.#line.push({
          kind: 'tool',
          key: event.key,
          callId: event.callId || `toolu_${this.#context.requestId}_${event.key}`,
          name: event.name,
          custom: event.custom,
          pending: '',
          whole: '',
          sentAny: false,
          ended: false,
          checkedLength: 0,
        })
        this.#advance()
        break
      case 'tool-call-delta': {
        const block = this.#find(event.key, 'tool')
        // A call that closed as complete cannot grow; what follows complete JSON is white space.
        if (block === undefined) break
        block.pending += event.argumentsDelta
        block.whole += event.argumentsDelta
        this.#advance()
        break
      }
      case 'tool-call-end': {
        const block = this.#find(event.key, 'tool')
        if (block === undefined) break
        block.ended = true
        this.#advance()
        break
      }
      case 'foreign':
        if (isVendorBlock(event.name) && isObject(event.raw) && event.raw['type'] === event.name) {
          this.#line.push({ kind: 'vendor', key: this.#nextVendorKey--, raw: event.raw, ended: true })
          this.#advance()
        }
        break
      case 'ping':
        this.#out += this.keepAlive()
        break
      case 'response-end':
        this.#finish(event)
        break
      case 'error':
        this.#done = true
        this.#out += writeMessagesErrorEvent({ ...event, param: null, requestId: this.#context.requestId })
        break
      default:
        // text-start: a block opens with its first content.
        if (event.type === 'text-start' && event.refusal) this.#refused = true
        break
    }
  }

  // ------------------------------------------------------------------------------------------ message

  #start(): void {
    if (this.#started) return
    this.#started = true
    this.#send('message_start', {
      message: {
        id: messageId(this.#context),
        type: 'message',
        role: 'assistant',
        model: this.#context.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        container: null,
        diagnostics: null,
        usage: writeMessagesUsage(this.#usage ?? noUsage),
      },
    })
  }

  #finish(event: Extract<CanonicalEvent, { type: 'response-end' }>): void {
    this.#start()
    for (const block of this.#line) if (block.kind !== 'vendor') block.ended = true
    this.#advance()
    const stop = stopOfRefusal(event.stop, this.#refused)
    this.#send('message_delta', {
      delta: {
        stop_reason: writeStopReason(stop, this.#hasToolCall),
        stop_sequence: event.stopSequence,
        stop_details: writeStopDetails(stop, event.refusalExplanation),
        container: null,
      },
      usage: writeMessagesDeltaUsage(event.usage),
    })
    this.#send('message_stop', {})
    this.#done = true
  }

  #send(type: string, members: Readonly<Record<string, unknown>>): void {
    this.#out += writeSse(type, JSON.stringify({ type, ...members }))
  }

  // --------------------------------------------------------------------------------------------- line

  #find<K extends Waiting['kind']>(key: number, kind: K): Extract<Waiting, { kind: K }> | undefined {
    for (const block of this.#line) if (block.key === key && isKind(block, kind)) return block
    return undefined
  }

  #textOf(key: number): WaitingText {
    const known = this.#find(key, 'text')
    if (known !== undefined) return known
    const block: WaitingText = { kind: 'text', key, pending: '', citations: [], ended: false }
    this.#line.push(block)
    return block
  }

  #reasoningOf(key: number, redacted: boolean): WaitingReasoning {
    const known = this.#find(key, 'reasoning')
    if (known !== undefined) return known
    const block: WaitingReasoning = {
      kind: 'reasoning',
      key,
      pending: '',
      whole: '',
      token: null,
      redacted,
      ended: false,
    }
    this.#line.push(block)
    return block
  }

  /** Sends what the head has, closes it when it may close, and goes on with the next. */
  #advance(): void {
    for (let head = this.#line[0]; head !== undefined; head = this.#line[0]) {
      this.#flush(head)
      if (!head.ended && !(this.#line.length > 1 && mayCloseEarly(head))) return
      this.#close(head)
      this.#line.shift()
    }
  }

  #flush(head: Waiting): void {
    switch (head.kind) {
      case 'text':
        if (head.pending === '') return
        this.#open({ type: 'text', text: '', citations: null })
        this.#delta({ type: 'text_delta', text: head.pending })
        head.pending = ''
        return
      case 'reasoning':
        if (head.redacted || head.pending === '') return
        this.#open({ type: 'thinking', thinking: '', signature: '' })
        if (!hidesThinking(this.#context)) this.#delta({ type: 'thinking_delta', thinking: head.pending })
        head.pending = ''
        return
      case 'tool':
        this.#open({ type: 'tool_use', id: head.callId, caller: { type: 'direct' }, name: head.name, input: {} })
        // Free text becomes a JSON string member, which is whole only at its end.
        if (head.custom || head.pending === '') return
        this.#delta({ type: 'input_json_delta', partial_json: head.pending })
        head.pending = ''
        head.sentAny = true
        return
      default:
        this.#vendor(head)
    }
  }

  #close(head: Waiting): void {
    if (head.kind === 'text')
      for (const citation of this.#headIsOpen ? (writeCitations(head.citations) ?? []) : [])
        this.#delta({ type: 'citations_delta', citation })
    else if (head.kind === 'reasoning') this.#closeReasoning(head)
    else if (head.kind === 'tool' && !head.sentAny)
      this.#delta({
        type: 'input_json_delta',
        partial_json: head.custom ? JSON.stringify({ input: head.pending }) : '{}',
      })
    if (!this.#headIsOpen) return
    this.#send('content_block_stop', { index: this.#index++ })
    this.#headIsOpen = false
  }

  #closeReasoning(head: WaitingReasoning): void {
    if (head.redacted && head.token?.family === 'anthropic') {
      this.#open({ type: 'redacted_thinking', data: head.token.data })
      return
    }
    const signature = signatureOf(head.token, head.whole, {}, this.#context, head.id)
    if (signature === '') return
    this.#open({ type: 'thinking', thinking: '', signature: '' })
    this.#delta({ type: 'signature_delta', signature })
  }

  /** A block that the vendor's servers made: whole in its start, the input of a server tool in a delta as well. */
  #vendor(head: WaitingVendor): void {
    const isCall = head.raw['type'] === 'server_tool_use' || head.raw['type'] === 'mcp_tool_use'
    this.#open(isCall ? { ...head.raw, input: {} } : head.raw)
    if (isCall) this.#delta({ type: 'input_json_delta', partial_json: JSON.stringify(head.raw['input'] ?? {}) })
  }

  #open(block: Readonly<Record<string, unknown>>): void {
    if (this.#headIsOpen) return
    this.#start()
    this.#headIsOpen = true
    this.#send('content_block_start', { index: this.#index, content_block: block })
  }

  #delta(delta: Readonly<Record<string, unknown>>): void {
    this.#send('content_block_delta', { index: this.#index, delta })
  }
}

function isKind<K extends Waiting['kind']>(block: Waiting, kind: K): block is Extract<Waiting, { kind: K }> {
  return block.kind === kind
}

/**
 * May the head give way to a later block that has content? Speech may: it can go on in a block of its own.
 * A call only when its arguments are complete, because a closed call cannot grow (kitty-bridge#116, new-api#6394).
 */
function mayCloseEarly(head: Waiting): boolean {
  if (head.kind === 'text' || head.kind === 'reasoning') return true
  if (head.kind !== 'tool' || head.custom || head.checkedLength === head.whole.length) return false
  head.checkedLength = head.whole.length
  return isCompleteObject(head.whole)
}
