/**
 * What a vendor's prompt cache would have hit, written and missed for a recorded timeline of requests.
 *
 * The same traffic splits differently at each vendor, so a what-if bill must not reuse the hit counts of the
 * vendor that served it. Three families of rules cover what is published:
 *
 *   automatic   any shared prefix from `minTokens` on is a hit, in steps of `stepTokens`; writes are free
 *   marked      only prefixes that end at a caller's mark are kept; a write costs extra and lives 5 min or 1 h;
 *               a read renews the entry; a mark finds earlier entries up to `lookbackSegments` segments back
 *   units       only whole stored units are hits: a prompt, a prompt with its answer, and a prefix that two requests
 *               were seen to share; writes are free
 *
 * A prompt is a list of segments (messages, tools) with the id of their content; equal ids in equal order are
 * an equal prefix. Left out: eviction under load, warm-up delays and routing to cold machines, which no vendor
 * publishes, and in `units` the fixed steps inside long texts, whose length is not published: where those decide, as
 * measured at DeepSeek, `automatic` is the rule. A simulated hit count is an upper bound and its usage is `estimated`.
 */
import type { UsageRecord } from './usage.ts'

export interface AutomaticCacheRule {
  readonly kind: 'automatic'
  /** A prefix shorter than this is never a hit. */
  readonly minTokens: number
  /** Hits come in multiples of this. */
  readonly stepTokens: number
  /** Since the last use; null: longer than any timeline. */
  readonly lifetimeMs: number | null
  /** Does the answer enter the cache, so that the next turn hits it too? */
  readonly keepsAnswers: boolean
}

export interface MarkedCacheRule {
  readonly kind: 'marked'
  /** A marked prefix shorter than this is silently not kept. */
  readonly minTokens: number
  readonly lookbackSegments: number
}

export interface UnitCacheRule {
  readonly kind: 'units'
  /** A shorter prefix is never a hit. */
  readonly minTokens: number
  /** Hits come in multiples of this. */
  readonly stepTokens: number
  readonly lifetimeMs: number | null
}

export type CacheRule = AutomaticCacheRule | MarkedCacheRule | UnitCacheRule

export interface PromptSegment {
  /** Identity of the content, e.g. a hash. */
  readonly id: string
  readonly tokens: number
  /** The caller marked the prompt up to the end of this segment. */
  readonly mark?: '5m' | '1h'
}

export interface TimelineRequest {
  readonly atMs: number
  /** Caches are not shared between scopes (account, workspace, end user). */
  readonly scope: string
  readonly segments: readonly PromptSegment[]
  readonly outputTokens: number | null
  /** The segments that this answer becomes in the next prompt; null or absent: not known. */
  readonly answer?: PromptSegment | readonly PromptSegment[] | null
}

const markLifetimeMs = { '5m': 300_000, '1h': 3_600_000 } as const

/** One step of a prompt: everything up to and including one segment. */
interface Prefix {
  /** Null: nothing went on from here; most prefixes are ends, and an empty map is larger than all the rest. */
  children: Map<string, Prefix> | null
  /** Kept until this instant; -Infinity: not kept. */
  expiresAtMs: number
  lifetimeMs: number
  /** A unit ends here until this instant; -Infinity: none does. */
  unitUntilMs: number
}

/**
 * A cache that is asked one request after the other, so that a timeline need not be held whole. What it remembers grows
 * with the distinct segments it has seen (some 150 bytes each), because a rule may keep them without end.
 */
export class CacheSimulator {
  readonly #rule: CacheRule
  readonly #scopes = new Map<string, Prefix>()
  #lastMs = -Infinity

  constructor(rule: CacheRule) {
    this.#rule = rule
  }

