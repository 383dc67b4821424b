/**
 * Alerts of budgets: what fired, once a period for each counter, and the outbox that tells it.
 *
 *   threshold  spent has reached a per cent of the limit that the budget names
 *   refused    a request was refused for want of room, the first time in the period
 *
 * An alert is written in the transaction that moved the counter, so that neither two processes nor a crash make it
 * fire twice or not at all. A rolling window has no periods: there an alert fires at most once a window length.
 */
import type { BudgetState } from './budgets.ts'

export type AlertEvent = `threshold-${number}` | 'refused'

export interface BudgetAlert {
  readonly seq: number
  readonly event: AlertEvent
  readonly firedAtMs: number
  /** As it was when it fired. */
  readonly budget: AlertBudget
  readonly state: AlertState
  readonly attempts: number
}

/** `untold`: nobody was to be told. */
export type AlertState = 'waiting' | 'delivered' | 'given-up' | 'untold'

/** The budget in plain values; amounts as decimal text, since JSON has no integers of 64 bits. */
export interface AlertBudget {
  readonly id: string
  readonly subject: string
  readonly unit: BudgetState['unit']
  readonly currency: string | null
  readonly limit: string
  readonly spent: string
  readonly reserved: string
  readonly period: BudgetState['period']
  readonly windowMs: number | null
  readonly periodStartMs: number
  readonly resetsAtMs: number | null
}

export interface AlertStore {
  /** Due for (another) delivery, oldest first. */
  dueAlerts(nowMs: number, limit: number): readonly BudgetAlert[]
  /** What came of a delivery: done, again later, or never. */
  noteDelivery(seq: number, state: 'delivered' | 'waiting' | 'given-up' | 'untold', nextTryMs: number): void
  /** Newest first. */
  listAlerts(limit: number): readonly BudgetAlert[]
}

export function alertBudget(state: BudgetState): AlertBudget {
  const { id, subject, unit, currency, period, windowMs, periodStartMs, resetsAtMs } = state
  return {
    id,
    subject,
    unit,
    currency,
    limit: String(state.limit),
    spent: String(state.spent),
    reserved: String(state.reserved),
    period,
    windowMs,
    periodStartMs,
    resetsAtMs,
  }
}
