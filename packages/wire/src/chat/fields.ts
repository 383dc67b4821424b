/** Reading members of untrusted JSON: the value in the wanted type, or an error that names the field. */
import { WireError } from '../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function badField(field: string, wanted: string): WireError {
  return new WireError('WIRE_BAD_FIELD', `\`${field}\` must be ${wanted}.`, field)
}

export function objectAt(value: unknown, field: string): JsonObject {
  if (!isObject(value)) throw badField(field, 'an object')
  return value
}

export function arrayAt(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badField(field, 'an array')
  return value
}

export function stringAt(value: unknown, field: string): string {
  if (typeof value !== 'string') throw badField(field, 'a string')
  return value
}

export function numberAt(value: unknown, field: string): number {
  if (typeof value !== 'number') throw badField(field, 'a number')
  return value
}

export function countAt(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw badField(field, 'a whole number')
  return value
}

export function booleanAt(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw badField(field, 'true or false')
  return value
}

/** Absent and null both mean "not said". */
export function optional<T>(value: unknown, field: string, read: (value: unknown, field: string) => T): T | null {
  return value === undefined || value === null ? null : read(value, field)
}

/** A string member of an object we read leniently; null when it is not a string. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
