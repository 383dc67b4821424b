/**
 * One HTTP exchange with an upstream: the only file that touches undici.
 *
 *   send(call, sink) ──▶ sink.onHeaders once ──▶ sink.onData* ──▶ sink.onEnd   | exactly one of the two,
 *                                                             └▶ sink.onFail   | and always the last call
 *
 * `Pool.dispatch` with a handler object, because it costs a fifth of `fetch` per request. HTTP/1.1 only: one
 * stream owns one connection, so a slow reader pauses nobody else. Our own timers replace undici's header and
 * body timeouts: a prefill may be silent for minutes while a dead peer must be noticed, which is what TCP
 * keep-alive probes (15 s idle, then 10 probes a second apart) are for. Compressed answers are decoded here,
 * although we ask for identity, because some servers compress regardless.
 */
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import type { Transform } from 'node:stream'
import { UpstreamError } from './errors.ts'

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

export interface HttpCall {
  /** The upstream's configured name: what errors call it, because callers must not learn addresses. */
  readonly name: string
  readonly origin: string
  /** Path with query. */
  readonly path: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | null
  readonly timeouts: HttpTimeouts
}

export interface HttpTimeouts {
  /**
   * From sending to the first byte of the answer's body. 0 = none. Made for long prefills: some engines send the
   * head at once and then nothing until the whole prompt is read.
   */
  readonly firstByteMs: number
  /** Connection and TLS. Default: the client's. */
  readonly connectMs?: number
  /** Longest gap between two pieces of the answer's body. Comments count as activity. 0 = none. */
  readonly idleMs: number
}

/** How far a failed exchange had come; decides whether a repeat could have an effect twice. */
export type FailStage = 'not-sent' | 'sent-no-byte' | 'streaming'

export interface HttpSink {
  onHeaders(status: number, headers: ResponseHeaders): void
  /** Returns false to pause the upstream until `handle.resume()`. */
  onData(chunk: Buffer): boolean
  onEnd(): void
  onFail(error: UpstreamError, stage: FailStage): void
}

export interface HttpHandle {
  /** Drops the exchange and its connection at once. No sink call follows. Idempotent. */
  abort(): void
  resume(): void
}

export interface HttpClientOptions {
  /** Connections to one origin; more requests than that queue inside the pool. Default 1024. */
  readonly connections?: number
  /** Default 10 s. */
  readonly connectMs?: number
  /** Largest answer head. Default 64 KiB. */
  readonly maxHeaderBytes?: number
}

export class HttpClient {
  /** By origin and time to connect, which is a property of a pool. */
  readonly #pools = new Map<string, { readonly origin: string; readonly pool: Pool }>()
  readonly #options: HttpClientOptions

  constructor(options: HttpClientOptions = {}) {
    this.#options = options
  }

  send(call: HttpCall, sink: HttpSink): HttpHandle {
    const exchange = new Exchange(call, sink)
    try {
      this.#pool(call.origin, call.timeouts.connectMs ?? this.#options.connectMs ?? 10_000).dispatch(
        {
          path: call.path,
          method: call.method,
          headers: call.headers,
          body: call.body,
          // Several generations may wait on one origin; none blocks another because pipelining is 1.
          blocking: false,
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        exchange,
      )
    } catch (error) {
      // Invalid header values and the like are thrown, not reported to the handler.
      exchange.fail(error)
    }
    return exchange
  }

  /** Open connections and queued requests by origin, for metrics and leak tests. */
  stats(): { origin: string; connected: number; pending: number; running: number }[] {
    return [...this.#pools.values()].map(({ origin, pool }) => ({
      origin,
      connected: pool.stats.connected,
      pending: pool.stats.pending,
      running: pool.stats.running,
    }))
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map(({ pool }) => pool.destroy()))
  }

  #pool(origin: string, connectMs: number): Pool {
    const name = `${origin} ${connectMs}`
    let pool = this.#pools.get(name)?.pool
    if (!pool) {
      pool = new Pool(origin, {
        connections: this.#options.connections ?? 1024,
        pipelining: 1,
        allowH2: false,
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: 30_000,
        maxHeaderSize: this.#options.maxHeaderBytes ?? 64 * 1024,
        connect: { timeout: connectMs, keepAlive: true, keepAliveInitialDelay: 15_000 },
      })
      this.#pools.set(name, { origin, pool })
    }
    return pool
  }
}

/** Failures that happen before a byte of the request can have reached the peer. */
const notSentCodes = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
])

class Exchange implements Dispatcher.DispatchHandler, HttpHandle {
  readonly #call: HttpCall
  readonly #sink: HttpSink
  #controller: Dispatcher.DispatchController | null = null
  #decoder: Transform | null = null
  #timer: NodeJS.Timeout | null = null
  #stage: FailStage = 'not-sent'
  #done = false
  #aborted = false
  #paused = false
  #bodyBegan = false

  constructor(call: HttpCall, sink: HttpSink) {
    this.#call = call
    this.#sink = sink
  }

  // ------------------------------------------------------------------------------------ handle

