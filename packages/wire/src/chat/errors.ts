/**
 * Errors in Chat's words, and any upstream's error body in ours.
 *
 * Writing: status, `type` and `code` per kind, with the codes that clients look for. Reading is lenient:
 * OpenAI's and Messages' envelopes, FastAPI's `detail`, a list, plain text, an HTML page of a proxy, nothing.
 */
import type { ProtocolError } from '../canonical/adapter.ts'
import type { ErrorKind } from '../errors.ts'
import { writeSse } from '../sse/writer.ts'
import { isObject, textOf } from './fields.ts'

interface Row {
  readonly status: number
  readonly type: string
  /** The code that clients look for; null: our own stable code rides there. */
  readonly code: string | null
}

const rows: Readonly<Record<ErrorKind, Row>> = {
  'invalid-request': { status: 400, type: 'invalid_request_error', code: null },
  authentication: { status: 401, type: 'invalid_request_error', code: 'invalid_api_key' },
  // OpenAI says 429 here; 402 keeps SDKs from retrying what cannot succeed, and is DeepSeek's.
  billing: { status: 402, type: 'insufficient_quota', code: 'insufficient_quota' },
  permission: { status: 403, type: 'permission_error', code: null },
  'not-found': { status: 404, type: 'invalid_request_error', code: null },
  conflict: { status: 409, type: 'invalid_request_error', code: null },
  'too-large': { status: 413, type: 'invalid_request_error', code: 'request_too_large' },
  'context-length': { status: 400, type: 'invalid_request_error', code: 'context_length_exceeded' },
  unprocessable: { status: 422, type: 'invalid_request_error', code: null },
  'rate-limit': { status: 429, type: 'rate_limit_exceeded', code: 'rate_limit_exceeded' },
  'client-closed': { status: 499, type: 'invalid_request_error', code: null },
  internal: { status: 500, type: 'server_error', code: null },
  upstream: { status: 502, type: 'server_error', code: null },
  overloaded: { status: 503, type: 'server_error', code: null },
  timeout: { status: 504, type: 'server_error', code: null },
}

export function writeChatError(error: ProtocolError): {
  readonly status: number
  readonly body: Record<string, unknown>
} {
  const row = rows[error.kind]
  // The one not-found that clients tell apart is an unknown model.
  const isModel = error.kind === 'not-found' && (error.param === 'model' || /MODEL/.test(error.code ?? ''))
  const code = row.code ?? (isModel ? 'model_not_found' : error.code)
  return { status: row.status, body: { error: { message: error.message, type: row.type, param: error.param, code } } }
}

/** Terminal: no `[DONE]` follows, so that no client takes the answer for complete. */
export function writeChatErrorEvent(error: ProtocolError): string {
  return writeSse(null, JSON.stringify(writeChatError(error).body))
}

export interface ReadError {
  readonly kind: ErrorKind
  readonly message: string
  readonly code: string | null
}

const maxMessageLength = 2000

/**
 * Reads an error body of any upstream.
 * @param status  The HTTP status; 0 for an error inside a stream, where only the words can tell the kind.
 */
export function readAnyError(status: number, text: string): ReadError {
  const trimmed = text.trim()
  let value: unknown = null
  if (trimmed.startsWith('{') || trimmed.startsWith('['))
    try {
      value = JSON.parse(trimmed)
    } catch {
      // Not JSON after all: read as text below.
    }
  return value === null ? readTextError(status, trimmed) : readErrorValue(status, value)
}

/** The same for a parsed value, such as the `error` member of a stream chunk. */
export function readErrorValue(status: number, value: unknown): ReadError {
  // Google's OpenAI-compatible address wraps its envelope in a list.
  const outer: unknown = Array.isArray(value) ? value[0] : value
  const inner: unknown = isObject(outer) ? (outer['error'] ?? outer) : outer
  const message = messageOf(inner) ?? messageOf(outer) ?? `The upstream answered with status ${status}.`
  const code = isObject(inner) ? codeOf(inner) : null
  const type = isObject(inner) ? (textOf(inner['type']) ?? textOf(inner['status']) ?? '') : ''
  const ownStatus = isObject(inner) ? Number(inner['status_code'] ?? inner['status'] ?? inner['code']) : Number.NaN
  const known = status > 0 && status !== 200 ? status : ownStatus >= 400 && ownStatus < 600 ? ownStatus : 0
  return { kind: kindOf(known, `${type} ${code ?? ''}`, message), message: cut(message), code }
}

