import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { noUsage, type CanonicalEvent } from '@portolan/wire'
import { AnswerCapture, declinesRecording } from './recording-port.ts'

const events = (text: string): CanonicalEvent[] => [
  { type: 'response-start', id: 'a', model: 'm', createdSec: 1, usage: null },
  { type: 'text-start', key: 0, refusal: false },
  { type: 'text-delta', key: 0, text },
  { type: 'text-end', key: 0 },
  { type: 'response-end', stop: 'end', stopSequence: null, refusalExplanation: null, usage: noUsage },
]

describe('what a recorder is given', () => {
  it('is the answer of the attempt that counts, whole or not at all', () => {
    const capture = new AnswerCapture()
    for (const event of events('first try').slice(0, 3)) capture.observe(event)
    const cutOff = capture.answer
    assert.equal(cutOff, null)
    capture.restart()
    for (const event of events('second try')) capture.observe(event)
    const { answer } = capture
    assert.ok(answer?.kind === 'canonical')
    assert.deepEqual(answer.response.items, [
      { kind: 'assistant-text', parts: [{ type: 'text', text: 'second try' }], refusal: false },
    ])
  })

  it('is the body where nobody had to read the answer', () => {
    const capture = new AnswerCapture()
    capture.keepBody('chat', '{"choices":[]}')
    capture.observe(events('')[0]!)
    assert.deepEqual(capture.answer, { kind: 'body', protocol: 'chat', text: '{"choices":[]}' })
  })

  it('is nothing when the caller says off', () => {
    assert.ok(declinesRecording({ 'x-portolan-record': ' OFF ' }))
    assert.ok(!declinesRecording({}))
    assert.ok(!declinesRecording({ 'x-portolan-record': 'on' }))
  })
})
