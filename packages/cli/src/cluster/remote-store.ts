/**
 * The store as a worker sees it: keys, limits and recalled reasoning are in the database directly, ledger rows go
 * to the one writer in the primary, and an answer ends only when the primary has said that its row is durable.
 */
import { StoreError, type LedgerRow, type SqliteStore } from '@portolan/store'
import type { GatewayStore } from '@portolan/gateway'
import type { PrimaryMessage, WorkerMessage } from './messages.ts'

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class RemoteStore implements GatewayStore {
  readonly #sqlite: SqliteStore
  readonly #send: (message: WorkerMessage) => void
  readonly #batches = new Map<number, readonly Waiting[]>()
  #rows: LedgerRow[] = []
  #waiting: Waiting[] = []
  #nextBatch = 1
  readonly #asked = new Map<number, (text: string) => void>()
  #nextAsk = 1
  #trouble: string | null = null

  constructor(sqlite: SqliteStore, send: (message: WorkerMessage) => void) {
    this.#sqlite = sqlite
    this.#send = send
  }

  findKey: GatewayStore['findKey'] = (hash) => this.#sqlite.keys.findByHash(hash)

  recall: GatewayStore['recall'] = (callId, tenantId) => {
    const found = this.#sqlite.memory.get(callId, tenantId, Date.now())
    return found instanceof Promise ? null : found
  }

  remember: GatewayStore['remember'] = (callId, tenantId, call) => {
    void this.#sqlite.memory.put(callId, tenantId, call, Date.now())
  }

  limitsOf: GatewayStore['limitsOf'] = (key) => this.#sqlite.limits.limitsOf(key)

  reserve: GatewayStore['reserve'] = (input) => this.#sqlite.budgets.reserve(input)

  settleLimits: GatewayStore['settleLimits'] = (input) => {
    this.#sqlite.budgets.settle({ ...input, nowMs: Date.now() })
  }

  trouble(): string | null {
    return this.#trouble
  }

  append(row: LedgerRow): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#rows.push(row)
      this.#waiting.push({ resolve, reject })
      if (this.#rows.length === 1) setImmediate(() => this.#flush())
    })
  }

  /** The numbers of all workers, added up by the primary. */
  metricsText = (): Promise<string> =>
    new Promise((resolve) => {
      const ask = this.#nextAsk++
      this.#asked.set(ask, resolve)
      this.#send({ type: 'metrics', ask })
    })

  receive(message: PrimaryMessage): void {
    if (message.type === 'trouble') this.#trouble = message.trouble
    if (message.type === 'metrics') {
      this.#asked.get(message.ask)?.(message.text)
      this.#asked.delete(message.ask)
    }
    if (message.type !== 'settled') return
    const waiting = this.#batches.get(message.batch) ?? []
    this.#batches.delete(message.batch)
    for (const [i, { resolve, reject }] of waiting.entries()) {
      const error = message.errors[i]
      if (error == null) resolve()
      else reject(new StoreError('STORE_FAILED', error))
    }
  }

  #flush(): void {
    const batch = this.#nextBatch++
    this.#batches.set(batch, this.#waiting)
    const rows = this.#rows
    this.#rows = []
    this.#waiting = []
    this.#send({ type: 'rows', batch, rows })
  }
}
