/**
 * The attempts of a plan, one line each, encrypted under their session's subject (`sealed-lines.ts`), written and flushed
 * before the next case is counted as done. A key is (arm, replicate, case): resuming asks only what has no line.
 */
import { CrossingError } from '../errors.ts'
import type { Attempt, Verdict } from '../records/index.ts'
import { SealedLines, type SessionKeys } from './sealed-lines.ts'

export class AttemptJournal {
  readonly #keys = new Set<string>()
  readonly #lines: SealedLines

  /** @throws {CrossingError} CROSSING_DAMAGED, CROSSING_STORAGE, CROSSING_CONFLICT when it belongs to another plan. */
  constructor(path: string, planHash: string, keyOf: SessionKeys) {
    this.#lines = new SealedLines({ path, format: 'portolan-attempts', planHash, keyOf }, (text) => {
      const attempt = parsed(text)
      if (attempt === null) return false
      this.#keys.add(nameOf(attempt))
      return true
    })
  }

  /** In the order written, read from the file one at a time, as often as somebody goes through them. */
  get attempts(): Iterable<Attempt> {
    return { [Symbol.iterator]: () => this.#stored() }
  }

  get size(): number {
    return this.#keys.size
  }

  /** Attempts whose subject was erased since: nobody can read them. */
  get erased(): number {
    return this.#lines.erased
  }

  has(arm: string, replicate: number, caseId: string): boolean {
    return this.#keys.has(nameOf({ arm, replicate, caseId }))
  }

  /**
   * Durable when it returns.
   *
   * @returns false when the session's subject was erased meanwhile: nothing was written
   * @throws {CrossingError} CROSSING_CONFLICT when this attempt stands already.
   */
  append(attempt: Attempt, sessionId: string): boolean {
    const key = nameOf(attempt)
    if (this.#keys.has(key))
      throw new CrossingError('CROSSING_CONFLICT', `Case ${attempt.caseId} was asked of ${attempt.arm} already.`)
    const text = JSON.stringify(attempt, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    if (!this.#lines.append(sessionId, text)) return false
    this.#keys.add(key)
    return true
  }

  close(): void {
    this.#lines.close()
  }

  *#stored(): Generator<Attempt> {
    for (const text of this.#lines.texts()) yield withMoney(parsed(text)!)
  }
}

function nameOf({ arm, replicate, caseId }: Pick<Attempt, 'arm' | 'replicate' | 'caseId'>): string {
  return `${arm}\0${replicate}\0${caseId}`
}

function parsed(text: string): Attempt | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'caseId' in value ? (value as Attempt) : null
  } catch {
    return null
  }
}

function withMoney(attempt: Attempt): Attempt {
  const verdicts = attempt.verdicts.map((verdict): Verdict =>
    verdict.cost === null ? verdict : { ...verdict, cost: { ...verdict.cost, nanos: nanosOf(verdict.cost.nanos) } },
  )
  return { ...attempt, costNanos: attempt.costNanos === null ? null : nanosOf(attempt.costNanos), verdicts }
}

/** `123n`: money never passes through a float. */
export function nanosOf(value: unknown): bigint {
  return BigInt(String(value).replace(/n$/, ''))
}
