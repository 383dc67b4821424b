/**
 * The gateway as a whole: one HTTP server, the parts that every exchange shares, reload and drain.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { adapterOf, type Protocol, type Sealer } from '@portolan/wire'
import { HttpClient, RetryBudget, resolveUpstream, type Upstream } from '@portolan/upstream'
import {
  hashSecret,
  keyRefusal,
  type KeyLimits,
  type KeyRecord,
  type LedgerRow,
  type RememberedCall,
  type ReserveInput,
  type ReserveResult,
  type SettleInput,
} from '@portolan/store'
import type { Price, PriceBook } from '@portolan/meter'
import { isAdminPath, serveAdmin, type AdminOptions } from './admin/admin-door.ts'
import type { GatewayConfig } from './config.ts'
import { countTokens } from './count-tokens.ts'
import { dialectOf, doorAt, type Door } from './door.ts'
import { GatewayError, statusOfCode } from './errors.ts'
import type { SchemaPort } from './exchange/asked-form.ts'
import { ClientSide } from './exchange/client-side.ts'
import { Exchange, problemOf } from './exchange/exchange.ts'
import type { RecordingPort } from './exchange/recording-port.ts'
import { Health } from './health.ts'
import { Metrics } from './metrics.ts'
import { listModels } from './models.ts'
import { passThrough } from './pass-through.ts'
import { PrefixMeter } from './prefix/prefix-meter.ts'
import { mintRequestId } from './request-id.ts'
import { Affinity, RouteTable } from './route.ts'
import type { RequestTelemetry } from './telemetry-port.ts'
import { TokenCounters } from './token-counters.ts'
import { WorkInHand } from './work-in-hand.ts'

/** What the gateway needs from the store; all reads are synchronous because they sit on the hot path. */
export interface GatewayStore {
  findKey(secretHash: string): KeyRecord | null
  /** Resolves when the row is durable. Rejects when it cannot be made so. */
  append(row: LedgerRow): Promise<void>
  recall(callId: string, tenantId: string): RememberedCall | null
  remember(callId: string, tenantId: string, call: RememberedCall): void
  /** `noLimits` itself where nothing holds the key: one look-up a request. */
  limitsOf(key: KeyRecord): KeyLimits
  /** One step for all budgets and rate limits, or for none. */
  reserve(input: ReserveInput): ReserveResult
  /** Gives the reservation back and counts what the request came to. */
  settleLimits(input: Omit<SettleInput, 'nowMs'>): void
  /** Null while rows can be written; else why not. */
  trouble(): string | null
}

export interface GatewayOptions {
  readonly config: GatewayConfig
  readonly store: GatewayStore
  readonly sealer: Sealer
  readonly priceBook: PriceBook
  /** Prices of upstreams that no vendor's list covers, by upstream name. */
  readonly fixedPrices: (config: GatewayConfig) => ReadonlyMap<string, Price>
  readonly log: Logger
  /** Unix milliseconds. */
  readonly now?: () => number
  /** What answers operators under `/admin`; absent: nothing is there. */
  readonly admin?: AdminOptions
  /** Names this process on its reservations; default: one nobody looks for. */
  readonly owner?: string
  /** Takes settled exchanges of the keys that are recorded; absent: nobody records. */
  readonly recording?: RecordingPort
  /** Checks answers that were asked for by schema in words; absent: nobody does, and `instructed` is all that is said. */
  readonly schemas?: SchemaPort
  /** What `/metrics` says instead of this process's own numbers: all workers' together. */
  readonly metricsText?: () => Promise<string>
  /** Hears of every settled request; absent: nobody does. */
  readonly telemetry?: RequestTelemetry
}

