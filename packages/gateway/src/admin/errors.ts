/** Errors of the admin API: `{"error":{"code","message","field"}}` with the status of the code. */
export const adminErrors = {
  ADMIN_NOT_LOCAL: {
    status: 403,
    kind: 'permission',
    summary: 'The admin API answers callers on the same machine only, and this one is not, or is behind a proxy.',
    remedy: 'Call it on the machine of the gateway (e.g. through ssh -L), or set `admin.remote: true`.',
  },
  ADMIN_BAD_TOKEN: {
    status: 401,
    kind: 'authentication',
    summary: 'The admin token is missing or wrong. Keys of users do not open this API.',
    remedy: 'Send `Authorization: Bearer ptla_...`; `portolan admin token rotate` makes a new one.',
  },
  ADMIN_NOT_FOUND: {
    status: 404,
    kind: 'not-found',
    summary: 'There is nothing at this path.',
    remedy: 'GET /admin/openapi.json lists the paths.',
  },
  ADMIN_BAD_METHOD: {
    status: 405,
    kind: 'invalid-request',
    summary: 'The path exists but not for this HTTP method.',
    remedy: 'Use one of the methods in the `allow` header.',
  },
  ADMIN_BAD_BODY: {
    status: 400,
    kind: 'invalid-request',
    summary: 'The body is not JSON, or is too large, or did not come.',
    remedy: 'Send a JSON object of at most 1 MiB.',
  },
  ADMIN_BAD_FIELD: {
    status: 400,
    kind: 'invalid-request',
    summary: 'A field of the query or the body is missing, unknown or of the wrong form.',
    remedy: '`field` says which; GET /admin/openapi.json has the form of each.',
  },
  ADMIN_CONFLICT: {
    status: 409,
    kind: 'conflict',
    summary: 'What is asked contradicts what exists, e.g. a limit that the configuration made.',
    remedy: 'The message says what stands against it.',
  },
  ADMIN_INTERNAL: {
    status: 500,
    kind: 'internal',
    summary: 'A fault in Portolan itself.',
    remedy: 'Report it with the request id; the log has the details.',
  },
} as const

export type AdminErrorCode = keyof typeof adminErrors

export class AdminError extends Error {
  readonly code: AdminErrorCode
  readonly field: string | null

  constructor(code: AdminErrorCode, message?: string, field: string | null = null) {
    const entry = adminErrors[code]
    super(message ?? `${entry.summary} ${entry.remedy}`)
    this.name = 'AdminError'
    this.code = code
    this.field = field
  }
}
