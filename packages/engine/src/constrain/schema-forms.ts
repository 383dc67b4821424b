/**
 * A schema brought into plain forms: references followed, `allOf` merged, `anyOf` and `oneOf` spread out, so that each
 * form is one object of plain keywords and the value must fit one of the forms.
 *
 * Work is counted: a schema that would unfold beyond the bound is refused, however it does so. In lenient use a word
 * that cannot be held to is left out instead of refused. Conditions become alternatives: `if` is (if and then) or (not if
 * and else), a dependency is absence or what depends.
 *
 * Two words of forms are ours: `$absent` names members that must not be there, `$except` values that the value is not.
 */
import { EngineError } from '../errors.ts'
import { negationOf, NotNegated } from './negation.ts'
import { patternHolds, PatternProblem } from './pattern.ts'
import {
  conditionKeywords,
  heldKeywords,
  impliedTypes,
  refusedKeyword,
  valueTypes,
  type ValueType,
} from './schema-facts.ts'

export type Schema = Readonly<Record<string, unknown>>

const mostWork = 50_000
const mostForms = 256

export class SchemaForms {
  readonly isStrict: boolean
  readonly #root: unknown
  readonly #name: string
  readonly #paths = new Map<object, string>()
  readonly #forms = new Map<object, readonly Schema[]>()
  readonly #unfolding = new Set<object>()
  readonly #conjunctions = new Map<unknown, Map<unknown, Schema>>()
  #work = 0

  /** @param name How messages call it, e.g. "the parameters of `search`". */
  constructor(root: unknown, name: string, isStrict: boolean) {
    this.#root = root
    this.#name = name
    this.isStrict = isStrict
  }

  get root(): unknown {
    return this.#root
  }