/** Everything an exchange works with. A reload makes a new value; running exchanges keep theirs. */
export interface GatewayParts {
  readonly config: GatewayConfig
  readonly routes: RouteTable
  readonly fixedPrices: ReadonlyMap<string, Price>
  readonly affinity: Affinity
  readonly health: Health
  readonly http: HttpClient
  readonly retryBudget: RetryBudget
  readonly metrics: Metrics
  readonly prefixes: PrefixMeter
  readonly counters: TokenCounters
  readonly priceBook: PriceBook
  readonly sealer: Sealer
  readonly store: GatewayStore
  readonly log: Logger
  readonly now: () => number
  readonly recording: RecordingPort | null
  readonly schemas: SchemaPort | null
  readonly metricsText: (() => Promise<string>) | null
  readonly telemetry: RequestTelemetry | null
  readonly owner: string
  readonly admin: AdminOptions | null
}

export interface Gateway {
  /** Where it listens, e.g. `http://127.0.0.1:4114`. */
  readonly url: string
  /**
   * Takes a new configuration, and new prices where given, for all requests that start from now on. Throws before
   * changing anything if it is bad.
   */
  reload(config: GatewayConfig, priceBook?: PriceBook): void
  /**
   * No new work, answers in flight are finished (at most `limits.drainMs`), sockets closed, and every request settled:
   * once this resolves no row is on its way, so the ledger may be closed.
   */
  drain(): Promise<void>
  readonly parts: GatewayParts
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  let parts = makeParts(options, options.config, null)
  let draining = false
  const work = new WorkInHand()
  /** Answers not yet finished, by connection. */
  const answers = new WeakMap<Duplex, Set<ServerResponse>>()
  /** Connections that have asked nothing yet. Node does not count them as idle, so a drain would wait for them. */
  const silent = new Set<Duplex>()
  const server = createServer(
    { keepAliveTimeout: 75_000, requestTimeout: 0, headersTimeout: 30_000 },
    (request, response) => {
      silent.delete(request.socket)
      const open = answers.get(request.socket) ?? new Set()
      answers.set(request.socket, open.add(response))
      response.on('close', () => open.delete(response))
      work.add(serve(parts, draining, request, response))
    },
  )
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.on('close', () => silent.delete(socket))
  })
  // A malformed request line or an oversized header is answered by node itself; nothing of ours runs.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return
    // Nothing may be slipped into an answer that is under way.
    if ([...(answers.get(socket) ?? [])].some((answer) => answer.headersSent)) {
      socket.destroy()
      return
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })
  const { host, port } = options.config.listen
  await listen(server, host, port)
  const bound = server.address() as AddressInfo
  readTokenizers(parts)
  return {
    url: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    get parts() {
      return parts
    },
    reload(config, priceBook = parts.priceBook) {
      parts = makeParts({ ...options, priceBook }, config, parts)
      readTokenizers(parts)
    },
    async drain() {
      draining = true
      await close(server, silent, parts.config.limits.drainMs)
      // Callers that have gone hold no socket, and their rows are written all the same.
      if (!(await work.idle(settlementMs)))
        options.log.error({ requests: work.count }, 'requests not settled in time; their ledger rows may be missing')
      await parts.http.close()
    },
  }
}

function makeParts(options: GatewayOptions, config: GatewayConfig, before: GatewayParts | null): GatewayParts {
  const upstreams = config.upstreams.map((upstream) => resolveUpstream(upstream))
  const byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
  const routes = new RouteTable(
    config.models.map((model) => ({
      name: model.name,
      lossPolicy: model.lossPolicy,
      tokenizer: model.tokenizer,
      targets: model.route.map(({ upstream, model: sent }) => ({
        upstream: named(byName, upstream, model.name),
        model: sent ?? model.name,
      })),
    })),
    upstreams,
  )
  const now = options.now ?? Date.now
  const metrics = before?.metrics ?? new Metrics()
  metrics.watchEngines(
    upstreams.flatMap(({ name, definition: { probe } }) => (probe ? [{ upstream: name, probe }] : [])),
  )
  return {
    config,
    routes,
    fixedPrices: options.fixedPrices(config),
    affinity: before?.config.affinityMs === config.affinityMs ? before.affinity : new Affinity(config.affinityMs),
    health: new Health(upstreams, now, before?.health ?? null),
    http: before?.http ?? new HttpClient(),
    retryBudget: before?.retryBudget ?? new RetryBudget(),
    metrics,
    prefixes: before?.prefixes ?? new PrefixMeter(),
    counters: before?.counters ?? new TokenCounters(),
    priceBook: options.priceBook,
    sealer: options.sealer,
    store: options.store,
    log: options.log,
    now,
    recording: options.recording ?? null,
    schemas: options.schemas ?? null,
    metricsText: options.metricsText ?? null,
    telemetry: options.telemetry ?? null,
    owner: options.owner ?? '',
    admin: options.admin ?? null,
  }
}

