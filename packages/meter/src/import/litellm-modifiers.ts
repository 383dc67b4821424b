/**
 * LiteLLM's service tiers (`..._batches`, `_flex`, `_priority`, each also above a context size) as one factor.
 *
 * A tier becomes a modifier where one factor takes every listed base rate to its tier rate. The catalogue rounds
 * small cache rates to two digits, so those may be off by that rounding; input and output may not.
 */
import { compare, formatDecimal, multiply, parseDecimal } from '../decimal.ts'
import { perToken, readRate, type CatalogueBuilder, type Entry } from './catalogue.ts'

const serviceTiers = { batch: 'batches', flex: 'flex', priority: 'priority' }

/** @param rateFields our name of a rate to the catalogue's; fields that are explained are added to `used`. */
export function readModifiers(
  builder: CatalogueBuilder,
  name: string,
  entry: Entry,
  rateFields: Readonly<Record<string, string>>,
  used: Set<string>,
): Record<string, string> {
  const modifiers: Record<string, string> = {}
  for (const [modifier, suffix] of Object.entries(serviceTiers)) {
    const tierFields = Object.keys(entry).filter((field) => field.endsWith(`_${suffix}`))
    const pairs = tierFields.flatMap((field) => {
      const base = field.slice(0, -suffix.length - 1)
      const [, kind] = Object.entries(rateFields).find(([, known]) => isOfKind(base, known)) ?? []
      const tierRate = readRate(entry[field], perToken)
      return kind === undefined || tierRate === null
        ? []
        : [{ field, baseRate: readRate(entry[base], perToken), tierRate, exact: !kind.startsWith('cache') }]
    })
    for (const { field } of pairs) used.add(field)
    const main = pairs.find(({ exact, baseRate }) => exact && baseRate !== null)
    if (main === undefined) {
      if (pairs.length > 0) builder.loses(name, `${modifier} rates without a base rate`)
      continue
    }
    const factor = factorBetween(main.baseRate, main.tierRate)
    if (factor !== null && pairs.every((pair) => explains(factor, pair))) modifiers[modifier] = factor
    else builder.loses(name, `${modifier} rates that are no single factor`)
  }
  return modifiers
}

/** `input_cost_per_token` itself or above a context size, but not `input_cost_per_token_cache_hit`. */
function isOfKind(field: string, known: string): boolean {
  return field === known || (field.startsWith(known) && /^_above_\d{1,5}k_tokens$/.test(field.slice(known.length)))
}

/** The factor with at most four decimals that is exact; null when there is none. */
function factorBetween(baseRate: string | null, tierRate: string): string | null {
  if (baseRate === null || Number(baseRate) === 0) return null
  const factor = String(Math.round((Number(tierRate) / Number(baseRate)) * 1e4) / 1e4)
  return Number(factor) > 0 && compare(product(baseRate, factor), parseDecimal(tierRate)) === 0 ? factor : null
}

function explains(
  factor: string,
  {
    baseRate,
    tierRate,
    exact,
  }: { readonly baseRate: string | null; readonly tierRate: string; readonly exact: boolean },
): boolean {
  if (baseRate === null) return false
  const expected = product(baseRate, factor)
  if (compare(expected, parseDecimal(tierRate)) === 0) return true
  return !exact && Math.abs(Number(tierRate) / Number(formatDecimal(expected)) - 1) <= 0.05
}

function product(a: string, b: string): ReturnType<typeof multiply> {
  return multiply(parseDecimal(a), parseDecimal(b))
}
