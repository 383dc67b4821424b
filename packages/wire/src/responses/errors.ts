/**
 * Errors on the Responses door and from Responses upstreams: the OpenAI envelope
 * `{"error":{"message","type","param","code"}}`, and `response.failed` in a stream.
 */
import type { ProtocolError, StreamPlace } from '../canonical/adapter.ts'
import type { ErrorKind } from '../errors.ts'
import { writeSse } from '../sse/writer.ts'
import { isObject, type WireObject } from './read-field.ts'
import { idPart, responseFrame } from './response-object.ts'

interface ErrorRow {
  readonly status: number
  readonly type: string
  /** The vendor's code where clients look for one; else ours is said. */
  readonly code: string | null
  /** `error.code` of a failed response: clients know a few words only. */
  readonly stream: string
}

/** 499 is never seen by the caller who left; it is there for the ledger. OpenAI has no 529: overload is 503. */
const rows: Readonly<Record<ErrorKind, ErrorRow>> = {
  'invalid-request': { status: 400, type: 'invalid_request_error', code: null, stream: 'invalid_prompt' },
  authentication: { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', stream: 'server_error' },
  billing: { status: 402, type: 'insufficient_quota', code: 'insufficient_quota', stream: 'insufficient_quota' },
  permission: { status: 403, type: 'permission_error', code: null, stream: 'server_error' },
  'not-found': { status: 404, type: 'invalid_request_error', code: 'model_not_found', stream: 'server_error' },
  conflict: { status: 409, type: 'invalid_request_error', code: null, stream: 'server_error' },
  'too-large': { status: 413, type: 'invalid_request_error', code: 'request_too_large', stream: 'invalid_prompt' },
  'context-length': {
    status: 400,
    type: 'invalid_request_error',
    code: 'context_length_exceeded',
    stream: 'context_length_exceeded',
  },
  unprocessable: { status: 422, type: 'invalid_request_error', code: null, stream: 'invalid_prompt' },
  'rate-limit': { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded', stream: 'rate_limit_exceeded' },
  'client-closed': { status: 499, type: 'invalid_request_error', code: null, stream: 'server_error' },
  internal: { status: 500, type: 'server_error', code: null, stream: 'server_error' },
  upstream: { status: 502, type: 'server_error', code: null, stream: 'server_error' },
  overloaded: { status: 503, type: 'server_error', code: null, stream: 'server_error' },
  timeout: { status: 504, type: 'server_error', code: null, stream: 'server_error' },
}

export function writeErrorBody(error: ProtocolError): {
  readonly status: number
  readonly body: Record<string, unknown>
} {
  const row = rows[error.kind]
  const code = row.code ?? error.code
  return { status: row.status, body: { error: { message: error.message, type: row.type, param: error.param, code } } }
}

/** `response.failed` on its own, for when no writer knows more of the answer. */
export function writeErrorEvent(error: ProtocolError, place?: StreamPlace): string {
  const response = {
    ...(place ? responseFrame(place.answer) : {}),
    id: `resp_${idPart(error.requestId)}`,
    object: 'response',
    status: 'failed',
    error: { code: streamErrorCode(error.kind, error.code), message: error.message },
    incomplete_details: null,
    output: [],
  }
  return writeSse(
    'response.failed',
    JSON.stringify({ type: 'response.failed', response, sequence_number: place?.sequence ?? 0 }),
  )
}

/** The upstream's own word where this protocol knows it, else the kind's. */
export function streamErrorCode(kind: ErrorKind, code: string | null): string {
  // Some suppliers say `server_is_overloaded`; the official type of this protocol does not have it.
  return code !== null && code !== 'server_is_overloaded' && vendorCodes.has(code) ? code : rows[kind].stream
}

/** Codes that clients of this API act on, and the kinds that they mean. */
const vendorCodes: ReadonlyMap<string, ErrorKind> = new Map([
  ['server_error', 'upstream'],
  ['rate_limit_exceeded', 'rate-limit'],
  ['invalid_prompt', 'invalid-request'],
  ['context_length_exceeded', 'context-length'],
  ['insufficient_quota', 'billing'],
  ['server_is_overloaded', 'overloaded'],
  ['slow_down', 'overloaded'],
  ['invalid_api_key', 'authentication'],
  ['model_not_found', 'not-found'],
  ['request_too_large', 'too-large'],
  ['image_content_policy_violation', 'invalid-request'],
  ['invalid_image', 'invalid-request'],
])

const kindsByStatus: ReadonlyMap<number, ErrorKind> = new Map([
  [400, 'invalid-request'],
  [401, 'authentication'],
  [402, 'billing'],
  [403, 'permission'],
  [404, 'not-found'],
  [408, 'timeout'],
  [409, 'conflict'],
  [413, 'too-large'],
  [422, 'unprocessable'],
  [429, 'rate-limit'],
  [503, 'overloaded'],
  [504, 'timeout'],
  [529, 'overloaded'],
])

export interface ReadError {
  readonly kind: ErrorKind
  readonly message: string
  readonly code: string | null
}

/** `error` member of a failed response, or of an `error` event. */
export function readStreamError(value: unknown): ReadError {
  const error = isObject(value) ? value : {}
  const code = text(error.code) ?? text(error.type)
  const kind = (code !== null && vendorCodes.get(code)) || 'upstream'
  return { kind, message: text(error.message) ?? 'The upstream reported an error without a message.', code }
}

export function readErrorBody(status: number, body: string): ReadError {
  const error = errorMember(body)
  const code = error === null ? null : (text(error.code) ?? text(error.type))
  const byCode = code === null ? undefined : vendorCodes.get(code)
  const byStatus = kindsByStatus.get(status) ?? (status >= 500 ? 'upstream' : 'invalid-request')
  // The codes that say more than their status does.
  const kind = byCode !== undefined && byCode !== 'upstream' ? byCode : byStatus
  return { kind, message: text(error?.message) ?? plainText(status, body), code }
}

function errorMember(body: string): WireObject | null {
  try {
    const value: unknown = JSON.parse(body)
    if (!isObject(value)) return null
    if (typeof value.error === 'string') return { message: value.error }
    return isObject(value.error) ? value.error : value
  } catch {
    return null
  }
}

/** Proxies in between answer in HTML or in nothing at all. */
function plainText(status: number, body: string): string {
  const words = body
    .slice(0, 2000)
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300)
  return words === '' ? `The upstream answered with status ${status} and no explanation.` : words
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
