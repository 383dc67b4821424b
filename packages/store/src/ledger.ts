/**
 * The port of the request ledger: one row per request, appended once, and rollups that never lag behind.
 *
 * An adapter commits a batch of rows and their rollups in one transaction and ignores a request id that is
 * already there, so that a batch may be sent again after a crash. Rows are never changed; corrections are
 * entries of their own (`corrections.ts`). Charts read rollups only, never the rows.
 */
import { costTiers, type CostTier, type UsageRecord } from '@portolan/meter'
import type { Protocol } from '@portolan/wire'
import type { Correction, CorrectionInput } from './corrections.ts'

/**
 * `ok` answered; `error` the upstream or we failed; `aborted` the caller left; `refused` never sent upstream
 * (key, budget, limit, bad request); `cut` the upstream broke off in the middle of an answer.
 */
export type RequestStatus = 'ok' | 'error' | 'aborted' | 'refused' | 'cut'

export const requestStatuses: readonly RequestStatus[] = ['ok', 'error', 'aborted', 'refused', 'cut']

export interface LedgerRow {
  readonly requestId: string
  /** Null: the request carried no key that we know. */
  readonly keyId: string | null
  /** Who pays: the team of the key at the time of the request. Null: none. */
  readonly team: string | null
  /** What the caller filed the request under; see `boundedTag`. */
  readonly tag: string | null
  readonly sessionId: string | null
  /** The protocol the caller spoke; null for paths outside the three doors. */
  readonly door: Protocol | null
  readonly path: string
  /** Name of the upstream in the configuration; null when none was reached. */
  readonly upstream: string | null
  readonly upstreamProtocol: Protocol | null
  readonly modelAsked: string | null
  readonly modelSent: string | null
  /** As the upstream says. */
  readonly modelServed: string | null
  readonly upstreamRequestId: string | null
  readonly stream: boolean
  readonly status: RequestStatus
  /** What the caller received; null when the caller left before any. */
  readonly httpStatus: number | null
  readonly errorCode: string | null
  readonly usage: UsageRecord
  /** ISO 4217; null when nothing was priced. */
  readonly currency: string | null
  /** Null: unpriced, see `unpricedReason`. */
  readonly costNanos: bigint | null
  /** Per tier, adding up to `costNanos` when that is known. */
  readonly tierNanos: Readonly<Record<CostTier, bigint | null>> | null
  readonly priceVersion: string | null
  readonly unpricedReason: string | null
  /** Unix ms. */
  readonly startedAtMs: number
  /** The four clocks count from the start; null: did not happen. */
  readonly firstByteMs: number | null
  readonly firstReasoningMs: number | null
  readonly firstTextMs: number | null
  readonly endMs: number | null
  readonly bytesIn: number
  readonly bytesOut: number
  /** How much of the session's previous upstream prompt this one kept; null for a first turn. */
  readonly prefixKeptBytes: number | null
  readonly prefixTotalBytes: number | null
  readonly prefixBreakCause: string | null
  /** The translation header's text. */
  readonly translation: string | null
  /** Upstream calls made for this request. */
  readonly attempts: number
  readonly tags: Readonly<Record<string, string>>
}

export interface AppendResult {
  readonly inserted: number
  /** Request ids that were already in the ledger; their rows were left as they are. */
  readonly ignored: number
}

export const usageGroups = ['model', 'key', 'team', 'tag', 'upstream', 'status', 'month', 'day', 'hour'] as const

export type UsageGroup = (typeof usageGroups)[number]

export interface UsageQuery {
  /** Inclusive, Unix ms; rounded down to the hour, since rollups are hourly. */
  readonly fromMs?: number
  /** Exclusive, Unix ms; rounded up to the hour. */
  readonly untilMs?: number
  /** Days and months are those of UTC. Empty: one line per currency. */
  readonly groupBy: readonly UsageGroup[]
  readonly keyId?: string
  readonly team?: string
  readonly tag?: string
  readonly model?: string
  readonly upstream?: string
  readonly status?: RequestStatus
}

