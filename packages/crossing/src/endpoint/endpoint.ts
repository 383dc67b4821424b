/**
 * One canonical request to an endpoint over its own protocol, streamed or whole, with the clocks that matter.
 *
 * The door's adapter writes and reads the wire, so checks and replays say what they want once for all three protocols.
 * Through a gateway of ours an answer is metered, translated and adapted to its upstream like any other traffic.
 */
import {
  adapterOf,
  referenceDialects,
  ResponseAssembler,
  SseReader,
  TranslationReport,
  WireError,
  type CanonicalEvent,
  type CanonicalRequest,
  type CanonicalResponse,
  type Dialect,
  type LossPolicy,
  type Protocol,
} from '@portolan/wire'
import { fieldChanges, type FieldChange } from '../records/run.ts'

export interface Endpoint {
  /** Of the server, with or without `/v1`. */
  readonly baseUrl: string
  readonly protocol: Protocol
  readonly model: string
  readonly apiKey: string
  /** For one whole answer. */
  readonly timeoutMs: number
}

export interface Clocked {
  readonly response: CanonicalResponse
  /** Null: not streamed, or nothing of the kind came. */
  readonly firstReasoningMs: number | null
  readonly firstVisibleMs: number | null
  readonly totalMs: number
  /** What the request lost on its way into this protocol or, where the endpoint says so, behind it. */
  readonly dropped: readonly string[]
  /** The same and all that arrived otherwise than it was said: `response_format` that became a sentence in the prompt. */
  readonly changed: readonly ChangedField[]
}

export interface ChangedField {
  readonly name: string
  readonly how: FieldChange
}

/** No usable answer: a transport failure, an error status or a broken body. */
export class NoAnswer extends Error {
  /** Null: the endpoint was not reached, or its stream broke off. */
  readonly httpStatus: number | null
  /** Seconds until it may be asked again, where it said so. */
  readonly retryAfterSec: number | null

  constructor(
    message: string,
    httpStatus: number | null,
    options?: ErrorOptions & { readonly retryAfterSec?: number | null },
  ) {
    super(message, options)
    this.name = 'NoAnswer'
    this.httpStatus = httpStatus
    this.retryAfterSec = options?.retryAfterSec ?? null
  }
}

/** The protocol of this endpoint has no words for the request; nothing was sent. */
export class NotSayable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NotSayable'
  }
}

export type AskEndpoint = (request: CanonicalRequest) => Promise<Clocked>

/** Longest body that is read of one answer. */
const answerLimitBytes = 32 * 1024 * 1024
const paths: Readonly<Record<Protocol, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
}

/** What an endpoint is taken to understand: everything, so that its own refusals are seen. */
const dialects: Readonly<Record<Protocol, Dialect>> = {
  chat: {
    ...referenceDialects['vendor-chat'],
    instructionRole: 'system',
    maxTokensField: 'max_tokens',
    reasoningField: 'reasoning_content',
    reasoningReplay: 'all',
    thinkingControl: 'thinking-type',
    cacheMarks: 'none',
  },
  messages: referenceDialects.messages,
  responses: { ...referenceDialects.responses, instructionRole: 'system' },
}

/**
 * @param losses `strict`: a request that would lose anything is a NotSayable; `warn`: it is sent, and what was lost is told.
 * @param send `fetch`, or what a test puts in its place.
 */
export function askEndpoint(
  endpoint: Endpoint,
  losses: Exclude<LossPolicy, 'silent'>,
  send: typeof fetch = fetch,
): AskEndpoint {
  const adapter = adapterOf(endpoint.protocol)
  const url = endpoint.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '') + paths[endpoint.protocol]
  return async (request) => {
    const report = new TranslationReport(losses)
    const body = written(endpoint, request, report)
    const startedAt = performance.now()
    const clock = new Clock(startedAt)
    let status: number | null = null
    try {
      const answer = await send(url, {
        method: 'POST',
        headers: headersOf(endpoint),
        body,
        signal: AbortSignal.timeout(endpoint.timeoutMs),
      })
      status = answer.status
      if (answer.status !== 200) {
        const text = (await readText(answer)).slice(0, 100_000)
        const retryAfterSec = Number(answer.headers.get('retry-after') ?? Number.NaN)
        throw new NoAnswer(adapter.readErrorBody(answer.status, text).message, answer.status, {
          retryAfterSec: Number.isFinite(retryAfterSec) ? retryAfterSec : null,
        })
      }
      const streamed = (answer.headers.get('content-type') ?? '').startsWith('text/event-stream')
      const response = streamed ? await readStream(answer, endpoint.protocol, clock) : await readWhole(answer, adapter)
      const changed = changedFields([report.header(), answer.headers.get('x-portolan-translation')])
      const dropped = changed.filter(({ how }) => how === 'dropped').map(({ name }) => name)
      return { response, ...clock.read(), totalMs: performance.now() - startedAt, dropped, changed }
    } catch (error) {
      if (error instanceof NoAnswer) throw error
      if (error instanceof WireError) throw new NoAnswer(error.message, status, { cause: error })
      const cause = error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : null
      throw new NoAnswer(
        cause?.name === 'TimeoutError'
          ? `No whole answer within ${endpoint.timeoutMs} ms.`
          : `The endpoint was not reached or its answer broke off: ${cause?.message ?? String(error)}`,
        null,
        { cause: error },
      )
    }
  }
}

