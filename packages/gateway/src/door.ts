/**
 * Which door a path is, and in which protocol it speaks.
 *
 * Query strings are ignored (Claude Code posts to `/v1/messages?beta=true`). Both prefixes of every path are
 * served, because SDKs differ in whether `/v1` belongs to the base URL.
 */
import type { Protocol } from '@portolan/wire'

export type Endpoint =
  | 'generate'
  | 'count-tokens'
  | 'models'
  | 'model'
  | 'completions'
  | 'balance'
  | 'health'
  | 'metrics'
  | 'hello'

export interface Door {
  readonly endpoint: Endpoint
  /** The protocol whose error bodies and headers apply. `models` decides by the request's headers. */
  readonly protocol: Protocol
  readonly methods: readonly string[]
  /** DeepSeek's beta address: prefix completion, strict tools. */
  readonly beta: boolean
  /** For `model`: the name in the path. */
  readonly modelName: string | null
}

const post = ['POST']
const get = ['GET', 'HEAD']

function door(endpoint: Endpoint, protocol: Protocol, methods: readonly string[], beta = false): Door {
  return { endpoint, protocol, methods, beta, modelName: null }
}

const doors: ReadonlyMap<string, Door> = new Map([
  ...['/v1/chat/completions', '/chat/completions'].map((path) => [path, door('generate', 'chat', post)] as const),
  ...['/beta/chat/completions', '/beta/v1/chat/completions'].map(
    (path) => [path, door('generate', 'chat', post, true)] as const,
  ),
  ...['/v1/messages', '/anthropic/v1/messages', '/messages'].map(
    (path) => [path, door('generate', 'messages', post)] as const,
  ),
  ...['/v1/responses', '/responses'].map((path) => [path, door('generate', 'responses', post)] as const),
  ...['/v1/messages/count_tokens', '/anthropic/v1/messages/count_tokens'].map(
    (path) => [path, door('count-tokens', 'messages', post)] as const,
  ),
  ...['/v1/responses/input_tokens', '/responses/input_tokens'].map(
    (path) => [path, door('count-tokens', 'responses', post)] as const,
  ),
  ...['/v1/models', '/models', '/anthropic/v1/models'].map(
    (path) => [path, door('models', path.startsWith('/anthropic') ? 'messages' : 'chat', get)] as const,
  ),
  ...['/v1/completions', '/completions'].map((path) => [path, door('completions', 'chat', post)] as const),
  ...['/beta/completions', '/beta/v1/completions'].map(
    (path) => [path, door('completions', 'chat', post, true)] as const,
  ),
  ['/user/balance', door('balance', 'chat', get)] as const,
  ['/v1/user/balance', door('balance', 'chat', get)] as const,
  ['/healthz', door('health', 'chat', get)] as const,
  ['/metrics', door('metrics', 'chat', get)] as const,
  // Claude Code asks whether anyone is there before its first message.
  ['/api/hello', door('hello', 'messages', get)] as const,
])

const modelPath = /^(?:\/anthropic)?(?:\/v1)?\/models\/(.+)$/

/** The door at a path (query and one trailing slash ignored); null when there is none. */
export function doorAt(url: string): Door | null {
  const query = url.indexOf('?')
  let path = query === -1 ? url : url.slice(0, query)
  if (path.length > 1 && path.endsWith('/')) path = path.slice(0, -1)
  const found = doors.get(path)
  if (found) return found
  const model = modelPath.exec(path)
  if (!model) return null
  try {
    return {
      ...door('model', path.startsWith('/anthropic') ? 'messages' : 'chat', get),
      modelName: decodeURIComponent(model[1]!),
    }
  } catch {
    return null
  }
}

/** The protocol whose words suit a caller at a path that is no door, and at paths that two dialects share. */
export function dialectOf(url: string, headers: Readonly<Record<string, unknown>>): Protocol {
  if (
    headers['anthropic-version'] !== undefined ||
    headers['x-api-key'] !== undefined ||
    /^\/(anthropic|v1\/messages)/.test(url)
  )
    return 'messages'
  return url.includes('/responses') ? 'responses' : 'chat'
}
