/**
 * Errors between us and a model server: what went wrong on the way, and this package's codes.
 *
 * An error that the upstream *answers* (a 400 of the vendor) is not one of these: it is read by the protocol's
 * `readErrorBody` and told to the caller in the door's words. Codes never change meaning. Messages name
 * origins and limits, never a credential and never a body.
 */
import type { ErrorEntry, ErrorKind } from '@portolan/wire'

export const upstreamErrors = {
  UPSTREAM_CONNECT: {
    kind: 'upstream',
    summary:
      'No connection to the upstream: refused, unreachable, name not found, or its certificate was not accepted.',
    remedy: 'Check `baseUrl` and the network; nothing was sent, so a repeat is safe.',
  },
  UPSTREAM_TIMEOUT_FIRST_BYTE: {
    kind: 'timeout',
    summary: 'The upstream accepted the request and did not begin to answer in time.',
    remedy: 'Raise `timeouts.firstByteMs` of this upstream if its prompts are long; otherwise look at its load.',
  },
  UPSTREAM_IDLE: {
    kind: 'timeout',
    summary: 'The upstream went silent in the middle of its answer.',
    remedy: 'Retry. What had arrived was delivered and metered. `timeouts.idleMs` sets the longest gap.',
  },
  UPSTREAM_RESET: {
    kind: 'upstream',
    summary: 'The upstream closed the connection before its answer was complete.',
    remedy: 'Retry. What had arrived was delivered and metered.',
  },
  UPSTREAM_BAD_RESPONSE: {
    kind: 'upstream',
    summary: 'The upstream answered with something that is not HTTP, not its protocol, or cannot be decoded.',
    remedy: 'Check that `baseUrl` and `kind` name the server that really listens there.',
  },
  UPSTREAM_BUSY: {
    kind: 'overloaded',
    summary: 'All of our own slots for this upstream are taken, and the queue is full or the wait was too long.',
    remedy: 'Retry later, raise `concurrency` of this upstream, or give the model another route.',
  },
  UPSTREAM_BREAKER_OPEN: {
    kind: 'overloaded',
    summary: 'Too many recent requests to this upstream failed, so it is left alone for a moment.',
    remedy: 'Retry after the time in `retry-after`, or give the model another route.',
  },
  UPSTREAM_CALLER_LEFT: {
    kind: 'client-closed',
    summary: 'The caller left while its request was waiting for a slot.',
    remedy: 'Nothing was sent and nothing is charged.',
  },
  UPSTREAM_CLOSED: {
    kind: 'overloaded',
    summary: 'The upstream was removed from the configuration or the process is shutting down.',
    remedy: 'Retry; another process or the new configuration answers.',
  },
  UPSTREAM_NO_KEY: {
    kind: 'upstream',
    summary: 'The upstream needs an API key and none is configured, or the configured value cannot be one.',
    remedy: 'Set `apiKey` of the upstream, by reference to an environment variable.',
  },
  UPSTREAM_BAD_CONFIG: {
    kind: 'internal',
    summary: 'An upstream is configured in a way that cannot work.',
    remedy: 'Correct the setting named in the message.',
  },
  UPSTREAM_BAD_MODEL_LIST: {
    kind: 'upstream',
    summary: 'The upstream answered the question for its models with something that is not a list of models.',
    remedy: 'Check `baseUrl` and `kind`, or name the models in the configuration.',
  },
} as const satisfies Record<string, ErrorEntry>

export type UpstreamErrorCode = keyof typeof upstreamErrors

export interface UpstreamErrorOptions extends ErrorOptions {
  /** When a repeat makes sense, for `retry-after`. */
  readonly retryAfterMs?: number | null
  /** The offending setting, e.g. `upstreams.cluster.baseUrl`. */
  readonly setting?: string | null
}

export class UpstreamError extends Error {
  readonly code: UpstreamErrorCode
  readonly kind: ErrorKind
  readonly retryAfterMs: number | null
  readonly setting: string | null

  constructor(code: UpstreamErrorCode, message: string, options: UpstreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UpstreamError'
    this.code = code
    this.kind = upstreamErrors[code].kind
    this.retryAfterMs = options.retryAfterMs ?? null
    this.setting = options.setting ?? null
  }
}