  /** @throws {RangeError} when instants go backwards: a cache cannot be simulated out of order. */
  next(request: TimelineRequest): UsageRecord {
    if (request.atMs < this.#lastMs)
      throw new RangeError(`A request at ${request.atMs} follows one at ${this.#lastMs}.`)
    this.#lastMs = request.atMs
    let root = this.#scopes.get(request.scope)
    if (root === undefined) {
      root = newPrefix()
      this.#scopes.set(request.scope, root)
    }
    const rule = this.#rule
    if (rule.kind === 'units') return units(rule, root, request)
    return rule.kind === 'automatic' ? automatic(rule, root, request) : marked(rule, root, request)
  }
}

/**
 * One usage record for each request, in the order given.
 *
 * @throws {RangeError} when instants go backwards.
 */
export function simulateCache(rule: CacheRule, timeline: readonly TimelineRequest[]): readonly UsageRecord[] {
  const cache = new CacheSimulator(rule)
  return timeline.map((request) => cache.next(request))
}

function automatic(rule: AutomaticCacheRule, root: Prefix, request: TimelineRequest): UsageRecord {
  const { atMs, segments } = request
  const lifetimeMs = rule.lifetimeMs ?? Infinity
  const total = tokensOf(segments)
  let shared = 0
  let unbroken = true
  let prefix = root
  for (const segment of segments) {
    prefix = childOf(prefix, segment.id)
    unbroken &&= prefix.expiresAtMs > atMs
    if (unbroken) shared += segment.tokens
    keep(prefix, atMs, lifetimeMs)
  }
  if (rule.keepsAnswers && request.answer)
    for (const { id } of [request.answer].flat()) {
      prefix = childOf(prefix, id)
      keep(prefix, atMs, lifetimeMs)
    }
  // The last token is always computed: its logits are what the answer starts from.
  const usable = Math.min(shared, Math.max(total - 1, 0))
  const hit = usable < rule.minTokens ? 0 : Math.floor(usable / rule.stepTokens) * rule.stepTokens
  return usage(request, total, hit, 0, 0)
}

/**
 * A prefix that was merely part of an earlier prompt is seen but not stored: sharing it is a miss, and makes it a unit
 * that the next request hits.
 */
function units(rule: UnitCacheRule, root: Prefix, request: TimelineRequest): UsageRecord {
  const { atMs, segments } = request
  const untilMs = atMs + (rule.lifetimeMs ?? Infinity)
  const total = tokensOf(segments)
  let stored = 0
  let upTo = 0
  let shared: Prefix | null = null
  let unbroken = true
  let prefix = root
  for (const segment of segments) {
    prefix = childOf(prefix, segment.id)
    upTo += segment.tokens
    unbroken &&= prefix.expiresAtMs > atMs
    if (unbroken) shared = prefix
    if (prefix.unitUntilMs > atMs) {
      stored = upTo
      prefix.unitUntilMs = untilMs
    }
    keep(prefix, atMs, rule.lifetimeMs ?? Infinity)
  }
  if (shared !== null) shared.unitUntilMs = untilMs
  if (prefix !== root) prefix.unitUntilMs = untilMs
  if (request.answer) {
    for (const { id } of [request.answer].flat()) {
      prefix = childOf(prefix, id)
      keep(prefix, atMs, rule.lifetimeMs ?? Infinity)
    }
    prefix.unitUntilMs = untilMs
  }
  // The last token is always computed.
  const usable = Math.min(stored, Math.max(total - 1, 0))
  const hit = usable < rule.minTokens ? 0 : Math.floor(usable / rule.stepTokens) * rule.stepTokens
  return usage(request, total, hit, 0, 0)
}

function marked(rule: MarkedCacheRule, root: Prefix, request: TimelineRequest): UsageRecord {
  const { atMs, segments } = request
  const total = tokensOf(segments)
  const path: { readonly prefix: Prefix; readonly upTo: number; readonly mark: PromptSegment['mark'] }[] = []
  let prefix = root
  let upTo = 0
  for (const segment of segments) {
    prefix = childOf(prefix, segment.id)
    upTo += segment.tokens
    path.push({ prefix, upTo, mark: segment.mark })
  }
  let hit = 0
  for (const [index, { mark }] of path.entries()) {
    if (mark === undefined) continue
    for (const earlier of path.slice(Math.max(0, index - rule.lookbackSegments), index + 1))
      if (earlier.prefix.expiresAtMs > atMs && earlier.upTo > hit) hit = earlier.upTo
  }
  let written5m = 0
  let written1h = 0
  let covered = hit
  for (const step of path) {
    // A read renews what was kept, at its own lifetime.
    if (step.upTo <= hit && step.prefix.expiresAtMs > atMs) keep(step.prefix, atMs, step.prefix.lifetimeMs)
    if (step.mark === undefined || step.upTo < rule.minTokens) continue
    if (step.upTo > covered) {
      if (step.mark === '1h') written1h += step.upTo - covered
      else written5m += step.upTo - covered
      covered = step.upTo
    }
    keep(step.prefix, atMs, Math.max(markLifetimeMs[step.mark], step.upTo <= hit ? step.prefix.lifetimeMs : 0))
  }
  return usage(request, total, hit, written5m, written1h)
}

function newPrefix(): Prefix {
  return { children: null, expiresAtMs: -Infinity, lifetimeMs: 0, unitUntilMs: -Infinity }
}

function childOf(prefix: Prefix, id: string): Prefix {
  const children = (prefix.children ??= new Map())
  let child = children.get(id)
  if (child === undefined) {
    child = newPrefix()
    children.set(id, child)
  }
  return child
}

function keep(prefix: Prefix, atMs: number, lifetimeMs: number): void {
  prefix.lifetimeMs = lifetimeMs
  prefix.expiresAtMs = Math.max(prefix.expiresAtMs, atMs + lifetimeMs)
}

function tokensOf(segments: readonly PromptSegment[]): number {
  return segments.reduce((sum, { tokens }) => sum + tokens, 0)
}

function usage(
  request: TimelineRequest,
  total: number,
  hit: number,
  written5m: number,
  written1h: number,
): UsageRecord {
  return {
    inputTokens: total,
    hitTokens: hit,
    missTokens: total - hit - written5m - written1h,
    writtenTokens: written5m + written1h,
    written1hTokens: written1h,
    outputTokens: request.outputTokens,
    reasoningTokens: null,
    raw: null,
    source: 'estimated',
    convention: 'cached-inside',
  }
}
