/**
 * Finds and replaces top-level members of a JSON object given as bytes, without parsing the rest.
 *
 * Same-protocol traffic goes out byte for byte but for the model name (law 1), and parsing a megabyte to edit
 * one string would stall every open stream for milliseconds. The scan checks the structure (brackets, top-level
 * commas and colons, truncation, trailing bytes); what is inside nested values is left to whoever parses them.
 * A routed member that appears twice is refused: JSON.parse keeps the last one, an upstream may keep the first.
 */
import { WireError } from '../errors.ts'

export interface MemberSpan {
  /** Position among the top-level members, from 0. */
  readonly ordinal: number
  /** Byte offset of the key's opening quote. */
  readonly keyStart: number
  readonly valueStart: number
  /** Byte offset just behind the value. */
  readonly valueEnd: number
  /** Byte offset of the comma before the key; -1 for the first member. */
  readonly commaBefore: number
  /** Byte offset of the comma behind the value; -1 for the last member. */
  readonly commaAfter: number
}

export interface TopLevelScan {
  /** The wanted members that are present, by decoded key. */
  readonly members: ReadonlyMap<string, MemberSpan>
  /** How many top-level members there are, wanted or not. */
  readonly memberCount: number
  /** Byte offset of `{`, behind a byte order mark and white space. */
  readonly objectStart: number
  /** Byte offset of the closing `}`. */
  readonly objectEnd: number
}

/** `value`: the new value as JSON text, or null to remove the member. A member that is absent is added at the end. */
export interface MemberEdit {
  readonly name: string
  readonly value: string | null
}

/**
 * Scans the top level of a JSON object.
 *
 * @param wanted  Decoded names of the members to locate.
 * @throws {WireError} `WIRE_BAD_JSON` naming the byte offset; `WIRE_DUPLICATE_FIELD` for a wanted member given twice.
 */
export function scanTopLevel(bytes: Uint8Array, wanted: ReadonlySet<string>): TopLevelScan {
  const json = asBuffer(bytes)
  const members = new Map<string, MemberSpan>()
  const objectStart = skipSpace(json, hasByteOrderMark(json) ? 3 : 0)
  if (json[objectStart] !== openBrace)
    throw badJson(objectStart, objectStart >= json.length ? 'the body is empty' : 'the body is not a JSON object')
  let at = skipSpace(json, objectStart + 1)
  let ordinal = 0
  let commaBefore = -1
  if (json[at] !== closeBrace) {
    for (;;) {
      if (json[at] !== quote) throw unexpected(json, at, 'a member name')
      const keyStart = at
      const keyEnd = skipString(json, at)
      at = skipSpace(json, keyEnd)
      if (json[at] !== colon) throw unexpected(json, at, '`:`')
      const valueStart = skipSpace(json, at + 1)
      const valueEnd = skipValue(json, valueStart)
      at = skipSpace(json, valueEnd)
      const isLast = json[at] === closeBrace
      if (!isLast && json[at] !== comma) throw unexpected(json, at, '`,` or `}`')
      const name = readKey(json, keyStart, keyEnd)
      if (wanted.has(name)) {
        if (members.has(name))
          throw new WireError('WIRE_DUPLICATE_FIELD', `The field \`${name}\` appears twice in the body.`, name)
        members.set(name, { ordinal, keyStart, valueStart, valueEnd, commaBefore, commaAfter: isLast ? -1 : at })
      }
      ordinal++
      if (isLast) break
      commaBefore = at
      at = skipSpace(json, at + 1)
    }
  }
  const end = skipSpace(json, at + 1)
  if (end !== json.length) throw badJson(end, 'there is something after the end of the object')
  return { members, memberCount: ordinal, objectStart, objectEnd: at }
}

/** The value of a located member. @throws {WireError} `WIRE_BAD_JSON` when its inside is not JSON. */
export function memberValue(bytes: Uint8Array, span: MemberSpan): unknown {
  try {
    return JSON.parse(asBuffer(bytes).toString('utf8', span.valueStart, span.valueEnd))
  } catch (cause) {
    throw badJson(span.valueStart, 'a value is malformed', { cause })
  }
}

/**
 * The body with some top-level members replaced, removed or added, as pieces to send one after the other.
 * All other bytes are the caller's own (views, not copies); only a byte order mark is left out.
 *
 * @param scan  A scan of the same bytes that wanted every name in `edits`.
 */
export function spliceMembers(
  bytes: Uint8Array,
  edits: readonly MemberEdit[],
  scan: TopLevelScan = scanTopLevel(bytes, new Set(edits.map((edit) => edit.name))),
): Buffer[] {
  const json = asBuffer(bytes)
  const cuts: { start: number; end: number; text: string }[] = []
  const removed: MemberSpan[] = []
  const added: string[] = []
  for (const { name, value } of edits) {
    const span = scan.members.get(name)
    if (span === undefined) {
      if (value !== null) added.push(`${JSON.stringify(name)}:${value}`)
    } else if (value === null) removed.push(span)
    else cuts.push({ start: span.valueStart, end: span.valueEnd, text: value })
  }
  cuts.push(...cutsOfRemoved(removed, scan.memberCount))
  if (added.length > 0) {
    const isEmpty = removed.length === scan.memberCount
    cuts.push({ start: scan.objectEnd, end: scan.objectEnd, text: (isEmpty ? '' : ',') + added.join(',') })
  }
  cuts.sort((a, b) => a.start - b.start)

  const pieces: Buffer[] = []
  let from = hasByteOrderMark(json) ? 3 : 0
  for (const cut of cuts) {
    if (cut.start > from) pieces.push(json.subarray(from, cut.start))
    if (cut.text !== '') pieces.push(Buffer.from(cut.text))
    from = cut.end
  }
  if (from < json.length) pieces.push(json.subarray(from))
  return pieces
}

