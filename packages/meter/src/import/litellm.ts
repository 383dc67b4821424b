/**
 * Imports LiteLLM's `model_prices_and_context_window.json` (BerriAI/litellm): one object, key per model, US
 * dollars **per token**, floating-point text such as 1.5e-07, which is exact when read as a decimal.
 */
import {
  asEntry,
  CatalogueBuilder,
  perToken,
  readCatalogue,
  readRates,
  type CatalogueImport,
  type CatalogueTier,
  type Entry,
  type ImportOptions,
} from './catalogue.ts'
import { readModifiers } from './litellm-modifiers.ts'
import { readOffPeak } from './litellm-off-peak.ts'
import { catalogueVendors } from './vendor-names.ts'

const rateFields = {
  input: 'input_cost_per_token',
  output: 'output_cost_per_token',
  cache_read: 'cache_read_input_token_cost',
  cache_write_5m: 'cache_creation_input_token_cost',
  cache_write_1h: 'cache_creation_input_token_cost_above_1hr',
  reasoning: 'output_cost_per_reasoning_token',
}

/** A second spelling of the cache read rate. */
const cacheHitField = 'input_cost_per_token_cache_hit'
const tokenModes = new Set([undefined, 'chat', 'completion', 'responses'])

export function importLiteLlm(text: string, options: ImportOptions): CatalogueImport {
  const builder = new CatalogueBuilder()
  for (const [name, value] of Object.entries(readCatalogue(text, 'The LiteLLM catalogue'))) {
    const entry = asEntry(value)
    const provider = entry?.['litellm_provider']
    // The file explains its own fields in an entry of this name.
    if (name === 'sample_spec') continue
    if (entry === null || typeof provider !== 'string') builder.omit(name, 'no provider')
    else if (!tokenModes.has(asMode(entry['mode']))) builder.omit(name, `mode ${asMode(entry['mode'])}`)
    else addEntry(builder, name, provider, entry, options)
  }
  return builder.result([
    'since when a price is in force, and what it was before',
    'promotions, announcements and withdrawals',
    'peak hours in the vendor’s own time zone, and its holidays',
    'lists in a currency other than US dollars',
    'cache minimums, block sizes and storage fees',
  ])
}

function addEntry(
  builder: CatalogueBuilder,
  name: string,
  provider: string,
  entry: Entry,
  options: ImportOptions,
): void {
  const vendor = (options.vendors ?? catalogueVendors).get(provider) ?? provider
  const model = name.startsWith(`${provider}/`) ? name.slice(provider.length + 1) : name
  const used = new Set([...Object.values(rateFields), 'tiered_pricing', 'off_peak_pricing'])
  const byLength = readTieredPricing(builder, name, entry)
  const listed = byLength?.rates ?? readRates(entry, rateFields, perToken)
  const cacheHit = readRates(entry, { cache_read: cacheHitField }, perToken)
  if (listed['cache_read'] === undefined || cacheHit['cache_read'] === listed['cache_read']) used.add(cacheHitField)
  const offPeak = readOffPeak(entry['off_peak_pricing'], rateFields)
  if (offPeak === null && entry['off_peak_pricing'] !== undefined) builder.loses(name, 'off_peak_pricing')
  const tiers = byLength?.tiers ?? readTiers(builder, name, entry, used)
  const modifiers = readModifiers(builder, name, entry, rateFields, used)
  for (const field of Object.keys(entry))
    if (/(?:^|_)costs?(?:_|$)|pric/.test(field) && !used.has(field)) builder.loses(name, field)
  const peakRates = { ...cacheHit, ...listed }
  builder.add(
    {
      id: `litellm/${vendor}/${model}/USD/${options.observedOn}`,
      vendor,
      model,
      currency: 'USD',
      effective_from: options.observedOn,
      effective_to: null,
      status: 'list',
      rates: offPeak?.rates ?? peakRates,
      ...(offPeak !== null && { peak_rates: peakRates, schedule: builder.scheduleId('litellm', offPeak.schedule) }),
      ...(tiers.length > 0 && { tiers }),
      ...(Object.keys(modifiers).length > 0 && { modifiers }),
      date_precision: 'unknown',
      confidence: 'partly',
      sources: [`${options.origin}, key ${name}, observed ${options.observedOn}`],
    },
    name,
  )
}

interface RatesByLength {
  readonly rates: Record<string, string>
  readonly tiers: CatalogueTier[]
}

/** `tiered_pricing: [{ range: [0, 256000], ... }, { range: [256000, 1000000], ... }]`; the first range is the base. */
function readTieredPricing(builder: CatalogueBuilder, name: string, entry: Entry): RatesByLength | null {
  const ranges = Array.isArray(entry['tiered_pricing']) ? (entry['tiered_pricing'] as unknown[]).map(asEntry) : []
  const steps = ranges.flatMap((step) => {
    const range = Array.isArray(step?.['range']) ? (step['range'] as unknown[]) : []
    const rates = step === null ? {} : readRates(step, rateFields, perToken)
    for (const field of Object.keys(step ?? {}))
      if (/cost/.test(field) && !Object.values(rateFields).includes(field)) builder.loses(name, `tiered ${field}`)
    const above = Number(range[0])
    return range.length === 2 && Number.isSafeInteger(above) && above >= 0 && rates['input'] && rates['output']
      ? [{ above, rates }]
      : []
  })
  const base = steps.find(({ above }) => above === 0)
  if (base === undefined || steps.length !== ranges.length) {
    if (entry['tiered_pricing'] !== undefined) builder.loses(name, 'tiered_pricing')
    return null
  }
  const tiers = steps.filter((step) => step !== base)
  return { rates: base.rates, tiers: tiers.map(({ above, rates }) => ({ when: { prompt_tokens_gt: above }, rates })) }
}

/** `input_cost_per_token_above_272k_tokens` and its siblings; "above 272k" is more than 272,000. */
function readTiers(builder: CatalogueBuilder, name: string, entry: Entry, used: Set<string>): CatalogueTier[] {
  const thresholds = new Set<string>()
  for (const field of Object.keys(entry)) {
    const match = /^input_cost_per_token_above_(\d{1,5})k_tokens$/.exec(field)
    if (match?.[1] !== undefined) thresholds.add(match[1])
  }
  return [...thresholds].flatMap((thousands) => {
    const suffix = `_above_${thousands}k_tokens`
    const fields = Object.fromEntries(Object.entries(rateFields).map(([ours, theirs]) => [ours, theirs + suffix]))
    for (const field of Object.values(fields)) used.add(field)
    const rates = readRates(entry, fields, perToken)
    if (rates['input'] === undefined || rates['output'] === undefined) {
      builder.loses(name, `incomplete tier${suffix}`)
      return []
    }
    return [{ when: { prompt_tokens_gt: Number(thousands) * 1000 }, rates }]
  })
}

function asMode(mode: unknown): string | undefined {
  return typeof mode === 'string' ? mode : undefined
}
