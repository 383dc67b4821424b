/**
 * One generation request, from its first byte to its ledger row.
 *
 *   body ─▶ route ─▶ ┌ slot ─▶ prepare ─▶ send ─▶ relay ┐ ─▶ settle ─▶ last bytes to the caller
 *                    └───────── next target ◀── failed ─┘
 *
 * Exactly one row per request, whatever happens; the row is durable before the caller sees the end of its
 * answer, so `kill -9` loses no acknowledged row (law 12). A caller that leaves aborts the upstream in the same
 * turn of the event loop and is settled with what was streamed (law 6).
 */
import type { IncomingMessage } from 'node:http'
import { WireError, type ErrorKind, type Protocol } from '@portolan/wire'
import {
  chooseAddress,
  mayRetry,
  requestTraits,
  readRetryAfter,
  readShouldRetry,
  retryDelayMs,
  UpstreamError,
  type HttpHandle,
  type RequestTraits,
} from '@portolan/upstream'
import { keyAllowsModel, type LedgerRow, type KeyRecord } from '@portolan/store'
import { readBody } from '../body.ts'
import type { Door } from '../door.ts'
import { GatewayError } from '../errors.ts'
import type { GatewayParts } from '../gateway.ts'
import { RequestLimits } from '../limits/request-limits.ts'
import type { ModelRoute, RouteTarget } from '../route.ts'
import { clientSession } from '../session.ts'
import { reportSettled, traceHeaders, traceOf } from '../telemetry-port.ts'
import { AskedForm, withComment } from './asked-form.ts'
import type { ClientHeaders, ClientSide } from './client-side.ts'
import { errorAnswer } from './error-answer.ts'
import { GeneratedText } from './generated-text.ts'
import { Inbound } from './inbound.ts'
import { Observer } from './observer.ts'
import { prepare, prepareInProcess, type Outbound, type OutboundContext } from './outbound.ts'
import { answerInProcess, wholeAnswer } from './in-process.ts'
import { RecallCapture } from './recall.ts'
import { AnswerCapture, declinesRecording } from './recording-port.ts'
import { Relay, forwardedHeaders, retryHeaders, type AttemptFailure, type AttemptResult } from './relay.ts'
import { ledgerRow, type RowFacts } from './row.ts'

export interface ExchangeStart {
  readonly requestId: string
  /** Unix milliseconds and `performance.now()` of the first byte. */
  readonly startedAtMs: number
  readonly startedAt: number
  readonly key: KeyRecord
  readonly door: Door
  /** Without query. */
  readonly path: string
}

/** An error as the caller will read it. */
export interface Problem {
  readonly kind: ErrorKind
  readonly code: string | null
  readonly message: string
  readonly param: string | null
  readonly retryAfterSec: number | null
}

export class Exchange {
  readonly #parts: GatewayParts
  readonly #start: ExchangeStart
  readonly #client: ClientSide
  readonly #observer: Observer
  readonly #facts: RowFacts
  readonly #recall = new RecallCapture()
  #keepAlive: NodeJS.Timeout | null = null
  /** When the caller last heard of progress, or began to wait for it. */
  #saidAt: number
  #settled = false
  /** Null: this request is not recorded. */
  #recordingId: string | null = null
  #row: LedgerRow | null = null
  /** Null: nothing limits this request. */
  #limits: RequestLimits | null = null
  /** The upstream answered with an error status, or was never reached: nothing can have been billed. */
  #nothingGenerated = false

