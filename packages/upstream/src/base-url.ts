/**
 * Joins a configured base URL and an address's path, the way people really write base URLs.
 *
 * With or without `/v1`, with a trailing slash, with a path prefix of a gateway, with a query that must stay
 * (`?api-version=...`). Two conventions meet here: OpenAI clients take a base that ends in the version and
 * append `/chat/completions`; Messages clients take a base without version and append `/v1/messages`.
 * What cannot work is refused with the reason, without repeating a credential that somebody put in the URL.
 */
import type { Protocol } from '@portolan/wire'
import { UpstreamError } from './errors.ts'

export interface BaseUrl {
  readonly origin: string
  /** Without trailing slash; empty for the bare host. */
  readonly path: string
  /** With its question mark; empty when there is none. */
  readonly query: string
}

/** What must never end a base URL: it is the path of one endpoint, and appending to it gives 404. */
const endpointPath = /\/(chat\/completions|completions|messages|responses|models|embeddings)$/
const versionSegment = /^v\d+((alpha|beta)\d*)?$/

/**
 * @param endings  Parts of published base URLs that belong to the addresses' own paths, longest first.
 * @throws {UpstreamError} `UPSTREAM_BAD_CONFIG`
 */
export function parseBaseUrl(text: string, endings: readonly string[], setting: string): BaseUrl {
  const bad = (why: string) => new UpstreamError('UPSTREAM_BAD_CONFIG', `${setting} ${why}`, { setting })
  let url: URL
  try {
    url = new URL(text.trim())
  } catch {
    throw bad('is not a URL; write for example "https://api.example.com/v1".')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw bad(`begins with "${url.protocol}" instead of http: or https:.`)
  if (url.username !== '' || url.password !== '')
    throw bad('holds a user name or password; credentials go into `apiKey`.')
  if (url.hash !== '') throw bad(`ends in a fragment ("${url.hash.slice(0, 40)}"), which is never sent.`)
  let path = url.pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  const endpoint = endpointPath.exec(path)
  if (endpoint) throw bad(`ends in "${endpoint[0]}", the path of one endpoint; leave that part out.`)
  const segments = path.split('/')
  if (segments.some((segment, at) => versionSegment.test(segment) && segments[at + 1] === segment))
    throw bad(`holds a version twice in a row ("${path}").`)
  const ending = endings.find((known) => path.endsWith(known))
  if (ending !== undefined) path = path.slice(0, -ending.length)
  return { origin: url.origin, path, query: url.search }
}

/**
 * The path to ask, with query.
 *
 *   http://host          + /v1/chat/completions -> /v1/chat/completions
 *   http://host/v1       + /v1/chat/completions -> /v1/chat/completions
 *   http://host/api/v4   + /v1/chat/completions -> /api/v4/chat/completions
 *   http://host/v1/proxy + /v1/messages         -> /v1/proxy/v1/messages
 */
export function joinPath(base: BaseUrl, path: string, protocol: Protocol): string {
  const segments = base.path.split('/')
  const last = segments.at(-1)!
  const versioned =
    protocol === 'messages' ? versionSegment.test(last) : segments.some((segment) => versionSegment.test(segment))
  const rest = versioned && path.startsWith('/v1/') ? path.slice('/v1'.length) : path
  return base.path + rest + base.query
}
