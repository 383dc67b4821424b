/**
 * A grammar as terms, read symbol by symbol: the term that is left after a symbol is the next state.
 *
 * Symbols 0-255 are bytes, larger ones stand for special tokens. Terms are interned, so equal rests are one object
 * and every step is computed once. The right-leaning chain of `sequence` terms is the stack of a pushdown
 * automaton; `alternatives` keep several readings open and share their common ends.
 *
 * Invariant: a step gives `nothing` whenever no text could finish it any more, so no reading ever gets stuck.
 * Method: derivatives of expressions (Brzozowski 1964), made lazily.
 */

/** A hand-made automaton inside a term: for what would be a huge expression. Every place must be able to finish. */
export interface Machine {
  /** Equal names, equal machines. */
  readonly name: string
  step(place: string, symbol: number): string | null
  mayEnd(place: string): boolean
  /** A shortest text from here to an end, as symbols. */
  shortest(place: string): string
}

/** A named term that may contain itself. */
export interface Rule {
  body: Term
  /** Symbols of its shortest text; Infinity: none. */
  least: number
}

type Kind = 'nothing' | 'end' | 'literal' | 'set' | 'sequence' | 'alternatives' | 'repeat' | 'rule' | 'machine' | 'both'

export class Term {
  readonly kind: Kind
  readonly id: number
  /** The empty text belongs to it. */
  readonly nullable: boolean
  /** `sequence`: what comes first; `repeat`: what is repeated. */
  first: Term | null = null
  /** `sequence`: what follows. */
  rest: Term | null = null
  /** `literal`: its symbols as characters; `machine`: the place; `both`: a text of it, once it is known. */
  text = ''
  members: ReadonlySet<number> | null = null
  /** `alternatives`: one of them; `both`: all of them. */
  choices: readonly Term[] = []
  /** `both`: none of them. */
  unwanted: readonly Term[] = []
  minimum = 0
  maximum = Infinity
  rule: Rule | null = null
  machine: Machine | null = null
  /** Length of the shortest text, of a `both` of its `text`; -1: not known yet. */
  least = -1
  /** What is left after each symbol that was read; forgotten when the terms are swept. */
  steps: Map<number, Term> | null = null

  constructor(kind: Kind, id: number, nullable: boolean) {
    this.kind = kind
    this.id = id
    this.nullable = nullable
  }
}

/** Readings held open at once; of more, the first stay. What is dropped only narrows the language. */
const maximumChoices = 512
const flattenedChoices = 96
/** Steps looked at while a shortest common text is searched. Where it is not found by then, none is offered. */
const mostSearched = 60_000
/** Rules looked at while their shortest texts are found. */
const mostSettling = 1_000_000
const idFactor = 2 ** 26
/** What the heap holds for a term with its place among the interned ones, a symbol of a set, a table of steps, a step. */
const heapBytes = { term: 350, member: 30, steps: 220, step: 44 } as const
const defaultLimitBytes = 16 * 2 ** 20

export class Terms {
  readonly nothing: Term
  readonly end: Term
  #nextId = 0
  #interned = new Map<string, Term>()
  #sequences = new Map<number, Term>()
  readonly #uses = new WeakMap<Rule, Term>()
  /** Terms whose steps are remembered. */
  #stepped: Term[] = []
  #bytes = 0
  #generation = 0
  readonly #limitBytes: number
  /** Steps computed, not looked up: a measure of work. */
  work = 0

  /** @param limitBytes of heap, beyond which all is forgotten; terms in use stay usable. */
  constructor(limitBytes: number = defaultLimitBytes) {
    this.#limitBytes = limitBytes
    this.nothing = this.#make('nothing', false)
    this.nothing.least = Infinity
    this.end = this.#make('end', true)
    this.end.least = 0
  }

  /** How often all was forgotten: what was made before is not found again. */
  get generation(): number {
    return this.#generation
  }

  /** About what the heap holds for what is remembered. */
  get bytes(): number {
    return this.#bytes
  }

