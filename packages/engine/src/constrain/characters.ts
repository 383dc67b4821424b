/**
 * Sets of characters as terms over the bytes that spell them: UTF-8 as it stands, or inside a JSON string.
 *
 * U+FF5C, the bar of every special token's spelling, is never written as it stands: a string could otherwise spell
 * a tag or the end of the answer. In JSON it has its escape; in raw text such strings are left out.
 */
import type { Term, Terms } from './terms.ts'

/** Inclusive code points, ascending, apart from each other. */
export type Ranges = readonly (readonly [low: number, high: number])[]

export type Spelling = 'json' | 'raw'

const largest = 0x10ffff
export const everyCharacter: Ranges = [
  [0, 0xd7ff],
  [0xe000, largest],
]
const bar = 0xff5c
const rawInJson: Ranges = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0xd7ff],
  [0xe000, bar - 1],
  [bar + 1, largest],
]
const rawInText: Ranges = [
  [0, 0xd7ff],
  [0xe000, bar - 1],
  [bar + 1, largest],
]
const shortEscapes: readonly (readonly [code: number, letter: string])[] = [
  [0x22, '"'],
  [0x5c, '\\'],
  [0x2f, '/'],
  [0x08, 'b'],
  [0x0c, 'f'],
  [0x0a, 'n'],
  [0x0d, 'r'],
  [0x09, 't'],
]

export function intersect(a: Ranges, b: Ranges): Ranges {
  return a.flatMap(([low, high]) =>
    b.flatMap(([otherLow, otherHigh]): [number, number][] => {
      const from = Math.max(low, otherLow)
      const to = Math.min(high, otherHigh)
      return from <= to ? [[from, to]] : []
    }),
  )
}

export function complement(ranges: Ranges): Ranges {
  const gaps: [number, number][] = []
  let next = 0
  for (const [low, high] of normalised(ranges)) {
    if (low > next) gaps.push([next, low - 1])
    next = Math.max(next, high + 1)
  }
  if (next <= largest) gaps.push([next, largest])
  return intersect(gaps, everyCharacter)
}

/** Sorted, overlaps joined. */
export function normalised(ranges: Ranges): Ranges {
  const joined: [number, number][] = []
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1)
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high)
    else joined.push([low, high])
  }
  return joined
}

/** One character out of `ranges`. */
export function characterOf(terms: Terms, ranges: Ranges, spelling: Spelling): Term {
  if (spelling === 'raw') return utf8(terms, intersect(ranges, rawInText))
  const holds = (code: number): boolean => ranges.some(([low, high]) => code >= low && code <= high)
  const escapes = shortEscapes.filter(([code]) => holds(code)).map(([, letter]) => terms.literal(`\\${letter}`))
  const rare = [...Array.from({ length: 0x20 }, (_, code) => code), bar].filter(holds)
  return terms.either(
    utf8(terms, intersect(ranges, rawInJson)),
    ...escapes,
    ...rare.map((code) => terms.sequence(terms.literal('\\u'), hexDigits(terms, code))),
  )
}

/** Any character of a JSON string in any spelling, halves of a surrogate pair together only. */
export function anyJsonCharacter(terms: Terms): Term {
  const hex = terms.set(Array.from('0123456789abcdefABCDEF', (digit) => digit.charCodeAt(0)))
  const letters = (text: string): Term => terms.set(Array.from(text, (letter) => letter.charCodeAt(0)))
  const tail = (head: Term, digits: number): Term => terms.sequence(head, terms.repeat(hex, digits, digits))
  const unit = terms.either(
    tail(letters('0123456789abcefABCEF'), 3),
    tail(terms.sequence(letters('dD'), letters('01234567')), 2),
    terms.sequence(
      tail(terms.sequence(letters('dD'), letters('89abAB')), 2),
      terms.literal('\\u'),
      tail(terms.sequence(letters('dD'), letters('cdefCDEF')), 2),
    ),
  )
  return terms.either(
    utf8(terms, rawInJson),
    terms.sequence(terms.literal('\\'), terms.either(letters('"\\/bfnrt'), terms.sequence(terms.literal('u'), unit))),
  )
}

function hexDigits(terms: Terms, code: number): Term {
  const digits = code.toString(16).padStart(4, '0')
  return terms.sequence(
    ...Array.from(digits, (digit) => terms.set([digit, digit.toUpperCase()].map((letter) => letter.charCodeAt(0)))),
  )
}

// ------------------------------------------------------------------------------------------------ UTF-8

/** The bytes of one character out of `ranges`, surrogates left out. */
export function utf8(terms: Terms, ranges: Ranges): Term {
  const spellings: Term[] = []
  for (const [low, high] of intersect(ranges, everyCharacter))
    for (const limit of [0x7f, 0x7ff, 0xffff, largest]) {
      const from = Math.max(low, limit === 0x7f ? 0 : limit === 0x7ff ? 0x80 : limit === 0xffff ? 0x800 : 0x10000)
      const to = Math.min(high, limit)
      if (from <= to) for (const bytes of byteRanges(from, to)) spellings.push(chain(terms, bytes))
    }
  return terms.either(...spellings)
}

function chain(terms: Terms, bytes: Ranges): Term {
  return terms.sequence(...bytes.map(([low, high]) => terms.range(low, high)))
}

/** Splits code points of equal byte length so that each stretch is a product of byte ranges. */
function byteRanges(low: number, high: number): Ranges[] {
  for (const bits of [6, 12, 18]) {
    const mask = (1 << bits) - 1
    if ((low & ~mask) === (high & ~mask)) continue
    if ((low & mask) !== 0) return [...byteRanges(low, low | mask), ...byteRanges((low | mask) + 1, high)]
    if ((high & mask) !== mask) return [...byteRanges(low, (high & ~mask) - 1), ...byteRanges(high & ~mask, high)]
  }
  const from = bytesOf(low)
  const to = bytesOf(high)
  return [from.map((byte, at): [number, number] => [byte, to[at]!])]
}

const encoder = new TextEncoder()

export function bytesOf(code: number): number[] {
  return [...encoder.encode(String.fromCodePoint(code))]
}

/** A text as symbols: its UTF-8 bytes, one character each. */
export function symbolsOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
