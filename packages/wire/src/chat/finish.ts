/**
 * Why an answer ended, in Chat's words and ours.
 *
 * Any tool call means the client must run tools, whatever the upstream says (catalogue 2, 3, 4); `tool_calls`
 * without a call is the upstream's fault and never reaches a client as success (catalogue 15).
 */
import type { StopReason } from '../canonical/response.ts'
import type { ErrorKind } from '../errors.ts'

export interface Finish {
  readonly stop: StopReason
  readonly stopSequence: string | null
}

export interface FinishFault {
  readonly kind: ErrorKind
  readonly message: string
}

/**
 * @param reason       `finish_reason`; an unknown word counts as a natural end.
 * @param stopReason   vLLM's `stop_reason`: the matched string, where there was one.
 * @param calls        How many tool calls were made, and whether the last one is whole.
 */
export function readFinish(
  reason: string,
  stopReason: unknown,
  calls: { readonly count: number; readonly whole: boolean },
): Finish | FinishFault {
  if (reason === 'insufficient_system_resource')
    return { kind: 'overloaded', message: 'The upstream ran out of capacity in the middle of the answer.' }
  if (reason === 'error' || reason === 'abort' || reason === 'aborted')
    return { kind: 'upstream', message: `The upstream gave up in the middle of the answer (finish_reason ${reason}).` }
  const calledTools = reason === 'tool_calls' || reason === 'function_call' || reason === 'tool_use'
  if (calls.count === 0) {
    if (calledTools) return { kind: 'upstream', message: 'The upstream announced a tool call and sent none.' }
  } else if (calls.whole || !(reason === 'length' || reason === 'content_filter'))
    return { stop: 'tool-call', stopSequence: null }
  if (reason === 'length' || reason === 'max_tokens') return { stop: 'length', stopSequence: null }
  if (reason === 'content_filter' || reason === 'refusal') return { stop: 'refusal', stopSequence: null }
  if (typeof stopReason === 'string') return { stop: 'stop-sequence', stopSequence: stopReason }
  return { stop: 'end', stopSequence: null }
}

export function writeFinish(stop: StopReason, calls: number): string {
  if (stop === 'length' || stop === 'context') return 'length'
  if (calls > 0) return 'tool_calls'
  return stop === 'refusal' ? 'content_filter' : 'stop'
}

/** Is this argument text one complete JSON value? */
export function isWholeJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
