/**
 * Attempts sorted by arm and case, and the cases that the plan left out before anybody looked.
 *
 * Replicates are averaged within their case first; a replicate that could not be scored is treated as the policy says.
 * An exclusion rule is `case:ID`, `session:ID` or `tag:NAME`; any other rule excludes nothing and is reported as such.
 *
 * Attempts come one at a time and their words are let go: what is kept of one is its figures, some 500 bytes.
 */
import type { UsageRecord } from '@portolan/meter'
import type {
  Attempt,
  AttemptTurn,
  Case,
  Clocks,
  Dataset,
  Divergence,
  Plan,
  StubTier,
  Verdict,
} from '../records/index.ts'
import type { MissingPolicy } from '../scoring/index.ts'

export interface ExcludedCase {
  readonly caseId: string
  readonly rule: string
  readonly reason: string
}

export interface CountedCases {
  readonly cases: readonly Case[]
  readonly excluded: readonly ExcludedCase[]
  /** Rules of the plan that this program cannot read; they excluded nothing. */
  readonly unreadRules: readonly string[]
}

export function countedCases(plan: Plan, dataset: Dataset): CountedCases {
  const excluded: ExcludedCase[] = []
  const readable = plan.exclusions.filter(({ rule }) => /^(case|session|tag):./.test(rule))
  const cases = dataset.cases.filter((test) => {
    const hit = readable.find(({ rule }) => excludes(rule, test))
    if (hit) excluded.push({ caseId: test.id, rule: hit.rule, reason: hit.reason })
    return hit === undefined
  })
  const unreadRules = plan.exclusions.filter((one) => !readable.includes(one)).map(({ rule }) => rule)
  return { cases, excluded, unreadRules }
}

function excludes(rule: string, test: Case): boolean {
  const colon = rule.indexOf(':')
  const value = rule.slice(colon + 1)
  if (rule.startsWith('case:')) return test.id === value
  if (rule.startsWith('session:')) return test.sessionId === value
  return test.tags.includes(value)
}

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
}

export type CountedVerdict = Pick<Verdict, 'scorer' | 'version' | 'outcome' | 'severity'>

/** By arm, then by case; replicates in order. Attempts at cases that do not count are not in it. */
export class ArmCases {
  readonly #byArm = new Map<string, Map<string, readonly CountedAttempt[]>>()

  constructor(attempts: Iterable<Attempt>, cases: readonly Case[]) {
    const ids = new Map(cases.map(({ id }) => [id, id]))
    const shared = new Shared()
    for (const attempt of attempts) {
      // The id as the case spells it: one string for all attempts at it.
      const caseId = ids.get(attempt.caseId)
      if (caseId === undefined) continue
      let byCase = this.#byArm.get(attempt.arm)
      if (!byCase) this.#byArm.set(attempt.arm, (byCase = new Map()))
      byCase.set(caseId, [...(byCase.get(caseId) ?? []), shared.counted(attempt, caseId)])
    }
    for (const byCase of this.#byArm.values())
      for (const [caseId, same] of byCase)
        if (same.length > 1)
          byCase.set(
            caseId,
            same.toSorted((a, b) => a.replicate - b.replicate),
          )
  }

  has(arm: string): boolean {
    return this.#byArm.has(arm)
  }

  of(arm: string, caseId: string): readonly CountedAttempt[] {
    return this.#byArm.get(arm)?.get(caseId) ?? []
  }

  all(arm: string): readonly CountedAttempt[] {
    return [...(this.#byArm.get(arm)?.values() ?? [])].flat()
  }
}

const none: readonly StubTier[] = []

/** Words that every attempt repeats are kept once: names, and lists of verdicts that say the same. */
class Shared {
  readonly #verdicts = new Map<string, readonly CountedVerdict[]>()
  readonly #texts = new Map<string, string>()

  counted(
    { arm, replicate, outcome, startedAtMs, costNanos, turns, verdicts, divergence }: Attempt,
    caseId: string,
  ): CountedAttempt {
    return {
      caseId,
      arm: this.#text(arm),
      replicate,
      outcome,
      startedAtMs,
      costNanos,
      turns: turns.map((turn) => this.#turn(turn)),
      verdicts: this.#verdictsOf(verdicts),
      divergence: divergence && this.#text(divergence.kind),
    }
  }

  #turn({ response, usage, clocks, stubs }: AttemptTurn): CountedTurn {
    const { source, convention } = usage
    return {
      answered: response !== null,
      usage: { ...usage, raw: null, source: this.#text(source), convention: convention && this.#text(convention) },
      clocks,
      tiers: stubs.length === 0 ? none : stubs.map(({ tier }) => this.#text(tier)),
    }
  }

  #text<T extends string>(text: T): T {
    const known = this.#texts.get(text)
    if (known === undefined) this.#texts.set(text, text)
    return (known as T | undefined) ?? text
  }

  #verdictsOf(verdicts: readonly Verdict[]): readonly CountedVerdict[] {
    const key = verdicts
      .map(({ scorer, version, outcome, severity }) => `${scorer} ${version} ${outcome} ${severity}`)
      .join('\0')
    let known = this.#verdicts.get(key)
    if (!known) {
      known = verdicts.map(({ scorer, version, outcome, severity }) => ({ scorer, version, outcome, severity }))
      this.#verdicts.set(key, known)
    }
    return known
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
