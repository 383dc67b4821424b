/** `docs/reference/configuration.md`: every setting of `portolan.yaml`, read off its JSON Schema. */
import { code, generatedFrom, page, table } from './markdown.ts'

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | false
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly string[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly pattern?: string
}

const example = `listen: 127.0.0.1:4114

upstreams:
  deepseek: { kind: deepseek, apiKey: "\${DEEPSEEK_API_KEY}" }
  cluster:  { kind: vllm, baseUrl: "http://10.0.0.7:8000/v1", models: [deepseek-v4-flash], prices: { input: 0.05, output: 0.20 } }

models:
  deepseek-v4-flash: { route: [cluster, deepseek] }
  fast:              { route: [deepseek], model: deepseek-v4-flash, lossy: strict }`

export function configurationPage(schema: Record<string, unknown>): string {
  return page(
    '# Configuration',
    generatedFrom('`packages/cli/src/config/schema.ts`'),
    'One file, `portolan.yaml`, in the working directory or named with `--config`. It is checked whole before it takes effect: an unknown setting, a wrong type or a broken reference is refused with line and column. Secrets come in by `${ENV}` reference only. A running gateway takes a changed file (or a SIGHUP) for the requests that start from then on, and keeps the running configuration when the new one is bad. Without a file, suppliers whose keys are in the environment are used.',
    'Editors complete and check it with [portolan.schema.json](portolan.schema.json): put `# yaml-language-server: $schema=docs/reference/portolan.schema.json` in the first line.',
    `\`\`\`yaml\n${example}\n\`\`\``,
    ...sections('', schema, '## Settings'),
  )
}

/** One table for an object, then one for each object below it. */
function sections(path: string, schema: Schema, title: string): string[] {
  const below: string[] = []
  const rows = Object.entries(schema.properties ?? {}).map(([name, member]) => {
    const at = path === '' ? name : `${path}.${name}`
    const inner = objectIn(member, at)
    if (inner) below.push(...sections(inner.path, inner.schema, `## ${code(inner.path)}`))
    const required = schema.required?.includes(name) ? ' **Required.**' : ''
    return [code(name), typeOf(member), `${member.description ?? ''}${required}`.trim()]
  })
  return [title, table(['setting', 'type', 'meaning'], rows), ...below]
}

/** The object whose members deserve a table of their own: the member itself, a map's values, or an alternative. */
function objectIn(schema: Schema, path: string): { readonly path: string; readonly schema: Schema } | null {
  if (schema.properties) return { path, schema }
  if (schema.additionalProperties) return objectIn(schema.additionalProperties, `${path}.NAME`)
  if (schema.items) return objectIn(schema.items, `${path}[]`)
  for (const alternative of schema.anyOf ?? []) {
    const found = objectIn(alternative, path)
    if (found) return found
  }
  return null
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map(code).join(', ')
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.items) return `list of ${typeOf(schema.items)}`
  if (schema.additionalProperties) return 'map by name'
  if (schema.type === 'integer') return range('whole number', schema)
  if (schema.type === 'number') return range('number', schema)
  if (schema.type === 'string') return schema.pattern === undefined ? 'text' : `text like ${code(schema.pattern)}`
  return schema.type ?? 'anything'
}

function range(word: string, { minimum, maximum }: Schema): string {
  const least = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? ` from ${minimum}` : ''
  const most = maximum !== undefined && maximum < 2 ** 31 - 1 ? ` to ${maximum}` : ''
  return `${word}${least}${most}`
}