  /** Forgets what was interned and stepped once it is too much. Call between uses, never while compiling. */
  sweep(): void {
    if (this.#bytes < this.#limitBytes) return
    this.#interned = new Map()
    this.#sequences = new Map()
    // Terms in use would keep every state that was ever reached from them.
    for (const term of this.#stepped) term.steps = null
    this.#stepped = []
    this.#bytes = 0
    this.#generation++
  }

  // -------------------------------------------------------------------------------------------- making

  literal(symbols: string): Term {
    if (symbols === '') return this.end
    return this.#intern(`l${symbols}`, () => {
      const term = this.#make('literal', false)
      term.text = symbols
      return term
    })
  }

  set(members: Iterable<number>): Term {
    const sorted = [...new Set(members)].sort((a, b) => a - b)
    if (sorted.length === 0) return this.nothing
    return this.#intern(`c${sorted.join(',')}`, () => {
      const term = this.#make('set', false)
      term.members = new Set(sorted)
      this.#bytes += sorted.length * heapBytes.member
      return term
    })
  }

  range(low: number, high: number): Term {
    return this.set(Array.from({ length: high - low + 1 }, (_, at) => low + at))
  }

  sequence(...terms: readonly Term[]): Term {
    let chain = this.end
    for (let at = terms.length - 1; at >= 0; at--) chain = this.#follow(terms[at]!, chain)
    return chain
  }

  either(...terms: readonly Term[]): Term {
    const members = this.#members(terms)
    if (members.length <= maximumChoices) return this.#choice(members)
    // In groups, so that none is lost: what is dropped are readings of one text, never what a grammar offers.
    const groups = Array.from({ length: Math.ceil(members.length / flattenedChoices) }, (_, at) =>
      this.#choice(members.slice(at * flattenedChoices, (at + 1) * flattenedChoices)),
    )
    return this.either(...groups)
  }

  /** One of the texts, their common beginnings read once. */
  oneOf(texts: readonly string[]): Term {
    const byFirst = new Map<string, string[]>()
    for (const text of new Set(texts)) {
      const group = byFirst.get(text.slice(0, 1))
      if (group === undefined) byFirst.set(text.slice(0, 1), [text])
      else group.push(text)
    }
    return this.either(
      ...[...byFirst.values()].map((group) => {
        const [only] = group
        if (group.length === 1) return this.literal(only!)
        const shared = commonBeginning(group)
        return this.sequence(this.literal(shared), this.oneOf(group.map((text) => text.slice(shared.length))))
      }),
    )
  }

  optional(term: Term): Term {
    return this.either(term, this.end)
  }

  repeat(term: Term, minimum: number, maximum: number = Infinity): Term {
    if (maximum <= 0 || term === this.end) return this.end
    const from = term.nullable ? 0 : minimum
    if (maximum < from) return this.nothing
    if (term === this.nothing) return from === 0 ? this.end : this.nothing
    if (from === 1 && maximum === 1) return term
    return this.#intern(`r${term.id},${from},${maximum}`, () => {
      const made = this.#make('repeat', from === 0)
      made.first = term
      made.minimum = from
      made.maximum = maximum
      return made
    })
  }

  /**
   * The texts that belong to all of `wanted` and to none of `unwanted`; no rules inside. Whether there are any left is
   * searched for each state, so this is for short things: keys, strings, numbers.
   */
  both(wanted: readonly Term[], unwanted: readonly Term[] = []): Term {
    const term = this.#both(wanted, unwanted)
    return this.least(term) === Infinity ? this.nothing : term
  }

  #both(wanted: readonly Term[], unwanted: readonly Term[]): Term {
    const all = [...new Set(wanted)].sort((a, b) => a.id - b.id)
    const none = [...new Set(unwanted)].filter((term) => term !== this.nothing).sort((a, b) => a.id - b.id)
    if (all.includes(this.nothing) || none.some((term) => all.includes(term))) return this.nothing
    if (all.length === 1 && none.length === 0) return all[0]!
    return this.#intern(`b${all.map(({ id }) => id).join(',')}!${none.map(({ id }) => id).join(',')}`, () => {
      const isEnd = all.every(({ nullable }) => nullable) && !none.some(({ nullable }) => nullable)
      const term = this.#make('both', isEnd)
      term.choices = all
      term.unwanted = none
      if (isEnd) term.least = 0
      return term
    })
  }

  /** A rule is never empty text. */
  use(rule: Rule): Term {
    const known = this.#uses.get(rule)
    if (known !== undefined) return known
    const term = this.#make('rule', false)
    term.rule = rule
    this.#uses.set(rule, term)
    return term
  }

  run(machine: Machine, place: string): Term {
    return this.#intern(`m${machine.name}\u0000${place}`, () => {
      const term = this.#make('machine', machine.mayEnd(place))
      term.machine = machine
      term.text = place
      return term
    })
  }

  // ------------------------------------------------------------------------------------------- reading

  /** What is left of `term` after `symbol`; `nothing` when no text of it goes on like this. */
  step(term: Term, symbol: number): Term {
    if (term.kind === 'set') return term.members!.has(symbol) ? this.end : this.nothing
    if (term.kind === 'nothing' || term.kind === 'end') return this.nothing
    if (term.kind === 'literal' && term.text.charCodeAt(0) !== symbol) return this.nothing
    if (term.steps === null) {
      term.steps = new Map()
      this.#stepped.push(term)
      this.#bytes += heapBytes.steps
    }
    const known = term.steps.get(symbol)
    if (known !== undefined) return known
    this.work++
    const made = this.#derive(term, symbol)
    const next = this.least(made) === Infinity ? this.nothing : made
    term.steps.set(symbol, next)
    this.#bytes += heapBytes.step
    return next
  }

  #derive(term: Term, symbol: number): Term {
    switch (term.kind) {
      case 'literal':
        return this.literal(term.text.slice(1))
      case 'sequence': {
        const after = this.#follow(this.step(term.first!, symbol), term.rest!)
        return term.first!.nullable ? this.either(after, this.step(term.rest!, symbol)) : after
      }
      case 'alternatives':
        return this.#choice(
          this.#members(term.choices.map((choice) => this.step(choice, symbol))).slice(0, maximumChoices),
        )
      case 'repeat': {
        const after = this.step(term.first!, symbol)
        if (after === this.nothing) return after
        return this.#follow(after, this.repeat(term.first!, Math.max(0, term.minimum - 1), term.maximum - 1))
      }
      case 'rule':
        return this.step(term.rule!.body, symbol)
      case 'both':
        return this.#afterBoth(term, symbol)
      default: {
        const place = term.machine!.step(term.text, symbol)
        return place === null ? this.nothing : this.run(term.machine!, place)
      }
    }
  }

  /** Symbols of the shortest text of `term`; Infinity when it has none. Rules must be settled. */
  least(term: Term): number {
    if (term.least < 0 && term.kind === 'both') this.#witness(term, this.#guess(term) ?? this.#search(term))
    if (term.least < 0) term.least = leastOf(term, (inner) => this.least(inner))
    return term.least
  }

  /** What ended the state before often ends this one too: that spares a search. */
  #afterBoth(term: Term, symbol: number): Term {
    const made = this.#stepBoth(term, symbol)
    if (made.kind !== 'both' || made.least >= 0) return made
    const found = [term.text.slice(1), term.text].find((text) => this.#takes(made, text))
    if (found !== undefined) this.#witness(made, found)
    return made
  }

  #takes({ choices, unwanted }: Term, text: string): boolean {
    const holds = (part: Term): boolean => {
      let state = part
      for (let at = 0; at < text.length; at++) state = this.step(state, text.charCodeAt(at))
      return state.nullable
    }
    return choices.every(holds) && !unwanted.some(holds)
  }

  /** A text of a `both`: not always its shortest, but what `shortest` gives. */
  #witness(term: Term, text: string | null): void {
    term.text = text ?? ''
    term.least = text?.length ?? Infinity
  }

  #stepBoth({ choices, unwanted }: Term, symbol: number): Term {
    return this.#both(
      choices.map((choice) => this.step(choice, symbol)),
      unwanted.map((choice) => this.step(choice, symbol)),
    )
  }

  /** A shortest text of one part that is a text of all; null: none is. */
  #guess(term: Term): string | null {
    const texts = term.choices.map((choice) => (this.least(choice) === Infinity ? null : this.shortest(choice)))
    return texts.find((text) => text !== null && this.#takes(term, text)) ?? null
  }

  /** The text of a `both` that is found first, nearest to the end by what its parts need at least; null: none. */
  #search(start: Term): string | null {
    const needs = ({ choices }: Term): number => choices.reduce((most, each) => Math.max(most, this.least(each)), 0)
    /** By what is needed at least, text included. */
    const open: [state: Term, text: string][][] = []
    const put = (state: Term, text: string): void => {
      const cost = text.length + (state.kind === 'both' ? needs(state) : this.least(state))
      if (cost !== Infinity) (open[cost] ??= []).push([state, text])
    }
    const seen = new Set([start])
    put(start, '')
    let left = mostSearched
    for (let cost = 0; cost < open.length && left > 0; cost++)
      for (let next = open[cost]?.pop(); next !== undefined && left > 0; next = open[cost]!.pop()) {
        const [state, text] = next
        if (state.nullable) return text
        if (state.kind !== 'both') return text + this.shortest(state)
        for (let symbol = 0; symbol < 256; symbol++) {
          left--
          const after = this.#stepBoth(state, symbol)
          if (after === this.nothing || seen.has(after)) continue
          seen.add(after)
          put(after, text + String.fromCharCode(symbol))
        }
      }
    return null
  }

  /** Finds the shortest text of every rule. Call once they all have their bodies. False: it would take too long. */
  settle(rules: readonly Rule[]): boolean {
    let left = mostSettling
    for (let hasChanged = true; hasChanged;) {
      hasChanged = false
      left -= rules.length
      if (left < 0) return false
      const known = new Map<Term, number>()
      const of = (term: Term): number => {
        const found = term.least >= 0 ? term.least : known.get(term)
        if (found !== undefined) return found
        const length = leastOf(term, of)
        known.set(term, length)
        return length
      }
      // The last are the innermost, on which the others stand.
      for (let at = rules.length - 1; at >= 0; at--) {
        const length = of(rules[at]!.body)
        if (length >= rules[at]!.least) continue
        rules[at]!.least = length
        hasChanged = true
      }
    }
    return true
  }

  /** A shortest text of `term`, as symbols. */
  shortest(term: Term): string {
    const parts: string[] = []
    // What is still to be written, the next on top.
    const open: Term[] = [term]
    while (open.length > 0) {
      const next = open.pop()!
      switch (next.kind) {
        case 'literal':
          parts.push(next.text)
          break
        case 'set':
          parts.push(String.fromCharCode(next.members!.values().next().value!))
          break
        case 'sequence':
          open.push(next.rest!, next.first!)
          break
        case 'alternatives':
          open.push(next.choices.reduce((best, choice) => (this.least(choice) < this.least(best) ? choice : best)))
          break
        case 'repeat':
          for (let times = 0; times < next.minimum; times++) open.push(next.first!)
          break
        case 'rule':
          open.push(next.rule!.body)
          break
        case 'machine':
          parts.push(next.machine!.shortest(next.text))
          break
        case 'both':
          this.least(next)
          parts.push(next.text)
          break
        default:
      }
    }
    return parts.join('')
  }

  // ------------------------------------------------------------------------------------------- helpers

  #make(kind: Kind, nullable: boolean): Term {
    this.#bytes += heapBytes.term
    return new Term(kind, this.#nextId++, nullable)
  }

  #intern(key: string, make: () => Term): Term {
    const known = this.#interned.get(key)
    if (known !== undefined) return known
    const term = make()
    this.#interned.set(key, term)
    this.#bytes += key.length
    return term
  }

  #follow(first: Term, rest: Term): Term {
    if (first === this.nothing || rest === this.nothing) return this.nothing
    if (first === this.end) return rest
    if (rest === this.end) return first
    if (first.kind === 'sequence') return this.#follow(first.first!, this.#follow(first.rest!, rest))
    if (first.kind === 'literal') {
      if (rest.kind === 'literal') return this.literal(first.text + rest.text)
      if (rest.kind === 'sequence' && rest.first!.kind === 'literal')
        return this.#follow(this.literal(first.text + rest.first!.text), rest.rest!)
    }
    const key = (first.id % idFactor) * idFactor + (rest.id % idFactor)
    const known = this.#sequences.get(key)
    if (known?.first === first && known.rest === rest) return known
    const term = this.#make('sequence', first.nullable && rest.nullable)
    term.first = first
    term.rest = rest
    this.#sequences.set(key, term)
    return term
  }

  #members(terms: readonly Term[]): Term[] {
    const gathered = new Set<Term>()
    for (const term of terms) this.#gather(term, gathered)
    return this.#factored(this.#joined([...gathered]))
  }

  #choice(members: readonly Term[]): Term {
    if (members.length === 0) return this.nothing
    if (members.length === 1) return members[0]!
    const sorted = [...members].sort((a, b) => a.id - b.id)
    return this.#intern(`o${sorted.map(({ id }) => id).join(',')}`, () => {
      const term = this.#make(
        'alternatives',
        sorted.some(({ nullable }) => nullable),
      )
      term.choices = sorted
      return term
    })
  }

  #gather(term: Term, into: Set<Term>): void {
    if (term === this.nothing) return
    if (term.kind === 'alternatives' && into.size + term.choices.length <= flattenedChoices)
      for (const choice of term.choices) into.add(choice)
    else into.add(term)
  }

  /** Sets beside each other are one set. */
  #joined(terms: readonly Term[]): Term[] {
    const sets = terms.filter(({ kind }) => kind === 'set')
    if (sets.length < 2) return [...terms]
    const union = this.set(sets.flatMap(({ members }) => [...members!]))
    return [...terms.filter(({ kind }) => kind !== 'set'), union]
  }

  /** Readings with the same rest share it, so that ambiguity does not multiply with depth. */
  #factored(terms: readonly Term[]): Term[] {
    const byRest = new Map<Term, Term[]>()
    for (const term of terms)
      if (term.kind === 'sequence') byRest.set(term.rest!, [...(byRest.get(term.rest!) ?? []), term.first!])
    if ([...byRest.values()].every(({ length }) => length === 1)) return [...terms]
    const shared = new Set<Term>()
    for (const term of terms) {
      const firsts = term.kind === 'sequence' ? byRest.get(term.rest!)! : []
      shared.add(firsts.length < 2 ? term : this.#follow(this.either(...firsts), term.rest!))
    }
    return [...shared]
  }
}

function commonBeginning(texts: readonly string[]): string {
  const [first = ''] = texts
  let length = texts.reduce((least, text) => Math.min(least, text.length), first.length)
  for (const text of texts) while (!text.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}

function leastOf(term: Term, of: (inner: Term) => number): number {
  switch (term.kind) {
    case 'literal':
      return term.text.length
    case 'set':
      return 1
    case 'sequence':
      return of(term.first!) + of(term.rest!)
    case 'alternatives':
      return term.choices.reduce((least, choice) => Math.min(least, of(choice)), Infinity)
    case 'repeat':
      return term.minimum === 0 ? 0 : term.minimum * of(term.first!)
    case 'rule':
      return term.rule!.least
    case 'machine':
      return term.nullable ? 0 : term.machine!.shortest(term.text).length
    default:
      return term.least
  }
}
