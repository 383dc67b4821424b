/**
 * JSON Schema to terms: the texts whose values fit, members in the order in which the schema names them.
 *
 * Always sound: what is written fits the schema. Narrower than the schema where that costs little: an object that
 * names properties and says nothing about others has no others, integers have neither point nor exponent, listed
 * values are spelled one way.
 */
import { EngineError } from '../errors.ts'
import { characterOf, everyCharacter, symbolsOf, type Spelling } from './characters.ts'
import { formatPatterns } from './formats.ts'
import { jsonSymbols, type JsonGrammar, type Member } from './json-grammar.ts'
import { multipleOf } from './number-machine.ts'
import { PatternProblem, patternTerm } from './pattern.ts'
import { isSame, isSchema, SchemaForms, typeOfValue, typesOf, type Schema } from './schema-forms.ts'
import { conditionKeywords, valueTypes, type ValueType } from './schema-facts.ts'
import type { Rule, Term, Terms } from './terms.ts'

const mostProperties = 1000
const longestMinimum = 1024
const mostPatterns = 4
const mostUniqueItems = 8
const largestMultiple = 1000

/** An object's members before they are spelled. */
export interface ObjectForm {
  readonly properties: readonly { readonly name: string; readonly schema: unknown; readonly isRequired: boolean }[]
  /** Names that no other member may have. */
  readonly taken: readonly string[]
  /** Other members, by what their names match. Empty: none allowed. */
  readonly others: readonly OtherMembers[]
  /** How many members there may be, named and others together. */
  readonly count: { readonly minimum: number; readonly maximum: number }
}

export interface OtherMembers {
  readonly schema: unknown
  /** Narrows the names, given as any that is not taken. */
  readonly narrowed: (name: Term, spelling: Spelling) => Term
}

export class SchemaGrammar {
  readonly #json: JsonGrammar
  readonly #terms: Terms
  readonly #forms: SchemaForms
  readonly #rules = new Map<unknown, Rule>()
  readonly #waiting: (() => void)[] = []

  /** @param name How messages call the schema. */
  constructor(json: JsonGrammar, root: unknown, name: string, isStrict: boolean) {
    this.#json = json
    this.#terms = json.terms
    this.#forms = new SchemaForms(root, name, isStrict)
  }

  get forms(): SchemaForms {
    return this.#forms
  }

  /** The whole schema's values. Call `finish` before use. */
  root(): Term {
    return this.value(this.#forms.root)
  }

  /** Makes what is still open; nested schemas wait, so that no depth of nesting is a depth of calls. */
  finish(): void {
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) next()
  }

