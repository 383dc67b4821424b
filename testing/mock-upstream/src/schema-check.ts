/** Compiles the hand-kept request schemas of the protocol folders and words their findings. */

import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { Finding } from './violation.ts'

const ajv = new Ajv({ allErrors: false, strict: false, allowUnionTypes: true })

export function compileSchema(schema: object): (value: unknown) => Finding[] {
  let validate: ValidateFunction | undefined
  return (value) => {
    validate ??= ajv.compile(schema)
    if (validate(value)) return []
    return (validate.errors ?? []).slice(0, 1).map(toFinding)
  }
}

function toFinding(error: ErrorObject): Finding {
  const path = error.instancePath.replace(/^\//, '').replaceAll('/', '.')
  const extra =
    error.keyword === 'additionalProperties'
      ? ` (${String((error.params as { additionalProperty?: unknown }).additionalProperty)})`
      : error.keyword === 'enum'
        ? ` (${JSON.stringify((error.params as { allowedValues?: unknown }).allowedValues)})`
        : ''
  return { path, message: `${path === '' ? 'body' : path}: ${error.message ?? 'does not match'}${extra}` }
}
