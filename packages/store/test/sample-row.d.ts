/** A complete ledger row; a test states only what it is about. */
import type { LedgerRow } from '@portolan/store'
export declare const startOfHourMs: number
export declare function sampleRow(requestId: string, changes?: Partial<LedgerRow>): LedgerRow
