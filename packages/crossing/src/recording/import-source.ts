/**
 * A file that somebody else wrote, as importers see it: lines as often as they ask for them, or the whole text for formats
 * that are one value. Logs of a year pass through a line at a time.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { CrossingError } from '../errors.ts'
import { fileLines } from './file-lines.ts'

export interface ImportSource {
  readonly lines: () => Iterable<string>
  /** @throws {CrossingError} CROSSING_BAD_IMPORT for a text that is too long to be held. */
  readonly whole: () => string
}

export interface ImportFile extends ImportSource {
  /** `sha256:` and 64 hex digits, over its bytes. */
  readonly hash: () => string
  readonly close: () => void
}

/** What fits into one string, with room: V8 ends at 2^29 - 24 characters. */
const longestBytes = 400 << 20

/** @throws {CrossingError} CROSSING_BAD_IMPORT for what is no file that can be read again. */
export function openImport(path: string): ImportFile {
  const file = opened(path)
  return {
    *lines() {
      let number = 0
      for (const { line } of fileLines(file)) {
        number++
        if (line.length > longestBytes) throw tooLong(`line ${number} of ${path}`)
        yield line.toString('utf8')
      }
    },
    whole() {
      const bytes = readFileSync(path)
      if (bytes.length > longestBytes) throw tooLong(path)
      return bytes.toString('utf8')
    },
    hash() {
      const digest = createHash('sha256')
      for (const { line, ended } of fileLines(file)) {
        digest.update(line)
        if (ended) digest.update('\n')
      }
      return `sha256:${digest.digest('hex')}`
    },
    close: () => closeSync(file),
  }
}

function opened(path: string): number {
  let why: string
  try {
    const file = openSync(path, 'r')
    if (fstatSync(file).isFile()) return file
    closeSync(file)
    why = 'it is not a regular file, and it is read more than once; save it as one first'
  } catch (error) {
    why = `it cannot be read (${(error as NodeJS.ErrnoException).code})`
  }
  throw new CrossingError('CROSSING_BAD_IMPORT', `Cannot import ${path}: ${why}.`)
}

function tooLong(what: string): CrossingError {
  return new CrossingError(
    'CROSSING_BAD_IMPORT',
    `Cannot import ${what}: it is longer than ${longestBytes >> 20} MiB. Split it. Nothing was imported.`,
  )
}
