/** One sequence to be computed, as the scheduler takes it: token ids, no text. */
import type { SamplingOptions, TokenFilter } from '@portolan/model'

export interface Job {
  readonly id: number
  /** Whose work this is: fairness and the cache are kept per tenant. */
  readonly tenant: string
  readonly promptIds: readonly number[]
  /** 0: take the prompt into the cache and write nothing. */
  readonly maximumOutputTokens: number
  readonly sampling: SamplingOptions
  /** In the scheduler's clock; null: none. */
  readonly deadlineAtMs: number | null
  /**
   * Chooses each token by drawing among those it allows, more than once if need be. `tokensLeft` counts this one.
   */
  readonly draw?: (sample: (allows?: TokenFilter) => number, tokensLeft: number) => number
  readonly onStart?: (hitTokens: number) => void
  /** After each piece of the prompt: tokens known, hits included. */
  readonly onPrefill?: (doneTokens: number) => void
  /** A drawn token; true when no more is wanted. The end token comes here too. */
  readonly onToken: (id: number, logits: Float32Array) => boolean
  /** Exactly once, always last. */
  readonly onEnd: (end: JobEnd) => void
}

/** `done`: the consumer wants no more; `stop`: the end token came. */
export type JobEndCause = 'stop' | 'length' | 'done' | 'cancelled' | 'deadline' | 'failed'

export interface JobEnd {
  readonly cause: JobEndCause
  readonly hitTokens: number
  readonly outputTokens: number
  /** With `failed` only. */
  readonly error: Error | null
}
