/**
 * What one budget buys, now and after the move: tasks by the price of a task, months by the forecast of the use so far.
 *
 * Months have an interval of their own on each side. Now: 10th to 90th percentile of the forecast. Then: the forecast at
 * the dear end of the cost ratio's interval up to the one at its cheap end, so that both doubts are in it. Use is taken to
 * stay what it is; that cheaper models get used more is for people to judge.
 */
import { forecastBudget, type DailySpend } from '@portolan/meter'
import type { CostRatio, CostTable } from '../compare/index.ts'
import type { CandidateReport } from './report-data.ts'

export interface BudgetInput {
  /** What it is called, e.g. the name of a configured budget. */
  readonly name: string
  readonly amountNanos: bigint
  /** What has been spent by whole day before `firstDay`; empty: not known. */
  readonly spend: readonly DailySpend[]
  /** Days since 1970 from which the budget is spent; of the plan, not of a clock, so that the report can be made again. */
  readonly firstDay: number
  /** Where a forecast has too little to go by: what a month costs. Null: nobody said. */
  readonly monthlyNanos: bigint | null
}

type BudgetReading = NonNullable<CandidateReport['budget']>
type Months = NonNullable<BudgetReading['months']>['today']

const daysAMonth = 365.25 / 12
const horizonDays = 3650
const paths = 400

/** Null: no ratio of the two bills is known, so nothing can be said. */
export function budgetReading(
  budget: BudgetInput,
  costs: CostTable,
  candidate: string,
  currency: string,
): BudgetReading | null {
  const [now, then] = [costs.arms[0], costs.arms.find(({ arm }) => arm === candidate)]
  const ratio = ratioFor(costs.ratios, candidate)
  if (now === undefined || then === undefined || ratio === null || ratio.estimate <= 0) return null
  const { reading, estimate, interval } = ratio
  const tasks = (arm: typeof now): number | null => {
    const nanos = arm[reading].nanos
    return nanos === null || nanos <= 0n ? null : Math.floor((Number(budget.amountNanos) / Number(nanos)) * costs.tasks)
  }
  const tasksNow = tasks(now)
  const over = (share: number | undefined): number | null =>
    tasksNow === null || share === undefined || share <= 0 ? null : Math.floor(tasksNow / share)
  return {
    name: budget.name,
    amountNanos: String(budget.amountNanos),
    currency,
    reading,
    ratio: estimate,
    ratioLower: interval?.lower ?? null,
    ratioUpper: interval?.upper ?? null,
    tasks: {
      today: tasksNow,
      moved: tasks(then),
      movedLower: over(interval?.upper),
      movedUpper: over(interval?.lower),
    },
    ...monthsOf(budget, estimate, interval),
  }
}

/** In steady state where the recording allows it: a replay's own hits are those of a hurried day. */
function ratioFor(
  ratios: readonly CostRatio[],
  candidate: string,
): (CostRatio & { reading: 'steady' | 'observed' }) | null {
  for (const reading of ['steady', 'observed'] as const) {
    const found = ratios.find((one) => one.arm === candidate && one.reading === reading)
    if (found) return { ...found, reading }
  }
  return null
}

function monthsOf(
  budget: BudgetInput,
  ratio: number,
  interval: CostRatio['interval'],
): Pick<BudgetReading, 'months' | 'monthsWhy'> {
  const forecast = (factor: number): ReturnType<typeof forecastBudget> =>
    forecastBudget({
      spend: budget.spend,
      firstDay: budget.firstDay,
      remainingNanos: budget.amountNanos,
      changes: [{ fromDay: budget.firstDay, factor }],
      seed: 1,
      horizonDays,
      paths,
    })
  const now = forecast(1)
  if (now.kind === 'forecast') {
    const span = (dear: number, middle: number, cheap: number): Months => {
      const ends = [forecast(dear), forecast(middle), forecast(cheap)] as const
      const months = (at: number, quantile: 'p10Day' | 'p50Day' | 'p90Day'): number | null => {
        const end = ends[at]!
        const day = end.kind === 'forecast' ? end[quantile] : null
        return day === null ? null : (day + 1 - budget.firstDay) / daysAMonth
      }
      return { p10: months(0, 'p10Day'), p50: months(1, 'p50Day'), p90: months(2, 'p90Day') }
    }
    return {
      months: {
        basis: 'forecast',
        today: span(1, 1, 1),
        moved: span(interval?.upper ?? ratio, ratio, interval?.lower ?? ratio),
      },
      monthsWhy: null,
    }
  }
  const { monthlyNanos } = budget
  if (monthlyNanos !== null && monthlyNanos > 0n) {
    const months = Number(budget.amountNanos) / Number(monthlyNanos)
    const at = (share: number | undefined): number | null => (share === undefined || share <= 0 ? null : months / share)
    return {
      months: {
        basis: 'as given',
        today: { p10: months, p50: months, p90: months },
        moved: { p10: at(interval?.upper ?? ratio), p50: at(ratio), p90: at(interval?.lower ?? ratio) },
      },
      monthsWhy: null,
    }
  }
  return {
    months: null,
    monthsWhy:
      now.kind === 'too-little-data'
        ? `Of the use so far too little is known: ${now.message}`
        : now.kind === 'no-spend'
          ? 'Nothing was spent before the plan was frozen.'
          : 'The budget is spent.',
  }
}
