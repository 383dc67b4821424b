/**
 * Errors of the engine: one class, stable codes, one catalogue line per code.
 *
 * Kinds use the words that the doors know, so whoever stands between engine and door needs no table.
 */
export interface EngineErrorEntry {
  readonly kind:
    | 'invalid-request'
    | 'context-length'
    | 'rate-limit'
    | 'timeout'
    | 'client-closed'
    | 'internal'
    | 'conflict'
    | 'unprocessable'
  readonly summary: string
  readonly remedy: string
}

export const engineErrors = {
  ENGINE_BUSY: {
    kind: 'rate-limit',
    summary: 'As many requests are waiting for the engine as may wait.',
    remedy: 'Try again when answers in flight have ended, or allow a longer queue.',
  },
  ENGINE_DEADLINE: {
    kind: 'timeout',
    summary: 'The request was not finished by its deadline.',
    remedy: 'Ask for fewer tokens, send a shorter prompt, or allow more time.',
  },
  ENGINE_CANCELLED: {
    kind: 'client-closed',
    summary: 'The caller left before its answer was finished.',
    remedy: 'Nothing is owed beyond the tokens that were computed.',
  },
  ENGINE_CONTEXT: {
    kind: 'context-length',
    summary: 'Prompt and requested output together are longer than the model can hold.',
    remedy: 'Reduce the length of the messages or of the completion.',
  },
  ENGINE_MEMORY: {
    kind: 'context-length',
    summary: 'The request alone needs more memory than running requests may have.',
    remedy: 'Send a shorter prompt, or give the engine more memory (`engine.memoryBytes`).',
  },
  ENGINE_REQUEST: {
    kind: 'invalid-request',
    summary: 'The request asks for something that cannot be done as it stands.',
    remedy: 'Correct the setting named in the message.',
  },
  ENGINE_SCHEMA_UNSUPPORTED: {
    kind: 'invalid-request',
    summary: 'A JSON Schema uses a keyword that cannot be enforced.',
    remedy: 'Leave the keyword named in the message out, or ask without `strict`.',
  },
  ENGINE_SCHEMA_INVALID: {
    kind: 'invalid-request',
    summary: 'A JSON Schema is no schema, refers to nothing, or no value fits it.',
    remedy: 'Correct the schema at the place named in the message.',
  },
  ENGINE_SCHEMA_TOO_LARGE: {
    kind: 'invalid-request',
    summary: 'A JSON Schema is larger, or unfolds further, than can be enforced.',
    remedy: 'Use a smaller schema: fewer alternatives, properties and listed values.',
  },
  ENGINE_CACHE_IN_USE: {
    kind: 'conflict',
    summary: 'Another living process writes to this prefix cache.',
    remedy: 'Give each process a cache folder of its own, or stop the other one.',
  },
  ENGINE_CACHE_UNREADABLE: {
    kind: 'unprocessable',
    summary: 'A folder was named as prefix cache that is none or cannot be read.',
    remedy: 'Name the folder that the engine made, or an empty one.',
  },
  ENGINE_STOPPED: {
    kind: 'internal',
    summary: 'The engine has stopped and takes no more work.',
    remedy: 'Start it again; the message says why it stopped.',
  },
  ENGINE_FAILED: {
    kind: 'internal',
    summary: 'A computation of the engine failed.',
    remedy: 'Report it with the message; requests that were computed together have failed together.',
  },
} as const satisfies Record<string, EngineErrorEntry>

export type EngineErrorCode = keyof typeof engineErrors

export class EngineError extends Error {
  readonly code: EngineErrorCode
  readonly kind: EngineErrorEntry['kind']
  /** When it may be worth to ask again; null: nothing is known. */
  readonly retryAfterMs: number | null

  constructor(
    code: EngineErrorCode,
    message: string = engineErrors[code].summary,
    options: ErrorOptions & { readonly retryAfterMs?: number } = {},
  ) {
    super(message, options)
    this.name = 'EngineError'
    this.code = code
    this.kind = engineErrors[code].kind
    this.retryAfterMs = options.retryAfterMs ?? null
  }
}
