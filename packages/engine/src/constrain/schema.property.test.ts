import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { acceptor, condition, draw, newConstraints, schemaConstraint, seeded } from './grammar.test-support.ts'

const constraints = newConstraints()
const ajv = new Ajv2020({ strict: false, validateFormats: false })
const seed = 20_261_123

/** A schema with values of it, as both grow together. */
interface Sample {
  readonly schema: object
  readonly value: fc.Arbitrary<unknown>
}

const word = fc.stringMatching(/^[a-z]{1,6}$/)
const text = fc.string({ unit: 'binary', maxLength: 8 }).map((each) => each.toWellFormed())
const scalar = fc.oneof(text, fc.integer({ min: -1e9, max: 1e9 }), fc.boolean(), fc.constant(null))

const leaf: fc.Arbitrary<Sample> = fc.oneof(
  fc.constant({ schema: { type: 'string' }, value: text }),
  fc.constant({ schema: { type: 'boolean' }, value: fc.boolean() }),
  fc.constant({ schema: { type: 'null' }, value: fc.constant(null) }),
  fc.constant({ schema: { type: 'integer' }, value: fc.integer() }),
  fc.constant({ schema: {}, value: fc.jsonValue({ maxDepth: 2 }).filter(isWritable) }),
  fc.tuple(fc.nat(3), fc.nat(5)).map(([from, more]) => ({
    schema: { type: 'string', minLength: from, maxLength: from + more },
    value: fc.string({ unit: 'binary', minLength: from, maxLength: from + more }).filter((each) => each.isWellFormed()),
  })),
  fc.tuple(fc.integer({ min: -5000, max: 5000 }), fc.nat(9000)).map(([from, more]) => ({
    schema: { type: 'integer', minimum: from, maximum: from + more },
    value: fc.integer({ min: from, max: from + more }),
  })),
  fc.tuple(fc.integer({ min: -500, max: 500 }), fc.nat(90)).map(([from, more]) => ({
    schema: { type: 'number', exclusiveMinimum: from / 8, maximum: (from + more + 1) / 8 },
    value: fc.integer({ min: from * 125 + 1, max: (from + more + 1) * 125 }).map((each) => each / 1000),
  })),
  fc.array(scalar, { minLength: 1, maxLength: 4 }).map((values) => ({
    schema: { enum: values },
    value: fc.constantFrom(...values),
  })),
  fc.stringMatching(/^[a-z0-9]{0,3}$/).map((each) => ({
    schema: { type: 'string', pattern: `^${each}[a-f]*(?:-\\d{2})?$` },
    value: fc.stringMatching(new RegExp(`^${each}[a-f]{0,4}(?:-\\d{2})?$`)),
  })),
)

function isWritable(value: unknown): boolean {
  // Exponents, huge numbers and halves of characters are written otherwise, or not at all.
  return !/e[+-]?\d|\d{16}|\.\d{16}|\\ud[89a-f]|"__proto__"/i.test(JSON.stringify(value))
}

const sample: fc.Arbitrary<Sample> = fc.letrec<{ schema: Sample }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.tuple(tie('schema'), fc.nat(2), fc.nat(3)).map(([items, from, more]) => ({
      schema: { type: 'array', items: items.schema, minItems: from, maxItems: from + more },
      value: fc.array(items.value, { minLength: from, maxLength: from + more }),
    })),
    fc
      .uniqueArray(fc.tuple(word, tie('schema'), fc.boolean()), { selector: ([name]) => name, maxLength: 4 })
      .map(objectOf),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((choices) => ({
      schema: { anyOf: choices.map(({ schema }) => schema) },
      value: fc.oneof(...choices.map(({ value }) => value)),
    })),
    fc
      .tuple(fc.uniqueArray(tie('schema'), { minLength: 1, maxLength: 2, comparator: () => false }), fc.boolean())
      .map(([first, isWhole]) => ({
        schema: {
          type: 'array',
          prefixItems: first.map(({ schema }) => schema),
          items: false,
          minItems: isWhole ? first.length : 0,
        },
        value: fc.tuple(...first.map(({ value }) => value)),
      })),
  ),
})).schema

function objectOf(members: readonly (readonly [name: string, sample: Sample, isRequired: boolean])[]): Sample {
  const required = members.filter(([, , isRequired]) => isRequired).map(([name]) => name)
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(members.map(([name, { schema }]) => [name, schema])),
      required,
      additionalProperties: false,
    },
    value: fc
      .tuple(
        ...members.map(([name, { value }, isRequired]) =>
          fc
            .option(value, { nil: undefined, freq: isRequired ? 1e9 : 2 })
            .map((each): [string, unknown] => [name, each]),
        ),
      )
      .filter((entries) => entries.every(([name, each]) => each !== undefined || !required.includes(name)))
      .map((entries) => Object.fromEntries(entries.filter(([, each]) => each !== undefined))),
  }
}

// ----------------------------------------------------------------------------------------- conditions

