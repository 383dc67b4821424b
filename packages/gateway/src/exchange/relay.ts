/**
 * Carries one upstream answer to the caller: the sink of one HTTP attempt.
 *
 *                         ┌ status >= 400 ─▶ collected, `failed` (another upstream may still be tried)
 *   onHeaders ── which? ──┼ event stream ─▶ same protocol: whole events forwarded byte for byte
 *                         │                 else: reader ─▶ canonical events ─▶ writer
 *                         └ JSON ─────────▶ collected; forwarded byte for byte, or translated
 *
 * Nothing reaches the caller before the first meaningful event, so an upstream that says 200 and then fails is
 * still an honest HTTP error (and may still be failed over). The last bytes of an answer are never written
 * here: they are handed back in `done`, because the ledger row goes first.
 */
import {
  disassemble,
  ResponseAssembler,
  SseReader,
  type AnswerContext,
  type ErrorKind,
  type ProtocolAdapter,
  type StreamPlace,
  type StreamReader,
  type StreamWriter,
} from '@portolan/wire'
import type { FailStage, HttpSink, ResponseHeaders, UpstreamError } from '@portolan/upstream'
import type { ClientHeaders, ClientSide } from './client-side.ts'
import { EventBoundary, splitEvents } from './event-boundary.ts'
import type { Observer } from './observer.ts'

export interface RelayPlan {
  /** The caller's protocol. */
  readonly door: ProtocolAdapter
  /** The upstream's protocol; the same object when both speak one. */
  readonly far: ProtocolAdapter
  readonly requestId: string
  /** The caller asked for a stream. */
  readonly stream: boolean
  /** We asked for a usage chunk that the caller did not ask for: it is taken out again. */
  readonly dropUsageChunk: boolean
  /** Both sides speak one protocol: bytes are forwarded, not rewritten. */
  readonly same: boolean
  /** What a translation needs to know; made on first use, because most same-protocol answers never need it. */
  readonly answer: () => AnswerContext
  /** Headers of ours for a good answer. */
  readonly headers: () => ClientHeaders
}

export interface AttemptFailure {
  readonly kind: 'failed'
  readonly stage: FailStage | 'status'
  readonly status: number | null
  readonly error: {
    readonly kind: ErrorKind
    readonly message: string
    readonly code: string | null
    /** The offending field, where the upstream is inside this process and knows it. */
    readonly param?: string
  }
  readonly headers: ResponseHeaders
  /** The upstream's body, for callers of the same protocol. */
  readonly body: Buffer | null
}

export type AttemptResult =
  | {
      readonly kind: 'done'
      /** Last bytes of the answer, to be written after the row is settled. */
      readonly final: Buffer | string | null
      /** For an answer of which nothing was committed yet. */
      readonly head: { readonly status: number; readonly headers: ClientHeaders } | null
      readonly outcome: 'ok' | 'cut' | 'error'
    }
  | AttemptFailure
  | { readonly kind: 'gone' }

