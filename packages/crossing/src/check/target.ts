/**
 * An endpoint under test: one canonical question over its door, streamed or whole, with the clocks that matter.
 *
 * The batteries say what they want once, in canonical items; the door's own adapter writes and reads the wire, so
 * every battery runs against all three protocols. Only generated text is sent, never recorded data.
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
  type Item,
  type OutputFormat,
  type Protocol,
  type Thinking,
  type Tool,
  type ToolChoice,
} from '@portolan/wire'

export interface CheckTarget {
  /** Of the server, with or without `/v1`. */
  readonly baseUrl: string
  readonly protocol: Protocol
  readonly model: string
  readonly apiKey: string
  /** For one whole answer. */
  readonly timeoutMs: number
}

/** What a check asks for; everything unsaid is left to the endpoint. */
export interface Question {
  readonly items: readonly Item[]
  readonly tools?: readonly Tool[]
  readonly toolChoice?: ToolChoice
  readonly parallelToolCalls?: boolean
  readonly outputFormat?: OutputFormat
  readonly thinking?: Thinking
  readonly maxOutputTokens?: number
  readonly stream?: boolean
}

export interface Clocked {
  readonly response: CanonicalResponse
  /** Null: not streamed, or nothing of the kind came. */
  readonly firstReasoningMs: number | null
  readonly firstVisibleMs: number | null
  readonly totalMs: number
}

/** No usable answer: a transport failure, an error status or a broken body. Ends the case as `error`. */
export class NoAnswer extends Error {
  /** Null: the endpoint was not reached, or its stream broke off. */
  readonly httpStatus: number | null

  constructor(message: string, httpStatus: number | null, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NoAnswer'
    this.httpStatus = httpStatus
  }
}

export type Ask = (question: Question) => Promise<Clocked>

/** Longest body that is read of one answer. */
const answerLimitBytes = 32 * 1024 * 1024
const defaultMaxOutputTokens = 4096

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
  messages: { ...referenceDialects.messages, jsonObject: true },
  responses: { ...referenceDialects.responses, instructionRole: 'system' },
}

/** @param send `fetch`, or what a test puts in its place. */
export function askTarget(target: CheckTarget, send: typeof fetch = fetch): Ask {
  const adapter = adapterOf(target.protocol)
  const url = target.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '') + paths[target.protocol]
  return async (question) => {
    const request = requestOf(target, question)
    const { body } = adapter.fromCanonicalRequest(request, {
      dialect: dialects[target.protocol],
      model: target.model,
      report: new TranslationReport('silent'),
      recall: () => null,
    })
    const startedAt = performance.now()
    const clock = new Clock(startedAt)
    let status: number | null = null
    try {
      const answer = await send(url, {
        method: 'POST',
        headers: headersOf(target),
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(target.timeoutMs),
      })
      status = answer.status
      if (answer.status !== 200) {
        const text = (await readText(answer)).slice(0, 100_000)
        throw new NoAnswer(adapter.readErrorBody(answer.status, text).message, answer.status)
      }
      const streamed = (answer.headers.get('content-type') ?? '').startsWith('text/event-stream')
      const response = streamed ? await readStream(answer, target.protocol, clock) : await readWhole(answer, adapter)
      return { response, ...clock.read(), totalMs: performance.now() - startedAt }
    } catch (error) {
      if (error instanceof NoAnswer) throw error
      if (error instanceof WireError) throw new NoAnswer(error.message, status, { cause: error })
      const cause = error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : null
      throw new NoAnswer(
        cause?.name === 'TimeoutError'
          ? `No whole answer within ${target.timeoutMs} ms.`
          : `The endpoint was not reached or its answer broke off: ${cause?.message ?? String(error)}`,
        null,
        { cause: error },
      )
    }
  }
}

function requestOf(target: CheckTarget, question: Question): CanonicalRequest {
  return {
    from: target.protocol,
    model: target.model,
    items: question.items,
    tools: question.tools ?? [],
    toolChoice: question.toolChoice ?? null,
    parallelToolCalls: question.parallelToolCalls ?? null,
    maxOutputTokens: question.maxOutputTokens ?? defaultMaxOutputTokens,
    stop: [],
    sampling: {
      temperature: null,
      topP: null,
      topK: null,
      frequencyPenalty: null,
      presencePenalty: null,
      seed: null,
      logitBias: null,
    },
    topLogprobs: null,
    thinking: question.thinking ?? null,
    reasoningSummary: null,
    outputFormat: question.outputFormat ?? { type: 'text' },
    verbosity: null,
    stream: question.stream ?? false,
    includeUsage: question.stream ?? false,
    choices: 1,
    endUser: null,
    metadata: null,
    cacheKey: null,
    autoCacheMark: null,
    serviceTier: null,
    extra: {},
  }
}

function headersOf(target: CheckTarget): Record<string, string> {
  const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  return target.protocol === 'messages'
    ? { ...common, 'x-api-key': target.apiKey, 'anthropic-version': '2023-06-01' }
    : { ...common, authorization: `Bearer ${target.apiKey}` }
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
