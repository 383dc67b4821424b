/**
 * Looks after what requests have reserved and never settled, because their process is gone.
 *
 * Whose row is in the ledger is settled from it; the rest is given back: at once at a start, for a worker that died
 * within two rounds (its last rows may still be on their way to the ledger), else when its time is over. Processes
 * are told apart by pid and start, so that a container in which everybody is pid 1 works as well.
 */
import type { SqliteStore } from '@portolan/store'

const roundMs = 5000

/** This process, as its reservations name it. */
export function processName(): string {
  return `${process.pid}-${Math.round(performance.timeOrigin)}`
}

export class ReservationKeeper {
  readonly #store: SqliteStore
  readonly #now: () => number
  /** Owners that were gone in the round before. */
  #gone: ReadonlySet<string> = new Set()
  #timer: NodeJS.Timeout | null = null

  constructor(store: SqliteStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** What an earlier run left is put right before the first request is answered. */
  start(): void {
    this.#settleLate()
    this.#gone = new Set(this.#store.budgets.openReservations().map(({ owner }) => owner))
    this.round()
    this.#timer = setInterval(() => this.round(), roundMs).unref()
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
  }

  round(): void {
    const { budgets } = this.#store
    const nowMs = this.#now()
    const gone = new Set<string>()
    const left: string[] = []
    for (const { requestId, owner, expiresAtMs } of budgets.openReservations()) {
      const isGone = !isAlive(owner)
      if (isGone) gone.add(owner)
      if (expiresAtMs > nowMs && !(isGone && this.#gone.has(owner))) continue
      if (!this.#settleFromRow(requestId, nowMs)) left.push(requestId)
    }
    budgets.abandon(left)
    budgets.expire(nowMs)
    this.#gone = gone
  }

  /** Rows that came after their reservation was given back, e.g. because the disk was full. */
  #settleLate(): void {
    for (const requestId of this.#store.budgets.givenBack()) this.#settleFromRow(requestId, this.#now())
  }

  #settleFromRow(requestId: string, nowMs: number): boolean {
    const row = this.#store.ledger.find(requestId)
    if (row === null) return false
    const { inputTokens, outputTokens } = row.usage
    const tokens = inputTokens === null || outputTokens === null ? null : BigInt(inputTokens) + BigInt(outputTokens)
    this.#store.budgets.settle({ requestId, nanos: row.costNanos, tokens, rates: [], rateTokens: 0, nowMs })
    return true
  }
}

/** An owner without a name is left to its time. */
function isAlive(owner: string): boolean {
  const pid = Number(/^(\d+)-/.exec(owner)?.[1])
  if (owner === processName() || !Number.isSafeInteger(pid) || pid < 1) return true
  // Our own pid under another start: whoever had it before is gone.
  if (pid === process.pid) return false
  try {
    // Signal 0 asks, and does nothing.
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
