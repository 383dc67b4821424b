import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv } from 'ajv'
import { minimalInstance } from './minimal-instance.ts'

const schemas: Readonly<Record<string, object>> = {
  'an object with required members of every type': {
    type: 'object',
    properties: {
      s: { type: 'string' },
      i: { type: 'integer' },
      n: { type: 'number' },
      b: { type: 'boolean' },
      a: { type: 'array', items: { type: 'string' } },
      z: { type: 'null' },
      optional: { type: 'string' },
    },
    required: ['s', 'i', 'n', 'b', 'a', 'z'],
    additionalProperties: false,
  },
  bounds: {
    type: 'object',
    properties: {
      low: { type: 'integer', minimum: 7 },
      high: { type: 'number', maximum: -3 },
      step: { type: 'integer', minimum: 10, multipleOf: 4 },
      open: { type: 'integer', exclusiveMinimum: 5 },
      long: { type: 'string', minLength: 40 },
      short: { type: 'string', maxLength: 3 },
      list: { type: 'array', minItems: 2, items: { type: 'integer', minimum: 1 } },
    },
    required: ['low', 'high', 'step', 'open', 'long', 'short', 'list'],
  },
  'enums, constants and null unions': {
    type: 'object',
    properties: { e: { enum: ['x', 'y'] }, c: { const: 4 }, u: { type: ['null', 'string'] } },
    required: ['e', 'c', 'u'],
  },
  'references and branches': {
    $defs: { point: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } },
    type: 'object',
    properties: {
      at: { $ref: '#/$defs/point' },
      either: { anyOf: [{ $ref: '#/$defs/point' }, { type: 'null' }] },
      both: {
        allOf: [
          { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
          { properties: { b: { type: 'integer' } }, required: ['b'] },
        ],
      },
    },
    required: ['at', 'either', 'both'],
  },
  'a bare list': { type: 'array', items: { type: 'string' }, minItems: 1 },
}

describe('minimal instances', () => {
  const ajv = new Ajv({ strict: false })
  for (const [name, schema] of Object.entries(schemas))
    it(`satisfies ${name}`, () => {
      const value = minimalInstance(schema)
      assert.ok(ajv.validate(schema, value), `${JSON.stringify(value)}: ${ajv.errorsText()}`)
    })

  it('survives hostile schemas', () => {
    const cycle = { $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }
    const tree = {
      $defs: {
        n: { type: 'object', properties: { l: { $ref: '#/$defs/n' }, r: { $ref: '#/$defs/n' } }, required: ['l', 'r'] },
      },
      $ref: '#/$defs/n',
    }
    const wide = {
      type: 'array',
      minItems: 1e9,
      items: { type: 'array', minItems: 1e9, items: { type: 'string', minLength: 1e9 } },
    }
    for (const schema of [
      null,
      7,
      'x',
      [],
      cycle,
      tree,
      wide,
      { required: 'x' },
      { required: ['__proto__'] },
      { $ref: 'https://elsewhere/' },
      { enum: [] },
    ])
      assert.ok((JSON.stringify(minimalInstance(schema)) ?? '').length < 200_000)
  })
})
