import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Heard } from '../heard.ts'
import { readSse } from '../sse-frames.ts'
import * as chat from '../wire-forms/chat.ts'
import * as messages from '../wire-forms/messages.ts'
import { message, responsesFrames } from '../wire-forms/responses.ts'
import { readChatStream } from './chat.ts'
import { readMessagesError, readMessagesStream } from './messages.ts'
import { readResponsesStream } from './responses.ts'

// A reader that lets everything pass would make every case green: each fault below must be seen.

const hearChat = (...frames: string[]): Heard => readChatStream(readSse(frames.join('')).frames, true)
const hearMessages = (...frames: string[]): Heard => readMessagesStream(readSse(frames.join('')).frames, false)
const hearResponses = (frames: string[]): Heard => readResponsesStream(readSse(frames.join('')).frames, false)

const chatEnd = [chat.chunk({}, 'stop'), chat.usageChunk(chat.chatUsage(3, 2)), chat.done]
const callEnd = [chat.chunk({}, 'tool_calls'), chat.usageChunk(chat.chatUsage(3, 2)), chat.done]
const textStart = messages.blockStart(0, { type: 'text', text: '' })
const textDelta = messages.delta(0, { type: 'text_delta', text: 'Hi' })

describe('frames', () => {
  it('must end with a blank line, also the last', () => {
    assert.throws(() => readSse('data: 1\n\ndata: 2\n'), /blank line/)
    assert.equal(readSse('data: 1\r\n\r\n: c\r\n\r\ndata: 2\r\n\r\n').frames.length, 2)
  })

  it('must not run into each other', () => {
    assert.throws(() => readSse('event: a\ndata: 1\nevent: b\ndata: 2\n\n'), /delimiter/)
    assert.throws(() => readSse('event: a\n\n'), /no data/)
    assert.throws(() => readSse('{"error":1}\n\n'), /not a line/)
  })
})

describe('the Chat grammar', () => {
  it('takes a plain answer', () => {
    const heard = hearChat(chat.role, chat.chunk({ content: 'Hi' }), ...chatEnd)
    assert.deepEqual([heard.stop, heard.usage?.input], ['stop', 3])
  })

  const faults: readonly (readonly [string, RegExp, readonly string[]])[] = [
    ['no role', /role/, [chat.chunk({ content: 'Hi' }), ...chatEnd]],
    ['no [DONE]', /\[DONE\]/, [chat.role, chat.chunk({}, 'stop'), chat.usageChunk(chat.chatUsage(3, 2))]],
    ['no finish reason', /finish/, [chat.role, chat.done]],
    ['two finish reasons', /second finish/, [chat.role, chat.chunk({}, 'stop'), ...chatEnd]],
    [
      'content behind the finish',
      /after the finish/,
      [chat.role, chat.chunk({}, 'stop'), chat.chunk({ content: 'x' }), chat.done],
    ],
    ['no usage', /usage was asked/, [chat.role, chat.chunk({}, 'stop'), chat.done]],
    ['event names', /event names/, [messages.frame('ping')]],
    ['an empty call list', /empty tool_calls/, [chat.role, chat.chunk({ tool_calls: [] }), ...chatEnd]],
    ['a sparse call index', /dense/, [chat.role, chat.chunk(chat.call(1, 'a', 'f', '{}')), ...callEnd]],
    ['cut arguments', /not JSON/, [chat.role, chat.chunk(chat.call(0, 'a', 'f', '{"x')), ...callEnd]],
    ['a call that stops', /tool_calls/, [chat.role, chat.chunk(chat.call(0, 'a', 'f', '{}')), ...chatEnd]],
    ['a stop for calls without one', /notStrictEqual|tool_calls/, [chat.role, ...callEnd]],
    [
      'a changing id',
      /same on all chunks/,
      [chat.role, chat.frame({ ...JSON.parse(chat.role.slice(6)), id: 'b' }), ...chatEnd],
    ],
    [
      'a class name for an error',
      /word of the protocol/,
      [chat.frame({ error: { message: 'm', type: 'NotFoundError', param: null, code: null } })],
    ],
    [
      '[DONE] after an error',
      /terminal/,
      [chat.frame({ error: { message: 'm', type: 'server_error', param: null, code: null } }), chat.done],
    ],
  ]
  for (const [name, why, frames] of faults) it(`refuses ${name}`, () => assert.throws(() => hearChat(...frames), why))
})

