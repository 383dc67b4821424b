/**
 * What a scorer says about one answer, and what all scorers together say about a case.
 *
 * Missing is neither zero nor success: a check that could not be made is `unscored` with a reason, never a pass.
 */
import type { Outcome, Severity, Verdict } from '../records/index.ts'

/** Who speaks; a changed rule is a new version, so that old verdicts are not compared with new ones. */
export interface ScorerName {
  readonly scorer: string
  readonly version: string
  readonly severity: Severity
}

export function passed(name: ScorerName, evidence: unknown = null, score = 1): Verdict {
  return { ...name, outcome: 'pass', score, evidence, cost: null }
}

export function failed(name: ScorerName, evidence: unknown, score = 0): Verdict {
  return { ...name, outcome: 'fail', score, evidence, cost: null }
}

/** @param reason a stable word; @param message a sentence */
export function unscored(name: ScorerName, reason: string, message: string): Verdict {
  return { ...name, outcome: 'unscored', score: null, evidence: { reason, message }, cost: null }
}

/**
 * The case: failed when a critical or major check failed; otherwise unscored when one of those could not be made;
 * otherwise passed. Minor checks are shown and decide nothing. A case without a deciding check is unscored.
 */
export function caseOutcome(verdicts: readonly Verdict[]): Exclude<Outcome, 'error'> {
  const deciding = verdicts.filter(({ severity }) => severity !== 'minor')
  if (deciding.some(({ outcome }) => outcome === 'fail')) return 'fail'
  if (deciding.length === 0 || deciding.some(({ outcome }) => outcome === 'unscored')) return 'unscored'
  return 'pass'
}

/** Failures that no average can outweigh: one is too many, and each is listed by id in the report. */
export function criticalFailures<T extends Pick<Verdict, 'severity' | 'outcome'>>(verdicts: readonly T[]): T[] {
  return verdicts.filter(({ severity, outcome }) => severity === 'critical' && outcome === 'fail')
}

/** How unscored and failed attempts enter the comparison. `as-fail` is the sensitivity reading of the report. */
export type MissingPolicy = 'left-out' | 'as-fail' | 'against-candidate'

/** A pair's two shares (1 or 0), or null when the pair is left out. An `error` is a failure: the arm did not answer. */
export function pairShares(
  candidate: Outcome,
  incumbent: Outcome,
  missing: MissingPolicy,
): { readonly candidate: number; readonly incumbent: number } | null {
  if ((candidate === 'unscored' || incumbent === 'unscored') && missing === 'left-out') return null
  const kindly = missing === 'against-candidate'
  return {
    candidate: candidate === 'pass' ? 1 : 0,
    incumbent: incumbent === 'pass' || (kindly && incumbent === 'unscored') ? 1 : 0,
  }
}
