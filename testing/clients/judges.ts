/**
 * Judges made at run time from the vendors' own TypeScript types: JSON Schemas by ts-json-schema-generator, kept
 * in `.work/` (not in git) until a version changes.
 *
 * Unknown fields pass, because all vendors add fields without notice and both SDKs ignore them; wrong types,
 * missing required fields and unknown variants do not pass.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
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

const protocols = ['messages', 'chat', 'responses'] as const
type Protocol = (typeof protocols)[number]

/** Reads the cached schemas, making them first when a package or a list of types has changed. */
export async function makeJudge(): Promise<Judge> {
  const { Ajv } = await import('ajv')
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, allowUnionTypes: true })
  for (const protocol of protocols) ajv.addSchema(await schemaOf(protocol), protocol)
  const compiled = new Map<JudgedType, ValidateFunction>()
  return (type, value) => {
    let validate = compiled.get(type)
    if (!validate) {
      const protocol = protocols.find((one) => type.toLowerCase().startsWith(one))
      validate = ajv.compile({ $ref: `${protocol}#/definitions/${type}` })
      compiled.set(type, validate)
    }
    if (validate(value)) return undefined
    // Of a failed union every branch complains; the branches that got deepest know most.
    const errors = (validate.errors ?? []).toSorted((a, b) => b.instancePath.length - a.instancePath.length)
    const worst = errors
      .slice(0, 3)
      .map((error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`)
    return `${type}: ${worst.join('; ')}`
  }
}

async function schemaOf(protocol: Protocol): Promise<object> {
  const path = `${work}/${protocol}-${fingerprint(protocol)}.json`
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as object
  const { createGenerator } = await import('ts-json-schema-generator')
  const schema = createGenerator({
    path: `${here}judged/${protocol}.ts`,
    tsconfig: `${here}tsconfig.json`,
    type: '*',
    expose: 'export',
    jsDoc: 'none',
    additionalProperties: true,
    skipTypeCheck: true,
    topRef: true,
  }).createSchema('*')
  relax(schema)
  mkdirSync(work, { recursive: true })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, JSON.stringify(schema))
  renameSync(temporary, path)
  return schema
}

/**
 * Where the types ask for more than the services do: `output_text` is added to a Response by the SDK itself and
 * never sent, also not inside events; `detail` of an input image has a default, and the vendor's own examples
 * leave it out.
 */
function relax(node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  if ('required' in node && Array.isArray(node.required)) {
    if (node.required.includes('access_programs'))
      node.required = node.required.filter((name) => name !== 'output_text')
    if (JSON.stringify(node).includes('"const":"input_image"'))
      node.required = node.required.filter((name) => name !== 'detail')
  }
  for (const inner of Object.values(node)) relax(inner)
}

function fingerprint(protocol: Protocol): string {
  const hash = createHash('sha256')
  for (const name of [protocol === 'messages' ? '@anthropic-ai/sdk' : 'openai', 'ts-json-schema-generator']) {
    const manifest = JSON.parse(readFileSync(`${here}node_modules/${name}/package.json`, 'utf8')) as { version: string }
    hash.update(`${name}@${manifest.version}\n`)
  }
  hash.update(readFileSync(`${here}judged/${protocol}.ts`))
  hash.update(readFileSync(fileURLToPath(import.meta.url)))
  return hash.digest('hex').slice(0, 12)
}
