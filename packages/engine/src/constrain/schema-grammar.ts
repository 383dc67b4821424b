/**
 * JSON Schema to terms: the texts whose values fit, members in the order in which the schema names them.
 *
 * Always sound: what is written fits the schema. Narrower than the schema where that costs little: an object that
 * names properties and says nothing about others has no others, integers have neither point nor exponent, listed
 * values are spelled one way.
 */
import { EngineError } from '../errors.ts'
import { symbolsOf, type Spelling } from './characters.ts'
import { formatPatterns } from './formats.ts'
import { jsonSymbols, type JsonGrammar, type Member } from './json-grammar.ts'
import { PatternProblem, patternTerm } from './pattern.ts'
import { isSame, isSchema, SchemaForms, typeOfValue, typesOf, type Schema } from './schema-forms.ts'
import { valueTypes, type ValueType } from './schema-facts.ts'
import type { Rule, Term, Terms } from './terms.ts'

const mostProperties = 1000
const longestMinimum = 1024

/** An object's members before they are spelled. */
export interface ObjectForm {
  readonly properties: readonly { readonly name: string; readonly schema: unknown; readonly isRequired: boolean }[]
  /** The schema of other members; null: none allowed. */
  readonly others: unknown
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
    return forms.map((form) => this.#objectForm(form))
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
      const isPlainValue = (value: unknown): boolean => typeof value !== 'object' || value === null
      return this.#terms.either(
        this.#terms.oneOf(listed.filter(isPlainValue).map(jsonSymbols)),
        ...listed.filter((value) => !isPlainValue(value)).map((value) => this.#json.exactly(value)),
      )
    }
    if (form.type === undefined && Object.keys(form).length === 0) return this.#json.anyValue
    return this.#terms.either(...typesOf(form).map((type) => this.#typed(type, form)))
  }

  #typed(type: ValueType, form: Schema): Term {
    switch (type) {
      case 'object':
        return this.#object(form)
      case 'array':
        return this.#array(form)
      case 'null':
        return this.#json.null
      case 'boolean':
        return this.#json.boolean
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
    if (form.type === 'string') return this.#string(form, spelling)
    return this.#json.number({
      minimum: highest(form.minimum, form.exclusiveMinimum),
      maximum: lowest(form.maximum, form.exclusiveMaximum),
      minimumExcluded: isBinding(form.exclusiveMinimum, highest(form.minimum, form.exclusiveMinimum)),
      maximumExcluded: isBinding(form.exclusiveMaximum, lowest(form.maximum, form.exclusiveMaximum)),
      integer: form.type === 'integer',
    })
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
    return both.filter((value) => fits(value, form, types))
  }

  // ------------------------------------------------------------------------------------------ composed

  #objectForm(form: Schema): ObjectForm {
    const properties = (form.properties ?? {}) as Schema
    const required = new Set((form.required ?? []) as readonly string[])
    const hasNames = Object.keys(properties).length > 0
    const others = form.additionalProperties ?? !hasNames
    const names = [...new Set([...Object.keys(properties), ...required])]
    this.#forms.spend(names.length)
    if (names.length > mostProperties)
      throw new EngineError(
        'ENGINE_SCHEMA_TOO_LARGE',
        `An object with ${names.length} properties is more than can be held to; ${mostProperties} can.`,
      )
    return {
      properties: names.map((name) => ({
        name,
        schema: Object.hasOwn(properties, name) ? properties[name] : (form.additionalProperties ?? true),
        isRequired: required.has(name),
      })),
      others: others === false ? null : others,
    }
  }

  #object(form: Schema): Term {
    const { properties, others } = this.#objectForm(form)
    if (properties.length === 0 && others === true) return this.#json.anyObject
    const members: Member[] = properties.map(({ name, schema, isRequired }) =>
      this.#json.member(name, this.value(schema), isRequired),
    )
    const names = properties.map(({ name }) => name)
    const extra = others === null ? null : this.#json.otherMember(names, this.value(others))
    return this.#json.members(members, extra, { open: '{', close: '}', mostExtra: this.#json.limits.items })
  }

  #array(form: Schema): Term {
    const first = ((form.prefixItems ?? []) as readonly unknown[]).map((schema, at) =>
      this.value(this.#forms.place(schema, form, 'prefixItems', at)),
    )
    const minimum = (form.minItems ?? 0) as number
    if (minimum > longestMinimum) this.#forms.unsupported(`a "minItems" of more than ${longestMinimum}`, form)
    this.#forms.spend(first.length)
    const items = form.items === false ? null : this.value(form.items ?? true)
    const maximum = (form.maxItems ?? Infinity) as number
    return this.#json.array(first, items, Math.min(minimum, longestMinimum), maximum)
  }
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
    .concat(['exclusiveMaximum', 'oneOf', 'allOf', '$ref'])
    .some((key) => schema[key] !== undefined)
}

function isOpenString(form: Schema): boolean {
  return ['enum', 'const', 'minLength', 'maxLength', 'pattern', 'format'].every((key) => form[key] === undefined)
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
    value < ((form.exclusiveMaximum ?? Infinity) as number)
  )
}
