/** One row of the field table, and the words for its cells. */
import type { Protocol } from '../protocol.ts'
import type { ReferenceTarget } from './reference-dialects.ts'

/**
 * What becomes of a field.
 * `carried`: the same meaning, perhaps under another name. `translated`: the meaning kept in another form.
 * `dropped`: left out and named in the response header. `refused`: its loss would change meaning or safety.
 */
export type Decision = 'carried' | 'translated' | 'dropped' | 'refused'

export interface FieldDecision {
  readonly decision: Decision
  /** Member of the written body in which the field arrives, e.g. `reasoning.effort`; null when it does not. */
  readonly as: string | null
  /** Dropped without a word, because the answer is the same without it. */
  readonly quiet: boolean
  readonly note: string
}

export interface FieldRow {
  readonly from: Protocol
  /** In the protocol's own spelling. */
  readonly field: string
  /** Members of a request body that set it. `$OURS` stands for a token of ours that seals "because". */
  readonly sample: Readonly<Record<string, unknown>>
  /** Members that the sample needs beside it. */
  readonly base: Readonly<Record<string, unknown>>
  /** Text of the sample by which it is known in the written body, where other members change as well. */
  readonly marker: string | null
  /** One cell for each reference upstream of another protocol. */
  readonly to: Readonly<Partial<Record<ReferenceTarget, FieldDecision>>>
}

export function row(
  from: Protocol,
  field: string,
  sample: FieldRow['sample'],
  to: FieldRow['to'],
  also: { readonly base?: FieldRow['base']; readonly marker?: string } = {},
): FieldRow {
  return { from, field, sample, base: also.base ?? {}, marker: also.marker ?? null, to }
}

export function carried(as: string, note = ''): FieldDecision {
  return { decision: 'carried', as, quiet: false, note }
}

export function translated(as: string, note = ''): FieldDecision {
  return { decision: 'translated', as: as === '' ? null : as, quiet: false, note }
}

export function dropped(note = ''): FieldDecision {
  return { decision: 'dropped', as: null, quiet: false, note }
}

/** Dropped without a word: nobody could notice. */
export function quietly(note: string): FieldDecision {
  return { decision: 'dropped', as: null, quiet: true, note }
}

export function refused(note = ''): FieldDecision {
  return { decision: 'refused', as: null, quiet: false, note }
}
