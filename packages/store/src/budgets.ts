/**
 * The port of budgets: reserve an upper bound before a request, settle the truth after it (law 5).
 *
 *   reserve   spent + reserved + amount <= limit, checked and taken in one step, for all of a request's
 *             budgets and rate limits or for none
 *   settle    the reservation is given back and what it came to is spent; a request settles once
 *   expire    a reservation whose request never came back (a crash) is given back; if the request settles
 *             after all, its cost still counts
 *
 * Spent can pass the limit only by what requests cost beyond their own reservation, or by settling after
 * expiry; both are counted (`overrun`). Amounts are nanos of the budget's currency, tokens or requests. A period
 * belongs to the instant a request started; what started in May is May's.
 *
 * A rolling window is counted in slots of 1/60 of its length. What a request took is given back between one window
 * and one window and a slot after it started, never earlier: in no window of that length is more spent than the
 * limit, and a caller waits at most a slot longer than the sharpest count would have it.
 */
import type { CounterRef, LimitScope, LimitSource } from './limits.ts'
import type { RateState } from './limits-gcra.ts'

export type BudgetUnit = 'money' | 'tokens' | 'requests'

/** Calendar days and months in UTC; `rolling`: the last `windowMs`. */
export type BudgetPeriod = 'day' | 'month' | 'total' | 'rolling'

export interface BudgetInput {
  /** For people too: what a refused caller is told. */
  readonly id: string
  readonly unit: BudgetUnit
  /** Of money; null for the others. */
  readonly currency: string | null
  /** In nanos, tokens or requests. */
  readonly limit: bigint
  readonly period: BudgetPeriod
  /** For `rolling`, else null. */
  readonly windowMs: number | null
  readonly scope: LimitScope
  /** Per cent of the limit at which an alert fires, once a period; ascending. */
  readonly alerts: readonly number[]
}

export interface BudgetState extends BudgetInput {
  readonly source: LimitSource
  /** Whose counter this is; '' where the budget has one for all. */
  readonly subject: string
  readonly periodStartMs: number
  /** When the period ends; for `rolling`, when the oldest slot with anything in it falls out; null for `total`. */
  readonly resetsAtMs: number | null
  readonly spent: bigint
  readonly reserved: bigint
  /** How much requests came to beyond what they had reserved, in this period. */
  readonly overrun: bigint
}

/** What a request may come to, or came to. Every request is one request. */
export interface RequestAmounts {
  readonly nanos: bigint
  readonly tokens: bigint
}

export interface ReserveInput {
  readonly requestId: string
  readonly budgets: readonly CounterRef[]
  readonly rates: readonly CounterRef[]
  /** Upper bounds: the largest bill and the most tokens that the request can come to. */
  readonly largest: RequestAmounts
  /** Taken from token rates now and corrected by `settle`; an estimate is enough there. */
  readonly rateTokens: number
  readonly currency: string
  readonly nowMs: number
  /** After this instant the reservation may be given back. */
  readonly expiresAtMs: number
  /** Names the process, so that what it leaves behind can be found. */
  readonly owner: string
}

export type ReserveResult =
  /** `rates`: every rate limit of the request, after it. */
  | { readonly kind: 'reserved'; readonly rates: readonly RateState[] }
  /** The first budget without room; nothing was taken anywhere. `freeAtMs`: when it would fit, null if never. */
  | {
      readonly kind: 'refused'
      readonly budget: BudgetState
      readonly available: bigint
      readonly needed: bigint
      readonly freeAtMs: number | null
      readonly rates: readonly RateState[]
    }
  /** The rate limit that lets it through last; nothing was taken anywhere. */
  | {
      readonly kind: 'limited'
      readonly limit: RateState
      readonly retryAfterMs: number
      readonly rates: readonly RateState[]
    }

export interface SettleInput {
  readonly requestId: string
  /** Null: not known (unpriced or cut); what was reserved is taken as spent. */
  readonly nanos: bigint | null
  readonly tokens: bigint | null
  /** Token rates that were taken from, and how much; empty for a request that is settled after a crash. */
  readonly rates: readonly CounterRef[]
  readonly rateTokens: number
  readonly nowMs: number
}

export type SettleResult = 'settled' | 'settled-late' | 'already-settled' | 'unknown'

export interface BudgetStore {
  /** Creates a budget or changes its limit, scope and alerts; unit, currency and period stay as they were made. */
  putBudget(input: BudgetInput, source?: LimitSource): void | Promise<void>
  /** @throws {StoreError} STORE_BAD_ROW for an unknown budget, another currency or a negative amount. */
  reserve(input: ReserveInput): ReserveResult | Promise<ReserveResult>
  settle(input: SettleInput): SettleResult | Promise<SettleResult>
  /** Gives back what is past its time. Returns how many reservations. */
  expire(nowMs: number): number | Promise<number>
  /** `subject` '' unless the budget counts each apart. */
  budgetAt(id: string, nowMs: number, subject?: string): BudgetState | null | Promise<BudgetState | null>
  /** One state for each counter that has been used in the period; an unused budget gives one with nothing spent. */
  listBudgets(nowMs: number): readonly BudgetState[] | Promise<readonly BudgetState[]>
}

/** Slots of a rolling window. */
const slotsPerWindow = 60

export function slotMsOf(windowMs: number): number {
  return Math.max(1, Math.ceil(windowMs / slotsPerWindow))
}

/** Where an instant is counted: the period's start (or the slot's), and the earliest start that still counts. */
export function periodOf(
  { period, windowMs }: Pick<BudgetInput, 'period' | 'windowMs'>,
  atMs: number,
): { readonly startMs: number; readonly sinceMs: number; readonly endMs: number | null } {
  if (period === 'rolling') {
    const window = windowMs ?? 0
    const slotMs = slotMsOf(window)
    // A slot counts until its last millisecond is a window old.
    return {
      startMs: Math.floor(atMs / slotMs) * slotMs,
      sinceMs: Math.floor((atMs - window) / slotMs) * slotMs,
      endMs: null,
    }
  }
  if (period === 'total') return { startMs: 0, sinceMs: 0, endMs: null }
  const date = new Date(atMs)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const startMs = period === 'day' ? Date.UTC(year, month, day) : Date.UTC(year, month, 1)
  const endMs = period === 'day' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1)
  return { startMs, sinceMs: startMs, endMs }
}

/** When a slot's content falls out of its window. */
export function slotFreeAtMs(startMs: number, windowMs: number): number {
  return startMs + slotMsOf(windowMs) + windowMs
}

/** `day`, `month`, `total`, `5h`: as people write it. */
export function periodName({ period, windowMs }: Pick<BudgetInput, 'period' | 'windowMs'>): string {
  return period === 'rolling' && windowMs !== null ? durationName(windowMs) : period
}

const units: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]

/** The shortest way to write a duration in whole units: `7d`, `90m`. */
export function durationName(ms: number): string {
  for (const [unit, length] of units) if (ms % length === 0) return `${ms / length}${unit}`
  return `${ms}ms`
}
