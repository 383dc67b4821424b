/**
 * A recording as one file that can be carried elsewhere: a line of JSON that says what it is, then one encrypted line
 * for each session. The key lies in a file of its own. Erased sessions are not in it; content keeps its level.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { CrossingError } from '../errors.ts'
import type { Exchange, ExchangeContent, Session } from '../records/index.ts'
import type { ImportedExchange, ImportedTraffic } from './import-sessions.ts'
import type { ImportSource } from './import-source.ts'
import type { RecordingLibrary } from './library.ts'
import { openRecord, sealRecord } from './vault.ts'

interface BundleHeader {
  readonly portolanRecording: 1
  readonly recordingId: string
  readonly name: string
  readonly level: string
}

export interface BundleResult {
  readonly sessions: number
  readonly exchanges: number
  readonly erased: number
}

/** Writes both files with mode 0600. */
export function exportBundle(
  library: RecordingLibrary,
  recordingId: string,
  out: string,
  keyFile: string,
): BundleResult {
  const { name, level } = library.recording(recordingId)
  const key = randomBytes(32)
  const counts = { sessions: 0, exchanges: 0, erased: 0 }
  const file = openSync(out, 'w', 0o600)
  try {
    writeSync(file, `${JSON.stringify({ portolanRecording: 1, recordingId, name, level } satisfies BundleHeader)}\n`)
    for (const session of library.sessions(recordingId)) {
      if (session.erased) {
        counts.erased++
        continue
      }
      const exchanges = library.exchanges(session.id)
      const text = JSON.stringify({ session, exchanges }, (_name, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
      )
      const place = { recordingId, sessionId: 'bundle', seq: counts.sessions }
      writeSync(file, `${sealRecord(key, text, place).toString('base64')}\n`)
      counts.sessions++
      counts.exchanges += exchanges.length
    }
  } finally {
    closeSync(file)
  }
  writeFileSync(keyFile, `${key.toString('base64')}\n`, { mode: 0o600 })
  return counts
}

/** @throws {CrossingError} CROSSING_BAD_IMPORT at once, CROSSING_DAMAGED while it is read, for another key or a changed file. */
export function readBundle({ lines }: ImportSource, keyFile: Uint8Array): ImportedTraffic {
  const key = Buffer.from(Buffer.from(keyFile).toString('utf8').trim(), 'base64')
  if (key.length !== 32) throw new CrossingError('CROSSING_BAD_IMPORT', 'The key file of the bundle holds no key.')
  let withoutContent = 0
  function* exchanges(): Generator<ImportedExchange> {
    withoutContent = 0
    let header: BundleHeader | null = null
    let seq = 0
    for (const line of lines()) {
      if (header === null) {
        header = readHeader(line)
        continue
      }
      if (line === '') continue
      const text = openRecord(key, Buffer.from(line, 'base64'), {
        recordingId: header.recordingId,
        sessionId: 'bundle',
        seq: seq++,
      })
      const { session, exchanges: stored } = JSON.parse(text) as BundledSession
      for (const exchange of stored)
        if (exchange.content === null) withoutContent++
        else yield importedOf(session, exchange, exchange.content)
    }
    if (header === null) throw noBundle()
  }
  return {
    exchanges: { [Symbol.iterator]: exchanges },
    notExpressed: () =>
      withoutContent === 0 ? [] : [`${withoutContent} exchanges have no content and were left out.`],
  }
}

interface BundledSession {
  readonly session: Session
  readonly exchanges: readonly BundledExchange[]
}

type BundledExchange = Omit<Exchange, 'costNanos'> & { readonly costNanos: string | null }

function importedOf(
  { id, keyId }: Session,
  { clocks, prompt: _prompt, redactions: _redactions, costNanos, content: _content, ...figures }: BundledExchange,
  { request, response }: ExchangeContent,
): ImportedExchange {
  const { firstVisibleMs, ...times } = clocks
  return {
    session: id,
    request,
    response,
    row: {
      ...figures,
      ...times,
      firstTextMs: firstVisibleMs,
      costNanos: costNanos === null ? null : BigInt(costNanos),
      keyId,
    },
  }
}

function readHeader(line: string): BundleHeader {
  try {
    const header = JSON.parse(line) as Partial<BundleHeader> | null
    if (header?.portolanRecording === 1 && typeof header.recordingId === 'string') return header as BundleHeader
  } catch {
    // Said below.
  }
  throw noBundle()
}

function noBundle(): CrossingError {
  return new CrossingError('CROSSING_BAD_IMPORT', 'The file is no bundle of `portolan record export`.')
}
