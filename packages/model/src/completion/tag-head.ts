/**
 * Reads the heads of call tags from a text of which more may come.
 *
 * Each reader answers with where the head ends, with `more` when the text so far is a beginning of one, or
 * with `fail` as soon as it cannot become one. Lengths are bounded, so a wait always ends; and the answer
 * depends on the text alone, so it does not matter how the text was cut into chunks.
 */

export type HeadReading<Found> = 'more' | 'fail' | ({ readonly end: number } & Found)

const MAX_BLANKS = 64
const MAX_NAME_LENGTH = 256
const MAX_KEY_LENGTH = 512

/** Blanks and `tag`, e.g. before the first call of a block. */
export function readTag(text: string, from: number, tag: string): HeadReading<object> {
  const blanks = readBlanks(text, from, 0)
  return typeof blanks === 'string' ? blanks : readLiteral(text, blanks.end, tag)
}

/** ` name="NAME">`; the name is not empty and stays on one line. */
export function readInvokeHead(text: string, from: number): HeadReading<{ readonly name: string }> {
  const start = readNameStart(text, from)
  if (typeof start === 'string') return start
  const close = text.indexOf('">', start.end)
  const end = close < 0 ? text.length : close
  const name = text.slice(start.end, end)
  // One more character while waiting: it may be the quote that ends a name of full length.
  if (name.length > MAX_NAME_LENGTH + (close < 0 ? 1 : 0) || name.includes('\n')) return 'fail'
  if (close < 0) return 'more'
  return name === '' ? 'fail' : { end: close + 2, name }
}

export type ParameterType = 'string' | 'json' | 'untyped'

const typeAttributes: readonly (readonly [string, ParameterType])[] = [
  ['" string="true">', 'string'],
  ['" string="false">', 'json'],
  ['">', 'untyped'],
]

const LONGEST_ATTRIBUTE = Math.max(...typeAttributes.map(([literal]) => literal.length))

/** ` name="KEY" string="true|false">`. A key may hold anything but the text that ends it. */
export function readParameterHead(
  text: string,
  from: number,
): HeadReading<{ readonly key: string; readonly type: ParameterType }> {
  const start = readNameStart(text, from)
  if (typeof start === 'string') return start
  let found: { at: number; end: number; type: ParameterType } | null = null
  for (const [literal, type] of typeAttributes) {
    const at = text.indexOf(literal, start.end)
    if (at >= 0 && (found === null || at < found.at)) found = { at, end: at + literal.length, type }
  }
  if (found === null) return text.length - start.end > MAX_KEY_LENGTH + LONGEST_ATTRIBUTE ? 'fail' : 'more'
  if (found.at - start.end > MAX_KEY_LENGTH) return 'fail'
  const key = text.slice(start.end, found.at)
  // `name="k" string="maybe">` must not become a key that contains the attribute.
  return key.includes('" string="') ? 'fail' : { end: found.end, key, type: found.type }
}

function readNameStart(text: string, from: number): HeadReading<object> {
  const blanks = readBlanks(text, from, 1)
  return typeof blanks === 'string' ? blanks : readLiteral(text, blanks.end, 'name="')
}

function readBlanks(text: string, from: number, minimum: number): HeadReading<object> {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text[at]!)) {
    if (++at - from > MAX_BLANKS) return 'fail'
  }
  if (at === text.length) return 'more'
  return at - from < minimum ? 'fail' : { end: at }
}

function readLiteral(text: string, from: number, literal: string): HeadReading<object> {
  if (text.startsWith(literal, from)) return { end: from + literal.length }
  const rest = text.slice(from, from + literal.length)
  return from + rest.length === text.length && literal.startsWith(rest) ? 'more' : 'fail'
}
