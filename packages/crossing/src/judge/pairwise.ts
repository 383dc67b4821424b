/**
 * One case before the judge: candidate against incumbent, blind, in both orders.
 *
 * A judge that changes its mind with the order has no opinion: that is a tie, and counts into the flip rate. Its verdict on a
 * case is minor by nature; what may gate is the panel as a whole, and only when calibrated (`panel.ts`).
 */
import type { Usage } from '@portolan/wire'
import type { Verdict } from '../records/index.ts'
import type { AskJudge } from './door.ts'
import { judgeMessages, judgePromptHash, parseChoice, type JudgeChoice } from './prompt.ts'

export type Preference = 'candidate' | 'incumbent' | 'tie'

export interface JudgedCase {
  readonly preference: Preference
  /** The two orders disagreed. */
  readonly flipped: boolean
  readonly verdict: Verdict
}

export interface JudgePair {
  readonly task: string
  readonly candidate: string
  readonly incumbent: string
  readonly rubric?: string | null
}

export interface JudgeSettings {
  readonly ask: AskJudge
  /** What a call cost; null: not priced. Default: nobody knows. */
  readonly priceOf?: (usage: Usage) => Verdict['cost']
}

interface Silence {
  readonly problem: string
  /** It answered, in words that name no winner. */
  readonly isReached: boolean
}

/** Nobody answered: another time somebody may. */
export function isNotReached({ evidence }: Verdict): boolean {
  return (evidence as { readonly reason?: unknown } | null)?.reason === 'judge-not-reached'
}

/** @returns `preference` null when the judge did not answer or could not be understood, twice */
export async function judgePair(
  { task, candidate, incumbent, rubric = null }: JudgePair,
  { ask, priceOf = () => null }: JudgeSettings,
): Promise<JudgedCase | { readonly preference: null; readonly verdict: Verdict }> {
  const name = { scorer: 'judge-pairwise', version: judgePromptHash(rubric), severity: 'minor' } as const
  const costs: Verdict['cost'][] = []
  const choose = async (first: string, second: string): Promise<JudgeChoice | Silence> => {
    let problem = ''
    let isReached = false
    // Once more, because a judge that rambles once often does not twice. Never a third time.
    for (let attempt = 0; attempt < 2; attempt++) {
      const answer = await ask(judgeMessages({ task, first, second, rubric }))
      if ('problem' in answer) {
        problem = answer.problem
        continue
      }
      isReached = true
      costs.push(priceOf(answer.usage))
      const choice = parseChoice(answer.text)
      if (choice !== null) return choice
      problem = 'the judge named no winner'
    }
    return { problem, isReached }
  }
  const forward = await choose(candidate, incumbent)
  // The same words twice need no opinion, and a judge that has one shows its bias in the calibration anyway.
  const backward = typeof forward === 'string' ? await choose(incumbent, candidate) : forward
  const cost = sumOf(costs)
  if (typeof forward !== 'string' || typeof backward !== 'string') {
    const { problem, isReached } = (typeof forward === 'string' ? backward : forward) as Silence
    const reason = isReached ? 'judge-silent' : 'judge-not-reached'
    const evidence = { reason, message: `The judge gave no usable answer: ${problem}.` }
    return { preference: null, verdict: { ...name, outcome: 'unscored', score: null, evidence, cost } }
  }
  const one = { first: 'candidate', second: 'incumbent', tie: 'tie' } as const
  const other = { first: 'incumbent', second: 'candidate', tie: 'tie' } as const
  const [saidForward, saidBackward] = [one[forward], other[backward]]
  const flipped = saidForward !== saidBackward
  const preference: Preference = flipped ? 'tie' : saidForward
  return {
    preference,
    flipped,
    verdict: {
      ...name,
      outcome: preference === 'incumbent' ? 'fail' : 'pass',
      score: scoreOf(preference),
      evidence: { candidateFirst: saidForward, incumbentFirst: saidBackward, flipped },
      cost,
    },
  }
}

/** 1 a win of the candidate, 0.5 a tie, 0 a loss. */
export function scoreOf(preference: Preference): number {
  return preference === 'candidate' ? 1 : preference === 'tie' ? 0.5 : 0
}

/** Null as soon as one call has no price: a sum of what is known would be too small. */
function sumOf(costs: readonly Verdict['cost'][]): Verdict['cost'] {
  const known = costs.filter((cost) => cost !== null)
  const currency = known[0]?.currency
  if (currency === undefined || known.length < costs.length || known.some((cost) => cost.currency !== currency))
    return null
  return { currency, nanos: known.reduce((sum, { nanos }) => sum + nanos, 0n) }
}
