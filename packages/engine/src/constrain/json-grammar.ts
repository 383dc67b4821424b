/**
 * JSON as terms: values of every kind, with what a schema may ask of each.
 *
 * Narrower than RFC 8259 in ways that lose no value worth having: between tokens at most `whitespace` blanks, numbers
 * of at most 15 digits before and after the point and exponents of two, no halves of surrogate pairs.
 */
import { anyJsonCharacter, characterOf, everyCharacter, symbolsOf, type Spelling } from './characters.ts'
import { boundedNumber, hasNumber, type Bounds } from './number-machine.ts'
import { keyStart, otherKey } from './text-machine.ts'
import type { Rule, Term, Terms } from './terms.ts'

/** Bounds for what a schema leaves open, for models that would not come to an end by themselves. */
export interface OpenLimits {
  readonly characters: number
  readonly items: number
  readonly whitespace: number
}

export const noLimits: OpenLimits = { characters: Infinity, items: Infinity, whitespace: 64 }

/** A member of an object or a parameter of a call, spelled whole. */
export interface Member {
  readonly term: Term
  readonly isRequired: boolean
}

/** Around members: braces, or nothing around the parameters of a call. */
interface Frame {
  readonly open: '{' | ''
  readonly close: '}' | ''
  readonly mostExtra: number
  readonly comma?: Term
  readonly count?: { readonly minimum: number; readonly maximum: number }
}

const anyCount = { minimum: 0, maximum: Infinity } as const
const longestOtherKey = 64

export class JsonGrammar {
  readonly terms: Terms
  readonly limits: OpenLimits
  /** Every rule made, to be settled at the end. */
  readonly rules: Rule[] = []
  readonly blank: Term
  readonly anyValue: Term
  readonly anyObject: Term
  readonly anyArray: Term
  readonly boolean: Term
  readonly null: Term
  readonly #anyCharacter: Term
  readonly #rawCharacter: Term
  readonly #digits: Term
  readonly #whole: Term

  constructor(terms: Terms, limits: OpenLimits) {
    this.terms = terms
    this.limits = limits
    const { literal, set } = bound(terms)
    this.blank = terms.repeat(set(' \t\n\r'), 0, limits.whitespace)
    this.boolean = terms.either(literal('true'), literal('false'))
    this.null = literal('null')
    this.#anyCharacter = anyJsonCharacter(terms)
    this.#rawCharacter = characterOf(terms, everyCharacter, 'raw')
    this.#digits = set('0123456789')
    this.#whole = terms.either(literal('0'), terms.sequence(set('123456789'), terms.repeat(this.#digits, 0, 14)))
    const rule = this.newRule()
    this.anyValue = terms.use(rule)
    const key = terms.sequence(this.string(0, Infinity, 'json'), this.colon)
    this.anyObject = this.members([], terms.sequence(key, this.anyValue), {
      open: '{',
      close: '}',
      mostExtra: limits.items,
    })
    this.anyArray = this.array([], this.anyValue, 0, Infinity)
    rule.body = terms.either(
      this.anyObject,
      this.anyArray,
      this.string(0, Infinity, 'json'),
      this.number(null),
      this.boolean,
      this.null,
    )
  }

  newRule(): Rule {
    const rule: Rule = { body: this.terms.nothing, least: Infinity }
    this.rules.push(rule)
    return rule
  }

  get colon(): Term {
    return this.terms.sequence(this.blank, this.terms.literal(':'), this.blank)
  }

