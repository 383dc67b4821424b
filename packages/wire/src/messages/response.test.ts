import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CanonicalResponse, OutputItem } from '../canonical/response.ts'
import { noUsage } from '../canonical/usage.ts'
import { WireError } from '../errors.ts'
import { createSealer } from '../seal/sealer.ts'
import { answerContext, emptyRequest } from './fixtures.test-support.ts'
import { fromCanonicalResponse, toCanonicalResponse } from './response.ts'

const sealer = createSealer(Buffer.alloc(32, 7))
const read = (text: string) => toCanonicalResponse(JSON.parse(text), text)
const message = (content: unknown[], more: object = {}) =>
  JSON.stringify({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content,
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 2 },
    ...more,
  })

function write(
  items: readonly OutputItem[],
  more: Partial<CanonicalResponse> = {},
  context = answerContext(),
): Record<string, unknown> {
  const response: CanonicalResponse = {
    id: 'up',
    model: 'up',
    createdSec: null,
    items,
    stop: 'end',
    stopSequence: null,
    refusalExplanation: null,
    usage: noUsage,
    logprobs: null,
    moreChoices: [],
    ...more,
  }
  return JSON.parse(JSON.stringify(fromCanonicalResponse(response, context))) as Record<string, unknown>
}

describe('reading a message', () => {
  it('reads every block, arguments by their characters', () => {
    const response = read(
      '{"id":"msg_1","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"S"},{"type":"redacted_thinking","data":"R"},{"type":"text","text":"","citations":null},{"type":"text","text":"x","citations":[{"type":"char_location"}]},{"type":"tool_use","id":"a","name":"f","input":{"n": 1.0}},{"type":"server_tool_use","id":"s"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}',
    )
    assert.deepEqual(
      response.items.map((item) => item.kind),
      ['reasoning', 'reasoning', 'assistant-text', 'tool-call', 'foreign'],
    )
    const call = response.items[3]
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === '{"n":1.0}')
    assert.equal(response.stop, 'tool-call')
  })

  it('refuses what is no message and a stop for tools without a call', () => {
    for (const body of [null, [], {}, { content: 'x' }]) assert.throws(() => toCanonicalResponse(body, ''), WireError)
    assert.throws(() => read(message([{ type: 'text', text: 'x' }], { stop_reason: 'tool_use' })), WireError)
  })

  it('reads a refusal', () => {
    const response = read(message([], { stop_reason: 'refusal', stop_details: { type: 'refusal', explanation: 'no' } }))
    assert.deepEqual([response.stop, response.refusalExplanation], ['refusal', 'no'])
  })
})

describe('writing a message', () => {
  it('has every required member, nulls included', () => {
    assert.deepEqual(write([{ kind: 'assistant-text', parts: [{ type: 'text', text: 'PONG' }] }]), {
      id: 'msg_req1',
      type: 'message',
      role: 'assistant',
      model: 'asked',
      content: [{ type: 'text', text: 'PONG', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      usage: {
        input_tokens: 0,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        cache_creation: null,
        output_tokens: 0,
        output_tokens_details: null,
        server_tool_use: null,
        service_tier: null,
        inference_geo: null,
        speed: null,
      },
    })
  })

  it('seals reasoning with the exact arguments of the calls after it', () => {
    const items: OutputItem[] = [
      { kind: 'reasoning', text: 'hm', summary: [], token: null },
      { kind: 'tool-call', callId: 'a', name: 'f', namespace: null, argumentsText: '{"n": 1.0}', custom: false },
    ]
    const content = write(items, {}, answerContext({ sealer }))['content'] as { signature?: string; input?: unknown }[]
    assert.deepEqual(sealer.open(content[0]?.signature ?? ''), {
      family: 'v4',
      reasoning: 'hm',
      toolArguments: { a: '{"n": 1.0}' },
    })
    assert.deepEqual(content[1], { type: 'tool_use', id: 'a', caller: { type: 'direct' }, name: 'f', input: { n: 1 } })
  })

  it('hides thinking that the caller wants omitted, but not its signature', () => {
    const request = {
      ...emptyRequest,
      thinking: { mode: 'adaptive' as const, effort: null, budgetTokens: null, display: 'omitted' as const },
    }
    const content = write(
      [{ kind: 'reasoning', text: 'secret', summary: [], token: null }],
      {},
      answerContext({ sealer, request }),
    )['content'] as { thinking: string; signature: string }[]
    assert.equal(content[0]?.thinking, '')
    assert.equal(sealer.open(content[0]?.signature ?? '')?.reasoning, 'secret')
  })

  it('keeps arguments that are no object in a stand-in that comes back', () => {
    const items: OutputItem[] = [
      { kind: 'tool-call', callId: 'a', name: 'f', namespace: null, argumentsText: '{"x', custom: false },
    ]
    const content = write(items)['content'] as { input: unknown }[]
    assert.deepEqual(content[0]?.input, { __unparsedToolInput: { raw: '{"x', len: 3 } })
  })

  it('turns url citations into search result locations and drops empty text', () => {
    const items: OutputItem[] = [
      { kind: 'assistant-text', parts: [{ type: 'text', text: '' }] },
      {
        kind: 'assistant-text',
        parts: [
          {
            type: 'text',
            text: 'x',
            citations: [{ type: 'url_citation', url_citation: { url: 'https://a', title: 'A' } }, 7],
          },
        ],
      },
    ]
    assert.deepEqual(write(items)['content'], [
      {
        type: 'text',
        text: 'x',
        citations: [
          { type: 'web_search_result_location', cited_text: '', encrypted_index: '', title: 'A', url: 'https://a' },
        ],
      },
    ])
  })

  it('says why it stopped', () => {
    assert.equal(write([], { stop: 'length' })['stop_reason'], 'max_tokens')
    assert.equal(write([], { stop: 'context' })['stop_reason'], 'model_context_window_exceeded')
    assert.deepEqual(write([], { stop: 'stop-sequence', stopSequence: 'END' })['stop_sequence'], 'END')
    assert.deepEqual(write([], { stop: 'refusal', refusalExplanation: 'no' })['stop_details'], {
      type: 'refusal',
      category: null,
      explanation: 'no',
    })
  })
})
