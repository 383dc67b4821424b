import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { disassemble, ResponseAssembler } from './assemble.ts'
import type { CanonicalResponse } from './response.ts'
import { noUsage } from './usage.ts'

const answer: CanonicalResponse = {
  id: 'a1',
  model: 'm',
  createdSec: 7,
  items: [
    {
      kind: 'reasoning',
      text: 'need the weather',
      summary: [],
      token: { family: 'anthropic', data: 'sig' },
      redacted: false,
      id: undefined,
    },
    { kind: 'assistant-text', parts: [{ type: 'text', text: 'Let me look.' }], refusal: false },
    {
      kind: 'tool-call',
      callId: 'c1',
      name: 'weather',
      namespace: null,
      argumentsText: '{"city":"Oslo","n":1.0}',
      custom: false,
    },
    { kind: 'tool-call', callId: 'c2', name: 'time', namespace: null, argumentsText: '', custom: false },
  ],
  stop: 'tool-call',
  stopSequence: null,
  refusalExplanation: null,
  usage: { ...noUsage, inputTokens: 3, outputTokens: 5 },
  logprobs: null,
  moreChoices: [],
}

describe('assemble and disassemble', () => {
  it('are inverse on everything an answer can hold', () => {
    const assembler = new ResponseAssembler()
    for (const event of disassemble(answer)) assembler.push(event)
    assert.deepEqual(assembler.response(), answer)
  })

  it('give no answer before the terminal event', () => {
    const assembler = new ResponseAssembler()
    for (const event of disassemble(answer)) if (event.type !== 'response-end') assembler.push(event)
    assert.equal(assembler.response(), null)
  })

  it('keep two interleaved tool calls apart', () => {
    const assembler = new ResponseAssembler()
    assembler.push({ type: 'tool-call-start', key: 0, callId: 'a', name: 'f', namespace: null, custom: false })
    assembler.push({ type: 'tool-call-start', key: 1, callId: 'b', name: 'g', namespace: null, custom: false })
    assembler.push({ type: 'tool-call-delta', key: 0, argumentsDelta: '{"x"' })
    assembler.push({ type: 'tool-call-delta', key: 1, argumentsDelta: '{}' })
    assembler.push({ type: 'tool-call-delta', key: 0, argumentsDelta: ':1}' })
    assembler.push({
      type: 'response-end',
      stop: 'tool-call',
      stopSequence: null,
      refusalExplanation: null,
      usage: noUsage,
    })
    const calls = assembler.response()!.items.map((item) => (item.kind === 'tool-call' ? item.argumentsText : null))
    assert.deepEqual(calls, ['{"x":1}', '{}'])
  })

  it('report the error that ended a stream', () => {
    const assembler = new ResponseAssembler()
    assembler.push({ type: 'error', kind: 'overloaded', message: 'busy', code: null })
    assert.equal(assembler.error?.kind, 'overloaded')
    assert.equal(assembler.response(), null)
  })
})
