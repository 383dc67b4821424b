/**
 * Judges made at run time from the vendors' own TypeScript types: JSON Schemas by ts-json-schema-generator, kept
 * in `.work/` (not in git) until a version changes.
 *
 * Unknown fields pass, because all vendors add fields without notice and both SDKs ignore them; wrong types,
 * missing required fields and unknown variants do not pass.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { ValidateFunction } from 'ajv'

export type JudgedType =
  | 'MessagesRequest'
  | 'MessagesBetaRequest'
  | 'MessagesAnswer'
  | 'MessagesEvent'
  | 'ChatRequest'
  | 'ChatAnswer'
  | 'ChatEvent'
  | 'ResponsesRequest'
  | 'ResponsesAnswer'
  | 'ResponsesEvent'

export type Judge = (type: JudgedType, value: unknown) => string | undefined

const here = fileURLToPath(new URL('.', import.meta.url))
const work = `${here}.work`

/** Reads the cached schemas, making them first when a package or the list of types has changed. */
export async function makeJudge(): Promise<Judge> {
  const { Ajv } = await import('ajv')
  const document = await schemas()
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, allowUnionTypes: true })
  ajv.addSchema(document, 'vendors')
  const compiled = new Map<JudgedType, ValidateFunction>()
  return (type, value) => {
    let validate = compiled.get(type)
    if (!validate) {
      validate = ajv.compile({ $ref: `vendors#/definitions/${type}` })
      compiled.set(type, validate)
    }
    if (validate(value)) return undefined
    const errors = (validate.errors ?? []).toSorted((a, b) => b.instancePath.length - a.instancePath.length)
    const worst = errors
      .slice(0, 3)
      .map((error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`)
    return `${type}: ${worst.join('; ')}`
  }
}

async function schemas(): Promise<object> {
  const path = `${work}/schemas-${fingerprint()}.json`
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as object
  const { createGenerator } = await import('ts-json-schema-generator')
  const schema = createGenerator({
    path: `${here}judged-types.ts`,
    tsconfig: `${here}tsconfig.json`,
    type: '*',
    expose: 'export',
    jsDoc: 'none',
    additionalProperties: true,
    skipTypeCheck: true,
    topRef: true,
  }).createSchema('*')
  dropConvenience(schema)
  mkdirSync(work, { recursive: true })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(schema))
  renameSync(temporary, path)
  return schema
}

/** The SDK adds `output_text` to a Response by itself; no server sends it, also not inside events. */
function dropConvenience(node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  if ('required' in node && Array.isArray(node.required) && node.required.includes('access_programs')) {
    node.required = node.required.filter((name) => name !== 'output_text')
  }
  for (const inner of Object.values(node)) dropConvenience(inner)
}

function fingerprint(): string {
  const require = createRequire(import.meta.url)
  const hash = createHash('sha256')
  for (const name of ['openai', '@anthropic-ai/sdk', 'ts-json-schema-generator']) {
    const manifest = JSON.parse(readFileSync(`${here}node_modules/${name}/package.json`, 'utf8')) as { version: string }
    hash.update(`${name}@${manifest.version}\n`)
  }
  hash.update(readFileSync(require.resolve('./judged-types.ts')))
  hash.update(readFileSync(fileURLToPath(import.meta.url)))
  return hash.digest('hex').slice(0, 12)
}
