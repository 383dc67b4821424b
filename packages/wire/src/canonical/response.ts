/** The canonical answer: output items in order, why it stopped, what it used. */
import type { AssistantTextItem, ForeignItem, ReasoningItem, ToolCallItem } from './request.ts'
import type { Usage } from './usage.ts'

/**
 * Why generation ended.
 * `end` natural end; `stop-sequence` a caller's string matched; `length` the caller's budget; `context` the
 * window was full; `tool-call` the client must run tools; `refusal` the model or a filter declined;
 * `pause` a server tool turn to be continued by sending it back.
 */
export type StopReason = 'end' | 'stop-sequence' | 'length' | 'context' | 'tool-call' | 'refusal' | 'pause'

export type OutputItem = AssistantTextItem | ReasoningItem | ToolCallItem | ForeignItem

export interface CanonicalResponse {
  /** The upstream's own id. */
  readonly id: string
  /** The model that the upstream says it served. */
  readonly model: string
  /** Unix seconds; null where the protocol has no such field. */
  readonly createdSec: number | null
  readonly items: readonly OutputItem[]
  readonly stop: StopReason
  readonly stopSequence: string | null
  /** Text that explains a refusal, where the source gives one. */
  readonly refusalExplanation: string | null
  readonly usage: Usage
  /** Chat log-probabilities object, verbatim; null when absent. */
  readonly logprobs: unknown
  /** Further Chat choices (n > 1). Empty elsewhere. */
  readonly moreChoices: readonly FurtherChoice[]
}

export interface FurtherChoice {
  readonly items: readonly OutputItem[]
  readonly stop: StopReason
  /** As `CanonicalResponse.logprobs`; absent: none. */
  readonly logprobs?: unknown
}
