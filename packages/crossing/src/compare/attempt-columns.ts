/**
 * Attempts without their words, as rows of numbers: 64 bytes each and 96 for each turn, so that a hundred thousand are
 * 16 MB. What many of them say alike (outcome, verdicts, who answered) is kept once and named by its number.
 */
import type { UsageRecord } from '@portolan/meter'
import type { Attempt, AttemptTurn, Clocks, Divergence, StubTier, Verdict } from '../records/index.ts'

/** What an attempt counts for: everything but what was said. */
export interface CountedAttempt extends Pick<Attempt, 'caseId' | 'arm' | 'replicate' | 'outcome' | 'startedAtMs'> {
  /** Null: not priced. */
  readonly costNanos: bigint | null
  readonly turns: readonly CountedTurn[]
  readonly verdicts: readonly CountedVerdict[]
  /** How the run left the recorded way; null: it did not. */
  readonly divergence: Divergence | null
}

export interface CountedTurn {
  /** False: there was no answer, and `usage` is not known. */
  readonly answered: boolean
  readonly usage: UsageRecord
  readonly clocks: Clocks
  /** How each tool call was served, in a session run. */
  readonly tiers: readonly StubTier[]
  /** Request members that did not reach the arm as they were said. */
  readonly changed: NonNullable<AttemptTurn['changed']>
}

export type CountedVerdict = Pick<Verdict, 'scorer' | 'version' | 'outcome' | 'severity'>

type AttemptKind = Pick<CountedAttempt, 'arm' | 'outcome' | 'verdicts' | 'divergence'>
type TurnKind = Pick<CountedTurn, 'answered' | 'tiers' | 'changed'> & Pick<UsageRecord, 'source' | 'convention'>

export class AttemptColumns {
  readonly #kinds = new Alike<AttemptKind>()
  readonly #turnKinds = new Alike<TurnKind>()
  /** Kind, replicate, start, cost in two parts, first turn, turns, the row before of the same case. */
  readonly #attempts = new NumberRows(8)
  /** Kind, seven counts of tokens, four clocks. */
  readonly #turns = new NumberRows(12)

  /** @param before the row of the same case and arm that was added before; null: none was. @returns its row */
  add(
    { arm, replicate, outcome, startedAtMs, costNanos, turns, verdicts, divergence }: Attempt,
    before: number | null,
  ) {
    const kind = this.#kinds.numberOf({
      arm,
      outcome,
      verdicts: verdicts.map(({ scorer, version, outcome, severity }) => ({ scorer, version, outcome, severity })),
      divergence: divergence?.kind ?? null,
    })
    const firstTurn = this.#turns.length
    for (const turn of turns) this.#addTurn(turn)
    return this.#attempts.add([
      kind,
      replicate,
      startedAtMs,
      // A double holds 53 bits, an amount may have 64.
      costNanos === null ? null : Number(costNanos >> 32n),
      costNanos === null ? null : Number(costNanos & 0xffff_ffffn),
      firstTurn,
      turns.length,
      before,
    ])
  }

  #addTurn({ response, usage, clocks, stubs, changed = [] }: AttemptTurn): void {
    const { source, convention } = usage
    const tiers = stubs.map(({ tier }) => tier)
    this.#turns.add([
      this.#turnKinds.numberOf({ answered: response !== null, source, convention, tiers, changed }),
      usage.inputTokens,
      usage.hitTokens,
      usage.missTokens,
      usage.writtenTokens,
      usage.written1hTokens,
      usage.outputTokens,
      usage.reasoningTokens,
      clocks.firstByteMs,
      clocks.firstReasoningMs,
      clocks.firstVisibleMs,
      clocks.endMs,
    ])
  }

  /** The row that was given as `before`. */
  before(row: number): number | null {
    return this.#attempts.read(row)[7]!
  }

  at(row: number, caseId: string): CountedAttempt {
    const [kind, replicate, startedAtMs, high, low, firstTurn, turns] = this.#attempts.read(row)
    return {
      caseId,
      ...this.#kinds.at(kind!),
      replicate: replicate!,
      startedAtMs: startedAtMs!,
      costNanos: high == null || low == null ? null : (BigInt(high) << 32n) + BigInt(low),
      turns: Array.from({ length: turns! }, (_, place) => this.#turnAt(firstTurn! + place)),
    }
  }

  #turnAt(row: number): CountedTurn {
    const [kind, input, hit, miss, written, written1h, output, reasoning, ...clocks] = this.#turns.read(row)
    const { answered, tiers, changed, source, convention } = this.#turnKinds.at(kind!)
    const [firstByteMs, firstReasoningMs, firstVisibleMs, endMs] = clocks as [
      number | null,
      number | null,
      number | null,
      number | null,
    ]
    return {
      answered,
      usage: {
        inputTokens: input!,
        hitTokens: hit!,
        missTokens: miss!,
        writtenTokens: written!,
        written1hTokens: written1h!,
        outputTokens: output!,
        reasoningTokens: reasoning!,
        raw: null,
        source,
        convention,
      },
      clocks: { firstByteMs, firstReasoningMs, firstVisibleMs, endMs },
      tiers,
      changed,
    }
  }
}

/** Rows of as many numbers each; null is kept as NaN, which none of them can be. */
class NumberRows {
  readonly #width: number
  #values: Float64Array
  #used = 0

  constructor(width: number) {
    this.#width = width
    this.#values = new Float64Array(width * 64)
  }

  get length(): number {
    return this.#used / this.#width
  }

  add(row: readonly (number | null)[]): number {
    if (this.#used + this.#width > this.#values.length) {
      const larger = new Float64Array(Math.ceil(this.#values.length / this.#width / 2) * 3 * this.#width)
      larger.set(this.#values)
      this.#values = larger
    }
    const at = this.length
    for (const value of row) this.#values[this.#used++] = value ?? Number.NaN
    return at
  }

  read(row: number): (number | null)[] {
    const values: (number | null)[] = []
    for (let at = row * this.#width; at < (row + 1) * this.#width; at++) {
      const value = this.#values[at]!
      values.push(Number.isNaN(value) ? null : value)
    }
    return values
  }
}

/** Values that come again and again, each kept once. */
class Alike<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: T[] = []

  numberOf(value: T): number {
    const key = JSON.stringify(value)
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = this.#values.push(value) - 1
      this.#numbers.set(key, number)
    }
    return number
  }

  at(number: number): T {
    return this.#values[number]!
  }
}
