/** A long-context check as the report shows it: accuracy by length and depth, and the length up to which it holds. */
import { effectiveLengthTokens, heatMap, lengthReadings, type CheckReport } from '../check/index.ts'
import { CrossingError } from '../errors.ts'
import type { Plan } from '../records/index.ts'
import type { LongContextReport } from './report-data.ts'

export interface LongContextInput {
  readonly arm: string
  readonly check: CheckReport
}

/**
 * Which arm each check is about: the one whose model or name it asked for.
 *
 * @throws {CrossingError} CROSSING_BAD_IMPORT when a check is of another battery, or none of them is of an arm of the plan
 */
export function longContextChecks(checks: readonly CheckReport[], plan: Plan): LongContextInput[] {
  const other = checks.find(({ battery }) => battery !== 'longctx')
  if (other)
    throw new CrossingError(
      'CROSSING_BAD_IMPORT',
      `It holds a check of ${other.battery}; the report shows checks of longctx.`,
    )
  const arms = [plan.incumbent, ...plan.candidates]
  const found = checks.flatMap((check): LongContextInput[] => {
    const { model } = check.target
    const arm = arms.find(({ name }) => name === model) ?? arms.find((one) => one.model === model)
    return arm === undefined ? [] : [{ arm: arm.name, check }]
  })
  if (found.length > 0) return found
  throw new CrossingError(
    'CROSSING_BAD_IMPORT',
    `It is about ${checks.map(({ target }) => target.model).join(', ')}; the plan compares ${arms.map(({ name, model }) => (name === model ? name : `${name} (${model})`)).join(', ')}.`,
  )
}

export function longContextReport({ arm, check }: LongContextInput): LongContextReport {
  const cells = heatMap(check.cases)
  const judged = cells.reduce((sum, cell) => sum + cell.judged, 0)
  return {
    arm,
    model: check.target.model,
    askedAt: new Date(check.startedAtMs).toISOString(),
    batteryVersion: check.version,
    material: check.material,
    effectiveTokens: effectiveLengthTokens(check.cases),
    passed: cells.reduce((sum, cell) => sum + cell.passed, 0),
    judged,
    missing: check.cases.length - judged,
    lengths: lengthReadings(check.cases).map(({ lengthTokens, passed, judged: all, interval, firstVisibleMs }) => ({
      lengthTokens,
      passed,
      judged: all,
      lower: interval.lower,
      upper: interval.upper,
      firstVisibleMs,
    })),
    cells: cells.toSorted((a, b) => a.lengthTokens - b.lengthTokens || (a.depth ?? 2) - (b.depth ?? 2)),
    notes: [...check.notes],
  }
}
