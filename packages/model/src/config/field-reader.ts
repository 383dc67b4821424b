/**
 * Reads configuration fields under any of their published spellings and refuses what cannot be.
 *
 * Three spellings exist for most fields: `config.json` of the official repository (the first alias in each
 * list), the flat `inference/config.json`, and what transformers writes back. Every refusal names the
 * field as spelled in the file, the value found and the allowed range.
 */
import { ModelError } from '../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function refuse(field: string, value: unknown, allowed: string): never {
  const shown = value === undefined ? 'missing' : (JSON.stringify(value) ?? typeof value).slice(0, 120)
  throw new ModelError('MODEL_CONFIG_FIELD', `Configuration field ${field} is ${shown}; allowed: ${allowed}.`, {
    field,
    value: shown,
    allowed,
  })
}

export class FieldReader {
  readonly #object: JsonObject
  readonly #path: string

  constructor(object: JsonObject, path = '') {
    this.#object = object
    this.#path = path
  }

  /** The first alias present, with the spelling that was found. Null counts as absent, as in the official code. */
  find(aliases: readonly string[]): { name: string; value: unknown } {
    for (const alias of aliases) {
      const value = Object.hasOwn(this.#object, alias) ? this.#object[alias] : undefined
      if (value !== undefined && value !== null) return { name: this.#path + alias, value }
    }
    return { name: this.#path + String(aliases[0]), value: undefined }
  }

  integer(aliases: readonly string[], minimum: number, maximum: number, fallback?: number): number {
    const { name, value } = this.find(aliases)
    if (value === undefined && fallback !== undefined) return fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum || value > maximum) {
      return refuse(name, value, `an integer from ${minimum} to ${maximum}`)
    }
    return value
  }

  /** A finite number in `(above, maximum]`. */
  number(aliases: readonly string[], above: number, maximum: number, fallback?: number): number {
    const { name, value } = this.find(aliases)
    if (value === undefined && fallback !== undefined) return fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= above || value > maximum) {
      return refuse(name, value, `a number above ${above} and at most ${maximum}`)
    }
    return value
  }

  /** A field that may be left out but, when present, must have the one value this architecture knows. */
  mustBe(aliases: readonly string[], allowed: string | number | boolean): void {
    const { name, value } = this.find(aliases)
    if (value !== undefined && value !== allowed) refuse(name, value, JSON.stringify(allowed))
  }

  integers(aliases: readonly string[], minimum: number, maximum: number): { name: string; values: number[] } | null {
    const { name, value } = this.find(aliases)
    if (value === undefined) return null
    if (!Array.isArray(value)) return refuse(name, value, `a list of integers from ${minimum} to ${maximum}`)
    const values = value.map((entry: unknown, at) => {
      if (typeof entry !== 'number' || !Number.isInteger(entry) || entry < minimum || entry > maximum) {
        return refuse(`${name}[${at}]`, entry, `an integer from ${minimum} to ${maximum}`)
      }
      return entry
    })
    return { name, values }
  }

  words(aliases: readonly string[], allowed: readonly string[]): { name: string; values: string[] } | null {
    const { name, value } = this.find(aliases)
    if (value === undefined) return null
    if (!Array.isArray(value)) return refuse(name, value, `a list of ${allowed.join(' | ')}`)
    const values = value.map((entry: unknown, at) =>
      typeof entry === 'string' && allowed.includes(entry)
        ? entry
        : refuse(`${name}[${at}]`, entry, allowed.join(' | ')),
    )
    return { name, values }
  }

  object(aliases: readonly string[]): FieldReader | null {
    const { name, value } = this.find(aliases)
    if (value === undefined) return null
    if (!isObject(value)) return refuse(name, value, 'an object')
    return new FieldReader(value, `${name}.`)
  }
}
