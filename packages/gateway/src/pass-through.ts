/**
 * Endpoints that are handed through untouched: text and FIM completions, the account's balance.
 *
 * No translation exists for them, so they go only to upstreams that declare them; one inside this process answers
 * itself. Completions are metered like everything else: usage is read from the answer while it passes, and one ledger
 * row is written before its end.
 */
import type { IncomingMessage } from 'node:http'
import {
  adapterOf,
  readTextCompletion,
  SseReader,
  spliceMembers,
  TextCompletionCollector,
  TextCompletionStreamWriter,
  type Usage,
} from '@portolan/wire'
import {
  readRetryAfter,
  type Address,
  type Complete,
  type PassThrough,
  type Place,
  type ResponseHeaders,
  type Upstream,
  type UpstreamError,
} from '@portolan/upstream'
import { keyAllowsModel } from '@portolan/store'
import { readBody } from './body.ts'
import { GatewayError } from './errors.ts'
import type { ClientHeaders, ClientSide } from './exchange/client-side.ts'
import { errorAnswer } from './exchange/error-answer.ts'
import { problemOf, refusalHeaders, type ExchangeStart, type Problem } from './exchange/exchange.ts'
import { GeneratedText } from './exchange/generated-text.ts'
import { Inbound } from './exchange/inbound.ts'
import type { Outbound } from './exchange/outbound.ts'
import { answerInProcess, eventStream } from './exchange/in-process.ts'
import { Observer } from './exchange/observer.ts'
import { callerHeaders } from './exchange/relay.ts'
import { ledgerRow, type RowFacts } from './exchange/row.ts'
import { fetchWhole } from './fetch-whole.ts'
import type { GatewayParts } from './gateway.ts'
import type { RouteTarget } from './route.ts'
import { reportSettled, traceOf } from './telemetry-port.ts'
import { RequestLimits } from './limits/request-limits.ts'

/** How often at most a caller hears how far its prompt is. */
const progressEveryMs = 2000
/** Largest complete answer. */
const answerBytes = 256 << 20

type PassThroughPlace = Place & { readonly route: PassThrough }

export async function passThrough(
  parts: GatewayParts,
  start: ExchangeStart,
  request: IncomingMessage,
  client: ClientSide,
): Promise<void> {
  const doorPath = start.path.replace(/^\/v1(?=\/)/, '').replace(/^\/beta\/v1(?=\/)/, '/beta')
  if (start.door.endpoint === 'balance') await balance(parts, start, doorPath, client)
  else await new Completion(parts, start, client).run(request, doorPath)
}

/** The first upstream that has an account balance answers with its own bytes. */
async function balance(parts: GatewayParts, start: ExchangeStart, doorPath: string, client: ClientSide): Promise<void> {
  for (const upstream of parts.routes.upstreams) {
    const place = upstream.locatePassThrough('GET', doorPath)
    if (!place) continue
    const answer = await fetchWhole(parts, client, {
      ...place,
      name: upstream.name,
      method: 'GET',
      headers: upstream.plainHeaders(),
      body: null,
      timeouts: upstream.timeouts,
    })
    if (answer === null) return
    if (answer.status === 401 || answer.status === 403) throw new GatewayError('GATEWAY_UPSTREAM_CREDENTIALS')
    client.send(
      answer.status,
      { 'content-type': 'application/json', 'x-request-id': start.requestId, 'x-portolan-upstream': upstream.name },
      answer.body,
    )
    return
  }
  throw new GatewayError('GATEWAY_NOT_SUPPORTED', 'No upstream of this gateway has an account balance.')
}

class Completion {
  readonly #parts: GatewayParts
  readonly #start: ExchangeStart
  readonly #client: ClientSide
  readonly #observer: Observer
  readonly #facts: RowFacts
  #usage: Usage | null = null
  #inProcess = false
  #limits: RequestLimits | null = null
  #settled = false

