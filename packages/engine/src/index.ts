/** Public surface of `engine`. */
export {
  defaultCheckpointName,
  defaultTokenizer,
  ensureDefaultCheckpoint,
  writeDefaultCheckpoint,
} from './default-checkpoint/default-checkpoint.ts'
export { BlockKeys, type BlockKey, type CacheSalt } from './cache/block-keys.ts'
export { DiskTier, type DiskTierOptions, type SegmentFacts, type VerifyResult } from './cache/disk-tier.ts'
export { PrefixCache, type CacheCounters, type CacheHit, type PrefixCacheOptions } from './cache/prefix-cache.ts'
export type { CallableTool, OutputConstraint } from './constrain/constraint.ts'
export { EngineError, engineErrors, type EngineErrorCode, type EngineErrorEntry } from './errors.ts'
export { blockTokens, type BlockState, type Forward, type ForwardPiece, type ForwardSequence } from './forward.ts'
export { KernelForward, type KernelForwardOptions } from './kernel-forward/kernel-forward.ts'
export { measureContexts, measureReading, type ContextSpeed, type MeasureOptions } from './measure-forward.ts'
export { measureStorage, type StorageMeasure } from './measure-storage.ts'
export { openForward, type ForwardChoice, type OpenedForward } from './open-forward.ts'
export { ReferenceForward } from './reference-forward.ts'
export type { Job, JobEnd, JobEndCause } from './scheduler/job.ts'
export { Scheduler, type SchedulerCounters, type SchedulerOptions } from './scheduler/scheduler.ts'
export { EngineThread } from './service/engine-thread.ts'
export type {
  EngineCounters,
  EngineEvent,
  EngineInfo,
  EngineOptions,
  FailureKind,
  GenerationRequest,
  SampledToken,
  TextPrompt,
  TokenBelief,
} from './service/protocol.ts'
export type {
  AssistantMessage,
  ChatMessage,
  ChatRequest,
  Content,
  ContentPart,
  ResponseFormat,
  ToolCall,
} from '@portolan/model'
