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
  CROSSING_BAD_KEY: {
    kind: 'internal',
    summary: 'The recording key is not one, or not the one that the recording was encrypted under.',
    remedy: 'Restore the key file, or name the right key in `recording.key` of the configuration.',
  },
  CROSSING_DAMAGED: {
    kind: 'internal',
    summary: 'A recorded exchange does not authenticate: its bytes were changed, swapped or cut.',
    remedy: 'Restore the recording from a backup or an export; the other exchanges are not affected.',
  },
  CROSSING_ERASED: {
    kind: 'not-found',
    summary: 'The data of this subject was erased: its key was destroyed.',
    remedy: 'Nothing can bring it back. Leave the session out.',
  },
  CROSSING_STORAGE: {
    kind: 'internal',
    summary: 'The folder of recordings cannot be read or written.',
    remedy: 'Check its owner, mode and free space; requests are served all the same.',
  },
  CROSSING_NOT_FOUND: {
    kind: 'not-found',
    summary: 'There is no recording, session, dataset or plan by the given name.',
    remedy: '`portolan record status` lists recordings.',
  },
  CROSSING_CONFLICT: {
    kind: 'conflict',
    summary: 'The step contradicts one that was taken before, such as a second recording of the same key.',
    remedy: 'The message names the earlier step; stop or undo it first.',
  },
  CROSSING_NO_EGRESS_DECISION: {
    kind: 'permission',
    summary: 'Recorded data would go to a processor that no named person has allowed for this purpose.',
    remedy: 'Get the decision, write it under `egress` in the plan, and freeze the plan again.',
  },
  CROSSING_BAD_PLAN: {
    kind: 'invalid-request',
    summary: 'The plan file does not hold what it must, or is not the plan that was frozen.',
    remedy: 'Correct the line and column named in the message; `portolan plan verify` checks the whole file.',
  },
  CROSSING_BAD_LABELS: {
    kind: 'invalid-request',
    summary: 'A sheet of labels is not one, was made for another plan, or has a row that cannot be read.',
    remedy: 'Correct the row named in the message; `portolan report label` writes a new sheet.',
  },
  CROSSING_BAD_IMPORT: {
    kind: 'invalid-request',
    summary: 'A file to be imported is not what its format says, or holds nothing that could be recorded.',
    remedy: 'Check the line named in the message and the `--from` format.',
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
