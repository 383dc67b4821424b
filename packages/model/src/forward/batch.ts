/**
 * Tokens of one forward pass: pieces of any sequences, laid one after another.
 *
 * Work that treats tokens alike runs over all of them; work that depends on the past goes token by token
 * through the state of the token's own sequence.
 */
import type { SequenceState } from './state.ts'

export interface Segment {
  readonly state: SequenceState
  /** Token ids that continue the state's sequence, at least one. */
  readonly ids: ArrayLike<number>
}

export interface Batch {
  readonly tokens: number
  readonly ids: Int32Array
  /** Absolute position of each token in its sequence. */
  readonly positions: Int32Array
  /** State of each token's sequence. */
  readonly states: readonly SequenceState[]
}

export function layOut(segments: readonly Segment[]): Batch {
  const tokens = segments.reduce((sum, segment) => sum + segment.ids.length, 0)
  const ids = new Int32Array(tokens)
  const positions = new Int32Array(tokens)
  const states: SequenceState[] = []
  for (const { state, ids: segmentIds } of segments) {
    for (let at = 0; at < segmentIds.length; at++) {
      ids[states.length] = segmentIds[at]!
      positions[states.length] = state.position + at
      states.push(state)
    }
  }
  return { tokens, ids, positions, states }
}
