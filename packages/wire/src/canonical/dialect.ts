/**
 * What a translation must know about the other side: the declared facts of an upstream's address.
 *
 * Declared by `upstream/<vendor>/`, read by `wire`'s writers; shared code branches on these facts and never
 * on a vendor's name.
 */
import type { MessagesVersion, Protocol } from '../protocol.ts'
import type { Effort } from './request.ts'

export interface Dialect {
  readonly protocol: Protocol
  /** Messages only. */
  readonly messagesVersion: MessagesVersion
  /** What to do with system text in the middle of a conversation. `user-wrap`: a tagged text part of the adjacent user turn. */
  readonly midConversationSystem: 'in-place' | 'user-wrap'
  /** Chat role for instructions: `developer` is refused by some. */
  readonly instructionRole: 'system' | 'developer'
  /** Chat: the member that carries reasoning in both directions; null when there is none. */
  readonly reasoningField: 'reasoning_content' | 'reasoning' | null
  /** Which earlier reasoning goes back upstream. */
  readonly reasoningReplay: 'all' | 'required-with-tools' | 'never'
  /** Whose opaque reasoning tokens this upstream accepts. */
  readonly reasoningTokenFamily: 'anthropic' | 'openai' | null
  /** How thinking is switched. */
  readonly thinkingControl: 'thinking-type' | 'reasoning-effort' | 'chat-template' | 'none'
  /** With `thinking-type`: the values of `thinking.type` that are taken, best first; absent: `enabled` and `disabled`. */
  readonly thinkingTypes?: readonly ('enabled' | 'adaptive' | 'between_tools' | 'disabled')[]
  /** With `chat-template`: members of `chat_template_kwargs` for the switch and the effort; absent: `thinking`, no effort. */
  readonly chatTemplateMembers?: { readonly thinking: string; readonly effort: string | null }
  /** Canonical effort to the word this upstream takes; a missing word is dropped and reported. */
  readonly efforts: Readonly<Partial<Record<Effort, string>>>
  /** Chat: which field carries the output budget. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens'
  /** Used where the protocol requires a budget and the caller gave none; also the clamp. null: no known limit. */
  readonly maxOutputTokens: number | null
  /** Tool names: allowed characters as a class body, and the longest. */
  readonly toolName: { readonly charset: string; readonly maxLength: number }
  /** May `tool_choice` force a tool while thinking? When false, forcing turns thinking off for the request. */
  readonly forcedToolChoiceWithThinking: boolean
  readonly images: boolean
  /** PDFs and other documents. */
  readonly documents: boolean
  /** Images inside tool results; otherwise they move to the next user turn. */
  readonly imagesInToolResults: boolean
  /** `native`: schema enforced; `instruct`: JSON object mode plus the schema in words; `none`: not even the words. */
  readonly jsonSchema: 'native' | 'instruct' | 'none'
  readonly jsonObject: boolean
  readonly customTools: boolean
  /** Responses: tools inside namespaces go out as they are; absent or false: flattened to `namespace__tool`. */
  readonly toolNamespaces?: boolean
  readonly strictTools: boolean
  /** Sampling members this upstream accepts, by canonical name. */
  readonly sampling: readonly (
    | 'temperature'
    | 'topP'
    | 'topK'
    | 'frequencyPenalty'
    | 'presencePenalty'
    | 'seed'
    | 'logitBias'
  )[]
  /** Largest temperature; larger values are clamped and reported. */
  readonly maxTemperature: number
  readonly logprobs: boolean
  /** How explicit cache marks are written. */
  readonly cacheMarks: 'cache-control' | 'prompt-cache-breakpoint' | 'none'
  /** Is `cacheKey` understood? */
  readonly cacheKey: boolean
  /** The member for the end user's id. */
  readonly endUserField: 'user' | 'user_id' | 'safety_identifier' | 'metadata.user_id' | null
  /** Chat: `content` of an assistant message that only calls tools. */
  readonly emptyAssistantContent: 'null' | 'empty-string'
  readonly parallelToolCallsSwitch: boolean
  /** The last assistant message can be continued: how the wire says so. */
  readonly prefill: 'none' | 'prefix-flag' | 'continue-final-message' | 'last-assistant'
  readonly multipleChoices: boolean
  /** Chat streams: does it take `stream_options.include_usage`? */
  readonly streamUsageOption: boolean
  readonly maxStopSequences: number
}
