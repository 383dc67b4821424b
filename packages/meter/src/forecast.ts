/**
 * The day a budget ends, with an interval, or a refusal when the data are too thin to say.
 *
 * Daily spend over the last four weeks: a factor for each weekday, a Theil-Sen trend on the logarithm (the
 * median of all pairwise slopes: a few odd days do not tilt it), and what is left over drawn again in blocks of
 * seven days (a block keeps busy weeks together). Announced price changes multiply future days, so they appear
 * as kinks. The trend is followed for four weeks and then held: growth that is real today says little about
 * next year. Left out: fitting anything to less than two weeks, and causes.
 */

export interface DailySpend {
  /** Days since 1970-01-01 in the calendar that the budget is read in. */
  readonly day: number
  readonly nanos: bigint
}

export interface SpendChange {
  readonly fromDay: number
  readonly factor: number
  /** What happens on that day, for the assumptions. */
  readonly because?: string
}

export interface ForecastInput {
  /** Whole days only; today's unfinished day would look like a fall. Missing days count as no spend. */
  readonly spend: readonly DailySpend[]
  /** First day to forecast, usually today. */
  readonly firstDay: number
  readonly remainingNanos: bigint
  /** From that day on, spend is multiplied by `factor`: a price change at the mix in use. */
  readonly changes?: readonly SpendChange[]
  /** Equal seeds give equal forecasts. */
  readonly seed: number
  readonly horizonDays?: number
  readonly paths?: number
}

export type Forecast =
  | { readonly kind: 'too-little-data'; readonly days: number; readonly neededDays: number; readonly message: string }
  | { readonly kind: 'no-spend' }
  | { readonly kind: 'already-spent' }
  | {
      readonly kind: 'forecast'
      /** The day on which the budget ends in 10, 50 and 90 % of the paths; null: not within the horizon. */
      readonly p10Day: number | null
      readonly p50Day: number | null
      readonly p90Day: number | null
      /** At the larger of yesterday's and the last week's average spend: a rule that needs no model. */
      readonly plainDay: number | null
      readonly horizonDays: number
      /** Growth a day at the end of the data, 0.01 = 1 %. */
      readonly trendPerDay: number
      readonly assumptions: readonly string[]
    }

const windowDays = 28
const neededDays = 14
const neededSpendDays = 7
const trendDays = 28
const blockDays = 7

export function forecastBudget(input: ForecastInput): Forecast {
  const { firstDay, remainingNanos, horizonDays = 730, paths = 1000, changes = [] } = input
  if (remainingNanos <= 0n) return { kind: 'already-spent' }
  const days = dailySeries(input.spend, firstDay)
  const spendDays = days.filter((nanos) => nanos > 0).length
  if (days.length < neededDays || (spendDays > 0 && spendDays < neededSpendDays))
    return {
      kind: 'too-little-data',
      days: Math.min(days.length, spendDays),
      neededDays: days.length < neededDays ? neededDays : neededSpendDays,
      message: `${days.length} days, ${spendDays} of them with spend: a date would be a guess.`,
    }
  if (spendDays === 0) return { kind: 'no-spend' }

  const model = fit(days, firstDay - days.length)
  const random = seededRandom(input.seed)
  const remaining = Number(remainingNanos)
  const ends = Array.from({ length: paths }, () =>
    pathEnd(model, days.length, firstDay, remaining, horizonDays, changes, random),
  )
  ends.sort((a, b) => a - b)
  const quantile = (share: number): number | null => {
    const end = ends[Math.min(ends.length - 1, Math.floor(share * ends.length))] ?? Infinity
    return end === Infinity ? null : end
  }
  const lastWeek = days.slice(-7).reduce((sum, nanos) => sum + nanos, 0) / 7
  const plainRate = Math.max(days.at(-1) ?? 0, lastWeek)
  const plainDays = Math.ceil(remaining / plainRate) - 1
  return {
    kind: 'forecast',
    p10Day: quantile(0.1),
    p50Day: quantile(0.5),
    p90Day: quantile(0.9),
    plainDay: plainRate > 0 && plainDays < horizonDays ? firstDay + plainDays : null,
    horizonDays,
    trendPerDay: Math.expm1(model.slope),
    assumptions: [
      `the last ${days.length} days, weekdays apart, trend followed for ${trendDays} days and then held`,
      ...changes.map(
        ({ fromDay, factor, because }) =>
          `spend is multiplied by ${Number(factor.toPrecision(3))} from ${isoDay(fromDay)} on${because === undefined ? '' : `: ${because}`}`,
      ),
    ],
  }
}

