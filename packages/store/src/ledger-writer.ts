/**
 * Group commit: all rows given in one turn of the event loop are committed together.
 *
 * A caller awaits `append` to hold the end of a response until its row is durable. When the ledger fails, the
 * promise rejects at once with the reason, the row stays in the queue and is tried again with growing pauses;
 * counters say how many wait. The queue is bounded: beyond it a row is refused loudly (STORE_QUEUE_FULL), and
 * `hasRoom` lets a door stop accepting work before that.
 */
import { StoreError } from './errors.ts'
import { rowProblem, type Ledger, type LedgerRow } from './ledger.ts'

export interface LedgerWriterOptions {
  /** Rows that may wait, default 20,000 (about 20 MB). */
  readonly maxQueuedRows?: number
  /** Rows a transaction, default 1,000: 3 to 10 ms of one core. */
  readonly maxBatchRows?: number
  /** First pause after a failed commit, doubling up to 5 s. Default 100. */
  readonly retryDelayMs?: number
}

export interface LedgerWriterCounters {
  readonly committedRows: number
  /** Already in the ledger when sent. */
  readonly ignoredRows: number
  readonly commits: number
  readonly failedCommits: number
  /** Waiting now, those of failed commits included. */
  readonly queuedRows: number
  /** Refused because the queue was full or the row could not be stored. The caller was told each time. */
  readonly refusedRows: number
}

interface Waiting {
  readonly row: LedgerRow
  readonly resolve: () => void
  readonly reject: (error: StoreError) => void
}

const longestRetryDelayMs = 5000

export class LedgerWriter {
  readonly #ledger: Ledger
  readonly #maxQueuedRows: number
  readonly #maxBatchRows: number
  readonly #firstRetryDelayMs: number
  readonly #queue: Waiting[] = []
  #retryDelayMs: number
  /** Why the last commit failed; null while all is well. */
  #failure: StoreError | null = null
  #timer: NodeJS.Timeout | null = null
  #scheduled = false
  #running: Promise<void> | null = null
  #closed = false
  #committedRows = 0
  #ignoredRows = 0
  #commits = 0
  #failedCommits = 0
  #refusedRows = 0

  constructor(ledger: Ledger, options: LedgerWriterOptions = {}) {
    this.#ledger = ledger
    this.#maxQueuedRows = options.maxQueuedRows ?? 20_000
    this.#maxBatchRows = options.maxBatchRows ?? 1000
    this.#firstRetryDelayMs = options.retryDelayMs ?? 100
    this.#retryDelayMs = this.#firstRetryDelayMs
  }

  /** Resolves when the row is committed. Rejects with a StoreError; unless it was refused, the row is retried. */
  append(row: LedgerRow): Promise<void> {
    if (this.#closed) return this.#refuse('STORE_CLOSED', 'The ledger writer is closed.')
    const problem = rowProblem(row)
    if (problem !== null) return this.#refuse('STORE_BAD_ROW', `Row "${row.requestId.slice(0, 40)}": ${problem}`)
    if (this.#queue.length >= this.#maxQueuedRows)
      return this.#refuse('STORE_QUEUE_FULL', `${this.#queue.length} rows wait to be written.`)
    const failure = this.#failure
    const written = new Promise<void>((resolve, reject) => {
      // While the ledger fails, waiting for the next try would hold the caller's answer for seconds.
      this.#queue.push({ row, resolve, reject })
      if (failure !== null) reject(failure)
    })
    if (failure === null && !this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#start())
    }
    return written
  }

  /** False when new work should wait: half of the queue is taken. */
  get hasRoom(): boolean {
    return this.#queue.length < this.#maxQueuedRows / 2
  }

  counters(): LedgerWriterCounters {
    return {
      committedRows: this.#committedRows,
      ignoredRows: this.#ignoredRows,
      commits: this.#commits,
      failedCommits: this.#failedCommits,
      queuedRows: this.#queue.length,
      refusedRows: this.#refusedRows,
    }
  }

  /** Tries to write everything that waits, now. @throws {StoreError} when rows are left; they stay queued. */
  async flush(): Promise<void> {
    do {
      this.#start()
      await this.#running
    } while (this.#queue.length > 0 && this.#failure === null)
    if (this.#failure !== null) throw this.#failure
  }

  /** Flushes and takes no more rows. @throws {StoreError} when rows could not be written; see `unwritten`. */
  async close(): Promise<void> {
    this.#closed = true
    try {
      await this.flush()
    } finally {
      if (this.#timer !== null) clearTimeout(this.#timer)
      this.#timer = null
    }
  }

  /** The rows that no commit took, for a last resort such as a file beside the database. */
  unwritten(): readonly LedgerRow[] {
    return this.#queue.map(({ row }) => row)
  }

  #start(): void {
    this.#scheduled = false
    if (this.#running !== null) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#running = this.#drain().finally(() => {
      this.#running = null
    })
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, this.#maxBatchRows)
      try {
        const result = this.#ledger.append(batch.map(({ row }) => row))
        // An embedded ledger answers at once; awaiting it would cost a turn.
        const { inserted, ignored } = result instanceof Promise ? await result : result
        this.#committedRows += inserted
        this.#ignoredRows += ignored
        this.#commits += 1
      } catch (error) {
        this.#fail(error, batch)
        return
      }
      this.#failure = null
      this.#retryDelayMs = this.#firstRetryDelayMs
      this.#queue.splice(0, batch.length)
      for (const { resolve } of batch) resolve()
    }
  }

  #fail(error: unknown, batch: readonly Waiting[]): void {
    const failure =
      error instanceof StoreError
        ? error
        : new StoreError('STORE_FAILED', 'The ledger failed in an unexpected way.', { cause: error })
    this.#failure = failure
    this.#failedCommits += 1
    // Rejecting twice is harmless: a promise keeps its first answer.
    for (const { reject } of batch) reject(failure)
    for (const { reject } of this.#queue.slice(batch.length)) reject(failure)
    if (this.#closed) return
    this.#timer = setTimeout(() => this.#start(), this.#retryDelayMs)
    this.#timer.unref()
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, longestRetryDelayMs)
  }

  #refuse(code: 'STORE_CLOSED' | 'STORE_BAD_ROW' | 'STORE_QUEUE_FULL', message: string): Promise<never> {
    this.#refusedRows += 1
    return Promise.reject(new StoreError(code, message))
  }
}
