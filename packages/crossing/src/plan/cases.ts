/**
 * What a plan asks of every arm: the frozen steps, whole sessions, or both. A session run is one case; it is made from
 * the frozen steps of its session, so that the dataset's hash covers it and the plan's mode may be chosen later.
 */
import { hashOf, type Case, type Dataset, type ReplayMode } from '../records/index.ts'

export interface PlannedCases {
  /** What the quality of an answer is judged by: steps, or sessions where nothing else is asked. */
  readonly primary: readonly Case[]
  /** Whole sessions; empty in mode `step`, the same as `primary` in mode `sessions`. */
  readonly sessions: readonly Case[]
}

export function plannedCases(mode: ReplayMode, dataset: Pick<Dataset, 'cases'>): PlannedCases {
  if (mode === 'step') return { primary: dataset.cases, sessions: [] }
  const sessions = sessionCases(dataset.cases)
  return { primary: mode === 'sessions' ? sessions : dataset.cases, sessions }
}

/** In the order in which they are asked; none twice. */
export function allCases({ primary, sessions }: PlannedCases): readonly Case[] {
  return primary === sessions ? primary : [...primary, ...sessions]
}

export function isSessionRun(test: Case): boolean {
  return test.mode === 'stubbed'
}

function sessionCases(steps: readonly Case[]): Case[] {
  const bySession = new Map<string, Case[]>()
  for (const step of steps) {
    const own = bySession.get(step.sessionId)
    if (own) own.push(step)
    else bySession.set(step.sessionId, [step])
  }
  return [...bySession].map(([sessionId, own]): Case => {
    const first = own[0]!
    return {
      ...first,
      id: `case_${sessionId.replace(/^ses_/, '')}_run`,
      seq: null,
      mode: 'stubbed',
      tags: [...new Set(own.flatMap(({ tags }) => tags))],
      contentHash: hashOf(own.map(({ contentHash }) => contentHash)),
    }
  })
}
