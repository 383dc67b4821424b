import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Item, ToolCallItem, ToolResultItem } from '../canonical/request.ts'
import { WireError } from '../errors.ts'
import { readConversation, wrapInstruction } from './turns.ts'

const user = (text: string): Item => ({ kind: 'user', parts: [{ type: 'text', text }] })
const says = (text: string): Item => ({ kind: 'assistant-text', parts: [{ type: 'text', text }] })
const thinks = (text: string): Item => ({ kind: 'reasoning', text, summary: [], token: null })
const instructs = (text: string, placement: 'top' | 'inline' = 'inline'): Item => ({
  kind: 'instruction',
  placement,
  role: 'system',
  parts: [{ type: 'text', text }],
})
const call = (callId: string): ToolCallItem => ({
  kind: 'tool-call',
  callId,
  name: 'f',
  namespace: null,
  argumentsText: '{}',
  custom: false,
})
const result = (callId: string, pointer?: string): ToolResultItem => ({
  kind: 'tool-result',
  callId,
  parts: [],
  isError: false,
  ...(pointer === undefined ? {} : { source: { pointer } }),
})

describe('reading a conversation', () => {
  it('puts tool results in call order, before what the user says in the same turn', () => {
    const { turns } = readConversation([user('go'), call('a'), call('b'), user('by the way'), result('b'), result('a')])
    const last = turns[2]
    assert.equal(last?.role, 'user')
    assert.deepEqual(
      last.results.map((item) => item.callId),
      ['a', 'b'],
    )
    assert.equal(last.content.length, 1)
  })

  it('normalises an assistant turn to reasoning, text, calls and keeps the given order beside it', () => {
    const { turns } = readConversation([user('go'), call('a'), says('first'), thinks('hm'), result('a')])
    const turn = turns[1]
    assert.equal(turn?.role, 'assistant')
    assert.deepEqual([turn.reasoning.length, turn.text.length, turn.calls.length], [1, 1, 1])
    assert.deepEqual(
      turn.items.map((item) => item.kind),
      ['tool-call', 'assistant-text', 'reasoning'],
    )
  })

  it('keeps a message that a client echoed between a call and its output in the turn of the call (catalogue 94)', () => {
    const { turns } = readConversation([user('go'), call('a'), call('b'), result('a'), says('working'), result('b')])
    assert.deepEqual(
      turns.map((turn) => turn.role),
      ['user', 'assistant', 'user'],
    )
  })

  it('starts a new assistant turn once every call has its result', () => {
    const { turns } = readConversation([user('go'), call('a'), result('a'), call('b'), result('b')])
    assert.deepEqual(
      turns.map((turn) => turn.role),
      ['user', 'assistant', 'user', 'assistant', 'user'],
    )
  })

  it('separates leading instructions from those in the middle, which stay where they were', () => {
    const { instructions, turns } = readConversation([
      instructs('top', 'top'),
      instructs('lead'),
      user('hi'),
      instructs('mid'),
    ])
    assert.equal(instructions.length, 2)
    assert.deepEqual(turns[0]?.role === 'user' && turns[0].content.map((item) => item.kind), ['user', 'instruction'])
  })

  it('names the field of a result without a call, of a second result and of an unanswered call', () => {
    const failing: [Item[], string | null][] = [
      [[user('go'), call('a'), result('a'), result('x', '/messages/3/content/0')], 'messages[3].content[0]'],
      [[user('go'), call('a'), result('a'), result('a', '/messages/3')], 'messages[3]'],
      [[user('go'), { ...call('a'), source: { pointer: '/input/1' } }, user('next')], 'input[1]'],
      [[user('go'), { ...call('a'), source: { pointer: '/input/1' } }], 'input[1]'],
    ]
    for (const [items, field] of failing)
      assert.throws(
        () => readConversation(items),
        (error) => error instanceof WireError && error.code === 'WIRE_BAD_FIELD' && error.field === field,
      )
  })

  it('pairs repeated ids of one turn in order', () => {
    const { turns } = readConversation([user('go'), call('0'), call('0'), result('0', '/1'), result('0', '/2')])
    assert.deepEqual(turns[2]?.role === 'user' && turns[2].results.map((item) => item.source?.pointer), ['/1', '/2'])
  })

  it('gives the same earlier turns when the history grows (law 2)', () => {
    const session = [instructs('s'), user('a'), instructs('mid'), thinks('t'), says('b'), call('1'), result('1')]
    const longer = [...session, says('done'), user('more'), call('2'), result('2')]
    assert.deepEqual(readConversation(longer).turns.slice(0, 3), readConversation(session).turns)
  })
})

describe('a wrapped instruction', () => {
  it('is tagged and keeps its text', () => {
    const item = instructs('be brief')
    assert.ok(item.kind === 'instruction')
    assert.equal(wrapInstruction(item), '<system-message>\nbe brief\n</system-message>')
  })
})
