/** The day on which each budget ends, from what its keys have used on the whole days of the last three months. */
import { forecastBudget, type DailySpend, type Forecast } from '@portolan/meter'
import { keyAllowsModel, scopeHolds, type BudgetState, type KeyRecord, type SqliteStore } from '@portolan/store'

export const dayMs = 86_400_000

export interface BudgetForecast {
  readonly budget: BudgetState
  readonly left: bigint
  readonly forecast: Forecast
}

export function forecastBudgets(store: SqliteStore, budgets: readonly BudgetState[], nowMs: number): BudgetForecast[] {
  const keys = store.keys.listKeys()
  return budgets.map((budget) => {
    const left = leftOf(budget)
    const spend = dailyUse(store, budget, keys, nowMs)
    return {
      budget,
      left,
      forecast: forecastBudget({ spend, firstDay: Math.floor(nowMs / dayMs), remainingNanos: left, seed: 1 }),
    }
  })
}

export function leftOf({ limit, spent, reserved }: BudgetState): bigint {
  const left = limit - spent - reserved
  return left > 0n ? left : 0n
}

/** In the budget's unit; the forecast counts whatever it is given. */
function dailyUse(store: SqliteStore, budget: BudgetState, keys: readonly KeyRecord[], nowMs: number): DailySpend[] {
  const today = Math.floor(nowMs / dayMs)
  const range = { groupBy: ['day', 'model'] as const, fromMs: (today - 90) * dayMs, untilMs: today * dayMs }
  const { scope, unit, currency } = budget
  const held = keys.filter((key) => scopeHolds(scope, key) && isSubject(budget, key))
  const everybody = held.length === keys.length
  const byDay = new Map<number, bigint>()
  for (const keyId of everybody ? [undefined] : held.map(({ id }) => id))
    for (const line of store.ledger.usage({ ...range, keyId })) {
      const { day: date, model } = line.group
      if (!date || (unit === 'money' && line.currency !== currency)) continue
      if (!keyAllowsModel({ models: scope.models }, model ?? '')) continue
      if (scope.each === 'model' && model !== budget.subject) continue
      const day = Math.floor(Date.parse(`${date}T00:00:00Z`) / dayMs)
      const used =
        unit === 'money'
          ? line.costNanos
          : BigInt(unit === 'requests' ? line.requests : line.inputTokens + line.outputTokens)
      byDay.set(day, (byDay.get(day) ?? 0n) + used)
    }
  return [...byDay].map(([day, nanos]) => ({ day, nanos }))
}

function isSubject({ scope, subject }: BudgetState, key: KeyRecord): boolean {
  if (scope.each === null || scope.each === 'model') return true
  const own = scope.each === 'key' ? key.id : scope.each === 'team' ? key.teamId : key.organisationId
  return (own ?? '-') === subject
}
