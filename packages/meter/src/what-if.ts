/**
 * Recorded requests priced again under another model, day, tokenizer and cache; the record itself is not touched.
 *
 * Each request is priced on its own (tiers and rounding are per request). Requests that cannot be priced are
 * counted with their reason, never as zero. A cache is simulated from what the ledger keeps of each request: its
 * conversation, its instant, and the share of the earlier prompt that it repeated; prompts themselves are not
 * kept, so hits are an estimate. Left out: another answer length, unless the caller says so.
 */
import type { CacheRule } from './cache-simulator.ts'
import { costOf, costTiers, type CostTier, type RequestCost } from './cost.ts'
import {
  isUnpriced,
  priceOfRecord,
  priceAt,
  priceTimeline,
  type Price,
  type PriceBook,
  type Unpriced,
} from './price-book.ts'
import type { UsageRecord } from './usage.ts'

/** What of a ledger row the question needs. */
export interface RecordedRequest {
  readonly startedAtMs: number
  readonly sessionId: string | null
  readonly usage: UsageRecord
  readonly currency: string | null
  readonly costNanos: bigint | null
  readonly tierNanos: Readonly<Record<CostTier, bigint | null>> | null
  readonly bytesIn: number
  /** Null: the first prompt of its line of talk, or not measured. */
  readonly prefixKeptBytes: number | null
}

export type HitAssumption =
  | { readonly kind: 'observed' }
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'simulated'; readonly rule: CacheRule }

export interface WhatIf {
  readonly book: PriceBook
  readonly vendor: string
  readonly model: string
  readonly currency: string
  /** Whose day's price list holds; null: the day of each request. Peak hours always go by the request's own clock. */
  readonly atMs: number | null
  readonly hits: HitAssumption
  /** Tokens the model makes of one recorded token. */
  readonly tokenizerRatio: number
  readonly outputRatio: number
  /** Every prompt token that is no hit is written to the cache at the five-minute price. */
  readonly writesMisses: boolean
}

export interface TierSum {
  readonly tokens: number
  readonly nanos: bigint
}

export interface RepricedTraffic {
  readonly requests: number
  readonly tiers: Readonly<Record<CostTier, TierSum>>
  readonly totalNanos: bigint
  /** Requests that this model, day or usage has no price for, by reason. */
  readonly unpriced: ReadonlyMap<string, number>
  /** Requests whose tokens nobody knows: in neither bill. */
  readonly withoutUsage: number
  /** Of the priced ones, what the record says they cost, by currency; unpriced in the record: counted apart. */
  readonly recordedNanos: ReadonlyMap<string, bigint>
  readonly recordedTiers: ReadonlyMap<string, Readonly<Record<CostTier, TierSum>>>
  readonly recordedUnpriced: number
  /** Price versions that were used. */
  readonly versions: ReadonlySet<string>
  /** Simulated only: prompt tokens whose conversation is not known, taken as cold. */
  readonly coldTokens: number
  readonly promptTokens: number
}

/** @param requests oldest first: a cache is simulated in their order. */
export function repriceTraffic(requests: Iterable<RecordedRequest>, question: WhatIf): RepricedTraffic {
  const tiers = emptyTiers()
  const unpriced = new Map<string, number>()
  const recordedNanos = new Map<string, bigint>()
  const recordedTiers = new Map<string, Record<CostTier, TierSum>>()
  const versions = new Set<string>()
  const sessions = new SessionCaches()
  let [count, withoutUsage, recordedUnpriced, coldTokens, promptTokens] = [0, 0, 0, 0, 0]
  let totalNanos = 0n
  const priceFor = pricer(question)
  for (const request of requests) {
    const input = request.usage.inputTokens
    if (input === null || request.usage.outputTokens === null) {
      withoutUsage++
      continue
    }
    if (question.hits.kind === 'simulated' && request.sessionId === null) coldTokens += input
    promptTokens += input
    const usage = assumedUsage(request, question, sessions)
    const price = priceFor(request.startedAtMs, usage.inputTokens)
    const cost: RequestCost | null = isUnpriced(price) ? null : costOf(usage, price)
    if (cost === null || cost.totalNanos === null) {
      const reason = isUnpriced(price) ? price.unpriced : (cost?.unpriced?.reason ?? 'bad-usage')
      unpriced.set(reason, (unpriced.get(reason) ?? 0) + 1)
      continue
    }
    count++
    totalNanos += cost.totalNanos
    if (cost.versionId !== null) versions.add(cost.versionId)
    addTiers(tiers, tokensOf(usage), cost.tierNanos)
    if (request.costNanos === null || request.currency === null) recordedUnpriced++
    else {
      recordedNanos.set(request.currency, (recordedNanos.get(request.currency) ?? 0n) + request.costNanos)
      const sums = recordedTiers.get(request.currency) ?? emptyTiers()
      recordedTiers.set(request.currency, sums)
      addTiers(sums, tokensOf(request.usage), request.tierNanos)
    }
  }
  return {
    requests: count,
    tiers,
    totalNanos,
    unpriced,
    withoutUsage,
    recordedNanos,
    recordedTiers,
    recordedUnpriced,
    versions,
    coldTokens,
    promptTokens,
  }
}

