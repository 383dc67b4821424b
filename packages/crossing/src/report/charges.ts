/**
 * What the replay itself cost, by arm, day and meter: for the books of whoever pays for it. Every attempt counts, also at
 * cases that the plan excludes: it was billed. Savings are no charge and stand nowhere here.
 */
import { priceRequest, type CostTier, type UsageRecord } from '@portolan/meter'
import { floorArm, type Pricing } from '../compare/index.ts'
import type { Attempt } from '../records/index.ts'
import type { ReportData } from './report-data.ts'

type Charge = ReportData['charges'][number]
type ChargeMeter = Charge['meter']

interface Sum {
  tokens: number
  requests: number
  nanos: bigint
}

interface Priced {
  readonly usage: UsageRecord
  readonly nanos: Readonly<Record<CostTier, bigint | null>>
}

/** Filled while the attempts pass by. */
export class Charges {
  readonly #pricing: Pricing | null
  readonly #incumbent: string
  readonly #sums = new Map<string, Map<ChargeMeter, Sum>>()
  #unpriced = 0

  /** @param incumbent whose prices the floor arm has too */
  constructor(pricing: Pricing | null, incumbent: string) {
    this.#pricing = pricing
    this.#incumbent = incumbent
  }

  /** The same attempts, counted. */
  *counting(attempts: Iterable<Attempt>): Generator<Attempt> {
    this.#sums.clear()
    this.#unpriced = 0
    for (const attempt of attempts) {
      this.#add(attempt)
      yield attempt
    }
  }

  /** Attempts that were asked and have no price: they are in no row. */
  get unpriced(): number {
    return this.#unpriced
  }

  rows(): Charge[] {
    return [...this.#sums]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, meters]) => {
        const [day, arm, currency] = key.split('\0') as [string, string, string]
        return chargeMeters.flatMap((meter): Charge[] => {
          const sum = meters.get(meter)
          return sum === undefined ? [] : [{ arm, day, currency, meter, ...sum, nanos: String(sum.nanos) }]
        })
      })
  }

  #add({ arm, startedAtMs, currency, costNanos, turns, calls }: Attempt): void {
    if (costNanos === null) {
      if (calls > 0) this.#unpriced++
      return
    }
    const key = [new Date(startedAtMs).toISOString().slice(0, 10), arm, currency].join('\0')
    let meters = this.#sums.get(key)
    if (!meters) this.#sums.set(key, (meters = new Map()))
    const usages = turns.filter(({ response }) => response !== null).map(({ usage }) => usage)
    const tiers = this.#tiersOf(arm, startedAtMs, usages, costNanos)
    const book = (meter: ChargeMeter, tokens: number, requests: number, nanos: bigint | null): void => {
      if (tokens === 0 && requests === 0 && (nanos ?? 0n) === 0n) return
      const sum = meters.get(meter) ?? { tokens: 0, requests: 0, nanos: 0n }
      meters.set(meter, {
        tokens: sum.tokens + tokens,
        requests: sum.requests + requests,
        nanos: sum.nanos + (nanos ?? 0n),
      })
    }
    if (tiers === null) {
      book('unsplit', 0, calls, costNanos)
      return
    }
    for (const { usage, nanos } of tiers) {
      const written1h = usage.written1hTokens ?? 0
      book('input-miss', usage.missTokens ?? 0, 0, nanos.miss)
      book('input-hit', usage.hitTokens ?? 0, 0, nanos.hit)
      book('cache-write-5m', (usage.writtenTokens ?? 0) - written1h, 0, nanos.write5m)
      book('cache-write-1h', written1h, 0, nanos.write1h)
      book('output', usage.outputTokens ?? 0, 0, nanos.output)
    }
  }

  /** Null: the book's price of that day does not come to what was billed, so that no split of it would be true. */
  #tiersOf(arm: string, atMs: number, usages: readonly UsageRecord[], billed: bigint): Priced[] | null {
    const named = this.#pricing?.arms[arm === floorArm ? this.#incumbent : arm]
    if (named === undefined) return null
    const split: Priced[] = []
    let total = 0n
    for (const usage of usages) {
      const { totalNanos, tierNanos } = priceRequest(usage, this.#pricing!.book, named, atMs)
      if (totalNanos === null) return null
      split.push({ usage, nanos: tierNanos })
      total += totalNanos
    }
    return total === billed ? split : null
  }
}

export const chargeMeters = [
  'input-miss',
  'input-hit',
  'cache-write-5m',
  'cache-write-1h',
  'output',
  'unsplit',
] as const
