/**
 * Slots for requests in flight to one upstream, with a bounded queue in order of arrival.
 *
 * A slot is held from sending until the answer is complete, which is how DeepSeek counts concurrency. Waiting
 * ends with a slot, at the deadline, when the caller leaves or when the limiter closes; whoever left the queue
 * never gets a slot afterwards, and a slot handed back twice counts once.
 */
import { UpstreamError } from '../errors.ts'

export interface ConcurrencyOptions {
  /** For messages. */
  readonly name: string
  readonly slots: number
  /** Waiters beyond this are refused at once. */
  readonly maxQueued: number
  readonly maxWaitMs: number
  /** Calls back after so many milliseconds; returns how to cancel. For tests. */
  readonly schedule?: (delayMs: number, callback: () => void) => () => void
}

/** Hands the slot back. Idempotent. */
export type ReleaseSlot = () => void

interface Waiter {
  readonly grant: () => void
  readonly refuse: (error: UpstreamError) => void
}

export class ConcurrencyLimiter {
  readonly #options: ConcurrencyOptions
  readonly #schedule: NonNullable<ConcurrencyOptions['schedule']>
  // A Set keeps insertion order and lets a waiter leave from the middle at no cost.
  readonly #waiters = new Set<Waiter>()
  #taken = 0
  #closed = false

  constructor(options: ConcurrencyOptions) {
    this.#options = options
    this.#schedule = options.schedule ?? scheduleByTimer
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** A slot now, or null. For callers that rather go elsewhere than wait. */
  tryAcquire(): ReleaseSlot | null {
    if (this.#closed || this.#taken >= this.#options.slots) return null
    return this.#take()
  }

  /** @throws {UpstreamError} `UPSTREAM_BUSY`, `UPSTREAM_CALLER_LEFT` or `UPSTREAM_CLOSED`. */
  acquire(signal?: AbortSignal | null): Promise<ReleaseSlot> {
    const { name, slots, maxQueued, maxWaitMs } = this.#options
    if (signal?.aborted) return Promise.reject(callerLeft(name))
    if (this.#closed) return Promise.reject(closed(name))
    if (this.#taken < slots) return Promise.resolve(this.#take())
    if (this.#waiters.size >= maxQueued)
      return Promise.reject(
        busy(`All ${slots} slots of the upstream ${name} are taken and ${maxQueued} requests wait already.`),
      )
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.delete(waiter)
        cancel()
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        grant: () => {
          leave()
          resolve(this.#take())
        },
        refuse: (error) => {
          leave()
          reject(error)
        },
      }
      const onAbort = () => waiter.refuse(callerLeft(name))
      const cancel = this.#schedule(maxWaitMs, () =>
        waiter.refuse(
          busy(`No slot of the upstream ${name} came free within ${maxWaitMs} ms; all ${slots} are taken.`),
        ),
      )
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** Refuses everybody who waits or comes later. Requests in flight keep their slots. */
  close(): void {
    this.#closed = true
    for (const waiter of this.#waiters) waiter.refuse(closed(this.#options.name))
  }

  #take(): ReleaseSlot {
    this.#taken++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#taken--
      const next = this.#waiters.values().next().value
      if (next && !this.#closed) next.grant()
    }
  }
}

function scheduleByTimer(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs)
  return () => clearTimeout(timer)
}

const busy = (message: string) => new UpstreamError('UPSTREAM_BUSY', message, { retryAfterMs: 1_000 })
const callerLeft = (name: string) =>
  new UpstreamError('UPSTREAM_CALLER_LEFT', `The caller left while waiting for a slot of the upstream ${name}.`)
const closed = (name: string) => new UpstreamError('UPSTREAM_CLOSED', `The upstream ${name} takes no further requests.`)
