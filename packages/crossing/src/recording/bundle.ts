/**
 * A recording as one file that can be carried elsewhere: a line of JSON that says what it is, then one encrypted line
 * for each session. The key lies in a file of its own. Erased sessions are not in it; content keeps its level.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { CrossingError } from '../errors.ts'
import type { Exchange, Session } from '../records/index.ts'
import type { ImportedTraffic } from './import-sessions.ts'
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

/** @throws {CrossingError} CROSSING_BAD_IMPORT, CROSSING_DAMAGED for another key or a changed file. */
export function readBundle(bytes: Uint8Array, keyFile: Uint8Array): ImportedTraffic {
  const lines = Buffer.from(bytes).toString('utf8').split('\n')
  const header = readHeader(lines[0] ?? '')
  const key = Buffer.from(Buffer.from(keyFile).toString('utf8').trim(), 'base64')
  if (key.length !== 32) throw new CrossingError('CROSSING_BAD_IMPORT', 'The key file of the bundle holds no key.')
  const exchanges: ImportedTraffic['exchanges'][number][] = []
  let withoutContent = 0
  for (const [index, line] of lines.slice(1).entries()) {
    if (line === '') continue
    const place = { recordingId: header.recordingId, sessionId: 'bundle', seq: index }
    const read = JSON.parse(openRecord(key, Buffer.from(line, 'base64'), place)) as {
      readonly session: Session
      readonly exchanges: readonly (Omit<Exchange, 'costNanos'> & { readonly costNanos: string | null })[]
    }
    for (const { content, clocks, prompt: _prompt, redactions: _redactions, costNanos, ...figures } of read.exchanges) {
      if (content === null) {
        withoutContent++
        continue
      }
      const { firstVisibleMs, ...times } = clocks
      exchanges.push({
        session: read.session.id,
        request: content.request,
        response: content.response,
        row: {
          ...figures,
          ...times,
          firstTextMs: firstVisibleMs,
          costNanos: costNanos === null ? null : BigInt(costNanos),
          keyId: read.session.keyId,
        },
      })
    }
  }
  return {
    exchanges,
    notExpressed: withoutContent === 0 ? [] : [`${withoutContent} exchanges have no content and were left out.`],
  }
}

function readHeader(line: string): BundleHeader {
  try {
    const header = JSON.parse(line) as Partial<BundleHeader> | null
    if (header?.portolanRecording === 1 && typeof header.recordingId === 'string') return header as BundleHeader
  } catch {
    // Said below.
  }
  throw new CrossingError('CROSSING_BAD_IMPORT', 'The file is no bundle of `portolan record export`.')
}
