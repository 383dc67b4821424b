/**
 * The judge in a replay: answers in words of each candidate beside the incumbent's, after both stand in the journal.
 *
 * Which cases are judged is drawn by the plan's seed from all that were recorded with words, before anybody reads an
 * answer; a case where one arm ended without words is left to the deterministic checks. What was judged is never judged again, and
 * the judge's bill counts against the same cap as the arms'. A judge that cannot be reached has said nothing: such pairs are
 * left open for another run, and after several in a row this one ends.
 */
import { hashOf, type Attempt, type Case, type Plan } from '../records/index.ts'
import type { Judgement, JudgementJournal } from './journal.ts'
import { isNotReached, judgePair, type JudgeSettings } from './pairwise.ts'
import { spokenAnswer, type SpokenAnswer } from './transcript.ts'

/** Pairs in a row on which nobody answered: it will not get better by asking on. */
const mostNotReached = 8

export interface JudgeRunInput {
  readonly plan: Plan
  /** Those that count for quality. */
  readonly cases: readonly Case[]
  /** Gone through once; of each case the first replicate is judged. */
  readonly attempts: Iterable<Attempt>
  readonly journal: JudgementJournal
  readonly settings: JudgeSettings
  readonly rubric: string | null
  readonly concurrency: number
  /** Spent before the judge was asked anything. */
  readonly spentNanos: bigint
  readonly spendCapNanos: bigint | null
  readonly signal?: AbortSignal
  readonly onJudged?: (progress: JudgeProgress) => void
}

export interface JudgeProgress {
  readonly judged: number
  /** The most that it may become; pairs without words on both sides are not judged. */
  readonly most: number
  readonly spentNanos: bigint
  readonly unpriced: number
}

export interface JudgeRunResult {
  readonly state: 'finished' | 'stopped-by-cap' | 'interrupted' | 'judge-not-reached'
  /** Earlier runs included. */
  readonly judged: number
  /** Of them without a usable answer. */
  readonly silent: number
  /** Pairs that are open, because nobody answered. */
  readonly notReached: number
  /** By the judge alone, earlier runs included; what was not priced is counted beside. */
  readonly spentNanos: bigint
  readonly unpriced: number
}

/** Pairs to be judged, in the order of the attempts. */
export interface SpokenPair {
  readonly test: Case
  readonly candidate: string
  readonly task: string
  readonly candidateAnswer: string
  readonly incumbentAnswer: string
}

/** By candidate, the same for all: cases recorded with words, in an order drawn by the seed. */
export function casesToJudge({ judge, replay }: Plan, cases: readonly Case[]): Case[] {
  // A step whose recorded answer calls a tool is compared with that call.
  const spoken = cases.filter(({ mode, tags }) => mode !== 'step' || !tags.includes('calls'))
  const drawn = spoken
    .map((test) => ({ test, order: hashOf(['judge', replay.seed, test.id]) }))
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .map(({ test }) => test)
  return drawn.slice(0, judge?.mostCases ?? drawn.length)
}

/** One pass over the attempts; of a case only what is waiting for its other arm is held. */
export function* spokenPairs(plan: Plan, cases: readonly Case[], attempts: Iterable<Attempt>): Generator<SpokenPair> {
  const chosen = new Map(cases.map((test) => [test.id, test]))
  const candidates = new Set(plan.candidates.map(({ name }) => name))
  const waiting = new Map<string, Map<string, SpokenAnswer | null>>()
  for (const attempt of attempts) {
    const test = chosen.get(attempt.caseId)
    const isIncumbent = attempt.arm === plan.incumbent.name
    if (test === undefined || attempt.replicate !== 0 || (!isIncumbent && !candidates.has(attempt.arm))) continue
    const said = waiting.get(test.id) ?? new Map<string, SpokenAnswer | null>()
    waiting.set(test.id, said.set(attempt.arm, spokenAnswer(test, attempt)))
    const incumbent = said.get(plan.incumbent.name)
    const told = isIncumbent ? [...said.keys()].filter((name) => candidates.has(name)) : [attempt.arm]
    for (const candidate of incumbent ? told : []) {
      const answer = said.get(candidate)
      if (answer && incumbent)
        yield {
          test,
          candidate,
          task: incumbent.task,
          candidateAnswer: answer.answer,
          incumbentAnswer: incumbent.answer,
        }
    }
    if (said.size > candidates.size) waiting.delete(test.id)
  }
}

export async function runJudge(input: JudgeRunInput): Promise<JudgeRunResult> {
  const { plan, cases, journal, settings, spendCapNanos } = input
  const pairs = spokenPairs(plan, casesToJudge(plan, cases), input.attempts)
  let [judged, silent, spentNanos, unpriced] = [0, 0, 0n, 0]
  let [notReached, inARow] = [0, 0]
  const count = ({ preference, verdict: { cost } }: Pick<Judgement, 'preference' | 'verdict'>): void => {
    judged++
    if (preference === null) silent++
    if (cost === null) unpriced++
    spentNanos += cost?.nanos ?? 0n
  }
  for (const judgement of journal.judgements) count(judgement)
  const most = casesToJudge(plan, cases).length * plan.candidates.length
  let capped = false
  const worker = async (): Promise<void> => {
    while (input.signal?.aborted !== true && inARow < mostNotReached) {
      const pair = nextOpen(pairs, journal)
      if (pair === null) return
      if (spendCapNanos !== null && input.spentNanos + spentNanos >= spendCapNanos) {
        capped = true
        return
      }
      const { test, candidate, task, candidateAnswer, incumbentAnswer } = pair
      const result = await judgePair(
        { task, candidate: candidateAnswer, incumbent: incumbentAnswer, rubric: input.rubric },
        settings,
      )
      if (isNotReached(result.verdict)) {
        notReached++
        inARow++
        continue
      }
      inARow = 0
      const flipped = result.preference !== null && result.flipped
      const { preference, verdict } = result
      if (!journal.append({ candidate, caseId: test.id, preference, flipped, verdict }, test.sessionId)) continue
      count(result)
      input.onJudged?.({ judged, most, spentNanos, unpriced })
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, input.concurrency) }, worker))
  const stopped = input.signal?.aborted === true ? 'interrupted' : notReached > 0 ? 'judge-not-reached' : 'finished'
  return { state: capped ? 'stopped-by-cap' : stopped, judged, silent, notReached, spentNanos, unpriced }
}

function nextOpen(pairs: Generator<SpokenPair>, journal: JudgementJournal): SpokenPair | null {
  for (let next = pairs.next(); next.done !== true; next = pairs.next())
    if (!journal.has(next.value.candidate, next.value.test.id)) return next.value
  return null
}
