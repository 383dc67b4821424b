/**
 * How a failed request is told to its caller: in the door's own words, with the upstream's own bytes where both
 * sides speak one protocol and the bytes really are of that protocol (law 1).
 */
import { adapterOf, type Protocol } from '@portolan/wire'
import { statusOfCode } from '../errors.ts'
import type { Problem } from './exchange.ts'
import type { AttemptFailure } from './relay.ts'

export interface ErrorAnswer {
  readonly status: number
  readonly body: Buffer | string
  /** The same error inside a stream whose head is already gone. */
  readonly event: string
}

export function errorAnswer(
  door: Protocol,
  problem: Problem,
  failure: AttemptFailure | null,
  far: Protocol | null,
  requestId: string,
): ErrorAnswer {
  const adapter = adapterOf(door)
  const { kind, message, code, param } = problem
  const error = { kind, message, code, param, requestId }
  const event = adapter.writeErrorEvent(error)
  const written = adapter.writeErrorBody(error)
  if (
    failure?.body &&
    failure.status !== null &&
    far === door &&
    code !== 'GATEWAY_UPSTREAM_CREDENTIALS' &&
    isErrorOf(door, failure.body)
  )
    return { status: failure.status, body: failure.body, event }
  return { status: statusOfCode(code) ?? written.status, body: JSON.stringify(written.body), event }
}

/** Some servers answer one protocol's address with another's envelope; such a body is worded anew. */
function isErrorOf(door: Protocol, body: Buffer): boolean {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as {
      type?: unknown
      error?: { message?: unknown; type?: unknown }
    } | null
    if (typeof parsed?.error?.message !== 'string') return false
    return door === 'messages'
      ? parsed.type === 'error' && typeof parsed.error.type === 'string'
      : parsed.type !== 'error'
  } catch {
    return false
  }
}
