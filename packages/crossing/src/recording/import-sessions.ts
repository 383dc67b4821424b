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
  /** Gone through twice: once to see that all of it can be read, once to record it. */
  readonly exchanges: Iterable<ImportedExchange>
  /** What the source could not express, one sentence each; known after a pass over the exchanges. */
  readonly notExpressed: () => readonly string[]
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

/** @throws {CrossingError} CROSSING_BAD_IMPORT for a file without a single exchange, and as the importer does. */
export function importSessions(library: RecordingLibrary, input: ImportInput): Recording {
  const { exchanges, nowMs } = input
  let found = 0
  for (const _readable of exchanges) found++
  if (found === 0) throw new CrossingError('CROSSING_BAD_IMPORT', 'The file holds no exchange that could be recorded.')
  const recording = library.start(
    {
      name: input.name,
      level: input.level,
      keyIds: [],
      sampling: { probability: 1, strata: [] },
      retentionDays: null,
      source: { kind: 'import', format: input.format, fileHash: input.fileHash },
      notExpressed: input.notExpressed(),
    },
    nowMs,
  )
  const recorder = library.recorder(input.rules)
  let batch: CapturedExchange[] = []
  let index = 0
  for (const exchange of exchanges) {
    batch.push(captured(exchange, recording.id, index++, nowMs))
    if (batch.length < batchSize) continue
    recorder.record(batch)
    batch = []
  }
  if (batch.length > 0) recorder.record(batch)
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
