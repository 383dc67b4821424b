/** Traffic that somebody else wrote down, made into a recording like one of our own. */
import { plainRow, type LedgerRow } from '@portolan/store'
import type { CanonicalRequest, CanonicalResponse } from '@portolan/wire'
import { CrossingError } from '../errors.ts'
import type { Recording } from '../records/index.ts'
import type { CapturedExchange } from './captured.ts'
import type { RecordingLibrary } from './library.ts'
import type { RedactionRules } from './redaction/redactor.ts'

export interface ImportedExchange {
  /** Exchanges of one name are one session; null: found by its history. */
  readonly session: string | null
  readonly request: CanonicalRequest
  readonly response: CanonicalResponse | null
  /** What the source says of the rest; unsaid members stay unknown. */
  readonly row: Partial<LedgerRow>
}

export interface ImportedTraffic {
  readonly exchanges: readonly ImportedExchange[]
  /** What the source could not express, one sentence each. */
  readonly notExpressed: readonly string[]
}

export interface ImportInput extends ImportedTraffic {
  readonly name: string
  readonly level: 'hashes' | 'redacted' | 'full'
  readonly format: string
  readonly fileHash: string
  readonly rules: RedactionRules
  readonly nowMs: number
}

const batchSize = 100

/** @throws {CrossingError} CROSSING_BAD_IMPORT for a file without a single exchange. */
export function importSessions(library: RecordingLibrary, input: ImportInput): Recording {
  const { exchanges, nowMs } = input
  if (exchanges.length === 0)
    throw new CrossingError('CROSSING_BAD_IMPORT', 'The file holds no exchange that could be recorded.')
  const recording = library.start(
    {
      name: input.name,
      level: input.level,
      keyIds: [],
      sampling: { probability: 1, strata: [] },
      retentionDays: null,
      source: { kind: 'import', format: input.format, fileHash: input.fileHash },
      notExpressed: input.notExpressed,
    },
    nowMs,
  )
  const recorder = library.recorder(input.rules)
  for (let start = 0; start < exchanges.length; start += batchSize)
    recorder.record(
      exchanges
        .slice(start, start + batchSize)
        .map((exchange, i) => captured(exchange, recording.id, start + i, nowMs)),
    )
  recorder.close()
  return library.stop(recording.id, nowMs)
}

function captured(
  { session, request, response, row }: ImportedExchange,
  recordingId: string,
  index: number,
  nowMs: number,
): CapturedExchange {
  return {
    recordingId,
    row: plainRow({
      requestId: `import_${index}`,
      keyId: 'imported',
      startedAtMs: nowMs,
      modelAsked: request.model,
      ...row,
    }),
    atMost: null,
    door: request.from,
    messagesVersion: '2023-06-01',
    body: null,
    request,
    answer: response === null ? null : { kind: 'canonical', response },
    clientSession: session === null ? null : { evidence: 'import', name: session },
  }
}
