/**
 * The day on which each budget ends, from what its keys have used on the whole days of the last three months, and
 * from the price changes that have been announced.
 */
import {
  announcedChanges,
  forecastBudget,
  unknownUsage,
  type DailySpend,
  type Forecast,
  type PriceBook,
  type RecentUse,
} from '@portolan/meter'
import {
  keyAllowsModel,
  scopeHolds,
  type BudgetState,
  type KeyRecord,
  type SqliteStore,
  type UsageGroup,
  type UsageLine,
} from '@portolan/store'

export const dayMs = 86_400_000

export interface BudgetForecast {
  readonly budget: BudgetState
  readonly left: bigint
  readonly forecast: Forecast
}

/** Where price changes are looked up. */
export interface ForecastPrices {
  readonly book: PriceBook
  /** Whose list bills an upstream; null: prices that no list changes. */
  readonly vendorOf: (upstream: string) => string | null
}

const historyDays = 90
const mixDays = 28
const horizonDays = 730

export function forecastBudgets(
  store: SqliteStore,
  budgets: readonly BudgetState[],
  nowMs: number,
  prices: ForecastPrices,
): BudgetForecast[] {
  const keys = store.keys.listKeys()
  return budgets.map((budget) => {
    const left = leftOf(budget)
    const spend = dailyUse(store, budget, keys, nowMs)
    const changes = budget.unit === 'money' ? priceChanges(store, budget, keys, nowMs, prices) : []
    const firstDay = Math.floor(nowMs / dayMs)
    return {
      budget,
      left,
      forecast: forecastBudget({ spend, firstDay, remainingNanos: left, changes, seed: 1, horizonDays }),
    }
  })
}

export function leftOf({ limit, spent, reserved }: BudgetState): bigint {
  const left = limit - spent - reserved
  return left > 0n ? left : 0n
}

function priceChanges(
  store: SqliteStore,
  budget: BudgetState,
  keys: readonly KeyRecord[],
  nowMs: number,
  { book, vendorOf }: ForecastPrices,
): ReturnType<typeof announcedChanges> {
  const recent = linesOf(store, budget, keys, ['hour', 'model', 'upstream'], nowMs, mixDays).flatMap(
    (line): RecentUse[] => {
      const { hour, model, upstream } = line.group
      const vendor = upstream ? vendorOf(upstream) : null
      if (!hour || !model || vendor === null || line.currency !== budget.currency) return []
      return [{ vendor, model, atMs: Date.parse(hour), usage: usageOf(line), requests: line.requests }]
    },
  )
  return announcedChanges(book, budget.currency ?? '', recent, nowMs, nowMs + horizonDays * dayMs)
}

/** Sums of a group; what was not known to the rows is missing from them, so the parts are made to add up. */
function usageOf({ hitTokens, missTokens, writtenTokens, outputTokens }: UsageLine): RecentUse['usage'] {
  return {
    ...unknownUsage,
    inputTokens: hitTokens + missTokens + writtenTokens,
    hitTokens,
    missTokens,
    writtenTokens,
    written1hTokens: 0,
    outputTokens,
    source: 'estimated',
    convention: 'cached-inside',
  }
}

/** In the budget's unit; the forecast counts whatever it is given. */
function dailyUse(store: SqliteStore, budget: BudgetState, keys: readonly KeyRecord[], nowMs: number): DailySpend[] {
  const { unit, currency } = budget
  const byDay = new Map<number, bigint>()
  for (const line of linesOf(store, budget, keys, ['day', 'model'], nowMs, historyDays)) {
    const date = line.group.day
    if (!date || (unit === 'money' && line.currency !== currency)) continue
    const day = Math.floor(Date.parse(`${date}T00:00:00Z`) / dayMs)
    const used =
      unit === 'money'
        ? line.costNanos
        : BigInt(unit === 'requests' ? line.requests : line.inputTokens + line.outputTokens)
    byDay.set(day, (byDay.get(day) ?? 0n) + used)
  }
  return [...byDay].map(([day, nanos]) => ({ day, nanos }))
}

/** What counts in a budget, of the whole days before today. */
function linesOf(
  store: SqliteStore,
  budget: BudgetState,
  keys: readonly KeyRecord[],
  groupBy: readonly UsageGroup[],
  nowMs: number,
  days: number,
): readonly UsageLine[] {
  const today = Math.floor(nowMs / dayMs)
  const range = { groupBy, fromMs: (today - days) * dayMs, untilMs: today * dayMs }
  const { scope } = budget
  const held = keys.filter((key) => scopeHolds(scope, key) && isSubject(budget, key))
  const everybody = held.length === keys.length
  return (everybody ? [undefined] : held.map(({ id }) => id))
    .flatMap((keyId) => store.ledger.usage({ ...range, keyId }))
    .filter(
      ({ group: { model } }) =>
        keyAllowsModel({ models: scope.models }, model ?? '') && (scope.each !== 'model' || model === budget.subject),
    )
}

function isSubject({ scope, subject }: BudgetState, key: KeyRecord): boolean {
  if (scope.each === null || scope.each === 'model') return true
  const own = scope.each === 'key' ? key.id : scope.each === 'team' ? key.teamId : key.organisationId
  return (own ?? '-') === subject
}
