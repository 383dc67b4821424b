/**
 * A conversation as the chat encoder takes it: the model's own words, free of any wire protocol.
 *
 * Close to what V4's published encoder reads, with tool results as messages of their own; an upstream maps
 * its items onto these one to one. `developer`, `latest-reminder` and `task` are internal to V4's training.
 */

export type ChatMessage =
  | SystemMessage
  | DeveloperMessage
  | UserMessage
  | ToolMessage
  | ReminderMessage
  | AssistantMessage

interface InstructionFields {
  readonly content: string
  readonly tools?: readonly ToolDefinition[]
  readonly responseFormat?: ResponseFormat | null
}

export interface SystemMessage extends InstructionFields {
  readonly role: 'system'
}

export interface DeveloperMessage extends InstructionFields {
  readonly role: 'developer'
}

export interface UserMessage {
  readonly role: 'user'
  readonly content: Content
  /** Asks for a classification instead of an answer. */
  readonly task?: Task | null
}

/** The result of one tool call. Several in a row, and user text after them, become one user turn. */
export interface ToolMessage {
  readonly role: 'tool'
  readonly callId: string
  readonly content: Content
}

/** Facts of the moment (date, place, app), placed before the user message they belong to. */
export interface ReminderMessage {
  readonly role: 'latest-reminder'
  readonly content: string
}

export interface AssistantMessage {
  readonly role: 'assistant'
  readonly content: string
  readonly reasoning?: string | null
  readonly toolCalls?: readonly ToolCall[]
  /**
   * The exact text of the tool-call block as it was sampled, leading newlines included. When present it is
   * written instead of `toolCalls`, so that a later turn repeats the prompt prefix byte for byte: printing
   * arguments again would change blanks and number spellings. Only text we sampled ourselves belongs here.
   */
  readonly rawCalls?: string | null
  /** Last message only: generation goes on from here. `thought` continues the reasoning, `answer` the text. */
  readonly prefix?: 'answer' | 'thought' | null
}

/** Plain text, or parts; a part we cannot show to the model appears as `[Unsupported KIND]`. */
export type Content = string | readonly ContentPart[]

export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'unsupported'; readonly kind: string }

export interface ToolCall {
  readonly id?: string | null
  readonly name: string
  /** JSON text of the arguments, verbatim. */
  readonly argumentsText: string
}

/**
 * A tool: the JSON object the model shall read (`name`, `description`, `parameters`, ...), as source text
 * where number spellings and key order must survive, or as a value.
 */
export type ToolDefinition = { readonly json: string } | { readonly schema: object }

/** `json-object` adds nothing to the prompt: the caller's own words must ask for JSON. */
export type ResponseFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json-object' }
  | { readonly kind: 'json-schema'; readonly schema: unknown }
  | { readonly kind: 'json-schema'; readonly json: string }

export type Task = 'action' | 'query' | 'authority' | 'domain' | 'title' | 'read_url'

export type ThinkingMode = 'chat' | 'thinking'

export interface ChatRequest {
  readonly messages: readonly ChatMessage[]
  /** Tools beside the messages; they join the first message when it is an instruction, else stand before it. */
  readonly tools?: readonly ToolDefinition[]
  readonly responseFormat?: ResponseFormat | null
  readonly mode: ThinkingMode
  /** One of the profile's effort words; null: none. Only read in thinking mode. */
  readonly effort?: string | null
  /** Whether reasoning before the last user turn is left out. Default true; tools switch it off. */
  readonly dropReasoning?: boolean
  /**
   * The answer must call this tool (null: any tool). Only where the completion begins with text; while the model
   * thinks first, the engine writes `callOpening` after the thought.
   */
  readonly forceCall?: { readonly name: string | null } | null
  /**
   * Default true. Departures from the published encoder where it would go wrong in service:
   * every assistant turn is opened (the published one forgets it after a system message), a system message
   * in mid-conversation is set off by an empty line, `</tool_result>` inside a result is defused.
   */
  readonly repairs?: boolean
}
