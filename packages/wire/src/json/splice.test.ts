import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WireError } from '../errors.ts'
import { memberValue, scanTopLevel, spliceMembers, type MemberEdit } from './splice.ts'

function splice(text: string, ...edits: MemberEdit[]): string {
  return Buffer.concat(spliceMembers(Buffer.from(text), edits)).toString('utf8')
}
const model = (value: string | null): MemberEdit => ({ name: 'model', value })
const remove = (name: string): MemberEdit => ({ name, value: null })
const refusedAt = (offset: number) => (error: unknown) =>
  error instanceof WireError && error.code === 'WIRE_BAD_JSON' && error.message.includes(`(byte ${offset})`)

describe('splicing top-level members', () => {
  it('replaces a value and leaves every other byte alone', () => {
    assert.equal(
      splice('{ "a" : [1.0, {"model":"x"}] ,\n"model"\t: "old" , "z":1e5}', model('"new"')),
      '{ "a" : [1.0, {"model":"x"}] ,\n"model"\t: "new" , "z":1e5}',
    )
  })

  it('finds a key written with escapes, and refuses it beside its plain spelling', () => {
    assert.equal(splice('{"\\u006dodel":"a"}', model('"b"')), '{"\\u006dodel":"b"}')
    assert.throws(
      () => splice('{"\\u006dodel":"a","model":"b"}', model('"c"')),
      (error) => error instanceof WireError && error.code === 'WIRE_DUPLICATE_FIELD' && error.field === 'model',
    )
  })

  it('lets members that routing does not read appear twice', () => {
    assert.equal(splice('{"x":1,"x":2,"model":"a"}', model('"b"')), '{"x":1,"x":2,"model":"b"}')
  })

  it('does not look into nested objects and strings', () => {
    const text = '{"a":{"model":"n"},"b":"\\"model\\":\\\\","model":"m"}'
    const scan = scanTopLevel(Buffer.from(text), new Set(['model']))
    const span = scan.members.get('model')
    assert.ok(span)
    assert.equal(memberValue(Buffer.from(text), span), 'm')
    assert.equal(scan.memberCount, 3)
  })

  it('handles long strings that end in backslashes', () => {
    for (let slashes = 0; slashes < 8; slashes++)
      for (const length of [0, 40, 46, 47, 48, 49, 50, 200]) {
        const body = { a: 'x'.repeat(length) + '\\'.repeat(slashes) + '"' + '\\'.repeat(slashes), model: 'm' }
        assert.deepEqual(JSON.parse(splice(JSON.stringify(body), model('1'))), { ...body, model: 1 })
      }
  })

  it('leaves out a byte order mark, which upstreams refuse', () => {
    assert.equal(splice('\uFEFF {"model":1}', model('2')), ' {"model":2}')
    assert.equal(splice('\uFEFF{}'), '{}')
  })

  it('adds what is missing at the end', () => {
    assert.equal(splice('{}', model('1')), '{"model":1}')
    assert.equal(
      splice('{ "a":1 }', model('1'), { name: 's', value: '{"x":true}' }),
      '{ "a":1 ,"model":1,"s":{"x":true}}',
    )
  })

  it('removes members wherever they stand', () => {
    const text = '{"a":1,"b":2,"c":3}'
    assert.equal(splice(text, remove('a')), '{"b":2,"c":3}')
    assert.equal(splice(text, remove('b')), '{"a":1,"c":3}')
    assert.equal(splice(text, remove('c')), '{"a":1,"b":2}')
    assert.equal(splice(text, remove('b'), remove('c')), '{"a":1}')
    assert.equal(splice(text, remove('a'), remove('c')), '{"b":2}')
    assert.equal(splice(text, remove('a'), remove('b'), remove('c')), '{}')
    assert.equal(splice(text, remove('c'), remove('b'), remove('a'), model('1')), '{"model":1}')
    assert.equal(splice(text, remove('nothing')), text)
  })

  it('names the byte where reading stopped', () => {
    const failing: [string, number][] = [
      ['', 0],
      ['  ', 2],
      ['[1]', 0],
      ['"x"', 0],
      ['{', 1],
      ['{"a"', 4],
      ['{"a":', 5],
      ['{"a":1', 6],
      ['{"a":1,', 7],
      ['{"a":1,}', 7],
      ['{"a" 1}', 5],
      ['{"a":1 "b":2}', 7],
      ['{"a":1}x', 7],
      ['{"a":1}{}', 7],
      ['{a:1}', 1],
      ['{"a":tru}', 5],
      ['{"a":01}', 5],
      ['{"a":}', 5],
      ['{"a":[1}', 7],
      ['{"a":[1,2', 9],
      ['{"a":"x', 5],
      ['{"a":"x\\"}', 5],
    ]
    for (const [text, offset] of failing) assert.throws(() => splice(text, model('1')), refusedAt(offset), text)
  })

  it('survives a million open brackets', () => {
    assert.throws(() => splice(`{"a":${'['.repeat(1e6)}`), refusedAt(1e6 + 5))
    const closed = `{"a":${'['.repeat(1e6)}${']'.repeat(1e6)},"model":1}`
    assert.ok(splice(closed, model('2')).endsWith('"model":2}'))
  })
})
