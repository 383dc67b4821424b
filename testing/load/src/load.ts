/**
 * A bounded HTTP load client for JSON and event streams, on node:http with one keep-alive agent.
 *
 * Closed loop: `concurrency` workers each send the next request when their last one ended, until `requests` are
 * through. It measures from just before the request is written; what the machine itself adds is part of it,
 * so compare runs of one machine only.
 */

import { Agent, request as send } from 'node:http'
import { readStreamEnd, type StreamKind } from './completeness.ts'
import { percentiles, type Percentiles } from './percentiles.ts'

export interface LoadOptions {
  /** Full address, e.g. http://127.0.0.1:4114/v1/chat/completions */
  url: string
  requests: number
  concurrency: number
  /** Sent as JSON unless it is text or bytes; a function is asked per request (number from 0). */
  body: unknown
  headers?: Record<string, string>
  /** Whether the answers are event streams. */
  stream?: boolean
  /** Each client leaves this long after it sent its request. */
  leaveAfterMs?: number
  /** A request that takes longer counts as failed. Default 60 s. */
  timeoutMs?: number
  /** Name of the response header that carries the request id. Default x-request-id, then request-id. */
  idHeader?: string
  /** Stops the whole run. */
  signal?: AbortSignal
}

export interface LoadReport {
  sent: number
  /** Whole answers with a 2xx status (streams: with their terminal event). */
  complete: number
  /** 2xx streams that ended without a terminal event, or bodies cut short. */
  incomplete: number
  /** Clients that left on purpose. */
  left: number
  /**
   * Of those, the ones that left before their request was on its way: on a machine that stands still their time is over
   * before their connection is open, and nobody has heard of them.
   */
  leftUnsent: number
  failed: number
  byStatus: Record<string, number>
  /** Socket error codes and `TIMEOUT`. */
  byError: Record<string, number>
  wallMs: number
  requestsPerSecond: number
  bytesReceived: number
  eventsReceived: number
  latencyMs: Percentiles
  /** Until the first byte of the body. */
  firstByteMs: Percentiles
  /** In the order in which the answers began; empty strings where the header was missing. */
  ids: string[]
  /** Of the complete answers only, in the order in which they ended. */
  completeIds: string[]
}

export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const { requests, concurrency } = options
  if (!Number.isInteger(requests) || requests < 1)
    throw new RangeError(`requests must be a positive integer, got ${requests}`)
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency must be a positive integer, got ${concurrency}`)
  }
  const run = new Run(options)
  const begunMs = performance.now()
  await Promise.all(Array.from({ length: Math.min(concurrency, requests) }, () => run.work()))
  run.agent.destroy()
  const wallMs = performance.now() - begunMs
  return run.report(wallMs)
}

class Run {
  readonly agent: Agent
  readonly #options: LoadOptions
  readonly #url: URL
  readonly #fixedBody: Buffer | undefined
  readonly #latencies: number[] = []
  readonly #firstBytes: number[] = []
  readonly #ids: string[] = []
  readonly #completeIds: string[] = []
  readonly #byStatus: Record<string, number> = {}
  readonly #byError: Record<string, number> = {}
  #next = 0
  #sent = 0
  #complete = 0
  #incomplete = 0
  #left = 0
  #leftUnsent = 0
  #failed = 0
  #bytes = 0
  #events = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#url = new URL(options.url)
    this.agent = new Agent({ keepAlive: true, maxSockets: options.concurrency })
    this.#fixedBody = typeof options.body === 'function' ? undefined : bytesOf(options.body)
  }

  async work(): Promise<void> {
    while (this.#next < this.#options.requests && !this.#options.signal?.aborted) {
      const number = this.#next
      this.#next += 1
      await this.#one(number)
    }
  }

  #one(number: number): Promise<void> {
    const { options, body } = { options: this.#options, body: this.#bodyOf(number) }
    return new Promise((resolve) => {
      const begunMs = performance.now()
      let over = false
      let leaving = false
      const finish = (tally: () => void): void => {
        if (over) return
        over = true
        clearTimeout(timeout)
        clearTimeout(leave)
        options.signal?.removeEventListener('abort', stop)
        tally()
        resolve()
      }
      const failed = (code: string): void =>
        finish(() => {
          if (leaving) this.#left += 1
          else {
            this.#failed += 1
            this.#byError[code] = (this.#byError[code] ?? 0) + 1
          }
        })
      this.#sent += 1
      const outgoing = send(this.#url, {
        method: 'POST',
        agent: this.agent,
        headers: { 'content-type': 'application/json', 'content-length': body.length, ...options.headers },
      })
      const stop = (): void => {
        failed('STOPPED')
        outgoing.destroy()
      }
      const timeout = setTimeout(() => {
        failed('TIMEOUT')
        outgoing.destroy()
      }, options.timeoutMs ?? 60_000)
      const leave =
        options.leaveAfterMs === undefined
          ? undefined
          : setTimeout(() => {
              leaving = true
              if (!outgoing.writableFinished && !over) this.#leftUnsent += 1
              outgoing.destroy()
              failed('LEFT')
            }, options.leaveAfterMs)
      options.signal?.addEventListener('abort', stop)
      outgoing.on('error', (error: NodeJS.ErrnoException) => failed(error.code ?? error.message))
      outgoing.on('response', (response) => {
        const status = response.statusCode ?? 0
        this.#byStatus[status] = (this.#byStatus[status] ?? 0) + 1
        const id = options.idHeader
          ? response.headers[options.idHeader]
          : (response.headers['x-request-id'] ?? response.headers['request-id'])
        const name = typeof id === 'string' ? id : ''
        this.#ids.push(name)
        const ok = status >= 200 && status < 300
        const kind: StreamKind = options.stream && ok ? 'events' : 'whole'
        const reader = readStreamEnd(kind)
        let first = true
        response.on('data', (chunk: Buffer) => {
          if (first) {
            first = false
            this.#firstBytes.push(performance.now() - begunMs)
          }
          this.#bytes += chunk.length
          this.#events += reader.push(chunk)
        })
        response.on('error', (error: NodeJS.ErrnoException) => failed(error.code ?? 'CUT'))
        response.on('end', () =>
          finish(() => {
            this.#latencies.push(performance.now() - begunMs)
            if (!ok) this.#failed += 1
            else if (response.complete && reader.isComplete()) {
              this.#complete += 1
              this.#completeIds.push(name)
            } else this.#incomplete += 1
          }),
        )
        response.on('close', () => finish(() => (leaving ? (this.#left += 1) : (this.#incomplete += 1))))
      })
      outgoing.end(body)
    })
  }

  #bodyOf(number: number): Buffer {
    if (this.#fixedBody) return this.#fixedBody
    const make = this.#options.body
    return bytesOf(typeof make === 'function' ? (make(number) as unknown) : make)
  }

  report(wallMs: number): LoadReport {
    return {
      sent: this.#sent,
      complete: this.#complete,
      incomplete: this.#incomplete,
      left: this.#left,
      leftUnsent: this.#leftUnsent,
      failed: this.#failed,
      byStatus: this.#byStatus,
      byError: this.#byError,
      wallMs,
      requestsPerSecond: (this.#complete / wallMs) * 1000,
      bytesReceived: this.#bytes,
      eventsReceived: this.#events,
      latencyMs: percentiles(this.#latencies),
      firstByteMs: percentiles(this.#firstBytes),
      ids: this.#ids,
      completeIds: this.#completeIds,
    }
  }
}

function bytesOf(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}
