import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { SseReader, type SseMessage } from './reader.ts'

function readInChunks(chunks: readonly Uint8Array[]): { messages: SseMessage[]; comments: number } {
  const reader = new SseReader()
  const messages = chunks.flatMap((chunk) => reader.push(chunk))
  messages.push(...reader.end())
  return { messages, comments: reader.comments }
}

/** The rules read as slowly and plainly as possible, over the whole text. */
function readPlainly(text: string): { messages: SseMessage[]; comments: number } {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  lines.pop()
  const messages: SseMessage[] = []
  let comments = 0
  let event: string | null = null
  let data: string[] = []
  for (const line of [...lines, '']) {
    const [, field = line, value = ''] = /^([^:]*):? ?(.*)$/su.exec(line) ?? []
    if (line === '') {
      if (data.length > 0) messages.push({ event, data: data.join('\n') })
      event = null
      data = []
    } else if (line.startsWith(':')) comments++
    else if (field === 'data') data.push(value)
    else if (field === 'event') event = value === '' ? null : value
  }
  return { messages, comments }
}

const piece = fc.constantFrom(
  'data: ',
  'data:',
  'data',
  'event: ',
  'x',
  '{"a":"ü€\u{1f600}"}',
  ': c',
  'id: 1',
  '\n',
  '\r\n',
  '\r',
  '\n\n',
  '\uFEFF',
  ' ',
)
// Ends on a line end: what an unfinished last line does is said in reader.test.ts.
const stream = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('') + '\n')

describe('law: the messages of a stream', () => {
  it('do not depend on where the bytes were cut, at every single cut', () => {
    fc.assert(
      fc.property(stream, (text) => {
        const bytes = Buffer.from(text)
        const whole = readInChunks([bytes])
        for (let cut = 0; cut <= bytes.length; cut++)
          assert.deepEqual(readInChunks([bytes.subarray(0, cut), bytes.subarray(cut)]), whole)
        assert.deepEqual(readInChunks([...bytes].map((byte) => Uint8Array.of(byte))), whole)
      }),
      { seed: 4114, numRuns: 150 },
    )
  })

  it('are those of the rules read plainly', () => {
    fc.assert(
      fc.property(stream, (text) => {
        assert.deepEqual(readInChunks([Buffer.from(text)]), readPlainly(text))
      }),
      { seed: 4114, numRuns: 500 },
    )
  })
})
