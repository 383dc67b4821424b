/**
 * The hash chain over batches: nobody changes, drops or slips in an entry without every later hash saying so.
 *
 *   hash(n) = SHA-256( hash(n-1) LF batch LF firstSeq LF committedAtMs LF digest(firstSeq) digest(firstSeq+1) ... )
 *
 * in lower-case hex. The digest of each entry stands beside its body, so that a check names the entry and not only
 * the batch. Cutting off the newest batches leaves a shorter chain that holds: keep a head hash elsewhere
 * (`usage verify` prints it and takes it back) to notice that too.
 */
import { hash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'

export interface ChainHead {
  readonly batch: number
  readonly lastSeq: number
  readonly hash: string
}

export interface BatchEntry {
  readonly digest: string
  readonly startedAtMs: number
}

export class BatchChain {
  readonly #head: StatementSync
  readonly #insert: StatementSync

  constructor(database: DatabaseSync) {
    this.#head = database.prepare('SELECT batch, last_seq, hash FROM ledger_batches ORDER BY batch DESC LIMIT 1')
    this.#insert = database.prepare('INSERT INTO ledger_batches VALUES (?, ?, ?, ?, ?, ?, NULL, ?)')
  }

  /** Read within the transaction: another process may have written since. */
  head(): ChainHead {
    const fields = this.#head.get() ?? {}
    return { batch: Number(fields['batch']), lastSeq: Number(fields['last_seq']), hash: String(fields['hash']) }
  }

  add(head: ChainHead, entries: readonly BatchEntry[], nowMs: number): void {
    let digests = ''
    let earliestMs = Infinity
    let latestMs = -Infinity
    for (const { digest, startedAtMs } of entries) {
      digests += digest
      if (startedAtMs < earliestMs) earliestMs = startedAtMs
      if (startedAtMs > latestMs) latestMs = startedAtMs
    }
    const batch = head.batch + 1
    const firstSeq = head.lastSeq + 1
    const committedAtMs = Math.round(nowMs)
    this.#insert.run(
      batch,
      firstSeq,
      head.lastSeq + entries.length,
      committedAtMs,
      Math.floor(earliestMs),
      Math.ceil(latestMs),
      batchHash(head.hash, batch, firstSeq, committedAtMs, digests),
    )
  }
}

export function batchHash(
  before: string,
  batch: number,
  firstSeq: number,
  committedAtMs: number,
  digests: string,
): string {
  return hash('sha256', `${before}\n${batch}\n${firstSeq}\n${committedAtMs}\n${digests}`)
}
