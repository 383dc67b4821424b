/** The figures of an exchange (no words), as text for the database and back; amounts stay exact. */
import type { Exchange } from '../records/index.ts'
import type { LedgerRow } from '@portolan/store'
import type { CanonicalResponse, Protocol } from '@portolan/wire'

export type ExchangeFigures = Omit<Exchange, 'recordingId' | 'sessionId' | 'seq' | 'prompt' | 'content' | 'redactions'>

export function figuresOf(
  row: LedgerRow,
  door: Protocol,
  response: CanonicalResponse | null,
  parentSeq: number | null,
): ExchangeFigures {
  return {
    parentSeq,
    requestId: row.requestId,
    door,
    modelAsked: row.modelAsked ?? '',
    modelSent: row.modelSent,
    modelServed: row.modelServed,
    upstream: row.upstream,
    upstreamProtocol: row.upstreamProtocol,
    stream: row.stream,
    startedAtMs: row.startedAtMs,
    clocks: {
      firstByteMs: row.firstByteMs,
      firstReasoningMs: row.firstReasoningMs,
      firstVisibleMs: row.firstTextMs,
      endMs: row.endMs,
    },
    status: row.status,
    httpStatus: row.httpStatus,
    errorCode: row.errorCode,
    stop: response?.stop ?? null,
    attempts: row.attempts,
    // The vendor's own object may hold anything; the counts are what was read of it.
    usage: { ...row.usage, raw: null },
    currency: row.currency,
    costNanos: row.costNanos,
    priceVersion: row.priceVersion,
  }
}

export function writeFigures(figures: ExchangeFigures): string {
  return JSON.stringify(figures, (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}

export function readFigures(text: string): ExchangeFigures {
  const figures = JSON.parse(text) as ExchangeFigures & { readonly costNanos: string | null }
  return { ...figures, costNanos: figures.costNanos === null ? null : BigInt(figures.costNanos) }
}
