/** A row that says only what is known of a request. */
import { unknownUsage } from '@portolan/meter'
import type { LedgerRow } from './ledger.ts'

/** A request that went well, of which nothing else is known than what is said here. */
export function plainRow(said: Pick<LedgerRow, 'requestId' | 'startedAtMs'> & Partial<LedgerRow>): LedgerRow {
  return {
    keyId: null,
    team: null,
    tag: null,
    sessionId: null,
    door: null,
    path: '',
    upstream: null,
    upstreamProtocol: null,
    modelAsked: null,
    modelSent: null,
    modelServed: null,
    upstreamRequestId: null,
    stream: false,
    status: 'ok',
    httpStatus: null,
    errorCode: null,
    usage: unknownUsage,
    currency: null,
    costNanos: null,
    tierNanos: null,
    priceVersion: null,
    unpricedReason: null,
    firstByteMs: null,
    firstReasoningMs: null,
    firstTextMs: null,
    endMs: null,
    bytesIn: 0,
    bytesOut: 0,
    prefixKeptBytes: null,
    prefixTotalBytes: null,
    prefixBreakCause: null,
    translation: null,
    attempts: 1,
    tags: {},
    ...said,
  }
}
