/**
 * The five-function shape that every protocol folder has: parse, to canonical, from canonical, stream
 * reader, stream writer; and the error body that only it can word.
 */
import type { SseMessage } from '../sse/reader.ts'
import type { ErrorKind } from '../errors.ts'
import type { MessagesVersion, Protocol } from '../protocol.ts'
import type { TranslationReport } from '../translation/report.ts'
import type { Sealer } from '../seal/seal.ts'
import type { CanonicalEvent } from './event.ts'
import type { CanonicalRequest } from './request.ts'
import type { CanonicalResponse } from './response.ts'
import type { Dialect } from './dialect.ts'
import type { Usage } from './usage.ts'

/** What a door knows beside the body when it reads a request. */
export interface ReadContext {
  readonly messagesVersion: MessagesVersion
  readonly sealer: Sealer
  /** The body as it came, for verbatim spans (tool arguments); the parsed value is passed beside it. */
  readonly text: string
  readonly report: TranslationReport
}

/** What a writer of requests knows about the upstream. */
export interface WriteContext {
  readonly dialect: Dialect
  readonly model: string
  readonly report: TranslationReport
  /** Recovers what a client dropped, by tool call id: reasoning and exact arguments. Null when unknown. */
  readonly recall: (callId: string) => { readonly reasoning: string; readonly argumentsText: string | null } | null
}

/** What a writer of answers knows about the request it answers. */
export interface AnswerContext {
  /** The model name the caller asked for: echoed back, because SDK users compare. */
  readonly model: string
  /** An id of our own in this door's style is minted from this request id. */
  readonly requestId: string
  readonly createdSec: number
  readonly messagesVersion: MessagesVersion
  /** The canonical request, for what answers must repeat (Responses) or obey (display, includeUsage). */
  readonly request: CanonicalRequest
  /** Mints the token that carries reasoning through the client; null when the upstream's own token is used. */
  readonly sealer: Sealer | null
  /** Sealed into the token, so that a token goes back only where it makes sense. */
  readonly upstreamFamily: string
  /** Tool names that had to be changed for the upstream: upstream name to the caller's name and namespace. */
  readonly toolNames: ReadonlyMap<
    string,
    { readonly name: string; readonly namespace: string | null; readonly custom: boolean }
  >
}

/** The wire request to send, and the tool names that were changed on the way. */
export interface WrittenRequest {
  readonly body: Record<string, unknown>
  readonly toolNames: ReadonlyMap<
    string,
    { readonly name: string; readonly namespace: string | null; readonly custom: boolean }
  >
}

/** Turns SSE messages of one upstream stream into canonical events. Not reusable. */
export interface StreamReader {
  /** Events caused by this message. Never throws on bad input: it returns an `error` event, then nothing more. */
  push(message: SseMessage): readonly CanonicalEvent[]
  /** The connection ended: returns whatever closes the stream (possibly a cut-stream error). Idempotent. */
  end(): readonly CanonicalEvent[]
}

/** Turns canonical events into SSE text of one door stream. Returns "" when nothing is to be sent yet. */
export interface StreamWriter {
  write(event: CanonicalEvent): string
  /** A keep-alive that this door's clients tolerate, valid at any moment before the terminal event. */
  keepAlive(): string
}

export interface ProtocolError {
  readonly kind: ErrorKind
  readonly message: string
  /** Our stable code (`GATEWAY_NO_KEY`) or the upstream's. */
  readonly code: string | null
  readonly param: string | null
  readonly requestId: string
}

export interface StreamPlace {
  readonly answer: AnswerContext
  /** Number of the next event. */
  readonly sequence: number
}

export interface ProtocolAdapter {
  readonly protocol: Protocol
  /** Checks shape leniently and translates. Throws WireError naming the field. */
  toCanonicalRequest(body: unknown, context: ReadContext): CanonicalRequest
  /** Throws WireError `WIRE_CANNOT_CARRY` where loss would change meaning (or anything, under lossy=strict). */
  fromCanonicalRequest(request: CanonicalRequest, context: WriteContext): WrittenRequest
  /** Reads an upstream's complete answer. Throws WireError when it is not one. */
  toCanonicalResponse(body: unknown, text: string): CanonicalResponse
  fromCanonicalResponse(response: CanonicalResponse, context: AnswerContext): Record<string, unknown>
  createStreamReader(): StreamReader
  createStreamWriter(context: AnswerContext): StreamWriter
  /** The usage object of this protocol (`usage` member) in our convention; null when it is not one. */
  readUsage(usage: unknown): Usage | null
  writeErrorBody(error: ProtocolError): { readonly status: number; readonly body: Record<string, unknown> }
  /**
   * The in-stream form of an error, as SSE text, terminal in this protocol. `place`: where a stream that was
   * forwarded, not written, broke off; for protocols whose events are numbered and repeat the answer's frame.
   */
  writeErrorEvent(error: ProtocolError, place?: StreamPlace): string
  /** Reads an upstream's error body (any content type, any shape) as kind and message. */
  readErrorBody(
    status: number,
    text: string,
  ): { readonly kind: ErrorKind; readonly message: string; readonly code: string | null }
}
