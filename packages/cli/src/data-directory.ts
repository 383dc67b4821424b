/**
 * The data directory: ledger and keys in one database, and the secret that seals reasoning tokens.
 *
 * The secret is made on first use, mode 0600, and never leaves the directory. Losing it makes outstanding
 * tokens unreadable (conversations go on without their earlier reasoning), nothing else.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createSealer, type Sealer } from '@portolan/wire'
import { openSqliteStore, type SqliteStore } from '@portolan/store'
import type { LoadedConfig } from './config/load.ts'
import { CliError } from './errors.ts'

export interface DataDirectory {
  readonly path: string
  readonly store: SqliteStore
  readonly sealer: Sealer
}

export function dataPath(loaded: LoadedConfig, override: string | undefined): string {
  return resolve(loaded.directory, override ?? loaded.file.data ?? process.env['PORTOLAN_DATA'] ?? '.portolan')
}

/** @throws CliError or StoreError naming what is wrong with the directory. */
export function openDataDirectory(path: string, synchronous: 'NORMAL' | 'FULL' = 'NORMAL'): DataDirectory {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new CliError(
      'CLI_DATA_DIRECTORY',
      `Cannot create the data directory ${path} (${(error as NodeJS.ErrnoException).code}). Name another with --data.`,
      { cause: error },
    )
  }
  const secret = secretAt(join(path, 'master.key'))
  return {
    path,
    store: openSqliteStore({ directory: path, synchronous, memoryKey: secret }),
    sealer: createSealer(secret),
  }
}

/** Thirty-two random bytes in a file of mode 0600, made on first use. */
export function secretAt(path: string): Uint8Array {
  const existing = readSecret(path)
  if (existing) return existing
  // Written aside and linked into place, so that two processes starting at once agree on one secret.
  const draft = `${path}.${process.pid}`
  try {
    const file = openSync(draft, 'w', 0o600)
    writeSync(file, randomBytes(32))
    fsyncSync(file)
    closeSync(file)
    try {
      linkSync(draft, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  } catch (error) {
    throw new CliError('CLI_DATA_DIRECTORY', `Cannot write ${path} (${(error as NodeJS.ErrnoException).code}).`, {
      cause: error,
    })
  } finally {
    rmSync(draft, { force: true })
  }
  return readSecret(path)!
}

function readSecret(path: string): Uint8Array | null {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new CliError('CLI_DATA_DIRECTORY', `Cannot read ${path} (${(error as NodeJS.ErrnoException).code}).`, {
      cause: error,
    })
  }
  if (bytes.length !== 32)
    throw new CliError(
      'CLI_DATA_DIRECTORY',
      `${path} must hold 32 bytes and holds ${bytes.length}; restore it or move it away.`,
    )
  return bytes
}
