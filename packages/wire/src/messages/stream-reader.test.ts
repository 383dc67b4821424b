import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ResponseAssembler } from '../canonical/assemble.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { readStream } from './fixtures.test-support.ts'
import { createMessagesStreamReader } from './stream-reader.ts'

const start = (usage: object | undefined = { input_tokens: 10, output_tokens: 1 }) => ({
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude', content: [], usage },
})
const open = (index: number, content_block: object) => ({ type: 'content_block_start', index, content_block })
const text = (index: number, value: string) => ({
  type: 'content_block_delta',
  index,
  delta: { type: 'text_delta', text: value },
})
const thought = (index: number, value: string) => ({
  type: 'content_block_delta',
  index,
  delta: { type: 'thinking_delta', thinking: value },
})
const json = (index: number, value: string) => ({
  type: 'content_block_delta',
  index,
  delta: { type: 'input_json_delta', partial_json: value },
})
const stop = (index: number) => ({ type: 'content_block_stop', index })
const delta = (stop_reason: string | null, usage: object = { output_tokens: 5 }) => ({
  type: 'message_delta',
  delta: { stop_reason },
  usage,
})
const done = { type: 'message_stop' }
const tool = (index: number, id: string, input: object = {}) => open(index, { type: 'tool_use', id, name: 'f', input })

const types = (events: readonly CanonicalEvent[]) => events.map((event) => event.type)
function assemble(events: readonly CanonicalEvent[]) {
  const assembler = new ResponseAssembler()
  for (const event of events) assembler.push(event)
  const response = assembler.response()
  assert.ok(response !== null, 'the stream did not end well')
  return response
}

