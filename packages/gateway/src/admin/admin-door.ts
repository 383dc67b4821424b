/**
 * The door of operators: who may speak to `/admin`, and how an answer goes out. What is answered comes from outside.
 *
 * Callers must be on this machine and not behind a proxy unless the configuration says otherwise, and must bear the
 * admin token, which no user's key can stand in for. The token's hash is compared in constant time. The API's own
 * description needs no token: it says nothing about anybody.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readBody } from '../body.ts'
import type { GatewayParts } from '../gateway.ts'
import { adminErrors, AdminError } from './errors.ts'

export interface AdminCall {
  readonly method: string
  /** Below `/admin`, decoded: `['keys', 'key_1']`. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
}

export interface AdminAnswer {
  readonly status: number
  /** JSON text. */
  readonly text: string
  readonly allow?: string
}

export interface AdminOptions {
  /** Also callers on other machines and behind proxies. */
  readonly remote: boolean
  /** SHA-256 of the token, hex; null: there is none, and nobody gets in. Read on every call. */
  readonly tokenHash: () => string | null
  /** @throws AdminError for what the caller must change. */
  readonly answer: (call: AdminCall, parts: GatewayParts) => AdminAnswer | Promise<AdminAnswer>
}

export function isAdminPath(url: string): boolean {
  return /^\/admin(?=[/?]|$)/.test(url)
}

/** Never rejects. */
export async function serveAdmin(
  options: AdminOptions,
  parts: GatewayParts,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const headers: Record<string, string> = { 'x-request-id': requestId, 'cache-control': 'no-store' }
  try {
    const answer = await answered(options, parts, request)
    if (answer === null) return
    if (answer.allow !== undefined) headers['allow'] = answer.allow
    send(response, answer.status, headers, answer.text)
  } catch (error) {
    // The rest of a body that will not be read must not keep the socket busy.
    if (!request.complete) headers['connection'] = 'close'
    const known = error instanceof AdminError
    if (!known) parts.log.error({ requestId, err: error }, 'admin call failed by a fault of ours')
    const { code, message, field } = known
      ? error
      : {
          code: 'ADMIN_INTERNAL' as const,
          message: `A fault in Portolan itself; the log has it under ${requestId}.`,
          field: null,
        }
    if (code === 'ADMIN_BAD_TOKEN') headers['www-authenticate'] = 'Bearer realm="portolan admin"'
    send(response, adminErrors[code].status, headers, JSON.stringify({ error: { code, message, field } }))
  }
}

/** Null: the caller left before its request was whole. */
async function answered(
  options: AdminOptions,
  parts: GatewayParts,
  request: IncomingMessage,
): Promise<AdminAnswer | null> {
  if (!options.remote && !isLocal(request)) throw new AdminError('ADMIN_NOT_LOCAL')
  const url = new URL(request.url ?? '/', 'http://admin.invalid')
  const path = segments(url.pathname)
  const method = request.method ?? ''
  const isDescription = method === 'GET' && path.length === 1 && path[0] === 'openapi.json'
  if (!isDescription && !bearsToken(request, options.tokenHash())) throw new AdminError('ADMIN_BAD_TOKEN')
  const bytes = await readBody(request, { ...parts.config.limits, bodyBytes: largestBodyBytes }).catch(
    (error: Error) => {
      throw new AdminError('ADMIN_BAD_BODY', error.message)
    },
  )
  if (bytes === null) return null
  return await options.answer({ method, path, query: url.searchParams, body: parsed(bytes) }, parts)
}

const largestBodyBytes = 1 << 20

function segments(pathname: string): string[] {
  try {
    return pathname
      .split('/')
      .slice(2)
      .filter((part) => part !== '')
      .map(decodeURIComponent)
  } catch {
    throw new AdminError('ADMIN_NOT_FOUND', 'The path is not valid percent-encoding.')
  }
}

function parsed(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch (error) {
    throw new AdminError('ADMIN_BAD_BODY', `The body is not valid JSON: ${(error as Error).message.slice(0, 200)}`)
  }
}

/** A proxy on this machine would make everybody local; one that says so is not. */
function isLocal({ socket, headers }: IncomingMessage): boolean {
  if (headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined || headers.via !== undefined)
    return false
  const address = socket.remoteAddress ?? ''
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

function bearsToken({ headers }: IncomingMessage, expected: string | null): boolean {
  const token = /^bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
  // Hashes have one length, whatever was sent; comparing them takes one time.
  const given = Buffer.from(hash('sha256', token), 'hex')
  const wanted = Buffer.from(expected ?? '', 'hex')
  return wanted.length === given.length && timingSafeEqual(given, wanted)
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, text: string): void {
  if (response.destroyed || response.headersSent) return
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
  })
  response.end(text)
}
