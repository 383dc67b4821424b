/** Reading members of a Responses body: absent and null are the same, a wrong type is named in the caller's spelling. */
import { WireError } from '../errors.ts'

export type WireObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function badField(field: string, expected: string, value: unknown): never {
  const got = value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
  throw new WireError('WIRE_BAD_FIELD', `\`${field}\` must be ${expected}, not ${got}.`, field)
}

export function objectOf(value: unknown, field: string): WireObject {
  return isObject(value) ? value : badField(field, 'an object', value)
}

export function arrayOf(value: unknown, field: string): readonly unknown[] {
  return Array.isArray(value) ? value : badField(field, 'an array', value)
}

export function requiredString(object: WireObject, name: string, path = ''): string {
  const value = object[name]
  return typeof value === 'string' ? value : badField(path + name, 'a string', value)
}

export function optionalString(object: WireObject, name: string, path = ''): string | null {
  const value = object[name]
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : badField(path + name, 'a string or null', value)
}

export function optionalNumber(object: WireObject, name: string, path = ''): number | null {
  const value = object[name]
  if (value === undefined || value === null) return null
  return typeof value === 'number' && Number.isFinite(value) ? value : badField(path + name, 'a number or null', value)
}

export function optionalBoolean(object: WireObject, name: string, path = ''): boolean | null {
  const value = object[name]
  if (value === undefined || value === null) return null
  return typeof value === 'boolean' ? value : badField(path + name, 'a boolean or null', value)
}

export function optionalWord<W extends string>(
  object: WireObject,
  name: string,
  words: readonly W[],
  path = '',
): W | null {
  const value = optionalString(object, name, path)
  if (value === null) return null
  const word = words.find((known) => known === value)
  if (word !== undefined) return word
  throw new WireError(
    'WIRE_BAD_FIELD',
    `\`${path + name}\` must be one of ${words.join(', ')}, not ${JSON.stringify(value.slice(0, 40))}.`,
    path + name,
  )
}

/** Members that are not in `known` and say something; safe for any member name. */
export function otherMembers(object: WireObject, known: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).filter(([name, value]) => !known.has(name) && value !== null && value !== undefined),
  )
}
