/**
 * Reasoning that clients drop, remembered by tool call id, or by the text of an answer that called nothing.
 *
 * Upstreams that think want the reasoning of tool turns back in every later request. Clients of Messages and
 * Responses replay an opaque token that carries it; many Chat clients replay neither token nor text (most
 * OpenAI-SDK loops, langchainjs#10883). For them the gateway keeps it, bounded, per key.
 */
import { hash } from 'node:crypto'
import type { CanonicalEvent, WriteContext } from '@portolan/wire'
import type { RememberedCall } from '@portolan/store'

/** Longest reasoning that is kept per answer, in UTF-16 units. */
const maxReasoningChars = 1 << 20

/** Answers without a call are known again by what they said. */
function textId(text: string): string {
  return `txt_${hash('sha256', text, 'base64url')}`
}

/** Collects what must be remembered of one answer. */
export class RecallCapture {
  #reasoning = ''
  #text = ''
  readonly #calls = new Map<number, { callId: string; argumentsText: string }>()

  observe(event: CanonicalEvent): void {
    if (event.type === 'reasoning-delta' && !event.summary && this.#reasoning.length < maxReasoningChars)
      this.#reasoning += event.text
    else if (event.type === 'text-delta') this.#text += event.text
    else if (event.type === 'tool-call-start') this.#calls.set(event.key, { callId: event.callId, argumentsText: '' })
    else if (event.type === 'tool-call-delta') {
      const call = this.#calls.get(event.key)
      if (call) call.argumentsText += event.argumentsDelta
    }
  }

  /** Reasoning by what the answer can be known by, and arguments that a client's own JSON printer would respell. */
  entries(family: string): { readonly callId: string; readonly call: RememberedCall }[] {
    const reasoning = this.#reasoning
    if (this.#calls.size === 0)
      return this.#text === '' || reasoning === ''
        ? []
        : [{ callId: textId(this.#text), call: { family, reasoning, argumentsText: null } }]
    const worth = [...this.#calls.values()].filter(
      ({ argumentsText }) => reasoning !== '' || isRespelled(argumentsText),
    )
    return worth.map(({ callId, argumentsText }) => ({
      callId,
      call: { family, reasoning, argumentsText },
    }))
  }
}

/** Would parsing and printing change it (`1.0`, white space, 2^53)? */
function isRespelled(argumentsText: string): boolean {
  try {
    return JSON.stringify(JSON.parse(argumentsText)) !== argumentsText
  } catch {
    return true
  }
}

interface ChatMessage {
  readonly role?: unknown
  readonly content?: unknown
  readonly tool_calls?: unknown
}

/**
 * A Chat body with remembered reasoning put back where the client dropped it; null when nothing is missing or
 * known. Only where tools are in play: without them earlier reasoning is ignored by those who would demand it.
 * Equal histories give equal bytes, so the prefix law holds across turns.
 */
export function withRecalledReasoning(
  body: Readonly<Record<string, unknown>>,
  field: string,
  recall: WriteContext['recall'],
): Record<string, unknown> | null {
  const { messages, tools } = body
  if (!Array.isArray(messages) || !Array.isArray(tools) || tools.length === 0) return null
  let changed = false
  const restored = messages.map((message: Readonly<Record<string, unknown>> | null) => {
    if (message?.['role'] !== 'assistant' || typeof message[field] === 'string') return message
    // A token that came back carries the reasoning; text beside it could only contradict a signature.
    if (Array.isArray(message['reasoning_details']) && message['reasoning_details'].length > 0) return message
    const known = idsOf(message)
      .map(recall)
      .find((call) => call !== null && call.reasoning !== '')
    if (!known) return message
    changed = true
    return { ...message, [field]: known.reasoning }
  })
  return changed ? { ...body, messages: restored } : null
}

function idsOf({ content, tool_calls: calls }: ChatMessage): string[] {
  if (Array.isArray(calls) && calls.length > 0)
    return calls.flatMap((call: { id?: unknown } | null) => (typeof call?.id === 'string' ? [call.id] : []))
  return typeof content === 'string' && content !== '' ? [textId(content)] : []
}
