import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { dumpsPython, floatRepr, fromJavaScript, loadsPython, PythonJsonError } from './python-json.ts'

/** `json.dumps(json.loads(text), ensure_ascii=False)` */
const again = (text: string): string => dumpsPython(loadsPython(text))

describe('JSON as Python prints it', () => {
  it('separates with a blank after comma and colon', () => {
    assert.equal(again('{"a":[1,2,{"b":null}],"c":{},"d":[]}'), '{"a": [1, 2, {"b": null}], "c": {}, "d": []}')
  })

  it('keeps the order of keys, also of those that look like numbers', () => {
    assert.equal(again('{"10":1,"2":2,"a":3}'), '{"10": 1, "2": 2, "a": 3}')
  })

  it('lets a repeated key keep its first place and its last value', () => {
    assert.equal(again('{"a":1,"b":2,"a":3}'), '{"a": 3, "b": 2}')
  })

  it('treats __proto__ as any other key', () => {
    assert.equal(again('{"__proto__":{"x":1}}'), '{"__proto__": {"x": 1}}')
  })

  it('keeps integers of any size exact', () => {
    assert.equal(
      again('[9007199254740993,-123456789012345678901234567890,-0]'),
      '[9007199254740993, -123456789012345678901234567890, 0]',
    )
  })

  it('prints floats as repr does', () => {
    // Left: JSON source; right: what CPython 3.11 prints.
    const table: [string, string][] = [
      ['1.0', '1.0'],
      ['1e5', '100000.0'],
      ['1E16', '1e+16'],
      ['1e15', '1000000000000000.0'],
      ['123456789012345680.0', '1.2345678901234568e+17'],
      ['0.0001', '0.0001'],
      ['0.00001', '1e-05'],
      ['1.5e-7', '1.5e-07'],
      ['-0.0', '-0.0'],
      ['0.10', '0.1'],
      ['5e-324', '5e-324'],
      ['1e400', 'Infinity'],
      ['-1e400', '-Infinity'],
      ['NaN', 'NaN'],
    ]
    for (const [source, printed] of table) assert.equal(again(source), printed)
  })

  it('escapes quotes, backslashes and control characters only', () => {
    assert.equal(
      again('"\\u00e9 \\u2028 \\u007f \\/ \\u0001\\b\\f\\n\\r\\t\\"\\\\"'),
      '"é \u2028 \u007f / \\u0001\\b\\f\\n\\r\\t\\"\\\\"',
    )
  })

  it('refuses what Python refuses', () => {
    const bad = [
      '',
      ' ',
      '{',
      '[1,]',
      '{"a":1,}',
      "{'a':1}",
      '01',
      '1.',
      '.5',
      '+1',
      'nul',
      '"a',
      '"\t"',
      '"\\x41"',
      '"\\u12"',
      '1 2',
      '\ufeff1',
      '[1}',
      '{"a" 1}',
      '{1:2}',
      '9'.repeat(4301),
      '['.repeat(100_000),
    ]
    for (const text of bad) assert.throws(() => loadsPython(text), PythonJsonError, text.slice(0, 20))
  })

  it('takes plain values, whole numbers as integers', () => {
    assert.equal(
      dumpsPython(fromJavaScript({ b: 1, a: [1.5, 2 ** 60, 3n], u: undefined, m: new Map([['2', true]]) })),
      '{"b": 1, "a": [1.5, 1.152921504606847e+18, 3], "m": {"2": true}}',
    )
  })

  it('reads back every float it prints', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.equal(Object.is(Number(floatRepr(value)), value), true)
        assert.match(floatRepr(value), /[.e]/)
      }),
      { seed: 20261123, numRuns: 500 },
    )
  })

  it('agrees with JSON.parse on every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        assert.deepEqual(JSON.parse(again(text)), JSON.parse(text))
      }),
      { seed: 20261123, numRuns: 300 },
    )
  })
})
