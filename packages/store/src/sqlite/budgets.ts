/**
 * Budgets on node:sqlite. Every step is one write transaction, so that any number of processes on one file
 * share one counter; the check and the taking are one UPDATE.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import {
  periodOf,
  type BudgetInput,
  type BudgetPeriod,
  type BudgetState,
  type BudgetStore,
  type ReserveInput,
  type ReserveResult,
  type SettleResult,
} from '../budgets.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, toStoreError } from './database.ts'

type Fields = Readonly<Record<string, unknown>>

// Settled and expired rows are kept this long to recognise a second or a late settlement, then dropped.
const rememberedMs = 7 * 86_400_000

export class SqliteBudgetStore implements BudgetStore {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  putBudget(input: BudgetInput): void {
    if (input.limitNanos < 0n) throw new StoreError('STORE_BAD_ROW', `Budget "${input.id}" has a negative limit.`)
    inTransaction(this.#database, () => {
      const existing = this.#budget(input.id)
      if (existing !== null && (existing.currency !== input.currency || existing.period !== input.period))
        throw new StoreError(
          'STORE_BAD_ROW',
          `Budget "${input.id}" counts ${existing.currency} by ${existing.period}; make another for ${input.currency} by ${input.period}.`,
        )
      this.#run(
        `INSERT INTO budgets (id, name, currency, limit_nanos, period) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, limit_nanos = excluded.limit_nanos`,
        [input.id, input.name, input.currency, input.limitNanos, input.period],
      )
    })
  }

  reserve(input: ReserveInput): ReserveResult {
    const { requestId, amountNanos, currency, nowMs } = input
    if (amountNanos < 0n) throw new StoreError('STORE_BAD_ROW', `A reservation of ${amountNanos} nanos is negative.`)
    let refused: ReserveResult | null = null
    try {
      inTransaction(this.#database, () => {
        if (this.#all('SELECT 1 FROM reservations WHERE request_id = ? LIMIT 1', [requestId]).length > 0)
          throw new StoreError('STORE_BAD_ROW', `Request "${requestId}" has reserved before.`)
        for (const id of new Set(input.budgetIds)) {
          const budget = this.#budget(id)
          if (budget === null) throw new StoreError('STORE_BAD_ROW', `There is no budget "${id}".`)
          if (budget.currency !== currency)
            throw new StoreError('STORE_BAD_ROW', `Budget "${id}" counts ${budget.currency}, not ${currency}.`)
          const { startMs } = periodOf(budget.period, nowMs)
          this.#run('INSERT INTO budget_periods VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING', [id, startMs])
          const taken = this.#run(
            `UPDATE budget_periods SET reserved_nanos = reserved_nanos + ?1
             WHERE budget_id = ?2 AND start_ms = ?3 AND spent_nanos + reserved_nanos + ?1 <= ?4`,
            [amountNanos, id, startMs, budget.limitNanos],
          )
          if (taken === 0) {
            const state = this.#state(budget, nowMs)
            const availableNanos = state.limitNanos - state.spentNanos - state.reservedNanos
            refused = { kind: 'refused', budget: state, availableNanos: availableNanos > 0n ? availableNanos : 0n }
            // Undoes what the request's other budgets gave.
            throw new NoRoom()
          }
          this.#run(`INSERT INTO reservations VALUES (?, ?, ?, ?, ?, 'open')`, [
            requestId,
            id,
            startMs,
            amountNanos,
            Math.round(input.expiresAtMs),
          ])
        }
      })
    } catch (error) {
      if (refused !== null && error instanceof StoreError && error.cause instanceof NoRoom) return refused
      throw error
    }
    return { kind: 'reserved' }
  }

  settle(requestId: string, actualNanos: bigint | null, nowMs: number): SettleResult {
    if (actualNanos !== null && actualNanos < 0n)
      throw new StoreError('STORE_BAD_ROW', `Request "${requestId}" cannot cost ${actualNanos} nanos.`)
    return inTransaction(this.#database, () => {
      const held = this.#all('SELECT * FROM reservations WHERE request_id = ?', [requestId])
      if (held.length === 0) return 'unknown'
      let settled = 0
      let settledLate = 0
      for (const fields of held) {
        const state = String(fields['state'])
        if (state === 'settled') continue
        const amount = asBigInt(fields['amount_nanos'])
        const actual = actualNanos ?? amount
        const late = state === 'expired'
        const overrun = late ? actual : actual > amount ? actual - amount : 0n
        this.#run(
          `UPDATE budget_periods SET spent_nanos = spent_nanos + ?, reserved_nanos = reserved_nanos - ?,
             overrun_nanos = overrun_nanos + ? WHERE budget_id = ? AND start_ms = ?`,
          [actual, late ? 0n : amount, overrun, String(fields['budget_id']), asBigInt(fields['start_ms'])],
        )
        this.#run(
          `UPDATE reservations SET state = 'settled', expires_at_ms = ? WHERE request_id = ? AND budget_id = ?`,
          [Math.round(nowMs), requestId, String(fields['budget_id'])],
        )
        settled += 1
        if (late) settledLate += 1
      }
      if (settledLate > 0) return 'settled-late'
      return settled > 0 ? 'settled' : 'already-settled'
    })
  }

  expire(nowMs: number): number {
    return inTransaction(this.#database, () => {
      const due = this.#all(`SELECT * FROM reservations WHERE state = 'open' AND expires_at_ms <= ?`, [
        Math.round(nowMs),
      ])
      for (const fields of due) {
        const key = [String(fields['budget_id']), asBigInt(fields['start_ms'])]
        this.#run(
          'UPDATE budget_periods SET reserved_nanos = reserved_nanos - ? WHERE budget_id = ? AND start_ms = ?',
          [asBigInt(fields['amount_nanos']), ...key],
        )
        this.#run(`UPDATE reservations SET state = 'expired' WHERE request_id = ? AND budget_id = ?`, [
          String(fields['request_id']),
          String(fields['budget_id']),
        ])
      }
      this.#run(`DELETE FROM reservations WHERE state <> 'open' AND expires_at_ms <= ?`, [
        Math.round(nowMs - rememberedMs),
      ])
      return due.length
    })
  }

  /** Requests that hold something: after a crash, those that never settled. */
  openReservations(): readonly string[] {
    return this.#all(`SELECT DISTINCT request_id FROM reservations WHERE state = 'open'`, []).map((fields) =>
      String(fields['request_id']),
    )
  }

  budgetAt(id: string, nowMs: number): BudgetState | null {
    const budget = this.#budget(id)
    return budget === null ? null : this.#state(budget, nowMs)
  }

  listBudgets(nowMs: number): readonly BudgetState[] {
    return this.#all('SELECT * FROM budgets ORDER BY id', []).map((fields) => this.#state(toBudget(fields), nowMs))
  }

  #budget(id: string): BudgetInput | null {
    const [fields] = this.#all('SELECT * FROM budgets WHERE id = ?', [id])
    return fields === undefined ? null : toBudget(fields)
  }

  #state(budget: BudgetInput, nowMs: number): BudgetState {
    const { startMs, endMs } = periodOf(budget.period, nowMs)
    const [fields] = this.#all('SELECT * FROM budget_periods WHERE budget_id = ? AND start_ms = ?', [
      budget.id,
      startMs,
    ])
    return {
      ...budget,
      periodStartMs: startMs,
      resetsAtMs: endMs,
      spentNanos: asBigInt(fields?.['spent_nanos']),
      reservedNanos: asBigInt(fields?.['reserved_nanos']),
      overrunNanos: asBigInt(fields?.['overrun_nanos']),
    }
  }

  #run(sql: string, bound: readonly SQLInputValue[]): number {
    return Number(this.#database.prepare(sql).run(...bound).changes)
  }

  #all(sql: string, bound: readonly SQLInputValue[]): readonly Fields[] {
    try {
      const statement = this.#database.prepare(sql)
      statement.setReadBigInts(true)
      return statement.all(...bound)
    } catch (error) {
      throw toStoreError(error, 'reading budgets')
    }
  }
}

/** Leaves the transaction without an error of the database. */
class NoRoom extends Error {}

function toBudget(fields: Fields): BudgetInput {
  const period = String(fields['period'])
  return {
    id: String(fields['id']),
    name: String(fields['name']),
    currency: String(fields['currency']),
    limitNanos: asBigInt(fields['limit_nanos']),
    period: (['day', 'month', 'total'] as const).find((known): known is BudgetPeriod => known === period) ?? 'total',
  }
}

function asBigInt(value: unknown): bigint {
  return typeof value === 'bigint' ? value : 0n
}