  /** Values that fit, as JSON. */
  value(schema: unknown): Term {
    if (schema === true) return this.#json.anyValue
    if (schema === false) return this.#terms.nothing
    const known = this.#rules.get(schema)
    if (known !== undefined) return this.#terms.use(known)
    const rule = this.#json.newRule()
    this.#rules.set(schema, rule)
    this.#forms.spend(1)
    this.#waiting.push(() => {
      rule.body = this.#body(schema)
    })
    return this.#terms.use(rule)
  }

  /** Forms of a schema that must be an object's, e.g. of a tool's parameters. */
  objects(schema: unknown): ObjectForm[] {
    const forms = this.#forms.of(schema ?? {}).filter((form) => typesOf(form).includes('object'))
    if (forms.length === 0) this.#forms.invalid('it must allow an object', schema)
    return forms.flatMap((form) => this.#objectForm(form) ?? [])
  }

  /** The strings among the values of a schema, raw, and the others as JSON; null: there are none. */
  parted(schema: unknown): { readonly strings: Term | null; readonly others: Term } {
    const strings: Term[] = []
    const others: Term[] = []
    let isOpen = false
    for (const form of this.#forms.of(schema)) {
      const types = typesOf(form)
      if (types.includes('string')) {
        if (isOpenString(form)) isOpen = true
        else strings.push(this.#scalar({ ...form, type: 'string' }, 'raw'))
      }
      const rest = types.filter((type) => type !== 'string')
      if (rest.length > 0) others.push(this.#form({ ...form, type: rest }))
    }
    const joined = this.#terms.either(...strings)
    return {
      strings: isOpen ? null : joined,
      others: this.#terms.either(...others),
    }
  }

  #body(schema: unknown): Term {
    if (isSchema(schema)) {
      const alias = this.#forms.aliasOf(schema)
      // A reference stays one, so that what contains itself has an end; `of` refuses circles of references.
      if (alias !== null) {
        this.#forms.of(schema)
        return this.value(alias)
      }
      const choices = schema.anyOf
      if (Array.isArray(choices) && isOnlyChoice(schema) && this.#forms.of(schema).length > 0)
        return this.#terms.either(
          ...choices.map((choice: unknown, at) => this.value(this.#forms.place(choice, schema, 'anyOf', at))),
        )
    }
    return this.#terms.either(...this.#forms.of(schema).map((form) => this.#form(form)))
  }

  /** Values of one plain form. */
  #form(form: Schema): Term {
    const listed = this.#listed(form)
    if (listed !== null) {
      if (compositeKeywords.some((key) => form[key] !== undefined) && listed.some(isComposite))
        this.#forms.unsupported('listed objects or lists beside words about their parts', form)
      const isPlainValue = (value: unknown): boolean => !isComposite(value)
      return this.#terms.either(
        this.#terms.oneOf(listed.filter(isPlainValue).map(jsonSymbols)),
        ...listed.filter((value) => !isPlainValue(value)).map((value) => this.#json.exactly(value)),
      )
    }
    if (form.type === undefined && Object.keys(form).length === 0) return this.#json.anyValue
    return this.#terms.either(...typesOf(form).map((type) => this.#typed(type, form)))
  }

  #typed(type: ValueType, form: Schema): Term {
    const excepted = exceptedOf(form)
    switch (type) {
      case 'object':
      case 'array':
        if (excepted.some((value) => typeOfValue(value) === type))
          this.#forms.unsupported(`all ${type}s but some that are listed`, form)
        return type === 'object' ? this.#object(form) : this.#array(form)
      case 'null':
        return excepted.includes(null) ? this.#terms.nothing : this.#json.null
      case 'boolean':
        return this.#terms.oneOf(['true', 'false'].filter((word) => !excepted.includes(word === 'true')))
      default:
        return this.#scalar({ ...form, type }, 'json')
    }
  }

  // ------------------------------------------------------------------------------------------- scalars

  #scalar(form: Schema, spelling: Spelling): Term {
    const listed = this.#listed(form)
    if (listed !== null) {
      const spelled = listed.filter((value) => spelling === 'json' || isPlain(value as string))
      return this.#terms.oneOf(
        spelled.map((value) => (spelling === 'raw' ? symbolsOf((value as string).toWellFormed()) : jsonSymbols(value))),
      )
    }
    if (form.type === 'string') return this.#stringBut(form, spelling)
    return this.#number(form)
  }

  #number(form: Schema): Term {
    const step = this.#multipleOf(form)
    const number = this.#json.number({
      minimum: highest(form.minimum, form.exclusiveMinimum),
      maximum: lowest(form.maximum, form.exclusiveMaximum),
      minimumExcluded: isBinding(form.exclusiveMinimum, highest(form.minimum, form.exclusiveMinimum)),
      maximumExcluded: isBinding(form.exclusiveMaximum, lowest(form.maximum, form.exclusiveMaximum)),
      // Multiples of a whole number are whole.
      integer: form.type === 'integer' || step !== null,
    })
    const excepted = exceptedOf(form).filter((value) => typeof value === 'number')
    if (step === null && excepted.length === 0) return number
    return this.#terms.both(
      [
        number,
        ...(step === null ? [] : [this.#terms.run(multipleOf(step), '')]),
        // With an exponent every number has spellings without end.
        ...(excepted.length === 0 ? [] : [this.#json.numberWithoutExponent]),
      ],
      excepted.map((value) => this.#json.spellingsOf(value)),
    )
  }

  #multipleOf(form: Schema): number | null {
    const step = form.multipleOf as number | undefined
    if (step === undefined) return null
    if (Number.isInteger(step) && step <= largestMultiple) return step
    this.#forms.unsupported(`a "multipleOf" that is not a whole number up to ${largestMultiple}`, form)
    return null
  }

  #stringBut(form: Schema, spelling: Spelling): Term {
    const string = this.#string(form, spelling)
    const excepted = exceptedOf(form).filter((value) => typeof value === 'string')
    if (excepted.length === 0) return string
    // In an alphabet in which all spellings of a text can be named.
    const spelled = (text: string): Term =>
      this.#json.quoted(
        this.#terms.sequence(
          ...Array.from(text.toWellFormed(), (character) => {
            const code = character.codePointAt(0)!
            return characterOf(this.#terms, [[code, code]], spelling)
          }),
        ),
        spelling,
      )
    const any = this.#terms.repeat(characterOf(this.#terms, everyCharacter, spelling), 0)
    return this.#terms.both([string, this.#json.quoted(any, spelling)], excepted.map(spelled))
  }

  #string(form: Schema, spelling: Spelling): Term {
    const minimum = (form.minLength ?? 0) as number
    const maximum = (form.maxLength ?? Infinity) as number
    if (minimum > longestMinimum) this.#forms.unsupported(`a "minLength" of more than ${longestMinimum}`, form)
    const source = this.#patternOf(form)
    if (source !== null) {
      if (form.minLength !== undefined || form.maxLength !== undefined)
        this.#forms.unsupported('a length beside "pattern" or "format"', form)
      try {
        return this.#json.quoted(patternTerm(this.#terms, source, spelling), spelling)
      } catch (error) {
        if (!(error instanceof PatternProblem)) throw error
        this.#forms.unsupported(`a "pattern" that ${error.message}`, form)
      }
    }
    return this.#json.string(Math.min(minimum, longestMinimum), maximum, spelling)
  }

  #patternOf(form: Schema): string | null {
    const { pattern, format } = form as { readonly pattern?: string; readonly format?: string }
    if (format === undefined) return pattern ?? null
    const known = Object.hasOwn(formatPatterns, format) ? formatPatterns[format]! : null
    if (known === null) this.#forms.unsupported(`the format ${JSON.stringify(format)}`, form)
    if (known !== null && pattern !== undefined) this.#forms.unsupported('"pattern" beside "format"', form)
    return pattern ?? known
  }

  /** Values that `enum` and `const` name and the rest of the form allows; null: none are named. */
  #listed(form: Schema): readonly unknown[] | null {
    if (form.enum === undefined && form.const === undefined) return null
    const named = form.enum === undefined ? [form.const] : (form.enum as readonly unknown[])
    const both = form.const === undefined ? named : named.filter((value) => isSame(value, form.const))
    this.#forms.spend(both.length + Math.ceil(JSON.stringify(both).length / 64))
    if (form.pattern !== undefined || form.format !== undefined)
      this.#forms.unsupported('"pattern" or "format" beside listed values', form)
    const types: readonly ValueType[] = form.type === undefined ? valueTypes : typesOf(form)
    const excepted = exceptedOf(form)
    return both.filter((value) => fits(value, form, types) && !excepted.some((other) => isSame(other, value)))
  }

  // ------------------------------------------------------------------------------------------ composed

  /** Null: a member is required and forbidden. */
  #objectForm(form: Schema): ObjectForm | null {
    const properties = (form.properties ?? {}) as Schema
    const required = new Set((form.required ?? []) as readonly string[])
    const absent = new Set((form.$absent ?? []) as readonly string[])
    const patterns = Object.entries((form.patternProperties ?? {}) as Schema)
    const mayBeNamed = this.#nameCheck(form)
    const isClosed = Object.keys(properties).length > 0 || patterns.length > 0
    const names = [...new Set([...Object.keys(properties), ...required])]
    this.#forms.spend(names.length)
    if (names.length > mostProperties)
      throw new EngineError(
        'ENGINE_SCHEMA_TOO_LARGE',
        `An object with ${names.length} properties is more than can be held to; ${mostProperties} can.`,
      )
    const isAllowed = (name: string): boolean => !absent.has(name) && (mayBeNamed?.(name) ?? true)
    if ([...required].some((name) => !isAllowed(name))) return null
    const { minProperties: minimum = 0, maxProperties: maximum = Infinity } = form as Readonly<Record<string, number>>
    return {
      properties: names.filter(isAllowed).map((name) => ({
        name,
        schema: this.#memberSchema(form, name),
        isRequired: required.has(name),
      })),
      taken: [...names, ...absent],
      others: this.#otherMembers(form, patterns, form.additionalProperties ?? !isClosed),
      count: { minimum, maximum },
    }
  }

  #memberSchema(form: Schema, name: string): unknown {
    const properties = (form.properties ?? {}) as Schema
    if (!Object.hasOwn(properties, name)) return this.#forms.ofUnnamed(form, name)
    const byPattern = this.#forms.ofUnnamed({ ...form, additionalProperties: true }, name)
    return this.#forms.conjunction(properties[name], byPattern)
  }

  /** Whether `propertyNames` allows a name; null: it allows all. */
  #nameCheck(form: Schema): ((name: string) => boolean) | null {
    const names = this.#namesTerm(form, 'json')
    if (names === null) return null
    return (name) => {
      let state = names
      for (const symbol of jsonSymbols(name)) state = this.#terms.step(state, symbol.charCodeAt(0))
      return state.nullable
    }
  }

  #namesTerm({ propertyNames }: Schema, spelling: Spelling): Term | null {
    if (propertyNames === undefined || propertyNames === true) return null
    const strings = this.#forms.of(propertyNames).filter((form) => typesOf(form).includes('string'))
    return this.#terms.either(...strings.map((form) => this.#scalar({ ...form, type: 'string' }, spelling)))
  }

  /** One kind for each choice of patterns that a name may match together, and one for names that match none. */
  #otherMembers(
    form: Schema,
    patterns: readonly (readonly [source: string, schema: unknown])[],
    otherwise: unknown,
  ): readonly OtherMembers[] {
    if (patterns.length > mostPatterns) {
      this.#forms.unsupported(`more than ${mostPatterns} patterns in "patternProperties"`, form)
      return [{ schema: true, narrowed: (name) => name }]
    }
    this.#forms.spend(2 ** patterns.length)
    return Array.from({ length: 2 ** patterns.length }, (_, choice): OtherMembers => {
      const matches = (_pattern: unknown, at: number): boolean => (choice & (1 << at)) !== 0
      const wanted = patterns.filter(matches)
      const unwanted = patterns.filter((pattern, at) => !matches(pattern, at))
      const schemas = wanted.map(([, schema]) => schema)
      return {
        schema: schemas.length === 0 ? otherwise : schemas.reduce((a, b) => this.#forms.conjunction(a, b)),
        narrowed: (name, spelling) => {
          const names = this.#namesTerm(form, spelling)
          if (names === null && patterns.length === 0) return name
          const matching = ([source]: readonly [string, unknown]): Term => this.#pattern(source, form, spelling)
          const known = [...(names === null ? [] : [names]), ...wanted.map(matching)]
          // Without them, only what a pattern could be found in.
          const any = this.#terms.repeat(characterOf(this.#terms, everyCharacter, spelling), 0)
          return this.#terms.both(
            [name, ...(known.length > 0 ? known : [this.#json.quoted(any, spelling)])],
            unwanted.map(matching),
          )
        },
      }
    }).filter(({ schema }) => schema !== false)
  }

  #pattern(source: string, form: Schema, spelling: Spelling): Term {
    try {
      return this.#json.quoted(patternTerm(this.#terms, source, spelling), spelling)
    } catch (error) {
      if (!(error instanceof PatternProblem)) throw error
      this.#forms.unsupported(`a pattern of "patternProperties" that ${error.message}`, form)
      return this.#terms.nothing
    }
  }

  #object(form: Schema): Term {
    const object = this.#objectForm(form)
    if (object === null) return this.#terms.nothing
    const { properties, taken, others, count } = object
    const isOpen = others.length === 1 && others[0]!.schema === true && form.propertyNames === undefined
    if (taken.length === 0 && isOpen && count.minimum === 0 && count.maximum === Infinity) return this.#json.anyObject
    if (count.minimum > longestMinimum)
      this.#forms.unsupported(`a "minProperties" of more than ${longestMinimum}`, form)
    const members: Member[] = properties.map(({ name, schema, isRequired }) =>
      this.#json.member(name, this.value(schema), isRequired),
    )
    const key = this.#json.otherKey(taken)
    const extra = this.#terms.either(
      ...others.map(({ schema, narrowed }) => this.#json.pair(narrowed(key, 'json'), this.value(schema))),
    )
    this.checkCount(members, extra, count, form)
    return this.#json.members(members, extra === this.#terms.nothing ? null : extra, {
      open: '{',
      close: '}',
      mostExtra: this.#json.limits.items,
      count,
    })
  }

  /** Other members may repeat a name, so that only the first surely is one more. */
  checkCount(members: readonly Member[], extra: Term, { minimum }: ObjectForm['count'], form: unknown): void {
    const sure = members.length + (extra === this.#terms.nothing ? 0 : 1)
    if (extra !== this.#terms.nothing && minimum > sure)
      this.#forms.unsupported(`a "minProperties" of more than the named members and one`, form)
    this.#forms.spend(minimum > 0 ? members.length * Math.min(minimum, members.length) : 0)
  }

  #array(form: Schema): Term {
    const first = ((form.prefixItems ?? []) as readonly unknown[]).map((schema, at) =>
      this.value(this.#forms.place(schema, form, 'prefixItems', at)),
    )
    const minimum = (form.minItems ?? 0) as number
    if (minimum > longestMinimum) this.#forms.unsupported(`a "minItems" of more than ${longestMinimum}`, form)
    this.#forms.spend(first.length)
    const maximum = (form.maxItems ?? Infinity) as number
    if (form.uniqueItems === true && maximum > 1) {
      const unique = this.#uniqueArray(form, minimum, maximum)
      if (unique !== null) return unique
    }
    const items = form.items === false ? null : this.value(form.items ?? true)
    const sought = this.#sought(form)
    if (sought !== null && items !== null) return this.#json.arrayWith(sought.item, items, sought.count, minimum)
    return this.#json.array(first, items, Math.min(minimum, longestMinimum), maximum)
  }

  /** Lists without repetition, where the items are few and named; null: it cannot be held to, and nobody insists. */
  #uniqueArray(form: Schema, minimum: number, maximum: number): Term | null {
    const values = form.prefixItems === undefined && form.contains === undefined ? this.#fewValues(form.items) : null
    if (values === null) {
      this.#forms.unsupported(`"uniqueItems" of values that are not ${mostUniqueItems} at most, listed`, form)
      return null
    }
    this.#forms.spend(2 ** values.length)
    return this.#json.arrayOfDistinct(values, minimum, maximum)
  }

  #fewValues(items: unknown): readonly unknown[] | null {
    const values: unknown[] = []
    for (const form of this.#forms.of(items)) {
      const listed = this.#listed(form)
      const types = listed === null ? typesOf(form) : []
      if (types.some((type) => type !== 'boolean' && type !== 'null')) return null
      const excepted = exceptedOf(form)
      const named = types.flatMap((type) => (type === 'null' ? [null] : [true, false]))
      values.push(...(listed ?? named.filter((value) => !excepted.includes(value))))
    }
    const distinct = values.filter((value, at) => values.findIndex((other) => isSame(other, value)) === at)
    return distinct.length > mostUniqueItems || distinct.some(isComposite) ? null : distinct
  }

  /** What `contains` looks for, and how often at least; null: nothing. */
  #sought(form: Schema): { readonly item: Term; readonly count: number } | null {
    const count = (form.minContains ?? 1) as number
    if (form.contains === undefined || (count === 0 && form.maxContains === undefined)) return null
    const stands = ['prefixItems', 'maxItems', 'maxContains'].find((word) => form[word] !== undefined)
    if (stands !== undefined) this.#forms.unsupported(`"contains" beside "${stands}"`, form)
    if (count > longestMinimum) this.#forms.unsupported(`a "minContains" of more than ${longestMinimum}`, form)
    if (stands !== undefined || count > longestMinimum) return null
    return { item: this.value(this.#forms.conjunction(form.items ?? true, form.contains)), count }
  }
}

