/**
 * Finds the session that an exchange belongs to, or opens one.
 *
 *   the client's own name ─▶ previous response id ─▶ the longest known beginning ─▶ a new session
 *
 * A beginning that its session has outgrown means that the history was edited: the exchange forks. A question asked
 * again after a failure stays in its session. Whether a session is kept is drawn once, when it opens; a fork shares
 * the draw of the session it came from, or its prefix chain would have holes.
 */
import { createHmac } from 'node:crypto'
import type { CanonicalRequest, CanonicalResponse } from '@portolan/wire'
import { mintId, type SamplingPlan, type SessionEvidence, type Stratum } from '../records/index.ts'
import type { CapturedExchange } from './captured.ts'
import { conversationChain, type ConversationChain } from './conversation.ts'
import type { RecordingsDatabase, Row } from './sqlite/recordings-database.ts'
import { probabilityOf, stratumOf } from './strata.ts'

export interface SessionFinderKeys {
  /** For chains and names of this recording. */
  readonly blocks: Uint8Array
  readonly sampling: Uint8Array
}

export interface FoundSession {
  /** The database's number of it. */
  readonly number: number
  readonly id: string
  readonly subject: string
  readonly included: boolean
  readonly opened: boolean
  readonly seq: number
  readonly parentSeq: number | null
}

export interface FindInput {
  readonly captured: CapturedExchange
  readonly request: CanonicalRequest
  readonly response: CanonicalResponse | null
  readonly plan: SamplingPlan
  readonly keys: SessionFinderKeys
  /** Of the end user; null: the session is its own subject. */
  readonly endUserSubject: string | null
}

export function findSession(database: RecordingsDatabase, input: FindInput): FoundSession {
  const { captured, request, response, keys } = input
  const keyId = captured.row.keyId ?? ''
  const scope = `${keyId}\0${request.endUser ?? ''}\0${captured.recordingId}`
  const chain = conversationChain(keys.blocks, scope, request, response)
  const named = namedSession(database, input, scope)
  const known = named.session ?? null
  const match = longestMatch(database, chain, known)
  const place =
    known !== null
      ? { session: known, parentSeq: match?.seq ?? null, fork: null }
      : match === null
        ? null
        : match.outgrown
          ? { session: null, parentSeq: null, fork: match }
          : { session: match.session, parentSeq: match.parentSeq, fork: null }
  const found =
    place?.session !== null && place !== null
      ? enter(database, place.session, place.parentSeq, captured)
      : open(database, input, named.evidence, place?.fork ?? null)
  note(database, chain, found)
  for (const name of named.names) remember(database, name, found.number)
  const responseId = response?.id ?? captured.row.upstreamRequestId
  if (captured.door === 'responses' && responseId)
    remember(database, nameHash(keys.blocks, scope, `response ${responseId}`), found.number)
  return found
}

// ---------------------------------------------------------------------------------------------- by name

function namedSession(
  database: RecordingsDatabase,
  { captured, request, keys }: FindInput,
  scope: string,
): { readonly session: number | null; readonly evidence: SessionEvidence; readonly names: readonly Buffer[] } {
  const { clientSession } = captured
  if (clientSession !== null) {
    const name = nameHash(keys.blocks, scope, `name ${clientSession.name}`)
    return { session: sessionByName(database, name), evidence: clientSession.evidence, names: [name] }
  }
  const previous = request.extra['previous_response_id']
  if (typeof previous === 'string' && previous !== '') {
    const session = sessionByName(database, nameHash(keys.blocks, scope, `response ${previous}`))
    if (session !== null) return { session, evidence: 'previous-response', names: [] }
  }
  return { session: null, evidence: 'prefix', names: [] }
}

function nameHash(key: Uint8Array, scope: string, name: string): Buffer {
  return createHmac('sha256', key).update(`${scope}\0${name}`).digest().subarray(0, 16)
}

function sessionByName(database: RecordingsDatabase, name: Buffer): number | null {
  const row = database.one('SELECT session FROM names WHERE name = ?', name)
  return row === null ? null : Number(row['session'])
}

function remember(database: RecordingsDatabase, name: Buffer, session: number): void {
  database.run('INSERT OR IGNORE INTO names (name, session) VALUES (?, ?)', name, session)
}

// ------------------------------------------------------------------------------------------- by history

interface Match {
  readonly session: number
  /** The exchange whose end the history agrees with. */
  readonly seq: number
  readonly parentSeq: number | null
  /** Its session has gone on without this exchange. */
  readonly outgrown: boolean
}

const question = 0
const answer = 1

/**
 * Of many conversations with one beginning (health checks, load tests) only the newest are looked at, so that the
 * thousandth costs what the first did. Where all of those have gone on, one that has not is looked for among the others.
 */
const mostAlike = 64

