/**
 * What goes between the gateway's thread and the engine's: requests in one direction, events in the other.
 *
 * Plain data that survives structured cloning.
 */
import type { ChatRequest, CompletionEvent, Finish, NumericMode, RowStorage, SamplingOptions } from '@portolan/model'
import type { CacheCounters } from '../cache/prefix-cache.ts'
import type { OutputConstraint } from '../constrain/constraint.ts'
import type { ForwardChoice } from '../open-forward.ts'
import type { SchedulerCounters } from '../scheduler/scheduler.ts'

export interface EngineOptions {
  /** Folder in the official layout, with `tokenizer.json` and prompt texts; or where the default one is to be made. */
  readonly checkpoint: string | { readonly defaultBelow: string }
  /** Default `packed`: 584 bytes a row at published sizes. */
  readonly storage?: RowStorage
  readonly mode?: NumericMode
  /** Default `auto`: the kernels in exact mode, or the plain model when the checkpoint does not fit them. */
  readonly forward?: ForwardChoice
  /** Prefixes in memory. Default 256 MiB. */
  readonly memoryBytes?: number
  /** Prefixes on disk; null (default): none. */
  readonly cacheDirectory?: string | null
  /** Default 1 GiB. */
  readonly diskBytes?: number
  /** What answers in progress may remember together; default: half of the machine's memory. */
  readonly sequenceBytes?: number
  readonly tokenBudget?: number
  readonly maximumRunning?: number
  readonly maximumQueued?: number
}

export interface EngineInfo {
  /** False: somebody made it up; whoever speaks for it must say so. */
  readonly trained: boolean
  readonly name: string
  /** What computes: the kernels in one of their modes, or the plain model. */
  readonly forward: Exclude<ForwardChoice, 'auto'>
  readonly vocabularySize: number
  readonly maximumPositions: number
  /** Effort words that the checkpoint's prompt texts know. */
  readonly efforts: readonly string[]
  /** Why prefixes are not kept on disk although a folder was named; null when they are, or none was. */
  readonly diskProblem: string | null
}

/** A text to be continued, or a hole in one to be filled: no turns, no thinking, no calls, and no special tokens read. */
export interface TextPrompt {
  readonly mode: 'text'
  /** Or token ids, taken as they are. */
  readonly text: string | readonly number[]
  /** What stands behind the hole; null: nothing does. */
  readonly suffix: string | null
}

export interface GenerationRequest {
  /** Whose prefixes these are; never shared with another. */
  readonly tenant: string
  readonly prompt: ChatRequest | TextPrompt
  /** null: as long as the context allows. 0: only take the prompt into the cache. */
  readonly maximumOutputTokens: number | null
  readonly stops: readonly string[]
  readonly sampling: SamplingOptions
  /** What the answer is held to; null: nothing. */
  readonly constraint: OutputConstraint | null
  /** How many alternatives beside each token (0: the token alone); absent or null: no log-probabilities. */
  readonly topLogprobs?: number | null
  readonly deadlineMs: number | null
}

/** A token and how probable the model found it (natural logarithm). */
export interface TokenBelief {
  /** Its text; parts of characters appear as U+FFFD, and `bytes` say which. */
  readonly token: string
  readonly bytes: readonly number[]
  readonly logprob: number
}

export interface SampledToken extends TokenBelief {
  /** The most probable tokens, best first; the drawn one need not be among them. */
  readonly top: readonly TokenBelief[]
}

export type EngineEvent =
  | { readonly type: 'started'; readonly promptTokens: number; readonly hitTokens: number }
  /** While the prompt is read: tokens known so far. */
  | { readonly type: 'progress'; readonly doneTokens: number; readonly promptTokens: number }
  | {
      readonly type: 'completion'
      readonly event: Exclude<CompletionEvent, { type: 'end' }>
      /** Present when log-probabilities were asked for: the tokens that this event is the first to show. */
      readonly tokens?: readonly SampledToken[]
    }
  | {
      readonly type: 'ended'
      readonly finish: Finish
      readonly stopString: string | null
      readonly promptTokens: number
      readonly hitTokens: number
      readonly outputTokens: number
      readonly reasoningTokens: number
      /** The call block as it was sampled, for `AssistantMessage.rawCalls` of later turns. */
      readonly rawCalls: string | null
    }
  | {
      readonly type: 'failed'
      readonly code: string
      readonly kind: FailureKind
      readonly message: string
      /** When it may be worth to ask again; absent: nothing is known. */
      readonly retryAfterMs?: number
    }

export type FailureKind =
  | 'invalid-request'
  | 'context-length'
  | 'rate-limit'
  | 'timeout'
  | 'internal'
  | 'unprocessable'
  | 'not-found'
  | 'conflict'
  | 'client-closed'

/** Where the memory of the engine's thread is. */
export interface EngineMemory {
  /** JavaScript objects, those that nobody needs any more among them. */
  readonly heapUsedBytes: number
  /** What the heap has taken from the system. */
  readonly heapBytes: number
  /** Buffers outside of the heap: kept prefixes, tables. */
  readonly bufferBytes: number
  /** The kernels' memory (weights, sequences, one pass): pages ever touched, and the whole; 0 without kernels. */
  readonly arenaTouchedBytes: number
  readonly arenaBytes: number
  /** Of heap and buffers, what grammars remember. */
  readonly grammarStateBytes: number
  readonly grammarMaskBytes: number
}

export interface EngineCounters {
  readonly memory: EngineMemory
  readonly scheduler: SchedulerCounters
  readonly cache: CacheCounters
}

export type ToEngine =
  | { readonly type: 'generate'; readonly id: number; readonly request: GenerationRequest }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'counters'; readonly id: number }
  | { readonly type: 'close' }

export type FromEngine =
  | { readonly type: 'ready'; readonly info: EngineInfo }
  /** It could not be opened; nothing follows. */
  | { readonly type: 'broken'; readonly code: string; readonly kind: FailureKind; readonly message: string }
  | { readonly type: 'events'; readonly batches: readonly (readonly [id: number, events: readonly EngineEvent[]])[] }
  | { readonly type: 'counters'; readonly id: number; readonly counters: EngineCounters }
  | { readonly type: 'closed' }
