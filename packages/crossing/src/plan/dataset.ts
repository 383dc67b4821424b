/** Cases cut out of recordings: every exchange with an answer, asked again with its recorded history; then frozen. */
import { CrossingError } from '../errors.ts'
import {
  canonicalJson,
  hashOf,
  keepsContent,
  mintId,
  type Case,
  type Dataset,
  type Exchange,
  type Session,
} from '../records/index.ts'

/** Where sessions come from; a `RecordingLibrary` is one. */
export interface SessionSource {
  recording(id: string): { readonly level: 'metrics' | 'hashes' | 'redacted' | 'full' }
  sessions(recordingId: string): Iterable<Session>
  exchanges(sessionId: string): readonly Exchange[]
}

export interface FreezeOptions {
  readonly name: string
  readonly recordingIds: readonly string[]
  /** Whole sessions are taken until this many cases are reached; null: all. */
  readonly mostCases: number | null
  readonly seed: number
  readonly nowMs: number
}

/** @throws {CrossingError} CROSSING_NOT_FOUND where nothing could be asked again. */
export function freezeDataset(source: SessionSource, options: FreezeOptions): Dataset {
  const { name, recordingIds, mostCases, nowMs } = options
  const cases: Case[] = []
  for (const session of chosen(source, options)) {
    if (mostCases !== null && cases.length >= mostCases) break
    cases.push(...casesOf(session, source.exchanges(session.id)))
  }
  if (cases.length === 0)
    throw new CrossingError(
      'CROSSING_NOT_FOUND',
      'The recordings hold no answered exchange with content, so nothing can be asked again.',
    )
  return { id: mintId('set', nowMs), name, recordingIds, cases, frozenAtMs: nowMs, hash: datasetHash(cases) }
}

export function datasetHash(cases: readonly Case[]): string {
  return hashOf(cases)
}

/** In an order drawn by the seed, so that a smaller set is a sample and not the first days. */
function chosen(source: SessionSource, { recordingIds, seed }: FreezeOptions): Session[] {
  const sessions: Session[] = []
  for (const id of recordingIds) {
    const { level } = source.recording(id)
    if (!keepsContent(level))
      throw new CrossingError(
        'CROSSING_CONFLICT',
        `The recording ${id} is of level ${level} and holds no content; a comparison needs level redacted or full.`,
      )
    for (const session of source.sessions(id)) if (!session.erased) sessions.push(session)
  }
  return sessions
    .map((session) => ({ session, order: hashOf([seed, session.id]) }))
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .map(({ session }) => session)
}

function casesOf(session: Session, exchanges: readonly Exchange[]): Case[] {
  return exchanges.flatMap((exchange): Case[] => {
    const { content, status, seq } = exchange
    if (content === null || content.response === null || status !== 'ok') return []
    const { tools, outputFormat } = content.request
    return [
      {
        // The same exchange is the same case in every dataset, so that runs can be compared.
        id: `case_${session.id.slice(4)}_${seq}`,
        recordingId: session.recordingId,
        sessionId: session.id,
        seq,
        mode: 'step',
        checks: [],
        tags: [
          `model:${exchange.modelAsked}`,
          `length:${session.stratum.length}`,
          tools.length > 0 ? 'tools' : 'no-tools',
          ...(content.response.items.some((item) => item.kind === 'tool-call') ? ['calls'] : []),
          ...(outputFormat.type === 'text' ? [] : ['structured']),
        ],
        severity: 'major',
        weight: 1 / session.inclusionProbability,
        contentHash: hashOf(JSON.parse(canonicalText(content.request))),
      },
    ]
  })
}

/** Foreign text may hold halves of surrogate pairs, which canonical JSON refuses. */
function canonicalText(value: unknown): string {
  return canonicalJson(
    JSON.parse(JSON.stringify(value), (_name, member: unknown) =>
      typeof member === 'string' ? member.toWellFormed() : member,
    ),
  )
}
