/**
 * May a failed attempt be repeated, here or at the next upstream of the route?
 *
 * The rule behind all rows: never when the caller could see two beginnings, never when something could happen
 * twice, never when the caller's own mistake would only be refused again.
 */
import type { ErrorKind } from '@portolan/wire'

export interface FailedAttempt {
  /**
   * How far it came. `not-sent`: no byte of the request left (refused, name not found, TLS, no slot).
   * `sent-no-byte`: sent, and the connection ended before an answer. `status`: answered with an error status.
   * `streaming`: the answer had begun.
   */
  readonly stage: 'not-sent' | 'sent-no-byte' | 'status' | 'streaming'
  /** HTTP status of the answer; null without one. */
  readonly status?: number | null
  /** Kind of an error that came inside a 200 answer, or of our own refusal. */
  readonly kind?: ErrorKind | null
  /** Has the caller received anything of this answer? Absent: yes, if the answer had begun. */
  readonly delivered?: boolean
  /** `RequestTraits.effectFree`. */
  readonly effectFree: boolean
  /** Attempts made so far. */
  readonly attempt: number
  /** Default 4, whatever the length of the route. */
  readonly maxAttempts?: number
  /** The same upstream again, rather than another one. */
  readonly sameUpstream?: boolean
  /** `x-should-retry` of the answer. */
  readonly shouldRetry?: boolean | null
}

/** Refused before any work was done: nothing can have happened. */
const refusedStatuses = new Set([408, 429, 503, 529])
/** Refused because of *our* account at *this* upstream, or its list of models: another upstream may serve. */
const accountStatuses = new Set([401, 402, 403, 404])

export function mayRetry(failed: FailedAttempt): 'retry' | 'stop' {
  const { stage, effectFree } = failed
  const delivered: boolean = failed.delivered ?? stage === 'streaming'
  if (delivered) return 'stop'
  if (failed.attempt >= (failed.maxAttempts ?? 4)) return 'stop'
  switch (stage) {
    case 'not-sent':
      // Our own refusals arrive here too: a caller who left must not be served elsewhere.
      return failed.kind === 'client-closed' ? 'stop' : 'retry'
    case 'sent-no-byte':
      return effectFree ? 'retry' : 'stop'
    case 'status':
      return byStatus(failed, failed.status ?? 0)
    default:
      // A 200 whose first event is an error, or that broke off before anything was passed on.
      if (failed.kind === 'overloaded' || failed.kind === 'rate-limit') return 'retry'
      return effectFree && !callersFault(failed.kind) ? 'retry' : 'stop'
  }
}

function byStatus(failed: FailedAttempt, status: number): 'retry' | 'stop' {
  if (failed.sameUpstream && failed.shouldRetry === false) return 'stop'
  if (refusedStatuses.has(status)) return 'retry'
  if (accountStatuses.has(status)) return failed.sameUpstream ? 'stop' : 'retry'
  if (status >= 500) return failed.effectFree ? 'retry' : 'stop'
  return 'stop'
}

function callersFault(kind: ErrorKind | null | undefined): boolean {
  switch (kind) {
    case 'invalid-request':
    case 'unprocessable':
    case 'too-large':
    case 'context-length':
    case 'conflict':
    case 'client-closed':
      return true
    default:
      return false
  }
}

/** First pause and cap as in DeepSeek's own client. */
const firstDelayMs = 500
const longestDelayMs = 10_000

/**
 * How long to wait before asking the *same* upstream again; another one need not be waited for.
 *
 * @param random  In [0, 1); spreads repeats by a quarter so that callers do not return in step.
 * @returns null when the upstream asks for a longer wait than a caller can be kept waiting.
 */
export function retryDelayMs(attempt: number, retryAfterMs: number | null, random: number): number | null {
  if (retryAfterMs !== null && retryAfterMs > longestDelayMs) return null
  const backoffMs = Math.min(firstDelayMs * 2 ** Math.max(0, attempt - 1), longestDelayMs)
  return Math.max(retryAfterMs ?? 0, Math.round(backoffMs * (0.75 + 0.25 * random)))
}
