/**
 * What changed between two views of prices: two books, or one book at two instants.
 *
 * Compared by name and currency at an instant each: rates, peak rates, tiers and modifiers, as decimal text.
 * Left out: sources and notes, which change no bill.
 */
import { formatDecimal } from './decimal.ts'
import { isUnpriced, priceAt, type PriceBook } from './price-book.ts'
import type { PriceRecord, Rates } from './price-record.ts'

export interface PriceView {
  readonly book: PriceBook
  readonly atMs: number
  readonly knownAtMs?: number
}

export interface PriceChange {
  readonly vendor: string
  readonly model: string
  readonly currency: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** What differs, e.g. `input`, `peak output`, `above 272000 input`, `part above 272000 input`, `x batch`; null: not listed. */
  readonly fields: readonly { readonly field: string; readonly before: string | null; readonly after: string | null }[]
}

export interface PriceDiffFilter {
  readonly vendor?: string
  readonly model?: string
  readonly currency?: string
}

/** In the order of the books' records; names without a difference are left out. */
export function diffPrices(before: PriceView, after: PriceView, filter: PriceDiffFilter = {}): readonly PriceChange[] {
  const names = new Map<string, { readonly vendor: string; readonly model: string; readonly currency: string }>()
  for (const { book } of [before, after])
    for (let layer: PriceBook | null = book; layer !== null; layer = layer.below)
      for (const { vendor, model, currency } of layer.records)
        if (
          (filter.vendor === undefined || filter.vendor === vendor) &&
          (filter.model === undefined || filter.model === model) &&
          (filter.currency === undefined || filter.currency === currency)
        )
          names.set(JSON.stringify([vendor, model, currency]), { vendor, model, currency })
  return [...names.values()].flatMap((name) => {
    const [old, now] = [before, after].map((view) => fieldsAt(view, name))
    if (!old && !now) return []
    const all = new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])
    const fields = [...all].flatMap((field) => {
      const pair = { field, before: old?.get(field) ?? null, after: now?.get(field) ?? null }
      return pair.before === pair.after ? [] : [pair]
    })
    const kind = !old ? 'added' : !now ? 'removed' : 'changed'
    return fields.length === 0 ? [] : [{ ...name, kind, fields }]
  })
}

function fieldsAt(
  { book, atMs, knownAtMs }: PriceView,
  name: { readonly vendor: string; readonly model: string; readonly currency: string },
): ReadonlyMap<string, string> | null {
  const price = priceAt(book, { ...name, atMs, knownAtMs, promptTokens: 0 })
  return isUnpriced(price) || price.record === null ? null : priceFields(price.record)
}

/** Every number of a record that a bill can depend on, by name. */
export function priceFields(record: PriceRecord): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  const put = (prefix: string, rates: Rates | null): void => {
    for (const [name, rate] of Object.entries(rates ?? {}))
      if (rate !== null) fields.set(`${prefix}${name}`, formatDecimal(rate as { digits: bigint; scale: number }))
  }
  put('', record.rates)
  put('peak ', record.peakRates)
  const tier = record.tierApplies === 'above' ? 'part above' : 'above'
  for (const { promptTokensAbove, rates } of record.tiers) put(`${tier} ${promptTokensAbove} `, rates)
  for (const [name, factor] of record.modifiers) fields.set(`x ${name}`, formatDecimal(factor))
  if (record.schedule !== null) fields.set('hours', record.schedule.id)
  return fields
}
