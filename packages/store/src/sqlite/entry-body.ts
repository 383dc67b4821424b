/**
 * An entry as text: a JSON array in a fixed order, which is what is stored, hashed and archived.
 *
 * The bytes are the truth: nothing has to be spelled again to check a digest. Columns of the same names stand beside
 * it as virtual columns (`migrations/0003-ledger-entries.sql` numbers them). Text that callers choose is cut to a
 * stated length, and a count that is no whole number is stored as unknown beside the source's own usage object, so
 * that no request can make its row unwritable. Amounts beyond 2^53 are decimal text.
 */
import { hash } from 'node:crypto'
import { costTiers, type CostTier, type UsageRecord } from '@portolan/meter'
import type { Billing, Correction, CorrectionInput } from '../corrections.ts'
import { requestStatuses, type LedgerRow } from '../ledger.ts'

const longestRaw = 2048
const longestTags = 4096

/** One literal, not a table of functions: this runs for every request, and the table costs 1 µs a row more. */
export function rowBody(row: LedgerRow): string {
  const { usage, tierNanos } = row
  const members: unknown[] = [
    row.requestId,
    cut(row.keyId, 128),
    cut(row.team, 128),
    cut(row.tag, 128),
    cut(row.sessionId, 256),
    row.door,
    cut(row.path, 512),
    cut(row.upstream, 128),
    row.upstreamProtocol,
    cut(row.modelAsked, 256),
    cut(row.modelSent, 256),
    cut(row.modelServed, 256),
    cut(row.upstreamRequestId, 256),
    row.stream ? 1 : 0,
    row.status,
    whole(row.httpStatus),
    cut(row.errorCode, 128),
    usage.source,
    usage.convention,
    count(usage.inputTokens),
    count(usage.hitTokens),
    count(usage.missTokens),
    count(usage.writtenTokens),
    count(usage.written1hTokens),
    count(usage.outputTokens),
    count(usage.reasoningTokens),
    usage.raw,
    row.currency,
    amount(row.costNanos),
    amount(tierNanos?.miss),
    amount(tierNanos?.hit),
    amount(tierNanos?.write5m),
    amount(tierNanos?.write1h),
    amount(tierNanos?.output),
    cut(row.priceVersion, 256),
    cut(row.unpricedReason, 512),
    Math.round(row.startedAtMs),
    whole(row.firstByteMs),
    whole(row.firstReasoningMs),
    whole(row.firstTextMs),
    whole(row.endMs),
    whole(row.bytesIn) ?? 0,
    whole(row.bytesOut) ?? 0,
    whole(row.prefixKeptBytes),
    whole(row.prefixTotalBytes),
    cut(row.prefixBreakCause, 256),
    cut(row.translation, 1024),
    whole(row.attempts) ?? 0,
    row.tags,
  ]
  // Behind the rest, and only where there is something to say: other rows are what they were.
  if (usage.estimatedBy !== undefined) members.push(cut(usage.estimatedBy, 128))
  try {
    const body = JSON.stringify(members)
    // Nearly every row: too short for either of its free parts to be too long.
    if (body.length <= longestRaw) return body
  } catch {
    // The upstream's own object holds something that JSON cannot say.
  }
  members[rawAt] = boundedJson(usage.raw, longestRaw)
  members[tagsAt] = boundedJson(row.tags, longestTags)
  return JSON.stringify(members)
}

const rawAt = 26
const tagsAt = 48
const estimatedByAt = 49

/** 128 bits: enough that nobody finds another text with it, short enough to stand on every row. */
export function digestOf(body: string): string {
  return hash('sha256', body, 'base64url').slice(0, 22)
}

export function readRowBody(body: string): LedgerRow {
  const members = JSON.parse(body) as readonly unknown[]
  const at = (index: number): unknown => members[index]
  return {
    requestId: String(at(0)),
    keyId: text(at(1)),
    team: text(at(2)),
    tag: text(at(3)),
    sessionId: text(at(4)),
    door: oneOf(['chat', 'messages', 'responses'], at(5)),
    path: String(at(6)),
    upstream: text(at(7)),
    upstreamProtocol: oneOf(['chat', 'messages', 'responses'], at(8)),
    modelAsked: text(at(9)),
    modelSent: text(at(10)),
    modelServed: text(at(11)),
    upstreamRequestId: text(at(12)),
    stream: at(13) === 1,
    status: oneOf(requestStatuses, at(14)) ?? 'error',
    httpStatus: number(at(15)),
    errorCode: text(at(16)),
    ...readBilling([...members.slice(17, 36), at(estimatedByAt)]),
    startedAtMs: number(at(36)) ?? 0,
    firstByteMs: number(at(37)),
    firstReasoningMs: number(at(38)),
    firstTextMs: number(at(39)),
    endMs: number(at(40)),
    bytesIn: number(at(41)) ?? 0,
    bytesOut: number(at(42)) ?? 0,
    prefixKeptBytes: number(at(43)),
    prefixTotalBytes: number(at(44)),
    prefixBreakCause: text(at(45)),
    translation: text(at(46)),
    attempts: number(at(47)) ?? 0,
    tags: readTags(at(tagsAt)),
  }
}

