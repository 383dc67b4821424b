/**
 * Takes personal data and secrets out of an exchange, in memory, before anything of it touches a disk.
 *
 * A value becomes `<EMAIL_7f3akq2m>`: its class and an HMAC of its one spelling under the tenant's key. The same value
 * is the same token in a prompt, in tool arguments and in a result, on every turn, so that recorded tool results still
 * answer recorded calls. Values that only their place betrays (a password field, a user's field rule) are looked for in
 * the whole exchange once they are known. Images, audio and documents cannot be read here and are left out; opaque
 * reasoning tokens are left out because they carry the words that were just removed.
 */
import { createHmac } from 'node:crypto'
import type { CanonicalRequest, CanonicalResponse } from '@portolan/wire'
import type { ExchangeContent } from '../../records/index.ts'
import { findSecrets, type Found } from './detectors.ts'
import { rewriteJsonText } from './json-text.ts'

/** A member of a tool's arguments or JSON results that is personal by its place. */
export interface FieldRule {
  /** Tool name; `*` at its end matches any rest. */
  readonly tool: string
  /** `$.customer.name`, `$.items[*].note`, or `$..name` for the member at any depth. */
  readonly path: string
  /** The word in the pseudonym, e.g. `NAME`. */
  readonly class: string
}

export interface RedactionRules {
  /** Words and names to take out wherever they stand. */
  readonly terms: readonly string[]
  readonly fields: readonly FieldRule[]
}

export const noRules: RedactionRules = { terms: [], fields: [] }

export interface Redacted {
  readonly content: ExchangeContent
  /** Replacements by class. */
  readonly counts: Readonly<Record<string, number>>
}

/** A member whose value is secret whatever it looks like. */
const secretKeys =
  /^(?:pass(?:word|wd|phrase)?|secret|api[_-]?key|access[_-]?(?:key|token)|refresh[_-]?token|auth[_-]?token|client[_-]?secret|private[_-]?key|authorization|credentials?)$/i

/** Shorter values would be found everywhere. */
const shortestTerm = 4

export class Redactor {
  readonly #key: Uint8Array
  readonly #rules: RedactionRules
  readonly #terms: RegExp | null

  /** @param key of the tenant: equal values get equal tokens under one key, and unrelated ones under another. */
  constructor(key: Uint8Array, rules: RedactionRules = noRules) {
    this.#key = key
    this.#rules = rules
    this.#terms = termPattern(rules.terms, 'giu')
  }

  redact({ request, response }: ExchangeContent): Redacted {
    const counts: Record<string, number> = {}
    const placed = new Map<string, string>()
    const names = toolNames(request, response)
    collectPlaced({ request, response }, this.#rules.fields, names, placed)
    const known = termPattern([...placed.keys()], 'gu')
    const text = (value: string): string => this.#text(value, counts, placed, known)
    const walk = <T>(value: T): T => rewrite(value, null, text, counts) as T
    return {
      content: { request: walk(request), response: response === null ? null : walk(response) },
      counts,
    }
  }

  pseudonym(name: string, value: string): string {
    const digest = createHmac('sha256', this.#key).update(`${name}|${value}`).digest()
    let code = ''
    for (let i = 0; i < 8; i++) code += alphabet[digest[i]! & 31]
    return `<${name}_${code}>`
  }

  #text(
    text: string,
    counts: Record<string, number>,
    placed: ReadonlyMap<string, string>,
    known: RegExp | null,
  ): string {
    const found = findSecrets(text)
    const add = (pattern: RegExp | null, nameOf: (value: string) => string, same: (value: string) => string): void => {
      if (pattern === null) return
      for (const { 0: value, index } of text.matchAll(pattern))
        found.add({ start: index, end: index + value.length, class: nameOf(value), value: same(value) })
    }
    add(
      known,
      (value) => placed.get(value)!,
      (value) => value,
    )
    add(
      this.#terms,
      () => 'TERM',
      (value) => value.toLowerCase(),
    )
    return found.empty ? text : this.#replace(text, found.inOrder(), counts)
  }

  #replace(text: string, found: readonly Found[], counts: Record<string, number>): string {
    let out = ''
    let last = 0
    for (const { start, end, class: name, value } of found) {
      out += text.slice(last, start) + this.pseudonym(name, value)
      last = end
      counts[name] = (counts[name] ?? 0) + 1
    }
    return out + text.slice(last)
  }
}

/** Without 0, 1, l and o, which people confuse. */
const alphabet = '23456789abcdefghijkmnpqrstuvwxyz'

