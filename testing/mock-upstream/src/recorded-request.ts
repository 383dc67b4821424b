/**
 * One request as it arrived: raw bytes, headers in order, and a reading of the conversation that is the
 * same for every protocol, so that scripts and assertions need not know which door was used.
 */

import type { Dialect } from './answer.ts'

export type MockProtocol = 'chat' | 'messages' | 'responses' | 'completions' | 'models' | 'balance' | 'count' | 'other'

export interface SeenImage {
  mediaType?: string
  /** Decoded size of an inline image. */
  bytes?: number
  url?: string
}

export interface SeenToolCall {
  id: string
  name: string
  /** Parsed; the raw text when it was not JSON. */
  arguments: unknown
  /** As it stood on the wire (Chat, Responses), or re-serialised (Messages). */
  argumentsText: string
}

export interface SeenToolResult {
  id: string
  text: string
  isError: boolean
  images: SeenImage[]
}

export interface SeenTurn {
  role: 'system' | 'user' | 'assistant'
  texts: string[]
  reasoning: string[]
  /** Signatures and encrypted contents that came back. */
  seals: string[]
  images: SeenImage[]
  documents: number
  toolCalls: SeenToolCall[]
  toolResults: SeenToolResult[]
}

export interface SeenTool {
  name: string
  kind: string
  schema: unknown
}

/** The request, read without regard to its protocol. */
export interface ConversationView {
  model: string
  stream: boolean
  turns: SeenTurn[]
  tools: SeenTool[]
  toolChoice: unknown
  maxTokens: number | undefined
  /** `undefined` when the request says nothing about it. */
  thinking: boolean | undefined
  effort: string | undefined
  structured: { kind: 'json_object' } | { kind: 'json_schema'; schema: unknown } | undefined
}

export interface RecordedRequest {
  /** 0 for the first request of this server. */
  index: number
  protocol: MockProtocol
  dialect: Dialect
  method: string
  /** Path and query as sent. */
  url: string
  /** Without the query and without the scene. */
  path: string
  /** Name of the scene that the path began with. */
  scene: string | undefined
  headers: Record<string, string>
  rawHeaders: string[]
  bytes: Buffer
  /** Parsed body, `undefined` when it was not JSON. */
  json: unknown
  view: ConversationView
  /** performance.now() at the end of the request body. */
  receivedAtMs: number
  /** What became of the answer; `abortedAtMs` is when the peer left before the end. */
  outcome: 'open' | 'sent' | 'aborted' | 'cut'
  abortedAtMs: number | undefined
  /** Events of the stream that were written. */
  eventsSent: number
  /** Resolves when the outcome is known. */
  settled: Promise<void>
}

export function emptyTurn(role: SeenTurn['role']): SeenTurn {
  return { role, texts: [], reasoning: [], seals: [], images: [], documents: 0, toolCalls: [], toolResults: [] }
}

/** All tool results of a conversation, in order. */
export function toolResultsOf(view: ConversationView): SeenToolResult[] {
  return view.turns.flatMap((turn) => turn.toolResults)
}

/** All tool calls of a conversation, in order. */
export function toolCallsOf(view: ConversationView): SeenToolCall[] {
  return view.turns.flatMap((turn) => turn.toolCalls)
}

/** Text of the last user turn that has any: what the person asked last. */
export function lastUserText(view: ConversationView): string {
  const turn = view.turns.findLast((one) => one.role === 'user' && one.texts.length > 0)
  return turn ? turn.texts.join('\n') : ''
}
