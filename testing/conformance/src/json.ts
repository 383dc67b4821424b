/** Reading unknown JSON in assertions: a wrong type is a failed assertion that names the place. */
import assert from 'node:assert/strict'

export type Json = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function object(value: unknown, where: string): Json {
  assert.ok(isObject(value), `${where} must be an object, got ${show(value)}`)
  return value
}

export function list(value: unknown, where: string): readonly unknown[] {
  assert.ok(Array.isArray(value), `${where} must be a list, got ${show(value)}`)
  return value
}

export function string(value: unknown, where: string): string {
  assert.ok(typeof value === 'string', `${where} must be a string, got ${show(value)}`)
  return value
}

export function count(value: unknown, where: string): number {
  assert.ok(
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
    `${where} must be a whole number from 0, got ${show(value)}`,
  )
  return value
}

export function countOrNull(value: unknown, where: string): number | null {
  return value === null || value === undefined ? null : count(value, where)
}

/** Required-nullable: the member must be there, null or not. */
export function present(value: Json, members: readonly string[], where: string): void {
  for (const member of members) assert.ok(member in value, `${where} lacks the required member \`${member}\``)
}

export function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return assert.fail(`${where} is not JSON: ${show(text)}`)
  }
}

export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 300 ? `${text.slice(0, 300)}...` : text
}
