/**
 * Wire shapes of Messages, as far as we read or write them by name.
 *
 * Rules: Messages API, versions 2023-06-01 and 2026-10-21, with the member lists of the vendor's 1.x types,
 * which make several nullable members required (`container`, `diagnostics`, `stop_details`, most of `usage`).
 * What we emit is typed strictly; what we read is only checked where a translator looks at it.
 */

/** Any JSON object. */
export type WireObject = Readonly<Record<string, unknown>>

/** A content block as read: its type is known to be a string, other members are checked per type. */
export interface WireBlock extends WireObject {
  readonly type: string
}

type WireRole = 'user' | 'assistant' | 'system'

export interface WireMessage {
  readonly role: WireRole
  readonly content: string | readonly WireBlock[]
}

/** A request after `parse.ts`: the members with rules are checked, everything is still in `raw`. */
export interface MessagesRequest {
  readonly model: string
  readonly system: string | readonly WireBlock[] | null
  readonly messages: readonly WireMessage[]
  readonly tools: readonly WireObject[]
  readonly raw: WireObject
}

export type WireStopReason =
  | 'end_turn'
  | 'max_tokens'
  | 'stop_sequence'
  | 'tool_use'
  | 'pause_turn'
  | 'refusal'
  | 'model_context_window_exceeded'

export interface WireUsage {
  readonly input_tokens: number
  readonly cache_creation_input_tokens: number | null
  readonly cache_read_input_tokens: number | null
  readonly cache_creation: {
    readonly ephemeral_5m_input_tokens: number
    readonly ephemeral_1h_input_tokens: number
  } | null
  readonly output_tokens: number
  readonly output_tokens_details: { readonly thinking_tokens: number } | null
  readonly server_tool_use: unknown
  readonly service_tier: unknown
  readonly inference_geo: unknown
  readonly speed: unknown
}

/** `message_delta.usage`: cumulative totals. */
export interface WireDeltaUsage {
  readonly input_tokens: number | null
  readonly cache_creation_input_tokens: number | null
  readonly cache_read_input_tokens: number | null
  readonly output_tokens: number
  readonly output_tokens_details: { readonly thinking_tokens: number } | null
  readonly server_tool_use: unknown
}

export interface WireStopDetails {
  readonly type: 'refusal'
  readonly category: null
  readonly explanation: string | null
}

export function isObject(value: unknown): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The array as unknowns; an empty one for anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function stringOr(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

export function numberOr(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
