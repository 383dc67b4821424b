/**
 * What the same tasks cost on each arm, in three readings that are only honest together:
 *
 *   observed   as billed in the replay (which runs faster than life, so caches look too good or, on a cold start, too bad)
 *   steady     hits that the vendor's cache rule gives on the recorded timeline, with the prompt kept as recorded
 *   cold       no hit at all: what the first hours of a move cost
 *
 * Tokens are those measured in the replay; rates are those of the plan's price day. A reading that the data do not
 * allow is null with its reason. All amounts are nanos of one currency over all tasks that every arm has in common.
 */
import {
  cacheRuleOf,
  CacheSimulator,
  costOf,
  isUnpriced,
  priceOfRecord,
  priceTimeline,
  type Price,
  type PriceBook,
  type PriceRecord,
  type UsageRecord,
} from '@portolan/meter'
import type { Case, Exchange } from '../records/index.ts'
import { timedExchange } from '../recording/timeline.ts'
import type { ArmCases, CountedAttempt } from './arm-cases.ts'

/** Whose price list an arm is billed by. */
export interface ArmPricing {
  readonly vendor: string
  readonly model: string
  readonly currency: string
}

export interface Pricing {
  readonly book: PriceBook
  /** By arm name; an arm that is missing is not priced. */
  readonly arms: Readonly<Record<string, ArmPricing>>
  /**
   * What was recorded, by arrival, for the steady reading; gone through once for each report. Null: not at hand, e.g. a
   * recording without prompt shapes.
   */
  readonly exchanges: Iterable<Exchange> | null
}

/** `charged`: what was billed on the day. `list`: the list price that a promotion of that day suspends. */
export type PriceBasis = 'charged' | 'list'

export interface CostScenario {
  readonly name: string
  readonly asOf: string
  readonly basis: PriceBasis
}

export interface Amount {
  /** Null: not known, and `why` says why. */
  readonly nanos: bigint | null
  readonly why: string | null
}

export interface ArmCost {
  readonly arm: string
  /** As stored with the attempts, at whatever price was in force when they ran. */
  readonly observed: Amount
  /** The observed tokens at the scenario's rates. */
  readonly repriced: Amount
  readonly steady: Amount
  readonly cold: Amount
  /** Share of prompt tokens that were, or would be, hits; null: not known. */
  readonly observedHitShare: number | null
  readonly steadyHitShare: number | null
  readonly priceVersions: readonly string[]
}

export interface CostTable {
  readonly scenario: CostScenario
  readonly tasks: number
  readonly arms: readonly ArmCost[]
  /** By candidate: the hit share at which it costs what the incumbent does; null: at none, or not known. */
  readonly breakEven: readonly {
    readonly arm: string
    readonly hitShare: number | null
    readonly against: 'steady' | 'observed'
  }[]
}

export interface CostQuestion {
  readonly arms: ArmCases
  readonly cases: readonly Case[]
  readonly incumbent: string
  readonly candidates: readonly string[]
  readonly pricing: Pricing | null
}

/** @param steady the same for all scenarios, and worth making once */
export function costTable(
  question: CostQuestion,
  scenario: CostScenario,
  steady: SteadyHits = steadyHits(question),
): CostTable {
  const { arms, cases, incumbent, candidates } = question
  const names = [incumbent, ...candidates.filter((name) => arms.has(name))]
  const common = cases.filter(({ id }) => names.every((name) => arms.of(name, id).length > 0))
  const read = names.map((name) => armCost(question, name, common, scenario, steady))
  const then = read[0]!
  const against = then.cost.steady.nanos === null ? 'observed' : 'steady'
  const target = then.cost.steady.nanos ?? then.cost.repriced.nanos
  return {
    scenario,
    tasks: common.length,
    arms: read.map(({ cost }) => cost),
    breakEven: read.slice(1).map(({ cost, warmNanos }) => ({
      arm: cost.arm,
      hitShare: breakEvenShare(target, cost.cold.nanos, warmNanos),
      against,
    })),
  }
}

