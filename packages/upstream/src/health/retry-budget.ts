/**
 * Keeps repeats from multiplying the load on upstreams that are already in trouble.
 *
 * Over a sliding window at most `floor + share * requests` repeats are allowed: alone, a developer may always
 * repeat a little; under load, repeats stay a fixed share of the traffic. Time comes in as an argument.
 */
export interface RetryBudgetOptions {
  readonly windowMs: number
  /** Repeats per window that need no requests behind them. */
  readonly floor: number
  /** Further repeats, as a share of the window's requests. */
  readonly share: number
}

export const defaultRetryBudget: RetryBudgetOptions = { windowMs: 10_000, floor: 10, share: 0.2 }

const bucketCount = 10

export class RetryBudget {
  readonly #options: RetryBudgetOptions
  #buckets: { readonly index: number; requests: number; retries: number }[] = []

  constructor(options: Partial<RetryBudgetOptions> = {}) {
    this.#options = { ...defaultRetryBudget, ...options }
  }

  /** A first attempt began: it earns its share. */
  noteRequest(nowMs: number): void {
    this.#bucket(nowMs).requests++
  }

  /** Takes one repeat from the budget; false when there is none left. */
  take(nowMs: number): boolean {
    const bucket = this.#bucket(nowMs)
    if (this.available(nowMs) < 1) return false
    bucket.retries++
    return true
  }

  /** Repeats left at this moment; fractions are what the next requests add to. */
  available(nowMs: number): number {
    this.#bucket(nowMs)
    let requests = 0
    let retries = 0
    for (const bucket of this.#buckets) {
      requests += bucket.requests
      retries += bucket.retries
    }
    return Math.max(0, this.#options.floor + requests * this.#options.share - retries)
  }

  #bucket(nowMs: number) {
    const index = Math.floor((nowMs * bucketCount) / this.#options.windowMs)
    this.#buckets = this.#buckets.filter((bucket) => bucket.index > index - bucketCount && bucket.index <= index)
    let bucket = this.#buckets.at(-1)
    if (bucket?.index !== index) {
      bucket = { index, requests: 0, retries: 0 }
      this.#buckets.push(bucket)
    }
    return bucket
  }
}
