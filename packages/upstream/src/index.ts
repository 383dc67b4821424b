/** Public surface of `upstream`. */
export type {
  Address,
  Complete,
  ErrorQuirks,
  Generate,
  GenerateContext,
  InProcessFigures,
  InProcessProbe,
  InProcessSettings,
  PassThrough,
  PathOverride,
  PromptCache,
  Refusal,
  UpstreamDefinition,
  UpstreamKind,
} from './capabilities.ts'
export { upstreamKinds } from './capabilities.ts'
export { chooseAddress, type AddressChoice } from './choose-address.ts'
export { definitionOf, profilesOf } from './definitions.ts'
export { demoModel } from './demo/generate.ts'
export { closeEmbeddedEngines } from './embedded/engine-places.ts'
export { untrainedModel } from './embedded/untrained.ts'
export { UpstreamError, upstreamErrors, type UpstreamErrorCode, type UpstreamErrorOptions } from './errors.ts'
export {
  HttpClient,
  type FailStage,
  type HttpCall,
  type HttpClientOptions,
  type HttpHandle,
  type HttpSink,
  type HttpTimeouts,
  type ResponseHeaders,
} from './http.ts'
export { canonicalTraits, requestTraits, type RequestTrait, type RequestTraits } from './traits.ts'
export {
  defaultTimeouts,
  resolveUpstream,
  type HeaderMap,
  type Place,
  type Upstream,
  type UpstreamConfig,
  type UpstreamTimeouts,
} from './upstream.ts'
export {
  CircuitBreaker,
  type BreakerDecision,
  type BreakerOptions,
  type BreakerPermit,
  type BreakerState,
  type Verdict,
} from './health/circuit-breaker.ts'
export { ConcurrencyLimiter, type ConcurrencyOptions, type ReleaseSlot } from './health/concurrency.ts'
export { readRetryAfter, readShouldRetry } from './health/retry-after.ts'
export { RetryBudget, type RetryBudgetOptions } from './health/retry-budget.ts'
export { UpstreamHealth, type HealthOptions, type Slot } from './health/upstream-health.ts'
export { parseModelList, type ListedModel, type ModelList } from './models-list.ts'
export { mayRetry, retryDelayMs, type FailedAttempt } from './retry.ts'