/** Scenarios of a plan: its price day as charged, its list where a promotion suspends one, and the further days. */
export function scenariosOf(
  { asOf, scenarios }: { readonly asOf: string; readonly scenarios: readonly { name: string; asOf: string }[] },
  pricing: Pricing | null,
): CostScenario[] {
  const suspended =
    pricing !== null &&
    Object.values(pricing.arms).some((arm) => suspendedList(pricing.book, arm, Date.parse(asOf)) !== null)
  return [
    { name: 'price day', asOf, basis: 'charged' },
    ...(suspended ? [{ name: 'list price without the promotion', asOf, basis: 'list' } as const] : []),
    ...scenarios.map(({ name, asOf: day }): CostScenario => ({ name, asOf: day, basis: 'charged' })),
  ]
}

function armCost(
  question: CostQuestion,
  arm: string,
  common: readonly Case[],
  scenario: CostScenario,
  steadyHitsOf: SteadyHits,
): { cost: ArmCost; warmNanos: bigint | null } {
  const { arms, pricing } = question
  const observed = observedOf(common.map(({ id }) => arms.of(arm, id)))
  const nothing = (why: string): { cost: ArmCost; warmNanos: null } => ({
    cost: {
      arm,
      observed,
      repriced: { nanos: null, why },
      steady: { nanos: null, why },
      cold: { nanos: null, why },
      observedHitShare: hitShareOf(common.flatMap(({ id }) => usagesOf(arms.of(arm, id)))),
      steadyHitShare: null,
      priceVersions: [],
    },
    warmNanos: null,
  })
  const named = pricing?.arms[arm]
  if (pricing === null || named === undefined) return nothing(`${arm} has no price list.`)
  const record = recordFor(pricing.book, named, scenario)
  if (record === null)
    return nothing(`The price book has no ${named.currency} price of ${named.model} for ${scenario.asOf}.`)
  const versions = new Set<string>()
  const sum = (usageOf: (usage: UsageRecord, test: Case) => UsageRecord | null): Amount => {
    let total = 0n
    for (const test of common) {
      const attempts = arms.of(arm, test.id)
      let nanos = 0n
      for (const attempt of attempts)
        for (const usage of usagesOf([attempt])) {
          const assumed = usageOf(usage, test)
          if (assumed === null) return { nanos: null, why: `The recorded timeline does not cover case ${test.id}.` }
          const price = priceOf(record, named, assumed, attempt.startedAtMs)
          if (price === null) return { nanos: null, why: `The price of ${named.model} does not fit case ${test.id}.` }
          const { totalNanos, unpriced } = costOf(assumed, price)
          if (totalNanos === null) return { nanos: null, why: `Case ${test.id}: ${unpriced?.message ?? 'not priced'}` }
          versions.add(price.versionId)
          nanos += totalNanos
        }
      // Replicates are one task, not several.
      total += nanos / BigInt(attempts.length)
    }
    return { nanos: total, why: null }
  }
  const hits = steadyHitsOf.get(arm) ?? null
  const steady: Amount =
    hits === null
      ? { nanos: null, why: 'The recorded prompts or the cache rule of the vendor are not at hand.' }
      : sum((usage, test) => {
          const share = hits.get(`${test.sessionId}\0${test.seq}`)
          return share === undefined ? null : withHits(usage, share)
        })
  const usages = common.flatMap((test) => usagesOf(arms.of(arm, test.id)).map((usage) => ({ usage, test })))
  const steadyUsages = usages.flatMap(({ usage, test }) => {
    const assumed = withHits(usage, hits?.get(`${test.sessionId}\0${test.seq}`) ?? 0)
    return assumed === null ? [] : [assumed]
  })
  return {
    cost: {
      arm,
      observed,
      repriced: sum((usage) => usage),
      steady,
      cold: sum((usage) => withHits(usage, 0)),
      observedHitShare: hitShareOf(usages.map(({ usage }) => usage)),
      steadyHitShare: steady.nanos === null ? null : hitShareOf(steadyUsages),
      priceVersions: [...versions].sort(),
    },
    warmNanos: sum((usage) => withHits(usage, 1)).nanos,
  }
}

function observedOf(cases: readonly (readonly CountedAttempt[])[]): Amount {
  let [total, unknown] = [0n, 0]
  for (const attempts of cases) {
    let nanos = 0n
    for (const { costNanos } of attempts)
      if (costNanos === null) unknown++
      else nanos += costNanos
    total += nanos / BigInt(Math.max(1, attempts.length))
  }
  if (cases.length === 0) return { nanos: null, why: 'No task was asked of all arms.' }
  return unknown === 0 ? { nanos: total, why: null } : { nanos: null, why: `${unknown} attempts have no price.` }
}