function readTextError(status: number, text: string): ReadError {
  const isPage = /^<(?:!doctype|html|head|body|\?xml)/i.test(text)
  const title = isPage ? /<(title|h1)[^>]*>([^<]{1,300})<\/\1>/i.exec(text.slice(0, 20_000))?.[2] : undefined
  const said = isPage ? (title ?? '').trim() : text
  const message = said === '' ? `The upstream answered with status ${status} and no explanation.` : cut(said)
  return { kind: kindOf(status, '', message), message, code: null }
}

function messageOf(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  if (!isObject(value)) return null
  const detail = value['detail']
  // FastAPI's validation errors: a list of {loc, msg}.
  if (Array.isArray(detail)) {
    const lines = detail.filter(isObject).map((entry) => {
      const where = Array.isArray(entry['loc']) ? entry['loc'].join('.') : ''
      return `${where}: ${textOf(entry['msg']) ?? ''}`
    })
    return lines.length === 0 ? null : lines.join('; ')
  }
  for (const candidate of [value['message'], detail, value['msg'], value['error_description'], value['title']])
    if (typeof candidate === 'string' && candidate !== '') return candidate
  return isObject(detail) ? messageOf(detail) : null
}

function codeOf(value: Readonly<Record<string, unknown>>): string | null {
  const details = isObject(value['details']) ? value['details'] : {}
  const code = value['code'] ?? details['error_code']
  if (typeof code === 'string' && code !== '') return code
  return typeof code === 'number' ? String(code) : null
}

const contextWords =
  /context_length_exceeded|model_context_window_exceeded|maximum context length|prompt is too long|input is too long|exceeds? (?:the )?(?:model'?s? )?(?:maximum |available )?context|context (?:window|size|length)[^.]{0,40}exceed|longer than the (?:maximum )?model length|max_model_len|too many (?:input |prompt )?tokens/i
const quotaWords =
  /insufficient[_ ](?:quota|balance|funds|credits?)|exceeded your current quota|credit balance is too low|payment required|billing_error|billing hard limit/i
const overloadWords = /overloaded|over capacity|insufficient_system_resource|server is busy|no healthy upstream/i

function kindOf(status: number, words: string, message: string): ErrorKind {
  const all = `${words} ${message}`
  if (contextWords.test(all) && status !== 429 && status !== 401) return 'context-length'
  if (quotaWords.test(all) || status === 402) return 'billing'
  const byStatus = kindOfStatus(status)
  if (byStatus !== null && byStatus !== 'upstream') return byStatus
  if (overloadWords.test(all)) return 'overloaded'
  if (byStatus !== null) return byStatus
  if (/rate.?limit|too many requests/i.test(all)) return 'rate-limit'
  if (/authentication|invalid_api_key|unauthorized/i.test(words)) return 'authentication'
  if (/permission/i.test(words)) return 'permission'
  if (/not_found/i.test(words)) return 'not-found'
  if (/invalid_request|BadRequest/i.test(words)) return 'invalid-request'
  if (/timeout|timed out/i.test(all)) return 'timeout'
  return 'upstream'
}

function kindOfStatus(status: number): ErrorKind | null {
  const known: Readonly<Record<number, ErrorKind>> = {
    400: 'invalid-request',
    401: 'authentication',
    403: 'permission',
    404: 'not-found',
    408: 'timeout',
    409: 'conflict',
    413: 'too-large',
    422: 'unprocessable',
    429: 'rate-limit',
    499: 'client-closed',
    503: 'overloaded',
    504: 'timeout',
    524: 'timeout',
    529: 'overloaded',
  }
  return known[status] ?? (status >= 500 ? 'upstream' : status >= 400 ? 'invalid-request' : null)
}

function cut(message: string): string {
  return message.length > maxMessageLength ? `${message.slice(0, maxMessageLength)}...` : message
}
