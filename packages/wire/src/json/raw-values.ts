/**
 * Verbatim source text of chosen values inside a JSON text.
 *
 * Tool arguments travel as an object in Messages and as a string in Chat. Parsing and printing them again would
 * turn `1.0` into `1` and round big integers, and the prompt would no longer match what the model wrote; so the
 * characters themselves are carried over. One pass, no recursion.
 */
import { WireError } from '../errors.ts'

type Step = string | number

/**
 * Collects the source text of every value whose path `keep` accepts; nothing inside a kept value is visited.
 *
 * @param text  Valid JSON (it has been parsed elsewhere; the structure is relied on, not checked in full).
 * @param keep  Called with the path of each value; the array is reused, so it must not be held.
 * @returns JSON pointer to source text. Where a key is given twice the last one counts, as in JSON.parse.
 * @throws {WireError} `WIRE_BAD_JSON` when the structure does not hold.
 */
export function collectRaw(text: string, keep: (path: readonly Step[]) => boolean): Map<string, string> {
  const found = new Map<string, string>()
  const path: Step[] = []
  /** For each open container: is it an object? */
  const inObject: boolean[] = []
  let at = skipSpace(text, text.charCodeAt(0) === 0xfeff ? 1 : 0)

  for (;;) {
    // Here a value starts.
    if (keep(path)) {
      const end = skipValue(text, at)
      found.set(pointerOf(path), text.slice(at, end))
      at = end
    } else if (text[at] === '{' || text[at] === '[') {
      const isObject = text[at] === '{'
      const first = skipSpace(text, at + 1)
      if (text[first] === (isObject ? '}' : ']')) at = first + 1
      else {
        inObject.push(isObject)
        path.push(isObject ? '' : 0)
        at = isObject ? readKey(text, first, path) : first
        continue
      }
    } else at = skipValue(text, at)

    // Here a value has ended: go on to the next one, closing containers.
    for (;;) {
      at = skipSpace(text, at)
      const isObject = inObject.at(-1)
      if (isObject === undefined) {
        if (at !== text.length) throw badJson(at)
        return found
      }
      if (text[at] === ',') {
        at = skipSpace(text, at + 1)
        if (isObject) at = readKey(text, at, path)
        else path.push(Number(path.pop()) + 1)
        break
      }
      if (text[at] !== (isObject ? '}' : ']')) throw badJson(at)
      inObject.pop()
      path.pop()
      at++
    }
  }
}

/** The same JSON without white space outside strings. */
export function minifyJson(raw: string): string {
  if (!/\s/.test(raw)) return raw
  let out = ''
  let from = 0
  let at = 0
  while (at < raw.length) {
    const code = raw.charCodeAt(at)
    if (code === 0x22) at = skipString(raw, at)
    else if (isSpace(code)) {
      out += raw.slice(from, at)
      at = skipSpace(raw, at)
      from = at
    } else at++
  }
  return out + raw.slice(from)
}

/** Puts the key at `at` in place of the last step of `path`; returns where its value starts. */
function readKey(text: string, at: number, path: Step[]): number {
  if (text[at] !== '"') throw badJson(at)
  const end = skipString(text, at)
  const raw = text.slice(at + 1, end - 1)
  try {
    path[path.length - 1] = raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw
  } catch {
    throw badJson(at)
  }
  const colon = skipSpace(text, end)
  if (text[colon] !== ':') throw badJson(colon)
  return skipSpace(text, colon + 1)
}

function skipValue(text: string, from: number): number {
  const first = text[from]
  if (first === '"') return skipString(text, from)
  let at = from
  if (first !== '{' && first !== '[') {
    while (at < text.length && !isSpace(text.charCodeAt(at)) && !',]}'.includes(text[at] ?? '')) at++
    if (at === from) throw badJson(from)
    return at
  }
  let depth = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      at = skipString(text, at)
      continue
    }
    at++
    if (code === 0x7b || code === 0x5b) depth++
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return at
  }
  throw badJson(text.length)
}

function skipString(text: string, from: number): number {
  let at = from + 1
  for (;;) {
    const found = text.indexOf('"', at)
    if (found === -1) throw badJson(from)
    let slashes = 0
    while (found - slashes > at && text.charCodeAt(found - slashes - 1) === 0x5c) slashes++
    at = found + 1
    if (slashes % 2 === 0) return at
  }
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && isSpace(text.charCodeAt(at))) at++
  return at
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function pointerOf(path: readonly Step[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function badJson(at: number): WireError {
  return new WireError('WIRE_BAD_JSON', `The body is not valid JSON (character ${at}).`)
}
