import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WireError } from '../errors.ts'
import { chatToCanonical } from './to-canonical.ts'
import { plainSealer, readContext, requestOf } from './testing.ts'

function items(...messages: unknown[]) {
  return requestOf({ messages }).items.map(({ source: _source, ...item }) => item)
}

function thinking(body: Record<string, unknown>) {
  const { mode, effort } = requestOf(body).thinking ?? {}
  return [mode, effort]
}

describe('probabilities of tokens in a Chat request', () => {
  it('are wanted by `logprobs`, with as many alternatives as `top_logprobs` says', () => {
    const wanted = (body: object) => requestOf({ messages: [], ...body }).topLogprobs
    assert.deepEqual([{}, { logprobs: false }, { logprobs: true }, { logprobs: true, top_logprobs: 3 }].map(wanted), [
      null,
      null,
      0,
      3,
    ])
    // Nothing is asked for, so nothing is lost: SDK wrappers send their defaults.
    assert.deepEqual([{ top_logprobs: 0 }, { logprobs: false, top_logprobs: null }].map(wanted), [null, null])
  })

  it('are refused where only alternatives are asked for, which were once dropped in silence', () => {
    for (const logprobs of [undefined, null, false])
      assert.throws(
        () => requestOf({ messages: [], logprobs, top_logprobs: 2 }),
        (error) =>
          error instanceof WireError && error.field === 'top_logprobs' && /`logprobs` be true/.test(error.message),
      )
  })
})

