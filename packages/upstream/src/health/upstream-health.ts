/**
 * The gate in front of one upstream: its breaker and its slots together.
 *
 *   enter ──▶ breaker asks "is it worth trying?" ──▶ slot, perhaps after a wait ──▶ Slot.leave(verdict)
 *
 * The breaker is asked again after a wait, because the upstream may have failed meanwhile. Time comes from the
 * clock handed in.
 */
import { UpstreamError } from '../errors.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { BreakerOptions, BreakerPermit, BreakerState, Verdict } from './circuit-breaker.ts'
import { ConcurrencyLimiter } from './concurrency.ts'
import type { ConcurrencyOptions } from './concurrency.ts'

export interface HealthOptions extends Pick<ConcurrencyOptions, 'name' | 'slots' | 'schedule'> {
  readonly now: () => number
  readonly breaker?: Partial<BreakerOptions>
  /** Default: twice the slots. */
  readonly maxQueued?: number
  /** Default 30 s. */
  readonly maxWaitMs?: number
}

/** One request's place. Leave exactly once; further calls do nothing. */
export interface Slot {
  leave(verdict: Verdict): void
}

export class UpstreamHealth {
  readonly #name: string
  readonly #now: () => number
  readonly #breaker: CircuitBreaker
  readonly #limiter: ConcurrencyLimiter

  constructor(options: HealthOptions) {
    this.#name = options.name
    this.#now = options.now
    this.#breaker = new CircuitBreaker(options.breaker)
    this.#limiter = new ConcurrencyLimiter({
      name: options.name,
      slots: options.slots,
      maxQueued: options.maxQueued ?? options.slots * 2,
      maxWaitMs: options.maxWaitMs ?? 30_000,
      schedule: options.schedule,
    })
  }

  get state(): BreakerState {
    return this.#breaker.state(this.#now())
  }

  get inFlight(): number {
    return this.#limiter.taken
  }

  get waiting(): number {
    return this.#limiter.waiting
  }

  /** @throws {UpstreamError} `UPSTREAM_BREAKER_OPEN`, `UPSTREAM_BUSY`, `UPSTREAM_CALLER_LEFT` or `UPSTREAM_CLOSED`. */
  async enter(signal?: AbortSignal | null): Promise<Slot> {
    let permit = this.#permit()
    const release = signal?.aborted ? null : this.#limiter.tryAcquire()
    if (release) return this.#slot(permit, release)
    // No place in the queue of a half-open upstream is worth holding its only probe for.
    this.#breaker.record(permit, 'neutral', this.#now())
    const released = await this.#limiter.acquire(signal)
    try {
      permit = this.#permit()
    } catch (error) {
      released()
      throw error
    }
    return this.#slot(permit, released)
  }

  close(): void {
    this.#limiter.close()
  }

  #permit(): BreakerPermit {
    const decision = this.#breaker.tryEnter(this.#now())
    if (decision.allowed) return decision.permit
    const { retryAfterMs } = decision
    throw new UpstreamError(
      'UPSTREAM_BREAKER_OPEN',
      `Too many recent requests to the upstream ${this.#name} failed; it is left alone for another ${retryAfterMs} ms.`,
      { retryAfterMs },
    )
  }

  #slot(permit: BreakerPermit, release: () => void): Slot {
    let left = false
    return {
      leave: (verdict) => {
        if (left) return
        left = true
        this.#breaker.record(permit, verdict, this.#now())
        release()
      },
    }
  }
}