function written(endpoint: Endpoint, request: CanonicalRequest, report: TranslationReport): string {
  try {
    const { body } = adapterOf(endpoint.protocol).fromCanonicalRequest(request, {
      dialect: dialects[endpoint.protocol],
      model: endpoint.model,
      report,
      recall: () => null,
    })
    return JSON.stringify(body)
  } catch (error) {
    if (error instanceof WireError && error.code === 'WIRE_CANNOT_CARRY')
      throw new NotSayable(error.message, { cause: error })
    throw error
  }
}

/** `dropped=top_k,seed;instructed=response_format`: what happened to which field, each once. */
function changedFields(headers: readonly (string | null)[]): ChangedField[] {
  const found = new Map<string, ChangedField>()
  for (const part of headers.flatMap((header) => header?.split(';') ?? [])) {
    const [word, names = ''] = part.trim().split('=', 2)
    const how = fieldChanges.find((known) => known === word)
    if (how === undefined) continue
    for (const name of names.split(',')) if (name !== '') found.set(`${how} ${name}`, { name, how })
  }
  return [...found.values()]
}

function headersOf(endpoint: Endpoint): Record<string, string> {
  const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  return endpoint.protocol === 'messages'
    ? { ...common, 'x-api-key': endpoint.apiKey, 'anthropic-version': '2023-06-01' }
    : { ...common, authorization: `Bearer ${endpoint.apiKey}` }
}

async function readWhole(answer: Response, adapter: ReturnType<typeof adapterOf>): Promise<CanonicalResponse> {
  const text = await readText(answer)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw new NoAnswer(`The answer is not JSON: ${text.slice(0, 200)}`, answer.status, { cause: error })
  }
  return adapter.toCanonicalResponse(body, text)
}

async function readText(answer: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of chunksOf(answer)) text += decoder.decode(chunk, { stream: true })
  return text + decoder.decode()
}

async function* chunksOf(answer: Response): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > answerLimitBytes)
      throw new NoAnswer(`The answer is longer than ${answerLimitBytes} bytes.`, answer.status)
    yield chunk
  }
}

async function readStream(answer: Response, protocol: Protocol, clock: Clock): Promise<CanonicalResponse> {
  const reader = adapterOf(protocol).createStreamReader()
  const assembler = new ResponseAssembler()
  const sse = new SseReader()
  const take = (events: readonly CanonicalEvent[]): void => {
    for (const event of events) {
      clock.see(event)
      assembler.push(event)
    }
  }
  for await (const chunk of chunksOf(answer))
    for (const message of sse.push(Buffer.from(chunk))) take(reader.push(message))
  take(reader.end())
  if (assembler.error) throw new NoAnswer(`The stream ended in an error: ${assembler.error.message}`, answer.status)
  const response = assembler.response()
  if (response === null) throw new NoAnswer('The stream ended without its terminal event.', answer.status)
  return response
}

/** Thinking and visible output have clocks of their own: a model that thinks first must not look fast. */
class Clock {
  readonly #startedAt: number
  #firstReasoningMs: number | null = null
  #firstVisibleMs: number | null = null

  constructor(startedAt: number) {
    this.#startedAt = startedAt
  }

  see(event: CanonicalEvent): void {
    const elapsedMs = performance.now() - this.#startedAt
    if (event.type === 'reasoning-delta') this.#firstReasoningMs ??= elapsedMs
    else if (event.type === 'text-delta' || event.type === 'tool-call-start') this.#firstVisibleMs ??= elapsedMs
  }

  read(): { readonly firstReasoningMs: number | null; readonly firstVisibleMs: number | null } {
    return { firstReasoningMs: this.#firstReasoningMs, firstVisibleMs: this.#firstVisibleMs }
  }
}
