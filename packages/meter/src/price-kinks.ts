/**
 * Price changes that are known today, as factors on future spend: the kinks of a forecast.
 *
 * What was used lately is priced under the record in force now and under each record that has been announced, at
 * the hours at which it was used, so that hit rate, peak share and mix are the user's own. What is announced
 * later is not known here and changes nothing. Left out: people who use more because it is cheaper.
 */
import { costOf } from './cost.ts'
import type { SpendChange } from './forecast.ts'
import { isUnpriced, priceOfRecord, priceTimeline, type Price, type PriceBook } from './price-book.ts'
import type { PriceRecord } from './price-record.ts'
import type { UsageRecord } from './usage.ts'

/** What one model used in one hour, summed. */
export interface RecentUse {
  readonly vendor: string
  readonly model: string
  readonly atMs: number
  readonly usage: UsageRecord
  readonly requests: number
}

const dayMs = 86_400_000

/** @param recent of the budget's own traffic; prices that are not in the book stay as they are. */
export function announcedChanges(
  book: PriceBook,
  currency: string,
  recent: readonly RecentUse[],
  nowMs: number,
  horizonMs: number,
): readonly SpendChange[] {
  const models = [...Map.groupBy(recent, ({ vendor, model }) => JSON.stringify([vendor, model])).values()]
  const priced = models.flatMap((uses) => {
    const { vendor, model } = uses[0] ?? {}
    if (vendor === undefined || model === undefined) return []
    const name = { vendor, model, currency, knownAtMs: nowMs }
    const segments = priceTimeline(book, name, nowMs, horizonMs)
    const steps = segments.map(({ fromMs, record }) => ({ fromMs, record, nanos: costUnder(record, model, uses) }))
    return steps[0]?.nanos ? [{ model, steps }] : []
  })
  const edges = [...new Set(priced.flatMap(({ steps }) => steps.slice(1).map(({ fromMs }) => fromMs)))]
  const changes: SpendChange[] = []
  let before = totalAt(priced, nowMs)
  for (const edgeMs of edges.sort((a, b) => a - b)) {
    const after = totalAt(priced, edgeMs)
    const moved = priced.flatMap(({ model, steps }) => {
      const step = steps.find(({ fromMs }) => fromMs === edgeMs)
      return step ? [`${model} ${step.record === null ? 'has no price' : `goes to ${step.record.id}`}`] : []
    })
    if (before > 0 && after !== before)
      // A change in the second half of a day counts from the next.
      changes.push({ fromDay: Math.round(edgeMs / dayMs), factor: after / before, because: moved.join(', ') })
    before = after
  }
  return changes
}

/**
 * What a unit of past spend would be at today's prices: a change inside the history is no trend of its own.
 *
 * 1 where nothing changed, or a price of either side is not known.
 */
export function pastFactor(
  book: PriceBook,
  currency: string,
  recent: readonly RecentUse[],
  nowMs: number,
): (vendor: string, model: string, atMs: number) => number {
  const byName = Map.groupBy(recent, ({ vendor, model }) => JSON.stringify([vendor, model]))
  const known = new Map<string, number>()
  return (vendor, model, atMs) => {
    const uses = byName.get(JSON.stringify([vendor, model]))
    const name = { vendor, model, currency }
    const now = priceTimeline(book, name, nowMs, nowMs + 1)[0]?.record ?? null
    const then = priceTimeline(book, name, atMs, atMs + 1)[0]?.record ?? null
    if (uses === undefined || now === null || then === null || now === then) return 1
    const key = `${now.id}@${now.hash} ${then.id}@${then.hash} ${model}`
    let factor = known.get(key)
    if (factor === undefined) {
      const [today, before] = [costUnder(now, model, uses), costUnder(then, model, uses)]
      factor = today && before ? today / before : 1
      known.set(key, factor)
    }
    return factor
  }
}

interface PricedModel {
  readonly steps: readonly { readonly fromMs: number; readonly nanos: number | null }[]
}

/** A step without a price keeps what the step before it cost: nobody knows better. */
function totalAt(models: readonly PricedModel[], atMs: number): number {
  return models.reduce((sum, { steps }) => {
    const reached = steps.filter(({ fromMs, nanos }) => fromMs <= atMs && nanos !== null)
    return sum + (reached.at(-1)?.nanos ?? 0)
  }, 0)
}

/** Null where a part has no price. Tiers go by the size of the hour's average prompt, also those of a part above. */
function costUnder(record: PriceRecord | null, model: string, uses: readonly RecentUse[]): number | null {
  if (record === null) return null
  let total = 0
  for (const { atMs, usage, requests } of uses) {
    const promptTokens = requests > 0 ? Math.round((usage.inputTokens ?? 0) / requests) : 0
    const price = priceOfRecord(record, model, { atMs, promptTokens })
    const nanos = isUnpriced(price) ? null : costOf(usage, ofSeveral(price, requests)).totalNanos
    if (nanos === null) return null
    total += Number(nanos)
  }
  return total
}

/** The price of a sum of equal requests: each has its own stretch below a threshold. */
function ofSeveral(price: Price, requests: number): Price {
  if (price.partsAbove.length === 0 || requests <= 1) return price
  const partsAbove = price.partsAbove.map(({ promptTokensAbove, rates }) => ({
    promptTokensAbove: promptTokensAbove * requests,
    rates,
  }))
  return { ...price, partsAbove }
}
