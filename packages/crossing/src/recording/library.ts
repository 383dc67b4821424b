/**
 * The folder of recordings as everybody but the recorder sees it: start and stop, list, read, erase.
 *
 * Reading goes one session at a time and holds one session in memory. Erasing destroys the subject's wrapped key,
 * overwrites it where it lay, and forgets how to recognise the conversation; the ciphertext may stay, nobody can
 * open it. `record start` in one process takes effect in a running gateway because both look at this database.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createSealer } from '@portolan/wire'
import { CrossingError } from '../errors.ts'
import { mintId, type Exchange, type Recording, type Session, type ToolEvent } from '../records/index.ts'
import { readDelta, type ExchangeBody } from './delta.ts'
import { readFigures } from './figures.ts'
import { parseRecording, recordingBody } from './recording-rows.ts'
import { Recorder } from './recorder.ts'
import type { RedactionRules } from './redaction/redactor.ts'
import { removeSegment, SegmentReader } from './segments.ts'
import { RecordingsDatabase, type Row } from './sqlite/recordings-database.ts'
import { toolEventsOf } from './tool-events.ts'
import { openRecord, type Vault } from './vault.ts'

export const databaseName = 'recordings.db'

export interface LibraryOptions {
  /** The folder of recordings; made when missing. */
  readonly directory: string
  readonly vault: Vault
}

export type NewRecording = Pick<
  Recording,
  'name' | 'level' | 'keyIds' | 'sampling' | 'retentionDays' | 'source' | 'notExpressed'
>

export interface ErasureResult {
  readonly subjects: number
  readonly sessions: number
}

/** Whose data to erase: one of the three. */
export type ErasureTarget =
  | { readonly sessionId: string }
  | { readonly keyId: string; readonly endUser: string }
  | { readonly keyId: string }

export class RecordingLibrary {
  readonly #directory: string
  readonly #vault: Vault
  readonly #database: RecordingsDatabase

  constructor({ directory, vault }: LibraryOptions) {
    this.#directory = directory
    this.#vault = vault
    this.#database = new RecordingsDatabase(join(directory, databaseName))
  }

  static exists(directory: string): boolean {
    return existsSync(join(directory, databaseName))
  }

  close(): void {
    this.#database.close()
  }

  // ------------------------------------------------------------------------------------- recordings

