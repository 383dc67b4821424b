import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { noUsage, type Usage } from '../canonical/usage.ts'
import { createSealer } from '../seal/sealer.ts'
import { answerContext, emptyRequest, parseSent, type SentEvent } from './fixtures.test-support.ts'
import { createMessagesStreamWriter } from './stream-writer.ts'

const sealer = createSealer(Buffer.alloc(32, 7))
const usage: Usage = {
  ...noUsage,
  inputTokens: 140,
  hitTokens: 128,
  missTokens: 12,
  writtenTokens: 0,
  outputTokens: 5,
  reasoningTokens: 2,
}

const start: CanonicalEvent = { type: 'response-start', id: 'up', model: 'up', createdSec: null, usage: null }
const end = (stop: 'end' | 'tool-call' | 'length' | 'refusal' = 'end'): CanonicalEvent => ({
  type: 'response-end',
  stop,
  stopSequence: null,
  refusalExplanation: stop === 'refusal' ? 'no' : null,
  usage,
})
const text = (key: number, value: string): CanonicalEvent[] => [
  { type: 'text-start', key, refusal: false },
  { type: 'text-delta', key, text: value },
  { type: 'text-end', key },
]
const thought = (
  key: number,
  value: string,
  token: { family: 'anthropic'; data: string } | null = null,
): CanonicalEvent[] => [
  { type: 'reasoning-start', key, redacted: false },
  { type: 'reasoning-delta', key, text: value, summary: false },
  { type: 'reasoning-end', key, token },
]
const callStart = (key: number, callId = `call_${key}`): CanonicalEvent => ({
  type: 'tool-call-start',
  key,
  callId,
  name: 'f',
  namespace: null,
  custom: false,
})
const callDelta = (key: number, argumentsDelta: string): CanonicalEvent => ({
  type: 'tool-call-delta',
  key,
  argumentsDelta,
})
const callEnd = (key: number): CanonicalEvent => ({ type: 'tool-call-end', key })

function send(events: readonly CanonicalEvent[], more: Partial<AnswerContext> = {}): SentEvent[] {
  const writer = createMessagesStreamWriter(answerContext(more))
  return parseSent(events.map((event) => writer.write(event)).join(''))
}

/** One line per event: `start 0 text`, `delta 0 PONG`, `stop 0`. */
function log(events: readonly SentEvent[]): string[] {
  return events.map((event) => {
    const block = event['content_block'] as { type: string } | undefined
    const delta = event['delta'] as Record<string, string> | undefined
    if (event.type === 'content_block_start') return `start ${String(event['index'])} ${block?.type}`
    if (event.type === 'content_block_stop') return `stop ${String(event['index'])}`
    if (event.type === 'content_block_delta')
      return `delta ${String(event['index'])} ${delta?.['text'] ?? delta?.['thinking'] ?? delta?.['partial_json'] ?? delta?.['type']}`
    if (event.type === 'message_delta') return `message_delta ${delta?.['stop_reason']}`
    return event.type
  })
}

