/**
 * Imports one vendor file of llm-prices (simonw/llm-prices, `data/<vendor>.json`): US dollars per million with
 * a `price_history` of day precision, `from_date` inclusive, `to_date` exclusive, null for open. A long-context
 * price stands there as a model of its own (`gpt-5.5-272k`); it is put back as a tier of the model it belongs to.
 */
import {
  asEntry,
  CatalogueBuilder,
  perMillion,
  readCatalogue,
  readRates,
  type CatalogueImport,
  type CatalogueRecord,
  type Entry,
  type ImportOptions,
} from './catalogue.ts'
import { catalogueVendors } from './vendor-names.ts'
import { parseDay } from '../calendar.ts'

const rateFields = { input: 'input', output: 'output', cache_read: 'input_cached' }
const known = new Set([...Object.values(rateFields), 'from_date', 'to_date'])

export function importLlmPrices(text: string, options: ImportOptions): CatalogueImport {
  const file = readCatalogue(text, 'The llm-prices file')
  const builder = new CatalogueBuilder()
  const provider = typeof file['vendor'] === 'string' ? file['vendor'] : 'unknown'
  const vendor = (options.vendors ?? catalogueVendors).get(provider) ?? provider
  const models = Array.isArray(file['models']) ? (file['models'] as unknown[]).map(asEntry) : []
  const intervals = models.flatMap((model) => (model === null ? [] : readHistory(builder, vendor, model, options)))
  const longContext = new Map<string, CatalogueRecord>()
  const names = new Set(intervals.map(({ model }) => model))
  for (const record of intervals) {
    const base = splitLongContext(record.model)
    if (base !== null && names.has(base.model)) longContext.set(`${base.model} ${record.effective_from}`, record)
  }
  for (const record of intervals) {
    const base = splitLongContext(record.model)
    if (base !== null && names.has(base.model)) continue
    const above = longContext.get(`${record.model} ${record.effective_from}`)
    const threshold = above === undefined ? null : splitLongContext(above.model)
    builder.add(
      above === undefined || threshold === null
        ? record
        : { ...record, tiers: [{ when: { prompt_tokens_gt: threshold.tokens }, rates: above.rates }] },
      record.id,
    )
  }
  return builder.result([
    'the hour of a change: days only',
    'promotions, announcements and withdrawals as such',
    'peak hours and calendars',
    'lists in a currency other than US dollars',
    'cache write prices, batch and other service tiers',
  ])
}

function readHistory(
  builder: CatalogueBuilder,
  vendor: string,
  model: Entry,
  options: ImportOptions,
): CatalogueRecord[] {
  const id = typeof model['id'] === 'string' ? model['id'] : ''
  const history = Array.isArray(model['price_history']) ? (model['price_history'] as unknown[]) : []
  if (id === '' || history.length === 0) {
    builder.omit(id, 'no price history')
    return []
  }
  return history.flatMap((value) => {
    const entry = asEntry(value) ?? {}
    for (const field of Object.keys(entry)) if (!known.has(field)) builder.loses(id, field)
    const from = asDay(entry['from_date'])
    const to = asDay(entry['to_date'])
    if (from === undefined || to === undefined) {
      builder.omit(id, `dates ${String(entry['from_date'])} to ${String(entry['to_date'])}`)
      return []
    }
    // The source's null is an open interval: as far back as the model was sold.
    const effectiveFrom = from ?? '1970-01-01'
    return [
      {
        id: `llm-prices/${vendor}/${id}/USD/${effectiveFrom}`,
        vendor,
        model: id,
        currency: 'USD',
        effective_from: effectiveFrom,
        effective_to: to,
        status: 'list' as const,
        rates: readRates(entry, rateFields, perMillion),
        date_precision: from === null ? ('unknown' as const) : ('day' as const),
        confidence: 'partly' as const,
        sources: [`${options.origin}, ${id}, observed ${options.observedOn}`],
      },
    ]
  })
}

/** A day, null for open, undefined for something else. */
function asDay(value: unknown): string | null | undefined {
  if (value === null || value === undefined) return null
  return typeof value === 'string' && parseDay(value) !== null ? value : undefined
}

function splitLongContext(model: string): { readonly model: string; readonly tokens: number } | null {
  const match = /^(.+)-(\d{2,4})k$/.exec(model)
  return match === null ? null : { model: match[1] ?? '', tokens: Number(match[2]) * 1000 }
}
