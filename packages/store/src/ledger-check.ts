/** What a walk over the whole ledger found; see `SqliteLedger.verify`. */

export type LedgerProblemCode =
  /** An entry's text is not the one that was written. */
  | 'entry-changed'
  | 'entry-missing'
  | 'entry-added'
  /** The line of a batch, or the digests of its entries, are not those that were chained. */
  | 'batch-changed'
  | 'batch-missing'
  /** The sums that charts show are not the sums of the entries. */
  | 'sums-differ'
  /** The chain holds no batch with the hash that was noted earlier: its end was cut off or it was made anew. */
  | 'head-unknown'

export interface LedgerProblem {
  readonly code: LedgerProblemCode
  readonly batch: number | null
  readonly seq: number | null
  readonly requestId: string | null
  readonly message: string
}

export interface LedgerCheck {
  /** The first, in order of the chain; null: all is as it was written. */
  readonly problem: LedgerProblem | null
  readonly batches: number
  /** Rows and corrections whose text was read and agreed with its digest. */
  readonly entries: number
  /** Entries that are in archives now: their place in the chain was checked, their text is in the files. */
  readonly archivedEntries: number
  /** Rows from before there was a chain: nothing to check them against. */
  readonly unchainedRows: number
  /** Note it elsewhere: a later check can be asked whether the chain still holds it. */
  readonly head: { readonly batch: number; readonly hash: string }
}
