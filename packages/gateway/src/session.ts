/**
 * Which conversation a request belongs to.
 *
 * Clients that name their session are believed; for the rest the opening of the conversation (tools,
 * instructions, first turn) under the same key is its name, because it does not change while the conversation
 * grows. The id is hashed with the key, so that two tenants never share one and no client string is stored.
 */
import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { PromptUnit } from './prefix/units.ts'

/** Headers in which known clients carry a session id (Claude Code, opencode, Codex). */
const sessionHeaders = [
  'x-claude-code-session-id',
  'x-session-id',
  'x-session-affinity',
  'session_id',
  'session-id',
  'conversation_id',
  'x-portolan-session',
] as const

/**
 * @param body  the parsed request body of any door
 * @param units the prompt units of what the client sent
 */
export function sessionOf(
  keyId: string,
  headers: IncomingHttpHeaders,
  body: Readonly<Record<string, unknown>>,
  units: readonly PromptUnit[],
): string {
  const named = fromHeaders(headers) ?? fromBody(body)
  if (named !== null) return digest(keyId, 'named', named)
  const firstTurn = units.findIndex((unit) => unit.name.includes('(user)'))
  const opening = units.slice(0, firstTurn === -1 ? 1 : firstTurn + 1)
  return digest(keyId, 'opening', opening.map((unit) => unit.digest).join())
}

/** The client's own name of its conversation, where it is surely one: a cache key may be shared by many. */
export function clientSession(
  headers: IncomingHttpHeaders,
  body: Readonly<Record<string, unknown>>,
): { readonly evidence: 'header' | 'client-id'; readonly name: string } | null {
  const header = fromHeaders(headers)
  if (header !== null) return { evidence: 'header', name: header }
  const name = fromMetadata(body)
  return name === null ? null : { evidence: 'client-id', name }
}

function fromHeaders(headers: IncomingHttpHeaders): string | null {
  for (const name of sessionHeaders) {
    const value = headers[name]
    if (typeof value === 'string' && value !== '') return value
  }
  return null
}

function fromBody(body: Readonly<Record<string, unknown>>): string | null {
  const cacheKey = body['prompt_cache_key']
  if (typeof cacheKey === 'string' && cacheKey !== '') return cacheKey
  return fromMetadata(body)
}

function fromMetadata(body: Readonly<Record<string, unknown>>): string | null {
  const metadata = body['metadata']
  const userId =
    typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>)['user_id'] : undefined
  // Claude Code: a JSON string with device, account and session ids; older versions `..._session_<uuid>`.
  if (typeof userId !== 'string') return null
  const session = /session(?:_id"?\s*[:_]\s*"?|_)([0-9a-f-]{8,})/i.exec(userId)
  return session?.[1] ?? null
}

function digest(...parts: readonly string[]): string {
  return `ses_${hash('sha256', parts.join('\0'), 'base64url').slice(0, 22)}`
}
