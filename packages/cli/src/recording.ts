/**
 * Where recordings lie, which key encrypts them, and the recorder of a running gateway.
 *
 * The key comes from `recording.keyEnv`, `recording.keyFile` or `recording.keyCommand` of the configuration, else
 * from a file in the data directory that is made on first use.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isFieldPath, LiveRecorder, RecordingLibrary, Vault, type RedactionRules } from '@portolan/crossing'
import type { RecordingPort } from '@portolan/gateway'
import type { Logger } from 'pino'
import type { LoadedConfig } from './config/load.ts'
import { secretAt } from './data-directory.ts'
import { CliError } from './errors.ts'

export function recordingsDirectory(dataPath: string): string {
  return join(dataPath, 'recordings')
}

/** @throws CliError when there is no recording yet and `mustExist`. */
export function openLibrary(loaded: LoadedConfig, dataPath: string, mustExist: boolean): RecordingLibrary {
  const directory = recordingsDirectory(dataPath)
  if (mustExist && !RecordingLibrary.exists(directory))
    throw new CliError('CLI_NOT_FOUND', 'Nothing was ever recorded here. `portolan record start --key NAME` begins.')
  return new RecordingLibrary({ directory, vault: new Vault(recordingKey(loaded, dataPath)) })
}

export function redactionRules(loaded: LoadedConfig): RedactionRules {
  const { terms = [], fields = [] } = loaded.file.recording ?? {}
  for (const [index, { path }] of fields.entries())
    if (!isFieldPath(path))
      throw new CliError(
        'CLI_BAD_CONFIG',
        `recording.fields[${index}].path: "${path}" is not a path such as $.customer.name, $.items[*].note or $..email.`,
      )
  return { terms, fields }
}

/** A recorder that costs a look at the database each second until `portolan record start` gives it work. */
export function liveRecording(
  loaded: LoadedConfig,
  dataPath: string,
  log: Logger,
): { readonly port: RecordingPort; readonly close: () => Promise<void> } {
  const recorder = new LiveRecorder({
    directory: recordingsDirectory(dataPath),
    recordingKey: recordingKey(loaded, dataPath),
    sealKey: secretAt(join(dataPath, 'master.key')),
    rules: redactionRules(loaded),
    maxBytes: loaded.file.recording?.maxBytes ?? null,
    now: Date.now,
    onTrouble: (message, facts) => log.warn(facts, `recording: ${message}`),
  })
  return {
    port: {
      wants: ({ id }) => recorder.wants(id),
      declined: (recordingId) => recorder.declined(recordingId),
      offer: ({ key, ...exchange }) =>
        recorder.offer({ ...exchange, atMost: key.tags['retention'] === 'zero' ? 'metrics' : null }),
    },
    close: () => recorder.close(),
  }
}

function recordingKey(loaded: LoadedConfig, dataPath: string): Uint8Array {
  const { keyEnv, keyFile, keyCommand } = loaded.file.recording ?? {}
  const given = [keyEnv, keyFile, keyCommand].filter((source) => source !== undefined)
  if (given.length > 1)
    throw new CliError('CLI_BAD_CONFIG', 'recording: give one of keyEnv, keyFile and keyCommand, not several.')
  if (keyEnv !== undefined) {
    const text = process.env[keyEnv]
    if (!text) throw new CliError('CLI_MISSING_ENV', `recording.keyEnv: the environment variable ${keyEnv} is not set.`)
    return keyBytes(text, `the environment variable ${keyEnv}`)
  }
  if (keyFile !== undefined) {
    const path = resolve(loaded.directory, keyFile)
    if (!existsSync(path)) throw new CliError('CLI_BAD_CONFIG', `recording.keyFile: there is no file ${path}.`)
    const bytes = readFileSync(path)
    return bytes.length === 32 ? bytes : keyBytes(bytes.toString('utf8'), path)
  }
  if (keyCommand !== undefined) {
    const [program, ...args] = keyCommand
    try {
      return keyBytes(execFileSync(program!, args, { encoding: 'utf8', timeout: 30_000 }), `the output of ${program}`)
    } catch (error) {
      if (error instanceof CliError) throw error
      throw new CliError('CLI_BAD_CONFIG', `recording.keyCommand: ${(error as Error).message.split('\n')[0]}.`, {
        cause: error,
      })
    }
  }
  return secretAt(join(dataPath, 'recording.key'))
}

/** Base64 or hex. */
function keyBytes(text: string, source: string): Uint8Array {
  const trimmed = text.trim()
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64')
  if (bytes.length !== 32)
    throw new CliError(
      'CLI_BAD_CONFIG',
      `The recording key from ${source} must be 32 bytes in base64 or hex, e.g. of \`openssl rand -base64 32\`.`,
    )
  return bytes
}
