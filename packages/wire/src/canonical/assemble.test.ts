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

  it('keep the log-probabilities of an answer, which a Responses caller had lost in a whole one', () => {
    const token = { token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }
    const logprobs = { content: [token], reasoning_content: [token, token] }
    const assembler = new ResponseAssembler()
    for (const event of disassemble({ ...answer, logprobs })) assembler.push(event)
    assert.deepEqual(assembler.response(), { ...answer, logprobs })
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

  it('give every choice its own blocks, reason and log-probabilities, however they interleave', () => {
    const assembler = new ResponseAssembler()
    const token = (text: string) => ({ content: [{ token: text, logprob: -1, bytes: [] }] })
    for (const choice of [0, 1]) assembler.push({ type: 'text-start', key: choice, refusal: false, choice })
    assembler.push({ type: 'text-delta', key: 1, text: 'b', logprobs: token('b') })
    assembler.push({ type: 'text-delta', key: 0, text: 'a', logprobs: token('a') })
    assembler.push({ type: 'choice-end', choice: 1, stop: 'length' })
    assembler.push({ type: 'choice-end', choice: 0, stop: 'end' })
    assembler.push({
      type: 'response-end',
      stop: 'end',
      stopSequence: null,
      refusalExplanation: null,
      usage: noUsage,
    })
    const { items, stop, logprobs, moreChoices } = assembler.response()!
    const said = (text: string) => [{ kind: 'assistant-text', parts: [{ type: 'text', text }], refusal: false }]
    assert.deepEqual({ items, stop, logprobs }, { items: said('a'), stop: 'end', logprobs: token('a') })
    assert.deepEqual(moreChoices, [{ items: said('b'), stop: 'length', logprobs: token('b') }])
  })

  it('report the error that ended a stream', () => {
    const assembler = new ResponseAssembler()
    assembler.push({ type: 'error', kind: 'overloaded', message: 'busy', code: null })
    assert.equal(assembler.error?.kind, 'overloaded')
    assert.equal(assembler.response(), null)
  })
})
