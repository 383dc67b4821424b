/**
 * What the engine says, as canonical events: blocks get keys, calls get ids, usage its three counts.
 *
 * Ids of calls follow from the request's id, so equal runs give equal answers.
 */
import { createHash } from 'node:crypto'
import type { EngineEvent, SampledToken, TokenBelief, ToolCall } from '@portolan/engine'
import type { CanonicalEvent, StopReason, Tool, Usage } from '@portolan/wire'

type Ended = Extract<EngineEvent, { type: 'ended' }>
type Piece = Extract<EngineEvent, { type: 'completion' }>['event']

export interface AnswerOptions {
  readonly requestId: string
  /** Which of several answers this is; null: the only one. */
  readonly choice: number | null
  /** Keys of blocks are counted for all answers of a request together. */
  readonly nextKey: () => number
  readonly tools: ReadonlyMap<string, Tool>
  /** Stands before every text; empty: nothing to say. */
  readonly label: string
  /** False: the text is JSON, which a label would spoil. */
  readonly labelsText: boolean
  /** False: when the tokens run out the model has ended, not the caller's budget. */
  readonly budgetIsCallers: boolean
  readonly onCalls: (calls: readonly ToolCall[], rawCalls: string) => void
}

interface OpenCall {
  readonly tool: Tool | null
  readonly key: number
  call: ToolCall
}

export class Answer {
  readonly #options: AnswerOptions
  /** What the start of a block says beside its key. */
  readonly #whose: { readonly choice?: number }
  #isEmpty = true
  #open: { readonly kind: 'text' | 'reasoning'; readonly key: number } | null = null
  #call: OpenCall | null = null
  readonly #calls: ToolCall[] = []

  constructor(options: AnswerOptions) {
    this.#options = options
    this.#whose = options.choice === null ? {} : { choice: options.choice }
  }

