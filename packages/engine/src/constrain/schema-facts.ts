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
  'uniqueItems',
  'contains',
  'minContains',
  'maxContains',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'anyOf',
  'oneOf',
  'allOf',
  '$ref',
])

/** Values could break these without our noticing. */
const refusedKeywords: ReadonlySet<string> = new Set(['$dynamicRef', '$recursiveRef'])

/** The first word of `schema` that cannot be held to; null: none. Others are refused where they ask for too much. */
export function refusedKeyword(schema: Readonly<Record<string, unknown>>): string | null {
  return Object.keys(schema).find((key) => refusedKeywords.has(key)) ?? null
}

/** Words that say something of values by other schemas, or by which members there are. */
export const conditionKeywords: readonly string[] = [
  'not',
  'if',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'unevaluatedProperties',
  'unevaluatedItems',
]

export const valueTypes = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const
export type ValueType = (typeof valueTypes)[number]

/** Without `type`, words that only one type knows say which is meant. */
export const impliedTypes: readonly (readonly [type: ValueType, keywords: readonly string[]])[] = [
  [
    'object',
    ['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames', 'minProperties'].concat([
      'maxProperties',
    ]),
  ],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems', 'contains']],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
]
