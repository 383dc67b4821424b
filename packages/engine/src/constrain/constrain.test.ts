import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseCompletion, specialTokens } from '@portolan/model'
import { EngineError } from '../errors.ts'
import type { OutputConstraint } from './constraint.ts'
import {
  acceptor,
  draw,
  endTokenId,
  newConstraints,
  plain,
  schemaConstraint,
  seeded,
  tokenizer,
  condition,
} from './grammar.test-support.ts'

const constraints = newConstraints()
const json: OutputConstraint = { ...plain, format: { kind: 'json-object' } }
const weather = {
  name: 'weather',
  parameters: {
    type: 'object',
    properties: {
      city: { type: 'string' },
      unit: { enum: ['C', 'F'] },
      days: { type: ['integer', 'null'], minimum: 1, maximum: 14 },
      tags: { type: 'array', items: { type: 'string' }, maxItems: 2 },
    },
    required: ['city', 'unit'],
    additionalProperties: false,
  },
  strict: true,
}
const clock = { name: 'clock', parameters: null, strict: false }
const tools: OutputConstraint = { ...plain, tools: [weather, clock], calls: 'required' }
const brief = { characters: 12, items: 2, whitespace: 1, calls: 2, thoughtCharacters: 20 }

const refusal = (schema: unknown, code: string, pattern: RegExp): void => {
  assert.throws(
    () => acceptor(schema),
    (error) => error instanceof EngineError && error.code === code && pattern.test(error.message),
    JSON.stringify(schema),
  )
}

describe('a JSON object', () => {
  it('comes out of any budget that holds the shortest one, whatever the model prefers', () => {
    for (let budget = 2; budget < 60; budget++) {
      const { text, ids } = draw(constraints.start(json, 'text', ''), seeded(budget), budget)
      assert.equal(typeof JSON.parse(text), 'object', text)
      assert.ok(ids.length <= budget)
    }
  })

  it('goes on from a prefix that begins one, and refuses another', () => {
    const begun = '{"a": [1, {"b": "\\u00e4 '
    const { text } = draw(constraints.start(json, 'text', begun), seeded(3), 30)
    assert.ok(Array.isArray(JSON.parse(begun + text).a))
    assert.throws(() => constraints.start(json, 'text', 'Sure: {'), { code: 'ENGINE_REQUEST' })
  })

  it('never spells a special token in ordinary letters', () => {
    const start = constraints.start(json, 'text', '{"a": "<')
    const bar = tokenizer.encode('\uff5c')[0]!
    assert.equal(start.allows(bar), false)
    assert.equal(start.allows(tokenizer.specialId(specialTokens.dsml)), false)
    assert.equal(start.allows(endTokenId), false)
  })
})