  constructor(parts: GatewayParts, start: ExchangeStart, client: ClientSide) {
    this.#parts = parts
    this.#start = start
    this.#saidAt = start.startedAt
    this.#client = client
    this.#observer = new Observer(start.startedAt, start.door.protocol === 'responses' ? null : this.#recall)
    this.#facts = {
      protocol: start.door.protocol,
      inbound: null,
      session: null,
      target: null,
      outbound: null,
      attempts: 0,
      firstByteMs: null,
      prefix: null,
      upstreamRequestId: null,
      trace: null,
    }
  }

  /** Never rejects. */
  async run(request: IncomingMessage): Promise<void> {
    const { metrics, telemetry } = this.#parts
    metrics.started()
    if (telemetry !== null) this.#facts.trace = traceOf(request.headers, telemetry.sampleRatio)
    try {
      await this.#serve(request)
    } catch (error) {
      await this.#fail(problemOf(error, this.#parts, this.#start.requestId))
    } finally {
      if (this.#keepAlive) clearInterval(this.#keepAlive)
      this.#client.onGone(null)
      this.#offerRecording()
    }
  }

  async #serve(request: IncomingMessage): Promise<void> {
    const parts = this.#parts
    const body = await readBody(request, parts.config.limits)
    if (body === null) {
      await this.#settle('aborted', 499, null)
      return
    }
    const inbound = new Inbound(this.#start.door.protocol, body, request.headers)
    this.#facts.inbound = inbound
    this.#armRecording(inbound)
    if (inbound.model === '') throw new GatewayError('GATEWAY_NO_MODEL')
    if (!keyAllowsModel(this.#start.key, inbound.model))
      throw new GatewayError(
        'GATEWAY_MODEL_NOT_ALLOWED',
        `The key may not use the model \`${inbound.model.slice(0, 100)}\`.`,
      )
    const route = parts.routes.find(inbound.model)
    if (!route) throw new GatewayError('GATEWAY_UNKNOWN_MODEL', unknownModel(inbound.model, parts.routes.names()))
    if (route.tokenizer !== null) this.#observer.generated = new GeneratedText(route.tokenizer)

    const { key, requestId, startedAtMs } = this.#start
    this.#limits = RequestLimits.of(parts, key, inbound.model, requestId, startedAtMs)
    if (this.#limits !== null) await this.#limits.hold(inbound, route)

    const session = inbound.session(this.#start.key.id)
    this.#facts.session = session
    if (inbound.stream) this.#armKeepAlive(inbound)
    await this.#attempts(inbound, route, session)
  }

  // ------------------------------------------------------------------------------------ attempts

  async #attempts(inbound: Inbound, route: ModelRoute, session: string): Promise<void> {
    this.#parts.retryBudget.noteRequest(this.#start.startedAtMs)
    const traits = inbound.readable ? requestTraits(inbound.protocol, inbound.parsed, this.#start.door.beta) : noTraits
    const targets = this.#parts.affinity.order(session, route.targets, this.#start.startedAtMs)
    let last: AttemptFailure | null = null
    for (let attempt = 0; attempt < targets.length + 1; attempt++) {
      // One more attempt than targets: a lone upstream may be asked twice where that is safe.
      const target = targets[Math.min(attempt, targets.length - 1)]!
      if (last !== null) {
        const sameAgain = attempt >= targets.length
        const decision = mayRetry({
          stage: last.stage,
          status: last.status,
          kind: last.error.kind,
          effectFree: traits.effectFree,
          delivered: this.#client.contentSent,
          attempt,
          sameUpstream: sameAgain,
          shouldRetry: readShouldRetry(last.headers),
        })
        if (decision === 'stop' || !this.#parts.retryBudget.take(this.#parts.now())) break
        if (sameAgain && !(await this.#pause(attempt, last))) break
        this.#parts.metrics.retried(target.upstream.name)
      }
      const result = await this.#attempt(inbound, route, target, traits)
      if (result.kind === 'gone') {
        await this.#settle('aborted', 499, null)
        return
      }
      if (result.kind === 'done') {
        // With one upstream there is nothing to be drawn to.
        if (targets.length > 1) this.#parts.affinity.remember(session, target.upstream.name, this.#start.startedAtMs)
        await this.#deliver(result)
        return
      }
      last = result
    }
    if (this.#client.gone) await this.#settle('aborted', 499, null)
    else await this.#fail(this.#problemOfFailure(last!), last)
  }

  /** Waits before the same upstream is asked again; false when that would take too long, or the caller left. */
  #pause(attempt: number, last: AttemptFailure): Promise<boolean> {
    const waitMs = retryDelayMs(attempt, readRetryAfter(last.headers, this.#parts.now()), Math.random())
    if (waitMs === null || waitMs > longestPauseMs) return Promise.resolve(false)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(!this.#client.gone), waitMs)
      this.#client.onGone(() => {
        clearTimeout(timer)
        resolve(false)
      })
    })
  }

  async #attempt(
    inbound: Inbound,
    route: ModelRoute,
    target: RouteTarget,
    traits: RequestTraits,
  ): Promise<AttemptResult> {
    const { upstream } = target
    const health = this.#parts.health.of(upstream)
    const gone = new AbortController()
    this.#client.onGone(() => gone.abort())
    let slot
    try {
      slot = await health.enter(gone.signal)
    } catch (error) {
      if (this.#client.gone) return { kind: 'gone' }
      if (error instanceof UpstreamError)
        return {
          kind: 'failed',
          stage: 'not-sent',
          status: null,
          error: { kind: error.kind, message: error.message, code: error.code },
          headers: error.retryAfterMs === null ? {} : retryHeaders(error.retryAfterMs),
          body: null,
        }
      throw error
    }
    try {
      this.#facts.attempts++
      this.#facts.target = target
      this.#observer.restart()
      const inProcess = upstream.definition.transport === 'in-process'
      const context: OutboundContext = {
        sealer: this.#parts.sealer,
        recall: (callId) => this.#parts.store.recall(callId, this.#tenant()),
        requestId: this.#start.requestId,
        createdSec: Math.floor(this.#start.startedAtMs / 1000),
        lossPolicy: route.lossPolicy ?? target.upstream.lossPolicy,
      }
      const outbound = inProcess
        ? prepareInProcess(inbound, target, context)
        : prepare(inbound, target, chooseAddress(inbound.protocol, upstream, traits), context)
      this.#facts.outbound = outbound
      if (outbound.askedForm !== null && this.#parts.schemas !== null)
        this.#observer.form = new AskedForm(outbound.askedForm.schema)
      const result = inProcess
        ? await this.#generate(inbound, target, outbound, gone.signal)
        : await this.#send(inbound, target, outbound, traits)
      slot.leave(healthVerdict(result, inProcess))
      return result
    } catch (error) {
      slot.leave('neutral')
      throw error
    }
  }

  #generate(inbound: Inbound, target: RouteTarget, outbound: Outbound, signal: AbortSignal): Promise<AttemptResult> {
    this.#observePrefix(inbound, outbound)
    const answer = outbound.answer()
    const { adapter, stream } = inbound
    return answerInProcess({
      events: target.upstream.definition.generate!(answer.request, {
        requestId: answer.requestId,
        createdSec: answer.createdSec,
        signal,
        tenant: this.#start.key.id,
        onProgress: (doneTokens, promptTokens) => this.#progress(inbound, doneTokens, promptTokens),
        onNotice: (notice) => this.#parts.log.warn({ upstream: target.upstream.name }, notice),
      }),
      answer: stream ? adapter.createStreamWriter(answer) : wholeAnswer(adapter, answer),
      client: this.#client,
      observer: this.#observer,
      signal,
      headers: () => this.#headers(target, outbound),
      onFirstEvent: () => {
        this.#facts.firstByteMs ??= performance.now() - this.#start.startedAt
      },
    })
  }

  #send(inbound: Inbound, target: RouteTarget, outbound: Outbound, traits: RequestTraits): Promise<AttemptResult> {
    return new Promise((resolve, reject) => {
      const { upstream } = target
      const relay = new Relay(
        {
          door: inbound.adapter,
          far: outbound.far,
          same: outbound.same,
          requestId: this.#start.requestId,
          stream: inbound.stream,
          dropUsageChunk: outbound.dropUsageChunk,
          answer: outbound.answer,
          headers: () => this.#headers(target, outbound),
        },
        this.#client,
        this.#observer,
        (result) => {
          clearTimeout(linger)
          // Nobody will read what an upstream still says after its answer was refused.
          if (result.kind !== 'done') handle?.abort()
          // The answer is complete; an upstream that keeps its connection open afterwards is not waited for. Where
          // it has closed already no timer is set: it would hold the whole exchange in memory for its second.
          else if (result.kind === 'done' && !ended) linger = setTimeout(() => handle?.abort(), 1000).unref()
          resolve(result)
        },
      )
      let linger: NodeJS.Timeout | undefined
      let ended = false
      let handle: HttpHandle | null = null
      // A fault of ours inside a callback must end the exchange: nobody else would.
      const guarded = (work: () => boolean): boolean => {
        try {
          return work()
        } catch (error) {
          reject(error)
          relay.leave()
          return true
        }
      }
      const place = upstream.locate(outbound.address!, traits)
      handle = this.#parts.http.send(
        {
          name: upstream.name,
          origin: place.origin,
          path: place.path,
          method: 'POST',
          headers: this.#traced(upstream.requestHeaders(outbound.address!, inbound.headers, traits), inbound),
          body: outbound.body,
          timeouts: upstream.timeouts,
        },
        {
          onHeaders: (status, headers) =>
            void guarded(() => {
              this.#facts.firstByteMs ??= performance.now() - this.#start.startedAt
              this.#facts.upstreamRequestId = upstream.requestIdOf(headers)
              relay.onHeaders(status, headers)
              return true
            }),
          onData: (chunk) =>
            guarded(() => {
              const more = relay.onData(chunk)
              if (!more) this.#client.whenDrained(() => handle?.resume())
              return more
            }),
          onEnd: () => {
            ended = true
            clearTimeout(linger)
            guarded(() => {
              relay.onEnd()
              return true
            })
          },
          onFail: (error, stage) => {
            ended = true
            guarded(() => {
              relay.onFail(error, stage)
              return true
            })
          },
        },
      )
      this.#client.onGone(() => relay.leave())
      this.#observePrefix(inbound, outbound)
    })
  }

  /** After sending, while the upstream works: costs the caller nothing. */
  #observePrefix(inbound: Inbound, outbound: Outbound): void {
    if (!inbound.readable || this.#facts.prefix !== null) return
    this.#facts.prefix = this.#parts.prefixes.observe(this.#facts.session!, inbound.units, outbound.units())
  }

  // ------------------------------------------------------------------------------------- answers

  async #deliver(result: Extract<AttemptResult, { kind: 'done' }>): Promise<void> {
    this.#stopKeepAlive()
    const { head, outcome } = result
    let { final } = result
    const unmet = await this.#unmet()
    if (unmet !== null) {
      if (head) head.headers[translationHeader] = unmet
      else final = withComment(final, `${translationHeader}: ${unmet}`)
    }
    await this.#settle(outcome, head?.status ?? 200, this.#observer.error?.code ?? null)
    if (head) this.#client.commit(head.status, head.headers)
    this.#client.end(final)
  }

  /** What the translation came to, where the answer does not fit what was asked for in words; null: nothing new. */
  async #unmet(): Promise<string | null> {
    const { outbound } = this.#facts
    const { form, ended } = this.#observer
    const { schemas } = this.#parts
    if (form === null || schemas === null || !ended || !outbound?.askedForm || !(await form.isUnmet(schemas)))
      return null
    const unmet = `unmet=${outbound.askedForm.field}`
    const translation = outbound.translation === null ? null : `${outbound.translation};${unmet}`
    this.#facts.outbound = { ...outbound, translation }
    return translation
  }

  async #fail(problem: Problem, failure: AttemptFailure | null = null): Promise<void> {
    this.#stopKeepAlive()
    this.#nothingGenerated = failure === null || failure.status !== null || failure.stage === 'not-sent'
    const answer = errorAnswer(
      this.#start.door.protocol,
      problem,
      failure,
      this.#facts.outbound?.far.protocol ?? null,
      this.#start.requestId,
    )
    const status =
      problem.kind === 'client-closed' ? 'aborted' : failure || problem.kind === 'internal' ? 'error' : 'refused'
    await this.#settle(status, answer.status, problem.code)
    if (this.#client.committed) {
      // Headers are gone (keep-alives were sent): the error is said in the stream. A whole answer has no such
      // place, and a proper end would pass for an empty answer: only a broken connection is honest.
      if (this.#facts.inbound?.stream) this.#client.end(answer.event)
      else this.#client.destroy()
      return
    }
    const headers: ClientHeaders = {
      ...(failure ? forwardedHeaders(failure.headers) : {}),
      ...this.#ownHeaders(),
      'content-type': 'application/json',
    }
    this.#client.send(answer.status, { ...refusalHeaders(problem), ...headers }, answer.body)
  }

  #problemOfFailure(failure: AttemptFailure): Problem {
    // Null when no upstream had a place for the request.
    const upstream = this.#facts.target?.upstream
    const waitMs = readRetryAfter(failure.headers, this.#parts.now())
    if (upstream && (failure.status === 401 || failure.status === 403)) {
      this.#parts.log.warn(
        { requestId: this.#start.requestId, upstream: upstream.name, status: failure.status },
        'upstream refused our credentials',
      )
      return {
        kind: 'upstream',
        code: 'GATEWAY_UPSTREAM_CREDENTIALS',
        message: `The upstream \`${upstream.name}\` refused the credentials configured for it. Your own key is fine; the operator must correct \`apiKey\` of that upstream.`,
        param: null,
        retryAfterSec: null,
      }
    }
    return {
      kind: failure.error.kind,
      code: failure.error.code,
      message: failure.error.message,
      param: failure.error.param ?? null,
      retryAfterSec: waitMs === null ? null : waitMs / 1000,
    }
  }

  // ---------------------------------------------------------------------------------- settlement

  async #settle(
    status: 'ok' | 'error' | 'aborted' | 'refused' | 'cut',
    httpStatus: number,
    errorCode: string | null,
  ): Promise<void> {
    if (this.#settled) return
    this.#settled = true
    // A caller that left before the end is settled as such, whatever the upstream said last.
    const finalStatus = this.#client.gone && status !== 'refused' && !this.#observer.ended ? 'aborted' : status
    const row = ledgerRow(this.#parts, this.#start, this.#facts, this.#observer, {
      status: finalStatus,
      httpStatus,
      errorCode,
      bytesOut: this.#client.bytesOut,
    })
    this.#row = row
    this.#parts.metrics.settled(row)
    this.#remember()
    try {
      await this.#parts.store.append(row)
    } catch (error) {
      // The row stays queued and is written again; the answer was generated and paid for, so it is delivered.
      this.#parts.log.error({ requestId: row.requestId, err: error }, 'ledger row not yet durable')
    }
    // After the row: what a crash leaves held in between is settled from the row at the next start.
    this.#limits?.settle(row, this.#nothingGenerated)
    reportSettled(this.#parts, row, this.#facts.target?.upstream ?? null, this.#facts.trace)
  }

  #armRecording(inbound: Inbound): void {
    const { recording } = this.#parts
    const recordingId = recording?.wants(this.#start.key) ?? null
    if (recordingId === null) return
    if (declinesRecording(inbound.headers)) {
      recording!.declined(recordingId)
      return
    }
    this.#recordingId = recordingId
    this.#observer.capture = new AnswerCapture()
  }

  /** After the caller's last byte. A recorder's fault stays the recorder's. */
  #offerRecording(): void {
    const { inbound } = this.#facts
    if (this.#recordingId === null || this.#row === null || inbound === null || this.#row.status === 'refused') return
    try {
      this.#parts.recording!.offer({
        recordingId: this.#recordingId,
        key: this.#start.key,
        row: this.#row,
        door: inbound.protocol,
        messagesVersion: inbound.messagesVersion,
        body: inbound.readable ? inbound.bytes : null,
        answer: this.#observer.capture!.answer,
        clientSession: clientSession(inbound.headers, inbound.readable ? inbound.parsed : {}),
      })
    } catch (error) {
      this.#parts.log.error({ requestId: this.#start.requestId, err: error }, 'exchange not recorded')
    }
  }

  /** Chat callers drop reasoning, Messages callers respell arguments; Responses callers replay both as they are. */
  #remember(): void {
    const { outbound, target } = this.#facts
    if (this.#start.door.protocol === 'responses' || !outbound || !target) return
    for (const { callId, call } of this.#recall.entries(target.upstream.definition.family))
      this.#parts.store.remember(callId, this.#tenant(), call)
  }

  /** Some engines number their calls from nought in every answer: an id means something in its conversation only. */
  #tenant(): string {
    return `${this.#start.key.id}/${this.#facts.session}`
  }

  // ------------------------------------------------------------------------------------- headers

  #traced(headers: Record<string, string>, inbound: Inbound): Record<string, string> {
    const { trace } = this.#facts
    return trace === null ? headers : Object.assign(headers, traceHeaders(trace, inbound.headers))
  }

  #ownHeaders(): ClientHeaders {
    const name = this.#start.door.protocol === 'messages' ? 'request-id' : 'x-request-id'
    const headers: ClientHeaders = { [name]: this.#start.requestId }
    return this.#limits === null ? headers : { ...headers, ...this.#limits.headers(this.#start.door.protocol) }
  }

  #headers(target: RouteTarget, outbound: Outbound): ClientHeaders {
    const headers = this.#ownHeaders()
    headers['x-portolan-upstream'] = headerText(target.upstream.name)
    headers['x-portolan-model'] = headerText(target.model)
    if (outbound.translation !== null) headers[translationHeader] = outbound.translation
    if (this.#facts.upstreamRequestId !== null) headers['x-portolan-upstream-id'] = this.#facts.upstreamRequestId
    return headers
  }

  // ---------------------------------------------------------------------------------- keep-alive

  /** Long prefills are silent; clients and proxies in between time out. Comments and pings keep them waiting. */
  #armKeepAlive(inbound: Inbound): void {
    const everyMs = this.#parts.config.keepAliveMs
    if (everyMs <= 0) return
    let lastBytes = 0
    this.#keepAlive = setInterval(() => {
      if (this.#client.bytesOut === lastBytes) this.#sayAlive(inbound, '')
      lastBytes = this.#client.bytesOut
    }, everyMs)
  }

  /** What is known of a prompt that is being read goes into the keep-alives, which then come sooner. */
  #progress(inbound: Inbound, doneTokens: number, promptTokens: number): void {
    if (this.#keepAlive === null || this.#client.contentSent || doneTokens >= promptTokens) return
    const now = performance.now()
    const everyMs = Math.min(progressEveryMs, this.#parts.config.keepAliveMs)
    if (now - this.#saidAt < everyMs) return
    this.#saidAt = now
    this.#sayAlive(inbound, `${doneTokens} of ${promptTokens} prompt tokens read`)
  }

  #sayAlive(inbound: Inbound, news: string): void {
    this.#client.commit(200, {
      ...this.#ownHeaders(),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    this.#client.write(keepAliveText(inbound.protocol, news), false)
  }

  #stopKeepAlive(): void {
    if (this.#keepAlive) clearInterval(this.#keepAlive)
    this.#keepAlive = null
  }
}

