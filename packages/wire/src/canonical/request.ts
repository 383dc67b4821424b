/**
 * The canonical request: what a caller asked for, said once, in the order it was said.
 *
 * An ordered item list close to Responses' items, because Chat cannot express the order that Messages can
 * (thinking, text, tool call, thinking ...). Each protocol folder translates to and from it. Traffic whose
 * door and upstream speak the same protocol never passes through here, except to be read by the meter.
 *
 * Pure data: plain objects, no class instances, JSON-serialisable apart from `undefined` members.
 * Absent knowledge is `null`, never a made-up default: 0, false, "" and null mean four different things.
 */
import type { Protocol } from '../protocol.ts'

/** Where in the caller's body an item came from, as an RFC 6901 JSON pointer, e.g. `/messages/3/content/1`. */
export interface SourceSpan {
  readonly pointer: string
}

/** An explicit "the prompt up to here is worth caching" mark. `ttl` null: the vendor's default (5 minutes). */
export interface CacheMark {
  readonly ttl: '5m' | '1h' | null
}

// ---------------------------------------------------------------------------------------------- parts

export interface TextPart {
  readonly type: 'text'
  readonly text: string
  readonly cacheMark?: CacheMark
  /** Url or document citations that came with assistant text, in the protocol of `CanonicalRequest.from`. */
  readonly citations?: readonly unknown[]
}

/** An image by inline bytes, by address or by a file id of the vendor that issued it. */
export interface ImagePart {
  readonly type: 'image'
  readonly source: MediaSource
  /** Chat's and Responses' `detail`; null where the protocol has none. */
  readonly detail: 'auto' | 'low' | 'high' | 'original' | null
  readonly cacheMark?: CacheMark
}

export interface DocumentPart {
  readonly type: 'document'
  readonly source: MediaSource | { readonly kind: 'text'; readonly mediaType: string; readonly text: string }
  readonly title: string | null
  readonly context: string | null
  readonly citationsEnabled: boolean
  readonly cacheMark?: CacheMark
}

export interface AudioPart {
  readonly type: 'audio'
  readonly format: string
  readonly base64: string
}

export interface SearchResultPart {
  readonly type: 'search-result'
  readonly title: string
  readonly source: string
  readonly text: string
  readonly cacheMark?: CacheMark
}

export type MediaSource =
  | { readonly kind: 'base64'; readonly mediaType: string; readonly base64: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'file'; readonly fileId: string }

/** A part that only the protocol it came from can carry (`tool_reference`, `container_upload` ...). */
export interface ForeignPart {
  readonly type: 'foreign'
  readonly protocol: Protocol
  readonly name: string
  readonly raw: unknown
}

export type Part = TextPart | ImagePart | DocumentPart | AudioPart | SearchResultPart | ForeignPart

// ---------------------------------------------------------------------------------------------- items

interface ItemBase {
  readonly source?: SourceSpan
  /** Mark on the item as a whole; marks on parts stay on the parts. */
  readonly cacheMark?: CacheMark
}

/** System or developer text. `top`: Messages' `system`, Responses' `instructions`; `inline`: at its place in the list. */
export interface InstructionItem extends ItemBase {
  readonly kind: 'instruction'
  readonly placement: 'top' | 'inline'
  readonly role: 'system' | 'developer'
  readonly parts: readonly TextPart[]
}

export interface UserItem extends ItemBase {
  readonly kind: 'user'
  readonly parts: readonly Part[]
  readonly name?: string
}

/** Visible assistant text. `refusal`: the text is a refusal. `prefill`: generation continues this text. */
export interface AssistantTextItem extends ItemBase {
  readonly kind: 'assistant-text'
  readonly parts: readonly TextPart[]
  readonly refusal?: boolean
  /** Responses' `phase`: is this a remark on the way or the answer? Its own vendor wants it back. */
  readonly phase?: string
  readonly prefill?: boolean
}

/**
 * A stretch of reasoning that the model produced earlier.
 *
 * `text` is null when only an opaque token came back (redacted, omitted or encrypted). `token` is replayed
 * byte for byte, and only to the family that issued it; `portolan` tokens are ours (see `seal/`) and are
 * opened at the door, so `text` is then filled and `token` kept for reference.
 */
export interface ReasoningItem extends ItemBase {
  readonly kind: 'reasoning'
  readonly text: string | null
  readonly summary: readonly string[]
  readonly token: { readonly family: 'portolan' | 'anthropic' | 'openai' | 'unknown'; readonly data: string } | null
  /** Messages' `redacted_thinking`: `token.data` is the block's `data`. */
  readonly redacted?: boolean
  /** Responses item id (`rs_...`), needed when the item goes back to its own vendor. */
  readonly id?: string
}

/**
 * A call the model made. `argumentsText` is the verbatim argument string (JSON for functions, free text for
 * custom tools): never parsed and re-printed, so number spellings, key order and white space survive.
 */
export interface ToolCallItem extends ItemBase {
  readonly kind: 'tool-call'
  readonly callId: string
  readonly name: string
  /** Responses' tool namespace, null elsewhere. */
  readonly namespace: string | null
  readonly argumentsText: string
  /** A free-form (custom) tool: `argumentsText` is raw input, not JSON. */
  readonly custom: boolean
  /** Responses item id (`fc_...`, `ctc_...`). */
  readonly id?: string
}

