/**
 * The day on which each budget ends, from what its keys have used on the whole days of the last three months, and
 * from the price changes that have been announced.
 */
import {
  announcedChanges,
  forecastBudget,
  pastFactor,
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
    const currency = budget.currency ?? ''
    const { recent, spend } = useOf(store, budget, keys, nowMs, prices)
    const changes = announcedChanges(prices.book, currency, recent, nowMs, nowMs + horizonDays * dayMs)
    const firstDay = Math.floor(nowMs / dayMs)
    return {
      budget,
      left,
      forecast: forecastBudget({ spend, firstDay, remainingNanos: left, changes, seed: 1, horizonDays }),
    }
  })
}

/** What counted in one budget, on the whole days before an instant. */
export function spendBefore(
  store: SqliteStore,
  budget: BudgetState,
  nowMs: number,
  prices: ForecastPrices,
): DailySpend[] {
  return useOf(store, budget, store.keys.listKeys(), nowMs, prices).spend
}

function useOf(
  store: SqliteStore,
  budget: BudgetState,
  keys: readonly KeyRecord[],
  nowMs: number,
  prices: ForecastPrices,
): { readonly recent: RecentUse[]; readonly spend: DailySpend[] } {
  const recent = budget.unit === 'money' ? recentUse(store, budget, keys, nowMs, prices) : []
  const atTodaysPrice = pastFactor(prices.book, budget.currency ?? '', recent, nowMs)
  return { recent, spend: dailyUse(store, budget, keys, nowMs, prices, atTodaysPrice) }
}

export function leftOf({ limit, spent, reserved }: BudgetState): bigint {
  const left = limit - spent - reserved
  return left > 0n ? left : 0n
}

function recentUse(
  store: SqliteStore,
  budget: BudgetState,
  keys: readonly KeyRecord[],
  nowMs: number,
  { vendorOf }: ForecastPrices,
): RecentUse[] {
  return linesOf(store, budget, keys, ['hour', 'model', 'upstream'], nowMs, mixDays).flatMap((line) => {
    const { hour, model, upstream } = line.group
    const vendor = upstream ? vendorOf(upstream) : null
    if (!hour || !model || vendor === null || line.currency !== budget.currency) return []
    return [{ vendor, model, atMs: Date.parse(hour), usage: usageOf(line), requests: line.requests }]
  })
}

/** Sums of a group; what was not known to the rows is missing from them, so the parts are made to add up. */
function usageOf({
  hitTokens,
  missTokens,
  writtenTokens,
  outputTokens,
  reasoningTokens,
}: UsageLine): RecentUse['usage'] {
  return {
    ...unknownUsage,
    inputTokens: hitTokens + missTokens + writtenTokens,
    hitTokens,
    missTokens,
    writtenTokens,
    written1hTokens: 0,
    outputTokens,
    reasoningTokens,
    source: 'estimated',
    convention: 'cached-inside',
  }
}

/** In the budget's unit; the forecast counts whatever it is given. Money is at today's prices. */
function dailyUse(
  store: SqliteStore,
  budget: BudgetState,
  keys: readonly KeyRecord[],
  nowMs: number,
  { vendorOf }: ForecastPrices,
  atTodaysPrice: ReturnType<typeof pastFactor>,
): DailySpend[] {
  const { unit, currency } = budget
  const byDay = new Map<number, bigint>()
  for (const line of linesOf(store, budget, keys, ['day', 'model', 'upstream'], nowMs, historyDays)) {
    const { day: date, model, upstream } = line.group
    if (!date || (unit === 'money' && line.currency !== currency)) continue
    const atMs = Date.parse(`${date}T00:00:00Z`)
    const day = Math.floor(atMs / dayMs)
    const vendor = upstream ? vendorOf(upstream) : null
    const factor = unit === 'money' && vendor !== null && model ? atTodaysPrice(vendor, model, atMs + dayMs / 2) : 1
    const used =
      unit === 'money'
        ? BigInt(Math.round(Number(line.costNanos) * factor))
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
