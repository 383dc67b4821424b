/**
 * One dated price of one model in one currency, and what its status means.
 */
import type { PeakSchedule } from './calendar.ts'
import type { Decimal } from './decimal.ts'

/** Currency units per 1,000,000 tokens. null: the vendor lists no such price. */
export interface Rates {
  readonly input: Decimal | null
  readonly output: Decimal | null
  readonly cacheRead: Decimal | null
  /** Null where the vendor lists no write price: its writes are billed as plain input. */
  readonly cacheWrite5m: Decimal | null
  readonly cacheWrite1h: Decimal | null
  /** Null: reasoning tokens are billed as the output that they are part of. */
  readonly reasoning: Decimal | null
}

export type PriceStatus =
  | 'list'
  | 'promo'
  | 'promo_then_list'
  /** Said for a day to come, and charged from it unless a later record says otherwise. */
  | 'announced'
  | 'list_suspended_by_promo'
  | 'announced_withdrawn'

/** Statuses that somebody was charged. The others are kept for forecasts of their time and for the record. */
export const chargedStatuses: ReadonlySet<PriceStatus> = new Set<PriceStatus>([
  'list',
  'promo',
  'promo_then_list',
  'announced',
])

/** What a tier prices once the prompt is past its threshold: the whole request, or only the prompt tokens above. */
export type ContextTierApplies = 'whole' | 'above'

export interface ContextTier {
  /** Applies when the whole prompt (hits and writes included) is larger than this. */
  readonly promptTokensAbove: number
  readonly rates: Rates
}

export interface PriceRecord {
  readonly id: string
  readonly vendor: string
  readonly model: string
  readonly aliases: readonly string[]
  readonly currency: string
  /** Inclusive, Unix ms. */
  readonly fromMs: number
  /** Exclusive, Unix ms; null: open. */
  readonly untilMs: number | null
  /** When it became known; the start where the file does not say. */
  readonly announcedMs: number
  /** The end that the announcement named, where another one came; null: the end came as said, or none was said. */
  readonly announcedUntilMs: number | null
  /** When the end became known; null: with the successor's announcement. */
  readonly endAnnouncedMs: number | null
  /** Taken back at this instant, before anybody was charged; null: never, or not known when. */
  readonly withdrawnMs: number | null
  readonly status: PriceStatus
  /** A promotion that is this factor of the list in force; null: the record has rates of its own. */
  readonly baseFactor: Decimal | null
  /** The list that the factor was applied to; null: none. */
  readonly baseId: string | null
  readonly rates: Rates
  readonly peakRates: Rates | null
  readonly schedule: PeakSchedule | null
  /** Largest threshold first. */
  readonly tiers: readonly ContextTier[]
  readonly tierApplies: ContextTierApplies
  /** Factor on every token rate, by name; factors of several names multiply. */
  readonly modifiers: ReadonlyMap<string, Decimal>
  readonly confidence: string
  readonly sources: readonly string[]
  readonly note: string | null
  /** 12 hex digits over the record's and its schedule's content. */
  readonly hash: string
}

/** `2026-05-22T00:00:00.000Z`, or the number itself where no calendar reaches. */
export function isoInstant(atMs: number): string {
  return Math.abs(atMs) <= 8.64e15 ? new Date(atMs).toISOString() : String(atMs)
}
