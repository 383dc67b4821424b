/**
 * Errors in the words of Messages: `{"type":"error","error":{"type","message"},"request_id"}`.
 *
 * Context overflow keeps the words that Claude Code looks for, "prompt is too long: N tokens > M maximum",
 * with both numbers when the text that reached us holds them. Reading is lenient: upstreams behind this
 * protocol answer with the other vendor's envelope, plain strings, HTML or nothing.
 */
import type { ProtocolError } from '../canonical/adapter.ts'
import type { ErrorKind } from '../errors.ts'
import { writeSse } from '../sse/writer.ts'
import { isObject, stringOr } from './types.ts'

const table: Readonly<Record<ErrorKind, readonly [status: number, type: string]>> = {
  'invalid-request': [400, 'invalid_request_error'],
  authentication: [401, 'authentication_error'],
  billing: [402, 'billing_error'],
  permission: [403, 'permission_error'],
  'not-found': [404, 'not_found_error'],
  conflict: [409, 'conflict_error'],
  'too-large': [413, 'invalid_request_error'],
  'context-length': [400, 'invalid_request_error'],
  unprocessable: [422, 'invalid_request_error'],
  'rate-limit': [429, 'rate_limit_error'],
  'client-closed': [499, 'api_error'],
  internal: [500, 'api_error'],
  upstream: [502, 'api_error'],
  overloaded: [529, 'overloaded_error'],
  timeout: [504, 'timeout_error'],
}

export function writeMessagesErrorBody(error: ProtocolError): { status: number; body: Record<string, unknown> } {
  const [status, type] = table[error.kind]
  const message = error.kind === 'context-length' ? promptTooLong(error.message) : error.message
  const details = error.code === null ? {} : { details: { error_code: error.code } }
  return { status, body: { type: 'error', error: { type, message, ...details }, request_id: error.requestId } }
}

/** `event: error`, terminal: nothing may follow it. */
export function writeMessagesErrorEvent(error: ProtocolError): string {
  return writeSse('error', JSON.stringify(writeMessagesErrorBody(error).body))
}

const promptWords = 'prompt is too long'

function promptTooLong(message: string): string {
  if (message.toLowerCase().includes(promptWords)) return message
  const limit = /(?:maximum context length|context (?:window|length|limit))[^0-9]{0,40}([0-9]{3,})/i.exec(message)?.[1]
  const asked = /(?:requested|resulted in|has|used|contains|input of|prompt of)[^0-9]{0,24}([0-9]{3,})/i.exec(
    message,
  )?.[1]
  if (limit !== undefined && asked !== undefined && asked !== limit)
    return `${promptWords}: ${asked} tokens > ${limit} maximum (${message})`
  return `${promptWords}: ${message}`
}

// ------------------------------------------------------------------------------------------- reading

const kindByType: Readonly<Record<string, ErrorKind>> = {
  invalid_request_error: 'invalid-request',
  authentication_error: 'authentication',
  billing_error: 'billing',
  permission_error: 'permission',
  not_found_error: 'not-found',
  conflict_error: 'conflict',
  request_too_large: 'too-large',
  rate_limit_error: 'rate-limit',
  api_error: 'internal',
  overloaded_error: 'overloaded',
  timeout_error: 'timeout',
}

const kindByStatus: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid-request',
  401: 'authentication',
  402: 'billing',
  403: 'permission',
  404: 'not-found',
  408: 'timeout',
  409: 'conflict',
  413: 'too-large',
  422: 'unprocessable',
  429: 'rate-limit',
  499: 'client-closed',
  500: 'internal',
  502: 'upstream',
  503: 'overloaded',
  504: 'timeout',
  529: 'overloaded',
}

const overflow = /prompt is too long|context[ _-]?(length|window|limit)|maximum context|too many (input )?tokens/i
/** Statuses whose meaning is sharper than the type that comes with them. */
const decidedByStatus = new Set([401, 402, 403, 404, 408, 409, 413, 422, 429, 503, 504, 529])

interface ReadError {
  readonly kind: ErrorKind
  readonly message: string
  readonly code: string | null
}

/** Reads the body of a failed call, whatever it is. */
export function readMessagesErrorBody(status: number, text: string): ReadError {
  let body: unknown = null
  try {
    body = JSON.parse(text)
  } catch {
    // Not JSON: a proxy's HTML page or a bare line.
  }
  const found = readMessagesError(body)
  const message = found?.message || plainText(text) || `The upstream answered with status ${status}.`
  if (status < 500 && status !== 429 && (overflow.test(message) || found?.code === 'context_length_exceeded'))
    return { kind: 'context-length', message, code: found?.code ?? null }
  const byStatus = kindByStatus[status] ?? (status >= 500 ? 'upstream' : 'invalid-request')
  // Some suppliers call everything an invalid request; a 5xx is never the caller's fault.
  const contradicts = status >= 500 && (found?.kind === 'invalid-request' || found?.kind === 'not-found')
  const believed = found !== null && found.kind !== null && !decidedByStatus.has(status) && !contradicts
  const kind = believed ? found.kind : byStatus
  return { kind, message, code: found?.code ?? null }
}

/** Reads `{error: ...}` in any of its shapes; null when there is no error in it. `kind` null: not said. */
export function readMessagesError(
  body: unknown,
): { readonly kind: ErrorKind | null; readonly message: string; readonly code: string | null } | null {
  if (!isObject(body)) return null
  const error = body['error']
  if (isObject(error)) {
    const type = stringOr(error['type'])
    const details = isObject(error['details']) ? error['details'] : null
    const code = stringOr(details?.['error_code']) ?? stringOr(error['code']) ?? type
    return { kind: type === null ? null : (kindByType[type] ?? null), message: stringOr(error['message']) ?? '', code }
  }
  const message = stringOr(error) ?? stringOr(body['message']) ?? stringOr(body['detail'])
  return message === null ? null : { kind: null, message, code: stringOr(body['code']) }
}

/** The kind of an error that arrived inside a stream, where there is no status. */
export function kindOfStreamError(error: { readonly kind: ErrorKind | null; readonly message: string }): ErrorKind {
  if (error.kind === 'invalid-request' && overflow.test(error.message)) return 'context-length'
  // Inside a stream `api_error` says that the upstream failed, not that we did.
  return error.kind === null || error.kind === 'internal' ? 'upstream' : error.kind
}

function plainText(text: string): string {
  return text
    .slice(0, 4000)
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 500)
}
