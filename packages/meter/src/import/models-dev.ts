/**
 * Imports models.dev's `api.json` (anomalyco/models.dev): providers, their models, US dollars per million.
 * Context tiers come as `cost.tiers[]` with `tier: { type: 'context', size }`; the older `context_over_200k`
 * repeats them and is read only where no tiers are given.
 */
import {
  asEntry,
  CatalogueBuilder,
  perMillion,
  readCatalogue,
  readRates,
  type CatalogueImport,
  type CatalogueTier,
  type Entry,
  type ImportOptions,
} from './catalogue.ts'
import { catalogueVendors } from './vendor-names.ts'

const rateFields = {
  input: 'input',
  output: 'output',
  cache_read: 'cache_read',
  cache_write_5m: 'cache_write',
  reasoning: 'reasoning',
}
const known = new Set([...Object.values(rateFields), 'tiers', 'context_over_200k'])

export function importModelsDev(text: string, options: ImportOptions): CatalogueImport {
  const builder = new CatalogueBuilder()
  for (const [provider, value] of Object.entries(readCatalogue(text, 'The models.dev catalogue'))) {
    const models = asEntry(asEntry(value)?.['models'])
    if (models === null) {
      builder.omit(provider, 'no models')
      continue
    }
    for (const [model, entry] of Object.entries(models)) addModel(builder, provider, model, asEntry(entry), options)
  }
  return builder.result([
    'since when a price is in force (`last_updated` is the entry’s, not the price’s)',
    'promotions, announcements and withdrawals: a promotion simply overwrites the price',
    'peak hours and calendars',
    'lists in a currency other than US dollars: they come converted',
    'the price of one-hour cache writes, cache minimums and storage fees',
  ])
}

function addModel(
  builder: CatalogueBuilder,
  provider: string,
  model: string,
  entry: Entry | null,
  options: ImportOptions,
): void {
  const name = `${provider}/${model}`
  const cost = asEntry(entry?.['cost'])
  if (cost === null) return builder.omit(name, 'no cost')
  const rates = readRates(cost, rateFields, perMillion)
  for (const field of Object.keys(cost)) if (!known.has(field)) builder.loses(name, field)
  const modes = asEntry(asEntry(entry?.['experimental'])?.['modes'])
  for (const mode of Object.keys(modes ?? {}))
    if (asEntry(modes?.[mode])?.['cost'] !== undefined) builder.loses(name, `price of mode ${mode}`)
  const tiers = readTiers(builder, name, cost)
  const vendor = (options.vendors ?? catalogueVendors).get(provider) ?? provider
  builder.add(
    {
      id: `models.dev/${vendor}/${model}/USD/${options.observedOn}`,
      vendor,
      model,
      currency: 'USD',
      effective_from: options.observedOn,
      effective_to: null,
      status: 'list',
      rates,
      ...(tiers.length > 0 && { tiers }),
      date_precision: 'unknown',
      confidence: 'partly',
      sources: [`${options.origin}, ${name}, observed ${options.observedOn}`],
    },
    name,
  )
}

function readTiers(builder: CatalogueBuilder, name: string, cost: Entry): CatalogueTier[] {
  const listed = Array.isArray(cost['tiers']) ? (cost['tiers'] as unknown[]) : []
  if (listed.length === 0) {
    const over = asEntry(cost['context_over_200k'])
    return over === null ? [] : tier(builder, name, over, 200_000)
  }
  return listed.flatMap((value) => {
    const entry = asEntry(value)
    const rule = asEntry(entry?.['tier'])
    if (entry !== null && rule?.['type'] === 'context') return tier(builder, name, entry, Number(rule['size']))
    const type = rule?.['type']
    builder.loses(name, `a tier by ${typeof type === 'string' ? type : 'an unknown rule'}`)
    return []
  })
}

function tier(builder: CatalogueBuilder, name: string, entry: Entry, size: number): CatalogueTier[] {
  const rates = readRates(entry, rateFields, perMillion)
  if (Number.isSafeInteger(size) && size > 0 && rates['input'] !== undefined && rates['output'] !== undefined)
    return [{ when: { prompt_tokens_gt: size }, rates }]
  builder.loses(name, 'an incomplete context tier')
  return []
}
