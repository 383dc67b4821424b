/** Errors that the doors raise themselves. Doors word them in the caller's protocol (`wire`'s error bodies). */
import type { ErrorEntry, ErrorKind } from '@portolan/wire'

export const gatewayErrors = {
  GATEWAY_NO_KEY: {
    kind: 'authentication',
    summary: 'The request carries no API key.',
    remedy: 'Send `Authorization: Bearer ptl_...` or `x-api-key: ptl_...`; `portolan keys create` makes one.',
  },
  GATEWAY_BAD_KEY: {
    kind: 'authentication',
    summary: 'The API key is unknown, revoked or expired.',
    remedy: 'Check the key, or make a new one with `portolan keys create`.',
  },
  GATEWAY_MODEL_NOT_ALLOWED: {
    kind: 'permission',
    summary: 'The key may not use this model.',
    remedy: "Use a model in the key's scope, or make a key with a wider scope.",
  },
  GATEWAY_UNKNOWN_MODEL: {
    kind: 'not-found',
    summary: 'No route leads to the model.',
    remedy: 'Use a name that GET /v1/models lists, or add the model to portolan.yaml.',
  },
  GATEWAY_UNKNOWN_PATH: {
    kind: 'not-found',
    summary: 'Nothing is served at this path.',
    remedy: 'The doors are /v1/chat/completions, /v1/messages and /v1/responses.',
  },
  GATEWAY_BAD_METHOD: {
    kind: 'invalid-request',
    summary: 'The path exists but not for this HTTP method.',
    remedy: 'Use the method named in the `allow` header.',
  },
  GATEWAY_BODY_TOO_LARGE: {
    kind: 'too-large',
    summary: 'The request body is larger than this gateway accepts.',
    remedy: 'Send a smaller body, or raise `limits.bodyBytes` in portolan.yaml.',
  },
  GATEWAY_BODY_TIMEOUT: {
    kind: 'timeout',
    summary: 'The request body did not arrive in time.',
    remedy: 'Send the body without long pauses; the limit is `limits.bodyMs`.',
  },
  GATEWAY_BAD_ENCODING: {
    kind: 'invalid-request',
    summary: 'The request body has a content-encoding that cannot be decoded.',
    remedy: 'Send identity, gzip, br, deflate or zstd.',
  },
  GATEWAY_NO_MODEL: {
    kind: 'invalid-request',
    summary: 'The request names no model.',
    remedy: 'Set `model` to a name that GET /v1/models lists.',
  },
  GATEWAY_BUSY: {
    kind: 'overloaded',
    summary: 'Every upstream of this model is at its limit of requests in flight.',
    remedy: 'Retry after the time in `retry-after`, or raise `concurrency` of the upstream.',
  },
  GATEWAY_UPSTREAM_DOWN: {
    kind: 'overloaded',
    summary: 'Every upstream of this model is failing and is being left alone for a moment.',
    remedy: 'Retry after the time in `retry-after`; `portolan upstreams` shows the state.',
  },
  GATEWAY_UPSTREAM_FAILED: {
    kind: 'upstream',
    summary: 'The upstream failed before it answered.',
    remedy: 'Retry. The message says how it failed.',
  },
  GATEWAY_UPSTREAM_CREDENTIALS: {
    kind: 'upstream',
    summary: "The upstream refused the credentials configured for it. The caller's own key is fine.",
    remedy: 'The operator must correct `apiKey` of that upstream.',
  },
  GATEWAY_NOT_SUPPORTED: {
    kind: 'not-found',
    summary: 'No upstream of this gateway supports the endpoint.',
    remedy: 'Configure an upstream that serves it.',
  },
  GATEWAY_DRAINING: {
    kind: 'overloaded',
    summary: 'The gateway is shutting down and takes no new work.',
    remedy: 'Retry; another process or the restarted one will answer.',
  },
  GATEWAY_LEDGER: {
    kind: 'internal',
    summary: 'The ledger cannot be written, so no new work is taken.',
    remedy: 'The operator must free disk space or repair the data directory; see the log.',
  },
  GATEWAY_BUDGET_SPENT: {
    kind: 'rate-limit',
    summary: 'A budget of this key has no room for the most that the request can come to.',
    remedy: 'Wait until the time in the message, ask for fewer output tokens, or have the limit raised.',
  },
  GATEWAY_RATE_LIMITED: {
    kind: 'rate-limit',
    summary: 'A rate limit of this key has no room now.',
    remedy: 'Retry after the time in `retry-after`; the rate-limit headers say where the key stands.',
  },
  GATEWAY_BUDGET_UNPRICED: {
    kind: 'billing',
    summary: 'The key has a budget and the model has no price, so the budget could not be held.',
    remedy: 'Give the upstream a price in portolan.yaml, or use a model with one.',
  },
  GATEWAY_BAD_TOKENIZER: {
    kind: 'internal',
    summary: 'The tokenizer file configured for this model cannot be read.',
    remedy: 'The operator must correct `tokenizer` of the model; it names a Hugging Face `tokenizer.json`.',
  },
  GATEWAY_BAD_CONFIG: {
    kind: 'internal',
    summary: 'The configuration contradicts itself.',
    remedy: 'Correct the setting named in the message; `portolan doctor` checks the whole file.',
  },
  GATEWAY_CANNOT_LISTEN: {
    kind: 'internal',
    summary: 'The gateway cannot listen at its address.',
    remedy: 'The message says why and what to change.',
  },
  GATEWAY_INTERNAL: {
    kind: 'internal',
    summary: 'A fault in Portolan itself.',
    remedy: 'Report it with the request id; the log has the details.',
  },
} as const satisfies Record<string, ErrorEntry>

export type GatewayErrorCode = keyof typeof gatewayErrors

export class GatewayError extends Error {
  readonly code: GatewayErrorCode
  readonly kind: ErrorKind
  /** Seconds after which a retry makes sense; null when unknown. */
  readonly retryAfterSec: number | null

  constructor(code: GatewayErrorCode, message?: string, retryAfterSec: number | null = null, options?: ErrorOptions) {
    const entry = gatewayErrors[code]
    super(message ?? `${entry.summary} ${entry.remedy}`, options)
    this.name = 'GatewayError'
    this.code = code
    this.kind = entry.kind
    this.retryAfterSec = retryAfterSec
  }
}

const statuses: Readonly<Record<string, number>> = { GATEWAY_BAD_METHOD: 405, GATEWAY_BODY_TIMEOUT: 408 }

/** HTTP knows these better than the kinds of the protocols do; null: as the kind has it. */
export function statusOfCode(code: string | null): number | null {
  return code === null ? null : (statuses[code] ?? null)
}
