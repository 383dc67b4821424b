/**
 * The stand-in supplier: a real HTTP server on loopback that records what it gets, judges it as the copied
 * supplier would, and answers from a script. It holds no model, and it is never part of the product.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Dialect, Script } from './answer.ts'
import { errorBody, streamErrorFrames } from './errors.ts'
import { frameText, type Frame } from './frames.ts'
import { isObject, parseOrUndefined, type JsonObject } from './json-value.ts'
import { Mint } from './mint.ts'
import { protocolOfPath, sides } from './protocols.ts'
import type { ConversationView, MockProtocol, RecordedRequest } from './recorded-request.ts'
import type { RenderContext } from './render-context.ts'
import type { RuleContext } from './rule-context.ts'
import type { Violation } from './violation.ts'

export interface MockUpstreamOptions {
  script: Script
  /**
   * Scenes by name: a path that begins with `/NAME` plays that scene instead of `script`, and the rest of the path
   * counts. So one server can stand behind many base URLs.
   */
  scenes?: Record<string, Script>
  /** Manners on every path. By default Messages paths speak `anthropic` and the others `openai`. */
  dialect?: Dialect
  /** Ids accepted in the auth headers; any when absent. Wrong or missing ones get the dialect's 401. */
  apiKeys?: string[]
  /** Ids listed by GET /models. */
  models?: string[]
  /** `false` lets unknown fields through on the strict dialects. Default true. */
  refuseUnknownFields?: boolean
  /** DeepSeek only: null content is refused beside tool calls too. Default false, as measured in 2026-08. */
  refuseNullContent?: boolean
  /** DeepSeek only. Default `tools`. */
  reasoningPassback?: RuleContext['reasoningPassback']
  /** `record` keeps violations without refusing the request. Default `refuse`. */
  onViolation?: 'refuse' | 'record'
  /** A judge of the test's own: what it returns counts as violations. */
  judge?: (request: RecordedRequest) => { path: string; message: string }[]
  /** Fixed instant for `created` fields, Unix seconds. */
  createdSeconds?: number
  maxBodyBytes?: number
}

export interface MockUpstream {
  /** Origin without path, e.g. http://127.0.0.1:40001 */
  url: string
  requests: RecordedRequest[]
  violations: Violation[]
  /** Connections open now. */
  openConnections: () => number
  connectionsAccepted: () => number
  setScript: (script: Script) => void
  /** Forgets requests and violations. */
  clear: () => void
  close: () => Promise<void>
}

const emptyView: ConversationView = {
  model: '',
  stream: false,
  turns: [],
  tools: [],
  toolChoice: undefined,
  maxTokens: undefined,
  thinking: undefined,
  effort: undefined,
  structured: undefined,
}

export async function startMockUpstream(options: MockUpstreamOptions): Promise<MockUpstream> {
  const stand = new StandIn(options)
  await new Promise<void>((resolve, reject) => {
    stand.server.once('error', reject)
    stand.server.listen(0, '127.0.0.1', resolve)
  })
  const address = stand.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    requests: stand.requests,
    violations: stand.violations,
    openConnections: () => stand.open,
    connectionsAccepted: () => stand.accepted,
    setScript: (script) => {
      stand.script = script
    },
    clear: () => {
      stand.requests.length = 0
      stand.violations.length = 0
    },
    close: async () => {
      stand.closing.abort()
      await new Promise<void>((resolve) => {
        stand.server.close(() => resolve())
        stand.server.closeAllConnections()
      })
    },
  }
}

class StandIn {
  readonly server: Server
  readonly requests: RecordedRequest[] = []
  readonly violations: Violation[] = []
  readonly closing = new AbortController()
  script: Script
  open = 0
  accepted = 0
  readonly #options: MockUpstreamOptions
  readonly #mint = new Mint('portolan stand-in')
  readonly #saidReasoning = new Map<string, string>()