interface Model {
  /** Expected nanos of a day by its index, day 0 being the first of the data, without the weekday. */
  readonly level: (index: number) => number
  readonly slope: number
  readonly weekdayFactor: (day: number) => number
  /** Actual over expected, one for each day of the data. */
  readonly residuals: readonly number[]
}

function fit(days: readonly number[], startDay: number): Model {
  const mean = days.reduce((sum, nanos) => sum + nanos, 0) / days.length
  const factors = Array.from({ length: 7 }, (_, weekday) => {
    const same = days.filter((_nanos, index) => weekdayOf(startDay + index) === weekday)
    return same.reduce((sum, nanos) => sum + nanos, 0) / Math.max(same.length, 1) / mean
  })
  const weekdayFactor = (day: number): number => factors[weekdayOf(day)] ?? 1
  const logs = days.flatMap((nanos, index) => {
    const factor = weekdayFactor(startDay + index)
    return nanos > 0 && factor > 0 ? [{ index, log: Math.log(nanos / factor) }] : []
  })
  const slopes = logs.flatMap((a, at) => logs.slice(at + 1).map((b) => (b.log - a.log) / (b.index - a.index)))
  const slope = median(slopes)
  const intercept = median(logs.map(({ index, log }) => log - slope * index))
  const lastTrendIndex = days.length - 1 + trendDays
  const level = (index: number): number => Math.exp(intercept + slope * Math.min(index, lastTrendIndex))
  const residuals = days.map((nanos, index) => {
    const expected = level(index) * weekdayFactor(startDay + index)
    // A weekday without spend says nothing about the others.
    return expected > 0 ? nanos / expected : 1
  })
  return { level, slope, weekdayFactor, residuals }
}

/** The day on which one drawn future has spent what remains; Infinity beyond the horizon. */
function pathEnd(
  model: Model,
  dataDays: number,
  firstDay: number,
  remaining: number,
  horizonDays: number,
  changes: readonly SpendChange[],
  random: () => number,
): number {
  let left = remaining
  let block = 0
  for (let ahead = 0; ahead < horizonDays; ahead++) {
    if (ahead % blockDays === 0) block = Math.floor(random() * model.residuals.length)
    const residual = model.residuals[(block + (ahead % blockDays)) % model.residuals.length] ?? 1
    const day = firstDay + ahead
    let spend = model.level(dataDays + ahead) * model.weekdayFactor(day) * residual
    for (const { fromDay, factor } of changes) if (day >= fromDay) spend *= factor
    left -= spend
    // A nano of floating-point dust is not a day.
    if (left < 1) return day
  }
  return Infinity
}

/** One number a day from the first day with data inside the window to the day before `firstDay`. */
function dailySeries(spend: readonly DailySpend[], firstDay: number): readonly number[] {
  const byDay = new Map<number, bigint>()
  for (const { day, nanos } of spend)
    if (day < firstDay && day >= firstDay - windowDays) byDay.set(day, (byDay.get(day) ?? 0n) + nanos)
  if (byDay.size === 0) return []
  const start = Math.min(...byDay.keys())
  return Array.from({ length: firstDay - start }, (_, index) => Number(byDay.get(start + index) ?? 0n))
}

function isoDay(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10)
}

function weekdayOf(day: number): number {
  return ((day % 7) + 7) % 7
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}

/** Mulberry32: 32 bits of state are plenty for drawing weeks. */
function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