describe('Messages stream reader', () => {
  it('reads thinking, text and calls', () => {
    const events = readStream([
      start({ input_tokens: 10, cache_read_input_tokens: 128, cache_creation_input_tokens: 2, output_tokens: 1 }),
      { type: 'ping' },
      open(0, { type: 'thinking', thinking: '', signature: '' }),
      thought(0, 'hm'),
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'SIG' } },
      stop(0),
      open(1, { type: 'text', text: '' }),
      text(1, 'PO'),
      text(1, 'NG'),
      stop(1),
      tool(2, 'toolu_1'),
      json(2, ''),
      json(2, '{"a":'),
      json(2, '1.0}'),
      stop(2),
      delta('tool_use'),
      done,
    ])
    assert.deepEqual(types(events), [
      'response-start',
      'ping',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-delta',
      'text-end',
      'tool-call-start',
      'tool-call-delta',
      'tool-call-delta',
      'tool-call-end',
      'response-end',
    ])
    const first = events[0]
    assert.ok(first?.type === 'response-start' && first.usage?.inputTokens === 140)
    const response = assemble(events)
    assert.equal(response.stop, 'tool-call')
    assert.equal(response.usage.inputTokens, 140)
    assert.equal(response.usage.hitTokens, 128)
    assert.equal(response.usage.outputTokens, 5)
    const call = response.items[2]
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === '{"a":1.0}')
    const reasoning = response.items[0]
    assert.ok(reasoning?.kind === 'reasoning' && reasoning.token?.data === 'SIG')
  })

  it('lets later usage replace earlier usage and keeps what is not repeated (agentgateway#2977)', () => {
    const events = readStream([
      start(),
      delta(null, { input_tokens: 50, output_tokens: 2 }),
      delta('end_turn', { input_tokens: null, output_tokens: 9 }),
      done,
    ])
    const usage = assemble(events).usage
    assert.equal(usage.inputTokens, 50)
    assert.equal(usage.outputTokens, 9)
  })

  it('reads arguments that come only in the start event, with their spelling', () => {
    const events = readStream([
      start(),
      '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{"n": 1.50}}}',
      stop(0),
      delta('tool_use'),
      done,
    ])
    const call = assemble(events).items[0]
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === '{"n":1.50}')
  })

  it('prefers deltas to arguments in the start event', () => {
    const call = assemble(
      readStream([start(), tool(0, 'a', { old: 1 }), json(0, '{"new":2}'), stop(0), delta('tool_use'), done]),
    ).items[0]
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === '{"new":2}')
  })

  it('gives a call without arguments an empty object (bifrost#3441)', () => {
    const call = assemble(readStream([start(), tool(0, 'a'), stop(0), delta('tool_use'), done])).items[0]
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === '{}')
  })

  it('keeps text that stands in the start event (new-api#1761)', () => {
    const item = assemble(
      readStream([start(), open(0, { type: 'text', text: 'PO' }), text(0, 'NG'), stop(0), delta('end_turn'), done]),
    ).items[0]
    assert.ok(item?.kind === 'assistant-text' && item.parts[0]?.text === 'PONG')
  })

  it('opens nothing for empty blocks and empty deltas (litellm#34692)', () => {
    const events = readStream([
      start(),
      open(0, { type: 'text', text: '' }),
      text(0, ''),
      stop(0),
      tool(1, 'a'),
      stop(1),
      delta('tool_use'),
      done,
    ])
    assert.ok(!types(events).includes('text-start'))
  })

  it('keeps overlapping calls apart by their index (praxis-proxy/ai#266)', () => {
    const response = assemble(
      readStream([
        start(),
        tool(0, 'a'),
        tool(1, 'b'),
        json(0, '{"x"'),
        json(1, '{"y"'),
        json(0, ':1}'),
        json(1, ':2}'),
        stop(1),
        stop(0),
        delta('tool_use'),
        done,
      ]),
    )
    assert.deepEqual(
      response.items.map((item) => item.kind === 'tool-call' && [item.callId, item.argumentsText]),
      [
        ['a', '{"x":1}'],
        ['b', '{"y":2}'],
      ],
    )
  })

  it('says tool-call whatever the upstream said after a call (bifrost#3638, #6123)', () => {
    assert.equal(
      assemble(readStream([start(), tool(0, 'a'), json(0, '{}'), stop(0), delta('end_turn'), done])).stop,
      'tool-call',
    )
    assert.equal(
      assemble(readStream([start(), tool(0, 'a'), json(0, '{"x'), stop(0), delta('max_tokens'), done])).stop,
      'length',
    )
  })

  it('reports a stop for tools without a call as an upstream fault (CLIProxyAPI#3799)', () => {
    const events = readStream([
      start(),
      open(0, { type: 'thinking', thinking: '', signature: 'S' }),
      stop(0),
      delta('tool_use'),
      done,
    ])
    const last = events.at(-1)
    assert.ok(last?.type === 'error' && last.code === 'WIRE_BAD_STREAM')
  })

  it('keeps a block that is a signature alone (OpenRouterTeam/ai-sdk-provider#423)', () => {
    const item = assemble(
      readStream([
        start(),
        open(0, { type: 'thinking', thinking: '', signature: 'S' }),
        stop(0),
        delta('end_turn'),
        done,
      ]),
    ).items[0]
    assert.ok(item?.kind === 'reasoning' && item.text === null && item.token?.data === 'S')
  })

  it('reads redacted thinking and server tools whole', () => {
    const events = readStream([
      start(),
      open(0, { type: 'redacted_thinking', data: 'R' }),
      stop(0),
      open(1, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      json(1, '{"query":"q"}'),
      stop(1),
      open(2, { type: 'web_search_tool_result', tool_use_id: 's', content: [] }),
      stop(2),
      delta('end_turn'),
      done,
    ])
    assert.deepEqual(types(events), [
      'response-start',
      'reasoning-start',
      'reasoning-end',
      'foreign',
      'foreign',
      'response-end',
    ])
    const server = events[3]
    assert.ok(server?.type === 'foreign')
    assert.deepEqual(server.raw, { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } })
  })

  it('collects citations to the end of their text (Portkey-AI/gateway#950)', () => {
    const citation = { type: 'char_location', cited_text: 'x' }
    const events = readStream([
      start(),
      open(0, { type: 'text', text: '', citations: null }),
      text(0, 'a'),
      { type: 'content_block_delta', index: 0, delta: { type: 'citations_delta', citation } },
      stop(0),
      delta('end_turn'),
      done,
    ])
    const end = events.find((event) => event.type === 'text-end')
    assert.ok(end?.type === 'text-end')
    assert.deepEqual(end.citations, [citation])
  })

  it('reads a refusal with its explanation, and every other stop', () => {
    const refused = assemble(
      readStream([
        start(),
        {
          type: 'message_delta',
          delta: { stop_reason: 'refusal', stop_details: { type: 'refusal', explanation: 'no' } },
          usage: {},
        },
        done,
      ]),
    )
    assert.deepEqual([refused.stop, refused.refusalExplanation], ['refusal', 'no'])
    for (const [word, meaning] of [
      ['max_tokens', 'length'],
      ['model_context_window_exceeded', 'context'],
      ['stop_sequence', 'stop-sequence'],
      ['pause_turn', 'pause'],
      ['something_new', 'end'],
    ])
      assert.equal(assemble(readStream([start(), delta(word ?? ''), done])).stop, meaning)
  })
})