const names = ['a', 'b', 'xc', 'xd'] as const
const plainValue = fc.constantFrom<unknown>(0, 1, 7, -3, 'u', 'vv', true, null)
const memberSchema = fc.constantFrom<object>(
  { type: 'integer' },
  { enum: [0, 1, 'u'] },
  { type: 'string', not: { const: 'u' } },
  { type: ['integer', 'boolean'], not: { enum: [1, true] } },
  { type: 'integer', multipleOf: 7 },
  { not: { type: 'string' } },
)
const name = fc.constantFrom(...names)
const nameList = fc.subarray([...names], { minLength: 1, maxLength: 2 })
const membersOf = fc.dictionary(name, memberSchema, { maxKeys: 3 })
const test = fc.oneof(
  fc.tuple(name, plainValue).map(([key, value]) => ({ properties: { [key]: { const: value } } })),
  fc.tuple(name, plainValue).map(([key, value]) => ({ properties: { [key]: { const: value } }, required: [key] })),
  nameList.map((required) => ({ required })),
)
const conditional: fc.Arbitrary<object> = fc
  .record(
    {
      properties: membersOf,
      required: nameList,
      additionalProperties: fc.oneof(fc.boolean(), memberSchema),
      patternProperties: fc.record({ '^x': memberSchema, 'b|d$': memberSchema }, { requiredKeys: [] }),
      propertyNames: fc.constantFrom<object>({ pattern: '^[ax]' }, { maxLength: 1 }, { not: { const: 'xc' } }),
      minProperties: fc.nat(2),
      maxProperties: fc.nat(3),
      dependentRequired: fc.dictionary(name, nameList, { minKeys: 1, maxKeys: 2 }),
      dependentSchemas: fc.dictionary(name, test, { minKeys: 1, maxKeys: 1 }),
      not: test,
      condition: fc
        .tuple(test, test, fc.option(fc.oneof(test, fc.constant({ maxProperties: 1 })), { nil: undefined }))
        .map(([when, then, otherwise]) => condition(when, then, otherwise)),
      unevaluatedProperties: fc.boolean(),
      allOf: fc.array(fc.record({ properties: membersOf }), { minLength: 1, maxLength: 1 }),
    },
    { requiredKeys: [] },
  )
  // A few words at a time: many together allow nothing.
  .chain((words) => fc.subarray(Object.entries(words), { maxLength: 4 }).map((some) => Object.fromEntries(some)))
  .map(({ condition: conditions, ...words }) => ({ type: 'object', ...words, ...(conditions as object | undefined) }))
const documents = fc.array(fc.dictionary(name, plainValue, { maxKeys: 4 }), { minLength: 12, maxLength: 12 })

/** Members come in the order in which the schema names them. */
function inOrderOf(schema: object, document: Readonly<Record<string, unknown>>): object {
  const named = Object.keys((schema as { properties?: object }).properties ?? {})
  return Object.fromEntries(
    [...named, ...names].filter((each) => each in document).map((each) => [each, document[each]]),
  )
}

/** Null where the judge breaks: ajv 8.20.0 throws for some mixtures of patterns and conditions. */
function judge(validate: (document: unknown) => unknown, document: unknown): boolean | null {
  try {
    return validate(document) === true
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

describe('over generated schemas with conditions', () => {
  it('what is accepted, and whatever is drawn, is a document that ajv accepts', () => {
    let held = 0
    let accepted = 0
    let drawn = 0
    fc.assert(
      fc.property(conditional, documents, fc.nat(), (schema, asked, at) => {
        const validate = ajv.compile(schema)
        let accepts
        try {
          accepts = acceptor(schema)
        } catch (error) {
          assert.match(String((error as { code?: unknown }).code), /^ENGINE_SCHEMA_/, String(error))
          return
        }
        held++
        for (const entries of asked) {
          const document = inOrderOf(schema, entries)
          if (!accepts(JSON.stringify(document))) continue
          accepted++
          assert.notEqual(judge(validate, document), false, JSON.stringify(document))
        }
        if (held % 8 > 0) return
        let matcher
        try {
          matcher = constraints.start(schemaConstraint(schema), 'text', '')
        } catch (error) {
          assert.equal((error as { code?: unknown }).code, 'ENGINE_SCHEMA_INVALID', String(error))
          return
        }
        const { text: written } = draw(matcher, seeded(at), 40)
        if (!matcher.mayEnd) return
        drawn++
        assert.notEqual(judge(validate, JSON.parse(written)), false, written)
      }),
      { seed, numRuns: Number(process.env['PORTOLAN_SCHEMA_RUNS'] ?? 60) },
    )
    assert.ok(held > 50 && accepted > 20 && drawn > 3, `${held} held to, ${accepted} accepted, ${drawn} drawn`)
  })
})

describe('over generated schemas', () => {
  it('every random answer is a document that ajv accepts', () => {
    let whole = 0
    fc.assert(
      fc.property(sample, fc.nat(), fc.integer({ min: 60, max: 160 }), ({ schema }, at, budget) => {
        const matcher = constraints.start(schemaConstraint(schema), 'text', '')
        const { text: written } = draw(matcher, seeded(at), budget)
        // A budget below the shortest document ends as any other.
        if (!matcher.mayEnd) return
        whole++
        assert.ok(ajv.validate(schema, JSON.parse(written)), `${written} ${ajv.errorsText()}`)
      }),
      { seed, numRuns: 60 },
    )
    assert.ok(whole >= 57, `${whole} of 60 answers are whole`)
  })

  it('every document that fits is accepted in its compact spelling', () => {
    fc.assert(
      fc.property(
        sample.chain(({ schema, value }) => fc.tuple(fc.constant(schema), value)),
        ([schema, value]) => {
          assert.ok(ajv.validate(schema, value), ajv.errorsText())
          const document = JSON.stringify(value).replaceAll('\uff5c', '\\uff5c')
          assert.ok(acceptor(schema)(document), `${document} fits ${JSON.stringify(schema)}`)
        },
      ),
      { seed, numRuns: 300 },
    )
  })
})