describe('a schema', () => {
  it('holds types, unions, enums, constants and bounds', () => {
    const cases: [schema: unknown, yes: string[], no: string[]][] = [
      [{ type: ['string', 'null'] }, ['"a"', 'null', '"\\ud83d\\ude00"'], ['1', '"\\ud83d"', '"a', '"\n"', '']],
      [{ type: 'integer', minimum: -5, exclusiveMaximum: 12 }, ['-5', '11', '0', '-0'], ['-6', '12', '1.0', '01']],
      [{ type: 'number', minimum: 0.5, maximum: 0.75 }, ['0.5', '0.625', '0.75', '0.750'], ['0.4', '0.751', '1', '.6']],
      [
        { type: 'number', exclusiveMinimum: 0, maximum: 1e-7 },
        ['0.0000001', '0.00000005'],
        ['0', '0.0', '1e-7', '0.0000002'],
      ],
      [
        { enum: ['a', 1, null, { b: [true] }] },
        ['"a"', '1', 'null', '{"b":[true]}', '{ "b" : [ true ] }'],
        ['"b"', '{}'],
      ],
      [{ const: '\uff5c' }, ['"\\uff5c"'], ['"\uff5c"']],
      [{ type: 'string', minLength: 2, maxLength: 3 }, ['"ab"', '"a\\n😀"', '"äöü"'], ['"a"', '"abcd"']],
      [{ type: 'string', pattern: '^[a-c]{2}(-\\d+)?$' }, ['"ab"', '"cc-12"'], ['"abc"', '"ad"', '"ab-"']],
      [{ type: 'string', pattern: 'b.d' }, ['"abcde"', '"bad"'], ['"bd"', '"b\\nd"']],
      [
        { type: 'string', format: 'date' },
        ['"2024-02-29"', '"2023-12-31"'],
        ['"2023-02-29"', '"1900-02-29"', '"2023-13-01"'],
      ],
      [
        { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 },
        ['[true]', '[true, false]'],
        ['[]', '[true,true,true]'],
      ],
      [
        { prefixItems: [{ type: 'null' }], items: { type: 'integer' } },
        ['[]', '[null]', '[null,1,2]'],
        ['[1]', '[null,null]'],
      ],
      [
        { type: 'array', prefixItems: [{ type: 'null' }, { type: 'null' }], items: false, minItems: 1 },
        ['[null]', '[null,null]'],
        ['[]', '[null,null,null]'],
      ],
    ]
    for (const [schema, yes, no] of cases) {
      const accepts = acceptor(schema)
      for (const text of yes) assert.ok(accepts(text), `${text} fits ${JSON.stringify(schema)}`)
      for (const text of no) assert.ok(!accepts(text), `${text} does not fit ${JSON.stringify(schema)}`)
    }
  })

  it('holds objects: order as named, required and optional members, others by their own schema', () => {
    const accepts = acceptor({
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'boolean' }, c: {} },
      required: ['b'],
      additionalProperties: { type: 'null' },
    })
    for (const text of ['{"b":true}', '{"a":1,"b":false,"c":[{}]}', '{"b":true,"d":null,"aa":null}', '{ "b" : true }'])
      assert.ok(accepts(text), text)
    for (const text of ['{}', '{"a":1}', '{"b":true,"a":1}', '{"b":true,"d":1}', '{"b":true,"b":null}', '{"b":true,}'])
      assert.ok(!accepts(text), text)
  })

  it('follows references, also into itself, merges allOf and spreads anyOf', () => {
    const tree = acceptor({
      $defs: {
        node: {
          type: 'object',
          properties: { v: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          required: ['v', 'next'],
        },
      },
      $ref: '#/$defs/node',
    })
    assert.ok(tree('{"v":1,"next":{"v":2,"next":null}}'))
    assert.ok(!tree('{"v":1,"next":{"v":2}}'))
    const merged = acceptor({
      type: 'object',
      properties: { kind: { type: 'string' } },
      required: ['kind'],
      oneOf: [
        { properties: { kind: { const: 'a' }, n: { type: 'integer' } }, required: ['kind', 'n'] },
        {
          allOf: [
            { properties: { kind: { enum: ['b', 'c'] } }, required: ['kind'] },
            { properties: { m: { minimum: 3 } } },
          ],
        },
      ],
    })
    for (const text of ['{"kind":"a","n":1}', '{"kind":"c"}', '{"kind":"b","m":3}']) assert.ok(merged(text), text)
    for (const text of ['{"kind":"a"}', '{"kind":"d"}', '{"kind":"b","m":2}']) assert.ok(!merged(text), text)
  })

  it('is refused by name and place where a keyword cannot be enforced', () => {
    refusal(
      { type: 'object', properties: { a: { not: { pattern: 'x' } } } },
      'ENGINE_SCHEMA_UNSUPPORTED',
      /"not" of a schema with "pattern" at #\/properties\/a/,
    )
    refusal({ type: 'array', uniqueItems: true }, 'ENGINE_SCHEMA_UNSUPPORTED', /"uniqueItems" of values that are not 8/)
    refusal({ type: 'number', multipleOf: 0.01 }, 'ENGINE_SCHEMA_UNSUPPORTED', /"multipleOf" that is not a whole/)
    refusal({ type: 'array', contains: {}, maxContains: 2 }, 'ENGINE_SCHEMA_UNSUPPORTED', /beside "maxContains"/)
    refusal({ type: 'object', minProperties: 2 }, 'ENGINE_SCHEMA_UNSUPPORTED', /"minProperties" of more than/)
    refusal(condition({ contains: {} }, false), 'ENGINE_SCHEMA_UNSUPPORTED', /"if" of a schema with "contains"/)
    refusal(
      { patternProperties: { '(?=a)b': {} } },
      'ENGINE_SCHEMA_UNSUPPORTED',
      /"patternProperties" that looks ahead/,
    )
    refusal({ $dynamicRef: '#x' }, 'ENGINE_SCHEMA_UNSUPPORTED', /"\$dynamicRef"/)
    refusal({ type: 'object', not: { const: {} } }, 'ENGINE_SCHEMA_UNSUPPORTED', /all objects but some/)
    refusal({ enum: [[1, 1]], items: { const: 2 } }, 'ENGINE_SCHEMA_UNSUPPORTED', /listed objects or lists/)
    refusal({ type: 'string', pattern: '(?=a)b' }, 'ENGINE_SCHEMA_UNSUPPORTED', /looks ahead/)
    refusal({ type: 'string', pattern: '(a)\\1' }, 'ENGINE_SCHEMA_UNSUPPORTED', /refers back/)
    refusal({ type: 'string', format: 'iri' }, 'ENGINE_SCHEMA_UNSUPPORTED', /format "iri"/)
    refusal({ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'ENGINE_SCHEMA_UNSUPPORTED', /"oneOf"/)
    refusal({ $ref: 'https://x/y' }, 'ENGINE_SCHEMA_INVALID', /out of the schema/)
    refusal({ $ref: '#/$defs/x' }, 'ENGINE_SCHEMA_INVALID', /leads nowhere/)
    refusal({ $ref: '#' }, 'ENGINE_SCHEMA_INVALID', /back to itself/)
    refusal({ type: 'text' }, 'ENGINE_SCHEMA_INVALID', /"text" is no type/)
    refusal({ type: 'object', required: 'a' }, 'ENGINE_SCHEMA_INVALID', /list of names/)
    assert.ok(acceptor({ type: 'number', multipleOf: 0.5 }, false)('0.3'), 'nobody insists')
  })

  it('that no value fits is refused before a token is drawn', () => {
    const endless = { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }
    for (const schema of [
      endless,
      { allOf: [{ type: 'string' }, { type: 'null' }] },
      { type: 'integer', minimum: 2, maximum: 1 },
      false,
    ])
      assert.throws(() => constraints.start(schemaConstraint(schema), 'text', ''), { code: 'ENGINE_SCHEMA_INVALID' })
    // An alternative without an end is only left out.
    const nested = {
      $defs: { e: { ...endless, properties: { a: { $ref: '#/$defs/e' } } } },
      anyOf: [{ $ref: '#/$defs/e' }, { const: 7 }],
    }
    const { text } = draw(constraints.start(schemaConstraint(nested), 'text', ''), seeded(1), 9)
    assert.equal(text, '7')
  })

  it('that is hostile costs bounded time: nesting, doubling, wide and ambiguous ones', () => {
    let deep: unknown = { type: 'null' }
    for (let at = 0; at < 20_000; at++) deep = { type: 'array', items: deep }
    const doubling: Record<string, unknown> = { l0: { type: 'null' } }
    for (let at = 1; at < 40; at++)
      doubling[`l${at}`] = {
        allOf: Array.from({ length: 4 }, () => ({
          anyOf: [{ $ref: `#/$defs/l${at - 1}` }, { type: 'string', minLength: at }],
        })),
      }
    const ambiguous = {
      $defs: {
        x: {
          anyOf: [
            { type: 'object', properties: { a: { $ref: '#/$defs/x' }, b: {} } },
            { type: 'object', properties: { a: { $ref: '#/$defs/x' }, c: {} } },
            { type: 'null' },
          ],
        },
      },
      $ref: '#/$defs/x',
    }
    const wide = { enum: Array.from({ length: 4000 }, (_, at) => `value ${at}`) }
    const chained = Object.fromEntries(
      Array.from({ length: 9000 }, (_, at) => [
        `d${at}`,
        at === 0 ? { type: 'null' } : { type: 'array', items: { $ref: `#/$defs/d${at - 1}` }, minItems: 1 },
      ]),
    )
    const backwards = { $defs: chained, anyOf: Object.keys(chained).map((name) => ({ $ref: `#/$defs/${name}` })) }
    const repeats = { type: 'string', pattern: '^((a{1,50}b?){1,50}c?){1,50}$' }
    for (const schema of [
      deep,
      { $defs: doubling, $ref: '#/$defs/l39' },
      ambiguous,
      wide,
      repeats,
      backwards,
      { enum: Array.from({ length: 200_000 }, (_, at) => at) },
    ]) {
      const from = performance.now()
      try {
        draw(constraints.start(schemaConstraint(schema), 'text', ''), seeded(4), 12)
      } catch (error) {
        assert.ok(error instanceof EngineError && error.code === 'ENGINE_SCHEMA_TOO_LARGE', String(error))
      }
      assert.ok(performance.now() - from < 4000)
    }
  })

  it('offers every one of thousands of listed values, of a thousand members and of as many tools', () => {
    const values = Array.from({ length: 4000 }, (_, at) => `value ${at * 7}`)
    const listed = acceptor({ enum: [...values, 3, { a: 1 }] })
    assert.ok([...values.map((value) => JSON.stringify(value)), '3', '{"a": 1}'].every((text) => listed(text)))
    assert.ok(!listed('"value 1"') && !listed('"value "'))
    const names = Array.from({ length: 1000 }, (_, at) => `m${at}`)
    const wide = acceptor({
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, { type: 'null' }])),
    })
    for (const name of names) assert.ok(wide(`{"${name}":null}`), name)
    assert.ok(wide(`{${names.map((name) => `"${name}":null`).join()}}`))
    const many = names.map((name) => ({ name, parameters: {}, strict: false }))
    const matcher = constraints.start({ ...tools, tools: many }, 'text', '\n\n<')
    assert.ok(matcher.allows(tokenizer.specialId(specialTokens.dsml)))
  })

  it('closes in time: required members are written even by a model that babbles', () => {
    const schema = {
      type: 'object',
      properties: {
        note: { type: 'string' },
        list: { type: 'array', items: { $ref: '#' } },
        last: { type: 'string', minLength: 3 },
      },
      required: ['note', 'last'],
      additionalProperties: false,
    }
    for (let budget = 30; budget < 90; budget += 3) {
      const { text } = draw(constraints.start(schemaConstraint(schema), 'text', ''), seeded(budget), budget)
      assert.ok(JSON.parse(text).last.length >= 3, text)
    }
  })
})

