/**
 * Words of JSON Schema about which members there are and about what a value is not. Ajv is the judge: of every list of
 * documents, what it refuses is never accepted (soundness), and what is marked as held is.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { acceptor, condition, draw, newConstraints, schemaConstraint, seeded } from './grammar.test-support.ts'

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const constraints = newConstraints()
const map = { type: 'object' }
const integers = { type: 'object', additionalProperties: { type: 'integer' } }
const paint = {
  type: 'object',
  properties: { kind: { enum: ['oil', 'water'] }, drying: { type: 'integer' }, paper: { type: 'string' } },
  required: ['kind'],
}

/** Fitting documents are accepted but for those called narrow, others never are. */
const cases: readonly {
  readonly word: string
  readonly schema: object
  readonly documents: readonly unknown[]
  readonly narrow?: readonly unknown[]
}[] = [
  {
    word: 'patternProperties',
    schema: {
      ...map,
      patternProperties: { '^x-': { type: 'integer' }, _id$: { type: 'string' } },
      additionalProperties: false,
    },
    documents: [
      {},
      { 'x-a': 1 },
      { 'x-a': 'b' },
      { a_id: 'c' },
      { a_id: 1 },
      { 'x-a': 1, a_id: 'b' },
      { 'x-a_id': 1 },
      { y: 1 },
    ],
  },
  {
    word: 'patternProperties beside named and other members',
    schema: {
      ...map,
      properties: { 'x-size': { maximum: 9 } },
      patternProperties: { '^x-': { type: 'integer' } },
      additionalProperties: { type: 'boolean' },
    },
    documents: [
      { 'x-size': 3 },
      { 'x-size': 30 },
      { 'x-size': 1.5 },
      { 'x-b': 30 },
      { ok: true },
      { ok: 1 },
      { 'x-b': true },
    ],
  },
  {
    word: 'patternProperties, merged with names of another schema',
    schema: {
      allOf: [
        { ...map, patternProperties: { '^x': { type: 'integer' } }, additionalProperties: false },
        { properties: { xa: { minimum: 5 }, b: {} } },
      ],
    },
    documents: [{ xa: 6 }, { xa: 4 }, { xa: 'six' }, { b: 1 }, { xb: 1 }, {}],
  },
  {
    word: 'propertyNames',
    schema: { ...integers, propertyNames: { pattern: '^[a-z]{2,3}$' } },
    documents: [{}, { ab: 1 }, { abc: 1, de: 2 }, { a: 1 }, { abcd: 1 }, { AB: 1 }, { ab: 'c' }],
  },
  {
    word: 'propertyNames that are listed',
    schema: { ...integers, properties: { a: {}, z: {} }, propertyNames: { enum: ['a', 'b'] } },
    documents: [{ a: 'x' }, { a: 1, b: 2 }, { b: 2 }, { b: 'x' }, { z: 1 }, { c: 1 }],
  },
  {
    word: 'minProperties',
    schema: { ...integers, minProperties: 1 },
    documents: [{}, { a: 1 }, { a: 1, b: 2 }],
  },
  {
    word: 'minProperties and maxProperties of named members',
    schema: {
      ...map,
      properties: { a: {}, b: {}, c: {} },
      additionalProperties: false,
      minProperties: 2,
      maxProperties: 2,
    },
    documents: [{}, { a: 1 }, { a: 1, c: 2 }, { b: 1, c: 2 }, { a: 1, b: 2, c: 3 }],
  },
  {
    word: 'maxProperties',
    schema: { ...integers, properties: { a: {} }, required: ['a'], maxProperties: 2 },
    documents: [{ a: 0 }, { a: 0, b: 1 }, { a: 0, b: 1, c: 2 }, { b: 1 }],
  },
  {
    word: 'dependentRequired',
    schema: {
      ...map,
      properties: { card: { type: 'string' }, address: { type: 'string' } },
      dependentRequired: { card: ['address'] },
      additionalProperties: false,
    },
    documents: [{}, { card: '1' }, { card: '1', address: 'x' }, { address: 'x' }],
  },
  {
    word: 'dependentSchemas',
    schema: {
      ...map,
      properties: { card: { type: 'string' }, address: { type: 'string' } },
      dependentSchemas: { card: { required: ['address'], properties: { address: { minLength: 2 } } } },
    },
    documents: [{}, { card: '1' }, { card: '1', address: 'x' }, { card: '1', address: 'xy' }, { address: 'x' }],
  },
  {
    word: 'dependencies of drafts before',
    schema: { ...paint, dependencies: { drying: ['paper'] } },
    documents: [{ kind: 'oil' }, { kind: 'oil', drying: 1, paper: 'x' }],
  },
  {
    word: 'if, then, else',
    schema: {
      ...paint,
      ...condition(
        { properties: { kind: { const: 'oil' } } },
        { required: ['drying'] },
        { required: ['paper'], properties: { drying: false } },
      ),
    },
    documents: [
      { kind: 'oil' },
      { kind: 'oil', drying: 3 },
      { kind: 'oil', drying: 3, paper: 'a' },
      { kind: 'water' },
      { kind: 'water', paper: 'a' },
      { kind: 'water', drying: 3, paper: 'a' },
    ],
  },
  {
    word: 'if with a required member',
    schema: {
      ...map,
      properties: { a: { type: 'integer' }, b: { type: 'integer' } },
      additionalProperties: false,
      ...condition({ properties: { a: { minimum: 10 } }, required: ['a'] }, { required: ['b'] }),
    },
    documents: [{}, { a: 3 }, { a: 10 }, { a: 12, b: 1 }, { b: 1 }],
  },
  {
    word: 'not, of listed values',
    schema: { type: 'string', not: { enum: ['red', '', 'a/b', 'ü'] } },
    documents: ['red', '', 'a/b', 'ü', 'reds', 're', 'a', 'a/', 'u', 'blue "quoted"'],
  },
  { word: 'not, of a type', schema: { not: { type: ['object', 'array'] } }, documents: [{}, [], 'a', 1, null, true] },
  {
    word: 'not, of numbers',
    schema: { type: 'number', not: { enum: [0, 12, 1.5] } },
    documents: [0, 12, 1.5, 1, 2, 120, 15, 1.55, -12],
  },
  { word: 'not, of a bound', schema: { type: 'integer', not: { minimum: 10 } }, documents: [9, 10, 11, -4] },
  { word: 'not, of null', schema: { type: ['boolean', 'null'], not: { const: null } }, documents: [null, true, false] },
  {
    word: 'not, of anyOf',
    schema: { enum: [1, 2, 3, 'x'], not: { anyOf: [{ const: 2 }, { type: 'string' }] } },
    documents: [1, 2, 3, 'x'],
  },
  {
    word: 'not, of required',
    schema: { ...integers, properties: { a: {}, b: {} }, not: { required: ['a', 'b'] } },
    documents: [{}, { a: 1 }, { b: 1 }, { a: 1, b: 2 }, { c: 3 }],
  },
  { word: 'not, of not', schema: { not: { not: { type: 'integer' } } }, documents: [1, 'a', null] },
  {
    word: 'uniqueItems',
    schema: { type: 'array', items: { enum: ['a', 'b', 'c'] }, uniqueItems: true, minItems: 1 },
    documents: [[], ['a'], ['b', 'a'], ['c', 'a', 'b'], ['a', 'a'], ['a', 'b', 'a'], ['d']],
  },
  {
    word: 'uniqueItems of truth values',
    schema: { type: 'array', items: { type: 'boolean' }, uniqueItems: true, maxItems: 4 },
    documents: [[], [true], [false, true], [true, true]],
  },
  {
    word: 'contains',
    schema: { type: 'array', items: { type: ['integer', 'string'] }, contains: { type: 'string' } },
    documents: [[], [1], ['a'], [1, 'a', 2], ['a', 'b'], [1, 2], [true, 'a']],
  },
  {
    word: 'minContains',
    schema: { type: 'array', items: { type: 'integer' }, contains: { minimum: 5 }, minContains: 2, minItems: 3 },
    documents: [
      [5, 6],
      [5, 6, 7],
      [1, 5, 6],
      [5, 1, 6],
      [1, 2, 5],
      [1, 5, 1, 6, 1],
    ],
    // Of items before the last that are sought, none counts towards the length.
    narrow: [
      [1, 5, 6],
      [5, 1, 6],
    ],
  },
  {
    word: 'multipleOf',
    schema: { type: 'integer', multipleOf: 7 },
    documents: [0, 7, -14, 21, 1, 10, 70, 700001, 700000],
  },
  {
    word: 'multipleOf within bounds',
    schema: { type: 'number', multipleOf: 25, minimum: 90, maximum: 140 },
    documents: [75, 100, 125, 150, 110],
  },
  {
    word: 'unevaluatedProperties',
    schema: {
      allOf: [{ ...map, properties: { a: {} } }],
      anyOf: [{ properties: { b: { type: 'integer' } }, required: ['b'] }, { required: ['a'] }],
      unevaluatedProperties: false,
    },
    documents: [{ a: 1 }, { b: 1 }, { a: 1, b: 2 }, { c: 1 }, { a: 1, c: 1 }, { b: 'x' }],
  },
  {
    word: 'unevaluatedItems',
    schema: { type: 'array', allOf: [{ prefixItems: [{ type: 'string' }] }], unevaluatedItems: { type: 'integer' } },
    documents: [[], ['a'], ['a', 1], ['a', 'b'], [1]],
  },
]