/** When to ask again, as an upstream would say it. */
export function retryHeaders(retryAfterMs: number): Record<string, string> {
  return { 'retry-after-ms': String(Math.round(retryAfterMs)), 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
}

/** Largest upstream error body that is read. */
const errorBodyBytes = 1 << 20
/** Largest complete answer. */
const answerBytes = 256 << 20
/** Largest single event of a stream. */
const eventBytes = 64 << 20

export class Relay implements HttpSink {
  readonly #plan: RelayPlan
  readonly #client: ClientSide
  readonly #observer: Observer
  readonly #done: (result: AttemptResult) => void

  #mode: 'none' | 'error' | 'sse' | 'json' = 'none'
  #finished = false
  #status = 0
  #headers: ResponseHeaders = {}
  #collected: Buffer[] = []
  #collectedBytes = 0

  #sse: SseReader | null = null
  #reader: StreamReader | null = null
  #writer: StreamWriter | null = null
  #assembler: ResponseAssembler | null = null
  #boundary: EventBoundary | null = null
  /** Held until the first meaningful event. */
  #held: (Buffer | string)[] = []
  /** Number of the last event forwarded; null: this protocol has none. */
  #lastNumber: number | null = null
  /** Same protocol: the wire's own terminal event has been seen in the raw stream. */
  #sawTerminal = false

  constructor(plan: RelayPlan, client: ClientSide, observer: Observer, done: (result: AttemptResult) => void) {
    this.#plan = plan
    this.#client = client
    this.#observer = observer
    this.#done = done
  }

  // ---------------------------------------------------------------------------------------- head

  onHeaders(status: number, headers: ResponseHeaders): void {
    this.#status = status
    this.#headers = headers
    if (status >= 300) {
      this.#mode = 'error'
      return
    }
    const type = String(headers['content-type'] ?? '').toLowerCase()
    if (!type.includes('event-stream')) {
      this.#mode = 'json'
      return
    }
    this.#mode = 'sse'
    this.#sse = new SseReader()
    this.#reader = this.#plan.far.createStreamReader()
    if (!this.#plan.stream) this.#assembler = new ResponseAssembler()
    else if (this.#plan.same) this.#boundary = new EventBoundary()
    else this.#writer = this.#plan.door.createStreamWriter(this.#plan.answer())
  }

  // ---------------------------------------------------------------------------------------- body

  onData(chunk: Buffer): boolean {
    if (this.#finished) return true
    switch (this.#mode) {
      case 'sse':
        return this.#onStreamData(chunk)
      case 'json':
        // Some servers send blank lines while a request waits; a waiting caller should see them too.
        if (this.#plan.same && !this.#plan.stream && this.#collectedBytes === 0 && isBlank(chunk)) {
          this.#client.commit(this.#status, this.#answerHeaders())
          return this.#client.write(chunk, false)
        }
        this.#collect(chunk, answerBytes)
        return true
      default:
        this.#collect(chunk, errorBodyBytes)
        return true
    }
  }

  #onStreamData(chunk: Buffer): boolean {
    let out = ''
    let broken = false
    let messages
    try {
      messages = this.#sse!.push(chunk)
    } catch {
      return this.#fault('The upstream sent an event larger than this gateway accepts.')
    }
    for (const message of messages) {
      if (this.#plan.same && this.#plan.far.protocol === 'responses') this.#lastNumber = numberOf(message.data)
      if (this.#plan.same && isTerminal(this.#plan.far.protocol, message.event, message.data)) this.#sawTerminal = true
      for (const event of this.#reader!.push(message)) {
        this.#observer.observe(event)
        this.#assembler?.push(event)
        if (event.type === 'error' && !this.#client.contentSent && !this.#observer.meaningful)
          return this.#refuse(event)
        if (this.#writer) out += this.#writer.write(event)
        if (event.type === 'error') broken = true
      }
    }

    if (this.#assembler) {
      if (this.#observer.ended || broken) this.#finishAssembled()
      return true
    }
    if (this.#plan.same) return this.#forward(chunk)
    const terminal = this.#observer.ended || this.#observer.error !== null
    if (terminal) {
      this.#release()
      this.#finish({ kind: 'done', final: out, head: null, outcome: this.#observer.error ? 'error' : 'ok' })
      return true
    }
    return this.#emit(out)
  }

  /** Same protocol: whole events, as they came. */
  #forward(chunk: Buffer): boolean {
    let bytes = this.#boundary!.push(chunk)
    if (this.#boundary!.heldBytes > eventBytes)
      return this.#fault('The upstream sent an event larger than this gateway accepts.')
    if (bytes && this.#plan.dropUsageChunk) bytes = withoutUsageChunk(bytes)
    if (this.#sawTerminal) {
      this.#release()
      const rest = this.#boundary!.rest()
      const final = Buffer.concat([bytes ?? Buffer.alloc(0), rest ?? Buffer.alloc(0)])
      this.#finish({ kind: 'done', final, head: null, outcome: this.#observer.error ? 'error' : 'ok' })
      return true
    }
    return bytes ? this.#emit(bytes) : true
  }

  #emit(bytes: Buffer | string): boolean {
    if (bytes.length === 0) return true
    if (!this.#observer.meaningful && this.#observer.error === null) {
      this.#held.push(bytes)
      return true
    }
    this.#release()
    return this.#client.write(bytes)
  }

  /** Sends the head and whatever was held. */
  #release(): void {
    this.#client.commit(this.#status, this.#streamHeaders())
    for (const bytes of this.#held) this.#client.write(bytes)
    this.#held = []
  }

  // ----------------------------------------------------------------------------------------- end

  onEnd(): void {
    if (this.#finished) return
    switch (this.#mode) {
      case 'sse':
        this.#endStream()
        break
      case 'json':
        this.#endJson()
        break
      default:
        this.#endError()
    }
  }

  #endStream(): void {
    let out = ''
    const last = this.#sse!.end().flatMap((message) => {
      if (this.#plan.same && isTerminal(this.#plan.far.protocol, message.event, message.data)) this.#sawTerminal = true
      return this.#reader!.push(message)
    })
    for (const event of [...last, ...this.#reader!.end()]) {
      this.#observer.observe(event)
      this.#assembler?.push(event)
      if (event.type === 'error' && !this.#client.contentSent && !this.#observer.meaningful) {
        this.#refuse(event)
        return
      }
      if (this.#writer) out += this.#writer.write(event)
    }
    if (this.#assembler) {
      this.#finishAssembled()
      return
    }
    this.#release()
    const error = this.#observer.error
    const outcome = error === null ? 'ok' : error.code === 'WIRE_STREAM_CUT' ? 'cut' : 'error'
    if (!this.#plan.same) {
      this.#finish({ kind: 'done', final: out, head: null, outcome })
      return
    }
    // The upstream's own last words, unless it died inside an event. An answer that is complete but lacks its
    // terminal line (finish reason seen, no [DONE]) gets the line its protocol promises.
    const rest = this.#boundary!.rest()
    if (this.#sawTerminal) this.#finish({ kind: 'done', final: rest && delimited(rest), head: null, outcome })
    else if (error === null)
      this.#finish({ kind: 'done', final: missingTerminal(this.#plan.door), head: null, outcome })
    else this.#finish({ kind: 'done', final: this.#errorEvent(error), head: null, outcome })
  }

  #finishAssembled(): void {
    const response = this.#assembler!.response()
    const error = this.#observer.error
    if (!response || error) {
      this.#refuse({
        kind: error?.kind ?? 'upstream',
        message: error?.message ?? 'The upstream ended its answer early.',
        code: error?.code ?? null,
      })
      return
    }
    this.#finishJson(200, JSON.stringify(this.#plan.door.fromCanonicalResponse(response, this.#plan.answer())))
  }

  #endJson(): void {
    const bytes = Buffer.concat(this.#collected, this.#collectedBytes)
    const text = bytes.toString('utf8')
    try {
      const body: unknown = JSON.parse(text)
      if (this.#plan.same && !this.#plan.stream) {
        if (typeof body !== 'object' || body === null || Array.isArray(body))
          throw new TypeError('it is no JSON object')
        this.#readSameAnswer(body, text)
        this.#finishJson(this.#status, bytes)
        return
      }
      const response = this.#plan.far.toCanonicalResponse(body, text)
      for (const event of disassemble(response)) this.#observer.observe(event)
      if (!this.#plan.stream) {
        this.#finishJson(200, JSON.stringify(this.#plan.door.fromCanonicalResponse(response, this.#plan.answer())))
        return
      }
      const writer = this.#plan.door.createStreamWriter(this.#plan.answer())
      let out = ''
      for (const event of disassemble(response)) out += writer.write(event)
      this.#client.commit(200, this.#streamHeaders())
      this.#finish({ kind: 'done', final: out, head: null, outcome: 'ok' })
    } catch (error) {
      const why =
        error instanceof SyntaxError ? 'it is not JSON' : error instanceof Error ? error.message : 'unreadable'
      this.#fault(`The upstream's answer cannot be read: ${why}`)
    }
  }

  /** Same protocol, whole answer: only the meter reads it. */
  #readSameAnswer(body: unknown, text: string): void {
    this.#observer.capture?.keepBody(this.#plan.far.protocol, text)
    const { id, model, usage } = (body ?? {}) as Record<string, unknown>
    const read = this.#plan.far.readUsage(usage)
    // Usage that nobody reported is counted from what was said.
    const counts = this.#observer.generated !== null && (read?.outputTokens ?? null) === null
    if (counts || (this.#observer.recalls && worthRecalling.test(text))) this.#readWhole(body, text)
    this.#observer.observe({
      type: 'response-start',
      id: typeof id === 'string' ? id : '',
      model: typeof model === 'string' ? model : '',
      createdSec: null,
      usage: read,
    })
    this.#observer.meaningful = true
    this.#observer.generatedChars = this.#collectedBytes
  }

  /** An answer that has to be counted, or whose tool calls a Chat caller may send back without their reasoning. */
  #readWhole(body: unknown, text: string): void {
    try {
      for (const event of disassemble(this.#plan.far.toCanonicalResponse(body, text))) this.#observer.observe(event)
    } catch {
      // Not readable as one answer: forwarded all the same, nothing is remembered or counted.
    }
  }

  #finishJson(status: number, body: Buffer | string): void {
    const headers = this.#answerHeaders()
    if (!this.#client.committed) headers['content-length'] = String(Buffer.byteLength(body))
    this.#finish({ kind: 'done', final: body, head: { status, headers }, outcome: 'ok' })
  }

  #endError(): void {
    const body = Buffer.concat(this.#collected, this.#collectedBytes)
    const error =
      this.#status < 400
        ? {
            kind: 'upstream' as const,
            message: `The upstream answered with a redirect (${this.#status}); its base URL is probably wrong.`,
            code: null,
          }
        : this.#plan.far.readErrorBody(this.#status, body.toString('utf8'))
    this.#finish({ kind: 'failed', stage: 'status', status: this.#status, error, headers: this.#headers, body })
  }

  onFail(error: UpstreamError, stage: FailStage): void {
    if (this.#finished) return
    const cause = { kind: error.kind, message: error.message, code: error.code }
    if (!this.#client.contentSent && !this.#observer.meaningful) {
      this.#finish({ kind: 'failed', stage, status: null, error: cause, headers: {}, body: null })
      return
    }
    // In the middle of an answer: say it in the stream, in the caller's protocol.
    this.#observer.observe({ type: 'error', ...cause })
    if (this.#mode !== 'sse' || this.#assembler) {
      this.#finish({ kind: 'failed', stage: 'streaming', status: null, error: cause, headers: {}, body: null })
      return
    }
    this.#release()
    const final = this.#writer ? this.#writer.write({ type: 'error', ...cause }) : this.#errorEvent(cause)
    this.#finish({ kind: 'done', final, head: null, outcome: 'cut' })
  }

  /** The caller left: nothing more is said or done. */
  leave(): void {
    this.#finish({ kind: 'gone' })
  }

  // ------------------------------------------------------------------------------------- private

  /** An error before anything meaningful: still an HTTP error, still open to failover. */
  #refuse(error: { readonly kind: ErrorKind; readonly message: string; readonly code: string | null }): boolean {
    const { kind, message, code } = error
    this.#finish({
      kind: 'failed',
      stage: 'streaming',
      status: null,
      error: { kind, message, code },
      headers: {},
      body: null,
    })
    return true
  }

  #fault(message: string): boolean {
    const error = { kind: 'upstream' as const, message, code: 'UPSTREAM_BAD_RESPONSE' }
    this.#observer.observe({ type: 'error', ...error })
    if (!this.#client.contentSent) return this.#refuse(error)
    this.#finish({
      kind: 'done',
      final: this.#writer ? this.#writer.write({ type: 'error', ...error }) : this.#errorEvent(error),
      head: null,
      outcome: 'error',
    })
    return true
  }

  #errorEvent(error: { readonly kind: ErrorKind; readonly message: string; readonly code: string | null }): string {
    return this.#plan.door.writeErrorEvent({ ...error, param: null, requestId: this.#plan.requestId }, this.#place())
  }

  /** Where a forwarded stream stands, for the protocol that numbers its events. */
  #place(): StreamPlace | undefined {
    if (this.#lastNumber === null) return undefined
    try {
      return { answer: this.#plan.answer(), sequence: this.#lastNumber + 1 }
    } catch {
      // A request that cannot be read is still forwarded; its error goes out without the answer's frame.
      return undefined
    }
  }

  #collect(chunk: Buffer, limitBytes: number): void {
    if (this.#collectedBytes + chunk.length > limitBytes) {
      if (this.#mode === 'json') this.#fault('The upstream sent an answer larger than this gateway accepts.')
      // An error page without end: what has come says enough.
      else this.#endError()
      return
    }
    this.#collected.push(chunk)
    this.#collectedBytes += chunk.length
  }

  #streamHeaders(): ClientHeaders {
    return {
      ...callerHeaders(this.#headers, this.#plan.headers()),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    }
  }

  #answerHeaders(): ClientHeaders {
    // A stream that was put together for a caller who wanted none is JSON, whatever the upstream called it.
    const forwarded = this.#plan.same && this.#mode === 'json'
    const type = forwarded ? String(this.#headers['content-type'] ?? 'application/json') : 'application/json'
    return { ...callerHeaders(this.#headers, this.#plan.headers()), 'content-type': type }
  }

  #finish(result: AttemptResult): void {
    if (this.#finished) return
    this.#finished = true
    this.#collected = []
    this.#held = []
    this.#done(result)
  }
}

/** Thought or called something; `reasoning_tokens` in every usage object is neither. */
const worthRecalling = /"reasoning(_content)?"\s*:|"tool_calls"\s*:/

/** Headers of an upstream answer that mean something to the caller. Everything else stays on our side. */
const forwarded =
  /^(retry-after(-ms)?|x-should-retry|x-ratelimit-.+|anthropic-ratelimit-.+|openai-processing-ms|openai-version)$/

export function forwardedHeaders(headers: ResponseHeaders): ClientHeaders {
  const kept: ClientHeaders = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && forwarded.test(name)) kept[name] = value
  }
  return kept
}

/** Where the door limits its callers, its own numbers are theirs; the supplier's are about somebody else. */
export function callerHeaders(received: ResponseHeaders, own: ClientHeaders): ClientHeaders {
  const headers = forwardedHeaders(received)
  if (Object.keys(own).some((name) => name.includes('ratelimit-')))
    for (const name of Object.keys(headers)) if (name.includes('ratelimit-')) delete headers[name]
  return { ...headers, ...own }
}

function numberOf(data: string): number {
  return Number(/"sequence_number"\s*:\s*(\d+)/.exec(data)?.[1] ?? 0)
}

/** Is this SSE message the terminal one of its protocol? */
function isTerminal(protocol: string, event: string | null, data: string): boolean {
  if (protocol === 'chat') return data === '[DONE]' || data.startsWith('{"error"')
  if (protocol === 'messages') return event === 'message_stop' || event === 'error'
  return (
    event === 'response.completed' ||
    event === 'response.incomplete' ||
    event === 'response.failed' ||
    event === 'error'
  )
}

/** A last event without its blank line is an event that careful clients never see (agent-vision-toolkit#5). */
function delimited(event: Buffer): Buffer {
  const text = event.toString('latin1')
  if (/(\n\n|\r\n\r\n|\r\r)$/.test(text)) return event
  return Buffer.concat([event, Buffer.from(/[\r\n]$/.test(text) ? '\n' : '\n\n')])
}

/** What a finished answer lacks when the upstream forgot its terminal line; only Chat can be finished without one. */
function missingTerminal(door: ProtocolAdapter): string | null {
  return door.protocol === 'chat'
    ? 'data: [DONE]\n\n'
    : door.protocol === 'messages'
      ? 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
      : null
}

const usageChunk = /"choices"\s*:\s*\[\s*\]/

/** Takes the usage-only chunk out of whole Chat events; every other byte stays. */
function withoutUsageChunk(bytes: Buffer): Buffer {
  if (!bytes.includes('"choices"') || !usageChunk.test(bytes.toString('latin1'))) return bytes
  return Buffer.concat(
    splitEvents(bytes).filter((event) => !(usageChunk.test(event.toString('latin1')) && event.includes('"usage"'))),
  )
}

function isBlank(chunk: Buffer): boolean {
  for (const byte of chunk) if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return false
  return true
}
