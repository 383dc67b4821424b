/**
 * Where one case is played at one door: it sets the upstream's script, speaks to the door, and reads the answer
 * under the door's grammar.
 */
import assert from 'node:assert/strict'
import { modelName, type UpstreamFlavour } from './case.ts'
import type { Client, Listening, Told } from './client.ts'
import { readChatAnswer, readChatError, readChatStream } from './grammar/chat.ts'
import { readMessagesAnswer, readMessagesError, readMessagesStream } from './grammar/messages.ts'
import { readResponsesAnswer, readResponsesError, readResponsesStream } from './grammar/responses.ts'
import type { DoorProtocol, Heard, HeardError } from './heard.ts'
import { isObject, object, parse, show, type Json } from './json.ts'
import type { Judge, Received, Script, ScriptedUpstream } from './scripted-upstream.ts'
import { readSse } from './sse-frames.ts'

/** One row of a gateway's ledger, as far as cases look. */
export interface LedgerLine {
  readonly modelAsked: string | null
  readonly status: string
  readonly outputTokens: number | null
  readonly inputTokens: number | null
}

export interface RoomOptions {
  readonly id: number
  readonly door: DoorProtocol
  readonly client: Client
  readonly upstream: ScriptedUpstream
  /** Put before model names, for gateways that route by `provider/model`. */
  readonly modelPrefix: string
  /** Must answers name the model that was asked for? Our rule; other gateways may name the one that was served. */
  readonly echoesModel: boolean
  /** How long the upstream is silent where a keep-alive is expected. */
  readonly silenceMs: number
  /** Null: the ledger cannot be seen from here. */
  readonly ledger: (() => Promise<readonly LedgerLine[]>) | null
}

export interface AskOptions {
  readonly upstream?: UpstreamFlavour
  readonly headers?: Readonly<Record<string, string>>
  /** Behind the door's path, e.g. `?beta=true`. */
  readonly query?: string
}

const paths: Readonly<Record<DoorProtocol, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
}

/** The protocol in which a flavour is expected to be spoken to. */
const spoken: Readonly<Record<UpstreamFlavour, DoorProtocol>> = {
  chat: 'chat',
  vllm: 'chat',
  deepseek: 'chat',
  messages: 'messages',
  anthropic: 'messages',
  'deepseek-messages': 'messages',
  responses: 'responses',
  openai: 'responses',
}

const judges: Partial<Record<UpstreamFlavour, Judge>> = {
  anthropic: 'anthropic',
  deepseek: 'deepseek',
  'deepseek-messages': 'deepseek',
}

/** Something a case needs and this gateway does not show, e.g. a ledger: neither passed nor failed. */
export class NotVisible extends Error {}

export class Room {
  readonly door: DoorProtocol
  readonly silenceMs: number
  readonly #options: RoomOptions
  #flavour: UpstreamFlavour = 'chat'
  #received: readonly Received[] = []

  constructor(options: RoomOptions) {
    this.#options = options
    this.door = options.door
    this.silenceMs = options.silenceMs
  }

