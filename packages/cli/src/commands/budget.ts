/** `portolan budget` and `portolan forecast`: what is left of each budget, and the day on which it ends. */
import { forecastBudget, type DailySpend, type Forecast } from '@portolan/meter'
import type { BudgetState, KeyRecord, SqliteStore } from '@portolan/store'
import type { BudgetConfig } from '@portolan/gateway'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { putBudgets } from '../gateway-store.ts'
import { json, money, table } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'

const dayMs = 86_400_000

export function budgets(options: CommonOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    putBudgets(store, toGatewayConfig(loaded))
    const all = store.budgets.listBudgets(Date.now())
    if (options.json) console.log(json(all))
    else if (all.length === 0) console.log(noBudgets)
    else
      console.log(
        table(all, [
          { title: 'BUDGET', value: (budget) => budget.name },
          { title: 'PERIOD', value: (budget) => budget.period },
          { title: 'LIMIT', align: 'right', value: (budget) => money(budget.limitNanos, budget.currency) },
          { title: 'SPENT', align: 'right', value: (budget) => money(budget.spentNanos, budget.currency) },
          { title: 'HELD', align: 'right', value: (budget) => money(budget.reservedNanos, budget.currency) },
          { title: 'LEFT', align: 'right', value: (budget) => money(leftOf(budget), budget.currency) },
          {
            title: 'RESETS (UTC)',
            value: (budget) =>
              budget.resetsAtMs === null ? 'never' : new Date(budget.resetsAtMs).toISOString().slice(0, 16),
          },
        ]),
      )
  })
}

export function forecast(options: CommonOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const config = toGatewayConfig(loaded)
    putBudgets(store, config)
    const nowMs = Date.now()
    const keys = store.keys.listKeys()
    const lines = store.budgets.listBudgets(nowMs).map((budget) => {
      const holders = config.budgets.find(({ id }) => id === budget.id)
      const spend = holders ? dailySpend(store, holders, keys, budget.currency, nowMs) : []
      const result = forecastBudget({
        spend,
        firstDay: Math.floor(nowMs / dayMs),
        remainingNanos: leftOf(budget),
        seed: 1,
      })
      return {
        budget: budget.name,
        left: leftOf(budget),
        currency: budget.currency,
        resetsAtMs: budget.resetsAtMs,
        forecast: result,
      }
    })
    if (options.json) console.log(json(lines))
    else if (lines.length === 0) console.log(noBudgets)
    else
      for (const line of lines) {
        console.log(
          `${line.budget}: ${money(line.left, line.currency)} left. ${sentence(line.forecast, line.resetsAtMs)}`,
        )
        if (line.forecast.kind === 'forecast')
          for (const assumption of line.forecast.assumptions) console.log(`  assumes ${assumption}`)
      }
  })
}

const noBudgets = 'No budgets. Give portolan.yaml one: budgets: { team: { limit: 25, period: month } }'

function leftOf({ limitNanos, spentNanos, reservedNanos }: BudgetState): bigint {
  const left = limitNanos - spentNanos - reservedNanos
  return left > 0n ? left : 0n
}

/** Whole UTC days of the last three months, for the keys that the budget holds. */
function dailySpend(
  store: SqliteStore,
  { keys: held }: BudgetConfig,
  keys: readonly KeyRecord[],
  currency: string,
  nowMs: number,
): DailySpend[] {
  const today = Math.floor(nowMs / dayMs)
  const range = { groupBy: ['day'] as const, fromMs: (today - 90) * dayMs, untilMs: today * dayMs }
  const ids =
    held.length === 0
      ? [undefined]
      : keys.filter(({ id, name }) => held.includes(id) || held.includes(name)).map(({ id }) => id)
  const byDay = new Map<number, bigint>()
  for (const keyId of ids)
    for (const line of store.ledger.usage({ ...range, keyId })) {
      if (line.currency !== currency || !line.group.day) continue
      const day = Math.floor(Date.parse(`${line.group.day}T00:00:00Z`) / dayMs)
      byDay.set(day, (byDay.get(day) ?? 0n) + line.costNanos)
    }
  return [...byDay].map(([day, nanos]) => ({ day, nanos }))
}

function sentence(result: Forecast, resetsAtMs: number | null): string {
  const date = (day: number | null): string =>
    day === null ? 'not within the horizon' : new Date(day * dayMs).toISOString().slice(0, 10)
  switch (result.kind) {
    case 'too-little-data':
      return `No forecast: ${result.message} ${result.neededDays} are needed.`
    case 'no-spend':
      return 'Nothing is being spent.'
    case 'already-spent':
      return 'It is spent.'
    case 'forecast': {
      const resets = resetsAtMs === null ? '' : ` It resets on ${new Date(resetsAtMs).toISOString().slice(0, 10)}.`
      return `At this rate it ends on ${date(result.p50Day)} (80 %: ${date(result.p10Day)} to ${date(result.p90Day)}).${resets}`
    }
  }
}
