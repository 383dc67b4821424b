/**
 * Corrections: what is said about a row after it was written.
 *
 * A correction names its row, carries the usage and cost that stand from now on together with what stood before,
 * and says who made it, why, and from which source. Nothing is overwritten: the row stays as it was appended, the
 * rollups of its hour move by the difference, and every later correction starts from the one before it.
 */
import type { CostTier, UsageRecord } from '@portolan/meter'
import { amountProblem, type LedgerRow } from './ledger.ts'

/** The part of a row that a correction may replace. */
export interface Billing {
  readonly usage: UsageRecord
  readonly currency: string | null
  readonly costNanos: bigint | null
  readonly tierNanos: Readonly<Record<CostTier, bigint | null>> | null
  readonly priceVersion: string | null
  readonly unpricedReason: string | null
}

export interface CorrectionInput {
  /** Chosen by the caller, so that the same correction sent twice counts once. */
  readonly correctionId: string
  readonly requestId: string
  readonly madeAtMs: number
  /** A person or a program, by name. */
  readonly actor: string
  readonly reason: string
  /** Where the better numbers come from, e.g. a vendor's bill with its digest. */
  readonly source: string
  readonly after: Billing
}

export interface Correction extends CorrectionInput {
  readonly before: Billing
}

export function billingOf(row: LedgerRow): Billing {
  const { usage, currency, costNanos, tierNanos, priceVersion, unpricedReason } = row
  return { usage, currency, costNanos, tierNanos, priceVersion, unpricedReason }
}

/** The row with its last correction applied. */
export function correctedRow(row: LedgerRow, corrections: readonly Correction[]): LedgerRow {
  const last = corrections.at(-1)
  return last === undefined ? row : { ...row, ...last.after }
}

/** What keeps a correction out of any ledger; null when it can be stored. */
export function correctionProblem(correction: CorrectionInput): string | null {
  for (const field of ['correctionId', 'requestId', 'actor', 'reason', 'source'] as const) {
    const { length } = correction[field].trim()
    if (length === 0 || length > 1024) return `\`${field}\` has ${length} characters; 1 to 1024 are allowed.`
  }
  if (!Number.isSafeInteger(Math.round(correction.madeAtMs))) return `madeAtMs is ${correction.madeAtMs}.`
  return amountProblem(correction.after)
}
