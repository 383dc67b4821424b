/**
 * JSON the way Python reads and writes it: `json.loads` and `json.dumps(value, ensure_ascii=False)`.
 *
 * V4's prompts hold tool schemas and arguments printed by Python, and one differing byte is a different
 * prompt. So: integers of any size stay integers, `1.0` stays `1.0`, floats print as Python's `repr`, keys
 * keep their order (also `"10"` before `"2"`), a repeated key keeps its first place and its last value,
 * separators are `, ` and `: `, and nothing beyond ASCII is escaped.
 */

/** bigint: an integer; number: a float, even when whole; Map: an object, in order. */
export type PythonValue = null | boolean | string | bigint | number | PythonValue[] | Map<string, PythonValue>

/** Nesting that we follow; Python's own limit is of this order. */
const MAX_DEPTH = 500

/** Python refuses longer integers (`sys.int_info.default_max_str_digits`), because converting them is quadratic. */
const MAX_INTEGER_DIGITS = 4300

/** Raised by `loadsPython`; callers decide what malformed JSON means to them. */
export class PythonJsonError extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(`${message} at ${offset}`)
    this.name = 'PythonJsonError'
    this.offset = offset
  }
}

// --------------------------------------------------------------------------------------------- reading

/** Reads one JSON text as Python does, `NaN` and `Infinity` included. @throws {PythonJsonError} */
export function loadsPython(text: string): PythonValue {
  const reader = new Reader(text)
  reader.skipBlanks()
  const value = reader.value(0)
  reader.skipBlanks()
  if (reader.at < text.length) reader.fail('Extra text')
  return value
}

const numberPattern = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y
// oxlint-disable-next-line no-control-regex -- JSON forbids exactly these in strings
const plainCharacters = /[^"\\\u0000-\u001f]*/y
const words: readonly (readonly [string, PythonValue])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

class Reader {
  readonly #text: string
  at = 0

  constructor(text: string) {
    this.#text = text
  }

  fail(message: string): never {
    throw new PythonJsonError(message, this.at)
  }

  skipBlanks(): void {
    while (' \t\n\r'.includes(this.#text[this.at] ?? '!')) this.at++
  }

  value(depth: number): PythonValue {
    if (depth > MAX_DEPTH) this.fail('Nested too deeply')
    const first = this.#text[this.at]
    if (first === '"') return this.#string()
    if (first === '{') return this.#object(depth)
    if (first === '[') return this.#array(depth)
    for (const [word, meaning] of words) {
      if (this.#text.startsWith(word, this.at)) {
        this.at += word.length
        return meaning
      }
    }
    return this.#number()
  }

  #number(): bigint | number {
    numberPattern.lastIndex = this.at
    const match = numberPattern.exec(this.#text)
    if (match === null) this.fail('No value')
    const [spelling, fraction, exponent] = match
    if (fraction === undefined && exponent === undefined) {
      if (spelling.replace('-', '').length > MAX_INTEGER_DIGITS) this.fail('Integer too long')
      this.at += spelling.length
      return BigInt(spelling)
    }
    this.at += spelling.length
    return Number(spelling)
  }

  #string(): string {
    let result = ''
    this.at++
    for (;;) {
      plainCharacters.lastIndex = this.at
      const plain = plainCharacters.exec(this.#text)![0]
      result += plain
      this.at += plain.length
      const next = this.#text[this.at]
      if (next === '"') {
        this.at++
        return result
      }
      if (next !== '\\') this.fail(next === undefined ? 'Unfinished string' : 'Control character in a string')
      const letter = this.#text[this.at + 1] ?? ''
      if (letter === 'u') {
        const hex = this.#text.slice(this.at + 2, this.at + 6)
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.fail('Broken \\u escape')
        result += String.fromCharCode(Number.parseInt(hex, 16))
        this.at += 6
      } else {
        const meaning = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined
        if (meaning === undefined) this.fail('Unknown escape')
        result += meaning
        this.at += 2
      }
    }
  }

  #array(depth: number): PythonValue[] {
    const items: PythonValue[] = []
    this.at++
    this.skipBlanks()
    if (this.#text[this.at] === ']') {
      this.at++
      return items
    }
    for (;;) {
      this.skipBlanks()
      items.push(this.value(depth + 1))
      this.skipBlanks()
      const next = this.#text[this.at]
      if (next !== ',' && next !== ']') this.fail('Expected , or ]')
      this.at++
      if (next === ']') return items
    }
  }

  #object(depth: number): Map<string, PythonValue> {
    const entries = new Map<string, PythonValue>()
    this.at++
    this.skipBlanks()
    if (this.#text[this.at] === '}') {
      this.at++
      return entries
    }
    for (;;) {
      this.skipBlanks()
      if (this.#text[this.at] !== '"') this.fail('Expected a key')
      const key = this.#string()
      this.skipBlanks()
      if (this.#text[this.at] !== ':') this.fail('Expected :')
      this.at++
      this.skipBlanks()
      entries.set(key, this.value(depth + 1))
      this.skipBlanks()
      const next = this.#text[this.at]
      if (next !== ',' && next !== '}') this.fail('Expected , or }')
      this.at++
      if (next === '}') return entries
    }
  }
}

// --------------------------------------------------------------------------------------------- writing

/** Prints a value as `json.dumps(value, ensure_ascii=False)`. */
export function dumpsPython(value: PythonValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed())
  if (typeof value === 'number') return floatRepr(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `[${value.map(dumpsPython).join(', ')}]`
  return `{${[...value].map(([key, item]) => `${JSON.stringify(key.toWellFormed())}: ${dumpsPython(item)}`).join(', ')}}`
}

/**
 * A JavaScript value as Python would have read it from the JSON it came from. Best effort: `1.0` and `1` are
 * the same number here (printed `1`), and integer-like keys have already been moved to the front; where that
 * matters, pass the JSON text to `loadsPython`. `undefined` members are left out, as `JSON.stringify` does.
 */
export function fromJavaScript(value: unknown, depth = 0): PythonValue {
  if (depth > MAX_DEPTH) throw new PythonJsonError('Nested too deeply', 0)
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'bigint')
    return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map((item) => fromJavaScript(item, depth + 1))
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [String(key), fromJavaScript(item, depth + 1)]))
  }
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    return new Map(entries.map(([key, item]) => [key, fromJavaScript(item, depth + 1)]))
  }
  return null
}

/**
 * Python's `repr` of a float: the shortest digits that read back, as in JavaScript, but plain notation for
 * exponents -4 to 15 only, always a point or an exponent, and at least two exponent digits.
 */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa = '', exponentText = '0'] = Math.abs(value).toExponential().split('e')
  const digits = mantissa.replace('.', '')
  const exponent = Number(exponentText)
  const sign = value < 0 ? '-' : ''
  if (exponent < -4 || exponent >= 16) {
    const rest = digits.slice(1)
    const size = String(Math.abs(exponent)).padStart(2, '0')
    return `${sign}${digits[0]}${rest === '' ? '' : `.${rest}`}e${exponent < 0 ? '-' : '+'}${size}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}
