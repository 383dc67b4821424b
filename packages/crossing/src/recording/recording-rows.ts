/** A recording between its rows (what was asked for, and counters) and the record that everybody reads. */
import type { Recording, RecordingCounts } from '../records/index.ts'
import type { RecordingsDatabase, Row } from './sqlite/recordings-database.ts'

const noCounts: RecordingCounts = {
  sessions: 0,
  exchanges: 0,
  notSampled: 0,
  dropped: 0,
  droppedBy: {},
  declined: 0,
  erased: 0,
}

type StoredRecording = Omit<Recording, 'id' | 'startedAtMs' | 'stoppedAtMs' | 'counts'>

export function recordingBody(recording: Omit<Recording, 'counts'>): string {
  const { id: _id, startedAtMs: _started, stoppedAtMs: _stopped, ...body } = recording
  return JSON.stringify(body satisfies StoredRecording)
}

/** Counts are nought without `database`. */
export function parseRecording(row: Row, database: RecordingsDatabase | null = null): Recording {
  const id = String(row['id'])
  const stopped = row['stopped_at']
  return {
    ...(JSON.parse(String(row['body'])) as StoredRecording),
    id,
    startedAtMs: Number(row['started_at']),
    stoppedAtMs: stopped === null || stopped === undefined ? null : Number(stopped),
    counts: database === null ? noCounts : countsOf(database, id),
  }
}

function countsOf(database: RecordingsDatabase, recordingId: string): RecordingCounts {
  const counters = new Map(
    database
      .all('SELECT name, value FROM counters WHERE recording_id = ?', recordingId)
      .map((row) => [String(row['name']), Number(row['value'])] as const),
  )
  const droppedBy = Object.fromEntries(
    [...counters].flatMap(([name, value]) => (name.startsWith('dropped:') ? [[name.slice(8), value] as const] : [])),
  )
  const erased = database.one(
    'SELECT COUNT(*) AS erased FROM sessions WHERE recording_id = ? AND erased = 1 AND included = 1',
    recordingId,
  )
  return {
    sessions: counters.get('sessions') ?? 0,
    exchanges: counters.get('exchanges') ?? 0,
    notSampled: counters.get('not-sampled') ?? 0,
    dropped: Object.values(droppedBy).reduce((sum, value) => sum + value, 0),
    droppedBy,
    declined: counters.get('declined') ?? 0,
    erased: Number(erased?.['erased'] ?? 0),
  }
}
