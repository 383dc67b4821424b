/**
 * What whole sessions say of a candidate beside the incumbent: how many reach their end, and what one takes in tokens and
 * money. The latter over sessions that both brought to their end: who stops early is not the cheaper one.
 */
import type { Case, Plan } from '../records/index.ts'
import { ratioOfTotals, type PairedCase, type PairedMeasure, type RatioEstimate } from '../statistics/index.ts'
import { meanCostNanos, passShare, type ArmCases, type CountedAttempt } from './arm-cases.ts'

export const sessionRatios = ['tokens-per-session', 'cost-per-session'] as const
export type SessionRatio = (typeof sessionRatios)[number]

export function isSessionRatio(name: string): name is SessionRatio {
  return sessionRatios.some((known) => known === name)
}

export interface SessionScene {
  readonly plan: Plan
  readonly sessions: readonly Case[]
  readonly arms: ArmCases
}

/** Share of runs that passed, of both arms; sessions that one of them could not be scored on are left out. */
export function sessionPairs({ plan, sessions, arms }: SessionScene, candidate: string): PairedCase[] {
  return paired(sessions, (test) => [
    passShare(arms.of(candidate, test.id), 'left-out', 'candidate'),
    passShare(arms.of(plan.incumbent.name, test.id), 'left-out', 'incumbent'),
  ])
}

export function sessionRatio(
  { plan, sessions, arms }: SessionScene,
  candidate: string,
  name: SessionRatio,
): { readonly estimate: RatioEstimate; readonly method: string } {
  const read = name === 'cost-per-session' ? meanCostNanos : meanTokens
  const ended = (arm: string, { id }: Case): readonly CountedAttempt[] =>
    arms.of(arm, id).filter(({ outcome }) => outcome === 'pass')
  const measures = paired(sessions, (test) => [read(ended(candidate, test)), read(ended(plan.incumbent.name, test))])
  return {
    estimate: ratioOfTotals(measures, { seed: plan.replay.seed, confidence: 1 - 2 * plan.alpha }),
    method: 'session-bootstrap-of-totals, sessions that both ended',
  }
}

/** Prompt and answer of all turns, hits included; null as soon as one turn did not say. */
export function meanTokens(attempts: readonly Pick<CountedAttempt, 'turns'>[]): number | null {
  let sum = 0
  for (const { turns } of attempts)
    for (const { answered, usage } of turns) {
      if (!answered) continue
      if (usage.inputTokens === null || usage.outputTokens === null) return null
      sum += usage.inputTokens + usage.outputTokens
    }
  return attempts.length === 0 ? null : sum / attempts.length
}

export function paired(
  cases: readonly Case[],
  read: (test: Case) => readonly [candidate: number | null, incumbent: number | null],
): PairedMeasure[] {
  return cases.flatMap((test) => {
    const [candidate, incumbent] = read(test)
    if (candidate === null || incumbent === null) return []
    return [{ session: test.sessionId, candidate, incumbent, weight: test.weight }]
  })
}
