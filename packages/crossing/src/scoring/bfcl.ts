/**
 * The Berkeley Function-Calling Leaderboard's way of judging calls, for comparison with published figures only.
 *
 * Its gold gives each argument a list of acceptable values, in which "" means that the argument may be left out. Quirks
 * kept (gorilla repository, ast_checker, as of 2026-03): strings are lower-cased and lose spaces and `, . / - _ * ^`
 * and quotes change sort; a whole number counts as a float but not the other way round; a list's elements are checked one level
 * deep; `any` is not checked for type, and neither is a value of the type that the gold itself has. One quirk is optional: parallel calls were paired greedily in gold order.
 */
import { assign } from './assignment.ts'

export interface BfclFunction {
  readonly name: string
  readonly parameters: {
    readonly properties: Readonly<Record<string, BfclType>>
    readonly required?: readonly string[]
  }
}

interface BfclType {
  readonly type: string
  readonly items?: BfclType
}

/** Function name to argument name to acceptable values. */
export type BfclGold = Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>

export interface BfclCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** @returns null when the calls are right, else why not */
export function bfclProblem(
  calls: readonly BfclCall[],
  gold: readonly BfclGold[],
  functions: readonly BfclFunction[],
  pairing: 'best' | 'greedy' = 'best',
): string | null {
  if (calls.length !== gold.length) return `${calls.length} calls instead of ${gold.length}`
  const problems = gold.map((wanted) => calls.map((call) => callProblem(call, wanted, functions)))
  if (pairing === 'best') {
    const partner = assign(problems.map((row) => row.map((problem) => (problem === null ? 1 : 0))))
    const wrong = partner.findIndex((column, at) => problems[at]![column] !== null)
    return wrong < 0 ? null : problems[wrong]![partner[wrong]!]!
  }
  const taken = new Set<number>()
  for (const row of problems) {
    const column = row.findIndex((problem, at) => problem === null && !taken.has(at))
    if (column < 0) return row.find((problem) => problem !== null) ?? 'no call is left for it'
    taken.add(column)
  }
  return null
}

function callProblem(call: BfclCall, wanted: BfclGold, functions: readonly BfclFunction[]): string | null {
  const [name, values] = Object.entries(wanted)[0] ?? ['', {}]
  if (charsetName(call.name) !== charsetName(name)) return `${call.name} instead of ${name}`
  const described = functions.find((each) => charsetName(each.name) === charsetName(name))
  if (!described) return `${name} is not described`
  const { properties, required = [] } = described.parameters
  for (const argument of required)
    if (!Object.hasOwn(call.arguments, argument)) return `the required argument ${argument} is missing`
  for (const [argument, value] of Object.entries(call.arguments)) {
    const property = Object.hasOwn(properties, argument) ? properties[argument] : undefined
    const acceptable = Object.hasOwn(values, argument) ? values[argument] : undefined
    if (!property || !acceptable) return `the argument ${argument} is not expected`
    if (!hasType(value, property) && !isGoldType(value, acceptable))
      return `the argument ${argument} is no ${property.type}`
    if (!acceptable.some((each) => isAcceptable(value, each))) return `the argument ${argument} has another value`
  }
  for (const [argument, acceptable] of Object.entries(values))
    if (!Object.hasOwn(call.arguments, argument) && !acceptable.includes(''))
      return `the argument ${argument} is missing`
  return null
}

function charsetName(name: string): string {
  return name.replaceAll('.', '_')
}

function hasType(value: unknown, { type, items }: BfclType, nested = false): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value)
    case 'float':
    case 'number':
      return typeof value === 'number'
    case 'array':
    case 'tuple':
      if (!Array.isArray(value)) return false
      return nested || !items ? true : value.every((element) => hasType(element, items, true))
    case 'dict':
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return true
  }
}

/** Gold that breaks its own declaration ("dontcare" for a number) makes its type acceptable. */
function isGoldType(value: unknown, acceptable: readonly unknown[]): boolean {
  const first = acceptable.find((each) => each !== '')
  return first !== undefined && typeof value === typeof first && Array.isArray(value) === Array.isArray(first)
}

function isAcceptable(value: unknown, acceptable: unknown): boolean {
  if (typeof value === 'string') return typeof acceptable === 'string' && plain(value) === plain(acceptable)
  if (Array.isArray(value))
    return (
      Array.isArray(acceptable) &&
      value.length === acceptable.length &&
      value.every((element, at) => isAcceptable(element, acceptable[at]))
    )
  if (typeof value === 'object' && value !== null) {
    if (typeof acceptable !== 'object' || acceptable === null || Array.isArray(acceptable)) return false
    const wanted = acceptable as Readonly<Record<string, unknown>>
    const has = Object.entries(value).every(
      ([name, member]) =>
        Object.hasOwn(wanted, name) && listOf(wanted[name]).some((choice) => isAcceptable(member, choice)),
    )
    return has && Object.keys(wanted).every((name) => Object.hasOwn(value, name) || listOf(wanted[name]).includes(''))
  }
  return value === acceptable
}

/** Inside a dictionary the gold lists choices again. */
function listOf(choices: unknown): readonly unknown[] {
  return Array.isArray(choices) ? (choices as unknown[]) : [choices]
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/[ ,./\-_*^]/g, '')
    .replaceAll("'", '"')
}
