/** One recorded request asked of one arm: retries are data, a broken answer is an outcome, nothing throws. */
import type { CanonicalRequest, Usage } from '@portolan/wire'
import { unknownUsage, type UsageRecord } from '@portolan/meter'
import { NoAnswer, NotSayable, type AskEndpoint, type Clocked } from '../endpoint/endpoint.ts'
import type { AttemptTurn } from '../records/index.ts'

export interface AskedTurn {
  readonly turn: Omit<AttemptTurn, 'stubs'>
  readonly calls: number
}

export interface RetryPolicy {
  /** Beyond the first call. */
  readonly most: number
  readonly pause: (milliseconds: number) => Promise<void>
}

/** Statuses that may pass by themselves. */
const transient: readonly number[] = [408, 409, 429, 500, 502, 503, 504, 529]
const longestPauseMs = 60_000

export async function askArm(ask: AskEndpoint, request: CanonicalRequest, retries: RetryPolicy): Promise<AskedTurn> {
  for (let calls = 1; ; calls++) {
    try {
      return { turn: answered(request, await ask(request)), calls }
    } catch (error) {
      const status = error instanceof NoAnswer ? error.httpStatus : null
      const mayPass = error instanceof NoAnswer && (status === null || transient.includes(status))
      if (!mayPass || calls > retries.most) return { turn: unanswered(request, error, status), calls }
      const waitMs = error.retryAfterSec === null ? 500 * 2 ** (calls - 1) : error.retryAfterSec * 1000
      await retries.pause(Math.min(waitMs, longestPauseMs))
    }
  }
}

function answered(request: CanonicalRequest, answer: Clocked): Omit<AttemptTurn, 'stubs'> {
  const { response, firstReasoningMs, firstVisibleMs, totalMs, changed } = answer
  return {
    request,
    response,
    httpStatus: 200,
    error: null,
    usage: usageRecordOf(response.usage),
    clocks: {
      firstByteMs: null,
      firstReasoningMs,
      // An answer that was not streamed becomes visible as a whole.
      firstVisibleMs: firstVisibleMs ?? totalMs,
      endMs: totalMs,
    },
    ...(changed.length > 0 && { changed }),
  }
}

/** What an answer says it took, as a bill reads it. */
export function usageRecordOf({ raw: _raw, ...counts }: Usage): UsageRecord {
  return { ...unknownUsage, ...counts, source: counts.inputTokens === null ? 'estimated' : 'reported' }
}

function unanswered(request: CanonicalRequest, error: unknown, httpStatus: number | null): Omit<AttemptTurn, 'stubs'> {
  const code =
    error instanceof NotSayable
      ? 'not-sayable'
      : httpStatus !== null
        ? `http-${httpStatus}`
        : error instanceof NoAnswer
          ? 'no-answer'
          : 'fault'
  return {
    request,
    response: null,
    httpStatus,
    error: { code, message: error instanceof Error ? error.message : String(error) },
    usage: unknownUsage,
    clocks: { firstByteMs: null, firstReasoningMs: null, firstVisibleMs: null, endMs: null },
  }
}
