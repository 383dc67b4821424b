/**
 * What a completion is made of: the events while it streams and the whole when it has ended.
 *
 * Grammar of the events, whatever the model wrote:
 *
 *   stream := (reasoning-delta | text-delta | call)* end
 *   call   := tool-call-start tool-call-delta* tool-call-end     calls never overlap
 *
 * Deltas are never empty and never end in half a surrogate pair.
 */

export type CompletionEvent =
  | { readonly type: 'reasoning-delta'; readonly text: string }
  | { readonly type: 'text-delta'; readonly text: string }
  /** `index` counts calls from 0. The model gives no ids; whoever serves makes them. */
  | { readonly type: 'tool-call-start'; readonly index: number; readonly name: string }
  | { readonly type: 'tool-call-delta'; readonly index: number; readonly argumentsDelta: string }
  /** `complete` false: the call was cut off or malformed; its arguments so far are not JSON and must not be run. */
  | { readonly type: 'tool-call-end'; readonly index: number; readonly complete: boolean }
  | { readonly type: 'end'; readonly finish: Finish; readonly problems: readonly Problem[] }

/** Why generation ended, as the driver of the machine saw it. `stop`: the model wrote its end token. */
export type StopCause = 'stop' | 'length' | 'stop-string' | 'aborted'

/** How the completion ended. `tool-calls`: the model stopped and waits for at least one result. */
export type Finish = StopCause | 'tool-calls'

/**
 * What had to be tolerated; each at most once. None of them is an exception: a model may write anything.
 *
 * - `unclosed-reasoning`: stopped without `</think>`; everything is reasoning and the text is empty
 * - `repeated-think-tag`: a second `<think>` or `</think>` right at the start, left out
 * - `calls-in-reasoning`: a call block inside the reasoning; it ends the reasoning
 * - `malformed-block`: a block that does not begin with a call; it is text (or reasoning)
 * - `cut-markup`: the output ended inside the tags before the first call; the fragment is not shown
 * - `unclosed-block`, `unclosed-invoke`: closing tags missing at the end; tolerated when the model stopped by itself
 * - `cut-call`: the output ended inside a call; the call is incomplete
 * - `malformed-invoke`: a later call without a readable name, skipped
 * - `malformed-parameter`: a parameter without a readable name; its call is incomplete
 * - `duplicate-parameter`: the first value is kept
 * - `not-json`: a value announced as JSON that is none, taken as a string
 * - `untyped-parameter`: no `string` attribute; JSON if it reads as JSON, else a string
 * - `stray-text`: text between the tags of a block, left out
 * - `text-after-calls`: text after a block; it is text
 * - `text-after-end`: output after the end token, left out
 */
export type Problem =
  | 'unclosed-reasoning'
  | 'repeated-think-tag'
  | 'calls-in-reasoning'
  | 'malformed-block'
  | 'cut-markup'
  | 'unclosed-block'
  | 'unclosed-invoke'
  | 'cut-call'
  | 'malformed-invoke'
  | 'malformed-parameter'
  | 'duplicate-parameter'
  | 'not-json'
  | 'untyped-parameter'
  | 'stray-text'
  | 'text-after-calls'
  | 'text-after-end'

/** A stretch of the raw completion. All spans in order are the raw completion, byte for byte. */
export interface CompletionSpan {
  /** `markup`: tags between the parts and the end token; `calls`: a call block; `after-end`: ignored output. */
  readonly kind: 'reasoning' | 'text' | 'calls' | 'markup' | 'after-end'
  readonly text: string
}

export interface ParsedCall {
  readonly name: string
  /** JSON text of one object when `complete`. */
  readonly argumentsText: string
  readonly complete: boolean
}

export interface Completion {
  readonly reasoning: string
  readonly text: string
  readonly calls: readonly ParsedCall[]
  /**
   * The call block exactly as sampled, for replay in later turns. Null when there is none, when a call is
   * incomplete, or when text follows the block (then it could not be put back in its place).
   */
  readonly rawCalls: string | null
  readonly finish: Finish
  readonly problems: readonly Problem[]
  readonly spans: readonly CompletionSpan[]
}
