/** Errors of the command line and its configuration; each has an exit code that scripts can use. */
import type { ErrorEntry } from '@portolan/wire'

export const cliErrors = {
  CLI_BAD_CONFIG: {
    kind: 'invalid-request',
    summary: 'The configuration file does not hold what it must.',
    remedy: 'Correct the line and column named in the message; `portolan doctor` checks the whole file.',
  },
  CLI_NO_CONFIG: {
    kind: 'not-found',
    summary: 'The configuration file named on the command line does not exist or cannot be read.',
    remedy: 'Check the path, or run `portolan init` to make one.',
  },
  CLI_MISSING_ENV: {
    kind: 'invalid-request',
    summary: 'The configuration refers to an environment variable that is not set.',
    remedy: 'Set the variable, or remove the setting that refers to it.',
  },
  CLI_BAD_ARGUMENT: {
    kind: 'invalid-request',
    summary: 'An argument of the command has a value that it cannot take.',
    remedy: 'See `--help` of the command for an example.',
  },
  CLI_BAD_PRICE_FILE: {
    kind: 'invalid-request',
    summary: 'A price file named in the configuration or on the command line cannot be used.',
    remedy: '`portolan price lint <file>` names every place that is wrong.',
  },
  CLI_CANNOT_READ: {
    kind: 'not-found',
    summary: 'A file or address named on the command line cannot be read.',
    remedy: 'Check the path or the address; the message says what the system answered.',
  },
  CLI_DATA_DIRECTORY: {
    kind: 'internal',
    summary: 'The data directory cannot be used.',
    remedy: 'Check its owner, mode and free space, or name another with `--data`.',
  },
  CLI_IN_USE: {
    kind: 'conflict',
    summary: 'What the command would create exists already.',
    remedy: 'Use the existing one, or pass `--force` where the command offers it.',
  },
  CLI_NOT_FOUND: {
    kind: 'not-found',
    summary: 'There is nothing by the given name.',
    remedy: 'The list command of the same group shows what exists.',
  },
  CLI_FAULTY_SUMS: {
    kind: 'internal',
    summary: 'Lines and total of a statement differ: the sums in the ledger are damaged, so no bill is printed.',
    remedy: '`portolan usage verify` says what was changed; restore a backup.',
  },
  CLI_NO_ROOM: {
    kind: 'unprocessable',
    summary: 'The model needs more memory than this machine has free.',
    remedy: '`portolan model inspect` shows what the model needs; use a machine with more memory or a smaller model.',
  },
} as const satisfies Record<string, ErrorEntry>

export type CliErrorCode = keyof typeof cliErrors

/** 2: the caller must change something (arguments, configuration); 1: something failed. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const

export class CliError extends Error {
  readonly code: CliErrorCode

  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CliError'
    this.code = code
  }
}
