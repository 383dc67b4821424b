/**
 * OpenTelemetry over OTLP/HTTP: loaded only when an endpoint is configured.
 *
 * Queues are bounded, exports run beside the requests, and an exporter that is down is said once and counted.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as traces, TraceFlags } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, TracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace'
import type { RequestTelemetry, SettledRequest } from '@portolan/gateway'
import type { Logger } from 'pino'
import { conventionDate, metricNames, secondsBuckets, toMeasures, tokenBuckets, toSpan } from './genai-mapping.ts'

export interface OtelSettings {
  /** Root of the receiver; `/v1/traces` and `/v1/metrics` are added. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  readonly metricsIntervalMs: number
  readonly spansIntervalMs: number
  /** Retries included. */
  readonly exportTimeoutMs: number
  readonly sampleRatio: number
  readonly log: Logger
  /** Told of everything that did not arrive. */
  readonly onLost: (signal: 'spans' | 'metrics', count: number) => void
}

export interface OtelTelemetry extends RequestTelemetry {
  /** Sends what is queued, for at most two seconds. */
  close(): Promise<void>
}

const closeTimeoutMs = 2000
const queuedSpans = 4096
/** Names of models come from callers: past so many they are one. */
const mostModelNames = 200

export function startOtel(settings: OtelSettings): OtelTelemetry {
  const { exportTimeoutMs } = settings
  const resource = resourceFromAttributes({
    'service.name': settings.serviceName,
    'service.instance.id': `${process.pid}`,
    'portolan.genai.convention': conventionDate,
  })
  const root = settings.endpoint.replace(/\/+$/, '')
  const lost = lossTeller(settings)
  const common = { headers: { ...settings.headers }, timeoutMillis: exportTimeoutMs }
  const ids = { traceId: '', spanId: '' }
  const tracing = new TracerProvider({
    resource,
    // The ids were made when the request began, because the upstream was told them.
    idGenerator: { generateTraceId: () => ids.traceId, generateSpanId: () => ids.spanId },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: tellingSpans(new OTLPTraceExporter({ ...common, url: `${root}/v1/traces` }), lost),
        maxQueueSize: queuedSpans,
        scheduledDelayMillis: settings.spansIntervalMs,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  })
  const metering = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exporter: tellingMetrics(new OTLPMetricExporter({ ...common, url: `${root}/v1/metrics` }), lost),
        exportIntervalMillis: settings.metricsIntervalMs,
        exportTimeoutMillis: Math.min(exportTimeoutMs, settings.metricsIntervalMs),
      }),
    ],
  })
  const tracer = tracing.getTracer('portolan')
  const record = recorder(metering)
  const boundedModel = boundedNames(mostModelNames)
  return {
    sampleRatio: settings.sampleRatio,
    settled(request) {
      record(toMeasures(request, boundedModel))
      if (request.trace.sampled) addSpan(request)
    },
    async close() {
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, closeTimeoutMs).unref())
      const sent = Promise.allSettled([tracing.shutdown(), metering.shutdown()])
      await Promise.race([sent, timeout])
    },
  }

  function addSpan(request: SettledRequest): void {
    const { name, kind, startMs, endMs, failed, attributes } = toSpan(request)
    const { traceId, spanId, parentSpanId } = request.trace
    Object.assign(ids, { traceId, spanId })
    const parent =
      parentSpanId === null
        ? ROOT_CONTEXT
        : traces.setSpanContext(ROOT_CONTEXT, {
            traceId,
            spanId: parentSpanId,
            traceFlags: TraceFlags.SAMPLED,
            isRemote: true,
          })
    const span = tracer.startSpan(
      name,
      { kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL, startTime: startMs, attributes },
      parent,
    )
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endMs)
  }
}

function recorder(provider: MeterProvider): (measures: ReturnType<typeof toMeasures>) => void {
  const meter = provider.getMeter('portolan')
  const histogram = (name: string, unit: string, bounds: number[]) =>
    meter.createHistogram(name, { unit, advice: { explicitBucketBoundaries: bounds } })
  const tokens = histogram(metricNames.tokens, '{token}', tokenBuckets)
  const duration = histogram(metricNames.duration, 's', secondsBuckets)
  const firstChunk = histogram(metricNames.firstChunk, 's', secondsBuckets)
  const cost = meter.createCounter(metricNames.cost, { unit: '{currency}' })
  return ({ attributes, durationSec, firstChunkSec, tokens: counts, costNanos, currency }) => {
    if (durationSec !== null) duration.record(durationSec, attributes)
    if (firstChunkSec !== null) firstChunk.record(firstChunkSec, attributes)
    for (const { type, count } of counts) tokens.record(count, { ...attributes, 'gen_ai.token.type': type })
    if (costNanos !== null && costNanos >= 0n && currency !== null)
      cost.add(Number(costNanos) / 1e9, { ...attributes, 'portolan.cost.currency': currency })
  }
}

/** The first so many names stay; whatever comes after them is `other`. */
export function boundedNames(most: number): (name: string) => string {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= most || name.length > 128) return 'other'
    known.add(name)
    return name
  }
}

type Lost = (signal: 'spans' | 'metrics', count: number, reason: string) => void

function lossTeller({ log, onLost, endpoint }: OtelSettings): Lost {
  let said = false
  return (signal, count, reason) => {
    onLost(signal, count)
    if (said) return
    said = true
    log.warn(
      { endpoint: new URL(endpoint).origin, signal, reason },
      'telemetry could not be delivered; requests go on, later losses are only counted',
    )
  }
}

function tellingSpans(inner: SpanExporter, lost: Lost): SpanExporter {
  return {
    export: (spans, done) =>
      inner.export(spans, (result) => {
        const reason = failure(result)
        if (reason !== null) lost('spans', spans.length, reason)
        done({ code: 0 })
      }),
    shutdown: () => inner.shutdown(),
    forceFlush: () => inner.forceFlush?.() ?? Promise.resolve(),
  }
}

function tellingMetrics(inner: OTLPMetricExporter, lost: Lost): PushMetricExporter {
  return {
    export: (metrics, done) =>
      inner.export(metrics, (result) => {
        const reason = failure(result)
        if (reason !== null) lost('metrics', 1, reason)
        done({ code: 0 })
      }),
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown(),
    selectAggregation: (type) => inner.selectAggregation(type),
    selectAggregationTemporality: (type) => inner.selectAggregationTemporality(type),
  }
}

/** Null: it arrived. */
function failure({ code, error }: { readonly code: number; readonly error?: Error }): string | null {
  return code === 0 ? null : (error?.message ?? 'unknown')
}