  /** Sets the scene: who answers, and how. Earlier requests of the case are forgotten. */
  stage(flavour: UpstreamFlavour, script: Script): void {
    this.#flavour = flavour
    const scene = modelName(this.#options.id, flavour)
    this.#received = this.#options.upstream.stage(scene, script, judges[flavour] ?? 'plain')
  }

  /** What the upstream got since the last `stage`. */
  get received(): readonly Received[] {
    return this.#received
  }

  /** The one request the upstream got; it must be one that its supplier would accept. */
  get sent(): Received {
    assert.equal(this.#received.length, 1, `the upstream got ${this.#received.length} requests instead of one`)
    return accepted(this.#received[0]!)
  }

  /** The newest request of a conversation. */
  get lastSent(): Received {
    const last = this.#received.at(-1)
    assert.ok(last, 'the upstream got no request')
    return accepted(last)
  }

  get model(): string {
    return this.#options.modelPrefix + modelName(this.#options.id, this.#flavour)
  }

  /** Posts a body to the door and returns what came back, unread. */
  post(body: Json | string, options: AskOptions = {}): Promise<Told> {
    return this.#options.client.post(this.#path(options), this.#text(body), this.#headers(options))
  }

  listen(body: Json, options: AskOptions = {}): Promise<Listening> {
    return this.#options.client.listen(this.#path(options), this.#text(body), this.#headers(options))
  }

  postTo(path: string, body: Json): Promise<Told> {
    return this.#options.client.post(path, this.#text(body), this.#headers({}))
  }

  /** Posts, expects 200, and reads the answer under the door's grammar. */
  async ask(body: Json, options: AskOptions = {}): Promise<Heard> {
    const told = await this.post(body, options)
    assert.equal(told.status, 200, `status ${told.status}: ${told.text.slice(0, 400)}`)
    return this.read(told, body)
  }

  /** Reads an answer under the door's grammar, as stream or whole as the body asked. */
  read(told: Told, body: Json): Heard {
    const heard = body['stream'] === true ? this.readStream(told, body) : this.#readWhole(told)
    if (this.#options.echoesModel && heard.error === null && !this.#sameProtocol)
      assert.equal(heard.model, this.model, 'the model is echoed as it was asked for')
    return heard
  }

  readStream(told: Told, body: Json): Heard {
    assert.match(String(told.headers['content-type']), /^text\/event-stream/)
    const { frames } = readSse(told.text)
    const options = body['stream_options']
    switch (this.door) {
      case 'chat':
        return readChatStream(frames, isObject(options) && options['include_usage'] === true)
      case 'messages':
        return readMessagesStream(frames, !this.#sameProtocol)
      default:
        return readResponsesStream(frames, !this.#sameProtocol)
    }
  }

  /** Posts and expects an HTTP error in the door's own words. */
  async refused(body: Json, options: AskOptions = {}): Promise<HeardError & { readonly status: number }> {
    const told = await this.post(body, options)
    return { status: told.status, ...this.readError(told) }
  }

  readError(told: Told): HeardError {
    assert.ok(told.status >= 400, `an error was expected, got ${told.status}: ${told.text.slice(0, 300)}`)
    assert.match(String(told.headers['content-type']), /^application\/json/)
    const body = parse(told.text, 'error body')
    if (this.door === 'messages') return readMessagesError(body)
    return this.door === 'chat' ? readChatError(body) : readResponsesError(body)
  }

  /** The ledger's lines for this case. */
  async ledger(): Promise<readonly LedgerLine[]> {
    if (this.#options.ledger === null) throw new NotVisible('the ledger of this gateway cannot be seen from here')
    const scene = modelName(this.#options.id, this.#flavour)
    return (await this.#options.ledger()).filter((line) => line.modelAsked === scene)
  }

  /** Is the door's protocol the upstream's? Then bytes are forwarded, and only the upstream's own grammar holds. */
  get #sameProtocol(): boolean {
    const received = this.#received.at(-1)
    return (received?.protocol ?? spoken[this.#flavour]) === this.door
  }

  #readWhole(told: Told): Heard {
    assert.match(String(told.headers['content-type']), /^application\/json/)
    const body = object(parse(told.text, 'answer'), 'answer')
    if (this.door === 'chat') return readChatAnswer(body)
    return this.door === 'messages'
      ? readMessagesAnswer(body, !this.#sameProtocol)
      : readResponsesAnswer(body, !this.#sameProtocol)
  }

  #path(options: AskOptions): string {
    return paths[this.door] + (options.query ?? '')
  }

  #text(body: Json | string): string {
    return typeof body === 'string' ? body : JSON.stringify({ model: this.model, ...body })
  }

  #headers(options: AskOptions): Record<string, string> {
    const version: Record<string, string> = this.door === 'messages' ? { 'anthropic-version': '2023-06-01' } : {}
    return { ...version, ...options.headers }
  }
}

function accepted(received: Received): Received {
  assert.deepEqual(received.violations, [], `its supplier would refuse the request: ${show(received.body)}`)
  return received
}
