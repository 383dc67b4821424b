import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { canonicalJson, hashOf } from './canonical-json.ts'

describe('canonical JSON', () => {
  it('sorts members by UTF-16 code units, as the example of RFC 8785 section 3.2.3 does', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 }
    assert.equal(canonicalJson(value), '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}')
  })

  it('prints numbers as ECMAScript does, and a negative zero as zero', () => {
    assert.equal(
      canonicalJson([333333333.3333333, 1e30, 4.5, 2e-3, 1e-27, -0]),
      '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]',
    )
  })

  it('leaves undefined members out and keeps nulls', () => {
    assert.equal(canonicalJson({ b: undefined, a: null }), '{"a":null}')
  })

  it('writes money as digits in a string', () => {
    assert.equal(canonicalJson({ nanos: 9_007_199_254_740_993n }), '{"nanos":"9007199254740993"}')
  })

  it('gives one hash to one value, whatever the order of its members', () => {
    assert.equal(hashOf({ a: [1, 2], b: { c: 'x', d: null } }), hashOf({ b: { d: null, c: 'x' }, a: [1, 2] }))
    assert.notEqual(hashOf({ a: [1, 2] }), hashOf({ a: [2, 1] }))
    for (const list of [[], [null], [1, 'ü', { b: [2, []], a: -0 }, [[undefined!].slice(1)]]])
      assert.equal(hashOf(list), `sha256:${hash('sha256', canonicalJson(list), 'hex')}`)
    assert.match(hashOf(null), /^sha256:[0-9a-f]{64}$/)
  })

  it('refuses what JSON cannot hold, and nesting without end', () => {
    let deep: unknown = 0
    for (let i = 0; i < 600; i++) deep = [deep]
    for (const value of [NaN, Infinity, [undefined], () => 0, '\ud800', deep])
      assert.throws(() => canonicalJson(value), { code: 'CROSSING_BAD_VALUE' })
  })
})
