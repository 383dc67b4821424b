/**
 * What was recorded: one recording holds sessions, a session holds exchanges in order, exchanges hold tool events.
 *
 * Plain data, made by `recording/` and by `importers/`, read by everything else. What a level does not keep is
 * null, never empty. Money is integer nano-units of a currency; times are Unix milliseconds or milliseconds since
 * the request began, as the name says.
 */
import type { CanonicalRequest, CanonicalResponse, Part, Protocol, StopReason } from '@portolan/wire'
import type { UsageRecord } from '@portolan/meter'
import type { RequestStatus } from '@portolan/store'

/** Each level keeps what the one before it keeps, and more; `redacted` and `full` differ in what was taken out. */
export const recordingLevels = ['off', 'metrics', 'hashes', 'redacted', 'full'] as const
export type RecordingLevel = (typeof recordingLevels)[number]

/** Is content kept, so that a request can be asked again? */
export function keepsContent(level: RecordingLevel): boolean {
  return level === 'redacted' || level === 'full'
}

// ------------------------------------------------------------------------------------------- recording

export interface Recording {
  readonly id: string
  /** For people: `--name`, or the source of an import. */
  readonly name: string
  readonly level: Exclude<RecordingLevel, 'off'>
  /** Ids of the keys whose traffic it takes; empty: every key. */
  readonly keyIds: readonly string[]
  readonly startedAtMs: number
  /** Null: still running. */
  readonly stoppedAtMs: number | null
  readonly sampling: SamplingPlan
  /** Content is destroyed this long after its exchange; null: kept until erased. */
  readonly retentionDays: number | null
  /** `live` traffic of our own doors, or a file that somebody else wrote. */
  readonly source: RecordingSource
  /** What an importer could not read out of its source, one sentence each; empty for live recordings. */
  readonly notExpressed: readonly string[]
  readonly counts: RecordingCounts
}

export type RecordingSource =
  | { readonly kind: 'live' }
  | { readonly kind: 'import'; readonly format: string; readonly fileHash: string }

export interface RecordingCounts {
  readonly sessions: number
  readonly exchanges: number
  /** Requests of the chosen keys that sampling left out. */
  readonly notSampled: number
  /** Sampled requests that were lost: queue full, disk full, too large. Above 1 % the sample is called biased. */
  readonly dropped: number
  readonly droppedBy: Readonly<Record<string, number>>
  /** Requests that asked not to be recorded (`x-portolan-record: off`). */
  readonly declined: number
  /** Sessions whose subject's key was destroyed. */
  readonly erased: number
}

/** By session: included when HMAC(salt, session) falls below the stratum's probability. */
export interface SamplingPlan {
  /** Of every stratum that has no rule of its own; 0 < p <= 1. */
  readonly probability: number
  /** First match wins. */
  readonly strata: readonly StratumRule[]
}

export interface StratumRule {
  /** Members that must match; absent: any. Tools and length are those of the session's first request. */
  readonly when: { readonly model?: string; readonly tools?: boolean; readonly length?: LengthBucket }
  readonly probability: number
}

/** Estimated prompt tokens of the session's first request: under 4k, 32k, 200k, and above. */
export const lengthBuckets = ['short', 'medium', 'long', 'huge'] as const
export type LengthBucket = (typeof lengthBuckets)[number]

// --------------------------------------------------------------------------------------------- session

/** How the exchanges of a session were recognised as one conversation. */
export type SessionEvidence = 'header' | 'client-id' | 'previous-response' | 'prefix' | 'import'

export interface Session {
  readonly id: string
  readonly recordingId: string
  readonly keyId: string
  /** The erasure unit: a keyed pseudonym of the end user, else of the key. */
  readonly subject: string
  readonly evidence: SessionEvidence
  readonly stratum: Stratum
  /** Every aggregate weighs the session by 1 / this. */
  readonly inclusionProbability: number
  /** An edited or compacted history continues as a session of its own. */
  readonly forkedFrom: { readonly sessionId: string; readonly seq: number } | null
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly exchanges: number
  readonly erased: boolean
}

