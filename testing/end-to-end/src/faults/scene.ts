/**
 * A gateway behind which everything may break: caller -> gateway -> fault proxy -> scripted upstream.
 *
 * The scene counts what it asks for, so that after any mischief `peace()` can hold the books against the ledger:
 * one row per accepted request, no slot taken, no exchange running, no socket left over.
 */
import assert from 'node:assert/strict'
import { request as send, type ClientRequest, type IncomingMessage } from 'node:http'
import { startFaultProxy, type FaultPlan, type FaultProxy } from '@portolan-testing/fault-proxy'
import { startMockUpstream, type MockUpstream, type Script } from '@portolan-testing/mock-upstream'
import type { GatewayConfig } from '@portolan/gateway'
import type { LedgerRow } from '@portolan/store'
import { protocols, type Protocol } from '@portolan/wire'
import { route, startFixture, type RunningGateway } from '../fixture.ts'

export const doorPaths: Readonly<Record<Protocol, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
}

/** Every door in front of every protocol. */
export const pairs: readonly (readonly [door: Protocol, far: Protocol])[] = protocols.flatMap((door) =>
  protocols.map((far) => [door, far] as const),
)

export function bodyFor(door: Protocol, model: string, stream: boolean, text = 'Say PONG.'): Record<string, unknown> {
  if (door === 'responses') return { model, stream, store: false, input: text }
  const messages = [{ role: 'user', content: text }]
  return door === 'messages' ? { model, stream, max_tokens: 1000, messages } : { model, stream, messages }
}