/** @param within only this session, where the client named it. */
function longestMatch(database: RecordingsDatabase, chain: ConversationChain, within: number | null): Match | null {
  for (let turn = chain.turns.length - 1; turn >= 0; turn--) {
    const whole = turn === chain.turns.length - 1
    const alike = newestAlike(database, chain.turns[turn]!, within)
    const candidates = alike.filter((row) => Number(row['erased']) === 0)
    if (candidates.length === 0) continue
    const current = candidates.filter((row) => Number(row['seq']) === Number(row['exchanges']) - 1)
    // Equal conversations side by side: the one that has waited longest goes on.
    const goesOn = current.find((row) => Number(row['kind']) === answer)
    if (goesOn) return { ...placeOf(goesOn), parentSeq: Number(goesOn['seq']), outgrown: false }
    const asked = current.find((row) => Number(row['kind']) === question && Number(row['answered']) === 0)
    if (asked && whole) return { ...placeOf(asked), parentSeq: parentOf(database, asked), outgrown: false }
    // A first question like somebody else's is a conversation of its own.
    if (whole && chain.turns.length === 1) return null
    const older = alike.length < mostAlike || within !== null ? null : olderCurrent(database, chain.turns[turn]!)
    if (older) return { ...placeOf(older), parentSeq: Number(older['seq']), outgrown: false }
    const earlier = candidates.find((row) => Number(row['kind']) === answer) ?? candidates[0]!
    if (!whole || Number(earlier['kind']) === answer)
      return { ...placeOf(earlier), parentSeq: Number(earlier['seq']), outgrown: true }
  }
  return null
}

/** Where this beginning stands in the newest sessions that have it; those that have waited longest first. */
function newestAlike(database: RecordingsDatabase, chain: Uint8Array, within: number | null): Row[] {
  const values = within === null ? [chain] : [chain, within]
  return database.all(
    `SELECT h.session, h.seq, h.kind, s.exchanges, s.erased,
       EXISTS (SELECT 1 FROM heads a WHERE a.session = h.session AND a.seq = h.seq AND a.kind = ${answer}) AS answered
     FROM (SELECT session, seq, kind FROM heads WHERE chain = ?${within === null ? '' : ' AND session = ?'}
       ORDER BY session DESC, seq DESC, kind DESC LIMIT ${mostAlike}) h
     JOIN sessions s ON s.number = h.session ORDER BY s.last_at`,
    ...values,
  )
}

function olderCurrent(database: RecordingsDatabase, chain: Uint8Array): Row | null {
  return database.one(
    `SELECT h.session, h.seq FROM heads h JOIN sessions s ON s.number = h.session
     WHERE h.chain = ? AND h.kind = ${answer} AND s.erased = 0 AND h.seq = s.exchanges - 1 LIMIT 1`,
    chain,
  )
}

function placeOf(row: Row): { session: number; seq: number } {
  return { session: Number(row['session']), seq: Number(row['seq']) }
}

/** A question repeated after a failure continues what the failed one continued. */
function parentOf(database: RecordingsDatabase, row: Row): number | null {
  const seq = Number(row['seq'])
  if (seq === 0) return null
  const before = database.one(
    `SELECT MAX(seq) AS seq FROM heads WHERE session = ? AND seq < ? AND kind = ${answer}`,
    Number(row['session']),
    seq,
  )?.['seq']
  return before === null || before === undefined ? null : Number(before)
}

// ------------------------------------------------------------------------------------------ into a session

function enter(
  database: RecordingsDatabase,
  session: number,
  parentSeq: number | null,
  { row: { startedAtMs } }: CapturedExchange,
): FoundSession {
  const row = database.one('SELECT id, subject, included, exchanges FROM sessions WHERE number = ?', session)!
  const seq = Number(row['exchanges'])
  database.run(
    'UPDATE sessions SET exchanges = exchanges + 1, last_at = MAX(last_at, ?) WHERE number = ?',
    Math.round(startedAtMs),
    session,
  )
  return {
    number: session,
    id: String(row['id']),
    subject: String(row['subject']),
    included: Number(row['included']) === 1,
    opened: false,
    seq,
    parentSeq,
  }
}

function open(
  database: RecordingsDatabase,
  { captured, request, plan, keys, endUserSubject }: FindInput,
  evidence: SessionEvidence,
  fork: Match | null,
): FoundSession {
  const atMs = Math.round(captured.row.startedAtMs)
  const id = mintId('ses', atMs)
  const stratum: Stratum = stratumOf(request, captured)
  const origin =
    fork === null ? null : database.one('SELECT id, included, probability FROM sessions WHERE number = ?', fork.session)
  const probability = origin === null ? probabilityOf(plan, stratum) : Number(origin['probability'])
  const included = origin === null ? drawn(keys.sampling, id) < probability : Number(origin['included']) === 1
  const subject = endUserSubject ?? id
  const { inserted } = database.run(
    `INSERT INTO sessions (id, recording_id, key_id, subject, evidence, stratum, probability, included, forked_from,
       forked_seq, first_at, last_at, exchanges) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
    id,
    captured.recordingId,
    captured.row.keyId ?? '',
    subject,
    evidence,
    JSON.stringify(stratum),
    probability,
    included ? 1 : 0,
    origin === null ? null : String(origin['id']),
    fork?.seq ?? null,
    atMs,
    atMs,
  )
  return { number: inserted, id, subject, included, opened: true, seq: 0, parentSeq: null }
}

/** A number in [0, 1) that depends on nothing but the salt and the session. */
function drawn(salt: Uint8Array, sessionId: string): number {
  return createHmac('sha256', salt).update(sessionId).digest().readUIntBE(0, 6) / 2 ** 48
}

function note(database: RecordingsDatabase, { turns, answered }: ConversationChain, found: FoundSession): void {
  const insert = 'INSERT OR IGNORE INTO heads (chain, session, seq, kind) VALUES (?, ?, ?, ?)'
  const last = turns.at(-1)
  if (last) database.run(insert, last, found.number, found.seq, question)
  if (answered) database.run(insert, answered, found.number, found.seq, answer)
}