/**
 * Sums of one group; currencies are never added together. Token sums cover the requests whose count is
 * known; `requestsWithoutUsage` and `requestsUnpriced` say how many are missing from them.
 */
export interface UsageLine {
  readonly group: Readonly<Partial<Record<UsageGroup, string | null>>>
  /** Null: the unpriced requests that never reached a price list. */
  readonly currency: string | null
  readonly requests: number
  readonly requestsUnpriced: number
  readonly requestsWithoutUsage: number
  /** Requests whose counts are our estimate, and what they cost; in the other sums as well. */
  readonly requestsEstimated: number
  readonly estimatedNanos: bigint
  readonly inputTokens: number
  readonly hitTokens: number
  readonly missTokens: number
  readonly writtenTokens: number
  readonly written1hTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costNanos: bigint
  readonly tierNanos: Readonly<Record<CostTier, bigint>>
}

export interface Ledger {
  /**
   * Commits rows and their rollups together, all or nothing.
   *
   * @throws {StoreError} nothing was written.
   */
  append(rows: readonly LedgerRow[]): AppendResult | Promise<AppendResult>
  /**
   * Commits corrections and what they change in the rollups together, all or nothing; an id that is already there
   * is ignored. Later corrections of a row replace earlier ones.
   *
   * @throws {StoreError} STORE_NO_ROW when a row is not there (or only in an archive); nothing was written.
   */
  correct(corrections: readonly CorrectionInput[]): AppendResult | Promise<AppendResult>
  /** Oldest first. */
  corrections(requestId: string): readonly Correction[] | Promise<readonly Correction[]>
  usage(query: UsageQuery): readonly UsageLine[] | Promise<readonly UsageLine[]>
  /** The newest rows, newest first. */
  recent(limit: number, filter?: { readonly keyId?: string }): readonly LedgerRow[] | Promise<readonly LedgerRow[]>
  /** As it was appended; `correctedRow` says what stands now. */
  find(requestId: string): LedgerRow | null | Promise<LedgerRow | null>
}

/**
 * More tokens than any model's window, prompt and answer together: such a report is a fault of its source. The row
 * keeps it as evidence; sums and bills leave it out, and count the request as one without usage.
 */
export const mostPlausibleTokens = 20_000_000

const longestTag = 64

/**
 * A caller's tag as the ledger files it: one word of letters, digits and `. _ : / -`, at most 64 long; null when it is
 * none. How many different tags a key may have is the ledger's rule: past it they are filed under `otherTag`.
 */
export function boundedTag(text: string | undefined): string | null {
  return text !== undefined && text.length <= longestTag && /^[\w.:/-]+$/.test(text) ? text : null
}

export const otherTag = '(other)'

const longestRequestId = 128
const largestInteger = 2n ** 63n - 1n

/** What keeps a row out of any ledger; null when it can be stored. Odd counts do not: they are stored as unknown. */
export function rowProblem(row: LedgerRow): string | null {
  if (row.requestId.length === 0 || row.requestId.length > longestRequestId)
    return `requestId has ${row.requestId.length} characters; 1 to ${longestRequestId} are allowed.`
  if (!Number.isSafeInteger(Math.round(row.startedAtMs))) return `startedAtMs is ${row.startedAtMs}.`
  return amountProblem(row)
}

/** Amounts must fit the engines' integers, and have a currency. */
export function amountProblem({
  costNanos,
  tierNanos,
  currency,
}: Pick<LedgerRow, 'costNanos' | 'tierNanos' | 'currency'>): string | null {
  if (!fits(costNanos)) return `An amount of ${costNanos} nanos does not fit 64 bits.`
  if (tierNanos !== null)
    for (const tier of costTiers)
      if (!fits(tierNanos[tier])) return `An amount of ${tierNanos[tier]} nanos does not fit 64 bits.`
  if (costNanos !== null && currency === null) return 'costNanos has no currency.'
  return null
}

function fits(nanos: bigint | null): boolean {
  return nanos === null || (nanos <= largestInteger && nanos >= -largestInteger)
}