const terminals: Readonly<Record<Protocol, RegExp>> = {
  chat: /^data: ?(?:\{"error"|\[DONE\])/gm,
  messages: /^event: ?(?:error|message_stop)\r?$/gm,
  responses: /^event: ?(?:error|response\.(?:failed|completed|incomplete))\r?$/gm,
}

/** The terminal events of a stream, as the door's protocol counts them. */
export function terminalsIn(door: Protocol, text: string): string[] {
  return text.match(terminals[door]) ?? []
}

function isErrorTerminal(terminal: string): boolean {
  return /error|failed/.test(terminal)
}

/** What a caller saw of an answer. */
export interface Heard {
  /** 0: the connection ended before a status line. */
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** The connection broke before the answer was complete. */
  readonly broken: boolean
}

interface SceneOptions {
  readonly script?: Script
  readonly timeouts?: { readonly firstByteMs?: number; readonly idleMs?: number }
  readonly concurrency?: number
  readonly config?: Partial<GatewayConfig>
  /** Another server than the scripted upstream stands behind the proxy. */
  readonly target?: string
}

export class Scene {
  readonly upstream: MockUpstream
  readonly proxy: FaultProxy
  readonly running: RunningGateway
  /** Requests that the gateway accepted: read with a valid key at a door that generates. */
  asked = 0
  #concurrency: number
  #rowsBefore = 0

  constructor(upstream: MockUpstream, proxy: FaultProxy, running: RunningGateway, concurrency: number) {
    this.upstream = upstream
    this.proxy = proxy
    this.running = running
    this.#concurrency = concurrency
  }

  get url(): string {
    return this.running.url
  }

  get authorization(): { readonly authorization: string } {
    return { authorization: `Bearer ${this.running.key}` }
  }

  /** Answers leave their connection closed, because faults are planned per connection. */
  answer(script: Script): void {
    this.upstream.setScript(closing(script))
  }

  /** Fresh faults and, because many failures are wanted here, a fresh circuit breaker. */
  plan(plan: FaultPlan): void {
    this.proxy.setPlan(plan)
    this.heal()
  }

  /** A gate keeps its state as long as its limits do not change. */
  heal(): void {
    this.#concurrency++
    const { config, gateway } = this.running
    gateway.reload({
      ...config,
      upstreams: config.upstreams.map((upstream) => ({ ...upstream, concurrency: this.#concurrency })),
    })
  }

  /** Opens a request and counts it; the test does with it what it likes. */
  open(path: string, headers: Record<string, string | number> = {}): ClientRequest {
    this.asked++
    const request = send(this.url + path, {
      method: 'POST',
      agent: false,
      headers: { ...this.authorization, 'content-type': 'application/json', ...headers },
    })
    request.on('error', () => {})
    return request
  }

  async ask(door: Protocol, far: Protocol, stream: boolean, text?: string): Promise<Heard> {
    return this.post(doorPaths[door], JSON.stringify(bodyFor(door, `to-${far}`, stream, text)))
  }

  post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Heard> {
    const request = this.open(path, headers)
    const heard = hear(request)
    request.end(body)
    return heard
  }

  rows(): readonly LedgerRow[] {
    return this.running.rows()
  }

  /** The books balance: as many rows as accepted requests, each once, and nothing is left running. */
  async peace(): Promise<void> {
    const { gateway } = this.running
    const busy = (): string[] => [
      ...gateway.parts.http
        .stats()
        .filter(({ running, pending }) => running + pending > 0)
        .map((pool) => `pool ${JSON.stringify(pool)}`),
      ...gateway.parts.health
        .snapshot()
        .filter(({ inFlight, waiting }) => inFlight + waiting > 0)
        .map((gate) => `gate ${JSON.stringify(gate)}`),
      ...(this.rows().length < this.asked ? [`${this.rows().length} rows for ${this.asked} requests`] : []),
    ]
    // A finished answer is given a second to close its upstream connection by itself.
    for (let waitedMs = 0; busy().length > 0 && waitedMs < 2500; waitedMs += 10) await sleep(10)
    assert.deepEqual(busy(), [])
    const rows = this.rows()
    assert.equal(rows.length, this.asked, 'one row per accepted request')
    assert.equal(new Set(rows.map((row) => row.requestId)).size, rows.length, 'no row twice')
  }

  /** The rows settled since the last call, oldest first. */
  newRows(): readonly LedgerRow[] {
    const fresh = this.rows().slice(0, this.rows().length - this.#rowsBefore)
    this.#rowsBefore += fresh.length
    return fresh.toReversed()
  }

  /** Drains at once if nothing hangs; every socket of every side is then gone. */
  async close(): Promise<void> {
    let drainMs = 0
    let quiet = false
    try {
      await this.peace()
    } finally {
      // Also where the books do not balance: what stays open would keep the whole run from ending.
      const begunAt = performance.now()
      await this.running.close()
      drainMs = performance.now() - begunAt
      quiet = await this.proxy.quiet(2000)
      await this.proxy.close()
      await this.upstream.close()
    }
    assert.ok(quiet, `${this.proxy.counters.open} connections to the upstream outlived the gateway`)
    assert.ok(drainMs < 2000, `nothing was running, and yet the drain took ${drainMs.toFixed(0)} ms`)
  }
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const upstream = await startMockUpstream({
    script: closing(options.script ?? (() => ({ text: 'PONG' }))),
    refuseUnknownFields: false,
    onViolation: 'record',
    maxBodyBytes: 256 << 20,
  })
  const proxy = await startFaultProxy({ target: options.target ?? upstream.url })
  const concurrency = options.concurrency ?? 200
  const common = { baseUrl: proxy.url, apiKey: 'sk-upstream', timeouts: options.timeouts, concurrency }
  const running = await startFixture({
    upstreams: [
      { name: 'chat', kind: 'openai-compatible', ...common },
      { name: 'messages', kind: 'anthropic-compatible', ...common },
      { name: 'responses', kind: 'openai-compatible', ...common, protocols: ['responses'] },
    ],
    models: protocols.map((far) => route(`to-${far}`, far)),
    config: options.config,
  })
  return new Scene(upstream, proxy, running, concurrency)
}

function closing(script: Script): Script {
  return async (request) => {
    const answer = await script(request)
    return { ...answer, headers: { connection: 'close', ...answer.headers } }
  }
}

/** Reads an answer to its end, however it ends. Never rejects. */
export function hear(request: ClientRequest): Promise<Heard> {
  return new Promise((resolve) => {
    request.on('error', () => resolve({ status: 0, headers: {}, text: '', broken: true }))
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      const finish = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
          broken: !response.complete,
        })
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', finish)
    })
  })
}

/**
 * The law of streams: one terminal event in the door's protocol, or an HTTP error in its words. A broken
 * connection is allowed only to answers that are no streams.
 */
export function assertOneEnd(door: Protocol, heard: Heard, story: string): 'ok' | 'error-event' | 'http-error' {
  assert.equal(heard.broken, false, `${story}: the caller's connection broke`)
  if (heard.status !== 200) {
    assert.ok(heard.status >= 400 && heard.status < 600, `${story}: status ${heard.status}`)
    assertErrorBody(door, heard.text, story)
    return 'http-error'
  }
  const ends = terminalsIn(door, heard.text)
  assert.equal(ends.length, 1, `${story}: ${ends.length} terminal events in\n${heard.text.slice(-800)}`)
  assert.match(heard.text, /\n\n$/, `${story}: the last event is whole`)
  const last = heard.text.trimEnd().split('\n\n').at(-1)!
  assert.equal(terminalsIn(door, last).length, 1, `${story}: something follows the terminal event\n${last}`)
  return isErrorTerminal(ends[0]!) ? 'error-event' : 'ok'
}

export function assertErrorBody(door: Protocol, text: string, story: string): void {
  const body = JSON.parse(text) as { type?: string; error?: { message?: string; type?: string } }
  assert.equal(typeof body.error?.message, 'string', `${story}: ${text.slice(0, 300)}`)
  if (door === 'messages') assert.equal(body.type, 'error', story)
  // Law 10: no stack, no path, no credential.
  assert.doesNotMatch(text, /\n\s+at |node_modules|\.ts:\d|sk-upstream|ptl_/, story)
}

/** The middle of a list of latencies and its end. */
export function worst(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}

/** A request that leaves before this was never heard of: no row is owed for it. */
export function sent(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    if (request.writableFinished) resolve()
    else request.once('finish', () => resolve())
  })
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Shorter pauses are those of timers and collections. */
const standstillMs = 5

/**
 * Polls until true; throws after `withinMs`. Returns for how long the machine let this process stand still meanwhile:
 * wall time in which its thread neither slept as asked nor worked. A latency measured here may be in excess by that
 * through no fault of the gateway; its own work is no standstill. Time that stood still is no time to be late in.
 */
export async function until(condition: () => boolean, withinMs = 2000, what = 'the condition'): Promise<number> {
  const begunAt = performance.now()
  let stoodStillMs = 0
  while (!condition()) {
    const asleepAt = performance.now()
    if (asleepAt - begunAt - stoodStillMs > withinMs)
      throw new Error(`${what} did not come about within ${withinMs} ms`)
    const workedMs = threadMs()
    await sleep(1)
    const stillMs = performance.now() - asleepAt - 1 - (threadMs() - workedMs)
    if (stillMs > standstillMs) stoodStillMs += stillMs
  }
  return stoodStillMs
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
