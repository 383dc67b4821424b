/** What a replay shows when it ends: outcomes by arm, how sessions ended, what the judge said, and what to do next. */
import {
  isSessionRun,
  wilsonInterval,
  type AdapterChoice,
  type Arm,
  type Attempt,
  type Case,
  type Divergence,
  type JudgeRunResult,
  type Plan,
  type ReplayResult,
} from '@portolan/crossing'
import { json, money, table } from '../output.ts'

export interface Tally {
  readonly asked: number
  readonly outcomes: Readonly<Record<Attempt['outcome'], number>>
  readonly spentNanos: bigint
  readonly unpriced: number
}

export const emptyTally: Tally = {
  asked: 0,
  outcomes: { pass: 0, fail: 0, error: 0, unscored: 0 },
  spentNanos: 0n,
  unpriced: 0,
}

/** One pass over the attempts; none is kept. */
export function tallies(attempts: Iterable<Attempt>, group: (attempt: Attempt) => string): Map<string, Tally> {
  const sums = new Map<string, Tally>()
  for (const attempt of attempts) {
    const { asked, outcomes, spentNanos, unpriced } = sums.get(group(attempt)) ?? emptyTally
    const { outcome, costNanos } = attempt
    sums.set(group(attempt), {
      asked: asked + 1,
      outcomes: { ...outcomes, [outcome]: outcomes[outcome] + 1 },
      spentNanos: spentNanos + (costNanos ?? 0n),
      unpriced: unpriced + Number(costNanos === null),
    })
  }
  return sums
}

interface SessionTally {
  readonly arm: string
  readonly runs: number
  readonly passed: number
  readonly divergences: Readonly<Partial<Record<Divergence, number>>>
}

/** How whole sessions ended, in one pass; empty where none was run. */
function sessionTallies(attempts: Iterable<Attempt>, cases: readonly Case[]): SessionTally[] {
  const ids = new Set(cases.filter(isSessionRun).map(({ id }) => id))
  const sums = new Map<string, SessionTally>()
  if (ids.size === 0) return []
  for (const { arm, caseId, outcome, divergence } of attempts) {
    if (!ids.has(caseId)) continue
    const { runs, passed, divergences } = sums.get(arm) ?? { runs: 0, passed: 0, divergences: {} }
    const kind = divergence?.kind
    sums.set(arm, {
      arm,
      runs: runs + 1,
      passed: passed + Number(outcome === 'pass'),
      divergences: kind === undefined ? divergences : { ...divergences, [kind]: (divergences[kind] ?? 0) + 1 },
    })
  }
  return [...sums.values()]
}

export interface Ended {
  readonly plan: Plan
  readonly arms: readonly Arm[]
  readonly cases: readonly Case[]
  readonly choices: ReadonlyMap<string, AdapterChoice>
  /** Gone through twice. */
  readonly attempts: Iterable<Attempt>
  readonly result: ReplayResult
  /** Null: the plan names none, or it was not its turn. */
  readonly judge: JudgeRunResult | null
  readonly journalFile: string
  /** Attempts in it that nobody can read any more. */
  readonly erased: number
  /** The command to go on with; null: this one, or `report make`. */
  readonly next: string | null
}

export function summary(ended: Ended, asJson: boolean): string {
  const { plan, arms, cases, choices, attempts, result, judge, journalFile, erased, next } = ended
  const byArm = sessionTallies(attempts, cases)
  const sessions = arms.flatMap(({ name }) => byArm.filter(({ arm }) => arm === name))
  const sums = tallies(attempts, ({ arm }) => arm)
  const rows = arms.map(({ name, upstream, model }) => {
    const { asked, outcomes, spentNanos, unpriced } = sums.get(name) ?? emptyTally
    const judged = outcomes.pass + outcomes.fail + outcomes.error
    return {
      name,
      target: `${upstream}:${model}`,
      asked,
      passed: outcomes.pass,
      failed: outcomes.fail,
      errors: outcomes.error,
      unscored: outcomes.unscored,
      interval: judged === 0 ? null : wilsonInterval(outcomes.pass, judged),
      reasoning: choices.get(name)!.reasoning,
      spentNanos,
      unpriced,
    }
  })
  if (asJson) return json({ ...result, arms: rows, sessions, judge, erased })
  return [
    table(rows, [
      { title: 'ARM', value: ({ name }) => name },
      { title: 'ASKED OF', value: ({ target }) => target },
      { title: 'CASES', value: ({ asked }) => String(asked), align: 'right' },
      { title: 'PASS', value: ({ passed }) => String(passed), align: 'right' },
      { title: 'FAIL', value: ({ failed }) => String(failed), align: 'right' },
      { title: 'ERROR', value: ({ errors }) => String(errors), align: 'right' },
      { title: 'UNSCORED', value: ({ unscored }) => String(unscored), align: 'right' },
      {
        title: '95 %',
        value: ({ interval }) =>
          interval === null ? '-' : `${(100 * interval.lower).toFixed(1)} to ${(100 * interval.upper).toFixed(1)}`,
        align: 'right',
      },
      { title: 'REASONING', value: ({ reasoning }) => reasoning },
      {
        title: 'COST',
        value: ({ spentNanos, unpriced, asked }) =>
          unpriced === 0
            ? money(spentNanos, plan.replay.currency)
            : unpriced === asked
              ? 'unpriced'
              : `${money(spentNanos, plan.replay.currency)} and ${unpriced} unpriced`,
        align: 'right',
      },
    ]),
    '',
    ...sessions.map(
      ({ arm, runs, passed, divergences }) =>
        `Sessions of ${arm}: ${passed} of ${runs} reached their end${Object.entries(divergences)
          .toSorted(([, a], [, b]) => b - a)
          .map(([kind, count], at) => `${at === 0 ? '; ' : ', '}${kind} ${count}`)
          .join('')}.`,
    ),
    ...(judge === null ? [] : [judgeLine(judge, plan)]),
    result.state === 'finished'
      ? `All ${result.all} attempts stand in ${journalFile}.`
      : `${result.done} of ${result.all} attempts stand in ${journalFile} (${result.state}). The same command goes on from there.`,
    ...(erased === 0
      ? []
      : [`${erased} more are of erased subjects: nobody can read them, and they count for nothing.`]),
    ...(next === null ? [] : [`Next: \`${next}\`.`]),
  ].join('\n')
}

function judgeLine(result: JudgeRunResult, { replay, judge }: Plan): string {
  const { state, judged, silent, notReached, spentNanos, unpriced } = result
  const bill = unpriced === judged && judged > 0 ? 'unpriced' : money(spentNanos, replay.currency)
  return [
    `Judged by ${judge!.name}: ${judged} pairs of answers for ${bill}${unpriced > 0 && unpriced < judged ? ` and ${unpriced} unpriced` : ''}`,
    silent === 0 ? '' : `; no usable answer on ${silent} of them`,
    notReached === 0 ? '' : `; not reached for ${notReached} more`,
    state === 'finished' ? '' : ` (${state}; the same command goes on from there)`,
    '.',
  ].join('')
}