export interface Stratum {
  readonly model: string
  readonly tools: boolean
  readonly length: LengthBucket
}

// -------------------------------------------------------------------------------------------- exchange

export interface Exchange {
  readonly recordingId: string
  readonly sessionId: string
  /** From 0, in order of arrival within the session. */
  readonly seq: number
  /** The exchange whose answer this request's history ends with; null for a first turn. */
  readonly parentSeq: number | null
  /** The ledger row's id; for imports, an id of the source or one made from its place. */
  readonly requestId: string
  readonly door: Protocol
  readonly modelAsked: string
  readonly modelSent: string | null
  readonly modelServed: string | null
  /** Name of the upstream that answered; null when none did, or the source does not say. */
  readonly upstream: string | null
  readonly upstreamProtocol: Protocol | null
  readonly stream: boolean
  readonly startedAtMs: number
  readonly clocks: Clocks
  readonly status: RequestStatus
  readonly httpStatus: number | null
  readonly errorCode: string | null
  /** Null: no complete answer was read. */
  readonly stop: StopReason | null
  readonly attempts: number
  readonly usage: UsageRecord
  readonly currency: string | null
  /** Null: unpriced. */
  readonly costNanos: bigint | null
  readonly priceVersion: string | null
  /** From level `hashes` on. */
  readonly prompt: PromptShape | null
  /** From level `redacted` on; null also when it was erased or past its retention. */
  readonly content: ExchangeContent | null
  /** How many values of each class were replaced; null below `redacted` and at `full`. */
  readonly redactions: Readonly<Record<string, number>> | null
}

/** Milliseconds since the request began; null: did not happen, or the source does not say. */
export interface Clocks {
  readonly firstByteMs: number | null
  readonly firstReasoningMs: number | null
  /** First text or tool call: what a user can see or a client can act on. */
  readonly firstVisibleMs: number | null
  readonly endMs: number | null
}

/**
 * The prompt without its words: enough to ask any cache rule what it would have hit.
 *
 * Blocks end at every message boundary and every 256 bytes within a message. An id is a keyed HMAC over everything
 * up to and including its block, so equal ids mean equal prefixes and an id alone says nothing about the words.
 */
export interface PromptShape {
  readonly blocks: readonly PromptBlock[]
  /** The blocks that this answer becomes in the next prompt of the session, if the client repeats it unchanged. */
  readonly answer: readonly PromptBlock[]
  readonly toolNames: readonly string[]
  /** Keyed, over the canonical form of the tool list; null without tools. */
  readonly toolsHash: string | null
  /** Tools the model called in this answer. */
  readonly calledTools: readonly string[]
}

export interface PromptBlock {
  readonly id: string
  readonly bytes: number
  /** The caller's cache mark at the end of this block. */
  readonly mark?: '5m' | '1h'
}

export interface ExchangeContent {
  readonly request: CanonicalRequest
  /** Null when there was no complete answer. */
  readonly response: CanonicalResponse | null
}

// ------------------------------------------------------------------------------------------- tool event

/** What calling a tool twice would do; null: nobody said, and it must be treated as `write`. */
export type ToolClass = 'pure' | 'read' | 'write' | 'irreversible'

/** One call of a session with the result that the client sent back, joined by call id. */
export interface ToolEvent {
  readonly sessionId: string
  /** The exchange whose answer made the call. */
  readonly callSeq: number
  /** The exchange whose request brought the result; null: never came. */
  readonly resultSeq: number | null
  readonly callId: string
  readonly name: string
  readonly namespace: string | null
  /** Verbatim, as the model wrote it. */
  readonly argumentsText: string
  readonly result: readonly Part[] | null
  readonly isError: boolean
  readonly toolClass: ToolClass | null
}
