/**
 * The ledger row of one request: facts gathered on the way, usage settled, cost fixed by the start instant.
 */
import type { Protocol } from '@portolan/wire'
import {
  checkUsage,
  costOf,
  costTiers,
  priceRequest,
  unknownUsage,
  zeroPrice,
  type RequestCost,
  type UsageRecord,
} from '@portolan/meter'
import { boundedTag, mostPlausibleTokens, type LedgerRow } from '@portolan/store'
import type { GatewayParts } from '../gateway.ts'
import type { PrefixReading } from '../prefix/prefix-meter.ts'
import type { RouteTarget } from '../route.ts'
import type { TraceContext } from '../telemetry-port.ts'
import { estimateUsage } from './estimate.ts'
import type { ExchangeStart } from './exchange.ts'
import type { Inbound } from './inbound.ts'
import type { Observer } from './observer.ts'
import type { Outbound } from './outbound.ts'

/** What became known before settlement; members stay null when the request never got that far. */
export interface RowFacts {
  readonly protocol: Protocol
  inbound: Inbound | null
  session: string | null
  target: RouteTarget | null
  outbound: Outbound | null
  attempts: number
  firstByteMs: number | null
  prefix: PrefixReading | null
  upstreamRequestId: string | null
  /** Null: nobody traces. */
  trace: TraceContext | null
}

export interface RowEnd {
  readonly status: LedgerRow['status']
  readonly httpStatus: number
  readonly errorCode: string | null
  readonly bytesOut: number
}

export function ledgerRow(
  parts: GatewayParts,
  start: ExchangeStart,
  facts: RowFacts,
  observer: Observer,
  end: RowEnd,
): LedgerRow {
  const { target, outbound, inbound } = facts
  const usage = settledUsage(parts, facts, observer, end)
  const cost =
    target === null || outbound === null
      ? costOf(usage, zeroPrice('not-sent', parts.config.currency))
      : (impossible(usage, parts.config.currency) ?? costOfRequest(parts, target, observer, usage, start.startedAtMs))
  return {
    requestId: start.requestId,
    keyId: start.key.id,
    team: start.key.teamId ?? null,
    tag: boundedTag(tagHeader(inbound)),
    sessionId: facts.session,
    door: start.door.protocol,
    path: start.path,
    upstream: target?.upstream.name ?? null,
    upstreamProtocol: outbound?.protocol ?? null,
    modelAsked: inbound?.model || null,
    modelSent: target?.model ?? null,
    modelServed: observer.servedModel,
    upstreamRequestId: facts.upstreamRequestId ?? observer.upstreamId,
    stream: inbound?.stream ?? false,
    status: end.status,
    httpStatus: end.httpStatus,
    errorCode: end.errorCode,
    usage,
    currency: cost.currency,
    costNanos: cost.totalNanos,
    tierNanos: cost.tierNanos,
    priceVersion: cost.versionId,
    unpricedReason: cost.unpriced?.reason ?? null,
    startedAtMs: start.startedAtMs,
    firstByteMs: facts.firstByteMs,
    firstReasoningMs: observer.firstReasoningMs,
    firstTextMs: observer.firstTextMs,
    endMs: performance.now() - start.startedAt,
    bytesIn: inbound?.bytes.length ?? 0,
    bytesOut: end.bytesOut,
    prefixKeptBytes: facts.prefix?.keptBytes ?? null,
    prefixTotalBytes: facts.prefix?.totalBytes ?? null,
    prefixBreakCause: facts.prefix?.breakCause ?? null,
    translation: outbound?.translation ?? null,
    attempts: facts.attempts,
    tags: start.key.tags,
  }
}

/** What the caller files the request under: a task, a branch, a customer. */
function tagHeader(inbound: Inbound | null): string | undefined {
  const tag = inbound?.headers['x-portolan-tag']
  return typeof tag === 'string' ? tag.trim() : undefined
}

/**
 * What the request used. Reported counts stand as they are. A stream that was cut or left before its report is
 * estimated from what passed by (law 6), and says so; a request that generated nothing used nothing we know of.
 */
function settledUsage(parts: GatewayParts, facts: RowFacts, observer: Observer, end: RowEnd): UsageRecord {
  const { inbound, outbound } = facts
  if (inbound === null || outbound === null) return nothingSent
  const convention = !outbound?.address
    ? 'unknown'
    : outbound.address.countsCachedInInput
      ? 'cached-inside'
      : 'cached-outside'
  if (observer.usageReported && (end.status === 'ok' || observer.ended))
    return { ...observer.usage, source: 'reported', convention }
  if (!observer.meaningful)
    return observer.usageReported ? { ...observer.usage, source: 'reported', convention } : unknownUsage
  const estimate = estimateUsage(parts, inbound, outbound.body.length, observer)
  const inputTokens = observer.usage.inputTokens ?? estimate.inputTokens
  return {
    ...observer.usage,
    inputTokens,
    // Hits cannot be guessed; where the split was not reported the whole prompt counts as computed.
    hitTokens: observer.usage.hitTokens ?? 0,
    missTokens:
      observer.usage.missTokens ?? inputTokens - (observer.usage.hitTokens ?? 0) - (observer.usage.writtenTokens ?? 0),
    writtenTokens: observer.usage.writtenTokens ?? 0,
    written1hTokens: observer.usage.written1hTokens ?? 0,
    outputTokens: Math.max(estimate.outputTokens, observer.usage.outputTokens ?? 0),
    reasoningTokens: observer.usage.reasoningTokens ?? estimate.reasoningTokens,
    source: 'estimated',
    estimatedBy: estimate.by,
    convention,
  }
}

/** Refused before any upstream was asked: zero is known here, not assumed. */
const nothingSent: UsageRecord = {
  ...unknownUsage,
  inputTokens: 0,
  hitTokens: 0,
  missTokens: 0,
  writtenTokens: 0,
  written1hTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  source: 'counted',
}

/** A report beyond every model's window would empty a budget by itself: no bill is made from it. */
function impossible(usage: UsageRecord, currency: string): RequestCost | null {
  const found = checkUsage(usage, mostPlausibleTokens).find(({ code }) => code === 'larger-than-context')
  if (found === undefined) return null
  const nothing = costOf(unknownUsage, zeroPrice('not-sent', currency))
  return { ...nothing, versionId: null, unpriced: { reason: 'bad-usage', message: found.message, tiers: costTiers } }
}

function costOfRequest(
  parts: GatewayParts,
  target: RouteTarget,
  observer: Observer,
  usage: UsageRecord,
  startedAtMs: number,
): RequestCost {
  const { upstream } = target
  const fixed = parts.fixedPrices.get(upstream.name)
  if (fixed) return costOf(usage, fixed)
  const vendor = upstream.priceVendor
  const model =
    observer.servedModel === null || observer.servedModel === target.model
      ? target.model
      : [observer.servedModel, target.model]
  return priceRequest(
    usage,
    parts.priceBook,
    { vendor: vendor ?? upstream.name, model, currency: parts.config.currency },
    startedAtMs,
  )
}
