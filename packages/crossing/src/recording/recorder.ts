/**
 * Makes recorded exchanges of captured ones: reads the body, finds the session, redacts, encrypts, writes.
 *
 * Runs off the request's path (see `recorder-thread.ts`) and never throws for an exchange: what cannot be kept is
 * counted with its reason. One batch is one transaction; segments are written first, so that a crash in between
 * leaves bytes that nobody refers to and loses nothing that was promised. Memory does not grow with sessions: all
 * that is known of them is in the database.
 */
import { join } from 'node:path'
import {
  adapterOf,
  TranslationReport,
  type CanonicalRequest,
  type CanonicalResponse,
  type Sealer,
} from '@portolan/wire'
import { keepsContent, type ExchangeContent, type Recording } from '../records/index.ts'
import type { CapturedExchange, DropReason } from './captured.ts'
import { writeDelta, type DeltaEnd } from './delta.ts'
import { figuresOf, writeFigures } from './figures.ts'
import { promptShape } from './prompt-shape.ts'
import { Redactor, type RedactionRules } from './redaction/redactor.ts'
import { folderBytes, SegmentWriter } from './segments.ts'
import { findSession, type FoundSession } from './sessions.ts'
import { isDiskFull, type RecordingsDatabase } from './sqlite/recordings-database.ts'
import { parseRecording } from './recording-rows.ts'
import { sealRecord, type Vault } from './vault.ts'

export interface RecorderOptions {
  readonly directory: string
  readonly database: RecordingsDatabase
  readonly vault: Vault
  /** Opens our own reasoning tokens in requests. */
  readonly sealer: Sealer
  readonly rules: RedactionRules
  /** Segments stop growing here; null: no bound but the disk's. */
  readonly maxBytes: number | null
}

export interface BatchResult {
  readonly recorded: number
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
}

/** A chain of deltas is never longer: any exchange can be read by reading this many. */
const deepestDelta = 16

