/**
 * Regular expressions of JSON Schema's `pattern` as terms over characters.
 *
 * ECMA-262 with the `u` flag, without what needs a memory or looks around: back references, look-ahead and
 * look-behind, word boundaries, property classes, and anchors elsewhere than at the ends of an alternative.
 */
import {
  characterOf,
  complement,
  everyCharacter,
  normalised,
  symbolsOf,
  type Ranges,
  type Spelling,
} from './characters.ts'
import { Terms, type Term } from './terms.ts'

const longestPattern = 2048
const deepestGroup = 50
const mostRepeats = 1000

const digits: Ranges = [[0x30, 0x39]]
const wordCharacters: Ranges = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const spaces: Ranges = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const lineEnds: Ranges = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const classes: Readonly<Record<string, Ranges>> = {
  d: digits,
  D: complement(digits),
  w: wordCharacters,
  W: complement(wordCharacters),
  s: spaces,
  S: complement(spaces),
}
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }

/** Says what stands in the way, in words that go after "the pattern". */
export class PatternProblem extends Error {}

/** Strings in which the pattern is found, as JSON Schema wants: anywhere, unless it is anchored. */
export function patternTerm(terms: Terms, source: string, spelling: Spelling): Term {
  if (source.length > longestPattern) throw new PatternProblem(`is longer than ${longestPattern} characters`)
  return new PatternReader(terms, source, spelling).read()
}

/** Is the pattern found in `text`? By the automaton, so that no pattern takes long. @throws {PatternProblem} */
export function patternHolds(source: string, text: string): boolean {
  const terms = new Terms()
  let state = patternTerm(terms, source, 'json')
  for (const symbol of symbolsOf(JSON.stringify(text).replaceAll('\uff5c', '\\uff5c').slice(1, -1)))
    state = terms.step(state, symbol.charCodeAt(0))
  return state.nullable
}

class PatternReader {
  readonly #terms: Terms
  readonly #characters: readonly string[]
  readonly #spelling: Spelling
  #at = 0
  #depth = 0

  constructor(terms: Terms, source: string, spelling: Spelling) {
    this.#terms = terms
    this.#characters = Array.from(source)
    this.#spelling = spelling
  }

