/**
 * Attempts sorted by arm and case, and the cases that the plan left out before anybody looked.
 *
 * Replicates are averaged within their case first; a replicate that could not be scored is treated as the policy says.
 * A rule of exclusion that cannot be read excludes nothing and is reported as such.
 *
 * Attempts come one at a time and their words are let go: what is kept of one is its figures (`attempt-columns.ts`).
 */
import { excludes, isReadable, plannedCases } from '../plan/index.ts'
import type { Attempt, Case, Dataset, Plan } from '../records/index.ts'
import type { MissingPolicy } from '../scoring/index.ts'
import { AttemptColumns, type CountedAttempt, type CountedTurn } from './attempt-columns.ts'

export type { CountedAttempt, CountedTurn, CountedVerdict } from './attempt-columns.ts'

export interface ExcludedCase {
  readonly caseId: string
  readonly rule: string
  readonly reason: string
}

export interface CountedCases {
  /** What quality is judged by: steps, or whole sessions where the plan asks for nothing else. */
  readonly cases: readonly Case[]
  /** Whole sessions; empty where the plan asks for steps only. */
  readonly sessions: readonly Case[]
  readonly excluded: readonly ExcludedCase[]
  /** Rules of the plan that this program cannot read; they excluded nothing. */
  readonly unreadRules: readonly string[]
}

/** @param erased sessions whose subject was erased: nothing of them is left to count */
export function countedCases(plan: Plan, dataset: Dataset, erased: ReadonlySet<string> = new Set()): CountedCases {
  const excluded: ExcludedCase[] = []
  const readable = plan.exclusions.filter(isReadable)
  const counts = (test: Case): boolean => {
    const hit = erased.has(test.sessionId)
      ? { rule: 'erased', reason: 'The data of its subject were erased.' }
      : readable.find((exclusion) => excludes(exclusion, test))
    if (hit) excluded.push({ caseId: test.id, rule: hit.rule, reason: hit.reason })
    return hit === undefined
  }
  const planned = plannedCases(plan.replay.mode, dataset)
  const cases = planned.primary.filter(counts)
  const sessions = planned.sessions === planned.primary ? cases : planned.sessions.filter(counts)
  const unreadRules = plan.exclusions.filter((one) => !readable.includes(one)).map(({ rule }) => rule)
  return { cases, sessions, excluded, unreadRules }
}

/** By arm and case; replicates in order. Attempts at cases that do not count are not in it. */
export class ArmCases {
  readonly #columns = new AttemptColumns()
  /** By arm, then by case: the row that was added last. */
  readonly #rows = new Map<string, Map<string, number>>()

  constructor(attempts: Iterable<Attempt>, cases: readonly Case[]) {
    // The id as the case spells it: one string for all attempts at it.
    const ids = new Map(cases.map(({ id }) => [id, id]))
    for (const attempt of attempts) {
      const caseId = ids.get(attempt.caseId)
      if (caseId === undefined) continue
      let rows = this.#rows.get(attempt.arm)
      if (!rows) this.#rows.set(attempt.arm, (rows = new Map()))
      rows.set(caseId, this.#columns.add(attempt, rows.get(caseId) ?? null))
    }
  }

  has(arm: string): boolean {
    return this.#rows.has(arm)
  }

  of(arm: string, caseId: string): readonly CountedAttempt[] {
    const attempts: CountedAttempt[] = []
    let row = this.#rows.get(arm)?.get(caseId) ?? null
    for (; row !== null; row = this.#columns.before(row)) attempts.push(this.#columns.at(row, caseId))
    return attempts.sort((a, b) => a.replicate - b.replicate)
  }

  all(arm: string): readonly CountedAttempt[] {
    return [...(this.#rows.get(arm)?.keys() ?? [])].flatMap((caseId) => this.of(arm, caseId))
  }
}

/** Share of passing replicates; null: nothing there that the policy lets count. An `error` is a failure. */
export function passShare(
  attempts: readonly Pick<CountedAttempt, 'outcome'>[],
  missing: MissingPolicy,
  side: 'candidate' | 'incumbent',
): number | null {
  let [passes, counted] = [0, 0]
  for (const { outcome } of attempts) {
    if (outcome === 'unscored' && missing === 'left-out') continue
    counted++
    if (outcome === 'pass') passes++
    else if (outcome === 'unscored' && missing === 'against-candidate' && side === 'incumbent') passes++
  }
  return counted === 0 ? null : passes / counted
}

/** The same for one scorer instead of the whole case. */
export function scorerShare(attempts: readonly Pick<CountedAttempt, 'verdicts'>[], scorer: string): number | null {
  const verdicts = attempts.flatMap((attempt) => attempt.verdicts.filter((one) => one.scorer === scorer))
  const scored = verdicts.filter(({ outcome }) => outcome !== 'unscored')
  return scored.length === 0 ? null : scored.filter(({ outcome }) => outcome === 'pass').length / scored.length
}

/** Mean of the replicates' amounts; null as soon as one is not known: an average of the known ones would be a guess. */
export function meanCostNanos(attempts: readonly Pick<CountedAttempt, 'costNanos'>[]): number | null {
  let sum = 0
  for (const { costNanos } of attempts) {
    if (costNanos === null) return null
    sum += Number(costNanos)
  }
  return attempts.length === 0 ? null : sum / attempts.length
}

export type ClockName = 'firstReasoningMs' | 'firstVisibleMs' | 'endMs'

/** Mean over all turns of all replicates that have this clock; null: none has. */
export function meanClockMs(
  attempts: readonly { readonly turns: readonly Pick<CountedTurn, 'clocks'>[] }[],
  clock: ClockName,
): number | null {
  const known = attempts.flatMap(({ turns }) => turns.map((turn) => turn.clocks[clock])).filter((ms) => ms !== null)
  return known.length === 0 ? null : known.reduce((sum, ms) => sum + ms, 0) / known.length
}
