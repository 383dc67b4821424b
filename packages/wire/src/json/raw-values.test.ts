import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { collectRaw, minifyJson } from './raw-values.ts'

describe('collecting the source text of values', () => {
  it('keeps number spellings, key order and escapes as they were written', () => {
    const text = '{"m":[{"content":[{"input": {"b":1.0,"a":12345678901234567890, "s":"\\u00e9 }"}}]}]}'
    const raw = collectRaw(text, (path) => path.length === 5 && path[4] === 'input')
    assert.deepEqual([...raw], [['/m/0/content/0/input', '{"b":1.0,"a":12345678901234567890, "s":"\\u00e9 }"}']])
  })

  it('escapes pointers, decodes keys and takes the last of two equal keys', () => {
    const raw = collectRaw('{"a/b":{"~":1},"\\u0061/b":{"~":2}}', (path) => path.length === 2)
    assert.deepEqual([...raw], [['/a~1b/~0', '2']])
  })

  it('can keep the whole text', () => {
    assert.deepEqual([...collectRaw(' [1] ', (path) => path.length === 0)], [['', '[1]']])
  })

  it('does not run out of stack', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    assert.equal(collectRaw(deep, (path) => path.length === 150_000).size, 1)
  })

  it('refuses text whose structure does not hold', () => {
    for (const text of ['', '{', '{"a"}', '[1 2]', '{"a":1', '[1]]', '{"a":"'])
      assert.throws(() => collectRaw(text, () => false), /not valid JSON/, text)
  })

  it('agrees with JSON.parse on every value of arbitrary JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(3), (value, depth) => {
        const raw = collectRaw(JSON.stringify(value, null, 1), (path) => path.length === depth)
        for (const [pointer, text] of raw) {
          let target: unknown = JSON.parse(JSON.stringify(value))
          for (const step of pointer.split('/').slice(1))
            target = Reflect.get(Object(target), step.replaceAll('~1', '/').replaceAll('~0', '~'))
          assert.deepEqual(JSON.parse(text), target)
        }
      }),
      { seed: 4114, numRuns: 400 },
    )
  })
})

describe('minifying', () => {
  it('drops white space outside strings only', () => {
    assert.equal(minifyJson('{ "a b" :\n[ 1.0 , "x  \\" y" ]\t}'), '{"a b":[1.0,"x  \\" y"]}')
    assert.equal(minifyJson('{"a":" "}'), '{"a":" "}')
  })

  it('gives what printing compactly would, for any value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.equal(minifyJson(JSON.stringify(value, null, 2)), JSON.stringify(value))
      }),
      { seed: 4114, numRuns: 400 },
    )
  })
})
