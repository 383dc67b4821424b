/** What a judge said, one line a case and candidate, kept as attempts are: sealed under the subject, never asked twice. */
import { nanosOf } from '../replay/journal.ts'
import { SealedLines, type SessionKeys } from '../replay/sealed-lines.ts'
import type { Verdict } from '../records/index.ts'
import type { Preference } from './pairwise.ts'

export interface Judgement {
  readonly candidate: string
  readonly caseId: string
  /** Null: the judge gave no usable answer. */
  readonly preference: Preference | null
  /** It changed its mind with the order. */
  readonly flipped: boolean
  /** Its version is the hash of what was asked, its cost the judge's own bill. */
  readonly verdict: Verdict
}

export class JudgementJournal {
  readonly #lines: SealedLines
  readonly #keys = new Set<string>()

  /** @throws {CrossingError} CROSSING_DAMAGED, CROSSING_STORAGE, CROSSING_CONFLICT when it belongs to another plan. */
  constructor(path: string, planHash: string, keyOf: SessionKeys) {
    this.#lines = new SealedLines({ path, format: 'portolan-judgements', planHash, keyOf }, (text) => {
      this.#keys.add(nameOf(read(text)))
      return true
    })
  }

  get judgements(): Iterable<Judgement> {
    return { [Symbol.iterator]: () => this.#stored() }
  }

  get size(): number {
    return this.#keys.size
  }

  has(candidate: string, caseId: string): boolean {
    return this.#keys.has(nameOf({ candidate, caseId }))
  }

  /** Durable when it returns; false: the subject was erased meanwhile. */
  append(judgement: Judgement, sessionId: string): boolean {
    const text = JSON.stringify(judgement, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
    if (!this.#lines.append(sessionId, text)) return false
    this.#keys.add(nameOf(judgement))
    return true
  }

  close(): void {
    this.#lines.close()
  }

  *#stored(): Generator<Judgement> {
    for (const text of this.#lines.texts()) yield read(text)
  }
}

function nameOf({ candidate, caseId }: Pick<Judgement, 'candidate' | 'caseId'>): string {
  return `${candidate}\0${caseId}`
}

function read(text: string): Judgement {
  const judgement = JSON.parse(text) as Judgement
  const { cost } = judgement.verdict
  return {
    ...judgement,
    verdict: { ...judgement.verdict, cost: cost === null ? null : { ...cost, nanos: nanosOf(cost.nanos) } },
  }
}
