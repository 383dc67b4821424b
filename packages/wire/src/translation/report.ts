/**
 * What a translation lost or changed, told in a response header.
 *
 * `x-portolan-translation: dropped=top_k,seed;instructed=response_format;stripped=billing-line`.
 * Policy: `warn` (default) reports; `strict` refuses a request that would lose anything; `silent` says nothing.
 * What would change meaning or safety is refused under every policy, by throwing WIRE_CANNOT_CARRY.
 */
import { WireError } from '../errors.ts'

export type LossPolicy = 'warn' | 'strict' | 'silent'

type Note = 'dropped' | 'emulated' | 'instructed' | 'stripped'

export class TranslationReport {
  readonly policy: LossPolicy
  readonly #notes = new Map<Note, Set<string>>()

  constructor(policy: LossPolicy = 'warn') {
    this.policy = policy
  }

  /** `field` was left out: the upstream cannot take it. */
  dropped(field: string): void {
    if (this.policy === 'strict')
      throw new WireError(
        'WIRE_CANNOT_CARRY',
        `The upstream of this model cannot take \`${field}\`, and this route refuses lossy translation.`,
        field,
      )
    this.#add('dropped', field)
  }

  /** `field` keeps its meaning in another form. */
  emulated(field: string): void {
    this.#add('emulated', field)
  }

  /** `field` was a promise; the model is only asked for it in words. Whether it obeys is seen at the end of its answer. */
  instructed(field: string): void {
    if (this.policy === 'strict')
      throw new WireError(
        'WIRE_CANNOT_CARRY',
        `The upstream of this model cannot be held to \`${field}\`, only asked, and this route refuses lossy translation.`,
        field,
      )
    this.#add('instructed', field)
  }

  /** Something that was never meant for the model was removed. */
  stripped(what: string): void {
    this.#add('stripped', what)
  }

  /** Losing `field` would change meaning or safety. */
  refused(field: string, why: string): never {
    throw new WireError('WIRE_CANNOT_CARRY', why, field)
  }

  has(kind: Note, field: string): boolean {
    return this.#notes.get(kind)?.has(field) ?? false
  }

  /** The header's value; null when there is nothing to say or the policy is silent. */
  header(): string | null {
    if (this.policy === 'silent' || this.#notes.size === 0) return null
    return [...this.#notes].map(([kind, fields]) => `${kind}=${[...fields].join(',')}`).join(';')
  }

  #add(kind: Note, field: string): void {
    const set = this.#notes.get(kind) ?? new Set()
    // A header value is ASCII without separators; field names come from callers.
    set.add(field.replace(/[^A-Za-z0-9_.[\]-]/g, '?').slice(0, 64))
    this.#notes.set(kind, set)
  }
}
