/**
 * Why an answer ended, between Messages' words and the canonical ones.
 *
 * Override: an answer that calls client tools stops for them, whatever its source said (bifrost#3638, #6123,
 * litellm#34692), unless it was cut by a limit or refused: then a last call may be incomplete. And `tool_use`
 * without a call is never said (CLIProxyAPI#3799).
 */
import type { StopReason } from '../canonical/response.ts'
import type { WireStopDetails, WireStopReason } from './types.ts'

const stopByWire: Readonly<Record<string, StopReason>> = {
  end_turn: 'end',
  max_tokens: 'length',
  stop_sequence: 'stop-sequence',
  tool_use: 'tool-call',
  pause_turn: 'pause',
  refusal: 'refusal',
  model_context_window_exceeded: 'context',
}

const wireByStop: Readonly<Record<StopReason, WireStopReason>> = {
  end: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  context: 'model_context_window_exceeded',
  'tool-call': 'tool_use',
  refusal: 'refusal',
  pause: 'pause_turn',
}

/** A word we do not know is a natural end. */
export function readStopReason(word: string, hasToolCall: boolean): StopReason {
  return withOverride(stopByWire[word] ?? 'end', hasToolCall)
}

/** `null`, never said: the natural end, or the calls. */
export function stopWithoutReason(hasToolCall: boolean): StopReason {
  return hasToolCall ? 'tool-call' : 'end'
}

export function writeStopReason(stop: StopReason, hasToolCall: boolean): WireStopReason {
  if (stop === 'tool-call' && !hasToolCall) return 'end_turn'
  return wireByStop[withOverride(stop, hasToolCall)]
}

/** The other protocols mark refusing text and end naturally; here the stop reason is where a client looks. */
export function stopOfRefusal(stop: StopReason, refused: boolean): StopReason {
  return refused && stop === 'end' ? 'refusal' : stop
}

export function writeStopDetails(stop: StopReason, explanation: string | null): WireStopDetails | null {
  return stop === 'refusal' ? { type: 'refusal', category: null, explanation } : null
}

function withOverride(stop: StopReason, hasToolCall: boolean): StopReason {
  return hasToolCall && (stop === 'end' || stop === 'stop-sequence' || stop === 'pause') ? 'tool-call' : stop
}