describe('a Chat request in canonical form', () => {
  it('reads instructions at the start and in the middle, users, assistants and tool results', () => {
    assert.deepEqual(
      items(
        { role: 'system', content: 'be kind' },
        { role: 'user', content: 'hi', name: 'ann' },
        { role: 'developer', content: [{ type: 'text', text: 'be brief' }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1.0}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'done' },
      ),
      [
        { kind: 'instruction', placement: 'top', role: 'system', parts: [{ type: 'text', text: 'be kind' }] },
        { kind: 'user', parts: [{ type: 'text', text: 'hi' }], name: 'ann' },
        { kind: 'instruction', placement: 'inline', role: 'developer', parts: [{ type: 'text', text: 'be brief' }] },
        { kind: 'tool-call', callId: 'a', name: 'f', namespace: null, argumentsText: '{"x":1.0}', custom: false },
        { kind: 'tool-result', callId: 'a', parts: [{ type: 'text', text: 'done' }], isError: false },
      ],
    )
  })

  it('does not depend on the order of members (catalogue 76) and takes tool content as a list (68)', () => {
    const [item] = items({ content: [{ text: 'x', type: 'text' }], role: 'user' })
    assert.deepEqual(item, { kind: 'user', parts: [{ type: 'text', text: 'x' }] })
    const body = [
      { role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '' } }] },
      { content: [{ type: 'text', text: '<x>&</x>' }], tool_call_id: 'a', role: 'tool' },
    ]
    assert.deepEqual(items(...body)[1], {
      kind: 'tool-result',
      callId: 'a',
      parts: [{ type: 'text', text: '<x>&</x>' }],
      isError: false,
    })
  })

  it('takes reasoning from either member, before text and calls', () => {
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }
    for (const member of ['reasoning_content', 'reasoning'])
      assert.deepEqual(
        items({ role: 'assistant', content: 't', tool_calls: [call], [member]: 'r' }).map((item) => item.kind),
        ['reasoning', 'assistant-text', 'tool-call'],
      )
  })

  it('prefers what our own token says over what the client kept of it, exact arguments included', () => {
    const data = plainSealer.seal({ family: 'x', reasoning: 'exact', toolArguments: { a: '{"n": 1.0}' } })
    const [reasoning, call] = items({
      role: 'assistant',
      reasoning_content: 'trimmed',
      reasoning_details: [{ type: 'reasoning.encrypted', data, index: 0 }],
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"n":1}' } }],
    })
    assert.deepEqual(reasoning, { kind: 'reasoning', text: 'exact', summary: [], token: { family: 'portolan', data } })
    assert.equal(call?.kind === 'tool-call' && call.argumentsText, '{"n": 1.0}')
  })

  it('keeps a foreign signature with its text', () => {
    const details = [{ type: 'reasoning.text', text: '', signature: 's', format: 'anthropic-claude-v1' }]
    assert.deepEqual(
      items({ role: 'assistant', content: 'x', reasoning_content: 'r', reasoning_details: details })[0],
      {
        kind: 'reasoning',
        text: 'r',
        summary: [],
        token: { family: 'anthropic', data: 's' },
      },
    )
  })

  it('reads images, files and audio', () => {
    const [item] = items({
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
        { type: 'image_url', image_url: { url: 'https://x/y.png' } },
        { type: 'file', file: { file_data: 'data:application/pdf;base64,BBBB', filename: 'a.pdf' } },
        { type: 'input_audio', input_audio: { data: 'CCCC', format: 'wav' } },
      ],
    })
    assert.ok(item?.kind === 'user')
    assert.deepEqual(
      item.parts.map((part) => ('source' in part ? part.source : part.type)),
      [
        { kind: 'base64', mediaType: 'image/png', base64: 'AAAA' },
        { kind: 'url', url: 'https://x/y.png' },
        { kind: 'base64', mediaType: 'application/pdf', base64: 'BBBB' },
        'audio',
      ],
    )
  })

  it('lifts the first tool API: functions, function_call and role function', () => {
    const request = requestOf({
      functions: [{ name: 'f', parameters: { type: 'object' } }],
      function_call: { name: 'f' },
      messages: [
        { role: 'user', content: 'go' },
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: 'ok' },
      ],
    })
    assert.deepEqual(request.toolChoice, { mode: 'named', name: 'f' })
    assert.equal(request.tools[0]?.name, 'f')
    const [, call, result] = request.items
    assert.ok(call?.kind === 'tool-call' && result?.kind === 'tool-result')
    assert.equal(call.callId, result.callId)
  })

  it('reads thinking and effort, DeepSeek and OpenAI way', () => {
    assert.deepEqual(thinking({ thinking: { type: 'disabled' } }), ['off', null])
    assert.deepEqual(thinking({ thinking: { type: 'enabled' }, reasoning_effort: 'max' }), ['on', 'max'])
    assert.deepEqual(thinking({ reasoning_effort: 'none' }), ['off', null])
    assert.deepEqual(thinking({ reasoning_effort: 'low' }), ['on', 'low'])
    assert.equal(requestOf({}).thinking, null)
  })

  it('keeps unknown members', () => {
    assert.deepEqual(requestOf({ store: true, brand_new: [1] }).extra, { store: true, brand_new: [1] })
  })

  it('names the field that is wrong', () => {
    const failing: [Record<string, unknown>, string][] = [
      [{ model: 5 }, 'model'],
      [{ messages: 'hi' }, 'messages'],
      [{ messages: [{ role: 'wizard' }] }, 'messages[0].role'],
      [{ messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
      [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
      [
        { messages: [{ role: 'assistant', content: [{ type: 'image_url', image_url: 'x' }] }] },
        'messages[0].content[0].type',
      ],
      [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
      [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
      [{ tool_choice: 'maybe' }, 'tool_choice'],
      [{ temperature: 'hot' }, 'temperature'],
      [{ max_tokens: -1 }, 'max_tokens'],
      [{ stop: [1] }, 'stop[0]'],
      [{ reasoning_effort: 'huge' }, 'reasoning_effort'],
      [{ response_format: { type: 'xml' } }, 'response_format.type'],
    ]
    for (const [change, field] of failing)
      assert.throws(
        () => chatToCanonical({ model: 'm', messages: [], ...change }, readContext()),
        (error) => error instanceof WireError && error.code === 'WIRE_BAD_FIELD' && error.field === field,
        field,
      )
    for (const body of [null, 5, 'x', []]) assert.throws(() => chatToCanonical(body, readContext()), WireError)
  })
})