  /** Counts work. @throws {EngineError} `ENGINE_SCHEMA_TOO_LARGE` */
  spend(amount: number): void {
    this.#work += amount
    if (this.#work > mostWork)
      throw new EngineError(
        'ENGINE_SCHEMA_TOO_LARGE',
        `The JSON Schema of ${this.#name} is too large or unfolds too far to be held to.`,
      )
  }

  /** Remembers where a schema stands, for messages. */
  place<T>(schema: T, parent: object, ...steps: readonly (string | number)[]): T {
    if (typeof schema === 'object' && schema !== null && !this.#paths.has(schema))
      this.#paths.set(schema, [this.pathOf(parent), ...steps].join('/'))
    return schema
  }

  pathOf(schema: unknown): string {
    return typeof schema === 'object' && schema !== null ? (this.#paths.get(schema) ?? '#') : '#'
  }

  /** Refuses in strict use; in lenient use the caller goes on without the word. */
  unsupported(what: string, schema: unknown): void {
    if (!this.isStrict) return
    throw new EngineError(
      'ENGINE_SCHEMA_UNSUPPORTED',
      `The JSON Schema of ${this.#name} uses ${what} at ${this.pathOf(schema)}, which cannot be enforced.`,
    )
  }

  invalid(what: string, schema: unknown): never {
    throw new EngineError(
      'ENGINE_SCHEMA_INVALID',
      `The JSON Schema of ${this.#name} is not valid at ${this.pathOf(schema)}: ${what}.`,
    )
  }

  /** Plain forms; empty: no value fits. */
  of(schema: unknown): readonly Schema[] {
    this.spend(1)
    if (schema === true || schema === undefined) return [{}]
    if (schema === false) return []
    if (!isSchema(schema)) this.invalid('a schema must be an object or a boolean', schema)
    const known = this.#forms.get(schema)
    if (known !== undefined) return known
    if (this.#unfolding.has(schema)) this.invalid('a $ref leads only back to itself', schema)
    this.#unfolding.add(schema)
    const forms = this.#unfold(schema)
    this.#unfolding.delete(schema)
    this.#forms.set(schema, forms)
    return forms
  }

  /** The one schema that `schema` only refers to; null when it says anything itself. */
  aliasOf(schema: Schema): unknown {
    const words = Object.keys(schema).filter((key) => heldKeywords.has(key) || conditionKeywords.includes(key))
    return words.length === 1 && words[0] === '$ref' && refusedKeyword(schema) === null
      ? this.#target(schema.$ref, schema)
      : null
  }

  #unfold(schema: Schema): readonly Schema[] {
    const refused = refusedKeyword(schema)
    if (refused !== null) this.unsupported(`the keyword "${refused}"`, schema)
    let forms: readonly Schema[] = [this.#own(schema)]
    if (schema.$ref !== undefined) forms = this.#both(forms, this.of(this.#target(schema.$ref, schema)))
    for (const [at, part] of this.#list(schema, 'allOf').entries())
      forms = this.#both(forms, this.of(this.place(part, schema, 'allOf', at)))
    for (const word of ['anyOf', 'oneOf'] as const) {
      if (schema[word] === undefined) continue
      const choices = this.#list(schema, word).map((part, at) => this.of(this.place(part, schema, word, at)))
      if (word === 'oneOf' && !areApart(choices)) this.unsupported('"oneOf" with alternatives that may overlap', schema)
      forms = this.#both(forms, choices.flat())
    }
    return this.#evaluated(this.#conditioned(forms, schema), schema)
  }

  // ---------------------------------------------------------------------------------------- conditions

  #conditioned(plain: readonly Schema[], schema: Schema): readonly Schema[] {
    let forms = plain
    if (schema.not !== undefined)
      forms = this.#both(forms, this.#negated(this.place(schema.not, schema, 'not'), 'not', schema) ?? [{}])
    if (schema.if !== undefined && (schema.then !== undefined || schema.else !== undefined)) {
      const condition = this.place(schema.if, schema, 'if')
      const otherwise = this.#negated(condition, 'if', schema)
      if (otherwise !== null) {
        const then = this.#both(this.of(condition), this.of(this.place(schema.then, schema, 'then')))
        const or = this.#both(otherwise, this.of(this.place(schema.else, schema, 'else')))
        forms = this.#both(forms, [...then, ...or])
      }
    }
    for (const word of ['dependentRequired', 'dependentSchemas', 'dependencies']) {
      const dependents = schema[word] ?? {}
      if (!isSchema(dependents)) this.invalid(`"${word}" must be an object`, schema)
      for (const [name, wanted] of Object.entries(dependents)) {
        const present = { type: 'object', required: isStrings(wanted) ? [name, ...(wanted as string[])] : [name] }
        const more = isStrings(wanted) ? [{}] : this.of(this.place(wanted, schema, word, name))
        forms = this.#both(forms, [
          { type: valueTypes.filter((type) => type !== 'object') },
          { type: 'object', $absent: [name] },
          ...this.#both([present], more),
        ])
      }
    }
    return forms
  }

  /** Null: it cannot be said, and nobody insists. */
  #negated(schema: unknown, word: string, parent: Schema): readonly Schema[] | null {
    try {
      return negationOf(schema, {
        of: (each) => this.of(each),
        both: (left, right) => this.#both(left, right),
        target: (reference, from) => this.#target(reference, from),
        spend: (amount) => this.spend(amount),
      })
    } catch (error) {
      if (!(error instanceof NotNegated)) throw error
      this.unsupported(`"${word}" of a schema with ${error.message}`, parent)
      return null
    }
  }

  /** What no other word says anything about. */
  #evaluated(forms: readonly Schema[], schema: Schema): readonly Schema[] {
    const { unevaluatedProperties: properties, unevaluatedItems: items } = schema
    if (properties === undefined && items === undefined) return forms
    return forms.map((form) => {
      const closed: Record<string, unknown> = { ...form, type: typesOf(form) }
      if (properties !== undefined && form.additionalProperties === undefined)
        closed['additionalProperties'] = this.place(properties, schema, 'unevaluatedProperties')
      if (items !== undefined && form.items === undefined) {
        if (form.contains !== undefined) this.unsupported('"unevaluatedItems" beside "contains"', schema)
        closed['items'] = this.place(items, schema, 'unevaluatedItems')
      }
      this.#paths.set(closed, this.pathOf(form))
      return closed
    })
  }

