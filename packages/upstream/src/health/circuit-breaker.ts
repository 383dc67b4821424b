/**
 * Leaves an upstream alone after too many of its recent requests failed, and finds out carefully when it is back.
 *
 *            failures >= ratio of >= minimum requests in the window
 *   closed ─────────────────────────────────────────────────────▶ open
 *      ▲                                                            │ openMs have passed
 *      │ one probe succeeds                                         ▼
 *      └──────────────────────── half-open ◀────────────────────────┘
 *                                    │ a probe fails: open again, twice as long
 *
 * Only failures of the upstream count; what the caller did wrong is `neutral`. Time comes in as an argument, so
 * every path is testable. Results of requests that began before the last change of state are ignored: a slow
 * failure from before must not close the door on a recovered upstream, nor a slow success open it.
 */
export interface BreakerOptions {
  readonly windowMs: number
  /** Fewer finished requests than this in the window never open it. */
  readonly minimumRequests: number
  readonly failureRatio: number
  /** First pause; doubles with each failed probe up to `maxOpenMs`. */
  readonly openMs: number
  readonly maxOpenMs: number
  /** A probe that has said nothing for this long no longer keeps others from trying. */
  readonly probeLeaseMs: number
}

export const defaultBreaker: BreakerOptions = {
  windowMs: 30_000,
  minimumRequests: 10,
  failureRatio: 0.5,
  openMs: 2_000,
  maxOpenMs: 60_000,
  probeLeaseMs: 30_000,
}

export type BreakerState = 'closed' | 'open' | 'half-open'
export type Verdict = 'success' | 'failure' | 'neutral'

/** Permission for one request; hand it back with `record` exactly once. */
export interface BreakerPermit {
  readonly generation: number
  readonly probe: boolean
}

export type BreakerDecision =
  | { readonly allowed: true; readonly permit: BreakerPermit }
  | { readonly allowed: false; readonly retryAfterMs: number }

const bucketCount = 10

interface Bucket {
  index: number
  successes: number
  failures: number
}

export class CircuitBreaker {
  readonly #options: BreakerOptions
  #buckets: Bucket[] = []
  #state: BreakerState = 'closed'
  #generation = 0
  #openUntilMs = 0
  #nextOpenMs: number
  #probe: { readonly permit: BreakerPermit; readonly untilMs: number } | null = null

  constructor(options: Partial<BreakerOptions> = {}) {
    this.#options = { ...defaultBreaker, ...options }
    this.#nextOpenMs = this.#options.openMs
  }

  state(nowMs: number): BreakerState {
    return this.#state === 'open' && nowMs >= this.#openUntilMs ? 'half-open' : this.#state
  }

  tryEnter(nowMs: number): BreakerDecision {
    if (this.#state === 'open') {
      if (nowMs < this.#openUntilMs) return { allowed: false, retryAfterMs: this.#openUntilMs - nowMs }
      this.#change('half-open')
    }
    if (this.#state === 'closed') return { allowed: true, permit: { generation: this.#generation, probe: false } }
    if (this.#probe && nowMs < this.#probe.untilMs) return { allowed: false, retryAfterMs: this.#probe.untilMs - nowMs }
    const permit = { generation: this.#generation, probe: true }
    this.#probe = { permit, untilMs: nowMs + this.#options.probeLeaseMs }
    return { allowed: true, permit }
  }

  record(permit: BreakerPermit, verdict: Verdict, nowMs: number): void {
    if (permit.generation !== this.#generation) return
    if (permit.probe) {
      // Neutral frees the place for the next probe without deciding anything.
      if (this.#probe?.permit === permit) this.#probe = null
      if (verdict === 'success') {
        this.#nextOpenMs = this.#options.openMs
        this.#change('closed')
      } else if (verdict === 'failure') this.#open(nowMs)
      return
    }
    if (verdict === 'neutral') return
    const bucket = this.#bucket(nowMs)
    if (verdict === 'success') bucket.successes++
    else bucket.failures++
    if (verdict === 'failure' && this.#tooManyFailures()) this.#open(nowMs)
  }

  #tooManyFailures(): boolean {
    let successes = 0
    let failures = 0
    for (const bucket of this.#buckets) {
      successes += bucket.successes
      failures += bucket.failures
    }
    const { minimumRequests, failureRatio } = this.#options
    return successes + failures >= minimumRequests && failures >= (successes + failures) * failureRatio
  }

  #open(nowMs: number): void {
    this.#openUntilMs = nowMs + this.#nextOpenMs
    this.#nextOpenMs = Math.min(this.#nextOpenMs * 2, this.#options.maxOpenMs)
    this.#change('open')
  }

  #change(state: BreakerState): void {
    this.#state = state
    this.#generation++
    this.#buckets = []
    this.#probe = null
  }

  /** The current tenth of the window; older ones than the window fall away. */
  #bucket(nowMs: number): Bucket {
    const index = Math.floor((nowMs * bucketCount) / this.#options.windowMs)
    this.#buckets = this.#buckets.filter((bucket) => bucket.index > index - bucketCount && bucket.index <= index)
    let bucket = this.#buckets.at(-1)
    if (bucket?.index !== index) {
      bucket = { index, successes: 0, failures: 0 }
      this.#buckets.push(bucket)
    }
    return bucket
  }
}