/** In the background, so that a stream that breaks off finds them ready. */
function readTokenizers({ config, counters, log }: GatewayParts): void {
  const paths = config.models.flatMap(({ tokenizer }) => tokenizer ?? [])
  counters.prepare(paths, (path, error) =>
    log.warn(
      { path, reason: (error.cause as Error | undefined)?.message ?? error.message },
      'tokenizer cannot be used; answers of its models that break off are estimated by their length',
    ),
  )
}

function named(upstreams: ReadonlyMap<string, Upstream>, name: string, model: string): Upstream {
  const upstream = upstreams.get(name)
  if (!upstream)
    throw new GatewayError(
      'GATEWAY_BAD_CONFIG',
      `The route of model \`${model}\` names the upstream \`${name}\`, which is not configured.`,
    )
  return upstream
}

/** Without a caller a request is settled within moments; what takes this long hangs. */
const settlementMs = 15_000

// ------------------------------------------------------------------------------------------ one request

async function serve(
  parts: GatewayParts,
  draining: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedAt = performance.now()
  const startedAtMs = parts.now()
  const requestId = mintRequestId(startedAtMs)
  const url = request.url ?? '/'
  const client = new ClientSide(response, parts.config.limits.clientStallMs)
  let protocol = dialectOf(url, request.headers)
  try {
    const door = doorAt(url)
    if (!door && parts.admin !== null && isAdminPath(url)) {
      await serveAdmin(parts.admin, parts, requestId, request, response)
      return
    }
    if (!door)
      throw new GatewayError(
        'GATEWAY_UNKNOWN_PATH',
        `Nothing is served at ${printable(url)}. The doors are /v1/chat/completions, /v1/messages and /v1/responses.`,
      )
    if (door.endpoint === 'generate' || door.endpoint === 'count-tokens') protocol = door.protocol
    if (!door.methods.includes(request.method ?? '')) {
      response.setHeader('allow', door.methods.join(', '))
      throw new GatewayError(
        'GATEWAY_BAD_METHOD',
        `${printable(url)} takes ${door.methods[0]}, not ${printable(request.method ?? '')}.`,
      )
    }
    if (await serveOpen(parts, door, draining, client)) return
    if (draining) throw new GatewayError('GATEWAY_DRAINING', undefined, 1)
    const key = authenticate(parts, request)
    const trouble = parts.store.trouble()
    if (trouble !== null) throw new GatewayError('GATEWAY_LEDGER', undefined, 5, { cause: trouble })
    switch (door.endpoint) {
      case 'generate':
        await new Exchange(parts, { requestId, startedAtMs, startedAt, key, door, path: pathOf(url) }, client).run(
          request,
        )
        return
      case 'count-tokens':
        await countTokens(parts, door, key, request, client, requestId)
        return
      case 'models':
      case 'model':
        listModels(parts, door, protocol, key, client, requestId)
        return
      default:
        await passThrough(parts, { requestId, startedAtMs, startedAt, key, door, path: pathOf(url) }, request, client)
    }
  } catch (error) {
    sayError(parts, protocol, error, requestId, client)
    // The rest of a body that will not be read must not keep the socket busy.
    if (!request.complete) request.resume()
  }
}