  /** Does a member's name match a pattern of `patternProperties`? */
  nameMatches(pattern: string, name: string, schema: unknown): boolean {
    this.spend(1)
    try {
      return patternHolds(pattern, name)
    } catch (error) {
      if (!(error instanceof PatternProblem)) throw error
      this.unsupported(`a pattern of "patternProperties" that ${error.message}`, schema)
      return false
    }
  }

  /** What a schema says of a member that it does not name. */
  ofUnnamed(form: Schema, name: string): unknown {
    const patterns = Object.entries((form.patternProperties ?? {}) as Schema)
    const matching = patterns.filter(([pattern]) => this.nameMatches(pattern, name, form)).map(([, schema]) => schema)
    if (matching.length === 0) return form.additionalProperties ?? true
    return matching.reduce((left, right) => this.conjunction(left, right))
  }

  /** The words of this schema alone that are not about other schemas; what says nothing about values is left out. */
  #own(schema: Schema): Schema {
    const own: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(schema))
      if (heldKeywords.has(key) && !['anyOf', 'oneOf', 'allOf', '$ref'].includes(key) && value !== undefined)
        own[key] = value
    this.#check(own, schema)
    // Tuples as older drafts write them.
    if (Array.isArray(own.items)) {
      own.prefixItems = own.items
      own.items = schema.additionalItems ?? true
    }
    if (isSchema(own.properties))
      for (const [key, value] of Object.entries(own.properties)) this.place(value, schema, 'properties', key)
    if (own.items !== undefined) this.place(own.items, schema, 'items')
    if (isSchema(own.patternProperties))
      for (const [key, value] of Object.entries(own.patternProperties))
        this.place(value, schema, 'patternProperties', key)
    if (own.contains !== undefined) this.place(own.contains, schema, 'contains')
    this.#paths.set(own, this.pathOf(schema))
    return own
  }

  #check(own: Schema, schema: Schema): void {
    const types = own.type === undefined ? [] : Array.isArray(own.type) ? own.type : [own.type]
    for (const type of types)
      if (!valueTypes.includes(type as ValueType)) this.invalid(`${JSON.stringify(type)} is no type`, schema)
    const fits: readonly (readonly [keys: readonly string[], isFit: (value: unknown) => boolean, what: string])[] = [
      [['properties', 'patternProperties'], isSchema, 'an object'],
      [['propertyNames', 'contains'], (value) => isSchema(value) || typeof value === 'boolean', 'a schema'],
      [['uniqueItems'], (value) => typeof value === 'boolean', 'true or false'],
      [['multipleOf'], (value) => isFiniteNumber(value) && (value as number) > 0, 'a number above 0'],
      [['required'], isStrings, 'a list of names'],
      [['enum', 'prefixItems'], Array.isArray, 'a list'],
      [['pattern', 'format'], (value) => typeof value === 'string', 'a string'],
      [
        [
          'minItems',
          'maxItems',
          'minLength',
          'maxLength',
          'minProperties',
          'maxProperties',
          'minContains',
          'maxContains',
        ],
        isCount,
        'a whole number from 0',
      ],
      [['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'], isFiniteNumber, 'a number'],
    ]
    for (const [keys, isFit, what] of fits)
      for (const key of keys)
        if (own[key] !== undefined && !isFit(own[key])) this.invalid(`"${key}" must be ${what}`, schema)
  }

  #list(schema: Schema, word: string): readonly unknown[] {
    const value = schema[word] ?? []
    if (!Array.isArray(value) || (value.length === 0 && schema[word] !== undefined))
      this.invalid(`"${word}" must be a list that is not empty`, schema)
    return value as readonly unknown[]
  }

  #target(reference: unknown, schema: Schema): unknown {
    if (typeof reference !== 'string') this.invalid('"$ref" must be a string', schema)
    if (!reference.startsWith('#') || (reference.length > 1 && reference[1] !== '/'))
      this.invalid(`"$ref" to ${JSON.stringify(reference.slice(0, 80))} leads out of the schema`, schema)
    let target: unknown = this.#root
    for (const step of reference.slice(2) === '' ? [] : reference.slice(2).split('/')) {
      const key = decode(step).replaceAll('~1', '/').replaceAll('~0', '~')
      target =
        typeof target === 'object' && target !== null && Object.hasOwn(target, key)
          ? (target as Record<string, unknown>)[key]
          : undefined
    }
    if (target === undefined) this.invalid(`"$ref" to ${JSON.stringify(reference.slice(0, 80))} leads nowhere`, schema)
    if (typeof target === 'object' && target !== null && !this.#paths.has(target)) this.#paths.set(target, reference)
    return target
  }

  // ------------------------------------------------------------------------------------------- merging

  #both(left: readonly Schema[], right: readonly Schema[]): readonly Schema[] {
    if (left.length * right.length > mostForms) this.spend(Infinity)
    return left.flatMap((a) => right.flatMap((b): readonly Schema[] => this.#conjoined(a, b)))
  }

  #conjoined(a: Schema, b: Schema): readonly Schema[] {
    const merged = this.#merge(a, b)
    return merged === null ? [] : [merged]
  }

  /** What fits both; null: nothing does. */
  #merge(a: Schema, b: Schema): Schema | null {
    this.spend(1)
    if (Object.keys(a).length === 0) return b
    if (Object.keys(b).length === 0 || a === b) return a
    const types = commonTypes(typesOf(a), typesOf(b))
    if (types.length === 0) return null
    const merged: Record<string, unknown> = { ...a, ...b, type: types }
    const higher = (key: string): void => {
      if (a[key] !== undefined && b[key] !== undefined) merged[key] = Math.max(a[key] as number, b[key] as number)
    }
    const lower = (key: string): void => {
      if (a[key] !== undefined && b[key] !== undefined) merged[key] = Math.min(a[key] as number, b[key] as number)
    }
    for (const key of ['minItems', 'minLength', 'minimum', 'exclusiveMinimum', 'minProperties']) higher(key)
    for (const key of ['maxItems', 'maxLength', 'maximum', 'exclusiveMaximum', 'maxProperties']) lower(key)
    for (const key of ['pattern', 'format', 'prefixItems', 'contains', 'minContains', 'maxContains', 'multipleOf'])
      if (a[key] !== undefined && b[key] !== undefined && !isSame(a[key], b[key]))
        this.unsupported(`"${key}" twice for one value`, b)
    if (a.uniqueItems === true) merged.uniqueItems = true
    for (const key of ['$absent', '$except'])
      if (a[key] !== undefined && b[key] !== undefined)
        merged[key] = [...(a[key] as unknown[]), ...(b[key] as unknown[])]
    if (a.propertyNames !== undefined && b.propertyNames !== undefined)
      merged.propertyNames = this.conjunction(a.propertyNames, b.propertyNames)
    const listed = listedValues(a, b)
    if (listed !== null) {
      delete merged.const
      merged.enum = listed
      if (listed.length === 0) return null
    }
    if (a.items !== undefined && b.items !== undefined) merged.items = this.conjunction(a.items, b.items)
    if (a.required !== undefined && b.required !== undefined)
      merged.required = [...new Set([...(a.required as string[]), ...(b.required as string[])])]
    this.#mergeProperties(a, b, merged)
    this.#paths.set(merged, this.pathOf(a))
    return merged
  }

  #mergeProperties(a: Schema, b: Schema, merged: Record<string, unknown>): void {
    const inA = (a.properties ?? {}) as Schema
    const inB = (b.properties ?? {}) as Schema
    const names = [...new Set([...Object.keys(inA), ...Object.keys(inB)])]
    const patterns = this.#patternsOfBoth(a, b)
    if (patterns !== null) merged.patternProperties = patterns
    const bothClosed = a.additionalProperties !== undefined && b.additionalProperties !== undefined
    if (bothClosed) merged.additionalProperties = this.conjunction(a.additionalProperties, b.additionalProperties)
    if (names.length === 0) return
    this.spend(names.length)
    merged.properties = Object.fromEntries(
      names.map((name) => [
        name,
        this.conjunction(
          Object.hasOwn(inA, name) ? inA[name] : this.ofUnnamed(a, name),
          Object.hasOwn(inB, name) ? inB[name] : this.ofUnnamed(b, name),
        ),
      ]),
    )
  }

  /** A pattern that one side does not know is what that side says of members by no name. Null: there are none. */
  #patternsOfBoth(a: Schema, b: Schema): Schema | null {
    if (a.patternProperties === undefined && b.patternProperties === undefined) return null
    const inA = (a.patternProperties ?? {}) as Schema
    const inB = (b.patternProperties ?? {}) as Schema
    const side = (own: Schema, form: Schema, pattern: string): unknown =>
      Object.hasOwn(own, pattern) ? own[pattern] : (form.additionalProperties ?? true)
    const patterns = [...new Set([...Object.keys(inA), ...Object.keys(inB)])]
    return Object.fromEntries(
      patterns.map((pattern) => [pattern, this.conjunction(side(inA, a, pattern), side(inB, b, pattern))]),
    )
  }

  /** Always the same object for the same two, so that recursion through it ends. */
  conjunction(a: unknown, b: unknown): unknown {
    if (a === b || b === true) return a
    if (a === true) return b
    if (a === false || b === false) return false
    const ofA = this.#conjunctions.get(a) ?? new Map<unknown, Schema>()
    this.#conjunctions.set(a, ofA)
    const made = ofA.get(b) ?? { allOf: [a, b] }
    ofA.set(b, made)
    return made
  }
}

