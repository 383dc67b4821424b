/**
 * Reasoning that clients drop, remembered by tool call id.
 *
 * Upstreams that think want the reasoning of tool turns back in every later request. Clients of Messages and
 * Responses replay an opaque token that carries it; many Chat clients replay neither token nor text (most
 * OpenAI-SDK loops, langchainjs#10883). For them the gateway keeps it, bounded, per key.
 */
import type { CanonicalEvent, WriteContext } from '@portolan/wire'
import type { RememberedCall } from '@portolan/store'

/** Longest reasoning that is kept per answer, in UTF-16 units. */
const maxReasoningChars = 1 << 20

/** Collects what must be remembered of one answer. */
export class RecallCapture {
  #reasoning = ''
  readonly #calls = new Map<number, { callId: string; argumentsText: string }>()

  observe(event: CanonicalEvent): void {
    if (event.type === 'reasoning-delta' && !event.summary && this.#reasoning.length < maxReasoningChars)
      this.#reasoning += event.text
    else if (event.type === 'tool-call-start') this.#calls.set(event.key, { callId: event.callId, argumentsText: '' })
    else if (event.type === 'tool-call-delta') {
      const call = this.#calls.get(event.key)
      if (call) call.argumentsText += event.argumentsDelta
    }
  }

  /** Nothing to remember without both reasoning and a call. */
  entries(family: string): { readonly callId: string; readonly call: RememberedCall }[] {
    if (this.#reasoning === '') return []
    const reasoning = this.#reasoning
    return [...this.#calls.values()].map(({ callId, argumentsText }) => ({
      callId,
      call: { family, reasoning, argumentsText },
    }))
  }
}

interface ChatMessage {
  readonly role?: unknown
  readonly tool_calls?: readonly { readonly id?: unknown }[]
  readonly reasoning_content?: unknown
}

/**
 * Same-protocol Chat: the body with remembered reasoning put back where the client dropped it; null when
 * nothing is missing or known. Equal histories give equal bytes, so the prefix law holds across turns.
 */
export function withRecalledReasoning(
  body: Readonly<Record<string, unknown>>,
  field: string,
  recall: WriteContext['recall'],
): Record<string, unknown> | null {
  const { messages } = body
  if (!Array.isArray(messages)) return null
  let changed = false
  const restored = messages.map((message: ChatMessage | null) => {
    if (message?.role !== 'assistant' || !Array.isArray(message.tool_calls) || message.tool_calls.length === 0)
      return message
    if (typeof (message as Record<string, unknown>)[field] === 'string') return message
    for (const call of message.tool_calls) {
      const known = typeof call?.id === 'string' ? recall(call.id) : null
      if (!known) continue
      changed = true
      return { ...message, [field]: known.reasoning }
    }
    return message
  })
  return changed ? { ...body, messages: restored } : null
}