/** Attempts without an answer were not billed by tokens; their usage is not known and not guessed. */
function usagesOf(attempts: readonly CountedAttempt[]): UsageRecord[] {
  return attempts.flatMap(({ turns }) => turns.filter(({ answered }) => answered).map(({ usage }) => usage))
}

function hitShareOf(usages: readonly UsageRecord[]): number | null {
  let [hit, input] = [0, 0]
  for (const { hitTokens, inputTokens } of usages) {
    if (hitTokens === null || inputTokens === null) return null
    hit += hitTokens
    input += inputTokens
  }
  return input === 0 ? null : hit / input
}

/** The same prompt and answer with another share of hits; writes are input that was no hit. */
function withHits(usage: UsageRecord, share: number): UsageRecord | null {
  const { inputTokens } = usage
  if (inputTokens === null) return null
  const hitTokens = Math.floor(inputTokens * share)
  const writes = (usage.writtenTokens ?? 0) > 0
  const rest = inputTokens - hitTokens
  return {
    ...usage,
    hitTokens,
    missTokens: writes ? 0 : rest,
    writtenTokens: writes ? rest : 0,
    written1hTokens: 0,
    source: 'estimated',
  }
}

/** A bill is a straight line in the hit share, so two points give the crossing. */
function breakEvenShare(target: bigint | null, cold: bigint | null, warm: bigint | null): number | null {
  if (target === null || cold === null || warm === null || cold === warm) return null
  const share = Number(cold - target) / Number(cold - warm)
  return share >= 0 && share <= 1 ? share : null
}

// ------------------------------------------------------------------------------------------------- prices

function recordFor(book: PriceBook, arm: ArmPricing, { asOf, basis }: CostScenario): PriceRecord | null {
  const atMs = Date.parse(asOf)
  const list = basis === 'list' ? suspendedList(book, arm, atMs) : null
  return list ?? priceTimeline(book, arm, atMs, atMs + 1)[0]?.record ?? null
}

function suspendedList(book: PriceBook, arm: ArmPricing, atMs: number): PriceRecord | null {
  return (
    book.records.find(
      ({ status, vendor, model, currency, fromMs, untilMs, withdrawnMs }) =>
        status === 'list_suspended_by_promo' &&
        vendor === arm.vendor &&
        model === arm.model &&
        currency === arm.currency &&
        fromMs <= atMs &&
        atMs < Math.min(untilMs ?? Infinity, withdrawnMs ?? Infinity),
    ) ?? null
  )
}

function priceOf(record: PriceRecord, { model }: ArmPricing, usage: UsageRecord, atMs: number): Price | null {
  const price = priceOfRecord(record, model, { atMs, promptTokens: usage.inputTokens })
  return isUnpriced(price) ? null : price
}

/** By arm: hit share of every recorded exchange under the vendor's own rule, by session and place in it. */
export type SteadyHits = ReadonlyMap<string, ReadonlyMap<string, number>>

/** One pass over what was recorded, for all arms. An arm without a rule, or without a timeline, is not in it. */
export function steadyHits({ incumbent, candidates, pricing }: CostQuestion): SteadyHits {
  const caches = [incumbent, ...candidates].flatMap((arm) => {
    const named = pricing?.arms[arm]
    const rule = pricing && named ? cacheRuleOf(pricing.book, named.vendor, named.model) : null
    return rule === null ? [] : [{ arm, cache: new CacheSimulator(rule), shares: new Map<string, number>() }]
  })
  if (pricing === null || pricing.exchanges === null || caches.length === 0) return new Map()
  let recorded = false
  let lastMs = -Infinity
  for (const exchange of pricing.exchanges) {
    recorded = true
    const request = timedExchange(exchange, exchange.recordingId)
    if (request === null) continue
    // A session's clock may stand a moment behind that of the one before.
    lastMs = Math.max(lastMs, request.atMs)
    for (const { cache, shares } of caches) {
      const { hitTokens, inputTokens } = cache.next({ ...request, atMs: lastMs })
      const share = hitTokens === null || !inputTokens ? 0 : hitTokens / inputTokens
      shares.set(`${exchange.sessionId}\0${exchange.seq}`, share)
    }
  }
  return new Map(recorded ? caches.map(({ arm, shares }) => [arm, shares]) : [])
}