const compositeKeywords = [
  'properties',
  'required',
  'additionalProperties',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  '$absent',
  'items',
  'prefixItems',
  'minItems',
  'maxItems',
  'uniqueItems',
  'contains',
]

function isComposite(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Values that a form leaves out. */
function exceptedOf(form: Schema): readonly unknown[] {
  return (form.$except ?? []) as readonly unknown[]
}

function isOnlyChoice(schema: Schema): boolean {
  return ![
    'type',
    'enum',
    'const',
    'properties',
    'required',
    'additionalProperties',
    'items',
    'prefixItems',
    'minItems',
  ]
    .concat(['maxItems', 'minLength', 'maxLength', 'pattern', 'format', 'minimum', 'maximum', 'exclusiveMinimum'])
    .concat(['exclusiveMaximum', 'multipleOf', 'oneOf', 'allOf', '$ref'])
    .concat(compositeKeywords)
    .concat(conditionKeywords)
    .some((key) => schema[key] !== undefined)
}

function isOpenString(form: Schema): boolean {
  return ['enum', 'const', 'minLength', 'maxLength', 'pattern', 'format', '$except'].every(
    (key) => form[key] === undefined,
  )
}

/** Raw text must not spell a tag or the end of an answer. */
function isPlain(text: string): boolean {
  return !text.includes('\uff5c')
}

function highest(a: unknown, b: unknown): number | null {
  if (a === undefined) return (b as number | undefined) ?? null
  return b === undefined ? (a as number) : Math.max(a as number, b as number)
}

function lowest(a: unknown, b: unknown): number | null {
  if (a === undefined) return (b as number | undefined) ?? null
  return b === undefined ? (a as number) : Math.min(a as number, b as number)
}

function isBinding(exclusive: unknown, bound: number | null): boolean {
  return exclusive !== undefined && exclusive === bound
}

/** Whether a listed value fits the other words of its form, patterns aside. */
function fits(value: unknown, form: Schema, types: readonly ValueType[]): boolean {
  const type = typeOfValue(value)
  if (!types.includes(type) && !(type === 'integer' && types.includes('number'))) return false
  if (typeof value === 'string') {
    const { length } = Array.from(value)
    return length >= ((form.minLength ?? 0) as number) && length <= ((form.maxLength ?? Infinity) as number)
  }
  if (typeof value !== 'number') return true
  return (
    value >= ((form.minimum ?? -Infinity) as number) &&
    value <= ((form.maximum ?? Infinity) as number) &&
    value > ((form.exclusiveMinimum ?? -Infinity) as number) &&
    value < ((form.exclusiveMaximum ?? Infinity) as number) &&
    (form.multipleOf === undefined || Number.isInteger(value / (form.multipleOf as number)))
  )
}