export interface ToolResultItem extends ItemBase {
  readonly kind: 'tool-result'
  readonly callId: string
  readonly parts: readonly Part[]
  readonly isError: boolean
  /** The result of a custom tool call (Responses needs to know). */
  readonly custom?: boolean
}

/** A whole item that only its own protocol can carry (server tool blocks, compaction, item references). */
export interface ForeignItem extends ItemBase {
  readonly kind: 'foreign'
  readonly protocol: Protocol
  /** Its wire type, e.g. `server_tool_use`. */
  readonly name: string
  readonly role: 'user' | 'assistant' | 'system'
  readonly raw: unknown
}

export type Item =
  | InstructionItem
  | UserItem
  | AssistantTextItem
  | ReasoningItem
  | ToolCallItem
  | ToolResultItem
  | ForeignItem

// ---------------------------------------------------------------------------------------------- tools

/** A tool the client runs. */
export interface FunctionTool {
  readonly kind: 'function'
  readonly name: string
  readonly namespace: string | null
  readonly description: string | null
  /** JSON Schema, as given (never normalised); null when the caller sent none. */
  readonly parameters: unknown
  /** null: not said. */
  readonly strict: boolean | null
  readonly cacheMark?: CacheMark
  /** Not in the prompt until a tool reference names it (Messages `defer_loading`). */
  readonly deferred?: boolean
  readonly inputExamples?: readonly unknown[]
  /** Members of the wire object that we do not know, kept for a writer of the same protocol. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** A free-form tool: input is text, perhaps under a grammar. */
export interface CustomTool {
  readonly kind: 'custom'
  readonly name: string
  readonly namespace: string | null
  readonly description: string | null
  readonly format: unknown
}

/** A tool the vendor runs (web search, code execution), or a vendor-typed client tool (`bash_20250124`). */
export interface VendorTool {
  readonly kind: 'vendor'
  readonly protocol: Protocol
  readonly type: string
  readonly name: string | null
  /** The client executes it, so name and schema are enough for any upstream. */
  readonly clientExecuted: boolean
  readonly raw: unknown
}

export type Tool = FunctionTool | CustomTool | VendorTool

export type ToolChoice =
  | { readonly mode: 'auto' | 'none' | 'required' }
  | { readonly mode: 'named'; readonly name: string; readonly namespace?: string | null; readonly custom?: boolean }
  | {
      readonly mode: 'allowed'
      readonly require: boolean
      readonly names: readonly string[]
      readonly raw: readonly unknown[]
    }

// ------------------------------------------------------------------------------------------- settings

/** Effort words of all protocols, weakest first; each upstream maps them by its own dated table. */
export type Effort = 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' | 'ultra'

export interface Thinking {
  readonly mode: 'off' | 'on' | 'adaptive' | 'between-tools'
  /** null: not said. */
  readonly effort: Effort | null
  /** Messages' `budget_tokens`; null: not said. */
  readonly budgetTokens: number | null
  /** What the caller wants to see of it. null: the protocol's default. */
  readonly display: 'summarized' | 'omitted' | null
}

export type OutputFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json-object' }
  | {
      readonly type: 'json-schema'
      readonly name: string | null
      readonly description: string | null
      readonly schema: unknown
      readonly strict: boolean | null
    }

/** Sampling settings as asked; null: not said. */
export interface Sampling {
  readonly temperature: number | null
  readonly topP: number | null
  readonly topK: number | null
  readonly frequencyPenalty: number | null
  readonly presencePenalty: number | null
  readonly seed: number | null
  readonly logitBias: Readonly<Record<string, number>> | null
}

export interface CanonicalRequest {
  /** The protocol of the door. */
  readonly from: Protocol
  readonly model: string
  readonly items: readonly Item[]
  readonly tools: readonly Tool[]
  /** null: not said (auto with tools, none without). */
  readonly toolChoice: ToolChoice | null
  readonly parallelToolCalls: boolean | null
  /** Tokens, reasoning included; null: not said. 0 means warm the cache only. */
  readonly maxOutputTokens: number | null
  readonly stop: readonly string[]
  readonly sampling: Sampling
  /** null: no log-probabilities; otherwise how many alternatives (0 = the chosen token only). */
  readonly topLogprobs: number | null
  readonly thinking: Thinking | null
  /** Responses' `reasoning.summary`. */
  readonly reasoningSummary: string | null
  readonly outputFormat: OutputFormat
  readonly verbosity: 'low' | 'medium' | 'high' | null
  readonly stream: boolean
  /** Chat's `stream_options.include_usage`; the other two always report usage. */
  readonly includeUsage: boolean
  /** How many answers (Chat `n`); 1 elsewhere. */
  readonly choices: number
  /** Chat `user`/`safety_identifier`, Messages `metadata.user_id`, Responses `user`. */
  readonly endUser: string | null
  readonly metadata: Readonly<Record<string, unknown>> | null
  /** `prompt_cache_key`: an affinity hint. */
  readonly cacheKey: string | null
  /** Messages' top-level `cache_control`: mark the last cacheable block. */
  readonly autoCacheMark: CacheMark | null
  readonly serviceTier: string | null
  /** Everything else at the top level, verbatim: unknown or protocol-only fields, by wire name. */
  readonly extra: Readonly<Record<string, unknown>>
}
