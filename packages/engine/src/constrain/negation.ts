/**
 * What a schema does not allow, as plain forms, for `not` and for the other branch of `if`.
 *
 * Each word of a schema by itself: what breaks one of them breaks the schema. Sometimes narrower than everything that
 * breaks it (a number that is no integer is not looked for), never wider. Words whose opposite has no form here are
 * named.
 */
import type { Schema } from './schema-forms.ts'
import { heldKeywords, valueTypes, type ValueType } from './schema-facts.ts'

/** Says what stands in the way, in words that go after "a schema with". */
export class NotNegated extends Error {}

export interface Unfolding {
  readonly of: (schema: unknown) => readonly Schema[]
  readonly both: (left: readonly Schema[], right: readonly Schema[]) => readonly Schema[]
  readonly target: (reference: unknown, from: Schema) => unknown
  readonly spend: (amount: number) => void
}

/** @throws {NotNegated} */
export function negationOf(schema: unknown, unfold: Unfolding): readonly Schema[] {
  unfold.spend(1)
  if (schema === true || schema === undefined) return []
  if (schema === false) return [{}]
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return unfold.of(schema)
  // Says what is wrong with the schema before it is taken apart.
  unfold.of(schema)
  const { not, ...rest } = schema as Schema
  const said = Object.entries(rest).filter(([, value]) => value !== undefined)
  return [
    ...(not === undefined ? [] : unfold.of(not)),
    ...said.flatMap(([word, value]) => opposite(word, value, schema as Schema, unfold)),
  ]
}

function opposite(word: string, value: unknown, schema: Schema, unfold: Unfolding): readonly Schema[] {
  switch (word) {
    case 'type':
      return [{ type: otherTypes(Array.isArray(value) ? value : [value]) }]
    case 'const':
      return [{ $except: [value] }]
    case 'enum':
      return Array.isArray(value) ? [{ $except: value as readonly unknown[] }] : unfold.of(schema)
    case 'required':
      return Array.isArray(value)
        ? value.map((name: unknown) => ({ type: 'object', $absent: [name] }))
        : unfold.of(schema)
    case 'properties':
      return Object.entries((value ?? {}) as Schema).map(([name, inner]) => ({
        type: 'object',
        properties: { [name]: inverted(inner) },
        required: [name],
      }))
    case 'minLength':
      return (value as number) > 0 ? [{ type: 'string', maxLength: (value as number) - 1 }] : []
    case 'maxLength':
      return [{ type: 'string', minLength: (value as number) + 1 }]
    case 'minItems':
      return (value as number) > 0 ? [{ type: 'array', maxItems: (value as number) - 1 }] : []
    case 'maxItems':
      return [{ type: 'array', minItems: (value as number) + 1 }]
    case 'minProperties':
      return (value as number) > 0 ? [{ type: 'object', maxProperties: (value as number) - 1 }] : []
    case 'minimum':
      return [{ type: 'number', exclusiveMaximum: value }]
    case 'maximum':
      return [{ type: 'number', exclusiveMinimum: value }]
    case 'exclusiveMinimum':
      return [{ type: 'number', maximum: value }]
    case 'exclusiveMaximum':
      return [{ type: 'number', minimum: value }]
    case '$ref':
      return negationOf(unfold.target(value, schema), unfold)
    case 'allOf':
      return (value as readonly unknown[]).flatMap((part) => negationOf(part, unfold))
    case 'anyOf':
      return (value as readonly unknown[])
        .map((part) => negationOf(part, unfold))
        .reduce((left, right) => unfold.both(left, right))
    default:
      if (!heldKeywords.has(word) && !['if', 'dependentRequired', 'dependentSchemas', 'dependencies'].includes(word))
        return []
      throw new NotNegated(`"${word}"`)
  }
}

/** Always the same object for the same schema, so that recursion through it ends. */
function inverted(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return { not: schema }
  const known = inversions.get(schema) ?? { not: schema }
  inversions.set(schema, known)
  return known
}

const inversions = new WeakMap<object, object>()

/** Numbers are either all allowed or all forbidden: which of them are integers is not told apart. */
function otherTypes(types: readonly unknown[]): ValueType[] {
  const isNumeric = types.includes('number') || types.includes('integer')
  return valueTypes.filter(
    (type) => !types.includes(type) && !(isNumeric && (type === 'number' || type === 'integer')) && type !== 'integer',
  )
}