/** With a fixed day its record decides, and each request's own clock whether it is peak. */
function pricer({ book, vendor, model, currency, atMs }: WhatIf) {
  const name = { vendor, model, currency }
  const fixed = atMs === null ? null : (priceTimeline(book, name, atMs, atMs + 1)[0]?.record ?? null)
  return (startedAtMs: number, promptTokens: number | null): Price | Unpriced => {
    if (fixed !== null) return priceOfRecord(fixed, model, { atMs: startedAtMs, promptTokens })
    return priceAt(book, { ...name, atMs: atMs ?? startedAtMs, promptTokens })
  }
}

/** What the request would have reported under the assumptions. */
function assumedUsage(request: RecordedRequest, question: WhatIf, sessions: SessionCaches): UsageRecord {
  const { hits, tokenizerRatio, outputRatio, writesMisses } = question
  const { usage } = request
  const input = scaled(usage.inputTokens ?? 0, tokenizerRatio)
  const output = scaled(usage.outputTokens ?? 0, tokenizerRatio * outputRatio)
  const hit = hitsOf(request, input, hits, tokenizerRatio, sessions)
  let written = hits.kind === 'observed' ? scaled(usage.writtenTokens ?? 0, tokenizerRatio) : 0
  if (writesMisses || (hits.kind === 'simulated' && hits.rule.kind === 'marked' && input >= hits.rule.minTokens))
    written = input - (hit ?? 0)
  written = Math.min(written, input - (hit ?? 0))
  const written1h = Math.min(hits.kind === 'observed' ? scaled(usage.written1hTokens ?? 0, tokenizerRatio) : 0, written)
  return {
    inputTokens: input,
    hitTokens: hit,
    missTokens: hit === null ? null : input - hit - written,
    writtenTokens: written,
    written1hTokens: written1h,
    outputTokens: output,
    reasoningTokens:
      usage.reasoningTokens === null ? null : scaled(usage.reasoningTokens, tokenizerRatio * outputRatio),
    raw: null,
    source: 'estimated',
    convention: 'cached-inside',
  }
}

function hitsOf(
  request: RecordedRequest,
  input: number,
  hits: HitAssumption,
  ratio: number,
  sessions: SessionCaches,
): number | null {
  if (hits.kind === 'observed') {
    const { hitTokens } = request.usage
    return hitTokens === null ? null : Math.min(scaled(hitTokens, ratio), input)
  }
  if (hits.kind === 'share') return Math.floor(input * hits.share)
  return sessions.hit(request, input, hits.rule)
}

const markedLifetimeMs = 300_000

/** One line of talk per conversation: what a request repeats of the one before it, while that is still kept. */
class SessionCaches {
  readonly #lastUseMs = new Map<string, number>()

  hit(request: RecordedRequest, input: number, rule: CacheRule): number {
    const { sessionId, startedAtMs, prefixKeptBytes, bytesIn } = request
    if (sessionId === null) return 0
    // A conversation that began before the time in question: its last use is not known, so it is taken as recent.
    const last = this.#lastUseMs.get(sessionId) ?? startedAtMs
    this.#lastUseMs.set(sessionId, startedAtMs)
    const lifetimeMs = rule.kind === 'marked' ? markedLifetimeMs : (rule.lifetimeMs ?? Infinity)
    if (prefixKeptBytes === null || bytesIn <= 0 || startedAtMs - last > lifetimeMs) return 0
    // The last token is always computed.
    const shared = Math.min(Math.floor((input * prefixKeptBytes) / bytesIn), input - 1)
    if (shared < rule.minTokens) return 0
    return rule.kind === 'marked' ? shared : Math.floor(shared / rule.stepTokens) * rule.stepTokens
  }
}

function emptyTiers(): Record<CostTier, TierSum> {
  const none = { tokens: 0, nanos: 0n }
  return { miss: none, hit: none, write5m: none, write1h: none, output: none }
}

function addTiers(
  sums: Record<CostTier, TierSum>,
  tokens: Readonly<Record<CostTier, number>>,
  nanos: Readonly<Record<CostTier, bigint | null>> | null,
): void {
  for (const tier of costTiers)
    sums[tier] = { tokens: sums[tier].tokens + tokens[tier], nanos: sums[tier].nanos + (nanos?.[tier] ?? 0n) }
}

function tokensOf(usage: UsageRecord): Readonly<Record<CostTier, number>> {
  const written1h = usage.written1hTokens ?? 0
  return {
    miss: usage.missTokens ?? 0,
    hit: usage.hitTokens ?? 0,
    write5m: (usage.writtenTokens ?? 0) - written1h,
    write1h: written1h,
    output: usage.outputTokens ?? 0,
  }
}

function scaled(tokens: number, ratio: number): number {
  return Math.round(tokens * ratio)
}