  constructor(parts: GatewayParts, start: ExchangeStart, client: ClientSide) {
    this.#parts = parts
    this.#start = start
    this.#client = client
    this.#observer = new Observer(start.startedAt)
    this.#facts = {
      protocol: 'chat',
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

  async run(request: IncomingMessage, doorPath: string): Promise<void> {
    const { metrics, telemetry } = this.#parts
    metrics.started()
    if (telemetry !== null) this.#facts.trace = traceOf(request.headers, telemetry.sampleRatio)
    try {
      await this.#serve(request, doorPath)
    } catch (error) {
      await this.#fail(problemOf(error, this.#parts, this.#start.requestId), 'refused')
    }
  }

  async #fail(problem: Problem, status: 'refused' | 'error'): Promise<void> {
    const answer = errorAnswer('chat', problem, null, null, this.#start.requestId)
    await this.#settle(status, answer.status, problem.code)
    // Somebody who was told how his prompt is read has headers already.
    if (this.#client.committed) this.#client.end(answer.event)
    this.#client.send(
      answer.status,
      { ...this.#ownHeaders(), 'content-type': 'application/json', ...refusalHeaders(problem) },
      answer.body,
    )
  }

  async #serve(request: IncomingMessage, doorPath: string): Promise<void> {
    const body = await readBody(request, this.#parts.config.limits)
    if (body === null) {
      await this.#settle('aborted', 499, null)
      return
    }
    const inbound = new Inbound('chat', body, request.headers)
    this.#facts.inbound = inbound
    if (inbound.model === '') throw new GatewayError('GATEWAY_NO_MODEL')
    if (!keyAllowsModel(this.#start.key, inbound.model)) throw new GatewayError('GATEWAY_MODEL_NOT_ALLOWED')
    const route = this.#parts.routes.find(inbound.model)
    if (!route) throw new GatewayError('GATEWAY_UNKNOWN_MODEL')
    if (route.tokenizer !== null) this.#observer.generated = new GeneratedText(route.tokenizer)
    const { key, requestId, startedAtMs } = this.#start
    this.#limits = RequestLimits.of(this.#parts, key, inbound.model, requestId, startedAtMs)
    if (this.#limits !== null) await this.#limits.hold(inbound, route)
    for (const target of route.targets) {
      const { complete } = target.upstream.definition
      if (complete !== undefined) {
        this.#facts.target = target
        await this.#generate(complete, target, inbound)
        return
      }
      const place = target.upstream.locatePassThrough('POST', doorPath)
      if (!place) continue
      this.#facts.target = target
      const sent =
        target.model === inbound.model
          ? body
          : Buffer.concat(spliceMembers(body, [{ name: 'model', value: JSON.stringify(target.model) }], inbound.scan))
      await this.#forward(target.upstream, place, inbound, sent)
      return
    }
    throw new GatewayError(
      'GATEWAY_NOT_SUPPORTED',
      `No upstream of the model \`${inbound.model.slice(0, 100)}\` serves ${this.#start.path}.`,
    )
  }

  /** From an upstream inside this process: nothing is handed through, it reads the request and is read event by event. */
  async #generate(complete: Complete, { upstream, model }: RouteTarget, inbound: Inbound): Promise<void> {
    const { requestId, startedAt, startedAtMs, key } = this.#start
    const request = readTextCompletion(inbound.parsed)
    const context = { request, requestId, createdSec: Math.floor(startedAtMs / 1000) }
    const gone = new AbortController()
    this.#client.onGone(() => gone.abort())
    this.#facts.attempts = 1
    this.#facts.outbound = outboundOf(inbound.bytes, null)
    this.#inProcess = true
    const headers = (): ClientHeaders => ({ ...this.#ownHeaders(), 'x-portolan-upstream': upstream.name })
    let saidAt = startedAt
    const result = await answerInProcess({
      events: complete(
        { ...request, model },
        {
          ...context,
          signal: gone.signal,
          tenant: key.id,
          onProgress: (doneTokens, promptTokens) => {
            const now = performance.now()
            if (!request.stream || this.#client.contentSent || now - saidAt < progressEveryMs) return
            saidAt = now
            this.#client.commit(200, { ...headers(), ...eventStream })
            this.#client.write(`: ${doneTokens} of ${promptTokens} prompt tokens read\n\n`, false)
          },
          onNotice: (notice) => this.#parts.log.warn({ upstream: upstream.name }, notice),
        },
      ),
      answer: request.stream ? new TextCompletionStreamWriter(context) : new TextCompletionCollector(context),
      client: this.#client,
      observer: this.#observer,
      signal: gone.signal,
      headers,
      onFirstEvent: () => {
        this.#facts.firstByteMs ??= performance.now() - startedAt
      },
    })
    if (result.kind === 'gone') await this.#settle('aborted', 499, null)
    else if (result.kind === 'done') {
      await this.#settle(result.outcome, result.head?.status ?? 200, this.#observer.error?.code ?? null)
      if (result.head) this.#client.commit(result.head.status, result.head.headers)
      this.#client.end(result.final)
    } else {
      const waitMs = readRetryAfter(result.headers, this.#parts.now())
      const problem = {
        ...result.error,
        param: result.error.param ?? null,
        retryAfterSec: waitMs === null ? null : waitMs / 1000,
      }
      await this.#fail(problem, 'error')
    }
  }

  #forward(upstream: Upstream, place: PassThroughPlace, inbound: Inbound, body: Buffer): Promise<void> {
    this.#facts.attempts = 1
    const address = upstream.definition.addresses[place.route.protocol] ?? null
    this.#facts.outbound = outboundOf(body, address)
    return new Promise((resolve, reject) => {
      let status = 0
      let headers: ResponseHeaders = {}
      let reader: SseReader | null = null
      const whole: Buffer[] = []
      let bytes = 0
      const finish = async (outcome: 'ok' | 'error' | 'cut' | 'aborted', last: Buffer | null): Promise<void> => {
        await this.#settle(outcome, outcome === 'aborted' ? 499 : status || 502, null)
        if (last) this.#client.send(status, this.#headers(upstream, headers), last)
        else this.#client.end()
        resolve()
      }
      const handle = this.#parts.http.send(
        {
          ...place,
          name: upstream.name,
          method: 'POST',
          headers: address
            ? upstream.requestHeaders(address, inbound.headers)
            : { ...upstream.plainHeaders(), 'content-type': 'application/json' },
          body,
          timeouts: upstream.timeouts,
        },
        {
          onHeaders: (code, received) => {
            status = code
            headers = received
            this.#facts.firstByteMs ??= performance.now() - this.#start.startedAt
            if (code < 300 && String(received['content-type']).includes('event-stream')) {
              reader = new SseReader()
              this.#client.commit(code, this.#headers(upstream, received))
            }
          },
          onData: (chunk) => {
            if (!reader) {
              bytes += chunk.length
              if (bytes > answerBytes) {
                handle.abort()
                reject(
                  new GatewayError(
                    'GATEWAY_UPSTREAM_FAILED',
                    'The upstream sent an answer larger than this gateway accepts.',
                  ),
                )
              } else whole.push(chunk)
              return true
            }
            for (const message of reader.push(chunk)) this.#read(message.data)
            const more = this.#client.write(chunk)
            if (!more) this.#client.whenDrained(() => handle.resume())
            return more
          },
          onEnd: () => {
            if (reader) {
              void finish('ok', null)
              return
            }
            const answer = Buffer.concat(whole)
            this.#read(answer.toString('utf8'))
            if (status === 401 || status === 403) reject(new GatewayError('GATEWAY_UPSTREAM_CREDENTIALS'))
            else void finish(status < 400 ? 'ok' : 'error', answer)
          },
          onFail: (error: UpstreamError) => {
            if (!this.#client.committed)
              reject(new GatewayError('GATEWAY_UPSTREAM_FAILED', error.message, null, { cause: error }))
            else {
              // A cut completion has no error form in its protocol: a broken connection says it.
              void this.#settle('cut', status, error.code).then(() => {
                this.#client.destroy()
                resolve()
              })
            }
          },
        },
      )
      this.#client.onGone(() => {
        handle.abort()
        void finish('aborted', null)
      })
    })
  }

  #read(data: string): void {
    this.#observer.meaningful = true
    this.#observer.firstTextMs ??= performance.now() - this.#start.startedAt
    let answer: { id?: unknown; model?: unknown; choices?: unknown; usage?: unknown } | null
    try {
      answer = JSON.parse(data) as typeof answer
    } catch {
      // The end of the stream, or not JSON: forwarded all the same.
      return
    }
    const { id, model, choices, usage } = answer ?? {}
    for (const choice of Array.isArray(choices) ? (choices as unknown[]) : []) {
      const { index, text } = (choice ?? {}) as { index?: unknown; text?: unknown }
      if (typeof text !== 'string') continue
      this.#observer.observe({ type: 'text-delta', key: typeof index === 'number' ? index : 0, text })
    }
    const read = adapterOf('chat').readUsage(usage)
    if (!read) return
    this.#usage = read
    this.#observer.observe({
      type: 'response-start',
      id: typeof id === 'string' ? id : '',
      model: typeof model === 'string' ? model : '',
      createdSec: null,
      usage: read,
    })
  }

