/**
 * The supplier-side check of `strict: true` schemas, shared by Chat and Responses (structured outputs guide of the
 * OpenAI API): closed objects, every property required, an object at the root. Type support is not checked.
 */

import { asList, asObject, isObject } from './json-value.ts'

export function strictSchemaFinding(schema: unknown, context = '()'): string | undefined {
  if (!isObject(schema)) return undefined
  if (context === '()' && schema.type !== 'object') {
    return `schema must be a JSON Schema of 'type: "object"', got 'type: ${JSON.stringify(schema.type ?? 'None')}'.`
  }
  if (isObject(schema.properties)) {
    if (schema.additionalProperties !== false) {
      return `In context=${context}, 'additionalProperties' is required to be supplied and to be false.`
    }
    const required = asList(schema.required)
    for (const [name, property] of Object.entries(asObject(schema.properties))) {
      if (!required.includes(name)) {
        return `In context=${context}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${name}'.`
      }
      const inner = strictSchemaFinding(property, `('properties', '${name}')`)
      if (inner) return inner
    }
  }
  if (isObject(schema.items)) {
    const inner = strictSchemaFinding(schema.items, `${context.replace(/\)$/, '')}, 'items')`)
    if (inner) return inner
  }
  for (const branch of asList(schema.anyOf)) {
    const inner = strictSchemaFinding(branch, `${context.replace(/\)$/, '')}, 'anyOf')`)
    if (inner) return inner
  }
  return undefined
}