describe('Messages stream reader under faults', () => {
  const pong = (events: readonly unknown[]) => {
    const item = assemble(readStream(events)).items[0]
    assert.ok(item?.kind === 'assistant-text')
    return item.parts[0]?.text
  }

  it('reads on without start events, stops, indexes or a first message', () => {
    assert.equal(pong([start(), text(0, 'PONG'), delta('end_turn'), done]), 'PONG')
    assert.equal(pong([start(), text(7, 'PO'), text(7, 'NG'), stop(7), delta('end_turn'), done]), 'PONG')
    assert.equal(pong([open(0, { type: 'text', text: '' }), text(0, 'PONG'), delta('end_turn'), done]), 'PONG')
    assert.equal(pong([start(undefined), start(), text(0, 'PONG'), stop(3), delta('end_turn'), done]), 'PONG')
  })

  it('lets a delta of another kind open a block of its own (litellm#32357)', () => {
    const events = readStream([
      start(),
      open(0, { type: 'text', text: '' }),
      thought(0, 'hm'),
      text(0, 'PONG'),
      stop(0),
      delta('end_turn'),
      done,
    ])
    assert.deepEqual(
      assemble(events).items.map((item) => item.kind),
      ['reasoning', 'assistant-text'],
    )
  })

  it('keeps text apart that falls into an open call', () => {
    const response = assemble(
      readStream([
        start(),
        tool(0, 'a'),
        json(0, '{"x"'),
        text(0, 'oops'),
        json(0, ':1}'),
        stop(0),
        delta('tool_use'),
        done,
      ]),
    )
    const call = response.items.find((item) => item.kind === 'tool-call')
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === '{"x":1}')
  })

  it('serialises text blocks that overlap', () => {
    const events = readStream([
      start(),
      open(0, { type: 'text', text: '' }),
      open(1, { type: 'text', text: '' }),
      text(0, 'a'),
      text(1, 'b'),
      text(0, 'c'),
      stop(0),
      stop(1),
      delta('end_turn'),
      done,
    ])
    assert.deepEqual(
      types(events).filter((type) => type.startsWith('text')),
      [
        'text-start',
        'text-delta',
        'text-end',
        'text-start',
        'text-delta',
        'text-end',
        'text-start',
        'text-delta',
        'text-end',
      ],
    )
  })

  it('ignores unknown events, unknown deltas and a trailing [DONE]', () => {
    assert.equal(
      pong([
        { type: 'hologram' },
        start(),
        { type: 'content_block_delta', index: 0, delta: { type: 'aroma_delta' } },
        text(0, 'PONG'),
        delta('end_turn'),
        done,
        '[DONE]',
      ]),
      'PONG',
    )
  })

  it('ends well without message_stop once a stop reason was seen (axonhub#2000)', () => {
    assert.equal(readStream([start(), text(0, 'x'), delta('end_turn')]).at(-1)?.type, 'response-end')
  })

  it('ends well without message_delta when message_stop came', () => {
    assert.equal(assemble(readStream([start(), tool(0, 'a'), json(0, '{}'), stop(0), done])).stop, 'tool-call')
  })

  it('reports a cut as an error, never as an answer (litellm#32159, #32686)', () => {
    for (const events of [
      [],
      [start()],
      [start(), text(0, 'PO')],
      [start(), tool(0, 'a'), json(0, '{"x":1}'), stop(0)],
    ]) {
      const last = readStream(events).at(-1)
      assert.ok(last?.type === 'error' && last.code === 'WIRE_STREAM_CUT')
    }
  })

  it('passes an error on and then falls silent', () => {
    const reader = createMessagesStreamReader()
    reader.push({ event: 'message_start', data: JSON.stringify(start()) })
    const [error] = reader.push({
      event: 'error',
      data: '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    })
    assert.deepEqual(error, { type: 'error', kind: 'overloaded', message: 'Overloaded', code: 'overloaded_error' })
    assert.deepEqual(reader.push({ event: 'content_block_delta', data: JSON.stringify(text(0, 'x')) }), [])
    assert.deepEqual(reader.end(), [])
  })

  it('recognises an error in the other envelope, without a type', () => {
    const last = readStream([start(), { error: { message: 'no memory', type: 'server_error' } }]).at(-1)
    assert.ok(last?.type === 'error' && last.message === 'no memory' && last.kind === 'upstream')
  })

  it('answers text that is not JSON with an error', () => {
    const last = readStream([start(), '{"type":"content_block_de']).at(-1)
    assert.ok(last?.type === 'error' && last.code === 'WIRE_BAD_STREAM')
  })

  it('never throws on hostile values', () => {
    const values = [
      null,
      7,
      'x',
      [],
      { type: 7 },
      { type: 'message_start' },
      { type: 'message_start', message: { content: [null, { type: 'text', text: 3 }], usage: 'no' } },
      { type: 'content_block_start', index: 'x', content_block: 9 },
      { type: 'content_block_delta', index: -4, delta: { type: 'text_delta', text: {} } },
      { type: 'message_delta', delta: 3, usage: [] },
      { type: 'error', error: 9 },
    ]
    for (const value of values) {
      const events = readStream([value])
      assert.ok(events.at(-1)?.type === 'error', JSON.stringify(value))
    }
  })
})
