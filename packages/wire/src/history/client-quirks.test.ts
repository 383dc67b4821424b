import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Item } from '../canonical/request.ts'
import { settleReplayedItems, unparsedToolInput, wrapUnparsedToolInput } from './client-quirks.ts'

const user = (text: string, pointer = '/messages/1/content/0'): Item => ({
  kind: 'user',
  parts: [{ type: 'text', text }],
  source: { pointer },
})
const said = (text: string): Item => ({ kind: 'assistant-text', parts: [{ type: 'text', text }] })
const thought = (text: string): Item => ({ kind: 'reasoning', text, summary: [], token: null })
const call = (callId: string): Item => ({
  kind: 'tool-call',
  callId,
  name: 'f',
  namespace: null,
  argumentsText: '{}',
  custom: false,
})
const result = (callId: string): Item => ({ kind: 'tool-result', callId, parts: [], isError: false })

/** `t:x` text, `r:x` reasoning, `c:x` call, `=x` result, `u:x+y` user. */
function short(items: readonly Item[]): string {
  return items
    .map((item) => {
      if (item.kind === 'user')
        return `u:${item.parts.map((part) => (part.type === 'text' ? part.text : '')).join('+')}`
      if (item.kind === 'assistant-text') return `t:${item.parts[0]?.text}`
      if (item.kind === 'reasoning') return `r:${item.text}`
      if (item.kind === 'tool-call') return `c:${item.callId}`
      return item.kind === 'tool-result' ? `=${item.callId}` : item.kind
    })
    .join(' ')
}

describe('replayed histories', () => {
  it('have results in call order and first, users after them', () => {
    const items = [call('a'), call('b'), user('x'), result('b'), user('y', '/messages/1/content/2'), result('a')]
    assert.equal(short(settleReplayedItems(items)), 'c:a c:b =a =b u:x+y')
  })

  it('keep messages of their own apart', () => {
    assert.equal(
      short(
        settleReplayedItems([call('a'), result('a'), user('x', '/messages/1/content/1'), user('y', '/messages/2')]),
      ),
      'c:a =a u:x u:y',
    )
  })

  it('have text before the calls it was sampled after, but never across reasoning', () => {
    assert.equal(
      short(settleReplayedItems([thought('1'), call('a'), said('x'), call('b'), thought('2'), call('c'), said('y')])),
      'r:1 t:x c:a c:b r:2 t:y c:c',
    )
  })

  it('leave alone what nobody reshapes, and results that answer nothing', () => {
    const items = [user('x'), said('a'), user('y'), call('a'), result('z'), result('a')]
    assert.equal(short(settleReplayedItems(items)), 'u:x t:a u:y c:a =a =z')
    assert.deepEqual(settleReplayedItems([]), [])
  })

  it('settle to themselves', () => {
    const items = [call('a'), said('t'), call('b'), user('x'), result('b'), result('a')]
    const settled = settleReplayedItems(items)
    assert.deepEqual(settleReplayedItems(settled), settled)
  })
})

describe('arguments that did not parse', () => {
  it('come back from the stand-in verbatim', () => {
    assert.equal(unparsedToolInput(wrapUnparsedToolInput('{"x')), '{"x')
    for (const input of [
      null,
      'x',
      {},
      { __unparsedToolInput: 'x' },
      { __unparsedToolInput: { raw: 1 } },
      { ...wrapUnparsedToolInput('x'), more: 1 },
    ])
      assert.equal(unparsedToolInput(input), null)
  })
})
