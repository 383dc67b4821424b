/** The embedded store, as the gateway wants it. */
import { LedgerWriter, type SqliteStore } from '@portolan/store'
import type { GatewayStore } from '@portolan/gateway'

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
      limitsOf: (key) => sqlite.limits.limitsOf(key),
      reserve: (input) => sqlite.budgets.reserve(input),
      settleLimits: (input) => void sqlite.budgets.settle({ ...input, nowMs: now() }),
      trouble: () => (writer.hasRoom ? null : 'the ledger cannot be written and its queue is full'),
    },
  }
}

/** The embedded memory answers at once; the port allows promises for stores across a network. */
function sync<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new TypeError('The embedded reasoning memory answered with a promise.')
  return value
}
