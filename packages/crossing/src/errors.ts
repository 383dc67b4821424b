/**
 * Errors of the way over. Expected outcomes (a case that cannot be scored, a replay that diverges) are records,
 * not errors; what is here stops the command that met it, and says what to do.
 */
import type { ErrorEntry } from '@portolan/wire'

export const crossingErrors = {
  CROSSING_BAD_VALUE: {
    kind: 'internal',
    summary: 'A value cannot be written in canonical form: it is not JSON, or a number is not finite.',
    remedy: 'A fault of the program that made the record; please report it.',
  },
} as const satisfies Record<string, ErrorEntry>

export type CrossingErrorCode = keyof typeof crossingErrors

export class CrossingError extends Error {
  readonly code: CrossingErrorCode

  constructor(code: CrossingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CrossingError'
    this.code = code
  }
}