// ------------------------------------------------------------------------------------------------ facts

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isFiniteNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The types a plain form allows: as it says, as its words imply, or all. */
export function typesOf(form: Schema): readonly ValueType[] {
  if (form.type !== undefined) return (Array.isArray(form.type) ? form.type : [form.type]) as ValueType[]
  if (form.enum !== undefined || form.const !== undefined) return valueTypes
  const implied = impliedTypes.filter(([, words]) => words.some((word) => form[word] !== undefined))
  return implied.length === 0 ? valueTypes : implied.map(([type]) => type)
}

function commonTypes(a: readonly ValueType[], b: readonly ValueType[]): ValueType[] {
  const allows = (types: readonly ValueType[], type: ValueType): boolean =>
    types.includes(type) || (type === 'integer' && types.includes('number'))
  return valueTypes.filter((type) => allows(a, type) && allows(b, type) && (a.includes(type) || b.includes(type)))
}

export function typeOfValue(value: unknown): ValueType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value as ValueType
}

/** Values named by `enum` and `const` of both; null: neither names any. */
function listedValues(a: Schema, b: Schema): unknown[] | null {
  const lists = [a, b].flatMap(({ enum: listed, const: only }) => [
    ...(listed === undefined ? [] : [listed as unknown[]]),
    ...(only === undefined ? [] : [[only]]),
  ])
  if (lists.length === 0) return null
  return lists.reduce((kept, list) => kept.filter((value) => list.some((other) => isSame(value, other))))
}

export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame((a as Schema)[key], (b as Schema)[key]))
  )
}

/** No value can fit two of the choices: their types differ, or a required property tells them apart. */
function areApart(choices: readonly (readonly Schema[])[]): boolean {
  return choices.every((forms, at) =>
    choices.slice(at + 1).every((others) => forms.every((form) => others.every((other) => isApart(form, other)))),
  )
}

function isApart(a: Schema, b: Schema): boolean {
  const types = commonTypes(typesOf(a), typesOf(b))
  if (types.length === 0) return true
  if (listedTogether(a) && listedTogether(b)) return listedValues(a, b)!.length === 0
  if (types.length > 1 || types[0] !== 'object') return false
  const names = ((a.required ?? []) as string[]).filter((name) => ((b.required ?? []) as string[]).includes(name))
  return names.some((name) => {
    const inA = (a.properties as Schema | undefined)?.[name]
    const inB = (b.properties as Schema | undefined)?.[name]
    return isSchema(inA) && isSchema(inB) && listedTogether(inA) && listedTogether(inB)
      ? listedValues(inA, inB)!.length === 0
      : false
  })
}

function listedTogether({ enum: listed, const: only }: Schema): boolean {
  return listed !== undefined || only !== undefined
}
