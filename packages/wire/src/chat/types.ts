/**
 * Chat Completions as we read and write it: OpenAI's API (openapi 2.3.0) with the extensions that upstreams
 * and clients use (DeepSeek's `reasoning_content`, `thinking`, `prefix`; OpenRouter's `reasoning_details`).
 *
 * Member names are the wire's. What we do not name stays in `extra` and is kept.
 */

export interface ChatRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly tools: readonly ChatTool[]
  readonly tool_choice: unknown
  readonly parallel_tool_calls: boolean | null
  readonly max_tokens: number | null
  readonly temperature: number | null
  readonly top_p: number | null
  readonly top_k: number | null
  readonly frequency_penalty: number | null
  readonly presence_penalty: number | null
  readonly seed: number | null
  readonly logit_bias: Readonly<Record<string, number>> | null
  readonly n: number
  /** null: `logprobs` is off. */
  readonly top_logprobs: number | null
  readonly stop: readonly string[]
  readonly stream: boolean
  readonly include_usage: boolean
  readonly response_format: Readonly<Record<string, unknown>> | null
  readonly reasoning_effort: string | null
  /** DeepSeek's switch. */
  readonly thinking: Readonly<Record<string, unknown>> | null
  readonly verbosity: string | null
  readonly user: string | null
  readonly metadata: Readonly<Record<string, unknown>> | null
  readonly prompt_cache_key: string | null
  readonly service_tier: string | null
  readonly extra: Readonly<Record<string, unknown>>
}

export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'
  /** A string is read as one text part; null and absent as no parts. */
  readonly content: readonly ChatPart[]
  readonly name: string | null
  readonly refusal: string | null
  readonly reasoning: string | null
  readonly reasoning_details: readonly Readonly<Record<string, unknown>>[]
  readonly tool_calls: readonly ChatToolCall[]
  readonly function_call: { readonly name: string; readonly arguments: string } | null
  readonly tool_call_id: string | null
  readonly prefix: boolean
  readonly annotations: readonly unknown[]
  /** `{id}` of an earlier spoken answer, kept by the vendor. */
  readonly audio: unknown
}

/** A content part with a checked `type`; its other members are checked where they are used. */
export type ChatPart = Readonly<Record<string, unknown>> & { readonly type: string }

export interface ChatToolCall {
  readonly id: string
  readonly name: string
  /** JSON text of a function's arguments, or a custom tool's input. */
  readonly text: string
  readonly custom: boolean
}

/** A tool with a checked `type`, and a checked `name` where it is a function or custom tool. */
export interface ChatTool {
  readonly type: string
  readonly name: string | null
  /** The inner object: `function` or `custom`, else the tool itself. */
  readonly definition: Readonly<Record<string, unknown>>
  readonly raw: Readonly<Record<string, unknown>>
}

/** What a writer of requests builds, member by member. */
export type ChatWireMessage = Record<string, unknown> & { role: string }