/** Each removed member takes one comma with it; a run of removed members at the end takes the comma before it. */
function cutsOfRemoved(removed: MemberSpan[], memberCount: number): { start: number; end: number; text: string }[] {
  removed.sort((a, b) => a.ordinal - b.ordinal)
  let trailing = removed.length
  while (trailing > 0 && removed[trailing - 1]?.ordinal === memberCount - 1 - (removed.length - trailing)) trailing--
  const cuts = removed.slice(0, trailing).map((span) => ({ start: span.keyStart, end: span.commaAfter + 1, text: '' }))
  const first = removed[trailing]
  const last = removed.at(-1)
  if (first !== undefined && last !== undefined)
    cuts.push({ start: first.commaBefore === -1 ? first.keyStart : first.commaBefore, end: last.valueEnd, text: '' })
  return cuts
}

// ------------------------------------------------------------------------------------------ byte scanning

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
/** Below this many bytes a plain loop beats the call into native search (measured on bodies of short strings). */
const shortStringBytes = 48

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function hasByteOrderMark(json: Buffer): boolean {
  return json[0] === 0xef && json[1] === 0xbb && json[2] === 0xbf
}

function skipSpace(json: Buffer, from: number): number {
  let at = from
  for (; at < json.length; at++) {
    const byte = json[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
  }
  return at
}

/** From the opening quote to just behind the closing one. */
function skipString(json: Buffer, from: number): number {
  let at = from + 1
  let loopBytes = shortStringBytes
  for (;;) {
    const loopEnd = Math.min(at + loopBytes, json.length)
    while (at < loopEnd) {
      const byte = json[at]
      if (byte === quote) return at + 1
      at += byte === backslash ? 2 : 1
    }
    // `at` is never behind an odd backslash here, so backslashes are counted back to this point only.
    const searched = at
    const found = at < json.length ? json.indexOf(quote, at) : -1
    if (found === -1) throw badJson(from, 'a string does not end')
    let slashes = 0
    while (found - slashes > searched && json[found - slashes - 1] === backslash) slashes++
    at = found + 1
    if (slashes % 2 === 0) return at
    // Program text is full of escaped quotes: where they are dense, a call for each would cost more than looping.
    loopBytes = found - searched < 256 ? 1024 : 0
  }
}

function skipValue(json: Buffer, from: number): number {
  const byte = json[from]
  if (byte === quote) return skipString(json, from)
  if (byte === openBrace || byte === openBracket) return skipNested(json, from)
  return skipScalar(json, from)
}

/** An object or array. The open brackets are kept in a list, not on the call stack: depth is the caller's choice. */
function skipNested(json: Buffer, from: number): number {
  const length = json.length
  let open = new Uint8Array(64)
  let depth = 0
  let at = from
  while (at < length) {
    const byte = json[at]
    if (byte === quote) {
      at = skipString(json, at)
      continue
    }
    if (byte === openBrace || byte === openBracket) {
      if (depth === open.length) {
        const wider = new Uint8Array(open.length * 2)
        wider.set(open)
        open = wider
      }
      open[depth++] = byte
    } else if (byte === closeBrace || byte === closeBracket) {
      // `{` and `}`, `[` and `]` differ by 2.
      if (open[--depth] !== byte - 2) throw unexpected(json, at, 'the other closing bracket')
      if (depth === 0) return at + 1
    }
    at++
  }
  throw badJson(length, 'the body is cut off')
}

const scalar = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/

function skipScalar(json: Buffer, from: number): number {
  let at = from
  for (; at < json.length; at++) {
    const byte = json[at]
    if (byte === comma || byte === closeBrace || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) break
  }
  if (!scalar.test(json.toString('latin1', from, Math.min(at, from + 400)))) throw unexpected(json, from, 'a value')
  return at
}

function readKey(json: Buffer, start: number, end: number): string {
  const raw = json.toString('utf8', start + 1, end - 1)
  if (!raw.includes('\\')) return raw
  try {
    return String(JSON.parse(`"${raw}"`))
  } catch (cause) {
    throw badJson(start, 'a member name is malformed', { cause })
  }
}

function unexpected(json: Buffer, at: number, wanted: string): WireError {
  return at >= json.length ? badJson(at, 'the body is cut off') : badJson(at, `expected ${wanted}`)
}

function badJson(at: number, why: string, options?: ErrorOptions): WireError {
  return new WireError('WIRE_BAD_JSON', `The body is not valid JSON: ${why} (byte ${at}).`, null, options)
}
