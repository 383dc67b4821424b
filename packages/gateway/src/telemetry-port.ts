/**
 * What leaves a settled request: one log line, and one event for whoever listens (a telemetry exporter).
 *
 * Ids, names, counts and clocks only, never a body or a header. Handed over in a later turn of the event loop:
 * nobody waits for it, and its faults are its own. A caller's `traceparent` (W3C Trace Context, version 00) is
 * continued: our span is its child, and the upstream is told ours.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Logger } from 'pino'
import type { LedgerRow } from '@portolan/store'
import type { Upstream } from '@portolan/upstream'

export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits: our own span. */
  readonly spanId: string
  /** The caller's span; null: the trace begins here. */
  readonly parentSpanId: string | null
  readonly sampled: boolean
}

export interface SettledRequest {
  readonly row: LedgerRow
  readonly trace: TraceContext
  /** Null: no upstream was chosen. */
  readonly upstream: Pick<Upstream, 'name' | 'baseUrl' | 'definition'> | null
}

export interface RequestTelemetry {
  /** Of traces that begin here; a caller's decision stands. */
  readonly sampleRatio: number
  settled(request: SettledRequest): void
}

export function traceOf(headers: IncomingHttpHeaders, sampleRatio: number): TraceContext {
  const spanId = randomBytes(8).toString('hex')
  const given = headers['traceparent']
  const match =
    typeof given === 'string' ? /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(given) : null
  const [, version, traceId = '', parentSpanId = '', flags = ''] = match ?? []
  const exact = version === '00' ? given?.length === 55 : true
  if (match === null || version === 'ff' || !exact || /^0+$/.test(traceId) || /^0+$/.test(parentSpanId))
    return {
      traceId: randomBytes(16).toString('hex'),
      spanId,
      parentSpanId: null,
      sampled: Math.random() < sampleRatio,
    }
  return { traceId, spanId, parentSpanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Headers for the upstream; `tracestate` is the caller's and goes along with a continued trace. */
export function traceHeaders(
  { traceId, spanId, parentSpanId, sampled }: TraceContext,
  caller: IncomingHttpHeaders,
): Record<string, string> {
  const state = caller['tracestate']
  return {
    traceparent: `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`,
    ...(parentSpanId !== null && typeof state === 'string' && state.length <= 512 && { tracestate: state }),
  }
}

interface Reporting {
  readonly log: Logger
  readonly telemetry: RequestTelemetry | null
}

export function reportSettled(
  { log, telemetry }: Reporting,
  row: LedgerRow,
  upstream: SettledRequest['upstream'],
  trace: TraceContext | null,
): void {
  if (log.isLevelEnabled('info')) log.info(requestLine(row, trace), 'request')
  if (telemetry === null || trace === null) return
  setImmediate(() => {
    try {
      telemetry.settled({ row, trace, upstream })
    } catch (error) {
      log.warn({ requestId: row.requestId, reason: (error as Error).message }, 'request not reported to telemetry')
    }
  })
}

/** The last line of every request. What callers choose is cut: a log line is no place for a novel. */
function requestLine(row: LedgerRow, trace: TraceContext | null): Record<string, unknown> {
  const { usage } = row
  return {
    requestId: row.requestId,
    keyId: row.keyId,
    sessionId: row.sessionId,
    ...(trace && { traceId: trace.traceId }),
    door: row.door,
    upstream: row.upstream,
    upstreamRequestId: short(row.upstreamRequestId),
    modelAsked: short(row.modelAsked),
    modelSent: short(row.modelSent),
    modelServed: short(row.modelServed),
    status: row.status,
    httpStatus: row.httpStatus,
    errorCode: short(row.errorCode),
    stream: row.stream,
    attempts: row.attempts,
    inputTokens: usage.inputTokens,
    hitTokens: usage.hitTokens,
    missTokens: usage.missTokens,
    writtenTokens: usage.writtenTokens,
    outputTokens: usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
    usageSource: usage.source,
    ...(usage.estimatedBy !== undefined && { estimatedBy: usage.estimatedBy }),
    currency: row.currency,
    // Nanos beyond 2^53 do not fit a JSON number.
    costNanos: row.costNanos === null ? null : String(row.costNanos),
    priceVersion: row.priceVersion,
    unpriced: row.unpricedReason,
    firstByteMs: whole(row.firstByteMs),
    firstTextMs: whole(row.firstTextMs),
    endMs: whole(row.endMs),
    bytesIn: row.bytesIn,
    bytesOut: row.bytesOut,
  }
}

function short(text: string | null): string | null {
  return text === null || text.length <= 200 ? text : text.slice(0, 200).toWellFormed()
}

function whole(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}