export function correctionBody(correction: Correction): string {
  return JSON.stringify([
    correction.correctionId,
    correction.requestId,
    Math.round(correction.madeAtMs),
    correction.actor,
    correction.reason,
    correction.source,
    billingMembers(correction.before),
    billingMembers(correction.after),
  ])
}

export function readCorrectionBody(body: string): Correction {
  const [correctionId, requestId, madeAtMs, actor, reason, source, before, after] = JSON.parse(body) as unknown[]
  const input: Omit<CorrectionInput, 'after'> = {
    correctionId: String(correctionId),
    requestId: String(requestId),
    madeAtMs: number(madeAtMs) ?? 0,
    actor: String(actor),
    reason: String(reason),
    source: String(source),
  }
  return { ...input, before: readBilling(before as unknown[]), after: readBilling(after as unknown[]) }
}

/** In the order of a row's members 17 to 35, and then its last. */
function billingMembers({ usage, currency, costNanos, tierNanos, priceVersion, unpricedReason }: Billing): unknown[] {
  return [
    usage.source,
    usage.convention,
    count(usage.inputTokens),
    count(usage.hitTokens),
    count(usage.missTokens),
    count(usage.writtenTokens),
    count(usage.written1hTokens),
    count(usage.outputTokens),
    count(usage.reasoningTokens),
    boundedJson(usage.raw, longestRaw),
    currency,
    amount(costNanos),
    ...costTiers.map((tier) => amount(tierNanos?.[tier])),
    cut(priceVersion, 256),
    cut(unpricedReason, 512),
    ...(usage.estimatedBy === undefined ? [] : [cut(usage.estimatedBy, 128)]),
  ]
}

function readBilling(members: readonly unknown[]): Billing {
  const [source, convention, input, hit, miss, written, written1h, output, reasoning, raw] = members
  const tiers = members.slice(12, 17).map(nanos)
  const usage: UsageRecord = {
    inputTokens: number(input),
    hitTokens: number(hit),
    missTokens: number(miss),
    writtenTokens: number(written),
    written1hTokens: number(written1h),
    outputTokens: number(output),
    reasoningTokens: number(reasoning),
    raw: raw ?? null,
    source: oneOf(['reported', 'counted', 'estimated', 'none'], source) ?? 'none',
    convention: oneOf(['cached-inside', 'cached-outside', 'unknown'], convention) ?? 'unknown',
    ...(typeof members[19] === 'string' && { estimatedBy: members[19] }),
  }
  const tier = (name: CostTier): bigint | null => tiers[costTiers.indexOf(name)] ?? null
  return {
    usage,
    currency: text(members[10]),
    costNanos: nanos(members[11]),
    tierNanos: tiers.every((value) => value === null)
      ? null
      : {
          miss: tier('miss'),
          hit: tier('hit'),
          write5m: tier('write5m'),
          write1h: tier('write1h'),
          output: tier('output'),
        },
    priceVersion: text(members[17]),
    unpricedReason: text(members[18]),
  }
}

/** Cut to a length without leaving half a surrogate pair behind. */
export function cut(value: string | null, length: number): string | null {
  return value === null || value.length <= length ? value : value.slice(0, length).toWellFormed()
}

/** A token count, or null where it is none. */
export function count(tokens: number | null): number | null {
  return tokens !== null && Number.isSafeInteger(tokens) ? tokens : null
}

function whole(value: number | null): number | null {
  return value !== null && Number.isSafeInteger(Math.round(value)) ? Math.round(value) : null
}

function amount(value: bigint | null | undefined): number | string | null {
  if (value === null || value === undefined) return null
  const near = Number(value)
  return Number.isSafeInteger(near) ? near : value.toString()
}

function nanos(value: unknown): bigint | null {
  return typeof value === 'number' || typeof value === 'string' ? BigInt(value) : null
}

/** The value itself, or null when its JSON is longer than allowed or cannot be written. */
function boundedJson(value: unknown, longest: number): unknown {
  try {
    return (JSON.stringify(value) ?? '').length <= longest ? value : null
  } catch {
    return null
  }
}

function readTags(value: unknown): Record<string, string> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return Object.fromEntries(entries.map(([name, member]) => [name, String(member)]))
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

function oneOf<T extends string>(words: readonly T[], value: unknown): T | null {
  return words.find((word) => word === value) ?? null
}
