/**
 * The smallest value that a JSON Schema plausibly accepts.
 *
 * For forced tool calls and structured output of the demonstration upstream only: enough of JSON Schema 2020-12
 * for tool schemas (`$ref` within the document, `const`, `enum`, `anyOf`, required members, bounds). Left out:
 * `pattern`, `not`, conditionals. Schemas are the caller's, so depth, size and cycles are bounded.
 */
const maxDepth = 24
const maxNodes = 500
const maxRepeat = 64

/** The text put into strings that the schema leaves free. */
const freeText = 'demonstration'

export function minimalInstance(schema: unknown): unknown {
  return new Builder(schema).build(schema, 0)
}

class Builder {
  readonly #root: unknown
  #nodes = 0

  constructor(root: unknown) {
    this.#root = root
  }

  build(schema: unknown, depth: number): unknown {
    if (!isObject(schema) || depth > maxDepth || ++this.#nodes > maxNodes) return null
    if ('const' in schema) return schema.const
    if ('default' in schema) return schema.default
    if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0]
    if (typeof schema.$ref === 'string') return this.build(this.#resolve(schema.$ref), depth + 1)
    for (const keyword of ['anyOf', 'oneOf'] as const) {
      const branches = schema[keyword]
      if (Array.isArray(branches) && branches.length > 0)
        return this.build(this.#merge(schema, keyword, branches[0]), depth + 1)
    }
    if (Array.isArray(schema.allOf) && schema.allOf.length > 0) {
      const merged = schema.allOf.reduce((whole: unknown, part) => this.#merge(whole, 'allOf', part), schema)
      return this.build(merged, depth + 1)
    }
    switch (typeOf(schema)) {
      case 'object':
        return this.#object(schema, depth)
      case 'array':
        return this.#array(schema, depth)
      case 'string':
        return freeString(schema)
      case 'integer':
      case 'number':
        return smallestNumber(schema)
      case 'boolean':
        return false
      default:
        return null
    }
  }

  #object(schema: JsonObject, depth: number): unknown {
    const properties = isObject(schema.properties) ? schema.properties : {}
    const required = Array.isArray(schema.required) ? schema.required.filter((name) => typeof name === 'string') : []
    // `fromEntries` defines members, so a property named `__proto__` is a member like any other.
    return Object.fromEntries(
      required.slice(0, maxNodes).map((name) => {
        const known = Object.hasOwn(properties, name) ? properties[name] : { type: 'string' }
        return [name, this.build(known, depth + 1)]
      }),
    )
  }

  #array(schema: JsonObject, depth: number): unknown {
    const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems.slice(0, maxRepeat) : []
    const length = Math.min(Math.max(prefix.length, boundOf(schema.minItems)), maxRepeat)
    return Array.from({ length }, (_, at) => this.build(at < prefix.length ? prefix[at] : schema.items, depth + 1))
  }

  /** Only references into the same document; everything else is unknown. */
  #resolve(reference: string): unknown {
    if (!reference.startsWith('#')) return null
    let at = this.#root
    for (const token of reference.slice(1).split('/').slice(1)) {
      const name = token.replace(/~1/g, '/').replace(/~0/g, '~')
      if (!isObject(at) || !Object.hasOwn(at, name)) return null
      at = at[name]
    }
    return at
  }

  /** A branch together with what stands beside it. */
  #merge(outer: unknown, without: string, branch: unknown): JsonObject {
    const { [without]: _branches, ...beside } = isObject(outer) ? outer : {}
    if (!isObject(branch)) return beside
    return {
      ...beside,
      ...branch,
      ...(isObject(beside.properties) || isObject(branch.properties)
        ? { properties: { ...asObject(beside.properties), ...asObject(branch.properties) } }
        : {}),
      ...(Array.isArray(beside.required) && Array.isArray(branch.required)
        ? { required: [...new Set([...beside.required, ...branch.required])] }
        : {}),
    }
  }
}

function typeOf(schema: JsonObject): unknown {
  const { type } = schema
  if (Array.isArray(type)) return type.find((each) => each !== 'null') ?? 'null'
  if (type !== undefined) return type
  if (isObject(schema.properties) || Array.isArray(schema.required)) return 'object'
  return schema.items === undefined ? 'string' : 'array'
}

const formatSamples: Readonly<Record<string, string>> = {
  date: '2026-01-01',
  time: '00:00:00Z',
  'date-time': '2026-01-01T00:00:00Z',
  email: 'demonstration@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

function freeString(schema: JsonObject): string {
  if (typeof schema.format === 'string' && Object.hasOwn(formatSamples, schema.format))
    return formatSamples[schema.format]!
  const padded = freeText.padEnd(Math.min(boundOf(schema.minLength), 256), '.')
  return typeof schema.maxLength === 'number' ? padded.slice(0, Math.max(0, schema.maxLength)) : padded
}

function smallestNumber(schema: JsonObject): number {
  const step = typeof schema.multipleOf === 'number' && schema.multipleOf > 0 ? schema.multipleOf : 1
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const low = typeof minimum === 'number' ? minimum : typeof exclusiveMinimum === 'number' ? exclusiveMinimum : null
  const high = typeof maximum === 'number' ? maximum : typeof exclusiveMaximum === 'number' ? exclusiveMaximum : null
  const bottom = typeof exclusiveMinimum === 'number' ? exclusiveMinimum + step : low
  const aboveZero = bottom !== null && bottom > 0 ? Math.ceil(bottom / step) * step : 0
  if (high === null || aboveZero <= high) return aboveZero
  return Math.floor(high / step) * step
}

function boundOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.floor(value) : 0
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}