describe('a schema with conditions', () => {
  for (const { word, schema, documents, narrow = [] } of cases)
    it(`holds to ${word}, and whatever is drawn fits`, () => {
      const accepts = acceptor(schema)
      const validate = ajv.compile(schema)
      const isNarrow = (document: unknown): boolean =>
        narrow.some((each) => JSON.stringify(each) === JSON.stringify(document))
      const fitting = documents.filter((document) => validate(document))
      assert.ok(fitting.length > 0 && fitting.length <= documents.length)
      for (const document of documents) {
        const text = JSON.stringify(document)
        assert.equal(accepts(text), validate(document) && !isNarrow(document), text)
      }
      for (let seed = 0; seed < 2; seed++) {
        const matcher = constraints.start(schemaConstraint(schema), 'text', '')
        const { text } = draw(matcher, seeded(seed), 60)
        assert.ok(matcher.mayEnd && validate(JSON.parse(text)), `${text} ${ajv.errorsText(validate.errors)}`)
      }
    })

  it('reads escaped spellings of what is left out as what they are', () => {
    const accepts = acceptor({ type: 'string', not: { enum: ['a/b', 'tab\t'] } })
    for (const text of ['"a/b"', '"a\\/b"', '"\\u0061/b"', '"tab\\t"', '"tab\\u0009"']) assert.ok(!accepts(text), text)
    const numbers = acceptor({ type: 'number', not: { const: 12 } })
    for (const text of ['12', '12.0', '12.00', '1.2e1', '120e-1']) assert.ok(!numbers(text), text)
    assert.ok(acceptor({ type: 'integer', not: { const: 0 } })('10'))
    assert.ok(!acceptor({ type: 'integer', not: { const: 0 } })('-0'))
  })

  it('that nothing fits is refused before a token is drawn', () => {
    for (const schema of [
      { type: 'integer', multipleOf: 10, minimum: 1, maximum: 9 },
      { type: 'boolean', not: { enum: [true, false] } },
      { ...map, required: ['a'], propertyNames: { pattern: '^b' } },
      { type: 'array', items: { enum: [1, 2] }, uniqueItems: true, minItems: 3 },
      { type: 'string', pattern: '^[ab]$', not: { enum: ['a', 'b'] } },
    ])
      assert.throws(() => constraints.start(schemaConstraint(schema), 'text', ''), { code: 'ENGINE_SCHEMA_INVALID' })
  })

  it('that is hostile ends soon', () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`p${at}`, [`p${at + 1}`]]))
    for (const schema of [
      { type: 'object', dependentRequired: many },
      { type: 'array', items: { enum: Array.from({ length: 20 }, (_, at) => at) }, uniqueItems: true },
      { type: 'object', propertyNames: { pattern: '^(a|b)*a(a|b){12}$' }, minProperties: 1 },
      {
        type: 'object',
        patternProperties: { '(x+x+)+y': {}, '^(a+)+$': {}, '(.*)*z': {} },
        additionalProperties: false,
      },
      { not: { not: { not: { $ref: '#' } } } },
      { type: 'object', properties: { a: { $ref: '#' } }, not: { $ref: '#' } },
    ]) {
      const startedAt = performance.now()
      try {
        const matcher = constraints.start(schemaConstraint(schema), 'text', '')
        draw(matcher, seeded(1), 40)
      } catch (error) {
        assert.match(String((error as { code?: unknown }).code), /^ENGINE_SCHEMA_/, String(error))
      }
      const tookMs = performance.now() - startedAt
      assert.ok(tookMs < 8000, `${JSON.stringify(schema).slice(0, 80)}: ${tookMs} ms`)
    }
  })
})
