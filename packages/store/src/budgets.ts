/**
 * The port of budgets: reserve an upper bound before a request, settle the truth after it (law 5).
 *
 *   reserve   spent + reserved + amount <= limit, checked and taken in one step, for all of a request's
 *             budgets or for none
 *   settle    the reservation is given back and the actual cost is spent; a request settles once
 *   expire    a reservation whose request never came back (a crash) is given back; if the request settles
 *             after all, its cost still counts
 *
 * Spent can pass the limit only by what requests cost beyond their own reservation, or by settling after
 * expiry; both are counted (`overrunNanos`). Amounts are nanos of the budget's currency. A period belongs to
 * the instant a request started; what started in May is May's.
 */

export type BudgetPeriod = 'day' | 'month' | 'total'

export interface BudgetInput {
  readonly id: string
  /** For people: what a refused caller is told. */
  readonly name: string
  readonly currency: string
  readonly limitNanos: bigint
  /** Calendar days and months in UTC. */
  readonly period: BudgetPeriod
}

export interface BudgetState extends BudgetInput {
  readonly periodStartMs: number
  /** When the period ends; null for `total`. */
  readonly resetsAtMs: number | null
  readonly spentNanos: bigint
  readonly reservedNanos: bigint
  /** How much requests cost beyond what they had reserved, in this period. */
  readonly overrunNanos: bigint
}

export interface ReserveInput {
  readonly requestId: string
  readonly budgetIds: readonly string[]
  /** An upper bound of the cost: the largest bill the request can come to. */
  readonly amountNanos: bigint
  readonly currency: string
  readonly nowMs: number
  /** After this instant the reservation may be given back. */
  readonly expiresAtMs: number
}

export type ReserveResult =
  | { readonly kind: 'reserved' }
  /** The first budget without room; nothing was reserved anywhere. */
  | { readonly kind: 'refused'; readonly budget: BudgetState; readonly availableNanos: bigint }

export type SettleResult = 'settled' | 'settled-late' | 'already-settled' | 'unknown'

export interface BudgetStore {
  /** Creates a budget or changes its name and limit; currency and period stay as they were made. */
  putBudget(input: BudgetInput): void | Promise<void>
  /** @throws {StoreError} STORE_BAD_ROW for an unknown budget, another currency or a negative amount. */
  reserve(input: ReserveInput): ReserveResult | Promise<ReserveResult>
  /** `actualNanos` null: the cost is not known (unpriced or cut); the reserved amount is taken as spent. */
  settle(requestId: string, actualNanos: bigint | null, nowMs: number): SettleResult | Promise<SettleResult>
  /** Gives back what is past its time. Returns how many reservations. */
  expire(nowMs: number): number | Promise<number>
  budgetAt(id: string, nowMs: number): BudgetState | null | Promise<BudgetState | null>
  listBudgets(nowMs: number): readonly BudgetState[] | Promise<readonly BudgetState[]>
}

/** The period of an instant, half-open, in UTC. */
export function periodOf(
  period: BudgetPeriod,
  atMs: number,
): { readonly startMs: number; readonly endMs: number | null } {
  const date = new Date(atMs)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  if (period === 'day') return { startMs: Date.UTC(year, month, day), endMs: Date.UTC(year, month, day + 1) }
  if (period === 'month') return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) }
  return { startMs: 0, endMs: null }
}