/** Messages clients know `ping`; comments are harmless to all three, but some Messages clients count silence by events. */
function keepAliveText(protocol: Protocol, news: string): string {
  if (protocol !== 'messages') return `: ${news || 'keep-alive'}\n\n`
  return `${news && `: ${news}\n`}event: ping\ndata: {"type":"ping"}\n\n`
}

const translationHeader = 'x-portolan-translation'

/** How often at most a caller hears how far its prompt is. */
const progressEveryMs = 2000

/** Names may be in any script, headers only in ASCII: what is not goes percent-encoded. */
function headerText(name: string): string {
  return name.replace(/[^\x20-\x7e]+/g, (odd) => encodeURIComponent(odd.toWellFormed()))
}

/** For bodies too large to be read: assume nothing special, and nothing repeatable. */
const noTraits: RequestTraits = { traits: new Set(), effectFree: false }

/** A caller who retries by itself is better told soon than kept waiting. */
const longestPauseMs = 2000

function healthVerdict(result: AttemptResult, inProcess: boolean): 'success' | 'failure' | 'neutral' {
  if (result.kind === 'gone') return 'neutral'
  if (result.kind === 'done') return result.outcome === 'ok' ? 'success' : 'failure'
  // In this process there is no status to go by, and a full queue or a late answer is no ill health: leaving the
  // engine alone would only hide its own words.
  if (inProcess) return result.error.kind === 'internal' ? 'failure' : 'neutral'
  // What the caller did wrong says nothing about the upstream's health.
  return result.status !== null && result.status < 500 && result.status !== 429 ? 'neutral' : 'failure'
}

