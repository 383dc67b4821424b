/**
 * Tool arguments between a string (canonical, Chat) and an object (Messages' `input`).
 *
 * The object prints its numbers as they were spelled (`1.0`, 20-digit integers), because a model's own words
 * must come back to it unchanged or its prefix cache misses. Key order holds too, but for keys that are decimal
 * integers, which JavaScript objects list first; the result is then still the same on every turn.
 */
import { wrapUnparsedToolInput } from '../history/client-quirks.ts'
import { isObject, type WireObject } from './types.ts'

/** ES2026 source text access, in Node since 22; not yet in the compiler's library. */
interface JsonWithSource {
  rawJSON(text: string): unknown
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown
}
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const json = JSON as unknown as JsonWithSource

/**
 * Arguments as an object that JSON.stringify prints with the numbers as spelled; null when they are no JSON
 * object. The empty string, which is how calls without arguments often arrive, is the empty object.
 */
export function inputOfArguments(argumentsText: string): WireObject | null {
  if (argumentsText.trim() === '') return {}
  try {
    const input = json.parse(argumentsText, (_key, value, context) => {
      if (typeof value !== 'number' || context.source === undefined) return value
      return String(value) === context.source ? value : json.rawJSON(context.source)
    })
    return isObject(input) ? input : null
  } catch {
    return null
  }
}

/** Arguments for an answer to a client: what is no object is kept verbatim in a stand-in that comes back. */
export function inputForClient(argumentsText: string): WireObject {
  return inputOfArguments(argumentsText) ?? wrapUnparsedToolInput(argumentsText)
}

/** Is this the text of a JSON object, complete? */
export function isCompleteObject(text: string): boolean {
  if (!text.trimEnd().endsWith('}')) return false
  try {
    return isObject(JSON.parse(text))
  } catch {
    return false
  }
}

/**
 * Does an argument string kept from sampling mean what the client replays now? A client may edit a call; then
 * what it says counts. Text that never parsed cannot come back as an object, so it is taken to mean the same.
 */
export function saysTheSame(kept: string, replayed: unknown): boolean {
  let parsed: unknown
  try {
    parsed = JSON.parse(kept === '' ? '{}' : kept)
  } catch {
    return true
  }
  try {
    return sortedJson(parsed) === sortedJson(replayed)
  } catch {
    // Nested deeper than the stack allows.
    return false
  }
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner,
  )
}
