/**
 * Does an answer fit the schema that its request asked for?
 *
 * A schema comes from a caller, so it is foreign: its size and depth are bounded, `$async` and `$data` are refused (with
 * `$async` ajv 8.20.0 makes a function whose promise counts as "valid"), and it is compiled and run in a thread. A schema
 * that cannot be compiled leaves the case unscored.
 */
import type { Severity, Verdict } from '../records/index.ts'
import type { IsolatedRunner } from './isolated.ts'
import { failed, passed, unscored, type ScorerName } from './verdict.ts'

const largestSchemaBytes = 1_000_000
const deepestSchema = 200
const largestAnswerBytes = 10_000_000

/** Why a schema is not even tried; null: it may be. */
export function schemaProblem(schema: unknown): { readonly reason: string; readonly message: string } | null {
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || schema === null || Array.isArray(schema)))
    return { reason: 'not-a-schema', message: 'The schema is neither an object nor true or false.' }
  // By hand and not by recursion: a schema may be deeper than the stack.
  let level: unknown[] = [schema]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepestSchema)
      return { reason: 'schema-too-deep', message: `The schema is nested more than ${deepestSchema} levels deep.` }
    const next: unknown[] = []
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue
      for (const [name, member] of Object.entries(value)) {
        // A property that happens to be called so has a schema object as its value.
        if ((name === '$async' && typeof member !== 'object') || (name === '$data' && typeof member === 'string'))
          return { reason: 'schema-refused', message: `The schema uses ${name}, which is not standard JSON Schema.` }
        next.push(member)
      }
    }
    level = next
  }
  return null
}

/** Parses and validates an answer's text. Not JSON is a failure; what cannot be checked is unscored. */
export async function scoreJson(
  text: string,
  schema: unknown,
  runner: IsolatedRunner,
  severity: Severity = 'major',
): Promise<Verdict> {
  const name: ScorerName = { scorer: schema === null ? 'json' : 'json-schema', version: '1', severity }
  if (text.length > largestAnswerBytes)
    return unscored(name, 'answer-too-large', `The answer has more than ${largestAnswerBytes} characters.`)
  try {
    JSON.parse(text)
  } catch (error) {
    return failed(name, { problem: 'not-json', message: error instanceof Error ? error.message : null })
  }
  if (schema === null) return passed(name)
  const problem = schemaProblem(schema)
  if (problem) return unscored(name, problem.reason, problem.message)
  const schemaText = JSON.stringify(schema)
  if (schemaText.length > largestSchemaBytes)
    return unscored(name, 'schema-too-large', `The schema has more than ${largestSchemaBytes} characters.`)
  const result = await runner.run({ kind: 'schema', schemaText, valueText: text })
  if ('reason' in result) {
    const reason = result.reason === 'failed' ? 'schema-not-compiled' : result.reason
    return unscored(name, reason, `The schema cannot be used: ${result.message}`)
  }
  return result.value === null ? passed(name) : failed(name, { problem: 'does-not-fit', message: result.value })
}