  #headers(upstream: Upstream, headers: ResponseHeaders): ClientHeaders {
    return {
      ...callerHeaders(headers, this.#ownHeaders()),
      'content-type': String(headers['content-type'] ?? 'application/json'),
      'x-portolan-upstream': upstream.name,
    }
  }

  #ownHeaders(): ClientHeaders {
    return { 'x-request-id': this.#start.requestId, ...this.#limits?.headers('chat') }
  }

  async #settle(
    status: 'ok' | 'error' | 'aborted' | 'refused' | 'cut',
    httpStatus: number,
    errorCode: string | null,
  ): Promise<void> {
    if (this.#settled) return
    this.#settled = true
    // Nothing could be read of it: its length is all there is.
    if (this.#usage === null && this.#observer.generatedChars === 0 && !this.#inProcess)
      this.#observer.generatedChars = this.#client.bytesOut
    const row = ledgerRow(this.#parts, this.#start, this.#facts, this.#observer, {
      status,
      httpStatus,
      errorCode,
      bytesOut: this.#client.bytesOut,
    })
    this.#parts.metrics.settled(row)
    await this.#parts.store
      .append(row)
      .catch((error: unknown) =>
        this.#parts.log.error({ requestId: row.requestId, err: error }, 'ledger row not yet durable'),
      )
    this.#limits?.settle(row, this.#facts.outbound === null || row.status === 'error')
    reportSettled(this.#parts, row, this.#facts.target?.upstream ?? null, this.#facts.trace)
  }
}

/** What the row needs to know of the outgoing request; nothing is translated here. */
function outboundOf(body: Buffer, address: Address | null): Outbound {
  return {
    protocol: 'chat',
    far: adapterOf('chat'),
    address,
    same: true,
    body,
    dropUsageChunk: false,
    translation: null,
    askedForm: null,
    units: () => [],
    answer: unused,
  }
}

function unused(): never {
  throw new GatewayError('GATEWAY_INTERNAL')
}
