/** The embedded store, as the gateway wants it. */
import { LedgerWriter, type SqliteStore } from '@portolan/store'
import type { GatewayConfig, GatewayStore } from '@portolan/gateway'

export interface RunningStore {
  readonly store: GatewayStore
  readonly writer: LedgerWriter
}

export function runningStore(sqlite: SqliteStore, now: () => number): RunningStore {
  const writer = new LedgerWriter(sqlite.ledger)
  return {
    writer,
    store: {
      findKey: (hash) => sqlite.keys.findByHash(hash),
      append: (row) => writer.append(row),
      recall: (callId, tenantId) => sync(sqlite.memory.get(callId, tenantId, now())),
      remember: (callId, tenantId, call) => void sqlite.memory.put(callId, tenantId, call, now()),
      reserve: (input) => sqlite.budgets.reserve(input),
      settleBudgets: (requestId, costNanos) => void sqlite.budgets.settle(requestId, costNanos, now()),
      trouble: () => (writer.hasRoom ? null : 'the ledger cannot be written and its queue is full'),
    },
  }
}

/** Budgets of the configuration come into force; their counters stay as they are. */
export function putBudgets(sqlite: SqliteStore, config: GatewayConfig): void {
  for (const { id, limitNanos, period } of config.budgets)
    sqlite.budgets.putBudget({ id, name: id, currency: config.currency, limitNanos, period })
}

/** What a crash left held: settled from the ledger where the row was written, given back when its time is over. */
export function recoverBudgets(sqlite: SqliteStore, nowMs: number): void {
  for (const requestId of sqlite.budgets.openReservations()) {
    const row = sqlite.ledger.find(requestId)
    if (row) sqlite.budgets.settle(requestId, row.costNanos, nowMs)
  }
  sqlite.budgets.expire(nowMs)
}

/** The embedded memory answers at once; the port allows promises for stores across a network. */
function sync<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new TypeError('The embedded reasoning memory answered with a promise.')
  return value
}
