/** Public surface of `store`. */
export {
  type AlertBudget,
  type AlertEvent,
  type AlertState,
  type AlertStore,
  type BudgetAlert,
} from './budgets-alerts.ts'
export {
  durationName,
  periodName,
  slotMsOf,
  type BudgetInput,
  type BudgetPeriod,
  type BudgetState,
  type BudgetStore,
  type BudgetUnit,
  type RequestAmounts,
  type ReserveInput,
  type ReserveResult,
  type SettleInput,
  type SettleResult,
} from './budgets.ts'
export { billingOf, correctedRow, type Billing, type Correction, type CorrectionInput } from './corrections.ts'
export { StoreError, storeErrors, type StoreErrorCode } from './errors.ts'
export { defaultMemoryBounds, InProcessReasoningMemory, type MemoryBounds } from './in-process-memory.ts'
export {
  hashSecret,
  keyAllowsModel,
  keyRefusal,
  secretFromBytes,
  type KeyInput,
  type KeyRecord,
  type KeyRefusal,
  type KeyStore,
  type NewKey,
} from './keys.ts'
export {
  correctRate,
  rateShapeProblem,
  takeRate,
  type RateLevel,
  type RateShape,
  type RateState,
} from './limits-gcra.ts'
export {
  countersFor,
  everyKey,
  limitSubjects,
  noLimits,
  scopeHolds,
  type CounterRef,
  type KeyLimits,
  type LimitScope,
  type LimitSource,
  type LimitStore,
  type LimitSubject,
  type RateLimitInput,
} from './limits.ts'
export { csvLine, readCsv } from './csv.ts'
export type { ArchiveManifest, ArchiveOptions, KnownArchive } from './ledger-archive.ts'
export type { LedgerCheck, LedgerProblem, LedgerProblemCode } from './ledger-check.ts'
export { LedgerWriter, type LedgerWriterCounters, type LedgerWriterOptions } from './ledger-writer.ts'
export {
  boundedTag,
  mostPlausibleTokens,
  otherTag,
  requestStatuses,
  usageGroups,
  type AppendResult,
  type Ledger,
  type LedgerRow,
  type RequestStatus,
  type UsageGroup,
  type UsageLine,
  type UsageQuery,
} from './ledger.ts'
export { plainRow } from './plain-row.ts'
export type { ReasoningMemory, RememberedCall } from './memory.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite/store.ts'
export type { OrganisationRecord, TeamInput, TeamRecord, TeamRefusal, TeamStore } from './teams.ts'