describe('Messages stream writer', () => {
  it('writes every member that the 1.x types require, nulls included', () => {
    const events = send([start, ...text(0, 'PONG'), end()])
    assert.deepEqual(events, [
      {
        type: 'message_start',
        message: {
          id: 'msg_req1',
          type: 'message',
          role: 'assistant',
          model: 'asked',
          content: [],
          stop_reason: null,
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
        },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '', citations: null } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'PONG' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null, container: null },
        usage: {
          input_tokens: 12,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 128,
          output_tokens: 5,
          output_tokens_details: { thinking_tokens: 2 },
          server_tool_use: null,
        },
      },
      { type: 'message_stop' },
    ])
  })

  it('tells usage at the start when it is known then (vllm#49456, mlx-node#45), without cached tokens in input (vllm#40912)', () => {
    const early = { ...noUsage, inputTokens: 140, hitTokens: 128 }
    for (const events of [[{ ...start, usage: early }], [start, { type: 'usage' as const, usage: early }]]) {
      const message = send(events)[0]?.['message'] as {
        usage: { input_tokens: number; cache_read_input_tokens: number }
      }
      assert.equal(message.usage.input_tokens, 12)
      assert.equal(message.usage.cache_read_input_tokens, 128)
    }
  })

  it('sends nothing until there is something to say', () => {
    const writer = createMessagesStreamWriter(answerContext())
    assert.equal(writer.write(start), '')
    assert.equal(writer.write({ type: 'text-start', key: 0, refusal: false }), '')
    assert.match(writer.write({ type: 'text-delta', key: 0, text: 'x' }), /^event: message_start\n/)
  })

  it('opens blocks lazily and counts them densely (litellm#34692, new-api#5482)', () => {
    assert.deepEqual(
      log(
        send([
          start,
          { type: 'text-start', key: 4, refusal: false },
          { type: 'text-end', key: 4 },
          ...thought(7, 'hm'),
          ...text(9, 'x'),
          callStart(12),
          callDelta(12, '{"a":1}'),
          callEnd(12),
          end('tool-call'),
        ]),
      ),
      [
        'message_start',
        'start 0 thinking',
        'delta 0 hm',
        'stop 0',
        'start 1 text',
        'delta 1 x',
        'stop 1',
        'start 2 tool_use',
        'delta 2 {"a":1}',
        'stop 2',
        'message_delta tool_use',
        'message_stop',
      ],
    )
  })

  it('buffers a parallel call until the first one ended (new-api#6394, sub2api#4294)', () => {
    assert.deepEqual(
      log(
        send([
          start,
          callStart(0),
          callStart(1),
          callDelta(0, '{"a"'),
          callDelta(1, '{"b"'),
          callDelta(0, ':1}'),
          callDelta(1, ':2}'),
          callEnd(0),
          callEnd(1),
          end('tool-call'),
        ]),
      ),
      [
        'message_start',
        'start 0 tool_use',
        'delta 0 {"a"',
        'delta 0 :1}',
        'stop 0',
        'start 1 tool_use',
        'delta 1 {"b"',
        'delta 1 :2}',
        'stop 1',
        'message_delta tool_use',
        'message_stop',
      ],
    )
  })

  it('lets the first call go as soon as it is complete and the second has begun, before any end (kitty-bridge#116)', () => {
    const writer = createMessagesStreamWriter(answerContext())
    const sent = [
      start,
      callStart(0),
      callDelta(0, '{"a":{}'),
      callDelta(0, '}'),
      callStart(1),
      callDelta(1, '{"b"'),
    ].map((event) => writer.write(event))
    assert.deepEqual(log(parseSent(sent.join(''))).slice(-4), [
      'delta 0 }',
      'stop 0',
      'start 1 tool_use',
      'delta 1 {"b"',
    ])
  })

  it('flushes all arguments that come in the last moment (catalogue 7), and never mixes calls (praxis-proxy/ai#266)', () => {
    const lines = log(
      send([
        start,
        callStart(0),
        callStart(1),
        callStart(2),
        callDelta(2, '{"c":3}'),
        callDelta(1, '{"b":2}'),
        callDelta(0, '{"a":1}'),
        callEnd(2),
        callEnd(1),
        callEnd(0),
        end('tool-call'),
      ]),
    )
    assert.deepEqual(
      lines.filter((line) => line.startsWith('delta')),
      ['delta 0 {"a":1}', 'delta 1 {"b":2}', 'delta 2 {"c":3}'],
    )
  })

  it('sends one {} for a call without arguments (vscode-copilot-release#8040, bifrost#3441)', () => {
    assert.deepEqual(log(send([start, callStart(0), callEnd(0), end('tool-call')])).slice(1, 4), [
      'start 0 tool_use',
      'delta 0 {}',
      'stop 0',
    ])
  })

  it('gives text after a call a block of its own', () => {
    assert.deepEqual(log(send([start, callStart(0), callDelta(0, '{}'), ...text(1, 'so'), callEnd(0), end()])), [
      'message_start',
      'start 0 tool_use',
      'delta 0 {}',
      'stop 0',
      'start 1 text',
      'delta 1 so',
      'stop 1',
      'message_delta tool_use',
      'message_stop',
    ])
  })

  it('forces tool_use after a call and never says it without one (bifrost#3638, CLIProxyAPI#3799)', () => {
    assert.equal(log(send([start, callStart(0), callEnd(0), end('end')])).at(-2), 'message_delta tool_use')
    assert.equal(log(send([start, ...text(0, 'x'), end('tool-call')])).at(-2), 'message_delta end_turn')
    assert.equal(
      log(send([start, callStart(0), callDelta(0, '{"x'), callEnd(0), end('length')])).at(-2),
      'message_delta max_tokens',
    )
  })

  it('explains a refusal', () => {
    const delta = send([start, end('refusal')]).find((event) => event.type === 'message_delta')?.['delta']
    assert.deepEqual(delta, {
      stop_reason: 'refusal',
      stop_sequence: null,
      stop_details: { type: 'refusal', category: null, explanation: 'no' },
      container: null,
    })
  })

  it('restores tool names that the upstream could not take (narracat-novel-agent#12)', () => {
    const toolNames = new Map([['f', { name: 'original.name', namespace: null, custom: false }]])
    const block = send([start, callStart(0), callEnd(0), end()], { toolNames })[1]?.['content_block']
    assert.deepEqual(block, {
      type: 'tool_use',
      id: 'call_0',
      caller: { type: 'direct' },
      name: 'original.name',
      input: {},
    })
  })

  it('passes on blocks of the vendor’s own servers and citations', () => {
    const citation = { type: 'web_search_result_location', cited_text: '', encrypted_index: 'e', title: null, url: 'u' }
    const events = send([
      start,
      {
        type: 'foreign',
        name: 'server_tool_use',
        raw: { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
      },
      {
        type: 'foreign',
        name: 'web_search_tool_result',
        raw: { type: 'web_search_tool_result', tool_use_id: 's', content: [] },
      },
      { type: 'foreign', name: 'reasoning_details', raw: {} },
      { type: 'text-start', key: 0, refusal: false },
      { type: 'text-delta', key: 0, text: 'found' },
      { type: 'text-end', key: 0, citations: [citation] },
      end(),
    ])
    assert.deepEqual(log(events), [
      'message_start',
      'start 0 server_tool_use',
      'delta 0 {"query":"q"}',
      'stop 0',
      'start 1 web_search_tool_result',
      'stop 1',
      'start 2 text',
      'delta 2 found',
      'delta 2 citations_delta',
      'stop 2',
      'message_delta end_turn',
      'message_stop',
    ])
  })
})