  abort(): void {
    if (this.#done) return
    this.#aborted = true
    this.#finish()
    this.#decoder?.destroy()
    this.#controller?.abort(new Error('caller left'))
  }

  resume(): void {
    if (!this.#paused || this.#done) return
    this.#paused = false
    if (this.#decoder) this.#decoder.resume()
    else this.#controller?.resume()
    this.#timer?.refresh()
  }

  // ----------------------------------------------------------------------------------- handler

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#aborted) {
      controller.abort(new Error('caller left'))
      return
    }
    this.#stage = 'sent-no-byte'
    // Until a byte of the body came; from then on the idle time counts.
    const { firstByteMs } = this.#call.timeouts
    if (firstByteMs > 0)
      this.#timer = setTimeout(() => this.#timeout('UPSTREAM_TIMEOUT_FIRST_BYTE', firstByteMs), firstByteMs)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // 1xx heads are announcements; the answer is still to come.
    if (this.#done || status < 200) return
    this.#stage = 'streaming'
    const encoding = String(headers['content-encoding'] ?? 'identity').toLowerCase()
    const decoder = decoderFor(encoding)
    if (decoder) {
      this.#decoder = decoder
      decoder.on('data', (chunk: Buffer) => this.#deliver(chunk))
      decoder.on('end', () => this.#end())
      decoder.on('error', (error) => {
        this.fail(
          new UpstreamError(
            'UPSTREAM_BAD_RESPONSE',
            `The upstream's ${encoding} answer cannot be decoded: ${error.message}.`,
          ),
        )
        this.#controller?.abort(error)
      })
      const { 'content-encoding': _encoding, 'content-length': _length, ...rest } = headers
      this.#sink.onHeaders(status, rest)
    } else {
      this.#sink.onHeaders(status, headers)
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#done) return
    if (this.#bodyBegan) this.#timer?.refresh()
    else {
      this.#bodyBegan = true
      this.#armIdle()
    }
    if (!this.#decoder) this.#deliver(chunk)
    else if (!this.#decoder.write(chunk)) {
      controller.pause()
      this.#decoder.once('drain', () => controller.resume())
    }
  }

  onResponseEnd(): void {
    if (this.#done) return
    if (this.#decoder) this.#decoder.end()
    else this.#end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.fail(error)
  }

  fail(error: unknown): void {
    if (this.#done) return
    this.#finish()
    this.#decoder?.destroy()
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (notSentCodes.has(code) || code.startsWith('ERR_TLS') || /CERT|SSL/.test(code)) this.#stage = 'not-sent'
    this.#sink.onFail(toUpstreamError(error, this.#stage, this.#call.name), this.#stage)
  }

  // ----------------------------------------------------------------------------------- private

  #deliver(chunk: Buffer): void {
    if (this.#done) return
    let more
    try {
      more = this.#sink.onData(chunk)
    } catch (error) {
      // A decoder's event has no caller who would catch it: the process would end.
      this.fail(error)
      this.#controller?.abort(new Error('answer not taken'))
      return
    }
    if (more || this.#done) return
    this.#paused = true
    if (this.#decoder) this.#decoder.pause()
    else this.#controller?.pause()
    // A client that reads slowly is not an idle upstream.
    if (this.#timer) clearTimeout(this.#timer)
    this.#armIdle()
  }

  #end(): void {
    if (this.#done) return
    this.#finish()
    try {
      this.#sink.onEnd()
    } catch (error) {
      this.#sink.onFail(toUpstreamError(error, this.#stage, this.#call.name), this.#stage)
    }
  }

  #armIdle(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const { idleMs } = this.#call.timeouts
    if (idleMs <= 0) return
    this.#timer = setTimeout(() => {
      if (this.#paused) this.#armIdle()
      else this.#timeout('UPSTREAM_IDLE', idleMs)
    }, idleMs)
  }

  #timeout(code: 'UPSTREAM_TIMEOUT_FIRST_BYTE' | 'UPSTREAM_IDLE', ms: number): void {
    if (this.#done) return
    const what =
      code === 'UPSTREAM_IDLE' ? 'went silent in the middle of its answer for' : 'did not begin to answer within'
    this.fail(new UpstreamError(code, `The upstream ${this.#call.name} ${what} ${ms} ms.`))
    this.#controller?.abort(new Error('timed out'))
  }

  #finish(): void {
    this.#done = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }
}

function decoderFor(encoding: string): Transform | null {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip()
    case 'deflate':
      return createInflate()
    case 'br':
      return createBrotliDecompress()
    case 'zstd':
      return createZstdDecompress()
    default:
      return null
  }
}

/** Addresses, credentials and bodies never enter the message. */
function toUpstreamError(error: unknown, stage: FailStage, name: string): UpstreamError {
  if (error instanceof UpstreamError) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const detail = code || (error instanceof Error ? error.name : 'unknown failure')
  if (stage === 'not-sent')
    return new UpstreamError('UPSTREAM_CONNECT', `No connection to the upstream ${name} (${detail}).`, { cause: error })
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return new UpstreamError('UPSTREAM_BAD_RESPONSE', `The upstream ${name} broke HTTP (${detail}).`, { cause: error })
  const when = stage === 'streaming' ? 'in the middle of its answer' : 'before it answered'
  return new UpstreamError('UPSTREAM_RESET', `The upstream ${name} closed the connection ${when} (${detail}).`, {
    cause: error,
  })
}
