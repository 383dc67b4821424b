/** Fired alerts and their outbox on node:sqlite. Bounded: the oldest that wait are given up for the newest. */
import type { DatabaseSync } from 'node:sqlite'
import {
  alertBudget,
  type AlertBudget,
  type AlertEvent,
  type AlertState,
  type AlertStore,
  type BudgetAlert,
} from '../budgets-alerts.ts'
import type { BudgetState } from '../budgets.ts'
import { inTransaction, toStoreError } from './database.ts'

const mostWaiting = 1000
/** Fired and told: kept as long as anybody may ask. */
const mostKept = 10_000

export class SqliteAlertStore implements AlertStore {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  dueAlerts(nowMs: number, limit: number): readonly BudgetAlert[] {
    return this.#all(
      `SELECT * FROM budget_alerts WHERE state = 'waiting' AND next_try_ms <= ? ORDER BY next_try_ms, seq LIMIT ?`,
      [Math.round(nowMs), limit],
    )
  }

  noteDelivery(seq: number, state: AlertState, nextTryMs: number): void {
    inTransaction(this.#database, () =>
      this.#database
        .prepare('UPDATE budget_alerts SET state = ?, attempts = attempts + 1, next_try_ms = ? WHERE seq = ?')
        .run(state, Math.round(nextTryMs), seq),
    )
  }

  listAlerts(limit: number): readonly BudgetAlert[] {
    return this.#all('SELECT * FROM budget_alerts ORDER BY seq DESC LIMIT ?', [limit])
  }

  #all(sql: string, bound: readonly number[]): BudgetAlert[] {
    try {
      return this.#database
        .prepare(sql)
        .all(...bound)
        .map(toAlert)
    } catch (error) {
      throw toStoreError(error, 'reading alerts')
    }
  }
}

/** Inside the transaction that moved the counter. */
export function fireAlert(database: DatabaseSync, state: BudgetState, event: AlertEvent, nowMs: number): void {
  const firedAtMs = Math.round(nowMs)
  const { id, subject, windowMs, periodStartMs } = state
  if (windowMs !== null) {
    const recent = database
      .prepare('SELECT 1 FROM budget_alerts WHERE budget_id = ? AND subject = ? AND event = ? AND start_ms > ? LIMIT 1')
      .get(id, subject, event, firedAtMs - windowMs)
    if (recent !== undefined) return
  }
  const { changes } = database
    .prepare(
      `INSERT INTO budget_alerts (budget_id, subject, start_ms, event, fired_at_ms, payload, state, attempts, next_try_ms)
       VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, ?) ON CONFLICT DO NOTHING`,
    )
    .run(
      id,
      subject,
      windowMs === null ? periodStartMs : firedAtMs,
      event,
      firedAtMs,
      JSON.stringify(alertBudget(state)),
      firedAtMs,
    )
  if (changes === 0) return
  database
    .prepare(
      `UPDATE budget_alerts SET state = 'given-up' WHERE state = 'waiting' AND seq <= (
         SELECT seq FROM budget_alerts WHERE state = 'waiting' ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
    )
    .run(mostWaiting)
  database.prepare('DELETE FROM budget_alerts WHERE seq <= (SELECT max(seq) FROM budget_alerts) - ?').run(mostKept)
}

function toAlert(fields: Readonly<Record<string, unknown>>): BudgetAlert {
  const state = String(fields['state'])
  return {
    seq: Number(fields['seq']),
    event: String(fields['event']) as AlertEvent,
    firedAtMs: Number(fields['fired_at_ms']),
    budget: JSON.parse(String(fields['payload'])) as AlertBudget,
    state: (['waiting', 'delivered', 'given-up'] as const).find((known) => known === state) ?? 'untold',
    attempts: Number(fields['attempts']),
  }
}