/** Endpoints without a key: they say nothing about anybody's traffic. */
async function serveOpen(parts: GatewayParts, door: Door, draining: boolean, client: ClientSide): Promise<boolean> {
  if (door.endpoint === 'health') {
    const trouble = draining ? 'draining' : parts.store.trouble()
    client.send(
      trouble === null ? 200 : 503,
      { 'content-type': 'application/json' },
      JSON.stringify({ status: trouble === null ? 'ok' : 'unavailable', reason: trouble, ...enginesIn(parts) }),
    )
    return true
  }
  if (door.endpoint === 'hello') {
    client.send(200, { 'content-type': 'application/json' }, '{"message":"hello"}')
    return true
  }
  if (door.endpoint !== 'metrics') return false
  const { type, text } = await parts.metrics.expose()
  client.send(200, { 'content-type': type }, parts.metricsText ? await parts.metricsText() : text)
  return true
}

/** Engines in this process and what they are about; nothing where there are none. */
function enginesIn({ routes }: GatewayParts): { readonly engines?: Readonly<Record<string, string>> } {
  const engines = routes.upstreams.flatMap(({ name, definition: { probe } }) => (probe ? [[name, probe.phase]] : []))
  return engines.length === 0 ? {} : { engines: Object.fromEntries(engines) as Record<string, string> }
}

/** Both credential headers on every door; `x-api-key` wins where both are sent, as at the vendor. */
function authenticate(parts: GatewayParts, request: IncomingMessage): KeyRecord {
  const direct = request.headers['x-api-key']
  const bearer = /^bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const secret = (typeof direct === 'string' && direct !== '' ? direct : bearer)?.trim()
  if (!secret) throw new GatewayError('GATEWAY_NO_KEY')
  const key = parts.store.findKey(hashSecret(secret))
  const refusal = key === null ? 'unknown' : keyRefusal(key, null, parts.now())
  if (key === null || refusal !== null)
    throw new GatewayError(
      'GATEWAY_BAD_KEY',
      `The API key is ${refusal}. Check it, or make a new one with \`portolan keys create\`.`,
    )
  return key
}

export function sayError(
  parts: GatewayParts,
  protocol: Protocol,
  error: unknown,
  requestId: string,
  client: ClientSide,
): void {
  const problem = problemOf(error, parts, requestId)
  const { status, body } = adapterOf(protocol).writeErrorBody({ ...problem, requestId })
  const honest = statusOfCode(problem.code) ?? status
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    [protocol === 'messages' ? 'request-id' : 'x-request-id']: requestId,
  }
  if (problem.retryAfterSec !== null) headers['retry-after'] = String(Math.ceil(problem.retryAfterSec))
  // A missing or bad key does not get better by asking again.
  if (problem.kind === 'authentication') headers['x-should-retry'] = 'false'
  client.send(honest, headers, JSON.stringify(body))
}

/** Printable, short, and without the query, which may hold a key. */
function printable(text: string): string {
  return pathOf(text)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 120)
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

// ----------------------------------------------------------------------------------------------- server

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'another program listens there; choose another `listen` in portolan.yaml or `--port`'
          : error.code === 'EACCES'
            ? 'the port needs rights that this user does not have'
            : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
              ? 'this machine has no such address'
              : String(error.code)
      reject(
        new GatewayError('GATEWAY_CANNOT_LISTEN', `Cannot listen on ${host}:${port}: ${why}.`, null, { cause: error }),
      )
    })
    server.listen(port, host, resolve)
  })
}

function close(server: Server, silent: ReadonlySet<Duplex>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    const sweep = setInterval(() => closeIdle(server, silent), 50)
    server.close(() => {
      clearTimeout(timer)
      clearInterval(sweep)
      resolve()
    })
    closeIdle(server, silent)
  })
}

function closeIdle(server: Server, silent: ReadonlySet<Duplex>): void {
  server.closeIdleConnections()
  for (const socket of silent) socket.destroy()
}
