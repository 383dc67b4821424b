/**
 * Budgets and rate limits on node:sqlite. Every step is one write transaction, so that any number of processes on
 * one file share one counter. Statements are prepared once: this runs for every request of a limited key.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { AlertEvent } from '../budgets-alerts.ts'
import {
  periodOf,
  slotFreeAtMs,
  type BudgetInput,
  type BudgetState,
  type BudgetStore,
  type ReserveInput,
  type ReserveResult,
  type SettleInput,
  type SettleResult,
} from '../budgets.ts'
import { StoreError } from '../errors.ts'
import { correctRate, leaked, rateState, takeRate, type RateLevel, type RateState } from '../limits-gcra.ts'
import type { CounterRef, LimitSource, RateLimitInput } from '../limits.ts'
import { fireAlert } from './alerts.ts'
import { inTransaction, toStoreError } from './database.ts'
import { toBudget, toRate, type SqliteLimitStore } from './limits.ts'
import { sourceOf } from './teams.ts'

type Fields = Readonly<Record<string, unknown>>

/** Settled reservations are kept so long to recognise a second settlement, */
const settledMs = 600_000
/** and expired ones to recognise a late one. */
const rememberedMs = 7 * 86_400_000
/** Tidying looks at every counter. */
const tidyEveryMs = 600_000
/** A bucket that nobody touched for so long has run dry, whatever its shape. */
const rateMemoryMs = 32 * 86_400_000

interface TakenRates {
  readonly before: readonly RateState[]
  readonly after: readonly RateState[]
}

interface Sums {
  readonly spent: bigint
  readonly reserved: bigint
  readonly overrun: bigint
}

export class SqliteBudgetStore implements BudgetStore {
  readonly #database: DatabaseSync
  readonly #limits: SqliteLimitStore
  readonly #statements = new Map<string, StatementSync>()
  /** Refusals that have fired already, so that a caller who insists does not write a row each time. */
  readonly #refusalsTold = new Set<string>()
  #tidiedMs = 0

  constructor(database: DatabaseSync, limits: SqliteLimitStore) {
    this.#database = database
    this.#limits = limits
  }

  putBudget(input: BudgetInput, source: LimitSource = 'config'): void {
    this.#limits.putBudget(input, source)
  }

  reserve(input: ReserveInput): ReserveResult {
    const { requestId, largest, nowMs } = input
    if (largest.nanos < 0n || largest.tokens < 0n)
      throw new StoreError(
        'STORE_BAD_ROW',
        `A reservation of ${largest.nanos} nanos, ${largest.tokens} tokens is negative.`,
      )
    try {
      return inTransaction(this.#database, () => {
        if (this.#all('SELECT 1 FROM reservations WHERE request_id = ? LIMIT 1', [requestId]).length > 0)
          throw new StoreError('STORE_BAD_ROW', `Request "${requestId}" has reserved before.`)
        const rates = this.#takeRates(input)
        for (const ref of distinct(input.budgets)) this.#reserveOne(ref, input, rates)
        return { kind: 'reserved', rates: rates.after }
      })
    } catch (error) {
      // What the request's other limits gave has been undone.
      if (!(error instanceof StoreError) || !(error.cause instanceof NoRoom)) throw error
      const { result } = error.cause
      if (result.kind === 'refused' && result.budget.alerts.length > 0) this.#tellRefusal(result.budget, nowMs)
      return result
    }
  }