describe('the Messages grammar', () => {
  it('takes a plain answer', () => {
    const heard = hearMessages(messages.start(), messages.text(0, 'Hi'), messages.ending('end_turn'))
    assert.deepEqual([heard.stop, heard.usage?.input, heard.usage?.output], ['end_turn', 20, 5])
  })

  const call = messages.toolUse(0, 'toolu_a', 'f', '{}')
  const faults: readonly (readonly [string, RegExp, readonly string[]])[] = [
    ['two starts', /twice/, [messages.start(), messages.start()]],
    ['no start', /before message_start/, [messages.text(0, 'Hi')]],
    ['no terminal', /no terminal/, [messages.start(), messages.text(0, 'Hi')]],
    ['an index that begins at 1', /dense/, [messages.start(), messages.text(1, 'Hi')]],
    ['an index gap', /dense/, [messages.start(), messages.text(0, 'Hi'), messages.text(2, 'Ho')]],
    [
      'overlapping blocks',
      /another is open/,
      [messages.start(), textStart, messages.blockStart(1, { type: 'text', text: '' })],
    ],
    ['a delta for no block', /not open/, [messages.start(), textDelta]],
    ['a delta behind its stop', /not open/, [messages.start(), messages.text(0, 'Hi'), textDelta]],
    [
      'a delta of another kind',
      /in a text block/,
      [messages.start(), textStart, messages.delta(0, { type: 'thinking_delta', thinking: 'x' })],
    ],
    [
      'arguments in the start',
      /deltas/,
      [messages.start(), messages.blockStart(0, { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } })],
    ],
    ['no arguments at all', /no arguments/, [messages.start(), messages.toolUse(0, 'toolu_a', 'f', '')]],
    ['end_turn after a call', /after a tool call/, [messages.start(), call, messages.ending('end_turn')]],
    [
      'tool_use without a call',
      /without a tool_use/,
      [messages.start(), messages.text(0, 'Hi'), messages.ending('tool_use')],
    ],
    [
      'an open block at the end',
      /while a block is open/,
      [messages.start(), textStart, textDelta, messages.ending('end_turn')],
    ],
    ['something behind the end', /follows/, [messages.start(), messages.ending('end_turn'), messages.frame('ping')]],
    ['no event names', /event name/, [messages.start().replace(/^event.*\n/, '')]],
    ['an unknown event', /unknown event/, [messages.start(), messages.frame('usage_delta')]],
    ['a [DONE]', /not JSON/, [messages.start(), messages.ending('end_turn'), chat.done]],
  ]
  for (const [name, why, frames] of faults)
    it(`refuses ${name}`, () => assert.throws(() => hearMessages(...frames), why))

  it('refuses a class name for an error type', () => {
    assert.throws(
      () => readMessagesError({ type: 'error', error: { type: 'NotFoundError', message: 'm' } }),
      /no error type/,
    )
  })

  it('wants every required-nullable member of a translated answer', () => {
    const frames = readSse(messages.start() + messages.text(0, 'Hi') + messages.ending('end_turn')).frames
    assert.throws(() => readMessagesStream(frames, true), /container/)
  })
})

describe('the Responses grammar', () => {
  const whole = responsesFrames([message('Hi')])
  const without = (type: string): string[] => whole.filter((frame) => !frame.startsWith(`event: ${type}\n`))
  const renumbered = (frames: readonly string[]): string[] =>
    frames.map((frame, at) => frame.replace(/"sequence_number":\d+/, `"sequence_number":${at}`))

  it('takes a plain answer', () => {
    const heard = hearResponses(whole)
    assert.deepEqual([heard.stop, heard.usage?.input], ['completed', 20])
  })

  const faults: readonly (readonly [string, RegExp, string[]])[] = [
    ['a hole in the numbers', /sequence_number/, without('response.in_progress')],
    ['no in_progress', /response.in_progress|in_progress/, renumbered(without('response.in_progress'))],
    ['no terminal', /no terminal/, whole.slice(0, -1)],
    ['a [DONE]', /\[DONE\]/, [...whole, chat.done]],
    ['no item.added', /not open/, renumbered(without('response.output_item.added'))],
    ['no part.added', /not open/, renumbered(without('response.content_part.added'))],
    ['no item.done', /item is open/, renumbered(without('response.output_item.done'))],
    ['a text that is not repeated', /add up/, whole.map((frame) => frame.replace('"delta":"Hi"', '"delta":"H"'))],
    [
      'a shared output index',
      /dense|never shared/,
      responsesFrames([message('Hi'), message('Ho', 'msg_2')]).map((frame) =>
        frame.replace('"output_index":1', '"output_index":0'),
      ),
    ],
    [
      'a sum that is wrong',
      /total_tokens/,
      whole.map((frame) => frame.replace('"total_tokens":25', '"total_tokens":26')),
    ],
    [
      'a wrong event name',
      /repeats the type/,
      whole.map((frame) => frame.replace('event: response.completed', 'event: done')),
    ],
  ]
  for (const [name, why, frames] of faults) it(`refuses ${name}`, () => assert.throws(() => hearResponses(frames), why))
})
