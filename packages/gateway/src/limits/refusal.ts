/** What a refused caller is told: which limit, what is left of it, and when there is room. */
import { durationName, periodName, type BudgetState, type ReserveResult } from '@portolan/store'
import { GatewayError } from '../errors.ts'

type Refused = Extract<ReserveResult, { readonly kind: 'refused' }>
type Limited = Extract<ReserveResult, { readonly kind: 'limited' }>

export function budgetSpent({ budget, available, needed, freeAtMs }: Refused, nowMs: number): GatewayError {
  const asks = budget.unit === 'money' ? 'may cost up to' : 'may use up to'
  const need = budget.unit === 'requests' ? 'this is one more' : `this request ${asks} ${amount(needed, budget)}`
  const retryAfterSec = freeAtMs === null ? null : Math.max(1, Math.ceil((freeAtMs - nowMs) / 1000))
  return new GatewayError(
    'GATEWAY_BUDGET_SPENT',
    `The budget "${budget.id}" (${shape(budget)}) has ${amount(available, budget)} left and ${need}. ${when(budget, needed, freeAtMs)}`,
    retryAfterSec,
  )
}

function when({ period, limit, resetsAtMs }: BudgetState, needed: bigint, freeAtMs: number | null): string {
  if (needed > limit)
    return `That is more than the whole budget${resetsAtMs === null || period === 'rolling' ? '' : ', which resets at ' + instant(resetsAtMs)}: ask for fewer output tokens, or have it raised.`
  if (freeAtMs === null) return 'It does not reset.'
  return period === 'rolling' ? `Enough of it is free at ${instant(freeAtMs)}.` : `It resets at ${instant(freeAtMs)}.`
}

export function rateLimited({ limit, retryAfterMs }: Limited): GatewayError {
  const { id, amount: rate, unit, perMs, burst, remaining } = limit
  const counts = `${rate} ${unit} per ${durationName(perMs)}${burst === rate ? '' : `, ${burst} at once`}`
  return new GatewayError(
    'GATEWAY_RATE_LIMITED',
    `The rate limit "${id}" (${counts}) has ${remaining} ${unit} left now. Try again in ${(retryAfterMs / 1000).toString()} s.`,
    retryAfterMs / 1000,
  )
}

function shape(budget: BudgetState): string {
  const each = budget.scope.each === null ? '' : ` for each ${budget.scope.each}`
  const unit = budget.unit === 'money' ? (budget.currency ?? '') : budget.unit
  const per = budget.period === 'total' ? 'in all' : `per ${periodName(budget)}`
  return `${amount(budget.limit, budget)} ${unit} ${per}${each}`
}

/** Nanos as a decimal, at most six places: enough to plan with. */
function amount(value: bigint, { unit }: BudgetState): string {
  return unit === 'money' ? (Number(value / 1000n) / 1e6).toString() : value.toString()
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}