  #reserveOne(ref: CounterRef, input: ReserveInput, rates: TakenRates): void {
    const { nowMs, currency, largest } = input
    const fields = this.#budgetFields(ref.id)
    if (fields === null) throw new StoreError('STORE_BAD_ROW', `There is no budget "${ref.id}".`)
    const budget = toBudget(fields)
    if (budget.currency !== null && budget.currency !== currency)
      throw new StoreError('STORE_BAD_ROW', `Budget "${ref.id}" counts ${budget.currency}, not ${currency}.`)
    const needed = amountOf(budget, largest.nanos, largest.tokens)
    const { startMs, sinceMs } = periodOf(budget, nowMs)
    const { spent, reserved } = this.#sums(ref, sinceMs, lastStartMs(budget, startMs))
    if (spent + reserved + needed > budget.limit) {
      const state = this.#state(fields, ref.subject, nowMs)
      const available = budget.limit - spent - reserved
      throw new NoRoom({
        kind: 'refused',
        budget: state,
        available: available > 0n ? available : 0n,
        needed,
        freeAtMs: this.#freeAtMs(state, needed, nowMs),
        rates: rates.before,
      })
    }
    this.#run(
      `INSERT INTO budget_counters VALUES (?1, ?2, ?3, 0, ?4, 0)
       ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved`,
      [ref.id, ref.subject, startMs, needed],
    )
    this.#run(`INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, 'open')`, [
      input.requestId,
      ref.id,
      ref.subject,
      startMs,
      needed,
      Math.round(input.expiresAtMs),
      input.owner,
    ])
  }

  settle(input: SettleInput): SettleResult {
    const { requestId, nanos, tokens, nowMs } = input
    if ((nanos !== null && nanos < 0n) || (tokens !== null && tokens < 0n))
      throw new StoreError('STORE_BAD_ROW', `Request "${requestId}" cannot come to ${nanos} nanos, ${tokens} tokens.`)
    return inTransaction(this.#database, () => {
      this.#correctRates(input)
      const held = this.#all('SELECT * FROM reservations WHERE request_id = ?', [requestId])
      if (held.length === 0) return 'unknown'
      let settled = 0
      let settledLate = 0
      for (const fields of held) {
        if (fields['state'] === 'settled') continue
        const ref = { id: String(fields['budget_id']), subject: String(fields['subject']) }
        const budgetFields = this.#budgetFields(ref.id)
        const amount = asBigInt(fields['amount'])
        const actual = (budgetFields && actualOf(toBudget(budgetFields), nanos, tokens)) ?? amount
        const late = fields['state'] === 'expired'
        const overrun = late ? actual : actual > amount ? actual - amount : 0n
        // The counter of something given back long ago may have been tidied away.
        this.#run(
          `INSERT INTO budget_counters VALUES (?1, ?2, ?3, ?4, 0, ?5)
           ON CONFLICT DO UPDATE SET spent = spent + ?4, reserved = reserved - ?6, overrun = overrun + ?5`,
          [ref.id, ref.subject, asBigInt(fields['start_ms']), actual, overrun, late ? 0n : amount],
        )
        this.#run(
          `UPDATE reservations SET state = 'settled', expires_at_ms = ?
           WHERE request_id = ? AND budget_id = ? AND subject = ?`,
          [Math.round(nowMs), requestId, ref.id, ref.subject],
        )
        if (budgetFields !== null && budgetFields['alerts'] !== '[]')
          this.#fireThresholds(
            this.#state(budgetFields, ref.subject, Number(asBigInt(fields['start_ms'])), nowMs),
            nowMs,
          )
        settled += 1
        if (late) settledLate += 1
      }
      if (settledLate > 0) return 'settled-late'
      return settled > 0 ? 'settled' : 'already-settled'
    })
  }

  expire(nowMs: number): number {
    const due = (): readonly Fields[] =>
      this.#all(`SELECT * FROM reservations WHERE state = 'open' AND expires_at_ms <= ?`, [Math.round(nowMs)])
    const untidy = Math.abs(nowMs - this.#tidiedMs) >= tidyEveryMs
    // Asked every few seconds, and mostly for nothing: then nobody's writing is held up.
    if (!untidy && due().length === 0) return 0
    return inTransaction(this.#database, () => {
      const expired = due()
      for (const fields of expired) this.#giveBack(fields)
      if (untidy) this.#tidy(nowMs)
      this.#tidiedMs = nowMs
      return expired.length
    })
  }

  /** Gives back at once what these requests hold. A request that settles after all still counts. */
  abandon(requestIds: readonly string[]): number {
    return inTransaction(this.#database, () => {
      let given = 0
      for (const requestId of requestIds)
        for (const fields of this.#all(`SELECT * FROM reservations WHERE request_id = ? AND state = 'open'`, [
          requestId,
        ])) {
          this.#giveBack(fields)
          given += 1
        }
      return given
    })
  }

  /** Requests that hold something, and the process that does: after a crash, those that never settled. */
  openReservations(): readonly { readonly requestId: string; readonly owner: string; readonly expiresAtMs: number }[] {
    return this.#all(
      `SELECT request_id, owner, max(expires_at_ms) AS expires_at_ms FROM reservations WHERE state = 'open'
       GROUP BY request_id, owner`,
      [],
    ).map((fields) => ({
      requestId: String(fields['request_id']),
      owner: String(fields['owner']),
      expiresAtMs: Number(fields['expires_at_ms']),
    }))
  }

  /** Requests whose reservation was given back and that never settled. */
  givenBack(): readonly string[] {
    return this.#all(
      `SELECT DISTINCT request_id FROM reservations WHERE state <> 'open' AND state = 'expired'`,
      [],
    ).map((fields) => String(fields['request_id']))
  }

  budgetAt(id: string, nowMs: number, subject = ''): BudgetState | null {
    const fields = this.#budgetFields(id)
    return fields === null ? null : this.#state(fields, subject, nowMs)
  }

  listBudgets(nowMs: number): readonly BudgetState[] {
    return this.#all('SELECT * FROM budgets WHERE retired = 0 ORDER BY id', []).flatMap((fields) => {
      const budget = toBudget(fields)
      if (budget.scope.each === null) return [this.#state(fields, '', nowMs)]
      const { startMs, sinceMs } = periodOf(budget, nowMs)
      const subjects = this.#all(
        `SELECT DISTINCT subject FROM budget_counters
         WHERE budget_id = ? AND start_ms BETWEEN ? AND ? AND subject <> '' ORDER BY subject`,
        [budget.id, sinceMs, lastStartMs(budget, startMs)],
      ).map((row) => String(row['subject']))
      return (subjects.length === 0 ? [''] : subjects).map((subject) => this.#state(fields, subject, nowMs))
    })
  }

  /** Where a rate limit stands; null when there is none of that name. */
  rateAt(ref: CounterRef, nowMs: number): RateState | null {
    const limit = this.#rate(ref.id)
    return limit === null ? null : rateState(limit, ref.subject, leaked(this.#level(ref), limit, nowMs))
  }

  // ---------------------------------------------------------------------------------- rate limits

  /** States before and after; a refusal undoes everything, so it tells those before. */
  #takeRates({ rates, rateTokens, nowMs }: ReserveInput): TakenRates {
    const before: RateState[] = []
    const after: RateState[] = []
    let latest: { readonly limit: RateState; readonly retryAfterMs: number } | null = null
    for (const ref of distinct(rates)) {
      const limit = this.#rate(ref.id)
      // Taken away between the look at the key and now.
      if (limit === null) continue
      const level = leaked(this.#level(ref), limit, nowMs)
      const decision = takeRate(level, limit, limit.unit === 'requests' ? 1 : rateTokens, nowMs)
      before.push(rateState(limit, ref.subject, level))
      after.push(rateState(limit, ref.subject, decision.after))
      if (decision.kind === 'taken') this.#putLevel(ref, decision.after)
      else if (latest === null || decision.retryAfterMs > latest.retryAfterMs)
        latest = { limit: before.at(-1)!, retryAfterMs: decision.retryAfterMs }
    }
    if (latest !== null) throw new NoRoom({ kind: 'limited', ...latest, rates: before })
    return { before, after }
  }

  #correctRates({ rates, rateTokens, tokens, nowMs }: SettleInput): void {
    if (tokens === null) return
    for (const ref of distinct(rates)) {
      const limit = this.#rate(ref.id)
      if (limit === null || limit.unit !== 'tokens') continue
      this.#putLevel(ref, correctRate(this.#level(ref), limit, rateTokens, Number(tokens), nowMs))
    }
  }

  #rate(id: string): RateLimitInput | null {
    const [fields] = this.#all('SELECT * FROM rate_limits WHERE id = ?', [id])
    return fields === undefined ? null : toRate(fields)
  }

  #level({ id, subject }: CounterRef): RateLevel | null {
    const [fields] = this.#all('SELECT level, at_ms FROM rate_counters WHERE limit_id = ? AND subject = ?', [
      id,
      subject,
    ])
    return fields === undefined ? null : { level: Number(fields['level']), atMs: Number(fields['at_ms']) }
  }

  #putLevel({ id, subject }: CounterRef, { level, atMs }: RateLevel): void {
    this.#run(
      `INSERT INTO rate_counters VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET level = excluded.level, at_ms = excluded.at_ms`,
      [id, subject, BigInt(level), Math.round(atMs)],
    )
  }

  // --------------------------------------------------------------------------------------- alerts

  #fireThresholds(state: BudgetState, nowMs: number): void {
    for (const percent of state.alerts)
      if (state.spent * 100n >= state.limit * BigInt(percent))
        fireAlert(this.#database, state, `threshold-${percent}`, nowMs)
  }

  #tellRefusal(state: BudgetState, nowMs: number): void {
    const event: AlertEvent = 'refused'
    const told = `${state.id}\0${state.subject}\0${state.periodStartMs}`
    if (this.#refusalsTold.has(told)) return
    if (this.#refusalsTold.size > 10_000) this.#refusalsTold.clear()
    inTransaction(this.#database, () => fireAlert(this.#database, state, event, nowMs))
    this.#refusalsTold.add(told)
  }

  // --------------------------------------------------------------------------------------- states

  /** @param nowMs where `atMs` is an instant of the period that is asked for. */
  #state(fields: Fields, subject: string, atMs: number, nowMs = atMs): BudgetState {
    const budget = toBudget(fields)
    const { startMs, sinceMs, endMs } = periodOf(budget, budget.period === 'rolling' ? nowMs : atMs)
    const ref = { id: budget.id, subject }
    return {
      ...budget,
      source: sourceOf(fields['source']),
      subject,
      periodStartMs: budget.period === 'rolling' ? sinceMs : startMs,
      resetsAtMs: budget.period === 'rolling' ? this.#oldestFreeAtMs(budget, ref, sinceMs) : endMs,
      ...this.#sums(ref, sinceMs, lastStartMs(budget, startMs)),
    }
  }

  #oldestFreeAtMs({ windowMs }: BudgetInput, { id, subject }: CounterRef, sinceMs: number): number | null {
    const [fields] = this.#all(
      `SELECT min(start_ms) AS start_ms FROM budget_counters
       WHERE budget_id = ? AND subject = ? AND start_ms >= ? AND spent + reserved > 0`,
      [id, subject, sinceMs],
    )
    const startMs = fields?.['start_ms']
    return typeof startMs === 'bigint' ? slotFreeAtMs(Number(startMs), windowMs ?? 0) : null
  }

  /** When `needed` fits if nothing else is spent; null: never. Calendar periods: their end. */
  #freeAtMs(state: BudgetState, needed: bigint, nowMs: number): number | null {
    if (needed > state.limit) return null
    if (state.period !== 'rolling') return state.resetsAtMs
    let free = state.limit - state.spent - state.reserved
    for (const fields of this.#all(
      `SELECT start_ms, spent + reserved AS held FROM budget_counters
       WHERE budget_id = ? AND subject = ? AND start_ms >= ? ORDER BY start_ms`,
      [state.id, state.subject, periodOf(state, nowMs).sinceMs],
    )) {
      free += asBigInt(fields['held'])
      if (free >= needed) return slotFreeAtMs(Number(fields['start_ms']), state.windowMs ?? 0)
    }
    return null
  }

  #sums({ id, subject }: CounterRef, sinceMs: number, untilMs: number): Sums {
    const [fields] = this.#all(
      `SELECT sum(spent) AS spent, sum(reserved) AS reserved, sum(overrun) AS overrun FROM budget_counters
       WHERE budget_id = ? AND subject = ? AND start_ms BETWEEN ? AND ?`,
      [id, subject, sinceMs, untilMs],
    )
    return {
      spent: asBigInt(fields?.['spent']),
      reserved: asBigInt(fields?.['reserved']),
      overrun: asBigInt(fields?.['overrun']),
    }
  }

  #budgetFields(id: string): Fields | null {
    return this.#all('SELECT * FROM budgets WHERE id = ?', [id])[0] ?? null
  }

  #giveBack(fields: Fields): void {
    const ref = [String(fields['budget_id']), String(fields['subject'])]
    this.#run(
      'UPDATE budget_counters SET reserved = reserved - ? WHERE budget_id = ? AND subject = ? AND start_ms = ?',
      [asBigInt(fields['amount']), ...ref, asBigInt(fields['start_ms'])],
    )
    this.#run(`UPDATE reservations SET state = 'expired' WHERE request_id = ? AND budget_id = ? AND subject = ?`, [
      String(fields['request_id']),
      ...ref,
    ])
  }

  #tidy(nowMs: number): void {
    const forgottenMs = Math.round(nowMs - rememberedMs)
    // The first condition is that of the index.
    const closed = `DELETE FROM reservations WHERE state <> 'open' AND`
    this.#run(`${closed} expires_at_ms <= ?`, [forgottenMs])
    this.#run(`${closed} state = 'settled' AND expires_at_ms <= ?`, [Math.round(nowMs - settledMs)])
    // Slots that left their window long ago, and names that never spent anything.
    this.#run(
      `DELETE FROM budget_counters WHERE reserved = 0 AND start_ms < ?1 AND (spent + overrun = 0 OR EXISTS (
         SELECT 1 FROM budgets WHERE id = budget_id AND period = 'rolling' AND start_ms + 2 * window_ms < ?1))`,
      [forgottenMs],
    )
    this.#run('DELETE FROM rate_counters WHERE at_ms < ?', [Math.round(nowMs - rateMemoryMs)])
  }

  #run(sql: string, bound: readonly SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...bound).changes)
  }

  #all(sql: string, bound: readonly SQLInputValue[]): readonly Fields[] {
    try {
      return this.#prepared(sql).all(...bound)
    } catch (error) {
      throw toStoreError(error, 'reading budgets')
    }
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      statement.setReadBigInts(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

/** Leaves the transaction with an answer, undoing what it did. */
class NoRoom extends Error {
  readonly result: Exclude<ReserveResult, { readonly kind: 'reserved' }>

  constructor(result: Exclude<ReserveResult, { readonly kind: 'reserved' }>) {
    super('no room')
    this.result = result
  }
}

/** A clock that was ahead may have filled slots to come; those within a window of now count. */
function lastStartMs(budget: BudgetInput, startMs: number): number {
  return budget.period === 'rolling' ? startMs + (budget.windowMs ?? 0) : startMs
}

function amountOf({ unit }: BudgetInput, nanos: bigint, tokens: bigint): bigint {
  return unit === 'money' ? nanos : unit === 'tokens' ? tokens : 1n
}

/** Null: not known. */
function actualOf({ unit }: BudgetInput, nanos: bigint | null, tokens: bigint | null): bigint | null {
  return unit === 'money' ? nanos : unit === 'tokens' ? tokens : 1n
}

function distinct(refs: readonly CounterRef[]): readonly CounterRef[] {
  if (refs.length < 2) return refs
  return [...new Map(refs.map((ref) => [`${ref.id}\0${ref.subject}`, ref])).values()]
}

function asBigInt(value: unknown): bigint {
  return typeof value === 'bigint' ? value : 0n
}
