/** `portolan budget` and `portolan forecast`: what is left of each budget, and the day on which it ends. */
import type { Forecast } from '@portolan/meter'
import { periodName, type BudgetState, type SqliteStore } from '@portolan/store'
import { definitionOf } from '@portolan/upstream'
import { dayMs, forecastBudgets, leftOf, type ForecastPrices } from '../budget-forecast.ts'
import { configuredLimits } from '../config/limits.ts'
import type { LoadedConfig } from '../config/load.ts'
import { fixedPrices, toGatewayConfig } from '../config/to-gateway.ts'
import { json, money, table } from '../output.ts'
import { readPriceBook } from '../price-files.ts'
import { withData, type CommonOptions } from './open.ts'

export function budgets(options: CommonOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const all = budgetStates(store, loaded)
    if (options.json) console.log(json(all))
    else if (all.length === 0) console.log(noBudgets)
    else
      console.log(
        table(all, [
          { title: 'BUDGET', value: (budget) => budget.id },
          { title: 'OF', value: (budget) => budget.subject || 'all' },
          { title: 'PERIOD', value: periodName },
          { title: 'LIMIT', align: 'right', value: (budget) => amount(budget.limit, budget) },
          { title: 'SPENT', align: 'right', value: (budget) => amount(budget.spent, budget) },
          { title: 'HELD', align: 'right', value: (budget) => amount(budget.reserved, budget) },
          { title: 'LEFT', align: 'right', value: (budget) => amount(leftOf(budget), budget) },
          { title: 'RESETS (UTC)', value: resets },
        ]),
      )
  })
}

export function forecast(options: CommonOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const lines = forecastBudgets(store, budgetStates(store, loaded), Date.now(), forecastPrices(loaded))
    if (options.json)
      console.log(
        json(
          lines.map(({ budget, left, forecast: result }) => ({
            budget: budget.id,
            subject: budget.subject || null,
            unit: budget.unit,
            currency: budget.currency,
            left,
            resetsAtMs: budget.resetsAtMs,
            forecast: result,
          })),
        ),
      )
    else if (lines.length === 0) console.log(noBudgets)
    else
      for (const { budget, left, forecast: result } of lines) {
        const name = budget.subject === '' ? budget.id : `${budget.id} of ${budget.subject}`
        console.log(`${name}: ${amount(left, budget)} left. ${sentence(result, budget.resetsAtMs)}`)
        if (result.kind === 'forecast')
          for (const assumption of result.assumptions) console.log(`  assumes ${assumption}`)
      }
  })
}

/** Without resolving upstreams: a forecast needs no credential. */
export function forecastPrices(loaded: LoadedConfig): ForecastPrices {
  const config = toGatewayConfig(loaded)
  const fixed = fixedPrices(loaded.file, config)
  const vendors = new Map(
    config.upstreams.map(({ name, kind, profile, prices }) => [
      name,
      prices ?? definitionOf(kind, profile ?? null, name).vendor ?? name,
    ]),
  )
  return {
    book: readPriceBook(loaded),
    vendorOf: (upstream) => (fixed.has(upstream) ? null : (vendors.get(upstream) ?? upstream)),
  }
}

const noBudgets = 'No budgets. Give portolan.yaml one: budgets: { team: { limit: 25, period: month } }'

/** Those in force, and those of the configuration that no gateway has taken up yet. Nothing is written. */
export function budgetStates(store: SqliteStore, loaded: LoadedConfig): BudgetState[] {
  const states = [...store.budgets.listBudgets(Date.now())]
  for (const budget of configuredLimits(loaded).budgets)
    if (!states.some(({ id }) => id === budget.id))
      states.push({
        ...budget,
        source: 'config',
        subject: '',
        periodStartMs: 0,
        resetsAtMs: null,
        spent: 0n,
        reserved: 0n,
        overrun: 0n,
      })
  return states
}

function amount(value: bigint, { unit, currency }: BudgetState): string {
  return unit === 'money' ? money(value, currency) : `${value} ${unit}`
}

function resets({ period, resetsAtMs }: BudgetState): string {
  if (resetsAtMs === null) return period === 'rolling' ? 'rolling' : period === 'total' ? 'never' : ''
  return `${period === 'rolling' ? 'from ' : ''}${new Date(resetsAtMs).toISOString().slice(0, 16)}`
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
      const reset = resetsAtMs === null ? '' : ` It resets on ${new Date(resetsAtMs).toISOString().slice(0, 10)}.`
      return `At this rate it ends on ${date(result.p50Day)} (80 %: ${date(result.p10Day)} to ${date(result.p90Day)}).${reset}`
    }
  }
}
