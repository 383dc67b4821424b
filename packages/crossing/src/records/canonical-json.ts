/**
 * One spelling for one value, and the hash that follows from it.
 *
 * JSON in the form of RFC 8785: members sorted by UTF-16 code units, no white space, numbers and strings as
 * ECMAScript prints them. Two things RFC 8785 does not know: a member that is `undefined` is absent, and a bigint
 * (money in nanos) is written as its decimal digits in a string, so that no amount passes through a binary fraction.
 */
import { createHash, hash } from 'node:crypto'
import { CrossingError } from '../errors.ts'

/** Deeper than any honest request; recursion must end before the stack does. */
const deepest = 512

/** @throws {CrossingError} CROSSING_BAD_VALUE for what JSON cannot hold: NaN, infinities, functions, lone surrogates. */
export function canonicalJson(value: unknown): string {
  return write(value, 0)
}

/** `sha256:` and 64 hex digits, over the canonical form. A list is hashed element by element, never written as a whole. */
export function hashOf(value: unknown): string {
  if (!Array.isArray(value)) return `sha256:${hash('sha256', canonicalJson(value), 'hex')}`
  const digest = createHash('sha256').update('[')
  for (const [index, element] of value.entries()) digest.update(`${index === 0 ? '' : ','}${write(element, 1)}`)
  return `sha256:${digest.update(']').digest('hex')}`
}

function write(value: unknown, depth: number): string {
  if (depth > deepest) throw bad(`it is nested more than ${deepest} levels deep`)
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw bad('a string has half of a surrogate pair')
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw bad(`${value} is not a JSON number`)
      return JSON.stringify(value)
    case 'boolean':
      return String(value)
    case 'bigint':
      return `"${value}"`
    case 'object':
      break
    default:
      throw bad(`a ${typeof value} is not JSON`)
  }
  if (value === null) return 'null'
  if (Array.isArray(value)) return `[${Array.from(value, (element) => write(element, depth + 1)).join(',')}]`
  const members = value as Readonly<Record<string, unknown>>
  const written = Object.keys(members)
    .filter((name) => members[name] !== undefined)
    // The default order compares UTF-16 code units, as RFC 8785 section 3.2.3 wants.
    .sort()
    .map((name) => `${write(name, depth)}:${write(members[name], depth + 1)}`)
  return `{${written.join(',')}}`
}

function bad(why: string): CrossingError {
  return new CrossingError('CROSSING_BAD_VALUE', `A record cannot be written in canonical form: ${why}.`)
}
