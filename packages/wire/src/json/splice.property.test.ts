import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { spliceMembers } from './splice.ts'

const space = fc.stringMatching(/^[ \n\r\t]{0,3}$/)
// A prototype member would compare equal to nothing: it is not what is tested here.
const body = fc
  .dictionary(fc.oneof(fc.constantFrom('model', 'stream', 'a', 'b'), fc.string()), fc.jsonValue(), { maxKeys: 6 })
  .filter((value) => !Object.hasOwn(value, '__proto__'))

/** JSON text with arbitrary white space between its tokens, and some characters escaped. */
const spaced = fc
  .tuple(body, fc.array(space, { minLength: 1, maxLength: 12 }), fc.boolean())
  .map(([value, spaces, escape]) => {
    let next = 0
    const tokens = JSON.stringify(value).match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^{}[\],:"]+/g) ?? []
    const text = tokens
      .map((token) => {
        const escaped =
          escape && token.startsWith('"')
            ? token.replace(/[mo]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)
            : token
        return (spaces[next++ % spaces.length] ?? '') + (escape && /\\[^u]/.test(token) ? token : escaped)
      })
      .join('')
    return { value, text: text + (spaces[0] ?? '') }
  })

describe('law: splicing equals parsing, editing and printing', () => {
  it('for any JSON object in any spelling', () => {
    fc.assert(
      fc.property(spaced, fc.jsonValue(), fc.subarray(['stream', 'a', 'b']), ({ value, text }, newModel, removed) => {
        const edits = [
          { name: 'model', value: JSON.stringify(newModel) },
          ...removed.map((name) => ({ name, value: null })),
        ]
        const spliced = Buffer.concat(spliceMembers(Buffer.from(text), edits)).toString('utf8')
        const expected: Record<string, unknown> = { ...value, model: newModel }
        for (const name of removed) delete expected[name]
        assert.deepEqual(JSON.parse(spliced), JSON.parse(JSON.stringify(expected)))
      }),
      { seed: 4114, numRuns: 600 },
    )
  })

  it('and touches no byte outside the value it replaces', () => {
    fc.assert(
      fc.property(spaced, ({ text }) => {
        const bytes = Buffer.from(text)
        const marked = Buffer.concat(spliceMembers(bytes, [{ name: 'model', value: '0' }]))
        const restored = spliceMembers(marked, [])
        assert.ok(Buffer.concat(restored).equals(marked))
        const [before, , after] = spliceMembers(bytes, [{ name: 'model', value: '0' }])
        assert.ok(before !== undefined && bytes.subarray(0, before.length).equals(before))
        assert.ok(after !== undefined && bytes.subarray(bytes.length - after.length).equals(after))
      }),
      { seed: 4114, numRuns: 300 },
    )
  })
})
