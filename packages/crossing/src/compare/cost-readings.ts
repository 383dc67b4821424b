/**
 * What the same tasks cost on each arm, in three readings that are only honest together:
 *
 *   observed   as billed in the replay (which runs faster than life, so caches look too good or, on a cold start, too bad)
 *   steady     hits that the vendor's cache rule gives on the recorded timeline, with the prompt kept as recorded
 *   cold       no hit at all: what the first hours of a move cost
 *
 * Tokens are those measured in the replay; rates are those of the plan's price day. A reading that the data do not
 * allow is null with its reason. All amounts are nanos of one currency over all tasks that every arm has in common, each
 * counted by its weight, so that a task costs what it does in production and not what it does in the sample.
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
import { ratioOfTotals, type Interval } from '../statistics/index.ts'
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
  /** Candidate over incumbent, with intervals from resampled sessions; a reading that either side lacks is not in it. */
  readonly ratios: readonly CostRatio[]
}

export interface CostRatio {
  readonly arm: string
  readonly reading: CostReading
  readonly estimate: number
  /** Null: measured in one session, which has no interval. */
  readonly interval: Interval | null
}

export const costReadings = ['observed', 'repriced', 'steady', 'cold'] as const
export type CostReading = (typeof costReadings)[number]

export interface CostQuestion {
  readonly arms: ArmCases
  readonly cases: readonly Case[]
  readonly incumbent: string
  readonly candidates: readonly string[]
  readonly pricing: Pricing | null
  /** Of the bootstrap; null: no ratios are wanted. */
  readonly bootstrap?: { readonly seed: number; readonly confidence: number } | null
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
    ratios: question.bootstrap
      ? read.slice(1).flatMap((mine) => ratiosOf(common, mine, then, question.bootstrap!))
      : [],
  }
}