export class Recorder {
  readonly #options: RecorderOptions
  readonly #recordings = new Map<string, OpenRecording>()
  /** Counts that no commit has taken yet. */
  #pending = new Map<string, Map<string, number>>()
  #bytes: number

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#bytes = folderBytes(join(options.directory, 'segments'))
  }

  record(batch: readonly CapturedExchange[]): BatchResult {
    const before = this.#clonePending()
    const outcome = { recorded: 0, dropped: {} as Partial<Record<DropReason, number>> }
    try {
      this.#options.database.transaction(() => {
        for (const captured of batch) {
          const dropped = this.#one(captured)
          if (dropped === null) outcome.recorded++
          else {
            outcome.dropped[dropped] = (outcome.dropped[dropped] ?? 0) + 1
            this.#count(captured.recordingId, `dropped:${dropped}`)
          }
        }
        this.#flushCounts()
      })
      this.#pending.clear()
      return outcome
    } catch (error) {
      // Nothing of the batch is in the database: all of it is lost, and says so.
      const reason: DropReason = isDiskFull(error) ? 'disk-full' : 'storage-failed'
      this.#pending = before
      for (const { recordingId } of batch) this.#count(recordingId, `dropped:${reason}`)
      return { recorded: 0, dropped: { [reason]: batch.length } }
    }
  }

  /** Losses that happened before the recorder saw the exchange, and refusals of callers. */
  note(recordingId: string, name: `dropped:${DropReason}` | 'declined', times: number): void {
    this.#count(recordingId, name, times)
  }

  /** Writes counts that are still only here. False: could not be written yet. */
  flush(): boolean {
    if (this.#pending.size === 0) return true
    try {
      this.#options.database.transaction(() => this.#flushCounts())
      this.#pending.clear()
      return true
    } catch {
      return false
    }
  }

  close(): void {
    this.flush()
    for (const { segments } of this.#recordings.values()) segments.close()
    this.#recordings.clear()
  }

  // ----------------------------------------------------------------------------------- one exchange

  /** Null: kept, or rightly left out by sampling. */
  #one(captured: CapturedExchange): DropReason | null {
    const open = this.#open(captured.recordingId)
    if (open === null) return 'storage-failed'
    const { recording, keys } = open
    if (captured.body === null && captured.request === undefined) return 'too-large'
    const read = readExchange(captured, this.#options.sealer)
    if (read === null) return 'unreadable'
    const { request, response } = read
    const keyId = captured.row.keyId ?? ''
    const endUserSubject = request.endUser === null ? null : this.#options.vault.subjectOf(keyId, request.endUser)
    const found = findSession(this.#options.database, {
      captured,
      request,
      response,
      plan: recording.sampling,
      keys,
      endUserSubject,
    })
    if (!found.included) {
      this.#count(recording.id, 'not-sampled')
      return null
    }
    if (recording.level === 'metrics' || captured.atMost === 'metrics') {
      this.#insert(captured, found, response, null)
    } else {
      const written = this.#write(open, captured, found, read)
      if (typeof written === 'string') {
        // The exchange happened all the same: the session's figures stay complete.
        this.#insert(captured, found, response, null)
        if (found.opened) this.#count(recording.id, 'sessions')
        return written
      }
      this.#insert(captured, found, response, written)
    }
    if (found.opened) this.#count(recording.id, 'sessions')
    this.#count(recording.id, 'exchanges')
    return null
  }

  /** Shape and content, encrypted, into the segment. */
  #write(
    open: OpenRecording,
    captured: CapturedExchange,
    found: FoundSession,
    content: ExchangeContent,
  ): WrittenContent | DropReason {
    const { recording, keys } = open
    const dataKey = this.#dataKey(open, captured.row.keyId ?? '', found.subject)
    if (dataKey === null) return 'erased-subject'
    const shape = promptShape(keys.blocks, content.request, content.response)
    const redacted = recording.level === 'redacted' ? this.#redactor(open, captured).redact(content) : null
    const kept = keepsContent(recording.level) ? (redacted?.content ?? content) : null
    const base = found.parentSeq === null ? null : this.#base(found.number, found.parentSeq)
    const delta = writeDelta(keys.blocks, { shape, content: kept, redactions: redacted?.counts ?? null }, base)
    const sealed = sealRecord(dataKey, delta.text, {
      recordingId: recording.id,
      sessionId: found.id,
      seq: found.seq,
    })
    const { maxBytes } = this.#options
    if (maxBytes !== null && this.#bytes + sealed.length > maxBytes) return 'folder-full'
    try {
      const place = open.segments.append(sealed, captured.row.startedAtMs)
      this.#bytes += sealed.length
      return { ...place, end: delta }
    } catch (error) {
      return isDiskFull(error) ? 'disk-full' : 'storage-failed'
    }
  }

  #insert(
    captured: CapturedExchange,
    found: FoundSession,
    response: CanonicalResponse | null,
    written: WrittenContent | null,
  ): void {
    this.#options.database.run(
      `INSERT INTO exchanges (session, seq, started_at, figures, file, offset, length, items, blocks, chain, depth)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      found.number,
      found.seq,
      Math.round(captured.row.startedAtMs),
      writeFigures(figuresOf(captured.row, captured.door, response, found.parentSeq)),
      written?.file ?? null,
      written?.offset ?? null,
      written?.length ?? null,
      written?.end.items ?? null,
      written?.end.blocks ?? null,
      written?.end.chain ?? null,
      written?.end.depth ?? 0,
    )
  }

  #base(session: number, seq: number): (DeltaEnd & { readonly seq: number }) | null {
    const row = this.#options.database.one(
      'SELECT items, blocks, chain, depth FROM exchanges WHERE session = ? AND seq = ? AND file IS NOT NULL',
      session,
      seq,
    )
    const chain = row?.['chain']
    if (row === null || !(chain instanceof Uint8Array) || Number(row['depth']) >= deepestDelta) return null
    return { seq, items: Number(row['items']), blocks: Number(row['blocks']), chain, depth: Number(row['depth']) }
  }

  /** Null: this subject's data were erased; nothing of it is kept any more. */
  #dataKey(open: OpenRecording, keyId: string, subject: string): Buffer | null {
    const { database, vault } = this.#options
    const { recording } = open
    // Asked every time: another process may have destroyed it a moment ago.
    const row = database.one(
      'SELECT wrapped FROM subjects WHERE recording_id = ? AND subject = ?',
      recording.id,
      subject,
    )
    if (row !== null) {
      const wrapped = row['wrapped']
      if (!(wrapped instanceof Uint8Array)) return null
      const cached = open.dataKeys.get(subject)
      if (cached) return cached
      const key = vault.unwrap(wrapped, recording.id, subject)
      open.keep(subject, key)
      return key
    }
    const { key, wrapped } = vault.newDataKey(recording.id, subject)
    database.run(
      'INSERT INTO subjects (recording_id, subject, key_id, wrapped) VALUES (?, ?, ?, ?)',
      recording.id,
      subject,
      keyId,
      wrapped,
    )
    open.keep(subject, key)
    return key
  }

  #redactor(open: OpenRecording, { row }: CapturedExchange): Redactor {
    const keyId = row.keyId ?? ''
    let redactor = open.redactors.get(keyId)
    if (redactor === undefined) {
      redactor = new Redactor(this.#options.vault.derive('pseudonym', keyId), this.#options.rules)
      open.redactors.set(keyId, redactor)
    }
    return redactor
  }

  #open(recordingId: string): OpenRecording | null {
    const known = this.#recordings.get(recordingId)
    if (known) return known
    const row = this.#options.database.one('SELECT id, body, stopped_at FROM recordings WHERE id = ?', recordingId)
    if (row === null) return null
    const opened = new OpenRecording(parseRecording(row), this.#options.vault, this.#options.directory)
    this.#recordings.set(recordingId, opened)
    return opened
  }

  // ------------------------------------------------------------------------------------------ counts

  #count(recordingId: string, name: string, times = 1): void {
    const counts = this.#pending.get(recordingId) ?? new Map<string, number>()
    counts.set(name, (counts.get(name) ?? 0) + times)
    this.#pending.set(recordingId, counts)
  }

  #flushCounts(): void {
    for (const [recordingId, counts] of this.#pending)
      for (const [name, value] of counts)
        this.#options.database.run(
          `INSERT INTO counters (recording_id, name, value) VALUES (?, ?, ?)
           ON CONFLICT (recording_id, name) DO UPDATE SET value = value + excluded.value`,
          recordingId,
          name,
          value,
        )
  }

  #clonePending(): Map<string, Map<string, number>> {
    return new Map([...this.#pending].map(([id, counts]) => [id, new Map(counts)]))
  }
}

interface WrittenContent {
  readonly file: string
  readonly offset: number
  readonly length: number
  readonly end: DeltaEnd
}

/** Data keys in memory; the rest is unwrapped again when it is needed. */
const cachedKeys = 1000

class OpenRecording {
  readonly recording: Recording
  readonly keys: { readonly blocks: Buffer; readonly sampling: Buffer }
  readonly segments: SegmentWriter
  readonly redactors = new Map<string, Redactor>()
  readonly dataKeys = new Map<string, Buffer>()

  constructor(recording: Recording, vault: Vault, directory: string) {
    this.recording = recording
    this.keys = { blocks: vault.derive('blocks', recording.id), sampling: vault.derive('sampling', recording.id) }
    this.segments = new SegmentWriter(join(directory, 'segments', recording.id))
  }

  keep(subject: string, key: Buffer): void {
    if (this.dataKeys.size >= cachedKeys) this.dataKeys.delete(this.dataKeys.keys().next().value!)
    this.dataKeys.set(subject, key)
  }
}

/** Null: the body or the answer cannot be read as what they should be. */
function readExchange(
  { door, messagesVersion, body, request: given, answer }: CapturedExchange,
  sealer: Sealer,
): { readonly request: CanonicalRequest; readonly response: CanonicalResponse | null } | null {
  if (given !== undefined) return { request: given, response: readAnswer(answer) }
  if (body === null) return null
  try {
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
    const request = adapterOf(door).toCanonicalRequest(JSON.parse(text), {
      messagesVersion,
      sealer,
      text,
      report: new TranslationReport('silent'),
    })
    return { request, response: readAnswer(answer) }
  } catch {
    return null
  }
}

function readAnswer(answer: CapturedExchange['answer']): CanonicalResponse | null {
  if (answer === null) return null
  if (answer.kind === 'canonical') return answer.response
  try {
    return adapterOf(answer.protocol).toCanonicalResponse(JSON.parse(answer.text), answer.text)
  } catch {
    // Forwarded as it came, whatever it was; the question is still worth keeping.
    return null
  }
}
