/**
 * Imports LiteLLM's `model_prices_and_context_window.json` (BerriAI/litellm): one object, key per model, US
 * dollars **per token**, floating-point text such as 1.5e-07, which is exact when read as a decimal.
 */
import { compare, multiply, parseDecimal } from '../decimal.ts'
import {
  asEntry,
  CatalogueBuilder,
  perToken,
  readCatalogue,
  readRate,
  readRates,
  type CatalogueImport,
  type CatalogueTier,
  type Entry,
  type ImportOptions,
} from './catalogue.ts'
import { catalogueVendors } from './vendor-names.ts'

const rateFields = {
  input: 'input_cost_per_token',
  output: 'output_cost_per_token',
  cache_read: 'cache_read_input_token_cost',
  cache_write_5m: 'cache_creation_input_token_cost',
  cache_write_1h: 'cache_creation_input_token_cost_above_1hr',
}

const serviceTiers = { batch: 'batches', flex: 'flex', priority: 'priority' }
const tokenModes = new Set([undefined, 'chat', 'completion', 'responses'])

export function importLiteLlm(text: string, options: ImportOptions): CatalogueImport {
  const builder = new CatalogueBuilder()
  for (const [name, value] of Object.entries(readCatalogue(text, 'The LiteLLM catalogue'))) {
    const entry = asEntry(value)
    const provider = entry?.['litellm_provider']
    // The file explains its own fields in an entry of this name.
    if (name === 'sample_spec') continue
    if (entry === null || typeof provider !== 'string') builder.skip(name, 'no provider')
    else if (!tokenModes.has(asMode(entry['mode']))) builder.skip(name, `mode ${asMode(entry['mode'])}`)
    else addEntry(builder, name, provider, entry, options)
  }
  return builder.result([
    'since when a price is in force, and what it was before',
    'promotions, announcements and withdrawals',
    'peak hours and calendars',
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
  const rates = readRates(entry, rateFields, perToken)
  const used = new Set(Object.values(rateFields))
  const tiers = readTiers(builder, name, entry, used)
  const modifiers = readModifiers(builder, name, entry, used)
  for (const field of Object.keys(entry))
    if (/(?:^|_)costs?(?:_|$)/.test(field) && !used.has(field)) builder.loses(name, field)
  builder.add(
    {
      id: `litellm/${vendor}/${model}/USD/${options.observedOn}`,
      vendor,
      model,
      currency: 'USD',
      effective_from: options.observedOn,
      effective_to: null,
      status: 'list',
      rates,
      ...(tiers.length > 0 && { tiers }),
      ...(Object.keys(modifiers).length > 0 && { modifiers }),
      date_precision: 'unknown',
      confidence: 'partly',
      sources: [`${options.origin}, key ${name}, observed ${options.observedOn}`],
    },
    name,
  )
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

/** A service tier becomes a modifier only where one factor explains both its rates; else it is reported. */
function readModifiers(
  builder: CatalogueBuilder,
  name: string,
  entry: Entry,
  used: Set<string>,
): Record<string, string> {
  const modifiers: Record<string, string> = {}
  for (const [modifier, suffix] of Object.entries(serviceTiers)) {
    const fields = Object.values(rateFields).map((field) => [field, `${field}_${suffix}`] as const)
    const pairs = fields.flatMap(([base, tier]) => {
      const baseRate = readRate(entry[base], perToken)
      const tierRate = readRate(entry[tier], perToken)
      if (entry[tier] !== undefined) used.add(tier)
      return tierRate === null ? [] : [{ baseRate, tierRate }]
    })
    if (pairs.length === 0) continue
    const factor = commonFactors.find((candidate) =>
      pairs.every(
        ({ baseRate, tierRate }) =>
          baseRate !== null &&
          compare(multiply(parseDecimal(baseRate), parseDecimal(candidate)), parseDecimal(tierRate)) === 0,
      ),
    )
    if (factor === undefined) builder.loses(name, `${modifier} rates that are no single factor`)
    else modifiers[modifier] = factor
  }
  return modifiers
}

// Factors that vendors have used; a price that is no such multiple is not guessed at.
const commonFactors = ['0.5', '2', '2.5', '1.5', '1.25', '0.75', '3', '6', '1', '1.75', '1.8']

function asMode(mode: unknown): string | undefined {
  return typeof mode === 'string' ? mode : undefined
}
