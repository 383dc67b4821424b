/**
 * Errors of the protocols: the kinds that every door can say in its own words, and this package's codes.
 *
 * A kind is protocol-free; `error-body.ts` turns it into status and body per door. Codes never change
 * meaning; `docs/reference/errors.md` is generated from the catalogues of all packages.
 */

/** What went wrong, seen by the caller. One row per kind in the door tables (`error-body.ts`). */
export type ErrorKind =
  | 'invalid-request'
  | 'authentication'
  | 'billing'
  | 'permission'
  | 'not-found'
  | 'conflict'
  | 'too-large'
  | 'context-length'
  | 'unprocessable'
  | 'rate-limit'
  | 'client-closed'
  | 'internal'
  | 'upstream'
  | 'overloaded'
  | 'timeout'

/** One line of an error catalogue. `summary` says what happened and why, `remedy` what to do about it. */
export interface ErrorEntry {
  readonly kind: ErrorKind
  readonly summary: string
  readonly remedy: string
}

export const wireErrors = {
  WIRE_BAD_JSON: {
    kind: 'invalid-request',
    summary: 'The request body is not valid JSON.',
    remedy: 'Send one JSON object encoded as UTF-8; the message names the byte where reading stopped.',
  },
  WIRE_BAD_FIELD: {
    kind: 'invalid-request',
    summary: 'A field has a type or value that the protocol does not allow.',
    remedy: 'Correct the field named in the message.',
  },
  WIRE_DUPLICATE_FIELD: {
    kind: 'invalid-request',
    summary: 'A top-level field that routing reads appears twice, so caller and upstream could disagree about it.',
    remedy: 'Send each field once.',
  },
  WIRE_CANNOT_CARRY: {
    kind: 'invalid-request',
    summary:
      'The request asks for something that the chosen upstream cannot do and whose loss would change meaning or safety.',
    remedy: 'Remove the field named in the message, or route the model to an upstream that supports it.',
  },
  WIRE_BAD_STREAM: {
    kind: 'upstream',
    summary: 'The upstream sent a stream that breaks its own protocol.',
    remedy: 'Retry; if it happens again, report the upstream with the request id.',
  },
  WIRE_UPSTREAM_OVERLOADED: {
    kind: 'overloaded',
    summary: 'The upstream ran out of capacity in the middle of an answer.',
    remedy: 'Retry later, or route the model to another upstream.',
  },
  WIRE_STREAM_CUT: {
    kind: 'upstream',
    summary: 'The upstream closed the stream before its terminal event.',
    remedy: 'Retry. What had arrived was delivered and metered.',
  },
} as const satisfies Record<string, ErrorEntry>

export type WireErrorCode = keyof typeof wireErrors

/** Raised by parsers and translators; a door turns it into its protocol's error body. */
export class WireError extends Error {
  readonly code: WireErrorCode
  readonly kind: ErrorKind
  /** The offending field in the caller's own spelling, e.g. `messages[2].content`; null when none. */
  readonly field: string | null

  constructor(code: WireErrorCode, message: string, field: string | null = null, options?: ErrorOptions) {
    super(message, options)
    this.name = 'WireError'
    this.code = code
    this.kind = wireErrors[code].kind
    this.field = field
  }
}