function ratiosOf(
  common: readonly Case[],
  mine: ArmRead,
  theirs: ArmRead,
  options: { readonly seed: number; readonly confidence: number },
): CostRatio[] {
  return costReadings.flatMap((reading): CostRatio[] => {
    const [candidate, incumbent] = [mine.byCase[reading], theirs.byCase[reading]]
    if (candidate === null || incumbent === null) return []
    const { ratio, interval } = ratioOfTotals(
      common.map(({ sessionId, weight }, at) => ({
        session: sessionId,
        weight,
        candidate: candidate[at]!,
        incumbent: incumbent[at]!,
      })),
      options,
    )
    return ratio === null ? [] : [{ arm: mine.cost.arm, reading, estimate: ratio, interval }]
  })
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

/** What each task cost, in the order of the common cases; null: the reading is not known. */
type ByCase = Readonly<Record<CostReading, Float64Array | null>>

interface ArmRead {
  readonly cost: ArmCost
  readonly warmNanos: bigint | null
  readonly byCase: ByCase
}

interface Total extends Amount {
  readonly byCase: Float64Array | null
}

function unknownTotal(why: string): Total {
  return { nanos: null, why, byCase: null }
}

function amountOf({ nanos, why }: Total): Amount {
  return { nanos, why }
}

function armCost(
  question: CostQuestion,
  arm: string,
  common: readonly Case[],
  scenario: CostScenario,
  steadyHitsOf: SteadyHits,
): ArmRead {
  const { arms, pricing } = question
  const sum = weightedSum(common)
  const observed = observedOf(
    common.map(({ id }) => arms.of(arm, id)),
    sum,
  )
  const nothing = (why: string): ArmRead => ({
    cost: {
      arm,
      observed: amountOf(observed),
      repriced: { nanos: null, why },
      steady: { nanos: null, why },
      cold: { nanos: null, why },
      observedHitShare: hitShareOf(common.flatMap(({ id }) => usagesOf(arms.of(arm, id)))),
      steadyHitShare: null,
      priceVersions: [],
    },
    warmNanos: null,
    byCase: { observed: observed.byCase, repriced: null, steady: null, cold: null },
  })
  const named = pricing?.arms[arm]
  if (pricing === null || named === undefined) return nothing(`${arm} has no price list.`)
  const record = recordFor(pricing.book, named, scenario)
  if (record === null)
    return nothing(`The price book has no ${named.currency} price of ${named.model} for ${scenario.asOf}.`)
  const versions = new Set<string>()
  const total = (usageOf: (usage: UsageRecord, test: Case) => UsageRecord | null): Total => {
    const tasks: bigint[] = []
    for (const test of common) {
      const attempts = arms.of(arm, test.id)
      let nanos = 0n
      for (const attempt of attempts)
        for (const usage of usagesOf([attempt])) {
          const assumed = usageOf(usage, test)
          if (assumed === null) return unknownTotal(`The recorded timeline does not cover case ${test.id}.`)
          const price = priceOf(record, named, assumed, attempt.startedAtMs)
          if (price === null) return unknownTotal(`The price of ${named.model} does not fit case ${test.id}.`)
          const { totalNanos, unpriced } = costOf(assumed, price)
          if (totalNanos === null) return unknownTotal(`Case ${test.id}: ${unpriced?.message ?? 'not priced'}`)
          versions.add(price.versionId)
          nanos += totalNanos
        }
      // Replicates are one task, not several.
      tasks.push(nanos / BigInt(attempts.length))
    }
    return sum(tasks)
  }
  const hits = steadyHitsOf.get(arm) ?? null
  const steady =
    hits === null
      ? unknownTotal('The recorded prompts or the cache rule of the vendor are not at hand.')
      : total((usage, test) => {
          const share = hits.get(`${test.sessionId}\0${test.seq}`)
          return share === undefined ? null : withHits(usage, share)
        })
  const usages = common.flatMap((test) => usagesOf(arms.of(arm, test.id)).map((usage) => ({ usage, test })))
  const steadyUsages = usages.flatMap(({ usage, test }) => {
    const assumed = withHits(usage, hits?.get(`${test.sessionId}\0${test.seq}`) ?? 0)
    return assumed === null ? [] : [assumed]
  })
  const [repriced, cold] = [total((usage) => usage), total((usage) => withHits(usage, 0))]
  return {
    cost: {
      arm,
      observed: amountOf(observed),
      repriced: amountOf(repriced),
      steady: amountOf(steady),
      cold: amountOf(cold),
      observedHitShare: hitShareOf(usages.map(({ usage }) => usage)),
      steadyHitShare: steady.nanos === null ? null : hitShareOf(steadyUsages),
      priceVersions: [...versions].sort(),
    },
    warmNanos: total((usage) => withHits(usage, 1)).nanos,
    byCase: { observed: observed.byCase, repriced: repriced.byCase, steady: steady.byCase, cold: cold.byCase },
  }
}

type Sum = (tasks: readonly bigint[]) => Total

/** Exact where all weights are equal; otherwise each task counts by its weight, scaled so that the weights sum to their number. */
function weightedSum(common: readonly Case[]): Sum {
  const scale = common.length / common.reduce((sum, { weight }) => sum + weight, 0)
  const equal = common.every(({ weight }) => weight === common[0]!.weight)
  return (tasks) => ({
    nanos: tasks.reduce(
      (sum, nanos, at) => sum + (equal ? nanos : BigInt(Math.round(Number(nanos) * common[at]!.weight * scale))),
      0n,
    ),
    why: null,
    byCase: Float64Array.from(tasks, Number),
  })
}

function observedOf(cases: readonly (readonly CountedAttempt[])[], sum: Sum): Total {
  let unknown = 0
  const tasks = cases.map((attempts) => {
    let nanos = 0n
    for (const { costNanos } of attempts)
      if (costNanos === null) unknown++
      else nanos += costNanos
    return nanos / BigInt(Math.max(1, attempts.length))
  })
  if (cases.length === 0) return unknownTotal('No task was asked of all arms.')
  return unknown === 0 ? sum(tasks) : unknownTotal(`${unknown} attempts have no price.`)
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