  /** @throws {CrossingError} CROSSING_CONFLICT when one of the keys is being recorded already. */
  start(wanted: NewRecording, nowMs: number): Recording {
    const recording = { ...wanted, id: mintId('rec', nowMs), startedAtMs: nowMs, stoppedAtMs: null }
    this.#database.transaction(() => {
      const running = wanted.source.kind === 'live' ? this.running() : []
      const clash = running.find(
        ({ keyIds }) =>
          keyIds.length === 0 || wanted.keyIds.length === 0 || keyIds.some((id) => wanted.keyIds.includes(id)),
      )
      if (clash)
        throw new CrossingError(
          'CROSSING_CONFLICT',
          `${clash.keyIds.length === 0 ? 'Every key is' : 'A key of these is'} being recorded already by ${clash.id} (${clash.name}). Stop it first: \`portolan record stop ${clash.id}\`.`,
        )
      this.#database.run(
        'INSERT INTO recordings (id, body, started_at, stopped_at) VALUES (?, ?, ?, NULL)',
        recording.id,
        recordingBody(recording),
        Math.round(nowMs),
      )
    })
    return this.recording(recording.id)
  }

  /** No exchange that starts later is taken; what conversations were recognised by is forgotten. */
  stop(id: string, nowMs: number): Recording {
    const recording = this.recording(id)
    if (recording.stoppedAtMs !== null) return recording
    this.#database.run('UPDATE recordings SET stopped_at = ? WHERE id = ?', Math.round(nowMs), id)
    return this.recording(id)
  }

  /** Newest first. */
  recordings(): readonly Recording[] {
    return this.#database
      .all('SELECT * FROM recordings ORDER BY started_at DESC, id DESC')
      .map((row) => parseRecording(row, this.#database))
  }

  running(): readonly Recording[] {
    return this.#database
      .all('SELECT * FROM recordings WHERE stopped_at IS NULL ORDER BY started_at')
      .map((row) => parseRecording(row, this.#database))
      .filter(({ source }) => source.kind === 'live')
  }

  /** Which keys are recorded now; asked often. */
  active(): readonly { readonly id: string; readonly keyIds: readonly string[] }[] {
    return this.#database
      .all('SELECT * FROM recordings WHERE stopped_at IS NULL ORDER BY started_at')
      .map((row) => parseRecording(row))
      .filter(({ source }) => source.kind === 'live')
  }

  /** @throws {CrossingError} CROSSING_NOT_FOUND */
  recording(id: string): Recording {
    const row = this.#database.one('SELECT * FROM recordings WHERE id = ?', id)
    if (row === null) throw new CrossingError('CROSSING_NOT_FOUND', `There is no recording ${id}.`)
    return parseRecording(row, this.#database)
  }

  /** Frees what only running recordings need: how conversations are recognised. */
  forgetHeadsOfStopped(): void {
    const sessions =
      'SELECT s.number FROM sessions s JOIN recordings r ON r.id = s.recording_id WHERE r.stopped_at IS NOT NULL'
    this.#database.run(`DELETE FROM heads WHERE session IN (${sessions})`)
    this.#database.run(`DELETE FROM names WHERE session IN (${sessions})`)
  }

  // --------------------------------------------------------------------------------------- sessions

  /** Sessions that sampling kept, oldest first, a page at a time. */
  *sessions(recordingId: string): Generator<Session> {
    let after = 0
    for (;;) {
      const page = this.#database.all(
        'SELECT * FROM sessions WHERE recording_id = ? AND included = 1 AND number > ? ORDER BY number LIMIT 200',
        recordingId,
        after,
      )
      for (const row of page) yield sessionOf(row)
      if (page.length < 200) return
      after = Number(page.at(-1)!['number'])
    }
  }

  /** @throws {CrossingError} CROSSING_NOT_FOUND */
  session(id: string): Session {
    return sessionOf(this.#sessionRow(id))
  }

  /**
   * All exchanges of a session in order, with what its level keeps.
   *
   * @throws {CrossingError} CROSSING_ERASED, CROSSING_DAMAGED, CROSSING_BAD_KEY
   */
  exchanges(sessionId: string): readonly Exchange[] {
    const row = this.#sessionRow(sessionId)
    const recordingId = String(row['recording_id'])
    const rows = this.#database.all('SELECT * FROM exchanges WHERE session = ? ORDER BY seq', Number(row['number']))
    const key = rows.some((exchange) => exchange['file'] !== null) ? this.#dataKey(row) : null
    const segments = new SegmentReader(this.#segmentDirectory(recordingId))
    const bodies = new Map<number, ExchangeBody>()
    try {
      return rows.map((stored) => {
        const seq = Number(stored['seq'])
        const body = this.#body(stored, key, segments, { recordingId, sessionId, seq }, bodies)
        if (body !== null) bodies.set(seq, body)
        return {
          recordingId,
          sessionId,
          seq,
          ...readFigures(String(stored['figures'])),
          prompt: body?.shape ?? null,
          content: body?.content ?? null,
          redactions: body?.redactions ?? null,
        }
      })
    } finally {
      segments.close()
    }
  }

  /** The same without what would have to be decrypted: prompt, content and redactions are null. */
  figures(sessionId: string): readonly Exchange[] {
    const row = this.#sessionRow(sessionId)
    const recordingId = String(row['recording_id'])
    return this.#database
      .all('SELECT seq, figures FROM exchanges WHERE session = ? ORDER BY seq', Number(row['number']))
      .map((stored) => ({
        recordingId,
        sessionId,
        seq: Number(stored['seq']),
        ...readFigures(String(stored['figures'])),
        prompt: null,
        content: null,
        redactions: null,
      }))
  }

  toolEvents(sessionId: string): readonly ToolEvent[] {
    return toolEventsOf(sessionId, this.exchanges(sessionId))
  }

  #body(
    row: Row,
    key: Buffer | null,
    segments: SegmentReader,
    place: { readonly recordingId: string; readonly sessionId: string; readonly seq: number },
    earlier: ReadonlyMap<number, ExchangeBody>,
  ): ExchangeBody | null {
    if (row['file'] === null || key === null) return null
    const sealed = segments.read({
      file: String(row['file']),
      offset: Number(row['offset']),
      length: Number(row['length']),
    })
    // The file is gone: past its retention.
    if (sealed === null) return null
    return readDelta(openRecord(key, sealed, place), (seq) => {
      const parent = earlier.get(seq)
      if (parent === undefined)
        throw new CrossingError(
          'CROSSING_DAMAGED',
          `Exchange ${place.seq} of session ${place.sessionId} builds on exchange ${seq}, which cannot be read.`,
        )
      return parent
    })
  }

  /**
   * Keys for what is derived from a session's content, such as the attempts of a replay. They come from the key of the
   * session's subject and die with it: erased once, all of it is noise, wherever it was copied to.
   *
   * @returns by session id; null: erased. @throws {CrossingError} CROSSING_NOT_FOUND, CROSSING_BAD_KEY
   */
  derivedKeys(purpose: string): (sessionId: string) => Uint8Array | null {
    const known = new Map<string, Uint8Array | null>()
    const mostKnown = 50_000
    return (sessionId) => {
      const found = known.get(sessionId)
      if (found !== undefined) return found
      const row = this.#sessionRow(sessionId)
      const key =
        Number(row['erased']) === 1
          ? null
          : new Uint8Array(hkdfSync('sha256', this.#dataKey(row), '', `portolan-${purpose}\0${sessionId}`, 32))
      // Under the database's own string: the caller's may be a piece of a line of many kilobytes and would keep all of it.
      if (known.size < mostKnown) known.set(String(row['id']), key)
      return key
    }
  }

  #dataKey(session: Row): Buffer {
    const recordingId = String(session['recording_id'])
    const subject = String(session['subject'])
    const wrapped = this.#database.one(
      'SELECT wrapped FROM subjects WHERE recording_id = ? AND subject = ?',
      recordingId,
      subject,
    )?.['wrapped']
    if (!(wrapped instanceof Uint8Array))
      throw new CrossingError('CROSSING_ERASED', `The content of session ${String(session['id'])} was erased.`)
    return this.#vault.unwrap(wrapped, recordingId, subject)
  }

  #sessionRow(id: string): Row {
    const row = this.#database.one('SELECT * FROM sessions WHERE id = ?', id)
    if (row === null) throw new CrossingError('CROSSING_NOT_FOUND', `There is no recorded session ${id}.`)
    return row
  }

  #segmentDirectory(recordingId: string): string {
    return join(this.#directory, 'segments', recordingId)
  }

  /** Writes what an importer has read; the requests are read already, so no token of ours is opened. */
  recorder(rules: RedactionRules): Recorder {
    return new Recorder({
      directory: this.#directory,
      database: this.#database,
      vault: this.#vault,
      sealer: createSealer(randomBytes(32)),
      rules,
      maxBytes: null,
    })
  }

  // ---------------------------------------------------------------------------------------- erasure

  /** Destroys keys in every recording, running ones included. @throws {CrossingError} CROSSING_NOT_FOUND */
  erase(target: ErasureTarget, nowMs: number): ErasureResult {
    const subjects = this.#subjects(target)
    let sessions = 0
    this.#database.transaction(() => {
      for (const { recordingId, subject } of subjects) {
        this.#database.run(
          'UPDATE subjects SET wrapped = NULL, erased_at = ? WHERE recording_id = ? AND subject = ?',
          Math.round(nowMs),
          recordingId,
          subject,
        )
        const own = 'SELECT number FROM sessions WHERE recording_id = ? AND subject = ?'
        this.#database.run(`DELETE FROM heads WHERE session IN (${own})`, recordingId, subject)
        this.#database.run(`DELETE FROM names WHERE session IN (${own})`, recordingId, subject)
        sessions += this.#database.run(
          'UPDATE sessions SET erased = 1 WHERE recording_id = ? AND subject = ? AND erased = 0',
          recordingId,
          subject,
        ).changes
      }
    })
    this.#database.checkpoint()
    return { subjects: subjects.length, sessions }
  }

  #subjects(target: ErasureTarget): { readonly recordingId: string; readonly subject: string }[] {
    if ('sessionId' in target) {
      const row = this.#sessionRow(target.sessionId)
      return [{ recordingId: String(row['recording_id']), subject: String(row['subject']) }]
    }
    const rows =
      'endUser' in target
        ? this.#database.all(
            'SELECT recording_id, subject FROM subjects WHERE key_id = ? AND subject = ?',
            target.keyId,
            this.#vault.subjectOf(target.keyId, target.endUser),
          )
        : this.#database.all('SELECT recording_id, subject FROM subjects WHERE key_id = ?', target.keyId)
    if (rows.length === 0)
      throw new CrossingError(
        'CROSSING_NOT_FOUND',
        'endUser' in target
          ? 'Nothing of this user is recorded under this key (names are compared exactly).'
          : 'Nothing of this key is recorded with content or hashes.',
      )
    return rows.map((row) => ({ recordingId: String(row['recording_id']), subject: String(row['subject']) }))
  }

  /** Deletes content files whose last exchange is older than their recording allows. Returns how many. */
  sweep(nowMs: number): number {
    let removed = 0
    for (const { id, retentionDays } of this.recordings()) {
      if (retentionDays === null) continue
      const files = this.#database.all(
        `SELECT e.file AS file, MAX(e.started_at) AS last FROM exchanges e JOIN sessions s ON s.number = e.session
         WHERE s.recording_id = ? AND e.file IS NOT NULL GROUP BY e.file`,
        id,
      )
      for (const row of files) {
        if (Number(row['last']) > nowMs - retentionDays * 86_400_000) continue
        this.#database.run('UPDATE exchanges SET file = NULL WHERE file = ?', String(row['file']))
        removeSegment(this.#segmentDirectory(id), String(row['file']))
        removed++
      }
    }
    return removed
  }
}

function sessionOf(row: Row): Session {
  const forkedFrom = row['forked_from']
  return {
    id: String(row['id']),
    recordingId: String(row['recording_id']),
    keyId: String(row['key_id']),
    subject: String(row['subject']),
    evidence: String(row['evidence']) as Session['evidence'],
    stratum: JSON.parse(String(row['stratum'])) as Session['stratum'],
    inclusionProbability: Number(row['probability']),
    forkedFrom: typeof forkedFrom === 'string' ? { sessionId: forkedFrom, seq: Number(row['forked_seq']) } : null,
    firstAtMs: Number(row['first_at']),
    lastAtMs: Number(row['last_at']),
    exchanges: Number(row['exchanges']),
    erased: Number(row['erased']) === 1,
  }
}