describe('Messages stream writer and thinking', () => {
  const signatureIn = (events: readonly SentEvent[]) =>
    events
      .map((event) => event['delta'] as { type?: string; signature?: string } | undefined)
      .find((delta) => delta?.type === 'signature_delta')?.signature

  it('closes thinking with a token of ours that holds the text', () => {
    const events = send([start, ...thought(0, 'let me see'), ...text(1, 'x'), end()], { sealer })
    assert.deepEqual(log(events).slice(1, 5), [
      'start 0 thinking',
      'delta 0 let me see',
      'delta 0 signature_delta',
      'stop 0',
    ])
    assert.deepEqual(sealer.open(signatureIn(events) ?? ''), {
      family: 'v4',
      reasoning: 'let me see',
      toolArguments: {},
    })
  })

  it("keeps the upstream's own signature (krouter#11)", () => {
    assert.equal(
      signatureIn(send([start, ...thought(0, 'a', { family: 'anthropic', data: 'SIG' }), end()], { sealer })),
      'SIG',
    )
  })

  it('sends an empty block with our signature when the caller wants thinking omitted', () => {
    const request = {
      ...emptyRequest,
      from: 'messages' as const,
      thinking: { mode: 'adaptive' as const, effort: null, budgetTokens: null, display: 'omitted' as const },
    }
    const events = send([start, ...thought(0, 'secret'), ...text(1, 'x'), end()], { sealer, request })
    assert.ok(!JSON.stringify(events).includes('secret'))
    assert.deepEqual(log(events).slice(1, 4), ['start 0 thinking', 'delta 0 signature_delta', 'stop 0'])
    assert.equal(sealer.open(signatureIn(events) ?? '')?.reasoning, 'secret')
  })

  it('passes on signature-only and redacted blocks (OpenRouterTeam/ai-sdk-provider#423)', () => {
    const only: CanonicalEvent[] = [
      { type: 'reasoning-start', key: 0, redacted: false },
      { type: 'reasoning-end', key: 0, token: { family: 'anthropic', data: 'S' } },
    ]
    assert.deepEqual(log(send([start, ...only, end()])).slice(1, 4), [
      'start 0 thinking',
      'delta 0 signature_delta',
      'stop 0',
    ])
    const redacted: CanonicalEvent[] = [
      { type: 'reasoning-start', key: 0, redacted: true },
      { type: 'reasoning-end', key: 0, token: { family: 'anthropic', data: 'R' } },
    ]
    assert.deepEqual(send([start, ...redacted, end()])[1]?.['content_block'], { type: 'redacted_thinking', data: 'R' })
  })

  it('closes speech that is still open when something else begins', () => {
    assert.deepEqual(
      log(
        send([
          start,
          { type: 'reasoning-start', key: 0, redacted: false },
          { type: 'reasoning-delta', key: 0, text: 'hm', summary: false },
          { type: 'text-start', key: 1, refusal: false },
          { type: 'text-delta', key: 1, text: 'x' },
          callStart(2),
          callEnd(2),
          end(),
        ]),
      ),
      [
        'message_start',
        'start 0 thinking',
        'delta 0 hm',
        'stop 0',
        'start 1 text',
        'delta 1 x',
        'stop 1',
        'start 2 tool_use',
        'delta 2 {}',
        'stop 2',
        'message_delta tool_use',
        'message_stop',
      ],
    )
  })
})

describe('Messages stream ends and signs of life', () => {
  it('ends with one error event that carries the request id, and then falls silent', () => {
    const writer = createMessagesStreamWriter(answerContext())
    writer.write(start)
    writer.write({ type: 'text-delta', key: 0, text: 'PO' })
    const sent = writer.write({ type: 'error', kind: 'overloaded', message: 'busy', code: null })
    assert.equal(
      sent,
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"req-1"}\n\n',
    )
    assert.equal(writer.write(end()), '')
    assert.equal(writer.keepAlive(), '')
  })

  it('pings with an event, because some clients time out on comments', () => {
    const writer = createMessagesStreamWriter(answerContext())
    assert.equal(writer.keepAlive(), 'event: ping\ndata: {"type":"ping"}\n\n')
    assert.equal(writer.write({ type: 'ping' }), writer.keepAlive())
  })

  it('delivers content that comes without a response-start', () => {
    assert.equal(log(send([...text(0, 'x'), end()]))[0], 'message_start')
  })
})
