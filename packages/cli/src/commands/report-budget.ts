/**
 * The budget that a report reads: `--budget 120000USD`, or the name of a configured one, whose own use it then takes. The use
 * is that of the whole days before the plan was frozen: it does not change any more, so the report can be made again.
 */
import type { BudgetInput, Plan } from '@portolan/crossing'
import type { DailySpend } from '@portolan/meter'
import type { BudgetState, SqliteStore } from '@portolan/store'
import { dayMs, spendBefore } from '../budget-forecast.ts'
import type { LoadedConfig } from '../config/load.ts'
import { CliError } from '../errors.ts'
import { budgetStates, forecastPrices } from './budget.ts'

export interface BudgetOptions {
  readonly budget?: string
  readonly monthly?: string
}

const historyDays = 90

/** Null: no budget was asked for, and none or several are configured in the plan's currency. */
export function reportBudget(
  store: SqliteStore,
  loaded: LoadedConfig,
  plan: Plan & { readonly frozenAtMs: number },
  { budget: asked, monthly }: BudgetOptions,
): BudgetInput | null {
  const { currency } = plan.replay
  const firstDay = Math.floor(plan.frozenAtMs / dayMs)
  const monthlyNanos = monthly === undefined ? null : amountOf('--monthly', monthly, currency)
  if (asked !== undefined && /^[\d.]/.test(asked))
    return {
      name: 'given',
      amountNanos: amountOf('--budget', asked, currency),
      spend: spendOfAll(store, firstDay, currency),
      firstDay,
      monthlyNanos,
    }
  const configured = budgetStates(store, loaded).filter(
    ({ unit, subject, currency: own }) => unit === 'money' && subject === '' && own === currency,
  )
  const found = chosen(configured, asked, currency)
  return (
    found && {
      name: `${found.id}, a ${found.period}`,
      amountNanos: found.limit,
      spend: spendBefore(store, found, firstDay * dayMs, forecastPrices(loaded)),
      firstDay,
      monthlyNanos,
    }
  )
}

function chosen(configured: readonly BudgetState[], asked: string | undefined, currency: string): BudgetState | null {
  if (asked === undefined) return configured.length === 1 ? configured[0]! : null
  const found = configured.find(({ id }) => id === asked)
  if (found) return found
  const names = configured.map(({ id }) => id).join(', ') || 'none'
  throw new CliError(
    'CLI_NOT_FOUND',
    `--budget: "${asked}" is neither an amount such as 120000${currency} nor a budget of money in ${currency}; those are: ${names}.`,
  )
}

function spendOfAll(store: SqliteStore, firstDay: number, currency: string): DailySpend[] {
  return store.ledger
    .usage({ groupBy: ['day'], fromMs: (firstDay - historyDays) * dayMs, untilMs: firstDay * dayMs })
    .flatMap(({ group: { day }, costNanos, currency: own }) =>
      day && own === currency ? [{ day: Math.floor(Date.parse(`${day}T00:00:00Z`) / dayMs), nanos: costNanos }] : [],
    )
}

function amountOf(option: string, text: string, currency: string): bigint {
  const [, units, fraction = '', named = ''] = /^(\d{1,12})(?:\.(\d{1,9}))? ?([A-Z]{3})?$/.exec(text.trim()) ?? []
  if (units === undefined)
    throw new CliError('CLI_BAD_ARGUMENT', `${option}: "${text}" is no amount such as 120000${currency}.`)
  if (named !== '' && named !== currency)
    throw new CliError('CLI_BAD_ARGUMENT', `${option}: the plan counts in ${currency}, not in ${named}.`)
  const nanos = BigInt(units) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  if (nanos > 0n) return nanos
  throw new CliError('CLI_BAD_ARGUMENT', `${option}: an amount above zero is needed.`)
}