  get #comma(): Term {
    return this.terms.sequence(this.blank, this.terms.literal(','), this.blank)
  }

  // ------------------------------------------------------------------------------------------- scalars

  /** Quotes included when spelled as JSON. */
  string(minimum: number, maximum: number, spelling: Spelling): Term {
    const character = spelling === 'json' ? this.#anyCharacter : this.#rawCharacter
    const most = maximum === Infinity ? Math.max(minimum, this.limits.characters) : maximum
    return this.quoted(this.terms.repeat(character, minimum, most), spelling)
  }

  quoted(body: Term, spelling: Spelling): Term {
    if (spelling === 'raw') return body
    return this.terms.sequence(this.terms.literal('"'), body, this.terms.literal('"'))
  }

  number(bounds: Bounds | null): Term {
    const { terms } = this
    const { literal, set } = bound(terms)
    if (bounds !== null && (bounds.minimum !== null || bounds.maximum !== null)) {
      const machine = boundedNumber(bounds)
      return hasNumber(machine) ? terms.run(machine, '') : terms.nothing
    }
    const whole = terms.sequence(terms.optional(literal('-')), this.#whole)
    if (bounds?.integer) return whole
    return terms.sequence(
      whole,
      terms.optional(terms.sequence(literal('.'), terms.repeat(this.#digits, 1, 15))),
      terms.optional(terms.sequence(set('eE'), terms.optional(set('+-')), terms.repeat(this.#digits, 1, 2))),
    )
  }

  /** Any number in one of the spellings that `spellingsOf` knows. */
  get numberWithoutExponent(): Term {
    return this.terms.repeat(bound(this.terms).set('-.0123456789'), 1)
  }

  /** A number's spellings without exponent: noughts behind its point are free. */
  spellingsOf(value: number): Term {
    const { literal } = bound(this.terms)
    const text = JSON.stringify(value)
    // Too large or too small to be written out.
    if (/e/i.test(text)) return this.terms.nothing
    const noughts = this.terms.repeat(literal('0'), 0)
    const more = text.includes('.') ? noughts : this.terms.optional(this.terms.sequence(literal('.'), noughts))
    const signs = value === 0 ? this.terms.optional(literal('-')) : this.terms.end
    return this.terms.sequence(signs, literal(text), more)
  }

  /** This very value, blanks between tokens free. */
  exactly(value: unknown): Term {
    const { terms } = this
    if (Array.isArray(value)) {
      return this.array(
        value.map((item) => this.exactly(item)),
        null,
        value.length,
        value.length,
      )
    }
    if (typeof value === 'object' && value !== null) {
      const members = Object.entries(value).map(([key, item]) => this.member(key, this.exactly(item), true))
      return this.members(members, null, { open: '{', close: '}', mostExtra: 0 })
    }
    return terms.literal(jsonSymbols(value))
  }

  // ------------------------------------------------------------------------------------------ composed

  member(key: string, value: Term, isRequired: boolean): Member {
    return { term: this.terms.sequence(this.terms.literal(jsonSymbols(key)), this.colon, value), isRequired }
  }

  /** A key that is none of `taken`. */
  otherKey(taken: readonly string[]): Term {
    const spelled = taken.map((key) => jsonSymbols(key).slice(1, -1))
    return this.quoted(this.terms.run(otherKey(spelled, longestOtherKey, 'json'), keyStart), 'json')
  }

  /** A member whose key is a term. */
  pair(key: Term, value: Term): Term {
    return this.terms.sequence(key, this.colon, value)
  }

  /** Members in their order, optional ones left out freely, then `extra` ones. */
  members(list: readonly Member[], extra: Term | null, frame: Frame): Term {
    const { terms } = this
    const { minimum, maximum } = frame.count ?? anyCount
    if (minimum > 0 || maximum !== Infinity) return this.#countedMembers(list, extra, frame)
    const isJson = frame.open !== ''
    const comma = frame.comma ?? this.#comma
    const close = isJson ? terms.sequence(this.blank, terms.literal(frame.close)) : terms.end
    const most = frame.mostExtra
    // After a member: what may follow. Before one: what may come now.
    let after = extra === null ? close : terms.sequence(terms.repeat(terms.sequence(comma, extra), 0, most), close)
    let more =
      extra === null || most < 1
        ? terms.nothing
        : terms.sequence(extra, terms.repeat(terms.sequence(comma, extra), 0, most - 1), close)
    let mayClose = true
    for (const { term, isRequired } of [...list].reverse()) {
      more = terms.either(terms.sequence(term, after), isRequired ? terms.nothing : more)
      mayClose &&= !isRequired
      after = terms.either(terms.sequence(comma, more), mayClose ? close : terms.nothing)
    }
    if (!isJson) return mayClose ? terms.either(more, terms.end) : more
    const none = mayClose ? terms.literal(frame.close) : terms.nothing
    return terms.sequence(terms.literal(frame.open), this.blank, terms.either(more, none))
  }

  /** As `members`, with how many there may be together. Of the others only the first surely is a member more. */
  #countedMembers(list: readonly Member[], extra: Term | null, frame: Frame): Term {
    const { terms } = this
    const { minimum, maximum } = frame.count ?? anyCount
    const isJson = frame.open !== ''
    const comma = frame.comma ?? this.#comma
    const close = isJson ? terms.sequence(this.blank, terms.literal(frame.close)) : terms.end
    const none = isJson ? terms.literal(frame.close) : terms.end
    // Beyond this, more makes no difference.
    const counted = maximum === Infinity ? minimum : maximum
    const tail = (written: number): Term => {
      const most = Math.min(frame.mostExtra, maximum === Infinity ? Infinity : maximum - written)
      const least = Math.max(0, minimum - written)
      const enough = least === 0 ? (written === 0 ? none : close) : terms.nothing
      if (extra === null || most < 1 || least > 1) return enough
      const more = terms.sequence(terms.repeat(terms.sequence(comma, extra), 0, most - 1), close)
      return terms.either(enough, written === 0 ? terms.sequence(extra, more) : terms.sequence(comma, extra, more))
    }
    const known = new Map<number, Term>()
    const from = (at: number, written: number): Term => {
      const member = list[at]
      if (member === undefined) return tail(written)
      const key = at * (counted + 2) + written
      const found = known.get(key)
      if (found !== undefined) return found
      const after = written < maximum ? from(at + 1, Math.min(written + 1, counted)) : terms.nothing
      const taken = terms.sequence(written === 0 ? terms.end : comma, member.term, after)
      const made = member.isRequired ? taken : terms.either(taken, from(at + 1, written))
      known.set(key, made)
      return made
    }
    return terms.sequence(terms.literal(frame.open), isJson ? this.blank : terms.end, from(0, 0))
  }

  /** At least `count` items are `sought` ones, and at least `minimum` there are; every sought one is an item. */
  arrayWith(sought: Term, item: Term, count: number, minimum: number): Term {
    const { terms, limits } = this
    const others = terms.repeat(terms.sequence(item, this.#comma), 0, limits.items)
    const last = terms.repeat(
      terms.sequence(this.#comma, item),
      Math.max(0, minimum - count),
      Math.max(minimum, limits.items),
    )
    const parts: Term[] = []
    for (let at = 0; at < count; at++) {
      if (at > 0) parts.push(this.#comma)
      parts.push(others, sought)
    }
    return terms.sequence(terms.literal('['), this.blank, ...parts, last, this.blank, terms.literal(']'))
  }

  /** Some of these scalars, each once at most, in any order. */
  arrayOfDistinct(values: readonly unknown[], minimum: number, maximum: number): Term {
    const { terms } = this
    const close = terms.sequence(this.blank, terms.literal(']'))
    const known = new Map<number, Term>()
    // By which values are left.
    const after = (left: number): Term => {
      const found = known.get(left)
      if (found !== undefined) return found
      const count = values.filter((_, at) => (left & (1 << at)) === 0).length
      const next = values.map((value, at) =>
        (left & (1 << at)) !== 0 && count < maximum
          ? terms.sequence(
              count === 0 ? terms.end : this.#comma,
              terms.literal(jsonSymbols(value)),
              after(left & ~(1 << at)),
            )
          : terms.nothing,
      )
      const end = count >= minimum ? (count === 0 ? terms.literal(']') : close) : terms.nothing
      const made = terms.either(end, ...next)
      known.set(left, made)
      return made
    }
    return terms.sequence(terms.literal('['), this.blank, after((1 << values.length) - 1))
  }

  /** `items` null: nothing after the first ones. */
  array(first: readonly Term[], items: Term | null, minimum: number, maximum: number): Term {
    const { terms } = this
    const close = terms.sequence(this.blank, terms.literal(']'))
    const open = maximum === Infinity ? Math.max(minimum, first.length, this.limits.items) : maximum
    const most = items === null ? Math.min(open, first.length) : open
    if (most < minimum) return terms.nothing
    const left = (count: number): number => Math.max(0, minimum - count)
    // What may follow when `count` items are written.
    const from = Math.min(first.length, most)
    let after =
      items === null || from === most
        ? from >= minimum
          ? close
          : terms.nothing
        : terms.sequence(
            terms.repeat(terms.sequence(this.#comma, items), left(Math.max(from, 1)), most - Math.max(from, 1)),
            close,
          )
    for (let count = from - 1; count >= 1; count--)
      after = terms.either(count >= minimum ? close : terms.nothing, terms.sequence(this.#comma, first[count]!, after))
    const head = first.length > 0 ? first[0]! : items
    const filled = head === null || most < 1 ? terms.nothing : terms.sequence(head, after)
    const none = minimum === 0 ? terms.literal(']') : terms.nothing
    return terms.sequence(terms.literal('['), this.blank, terms.either(none, filled))
  }
}

/** A scalar as it is written: compact JSON, the bar of special tokens escaped. */
export function jsonSymbols(value: unknown): string {
  return symbolsOf(JSON.stringify(value).replaceAll('\uff5c', '\\uff5c'))
}

function bound(terms: Terms): { literal: (text: string) => Term; set: (characters: string) => Term } {
  return {
    literal: (text) => terms.literal(text),
    set: (characters) => terms.set(Array.from(characters, (character) => character.charCodeAt(0))),
  }
}
