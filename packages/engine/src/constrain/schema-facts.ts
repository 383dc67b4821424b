/**
 * Which words of JSON Schema (2020-12 and the drafts before) are held to, which say nothing about values, and which
 * are refused by name.
 */

/** Held to. */
export const heldKeywords: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'const',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'prefixItems',
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'anyOf',
  'oneOf',
  'allOf',
  '$ref',
])

/** Values could break these without our noticing. */
const refusedKeywords: ReadonlySet<string> = new Set([
  'not',
  'if',
  'then',
  'else',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'uniqueItems',
  'contains',
  'minContains',
  'maxContains',
  'multipleOf',
  'unevaluatedItems',
  'unevaluatedProperties',
  '$dynamicRef',
  '$recursiveRef',
])

/** The first word of `schema` that cannot be held to; null: none. A word that asks for nothing is no obstacle. */
export function refusedKeyword(schema: Readonly<Record<string, unknown>>): string | null {
  const isIdle = (key: string): boolean =>
    (key === 'uniqueItems' && schema[key] === false) || (key === 'minProperties' && schema[key] === 0)
  return Object.keys(schema).find((key) => refusedKeywords.has(key) && !isIdle(key)) ?? null
}

export const valueTypes = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const
export type ValueType = (typeof valueTypes)[number]

/** Without `type`, words that only one type knows say which is meant. */
export const impliedTypes: readonly (readonly [type: ValueType, keywords: readonly string[]])[] = [
  ['object', ['properties', 'required', 'additionalProperties']],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems']],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']],
]