  constructor(options: MockUpstreamOptions) {
    this.#options = options
    this.script = options.script
    this.server = createServer((request, response) => void this.#serve(request, response))
    this.server.on('connection', (socket) => {
      this.open += 1
      this.accepted += 1
      socket.once('close', () => (this.open -= 1))
      socket.on('error', () => {})
    })
    this.server.requestTimeout = 0
    this.server.headersTimeout = 0
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const bytes = await readBody(incoming, this.#options.maxBodyBytes ?? 64 * 1024 * 1024)
      const request = this.#record(incoming, bytes)
      const outcome = watch(request, response)
      await this.#answer(request, response).catch((cause: unknown) => {
        if (!response.headersSent && !response.destroyed) {
          response.writeHead(500, { 'content-type': 'text/plain' })
          response.end(`the script failed: ${cause instanceof Error ? cause.message : String(cause)}`)
        } else response.destroy()
      })
      await outcome
    } catch {
      // The peer left while it was still sending: there is nobody to answer and nothing to record.
      response.destroy()
    }
  }

  #record(incoming: IncomingMessage, bytes: Buffer): RecordedRequest {
    const url = incoming.url ?? '/'
    const whole = url.split('?')[0] ?? '/'
    const first = whole.split('/')[1] ?? ''
    const scene = this.#options.scenes && Object.hasOwn(this.#options.scenes, first) ? first : undefined
    const path = scene === undefined ? whole : whole.slice(first.length + 1)
    const protocol = protocolOfPath(path)
    const dialect = this.#options.dialect ?? (protocol === 'messages' || protocol === 'count' ? 'anthropic' : 'openai')
    const json = bytes.length > 0 ? parseOrUndefined(bytes.toString('utf8')) : undefined
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(incoming.headers)) {
      headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '')
    }
    const request: RecordedRequest = {
      index: this.requests.length,
      protocol,
      dialect,
      method: incoming.method ?? 'GET',
      url,
      path,
      scene,
      headers,
      rawHeaders: incoming.rawHeaders,
      bytes,
      json,
      view: isObject(json) ? (sides[protocol]?.read(json) ?? emptyView) : emptyView,
      receivedAtMs: performance.now(),
      outcome: 'open',
      abortedAtMs: undefined,
      eventsSent: 0,
      settled: Promise.resolve(),
    }
    this.requests.push(request)
    return request
  }

  async #answer(request: RecordedRequest, response: ServerResponse): Promise<void> {
    const { protocol, dialect } = request
    const requestId = this.#stampHeaders(response, dialect)
    const refuse = (status: number, message: string, type?: string): void => {
      const body = errorBody({ status, message, type }, protocol, dialect, requestId)
      sendJson(response, status, body)
    }
    if (!this.#authorised(request)) {
      if (dialect === 'deepseek' && !credentialOf(request)) {
        response.writeHead(401, { 'content-type': 'text/plain' })
        response.end('Authentication Fails (governor)')
      } else refuse(401, 'The key is not valid.')
      return
    }
    if (request.method === 'GET' || request.method === 'HEAD') return this.#answerGet(request, response, refuse)
    const side = sides[protocol]
    if (!side) return refuse(404, `Unknown path ${request.path}.`)
    if (!isObject(request.json)) return refuse(400, 'The body is not a JSON object.')

    const refusal = this.#judge(request, request.json)
    if (refusal !== undefined && this.#options.onViolation !== 'record') return refuse(400, refusal)
    if (protocol === 'count') return sendJson(response, 200, { input_tokens: Math.ceil(request.bytes.length / 4) })

    const play = request.scene === undefined ? this.script : (this.#options.scenes?.[request.scene] ?? this.script)
    const answer = await play(request)
    if (answer.delayMs) await this.#wait(answer.delayMs)
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
    if (answer.raw) return this.#sendRaw(answer.raw, request, response)
    if (answer.error) {
      const { error } = answer
      if (error.retryAfter !== undefined) response.setHeader('retry-after', String(error.retryAfter))
      for (const [name, value] of Object.entries(error.headers ?? {})) response.setHeader(name, value)
      return sendJson(response, error.status, errorBody(error, protocol, answer.dialect ?? dialect, requestId))
    }
    const context: RenderContext = {
      dialect: answer.dialect ?? dialect,
      request,
      body: request.json,
      mint: this.#mint,
      createdSeconds: this.#options.createdSeconds ?? Math.floor(Date.now() / 1000),
      rememberReasoning: (id, reasoning) => this.#saidReasoning.set(id, reasoning),
    }
    if (request.view.stream) {
      return this.#sendStream(side.frames(answer, context), answer, request, response, requestId)
    }
    return this.#sendWhole(side.json(answer, context), answer, request, response)
  }

  #stampHeaders(response: ServerResponse, dialect: Dialect): string {
    const id =
      dialect === 'anthropic'
        ? `req_${this.#mint.word(24)}`
        : dialect === 'deepseek'
          ? this.#mint.uuid().replaceAll('-', '')
          : `req_${this.#mint.word(32)}`
    if (dialect === 'anthropic') {
      response.setHeader('request-id', id)
      response.setHeader('anthropic-organization-id', '00000000-0000-4000-8000-000000000000')
      response.setHeader('anthropic-ratelimit-requests-remaining', '999')
    } else if (dialect === 'deepseek') {
      response.setHeader('server', 'openresty')
      response.setHeader('x-ds-trace-id', id)
    } else {
      response.setHeader('x-request-id', id)
      response.setHeader('openai-processing-ms', '5')
      response.setHeader('x-ratelimit-remaining-requests', '999')
    }
    return id
  }

  #authorised(request: RecordedRequest): boolean {
    const keys = this.#options.apiKeys
    if (!keys) return true
    const credential = credentialOf(request)
    return credential !== undefined && keys.includes(credential)
  }

  #judge(request: RecordedRequest, body: JsonObject): string | undefined {
    const context: RuleContext = {
      dialect: request.dialect,
      headers: request.headers,
      refuseUnknownFields: this.#options.refuseUnknownFields ?? true,
      refuseNullContent: this.#options.refuseNullContent ?? false,
      reasoningPassback: this.#options.reasoningPassback ?? (request.dialect === 'deepseek' ? 'tools' : 'off'),
      saidReasoning: this.#saidReasoning,
    }
    const findings = [
      ...(sides[request.protocol]?.judge(body, context) ?? []),
      ...(this.#options.judge?.(request) ?? []),
    ]
    for (const finding of findings) {
      this.violations.push({ request: request.index, protocol: request.protocol, dialect: request.dialect, ...finding })
    }
    return findings[0]?.message
  }

  #answerGet(
    request: RecordedRequest,
    response: ServerResponse,
    refuse: (status: number, message: string) => void,
  ): void {
    if (request.protocol === 'models') {
      sendJson(
        response,
        200,
        modelList(this.#options.models ?? ['stand-in-model'], request.headers['anthropic-version'] !== undefined),
      )
    } else if (request.protocol === 'balance') {
      sendJson(response, 200, {
        is_available: true,
        balance_infos: [
          { currency: 'CNY', total_balance: '12.00', granted_balance: '2.00', topped_up_balance: '10.00' },
        ],
      })
    } else refuse(404, `Unknown path ${request.path}.`)
  }

  async #sendRaw(raw: NonNullable<Answer['raw']>, request: RecordedRequest, response: ServerResponse): Promise<void> {
    response.writeHead(raw.status ?? 200, raw.headers ?? { 'content-type': 'text/event-stream' })
    for (const chunk of raw.chunks) {
      if (request.outcome === 'aborted') return
      await write(response, chunk)
      request.eventsSent += 1
    }
    response.end()
  }

  async #sendWhole(
    body: JsonObject,
    answer: Answer,
    request: RecordedRequest,
    response: ServerResponse,
  ): Promise<void> {
    const blankLines = answer.pingsBeforeFirst ?? 0
    if (blankLines > 0 || answer.prefillMs) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      for (let i = 0; i < blankLines; i += 1) {
        await this.#wait((answer.prefillMs ?? 0) / (blankLines + 1))
        await write(response, '\n')
      }
      if (answer.prefillMs) await this.#wait(answer.prefillMs / (blankLines + 1))
      if (request.outcome !== 'aborted') response.end(JSON.stringify(body))
      return
    }
    if (answer.cut) {
      const text = JSON.stringify(body)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
      await write(response, text.slice(0, Math.floor(text.length / 2)))
      return cut(request, response, answer.cut.how ?? 'close')
    }
    sendJson(response, 200, body)
  }

  async #sendStream(
    frames: Frame[],
    answer: Answer,
    request: RecordedRequest,
    response: ServerResponse,
    requestId: string,
  ): Promise<void> {
    const dialect = answer.dialect ?? request.dialect
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
    response.flushHeaders()
    const pings = answer.pingsBeforeFirst ?? 0
    for (let i = 0; i < pings; i += 1) {
      if (answer.prefillMs) await this.#wait(answer.prefillMs / (pings + 1))
      await write(response, pingText(request.protocol, dialect))
    }
    if (answer.prefillMs) await this.#wait(answer.prefillMs / (pings + 1))
    for (const frame of frames) {
      if (request.outcome === 'aborted') return
      if (answer.streamError && request.eventsSent >= answer.streamError.afterEvents) {
        const last = streamErrorFrames(answer.streamError, request.protocol, dialect, request.eventsSent, requestId)
        for (const one of last) await write(response, frameText(one))
        response.end()
        return
      }
      if (answer.cut && request.eventsSent >= answer.cut.afterEvents)
        return cut(request, response, answer.cut.how ?? 'close')
      await write(response, frameText(frame))
      request.eventsSent += 1
      if (answer.chunkDelayMs) await this.#wait(answer.chunkDelayMs)
    }
    if (request.outcome !== 'aborted') response.end()
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.closing.signal }).catch(() => {})
  }
}

