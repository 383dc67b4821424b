/** What a check finds, case by case, and what it comes to. */
import type { Usage } from '@portolan/wire'
import { wilsonInterval, type Interval } from '../statistics/proportion.ts'
import { NoAnswer, NotSayable, type Clocked } from '../endpoint/endpoint.ts'
import type { Ask, Question } from './target.ts'

/**
 * `pass` and `fail` judge what was answered. `refused`: the endpoint said by a 4xx that it does not do this, which
 * is honest but not support. `error`: no answer to judge. `unscored`: not asked, and why.
 */
export type CheckOutcome = 'pass' | 'fail' | 'refused' | 'error' | 'unscored'

export interface CheckFinding {
  readonly outcome: CheckOutcome
  /** One sentence: what was expected and what came; empty for a plain pass. */
  readonly detail: string
}

export interface CheckCase {
  /** Stable, e.g. `tools/parallel`. Two reports are compared by it. */
  readonly id: string
  /** Cases are summed up by it. */
  readonly group: string
  /** What is being asked for, in a few words. */
  readonly title: string
  /** Numbers that place the case, e.g. length and depth. */
  readonly place?: Readonly<Record<string, number>>
  run(ask: Ask): Promise<CheckFinding>
}

export interface CaseResult extends CheckFinding {
  readonly id: string
  readonly group: string
  readonly title: string
  readonly place: Readonly<Record<string, number>> | null
  readonly calls: number
  readonly totalMs: number
  readonly firstVisibleMs: number | null
  /** Summed over the calls; null: not reported. */
  readonly inputTokens: number | null
  readonly outputTokens: number | null
}

export interface GroupResult {
  readonly group: string
  readonly passed: number
  /** Passed, failed and refused; errors and unscored cases are missing data, not failures. */
  readonly judged: number
  readonly refused: number
  readonly missing: number
  /** Wilson, 95 %. Null: nothing was judged. */
  readonly interval: Interval | null
}

export interface CheckReport {
  readonly battery: BatteryName
  /** Of the battery that was asked, see `batteryVersions`. */
  readonly version: number
  /** `generated`, or the SHA-256 of the user's documents that facts were hidden in. */
  readonly material: string
  readonly target: { readonly baseUrl: string; readonly protocol: string; readonly model: string }
  readonly seed: number
  readonly startedAtMs: number
  readonly cases: readonly CaseResult[]
  readonly groups: readonly GroupResult[]
  /** Assumptions a reader must know. */
  readonly notes: readonly string[]
}

/** Raised when a case of the same name and seed asks something else: answers to other questions are not compared. */
export const batteryVersions = { tools: 1, json: 1, longctx: 2 } as const
export type BatteryName = keyof typeof batteryVersions

export const passed: CheckFinding = { outcome: 'pass', detail: '' }

export function failed(detail: string): CheckFinding {
  return { outcome: 'fail', detail }
}

/** Statuses by which an endpoint refuses what was asked, as against who asks (401, 403) or when (429). */
const refusalStatuses: readonly number[] = [400, 404, 405, 413, 422, 501]

/** Runs one case. Never rejects: every outcome is a finding. */
export async function runCase(test: CheckCase, ask: Ask): Promise<CaseResult> {
  const answers: Clocked[] = []
  let calls = 0
  const startedAt = performance.now()
  const counted: Ask = async (question: Question) => {
    calls++
    const answer = await ask(question)
    answers.push(answer)
    return answer
  }
  let finding: CheckFinding
  try {
    finding = await test.run(counted)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof NotSayable)
      return resultOf(test, { outcome: 'unscored', detail: message }, calls, startedAt, answers)
    const status = error instanceof NoAnswer ? error.httpStatus : null
    finding =
      status !== null && refusalStatuses.includes(status)
        ? { outcome: 'refused', detail: `HTTP ${status}: ${message}` }
        : { outcome: 'error', detail: status === null ? message : `HTTP ${status}: ${message}` }
  }
  return resultOf(test, finding, calls, startedAt, answers)
}

function resultOf(
  test: CheckCase,
  finding: CheckFinding,
  calls: number,
  startedAt: number,
  answers: readonly Clocked[],
): CaseResult {
  return {
    ...finding,
    detail: finding.detail.slice(0, 500),
    id: test.id,
    group: test.group,
    title: test.title,
    place: test.place ?? null,
    calls,
    totalMs: performance.now() - startedAt,
    firstVisibleMs: answers[0]?.firstVisibleMs ?? null,
    inputTokens: sum(answers, (usage) => usage.inputTokens),
    outputTokens: sum(answers, (usage) => usage.outputTokens),
  }
}

function sum(answers: readonly Clocked[], count: (usage: Usage) => number | null): number | null {
  const counts = answers.map(({ response }) => count(response.usage)).filter((value) => value !== null)
  return counts.length === 0 ? null : counts.reduce((total, value) => total + value, 0)
}

export interface RunOptions {
  readonly concurrency: number
  readonly signal?: AbortSignal
  readonly onResult?: (result: CaseResult, done: number, all: number) => void
}

/** All cases in order of the list, `concurrency` at a time; when the signal fires the rest is `unscored`. */
export async function runCases(cases: readonly CheckCase[], ask: Ask, options: RunOptions): Promise<CaseResult[]> {
  const results: CaseResult[] = []
  let next = 0
  let done = 0
  const worker = async (): Promise<void> => {
    while (next < cases.length) {
      const index = next++
      const test = cases[index]!
      const result = options.signal?.aborted
        ? await runCase(
            { ...test, run: () => Promise.resolve({ outcome: 'unscored', detail: 'Stopped before.' }) },
            ask,
          )
        : await runCase(test, ask)
      results[index] = result
      options.onResult?.(result, ++done, cases.length)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, options.concurrency) }, worker))
  return results
}

export function groupResults(cases: readonly CaseResult[]): GroupResult[] {
  return [...Map.groupBy(cases, ({ group }) => group)].map(([group, members]) => {
    const count = (...outcomes: readonly CheckOutcome[]): number =>
      members.filter(({ outcome }) => outcomes.includes(outcome)).length
    const judged = count('pass', 'fail', 'refused')
    return {
      group,
      passed: count('pass'),
      judged,
      refused: count('refused'),
      missing: count('error', 'unscored'),
      interval: judged === 0 ? null : wilsonInterval(count('pass'), judged),
    }
  })
}