  /** @param tokens With log-probabilities: the tokens that this piece shows. Our own label has none. */
  piece(piece: Piece, tokens: readonly SampledToken[] = []): CanonicalEvent[] {
    switch (piece.type) {
      case 'text-delta':
        return [
          ...this.#enter('text'),
          { type: 'text-delta', key: this.#open!.key, text: piece.text, ...logprobsOf('content', tokens) },
        ]
      case 'reasoning-delta':
        return [
          ...this.#enter('reasoning'),
          {
            type: 'reasoning-delta',
            key: this.#open!.key,
            text: piece.text,
            summary: false,
            ...logprobsOf('reasoning_content', tokens),
          },
        ]
      case 'tool-call-start':
        return this.#startCall(piece.index, piece.name)
      case 'tool-call-delta':
        return this.#callDelta(piece.argumentsDelta)
      case 'tool-call-end':
        return this.#endCall(piece.complete)
    }
  }

  /** What closes the answer; the request's own end comes behind the last of its answers. */
  end(ended: Ended): CanonicalEvent[] {
    if (ended.rawCalls !== null && this.#calls.length > 0) this.#options.onCalls(this.#calls, ended.rawCalls)
    // An answer without any text says what it is as well.
    const lone = this.#isEmpty && this.#options.label !== '' && this.#options.labelsText ? this.#enter('text') : []
    const { choice } = this.#options
    return [
      ...lone,
      ...this.#leave(),
      ...(choice === null ? [] : [{ type: 'choice-end', choice, stop: this.stopOf(ended) } as const]),
    ]
  }

  stopOf({ finish }: Ended): StopReason {
    if (finish === 'tool-calls') return 'tool-call'
    if (finish === 'stop-string') return 'stop-sequence'
    return finish === 'length' && this.#options.budgetIsCallers ? 'length' : 'end'
  }

  #enter(kind: 'text' | 'reasoning'): CanonicalEvent[] {
    if (this.#open?.kind === kind) return []
    const events = this.#leave()
    const key = this.#newKey()
    this.#open = { kind, key }
    const { label: every, labelsText } = this.#options
    const label = kind === 'text' && !labelsText ? '' : every
    if (kind === 'text') {
      events.push({ type: 'text-start', key, refusal: false, ...this.#whose })
      if (label !== '') events.push({ type: 'text-delta', key, text: label })
    } else {
      events.push({ type: 'reasoning-start', key, redacted: false, ...this.#whose })
      if (label !== '') events.push({ type: 'reasoning-delta', key, text: label, summary: false })
    }
    return events
  }

  #leave(): CanonicalEvent[] {
    const open = this.#open
    this.#open = null
    if (open === null) return []
    return open.kind === 'text'
      ? [{ type: 'text-end', key: open.key }]
      : [{ type: 'reasoning-end', key: open.key, token: null }]
  }

  #startCall(index: number, name: string): CanonicalEvent[] {
    const tool = this.#options.tools.get(name) ?? null
    const { requestId, choice } = this.#options
    const id = callIdOf(choice ? `${requestId}/${choice}` : requestId, index)
    const events = this.#leave()
    const key = this.#newKey()
    this.#call = { tool, key, call: { id, name, argumentsText: '' } }
    events.push({
      type: 'tool-call-start',
      key,
      callId: id,
      name: tool?.name ?? name,
      namespace: tool === null || tool.kind === 'vendor' ? null : tool.namespace,
      custom: tool?.kind === 'custom',
      ...this.#whose,
    })
    return events
  }

  #newKey(): number {
    this.#isEmpty = false
    return this.#options.nextKey()
  }

  #callDelta(argumentsDelta: string): CanonicalEvent[] {
    const open = this.#call!
    open.call = { ...open.call, argumentsText: open.call.argumentsText + argumentsDelta }
    // The input of a free-form tool is one string inside JSON: it is known when it has ended.
    return open.tool?.kind === 'custom' ? [] : [{ type: 'tool-call-delta', key: open.key, argumentsDelta }]
  }

  #endCall(isComplete: boolean): CanonicalEvent[] {
    const { tool, key, call } = this.#call!
    this.#call = null
    if (isComplete) this.#calls.push(call)
    const input = tool?.kind === 'custom' ? inputOf(call.argumentsText) : ''
    return [
      ...(input === '' ? [] : [{ type: 'tool-call-delta', key, argumentsDelta: input } as const]),
      { type: 'tool-call-end', key },
    ]
  }
}

/** In Chat's form, as the canonical events carry it. */
function logprobsOf(
  field: 'content' | 'reasoning_content',
  tokens: readonly SampledToken[],
): { readonly logprobs?: unknown } {
  if (tokens.length === 0) return {}
  const written = ({ token, logprob, bytes }: TokenBelief): TokenBelief => ({ token, logprob, bytes })
  return {
    logprobs: { [field]: tokens.map((token) => ({ ...written(token), top_logprobs: token.top.map(written) })) },
  }
}

/** In DeepSeek's form: two digits of index, 24 letters and digits. */
function callIdOf(requestId: string, index: number): string {
  const digits = createHash('sha256').update(`${requestId} ${index}`).digest('hex').slice(0, 24)
  return `call_${String(index).padStart(2, '0')}_${digits}`
}

function inputOf(argumentsText: string): string {
  try {
    const value: unknown = JSON.parse(argumentsText)
    const input = typeof value === 'object' && value !== null ? (value as { input?: unknown }).input : null
    return typeof input === 'string' ? input : argumentsText
  } catch {
    return argumentsText
  }
}

export function usageOf(
  inputTokens: number,
  hitTokens: number,
  outputTokens: number | null,
  reasoningTokens: number | null,
): Usage {
  return {
    inputTokens,
    hitTokens,
    missTokens: inputTokens - hitTokens,
    writtenTokens: null,
    written1hTokens: null,
    outputTokens,
    reasoningTokens,
    raw: {
      prompt_tokens: inputTokens,
      prompt_cache_hit_tokens: hitTokens,
      prompt_cache_miss_tokens: inputTokens - hitTokens,
      completion_tokens: outputTokens,
      reasoning_tokens: reasoningTokens,
    },
  }
}