function unknownModel(model: string, names: readonly string[]): string {
  const known = names.slice(0, 12).join(', ')
  return `No route leads to the model \`${model.slice(0, 100)}\`. ${names.length > 0 ? `This gateway serves: ${known}${names.length > 12 ? ', ...' : ''}.` : 'No model is configured.'}`
}

/** Whether and when to come again. */
export function refusalHeaders({ code, retryAfterSec }: Problem): ClientHeaders {
  const headers: ClientHeaders = {}
  if (retryAfterSec !== null) headers['retry-after'] = String(Math.ceil(retryAfterSec))
  // SDKs repeat a 429 by themselves; a spent budget does not get better in seconds.
  if (code === 'GATEWAY_BUDGET_SPENT') headers['x-should-retry'] = 'false'
  return headers
}

/** Any thrown thing as what the caller may know of it: no stack, no path, no credential (law 10). */
export function problemOf(error: unknown, parts: Pick<GatewayParts, 'log'>, requestId: string): Problem {
  if (error instanceof WireError)
    return { kind: error.kind, code: error.code, message: error.message, param: error.field, retryAfterSec: null }
  if (error instanceof GatewayError)
    return {
      kind: error.kind,
      code: error.code,
      message: error.message,
      param: null,
      retryAfterSec: error.retryAfterSec,
    }
  // Recursion over a body that is nested without end; nothing was sent.
  if (error instanceof RangeError && /call stack/.test(error.message))
    return {
      kind: 'invalid-request',
      code: 'WIRE_BAD_FIELD',
      message: 'The request body is nested too deeply to be read.',
      param: null,
      retryAfterSec: null,
    }
  parts.log.error({ requestId, err: error }, 'request failed by a fault of ours')
  return {
    kind: 'internal',
    code: 'GATEWAY_INTERNAL',
    message: `A fault in Portolan itself; the operator's log has it under ${requestId}.`,
    param: null,
    retryAfterSec: null,
  }
}
