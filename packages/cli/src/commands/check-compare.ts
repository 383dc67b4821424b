/**
 * `portolan check compare`: two reports of one battery, written on different days or about different models. Exit code 1
 * when the second is shown to be worse: its whole interval lies below zero.
 */
import { readFileSync } from 'node:fs'
import {
  compareReports,
  CrossingError,
  effectiveLengthTokens,
  parseCheckFile,
  type CheckDifference,
  type CheckReport,
} from '@portolan/crossing'
import { CliError, exitCodes } from '../errors.ts'
import { json, table } from '../output.ts'
import type { CommonOptions } from './open.ts'

export interface CheckComparison {
  readonly first: Side
  readonly second: Side
  readonly difference: CheckDifference
}

interface Side {
  readonly battery: string
  readonly model: string
  readonly baseUrl: string
  readonly startedAtMs: number
  /** Of a long-context check only. */
  readonly effectiveTokens: number | null
}

export function compareCheckFiles(before: string, after: string, options: CommonOptions): Promise<void> {
  const comparisons = differencesOf(readCheckFile(before), readCheckFile(after))
  if (options.json) console.log(json({ comparisons }))
  else for (const comparison of comparisons) console.log(textOfComparison(comparison))
  if (comparisons.some(({ difference: { interval } }) => interval !== null && interval.upper < 0))
    process.exitCode = exitCodes.failed
  return Promise.resolve()
}

/** @throws CliError, naming the file */
export function readCheckFile(path: string): CheckReport[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new CliError('CLI_CANNOT_READ', `${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  try {
    return parseCheckFile(text)
  } catch (error) {
    if (!(error instanceof CrossingError)) throw error
    throw new CliError('CLI_BAD_ARGUMENT', `${path} is no check report. ${error.message}`, { cause: error })
  }
}

/**
 * Reports of the same model are compared; where each side has one report only, these are, whatever the model.
 *
 * @throws CliError where nothing can be paired; CrossingError where a pair was not asked the same.
 */
export function differencesOf(before: readonly CheckReport[], after: readonly CheckReport[]): CheckComparison[] {
  const pairs =
    before.length === 1 && after.length === 1
      ? [[before[0]!, after[0]!] as const]
      : before.flatMap((first) =>
          after.filter(({ target }) => target.model === first.target.model).map((second) => [first, second] as const),
        )
  if (pairs.length === 0)
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `No model stands in both: ${namesOf(before)} before, ${namesOf(after)} after. Compare files of one model each.`,
    )
  return pairs.map(([first, second]) => ({
    first: sideOf(first),
    second: sideOf(second),
    difference: compareReports(first, second),
  }))
}

function namesOf(reports: readonly CheckReport[]): string {
  return reports.map(({ target }) => target.model).join(', ')
}

function sideOf({ battery, target: { model, baseUrl }, startedAtMs, cases }: CheckReport): Side {
  const effectiveTokens = battery === 'longctx' ? effectiveLengthTokens(cases) : null
  return { battery, model, baseUrl, startedAtMs, effectiveTokens }
}

const shownCases = 40

export function textOfComparison({ first, second, difference }: CheckComparison): string {
  const { common, leftOut, onlyFirstPassed, onlySecondPassed, pValue, groups } = difference
  const named = ({ model, startedAtMs }: Side): string =>
    first.model === second.model
      ? `${model} on ${new Date(startedAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
      : model
  const [before, after] = [named(first), named(second)]
  const lines = [
    `${first.battery}: ${before} against ${after}, ${common} cases that both answered${leftOut > 0 ? `, ${leftOut} left out` : ''}.`,
    `${before} passed ${difference.firstPassed}, ${after} ${difference.secondPassed}: difference ${pointsOf(difference)} (exact McNemar p = ${pValue.toFixed(3)}).`,
  ]
  if (first.battery === 'longctx') lines.push(`Effective length: ${lengthOf(first)} before, ${lengthOf(second)} after.`)
  const changed = groups.filter(({ firstPassed, secondPassed }) => firstPassed !== secondPassed)
  if (changed.length > 0)
    lines.push(
      '',
      table(changed, [
        { title: 'GROUP', value: ({ group }) => group },
        { title: 'BEFORE', value: (row) => `${row.firstPassed}/${row.common}`, align: 'right' },
        { title: 'AFTER', value: (row) => `${row.secondPassed}/${row.common}`, align: 'right' },
        { title: 'DIFFERENCE, 95 %', value: pointsOf, align: 'right' },
      ]),
    )
  for (const [name, ids] of [
    [before, onlyFirstPassed],
    [after, onlySecondPassed],
  ] as const) {
    if (ids.length === 0) continue
    lines.push('', `Passed only with ${name}:`, ...ids.slice(0, shownCases).map((id) => `  ${id}`))
    if (ids.length > shownCases) lines.push(`  and ${ids.length - shownCases} more; --json lists all.`)
  }
  return lines.join('\n')
}

function pointsOf({ difference, interval }: Pick<CheckDifference, 'difference' | 'interval'>): string {
  if (difference === null || interval === null) return 'not known'
  const points = (share: number): string => (100 * share).toFixed(1)
  return `${points(difference)} points (${points(interval.lower)} to ${points(interval.upper)})`
}

function lengthOf({ effectiveTokens }: Side): string {
  return effectiveTokens === null ? 'none' : `${effectiveTokens} tokens`
}
