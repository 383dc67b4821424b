import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WireError } from '../errors.ts'
import { SseReader, type SseMessage } from './reader.ts'
import { writeComment, writeSse } from './writer.ts'

function read(text: string): { messages: SseMessage[]; comments: number } {
  const reader = new SseReader()
  const messages = [...reader.push(Buffer.from(text)), ...reader.end()]
  return { messages, comments: reader.comments }
}

const isRefusal = (error: unknown): boolean => error instanceof WireError && error.code === 'WIRE_BAD_STREAM'

describe('reading server-sent events', () => {
  it('reads event and data, joins data lines, drops one leading space', () => {
    assert.deepEqual(read('event: a\ndata: 1\ndata:2\ndata:  3\n\n').messages, [{ event: 'a', data: '1\n2\n 3' }])
  })

  it('takes LF, CR LF and CR as line ends', () => {
    for (const end of ['\n', '\r\n', '\r'])
      assert.deepEqual(read(`event: x${end}data: 1${end}${end}data: 2${end}${end}`).messages, [
        { event: 'x', data: '1' },
        { event: null, data: '2' },
      ])
  })

  it('skips a byte order mark at the start only', () => {
    assert.deepEqual(read('\uFEFFdata: \uFEFFx\n\n').messages, [{ event: null, data: '\uFEFFx' }])
  })

  it('counts comments and lets no event out of blank lines, ids, retries and unknown fields', () => {
    const { messages, comments } = read(': keep-alive\n\n\n\nid: 7\nretry: 3\nfoo: bar\n\nevent: lonely\n\n:\n')
    assert.deepEqual(messages, [])
    assert.equal(comments, 2)
  })

  it('does not carry the event name of a message without data into the next', () => {
    assert.deepEqual(read('event: lonely\n\ndata: x\n\n').messages, [{ event: null, data: 'x' }])
  })

  it('takes a data field without value as an empty line', () => {
    assert.deepEqual(read('data\n\ndata:\ndata\n\n').messages, [
      { event: null, data: '' },
      { event: null, data: '\n' },
    ])
  })

  it('does not take `datafoo:` or `eventual:` for its fields', () => {
    assert.deepEqual(read('datafoo: 1\neventual: 2\ndata: 3\n\n').messages, [{ event: null, data: '3' }])
  })

  it('delivers a last message whose blank line is missing, and no half of a line', () => {
    assert.deepEqual(read('data: 1\n').messages, [{ event: null, data: '1' }])
    assert.deepEqual(read('data: [DONE]').messages, [{ event: null, data: '[DONE]' }])
    assert.deepEqual(read('data: {"a":1}').messages, [{ event: null, data: '{"a":1}' }])
    assert.deepEqual(read('data: {"a":{"b":1}').messages, [])
    assert.deepEqual(read('data: {"a":1').messages, [])
  })

  it('replaces bytes that are not UTF-8', () => {
    assert.deepEqual(new SseReader().push(Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 10, 10])), [
      { event: null, data: '\uFFFD' },
    ])
  })

  it('refuses a message over the limit, in one line or in many', () => {
    assert.throws(() => {
      const reader = new SseReader({ maxMessageBytes: 100 })
      for (let at = 0; at < 20; at++) reader.push(Buffer.from('data: xxxx'))
    }, isRefusal)
    assert.throws(() => {
      const reader = new SseReader({ maxMessageBytes: 100 })
      for (let at = 0; at < 20; at++) reader.push(Buffer.from('data: xxxx\n'))
    }, isRefusal)
  })
})

describe('writing server-sent events', () => {
  it('is read back as it was', () => {
    assert.deepEqual(read(writeSse('a', '{"x":1}') + writeComment('still\nhere') + writeSse(null, 'two\nlines')), {
      messages: [
        { event: 'a', data: '{"x":1}' },
        { event: null, data: 'two\nlines' },
      ],
      comments: 1,
    })
  })

  it('refuses a line break in an event name', () => {
    assert.throws(() => writeSse('a\ndata: forged', ''), RangeError)
  })
})