/** Follows the answer to its end, so that tests can ask whether and when the peer left. */
function watch(request: RecordedRequest, response: ServerResponse): Promise<void> {
  request.settled = new Promise((resolve) => {
    response.once('finish', () => {
      if (request.outcome === 'open') request.outcome = 'sent'
    })
    response.once('close', () => {
      if (request.outcome === 'open') {
        request.outcome = 'aborted'
        request.abortedAtMs = performance.now()
      }
      resolve()
    })
  })
  return request.settled
}

function cut(request: RecordedRequest, response: ServerResponse, how: 'reset' | 'close' | 'finish'): void {
  request.outcome = 'cut'
  if (how === 'finish') response.end()
  else if (how === 'reset') response.socket?.resetAndDestroy()
  else response.destroy()
}

function credentialOf(request: RecordedRequest): string | undefined {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  return request.headers['x-api-key'] ?? bearer
}

function pingText(protocol: MockProtocol, dialect: Dialect): string {
  if (protocol === 'messages') return frameText({ event: 'ping', data: { type: 'ping' } })
  return dialect === 'deepseek' ? ': keep-alive\n\n' : ': ping\n\n'
}

function modelList(ids: string[], anthropic: boolean): JsonObject {
  if (anthropic) {
    const data = ids.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-04-24T00:00:00Z' }))
    return { data, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null }
  }
  return {
    object: 'list',
    data: ids.map((id) => ({ id, object: 'model', created: 1_776_988_800, owned_by: 'stand-in' })),
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, {
    'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

async function write(response: ServerResponse, chunk: string | Uint8Array): Promise<void> {
  if (response.destroyed || response.writableEnded) return
  if (response.write(chunk)) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

async function readBody(incoming: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let total = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    total += chunk.length
    if (total > limitBytes) throw new Error(`body over ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