  read(): Term {
    const branches: Term[] = []
    do {
      const any = this.#terms.repeat(this.#character(everyCharacter), 0)
      const isFromStart = this.#takes('^')
      const body = this.#branch()
      const isToEnd = this.#takes('$')
      branches.push(this.#terms.sequence(isFromStart ? this.#terms.end : any, body, isToEnd ? this.#terms.end : any))
    } while (this.#takes('|'))
    if (this.#at < this.#characters.length) this.#fail(`has an unexpected ${this.#peek()}`)
    return this.#terms.either(...branches)
  }

  // -------------------------------------------------------------------------------------------- parts

  #alternatives(): Term {
    const branches = [this.#branch()]
    while (this.#takes('|')) branches.push(this.#branch())
    return this.#terms.either(...branches)
  }

  #branch(): Term {
    const parts: Term[] = []
    while (this.#at < this.#characters.length && !['|', ')', '$'].includes(this.#peek())) parts.push(this.#quantified())
    if (this.#peek() === '$' && !['', '|'].includes(this.#characters[this.#at + 1] ?? ''))
      this.#fail('has an anchor in its middle')
    return this.#terms.sequence(...parts)
  }

  #quantified(): Term {
    const atom = this.#atom()
    const range = this.#quantifier()
    if (range === null) return atom
    this.#takes('?')
    if (['*', '+', '?'].includes(this.#peek())) this.#fail('repeats a repetition')
    return this.#terms.repeat(atom, range[0], range[1])
  }

  #quantifier(): readonly [minimum: number, maximum: number] | null {
    if (this.#takes('*')) return [0, Infinity]
    if (this.#takes('+')) return [1, Infinity]
    if (this.#takes('?')) return [0, 1]
    if (this.#peek() !== '{') return null
    const rest = this.#characters.slice(this.#at, this.#at + 24).join('')
    const found = /^\{(\d+)(,?)(\d*)\}/.exec(rest)
    if (found === null) this.#fail('has an open brace that is no repetition')
    this.#at += found[0].length
    const minimum = Number(found[1])
    const maximum = found[2] === '' ? minimum : found[3] === '' ? Infinity : Number(found[3])
    if (minimum > mostRepeats || (maximum !== Infinity && maximum > 100_000))
      this.#fail(`repeats more than ${mostRepeats} times`)
    if (maximum < minimum) this.#fail('repeats from more to less')
    return [minimum, maximum]
  }

  #atom(): Term {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#group()
      case '[':
        return this.#character(this.#classRanges())
      case '.':
        return this.#character(complement(lineEnds))
      case '\\':
        return this.#character(this.#escape(false))
      case '^':
        return this.#fail('has an anchor in its middle')
      case '*':
      case '+':
      case '?':
        return this.#fail(`has nothing before ${character}`)
      default:
        return this.#character([[character.codePointAt(0)!, character.codePointAt(0)!]])
    }
  }

  #group(): Term {
    if (++this.#depth > deepestGroup) this.#fail(`has groups more than ${deepestGroup} deep`)
    if (this.#takes('?')) {
      const kind = this.#next()
      if (kind === '<' && !['=', '!'].includes(this.#peek())) while (this.#next() !== '>');
      else if (kind !== ':') this.#fail('looks ahead or behind')
    }
    const inner = this.#alternatives()
    if (!this.#takes(')')) this.#fail(this.#peek() === '$' ? 'has an anchor in its middle' : 'has a group without end')
    this.#depth--
    return inner
  }

  #classRanges(): Ranges {
    const isNegated = this.#takes('^')
    const ranges: (readonly [number, number])[] = []
    while (this.#peek() !== ']') {
      const low = this.#classMember()
      if (this.#peek() === '-' && this.#characters[this.#at + 1] !== ']') {
        this.#next()
        const high = this.#classMember()
        if (low.length !== 1 || high.length !== 1 || low[0]![0] > high[0]![1]) this.#fail('has a range without order')
        ranges.push([low[0]![0], high[0]![1]])
      } else ranges.push(...low)
    }
    this.#next()
    const joined = normalised(ranges)
    return isNegated ? complement(joined) : joined
  }

  #classMember(): Ranges {
    const character = this.#next()
    if (character === '\\') return this.#escape(true)
    return [[character.codePointAt(0)!, character.codePointAt(0)!]]
  }

  #escape(isInClass: boolean): Ranges {
    const letter = this.#next()
    if (Object.hasOwn(classes, letter)) return classes[letter]!
    if (Object.hasOwn(controls, letter)) return [[controls[letter]!, controls[letter]!]]
    if (letter === 'b' && isInClass) return [[8, 8]]
    if (letter === 'b' || letter === 'B') this.#fail('asks for word boundaries')
    if (letter === 'p' || letter === 'P') this.#fail('uses Unicode property classes')
    if (/[1-9k]/.test(letter)) this.#fail('refers back')
    if (letter === 'x') return this.#hex(2)
    if (letter === 'u') {
      if (!this.#takes('{')) return this.#hex(4)
      const from = this.#at
      while (this.#next() !== '}');
      return this.#codeOf(this.#characters.slice(from, this.#at - 1).join(''))
    }
    if (/[a-z0-9]/i.test(letter)) this.#fail(`has the unknown escape \\${letter}`)
    return [[letter.codePointAt(0)!, letter.codePointAt(0)!]]
  }

  #hex(count: number): Ranges {
    return this.#codeOf(Array.from({ length: count }, () => this.#next()).join(''))
  }

  #codeOf(hex: string): Ranges {
    const code = /^[0-9a-f]{1,6}$/i.test(hex) ? Number.parseInt(hex, 16) : Infinity
    if (code > 0x10ffff) this.#fail('has an escape without a character')
    return [[code, code]]
  }

  // ------------------------------------------------------------------------------------------ reading

  #character(ranges: Ranges): Term {
    return characterOf(this.#terms, ranges, this.#spelling)
  }

  #peek(): string {
    return this.#characters[this.#at] ?? ''
  }

  #next(): string {
    if (this.#at >= this.#characters.length) this.#fail('ends too soon')
    return this.#characters[this.#at++]!
  }

  #takes(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }

  #fail(problem: string): never {
    throw new PatternProblem(problem)
  }
}
