/**
 * The far side of `isolated.ts`: runs one task after the other, in a thread that may be killed at any moment.
 *
 * A validator that is not a plain boolean function is refused: ajv makes one that returns a promise, which is truthy,
 * from a schema with `$async`.
 */
import { parentPort } from 'node:worker_threads'
import { Ajv, type Options, type SchemaObject, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { IsolatedTask, TaskResult } from './isolated.ts'

/** CommonJS: the function is a member of what arrives here. */
const addFormats = formats.default as unknown as (ajv: Ajv | Ajv2020) => void
const settings = { strict: false, allErrors: false, validateFormats: true, logger: false } satisfies Options
const validators = new Map<string, ValidateFunction>()

parentPort!.on('message', (task: IsolatedTask) => {
  void run(task).then(
    (value) => parentPort!.postMessage({ value } satisfies TaskResult),
    (error: unknown) =>
      parentPort!.postMessage({
        failure: error instanceof Error ? error.message.slice(0, 500) : 'it threw something that is no error',
      } satisfies TaskResult),
  )
})
parentPort!.postMessage('ready')

async function run(task: IsolatedTask): Promise<unknown> {
  if (task.kind === 'schema') return validate(task.schemaText, task.valueText)
  if (task.kind === 'pattern') return new RegExp(task.pattern, task.flags).test(task.text)
  const module = (await import(task.file)) as { default?: unknown }
  if (typeof module.default !== 'function') throw new Error('the file has no default export that is a function')
  const result: unknown = await (module.default as (input: unknown) => unknown)(task.input)
  return JSON.parse(JSON.stringify(result ?? null))
}

function validate(schemaText: string, valueText: string): string | null {
  const check = validators.get(schemaText) ?? compile(schemaText)
  const verdict: unknown = check(JSON.parse(valueText))
  if (typeof verdict !== 'boolean') throw new Error('the schema made a check that does not answer yes or no')
  if (verdict) return null
  const [error] = check.errors ?? []
  return `${error?.instancePath || 'the value'} ${error?.message ?? 'does not fit'}`.slice(0, 500)
}

function compile(schemaText: string): ValidateFunction {
  const { $schema: declared, ...schema } = asObject(JSON.parse(schemaText))
  const dialect = typeof declared === 'string' ? declared : ''
  const check = attempt(orderOf(dialect), schema)
  if ('$async' in check) throw new Error('the schema asks for asynchronous validation')
  if (validators.size >= 500) validators.clear()
  validators.set(schemaText, check)
  return check
}

/** True and false are schemas: everything and nothing. */
function asObject(schema: unknown): SchemaObject {
  return typeof schema === 'boolean' ? (schema ? {} : { not: {} }) : (schema as SchemaObject)
}

/**
 * 2019-09 and 2020-12 as they are declared. Draft-07 and everything before it as draft-07, whose meta-schema refuses what
 * draft-04 wrote otherwise. Without a dialect the newer one first: array-valued `items` then falls back to draft-07.
 */
function orderOf(dialect: string): readonly (() => Ajv | Ajv2020)[] {
  if (/draft\/20(19-09|20-12)/.test(dialect)) return [draft2020]
  return /draft-0[1-7]|json-schema\.org\/schema/.test(dialect) ? [draft7] : [draft2020, draft7]
}

function attempt(dialects: readonly (() => Ajv | Ajv2020)[], schema: SchemaObject): ValidateFunction {
  let first: unknown
  for (const dialect of dialects) {
    try {
      return dialect().compile(schema)
    } catch (error) {
      first ??= error
    }
  }
  throw first
}

/** A validator of its own for each schema, so that one schema's `$id` cannot redefine another's. */
function draft2020(): Ajv2020 {
  const ajv = new Ajv2020(settings)
  addFormats(ajv)
  return ajv
}

function draft7(): Ajv {
  const ajv = new Ajv(settings)
  // Draft-04's name for `$id`: ajv would refuse the whole schema for it. References that need it still do not compile.
  ajv.removeKeyword('id')
  addFormats(ajv)
  return ajv
}