describe('tool calls', () => {
  const callsOf = (
    constraint: OutputConstraint,
    seed: number,
    budget: number,
    opens: 'text' | 'reasoning' = 'text',
  ) => {
    const { text } = draw(constraints.start(constraint, opens, ''), seeded(seed), budget)
    return parseCompletion(text, { opens })
  }

  it('are well formed, with parameters by schema, from any seed', () => {
    for (let seed = 0; seed < 25; seed++) {
      const { calls, problems, text } = callsOf({ ...tools, limits: brief }, seed, 200)
      assert.deepEqual([problems, text], [[], ''])
      assert.ok(calls.length >= 1 && calls.length <= 2)
      for (const call of calls) {
        assert.ok(call.complete)
        const value = JSON.parse(call.argumentsText)
        if (call.name === 'clock') continue
        assert.ok(typeof value.city === 'string' && ['C', 'F'].includes(value.unit), call.argumentsText)
        assert.ok(value.days === undefined || value.days === null || (value.days >= 1 && value.days <= 14))
        assert.ok(value.tags === undefined || value.tags.length <= 2)
      }
    }
  })

  it('come after the thought, which ends in time', () => {
    for (const limits of [null, brief]) {
      const { reasoning, calls, problems } = callsOf({ ...tools, tools: [weather], limits }, 7, 100, 'reasoning')
      assert.deepEqual(problems, [])
      assert.ok(reasoning.length > 0)
      assert.equal(calls[0]?.name, 'weather')
    }
  })

  it('may be one at most, and may follow text or be left out where the model is free', () => {
    for (let seed = 0; seed < 8; seed++)
      assert.equal(callsOf({ ...tools, singleCall: true, limits: brief }, seed, 300).calls.length, 1)
    const free = constraints.start({ ...tools, calls: 'auto' }, 'text', 'Let me look.\n\n<')
    const mark = tokenizer.specialId(specialTokens.dsml)
    assert.ok(free.allows(mark))
    assert.ok(free.allows(endTokenId))
    assert.equal(constraints.start({ ...tools, calls: 'auto' }, 'text', 'Let me look').allows(mark), false)
    assert.equal(constraints.start({ ...plain, tools: [weather] }, 'text', '\n\n<').allows(mark), false)
  })

  it('stand beside a format: either the JSON or the calls', () => {
    const both: OutputConstraint = { ...tools, calls: 'auto', format: { kind: 'json-object' }, limits: brief }
    for (let seed = 0; seed < 12; seed++) {
      const { calls, text } = callsOf(both, seed, 120)
      if (calls.length === 0) assert.equal(typeof JSON.parse(text), 'object')
      else assert.equal(text, '')
    }
  })

  it('of strict tools refuse what cannot be enforced; others leave it out', () => {
    const parameters = { type: 'object', properties: { a: { type: 'string', not: { pattern: 'x' } } }, required: ['a'] }
    const loose: OutputConstraint = { ...tools, tools: [{ name: 't', parameters, strict: false }] }
    assert.equal(callsOf({ ...loose, limits: brief }, 1, 90).calls[0]?.name, 't')
    const strict: OutputConstraint = { ...tools, tools: [{ name: 't', parameters, strict: true }] }
    assert.throws(() => constraints.start(strict, 'text', ''), {
      code: 'ENGINE_SCHEMA_UNSUPPORTED',
      message: /parameters of "t" uses "not" of a schema with "pattern"/,
    })
  })
})
