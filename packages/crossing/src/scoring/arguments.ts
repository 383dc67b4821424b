/**
 * Are the arguments of two tool calls the same, as the tool would see them?
 *
 * Defaults of the tool's schema are filled in on both sides; then values are compared by type: 1 equals 1.0, strings are
 * exact, objects ignore order, lists do not. A rule for a path relaxes that. Whole numbers beyond 2^53 keep their digits, because
 * ids are often written so and two different ones must not become one.
 */
import type { ArgumentRule } from '../records/index.ts'
import { textSimilarity } from './text.ts'

export type { ArgumentRule }

export interface ArgumentDifference {
  readonly path: string
  readonly problem: 'missing' | 'unexpected' | 'other-type' | 'other-value'
  readonly got?: unknown
  readonly want?: unknown
}

/** `problem` null: parsed. An empty string counts as no arguments, as several servers write them. */
export function parseArguments(text: string): { readonly value: unknown; readonly problem: string | null } {
  if (text.trim() === '') return { value: {}, problem: null }
  try {
    const value: unknown = JSON.parse(text, exactIntegers as (key: string, value: unknown) => unknown)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { value: null, problem: 'the arguments are not a JSON object' }
    return { value, problem: null }
  } catch {
    return { value: null, problem: 'the arguments are not JSON' }
  }
}

function exactIntegers(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  const isHuge = typeof value === 'number' && !Number.isSafeInteger(value)
  return isHuge && /^-?\d{1,400}$/.test(context.source ?? '') ? BigInt(context.source!) : value
}

/** Members that the schema gives a default and the value lacks, at every depth that `properties` and `items` describe. */
export function fillDefaults(value: unknown, schema: unknown, depth = 0): unknown {
  if (depth > 100 || !isRecord(schema)) return value
  if (Array.isArray(value)) return value.map((element) => fillDefaults(element, schema['items'], depth + 1))
  const properties = schema['properties']
  if (!isRecord(value) || !isRecord(properties)) return value
  const filled: Record<string, unknown> = Object.assign(Object.create(null) as Record<string, unknown>, value)
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(filled, name)) filled[name] = fillDefaults(filled[name], property, depth + 1)
    else if (isRecord(property) && 'default' in property) filled[name] = property['default']
  }
  return filled
}

/** At most 50 differences, in the order of the wanted value; none means equal. */
export function argumentDifferences(
  got: unknown,
  want: unknown,
  rules: readonly ArgumentRule[] = [],
): ArgumentDifference[] {
  const found: ArgumentDifference[] = []
  compare(got, want, '', rules, found, 0)
  return found
}

function compare(
  got: unknown,
  want: unknown,
  path: string,
  rules: readonly ArgumentRule[],
  found: ArgumentDifference[],
  depth: number,
): void {
  if (found.length >= 50) return
  const rule = rules.find((each) => matches(each.path, path))?.rule ?? null
  if (rule === 'ignore') return
  const other = (problem: ArgumentDifference['problem']): void =>
    void found.push({ path, problem, got: shown(got), want: shown(want) })
  if (depth > 100) return other('other-value')
  if (kindOf(got) !== kindOf(want)) return other('other-type')
  if (Array.isArray(want) && Array.isArray(got)) {
    if (got.length !== want.length) return other('other-value')
    if (rule === 'unordered') {
      const rest = [...(got as unknown[])]
      for (const element of want) {
        const at = rest.findIndex((each) => argumentDifferences(each, element).length === 0)
        if (at < 0) return other('other-value')
        rest.splice(at, 1)
      }
      return
    }
    for (const [at, element] of want.entries()) compare(got[at], element, `${path}/${at}`, rules, found, depth + 1)
    return
  }
  if (isRecord(want) && isRecord(got)) {
    const names = new Set([...Object.keys(want), ...Object.keys(got)])
    for (const name of names) {
      const inner = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
      if (Object.hasOwn(want, name) && Object.hasOwn(got, name))
        compare(got[name], want[name], inner, rules, found, depth + 1)
      else if (!rules.some((each) => each.rule === 'ignore' && matches(each.path, inner)))
        found.push(
          Object.hasOwn(want, name)
            ? { path: inner, problem: 'missing', want: shown(want[name]) }
            : { path: inner, problem: 'unexpected', got: shown(got[name]) },
        )
    }
    return
  }
  if (typeof want === 'string' && typeof got === 'string') {
    const tidy = (text: string): string => text.trim().replace(/\s+/g, ' ').toLowerCase()
    const equal =
      rule === 'normalised'
        ? tidy(got) === tidy(want)
        : rule === 'free-text'
          ? textSimilarity(got, want) >= 0.5
          : got === want
    if (!equal) other('other-value')
    return
  }
  const tolerance = typeof rule === 'object' && rule !== null ? rule.tolerance : 0
  if (typeof want === 'number' && typeof got === 'number' ? Math.abs(got - want) > tolerance : got !== want)
    other('other-value')
}

/** Numbers and bigints are of one kind, so that an id and its rounded twin differ in value and not in type. */
function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'bigint' ? 'number' : typeof value
}

function matches(pattern: string, path: string): boolean {
  const [wanted, actual] = [pattern.split('/'), path.split('/')]
  return wanted.length === actual.length && wanted.every((step, at) => step === '*' || step === actual[at])
}

/** Evidence is JSON and short. */
function shown(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}`
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? value.slice(0, 200) : value
  const text = JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? `${member}` : member))
  return text.length > 400 ? `${text.slice(0, 400)}…` : (JSON.parse(text) as unknown)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