/** Longest first, so that a name is not cut out of a longer one. */
function termPattern(terms: readonly string[], flags: string): RegExp | null {
  const usable = [...new Set(terms.filter((term) => term.length >= shortestTerm))]
  if (usable.length === 0) return null
  const alternatives = usable
    .sort((a, b) => b.length - a.length)
    .map((term) => term.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  return new RegExp(`(?<![\\p{L}\\d])(?:${alternatives.join('|')})(?![\\p{L}\\d])`, flags)
}

// -------------------------------------------------------------------------------------------- the walk

/** Members that name kinds and places, never content; rewriting them would change what the exchange is. */
const structural = new Set([
  'kind',
  'type',
  'role',
  'callId',
  'id',
  'from',
  'protocol',
  'placement',
  'mediaType',
  'pointer',
])

function rewrite(
  value: unknown,
  key: string | null,
  text: (value: string) => string,
  counts: Record<string, number>,
): unknown {
  if (typeof value === 'string')
    return looksLikeJson(value) ? rewriteJsonText(value, { string: (part) => text(part) }) : text(value)
  if (typeof value === 'number') {
    const written = String(value)
    const changed = Number.isInteger(value) && written.length >= 10 && key !== 'createdSec' ? text(written) : written
    return changed === written ? value : changed
  }
  if (Array.isArray(value)) return value.map((element) => rewrite(element, key, text, counts))
  if (typeof value !== 'object' || value === null) return value
  const out: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) {
    if (name === 'token' && member !== null && typeof member === 'object') {
      out[name] = null
      count(counts, 'TOKEN')
    } else if (name === 'base64' && typeof member === 'string' && member !== '') {
      out[name] = ''
      count(counts, 'MEDIA')
    } else if (typeof member === 'string' && structural.has(name)) out[name] = member
    else if (name === 'argumentsText' && typeof member === 'string')
      out[name] = rewriteJsonText(member, { string: (part) => text(part) })
    else {
      const safeName = text(name)
      Object.defineProperty(out, safeName, {
        value: rewrite(member, name, text, counts),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
  }
  return out
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}

function looksLikeJson(text: string): boolean {
  return /^\s*[[{"]/.test(text) && /[\]}"]\s*$/.test(text)
}

// ------------------------------------------------------------------------------- values known by place

/** Call id to tool name: a result does not say whose it is. */
function toolNames(request: CanonicalRequest, response: CanonicalResponse | null): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const item of [...request.items, ...(response?.items ?? [])])
    if (item.kind === 'tool-call') names.set(item.callId, item.name)
  return names
}

function collectPlaced(
  { request, response }: ExchangeContent,
  rules: readonly FieldRule[],
  names: ReadonlyMap<string, string>,
  placed: Map<string, string>,
): void {
  const note = (value: unknown, name: string): void => {
    const written = typeof value === 'number' ? String(value) : value
    if (typeof written === 'string' && written.length >= shortestTerm && written.length <= 1000)
      placed.set(written, name)
  }
  const look = (value: unknown, tool: string | null): void => {
    walkMembers(value, (member, key) => {
      if (secretKeys.test(key)) note(member, 'KEY')
    })
    for (const rule of rules)
      if (tool !== null && globMatches(rule.tool, tool))
        for (const hit of atPath(value, rule.path)) note(hit, rule.class)
  }
  for (const item of [...request.items, ...(response?.items ?? [])]) {
    if (item.kind === 'tool-call') look(parsed(item.argumentsText), item.name)
    else if (item.kind === 'tool-result')
      for (const part of item.parts) {
        if (part.type === 'text') look(parsed(part.text), names.get(item.callId) ?? null)
      }
    else if (item.kind === 'foreign') look(item.raw, null)
    else if (item.kind !== 'reasoning')
      for (const part of item.parts) {
        if (part.type !== 'text') continue
        for (const { class: name, start, end } of findSecrets(part.text).inOrder())
          if (name === 'KEY') note(part.text.slice(start, end), 'KEY')
      }
  }
  look(request.metadata, null)
  look(request.extra, null)
}

function walkMembers(value: unknown, visit: (member: unknown, key: string) => void): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (!Array.isArray(value)) visit(member, key)
    walkMembers(member, visit)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

function globMatches(glob: string, name: string): boolean {
  return glob.endsWith('*') ? name.startsWith(glob.slice(0, -1)) : glob === name
}

/** Values at a path of `.name`, `..name`, `[n]` and `[*]` steps. */
function atPath(root: unknown, path: string): unknown[] {
  const steps = [...path.matchAll(/(\.\.?)([^.[\]]+)|\[(\*|\d+)\]/g)]
  let values: unknown[] = [root]
  for (const [, dots, name, index] of steps)
    values = values.flatMap((value) => {
      if (typeof value !== 'object' || value === null) return []
      if (index !== undefined) return Array.isArray(value) ? (index === '*' ? value : [value[Number(index)]]) : []
      if (dots === '..') {
        const hits: unknown[] = []
        walkMembers(value, (member, key) => void (key === name && hits.push(member)))
        return hits
      }
      return [(value as Readonly<Record<string, unknown>>)[name!]]
    })
  return values
}

/** Is the path one that `atPath` understands wholly? */
export function isFieldPath(path: string): boolean {
  return /^\$(?:\.\.?[^.[\]]+|\[(?:\*|\d+)\])+$/.test(path)
}
