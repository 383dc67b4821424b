/** Public surface of `store`. */
export {
  periodOf,
  type BudgetInput,
  type BudgetPeriod,
  type BudgetState,
  type BudgetStore,
  type ReserveInput,
  type ReserveResult,
  type SettleResult,
} from './budgets.ts'
export { StoreError, storeErrors, type StoreErrorCode } from './errors.ts'
export { defaultMemoryBounds, InProcessReasoningMemory, type MemoryBounds } from './in-process-memory.ts'
export {
  hashSecret,
  keyAllowsModel,
  keyRefusal,
  type KeyInput,
  type KeyRecord,
  type KeyRefusal,
  type KeyStore,
  type NewKey,
} from './keys.ts'
export { LedgerWriter, type LedgerWriterCounters, type LedgerWriterOptions } from './ledger-writer.ts'
export {
  requestStatuses,
  type AppendResult,
  type Ledger,
  type LedgerRow,
  type RequestStatus,
  type UsageGroup,
  type UsageLine,
  type UsageQuery,
} from './ledger.ts'
export type { ReasoningMemory, RememberedCall } from './memory.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite/store.ts'
