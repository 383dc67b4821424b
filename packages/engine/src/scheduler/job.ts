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
  /** Which tokens may come next, asked before each draw. */
  readonly filter?: () => TokenFilter | undefined
  readonly onStart?: (hitTokens: number) => void
  /** After each piece of the prompt: tokens known, hits included. */
  readonly onPrefill?: (doneTokens: number) => void
  /** A drawn token; true when no more is wanted. The end token comes here too. */
  readonly onToken: (id: number) => boolean
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
