/**
 * Prometheus metrics with bounded labels: door, upstream, status class. Never a key, a session, a prompt or a
 * model name that a caller made up.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { EngineMetrics, type WatchedEngine } from './engine-metrics.ts'

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

export class Metrics {
  /** For a primary that adds up the workers' numbers. */
  readonly registry = new Registry()
  readonly #requests = new Counter({
    name: 'portolan_requests_total',
    help: 'Requests settled.',
    labelNames: ['door', 'upstream', 'status'],
    registers: [this.registry],
  })
  readonly #tokens = new Counter({
    name: 'portolan_tokens_total',
    help: 'Tokens metered: hit, miss, written, output.',
    labelNames: ['upstream', 'kind'],
    registers: [this.registry],
  })
  readonly #duration = new Histogram({
    name: 'portolan_request_seconds',
    help: 'From first byte in to last byte out.',
    labelNames: ['door'],
    buckets: secondsBuckets,
    registers: [this.registry],
  })
  readonly #firstToken = new Histogram({
    name: 'portolan_first_byte_seconds',
    help: 'Until the upstream began to answer.',
    labelNames: ['upstream'],
    buckets: secondsBuckets,
    registers: [this.registry],
  })
  readonly #inFlight = new Gauge({
    name: 'portolan_requests_in_flight',
    help: 'Requests being answered.',
    registers: [this.registry],
  })
  readonly #retries = new Counter({
    name: 'portolan_upstream_retries_total',
    help: 'Attempts after the first.',
    labelNames: ['upstream'],
    registers: [this.registry],
  })
  readonly #prefixKept = new Counter({
    name: 'portolan_prefix_bytes_total',
    help: 'Bytes of earlier prompts: kept or lost.',
    labelNames: ['fate'],
    registers: [this.registry],
  })

  readonly #engines = new EngineMetrics(this.registry)

  readonly #telemetryLost = new Counter({
    name: 'portolan_telemetry_lost_total',
    help: 'Spans and metric reports that did not reach the OpenTelemetry receiver.',
    labelNames: ['signal'],
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry })
  }

  /** Of the upstreams that run one in this process. */
  watchEngines(engines: readonly WatchedEngine[]): void {
    this.#engines.watch(engines)
  }

  started(): void {
    this.#inFlight.inc()
  }

  telemetryLost(signal: 'spans' | 'metrics', count: number): void {
    this.#telemetryLost.inc({ signal }, count)
  }

  retried(upstream: string): void {
    this.#retries.inc({ upstream })
  }

  settled(row: {
    readonly door: string | null
    readonly upstream: string | null
    readonly status: string
    readonly endMs: number | null
    readonly firstByteMs: number | null
    readonly usage: {
      readonly hitTokens: number | null
      readonly missTokens: number | null
      readonly writtenTokens: number | null
      readonly outputTokens: number | null
    }
    readonly prefixKeptBytes: number | null
    readonly prefixTotalBytes: number | null
  }): void {
    const upstream = row.upstream ?? 'none'
    this.#inFlight.dec()
    this.#requests.inc({ door: row.door ?? 'none', upstream, status: row.status })
    if (row.endMs !== null) this.#duration.observe({ door: row.door ?? 'none' }, row.endMs / 1000)
    if (row.firstByteMs !== null) this.#firstToken.observe({ upstream }, row.firstByteMs / 1000)
    const counts = {
      hit: row.usage.hitTokens,
      miss: row.usage.missTokens,
      written: row.usage.writtenTokens,
      output: row.usage.outputTokens,
    }
    for (const [kind, tokens] of Object.entries(counts)) if (tokens) this.#tokens.inc({ upstream, kind }, tokens)
    if (row.prefixTotalBytes !== null && row.prefixKeptBytes !== null) {
      this.#prefixKept.inc({ fate: 'kept' }, row.prefixKeptBytes)
      this.#prefixKept.inc({ fate: 'lost' }, row.prefixTotalBytes - row.prefixKeptBytes)
    }
  }

  /** The exposition text and its content type. */
  async expose(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.registry.contentType, text: await this.registry.metrics() }
  }
}
