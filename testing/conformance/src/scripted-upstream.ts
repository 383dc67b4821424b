/**
 * The upstream behind the gateway under test: it answers byte for byte what a case wrote down, keeps what it
 * received, and judges it as the copied supplier would.
 *
 * Which case is meant is read from the model name (`case-031`, with anything around it), so that a foreign
 * gateway needs one catch-all route and no knowledge of the cases.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { protocolOfPath, sides } from '@portolan-testing/mock-upstream'
import { isObject, type Json } from './json.ts'

/** One act of an answer: bytes, a pause, a wait for the test, or an end of its own kind. */
export type Step =
  | string
  | Uint8Array
  | { readonly pauseMs: number }
  | { readonly until: Promise<unknown> }
  /** `hang`: open and silent until the peer leaves; `drop`: the socket is closed inside the body. */
  | { readonly end: 'hang' | 'drop' }

export interface Play {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
}

export interface Received {
  readonly protocol: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly body: Json
  /** Milliseconds of `performance.now()` at which the peer left before the end; null: it stayed. */
  abortedAt: number | null
  /** Resolves when the answer is over, one way or the other. */
  readonly over: Promise<void>
  /** What the supplier would have refused. */
  readonly violations: readonly string[]
}

export type Script = (received: Received, turn: number) => Play

/** How strictly what arrives is judged: `deepseek` also wants reasoning back with tool turns. */
export type Judge = 'plain' | 'anthropic' | 'deepseek'

interface Stage {
  script: Script
  judge: Judge
  readonly received: Received[]
}

export class ScriptedUpstream {
  readonly #server: Server
  readonly #stages = new Map<string, Stage>()
  readonly #closing = new AbortController()
  #port = 0

  constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
    this.#server.requestTimeout = 0
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
    const address = this.#server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
  }

  get port(): number {
    return this.#port
  }

  /** Sets the scene for a model name; what arrives from now on is in the returned list. */
  stage(scene: string, script: Script, judge: Judge): readonly Received[] {
    const received: Received[] = []
    this.#stages.set(scene, { script, judge, received })
    return received
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    const path = (request.url ?? '/').split('?')[0]!
    const body = parsed(text)
    const stage = this.#stages.get(sceneOf(body['model']))
    if (request.method !== 'POST' || !stage) {
      const known = request.method === 'GET' && path.endsWith('/models')
      return reply(response, known ? 200 : 404, known ? '{"object":"list","data":[]}' : '{"error":{"message":"no"}}')
    }
    const protocol = protocolOfPath(path)
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value!]),
    )
    const received: Received = {
      protocol,
      path,
      headers,
      text,
      body,
      abortedAt: null,
      over: new Promise((resolve) => response.once('close', () => resolve())),
      violations: violationsOf(protocol, body, headers, stage.judge),
    }
    response.once('close', () => {
      if (!response.writableFinished) received.abortedAt = performance.now()
    })
    response.on('error', () => {})
    stage.received.push(received)
    await this.#play(stage.script(received, stage.received.length - 1), response)
  }

  async #play(play: Play, response: ServerResponse): Promise<void> {
    response.socket?.setNoDelay(true)
    response.writeHead(play.status ?? 200, { ...play.headers })
    response.flushHeaders()
    for (const step of play.steps) {
      if (response.destroyed) return
      if (typeof step === 'string' || step instanceof Uint8Array) await write(response, step)
      else if ('pauseMs' in step) await sleep(step.pauseMs, undefined, { signal: this.#closing.signal }).catch(() => {})
      else if ('until' in step) await step.until
      else if (step.end === 'drop') {
        response.destroy()
        return
      } else {
        await new Promise<void>((resolve) => {
          response.once('close', () => resolve())
          if (response.destroyed) resolve()
        })
        return
      }
    }
    response.end()
  }
}

/** `case-031-messages` out of whatever a gateway made of it, e.g. `openai/case-031-messages`. */
export function sceneOf(model: unknown): string {
  return /case-\d{3}(-[a-z]+)*/.exec(String(model))?.[0] ?? ''
}

function violationsOf(protocol: string, body: Json, headers: Received['headers'], judge: Judge): string[] {
  if (protocol === 'count' || protocol === 'other') return []
  const side = sides[protocol as keyof typeof sides]
  // vLLM's manners are those of servers known by convention: unknown fields are ignored, the rest is checked.
  const dialect = judge === 'plain' ? 'vllm' : judge
  const findings =
    side?.judge(body, {
      dialect,
      headers,
      refuseUnknownFields: judge === 'anthropic',
      reasoningPassback: judge === 'deepseek' ? 'tools' : 'off',
      refuseNullContent: false,
      saidReasoning: new Map(),
    }) ?? []
  return findings.map(({ path, message }) => `${path}: ${message}`)
}

function parsed(text: string): Json {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

async function write(response: ServerResponse, bytes: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => response.write(bytes, () => resolve()))
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(text)
}
