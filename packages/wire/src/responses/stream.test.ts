/** Responses streams and answers: the writer's grammar, the reader's leniency, errors. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { noUsage, type Usage } from '../canonical/usage.ts'
import { WireError } from '../errors.ts'
import { createSealer } from '../seal/sealer.ts'
import { SseReader } from '../sse/reader.ts'
import { TranslationReport } from '../translation/report.ts'
import { responsesAdapter } from './adapter.ts'

const sealer = createSealer(new Uint8Array(32).fill(7))

function request(body: Record<string, unknown> = {}): CanonicalRequest {
  const full = { model: 'asked', input: 'hi', ...body }
  const report = new TranslationReport()
  return responsesAdapter.toCanonicalRequest(full, { messagesVersion: '2023-06-01', sealer, text: '', report })
}

function answering(asked: CanonicalRequest = request(), more: Partial<AnswerContext> = {}): AnswerContext {
  return {
    model: 'asked',
    requestId: 'req_1',
    createdSec: 1_700_000_000,
    messagesVersion: '2023-06-01',
    request: asked,
    sealer,
    upstreamFamily: 'deep',
    toolNames: new Map(),
    ...more,
  }
}

type Wire = Record<string, unknown> & { type: string; sequence_number: number }

function written(events: readonly CanonicalEvent[], context = answering()): Wire[] {
  const writer = responsesAdapter.createStreamWriter(context)
  const text = events.map((event) => writer.write(event)).join('')
  return new SseReader().push(Buffer.from(text)).map((message) => {
    const data = JSON.parse(message.data) as Wire
    assert.equal(message.event, data.type)
    return data
  })
}

function readBack(messages: readonly Record<string, unknown>[], end = false): CanonicalEvent[] {
  const reader = responsesAdapter.createStreamReader()
  const events = messages.flatMap((data) => reader.push({ event: null, data: JSON.stringify(data) }))
  return end ? [...events, ...reader.end()] : events
}

const usage: Usage = {
  ...noUsage,
  inputTokens: 10,
  hitTokens: 4,
  missTokens: 6,
  outputTokens: 5,
  reasoningTokens: 2,
}
const start: CanonicalEvent = { type: 'response-start', id: 'up', model: 'served', createdSec: 1, usage: null }
const end = (stop: 'end' | 'tool-call' | 'length' | 'refusal' = 'end'): CanonicalEvent => ({
  type: 'response-end',
  stop,
  stopSequence: null,
  refusalExplanation: null,
  usage,
})
const callStart = (key: number, name: string, callId = `call_${key}`): CanonicalEvent => ({
  type: 'tool-call-start',
  key,
  callId,
  name,
  namespace: null,
  custom: false,
})
const callDelta = (key: number, argumentsDelta: string): CanonicalEvent => ({
  type: 'tool-call-delta',
  key,
  argumentsDelta,
})
const types = (events: readonly { type: string }[]): string[] => events.map((event) => event.type)
const last = (events: readonly Wire[]): Record<string, unknown> => events.at(-1)?.response as Record<string, unknown>

const talk: CanonicalEvent[] = [
  start,
  { type: 'reasoning-start', key: 0, redacted: false },
  { type: 'reasoning-delta', key: 0, text: 'th', summary: false },
  { type: 'reasoning-delta', key: 0, text: 'ink', summary: false },
  { type: 'reasoning-end', key: 0, token: null },
  { type: 'text-start', key: 1, refusal: false },
  { type: 'text-delta', key: 1, text: 'po' },
  { type: 'text-delta', key: 1, text: 'ng' },
  { type: 'text-end', key: 1 },
  end(),
]

describe('a Responses stream', () => {
  it('follows the grammar: every part opened, delivered and closed, sequence numbers without a gap', () => {
    const events = written(talk)
    assert.deepEqual(types(events), [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.reasoning_text.delta',
      'response.reasoning_text.delta',
      'response.reasoning_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    assert.deepEqual(
      events.map((event) => event.sequence_number),
      events.map((_, index) => index),
    )
    assert.equal(events.find((event) => event.type === 'response.output_text.done')?.text, 'pong')
  })

  it('repeats the whole output and the usage at the end, under ids minted from the request', () => {
    const response = last(written(talk))
    assert.equal(response.id, 'resp_req_1')
    assert.equal(response.model, 'asked')
    assert.equal(response.status, 'completed')
    assert.deepEqual(response.usage, {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 15,
    })
    assert.deepEqual(response.output, [
      {
        id: 'rs_req_1_0',
        type: 'reasoning',
        status: 'completed',
        summary: [],
        content: [{ type: 'reasoning_text', text: 'think' }],
        encrypted_content: sealer.seal({ family: 'deep', reasoning: 'think', toolArguments: {} }),
      },
      {
        id: 'msg_req_1_1',
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'pong', annotations: [], logprobs: [] }],
      },
    ])
  })

  it('has every member that the official type requires', () => {
    const response = last(
      written(talk, answering(request({ tools: [{ type: 'function', name: 'f' }], instructions: 'i' }))),
    )
    const required = `id object created_at error incomplete_details instructions metadata model output parallel_tool_calls
      temperature tool_choice tools top_p access_programs status usage`
    for (const member of required.split(/\s+/)) assert.ok(member in response, member)
    assert.equal(response.instructions, 'i')
    assert.equal(response.tool_choice, 'auto')
  })

  it('streams parallel calls live, each with an output index of its own', () => {
    const events = written([
      start,
      callStart(0, 'a'),
      callDelta(0, '{"x":'),
      callStart(1, 'b'),
      callDelta(1, '{}'),
      callDelta(0, '1}'),
      { type: 'tool-call-end', key: 0 },
      { type: 'tool-call-end', key: 1 },
      end('tool-call'),
    ])
    const deltas = events.filter((event) => event.type === 'response.function_call_arguments.delta')
    assert.deepEqual(
      deltas.map((event) => [event.output_index, event.item_id, event.delta]),
      [
        [0, 'fc_req_1_0', '{"x":'],
        [1, 'fc_req_1_1', '{}'],
        [0, 'fc_req_1_0', '1}'],
      ],
    )
    const done = events.filter((event) => event.type === 'response.function_call_arguments.done')
    assert.deepEqual(
      done.map((event) => event.arguments),
      ['{"x":1}', '{}'],
    )
  })

  it('gives a call without arguments an empty object to parse', () => {
    const events = written([start, callStart(0, 'a'), { type: 'tool-call-end', key: 0 }, end('tool-call')])
    const done = events.find((event) => event.type === 'response.function_call_arguments.done')
    assert.equal(done?.arguments, '{}')
  })

  const namespaced = { type: 'namespace', name: 'shell', description: '', tools: [{ type: 'function', name: 'exec' }] }
  const spellings: [string, string, string | undefined][] = [
    ['shell__exec', 'exec', 'shell'],
    ['shell.exec', 'exec', 'shell'],
    ['exec', 'exec', 'shell'],
    ['functions__exec', 'exec', 'shell'],
    ['functions.exec', 'exec', 'shell'],
    ['functions__read', 'read', undefined],
    ['functions.read', 'read', undefined],
    ['read', 'read', undefined],
    ['unheard_of', 'unheard_of', undefined],
  ]
  for (const [spelling, name, namespace] of spellings)
    it(`takes a call of ${spelling} for ${namespace ?? 'no namespace'} / ${name} (sub2api#5883)`, () => {
      const asked = request({ tools: [namespaced, { type: 'function', name: 'read' }] })
      const events = written(
        [start, callStart(0, spelling), { type: 'tool-call-end', key: 0 }, end('tool-call')],
        answering(asked),
      )
      const item = (last(events).output as Record<string, unknown>[])[0]
      assert.deepEqual([item?.type, item?.name, item?.namespace], ['function_call', name, namespace])
    })

  it('gives a free-form call back as one, its input unwrapped while it streams (litellm#31571)', () => {
    const asked = request({ tools: [{ type: 'custom', name: 'apply_patch' }] })
    const toolNames = new Map([['apply_patch', { name: 'apply_patch', namespace: null, custom: true }]])
    const wrapped = JSON.stringify({ input: '*** "Begin"\n\u{1F600}' })
    const events = written(
      [
        start,
        callStart(0, 'apply_patch'),
        ...Array.from(wrapped, (character) => callDelta(0, character)),
        { type: 'tool-call-end', key: 0 },
        end('tool-call'),
      ],
      answering(asked, { toolNames }),
    )
    const deltas = events.filter((event) => event.type === 'response.custom_tool_call_input.delta')
    assert.ok(deltas.length > 5)
    assert.equal(deltas.map((event) => event.delta).join(''), '*** "Begin"\n\u{1F600}')
    const [item] = last(events).output as Record<string, unknown>[]
    assert.deepEqual([item?.type, item?.input, item?.id], ['custom_tool_call', '*** "Begin"\n\u{1F600}', 'ctc_req_1_0'])
    assert.ok(!types(events).some((type) => type.includes('function_call')))
  })

  it('says length and filters as an incomplete answer', () => {
    assert.deepEqual(last(written([start, end('length')])).incomplete_details, { reason: 'max_output_tokens' })
    const filtered = written([start, end('refusal')])
    assert.equal(filtered.at(-1)?.type, 'response.incomplete')
    assert.deepEqual(last(filtered).incomplete_details, { reason: 'content_filter' })
  })

  it('says a refusal in a refusal part', () => {
    const events = written([
      start,
      { type: 'text-start', key: 0, refusal: true },
      { type: 'text-delta', key: 0, text: 'No.' },
      { type: 'text-end', key: 0 },
      end('refusal'),
    ])
    assert.ok(types(events).includes('response.refusal.delta'))
    assert.equal(events.at(-1)?.type, 'response.completed')
    const [item] = last(events).output as { content: unknown[] }[]
    assert.deepEqual(item?.content, [{ type: 'refusal', refusal: 'No.' }])
  })

  it('says an error as response.failed with what had arrived, without the call that was cut, and then nothing', () => {
    const writer = responsesAdapter.createStreamWriter(answering())
    const events = [
      ...talk.slice(0, -1),
      callStart(9, 'a'),
      callDelta(9, '{"path": "/et'),
      { type: 'error', kind: 'rate-limit', message: 'slow down', code: 'WIRE_X' } as const,
      end(),
    ]
    const text = events.map((event) => writer.write(event)).join('')
    const messages = new SseReader().push(Buffer.from(text)).map((message) => JSON.parse(message.data) as Wire)
    const response = last(messages)
    assert.equal(messages.at(-1)?.type, 'response.failed')
    assert.deepEqual(response.error, { code: 'rate_limit_exceeded', message: 'slow down' })
    assert.equal((response.output as unknown[]).length, 2)
  })

  it('keeps quiet connections alive with comments, never with events', () => {
    const writer = responsesAdapter.createStreamWriter(answering())
    assert.deepEqual(new SseReader().push(Buffer.from(writer.keepAlive() + writer.write({ type: 'ping' }))), [])
  })

  it("passes the upstream's own token where nothing is sealed, marked when it is of another family", () => {
    const token = { family: 'anthropic', data: 'sig==' } as const
    const events = [...talk.slice(0, 4), { type: 'reasoning-end', key: 0, token } as const, end()]
    const [item] = last(written(events, answering(request(), { sealer: null }))).output as Record<string, unknown>[]
    const again = request({ input: [item] }).items[0]
    assert.deepEqual(again?.kind === 'reasoning' && [again.text, again.token], ['think', token])
  })

  it("seals the upstream's own token together with its text, so both come back", () => {
    const token = { family: 'anthropic', data: 'sig==' } as const
    const events = [...talk.slice(0, 4), { type: 'reasoning-end', key: 0, token } as const, end()]
    const [item] = last(written(events)).output as Record<string, unknown>[]
    const again = request({ input: [{ type: 'reasoning', summary: [], encrypted_content: item?.encrypted_content }] })
      .items[0]
    assert.deepEqual(again?.kind === 'reasoning' && [again.text, again.token], ['think', token])
  })
})

describe('reading a Responses stream', () => {
  it("is the writer's inverse", () => {
    const events = readBack(written(talk, answering(request(), { sealer: null })))
    assert.deepEqual(types(events), types(talk))
    assert.deepEqual(
      events.filter((event) => event.type === 'text-delta'),
      [
        { type: 'text-delta', key: 1, text: 'po' },
        { type: 'text-delta', key: 1, text: 'ng' },
      ],
    )
    const stop = events.at(-1)
    assert.ok(stop?.type === 'response-end')
    assert.deepEqual({ ...stop.usage, raw: null, writtenTokens: null }, usage)
  })

  it('needs nothing but the final object', () => {
    const final = written([
      ...talk.slice(0, -1),
      callStart(5, 'a'),
      callDelta(5, '{}'),
      { type: 'tool-call-end', key: 5 },
      end(),
    ]).at(-1)
    const events = readBack([final ?? {}])
    assert.deepEqual(types(events), [
      'response-start',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-end',
      'tool-call-start',
      'tool-call-delta',
      'tool-call-end',
      'response-end',
    ])
    assert.equal(events.at(-1)?.type === 'response-end' && events.at(-1), events.at(-1))
  })

  it('takes arguments that come only in done events', () => {
    const item = { type: 'function_call', id: 'fc', call_id: 'c', name: 'f' }
    for (const closing of [
      [{ type: 'response.function_call_arguments.done', item_id: 'fc', output_index: 0, arguments: '{"a":1}' }],
      [{ type: 'response.output_item.done', output_index: 0, item: { ...item, arguments: '{"a":1}' } }],
    ]) {
      const events = readBack([
        { type: 'response.created', response: { id: 'r', model: 'm', created_at: 3 } },
        { type: 'response.output_item.added', output_index: 0, item: { ...item, arguments: '' } },
        ...closing,
        { type: 'response.completed', response: { status: 'completed', output: [] } },
      ])
      assert.deepEqual(types(events), [
        'response-start',
        'tool-call-start',
        'tool-call-delta',
        'tool-call-end',
        'response-end',
      ])
      assert.equal(events.at(-1)?.type === 'response-end' && (events.at(-1) as { stop: string }).stop, 'tool-call')
    }
  })

  it('keeps items apart that share an output index (kitty-bridge#116)', () => {
    const events = readBack([
      { type: 'response.output_item.added', output_index: 0, item: { type: 'message', id: 'm1' } },
      { type: 'response.output_text.delta', output_index: 0, item_id: 'm1', content_index: 0, delta: 'hi' },
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { type: 'function_call', id: 'f1', call_id: 'c', name: 'f' },
      },
      { type: 'response.function_call_arguments.delta', output_index: 0, item_id: 'f1', delta: '{}' },
      { type: 'response.output_text.done', output_index: 0, item_id: 'm1', content_index: 0, text: 'hi' },
      {
        type: 'response.completed',
        response: { output: [{ type: 'message', id: 'x', content: [{ type: 'output_text', text: 'hi' }] }] },
      },
    ])
    assert.deepEqual(types(events), [
      'response-start',
      'text-start',
      'text-delta',
      'text-end',
      'tool-call-start',
      'tool-call-delta',
      'tool-call-end',
      'response-end',
    ])
  })

  it("joins summary parts and keeps the vendor's token and id", () => {
    const at = { output_index: 0, item_id: 'rs_9' }
    const events = readBack([
      { type: 'response.output_item.added', output_index: 0, item: { type: 'reasoning', id: 'rs_9', summary: [] } },
      { type: 'response.reasoning_summary_text.delta', ...at, summary_index: 0, delta: 'one' },
      { type: 'response.reasoning_summary_text.delta', ...at, summary_index: 1, delta: 'two' },
      {
        type: 'response.output_item.done',
        output_index: 0,
        item: { type: 'reasoning', id: 'rs_9', summary: [{ text: 'one' }, { text: 'two' }], encrypted_content: 'gA' },
      },
      { type: 'response.completed', response: {} },
    ])
    assert.deepEqual(events.slice(1, -1), [
      { type: 'reasoning-start', key: 0, redacted: false, id: 'rs_9' },
      { type: 'reasoning-delta', key: 0, text: 'one', summary: true },
      { type: 'reasoning-delta', key: 0, text: '\n\n', summary: true },
      { type: 'reasoning-delta', key: 0, text: 'two', summary: true },
      { type: 'reasoning-end', key: 0, token: { family: 'openai', data: 'gA' } },
    ])
  })

  it('ends every stream in exactly one terminal event', () => {
    const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'x' }
    const cases: [Record<string, unknown>[], Record<string, unknown>][] = [
      [[delta], { kind: 'upstream', code: 'WIRE_STREAM_CUT' }],
      [[], { kind: 'upstream', code: 'WIRE_STREAM_CUT' }],
      [
        [delta, { type: 'response.failed', response: { error: { code: 'rate_limit_exceeded', message: 'm' } } }, delta],
        { kind: 'rate-limit', code: 'rate_limit_exceeded' },
      ],
      [[{ type: 'error', code: 'server_error', message: 'm' }], { kind: 'upstream', code: 'server_error' }],
      [
        [{ type: 'error', error: { type: 'x', code: 'context_length_exceeded', message: 'm' } }],
        { kind: 'context-length', code: 'context_length_exceeded' },
      ],
    ]
    for (const [messages, expected] of cases) {
      const events = readBack(messages, true)
      const terminal = events.at(-1)
      assert.ok(terminal?.type === 'error')
      assert.deepEqual({ kind: terminal.kind, code: terminal.code }, expected)
      assert.equal(events.filter((event) => event.type === 'error' || event.type === 'response-end').length, 1)
    }
  })

  it('says that a stream is broken when an event is no JSON, and ignores events it does not know', () => {
    const reader = responsesAdapter.createStreamReader()
    assert.deepEqual(reader.push({ event: 'response.future', data: '{"type":"response.future"}' }), [])
    assert.deepEqual(types(reader.push({ event: null, data: '{"type":' })), ['error'])
    assert.deepEqual(reader.end(), [])
  })

  it('reports a cut answer as cut, even with a call in it', () => {
    const events = readBack([
      {
        type: 'response.output_item.added',
        output_index: 0,
        item: { type: 'function_call', id: 'f', call_id: 'c', name: 'f' },
      },
      {
        type: 'response.incomplete',
        response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      },
    ])
    assert.equal(events.at(-1)?.type === 'response-end' && (events.at(-1) as { stop: string }).stop, 'length')
  })
})

describe('a complete Responses answer', () => {
  it('survives both translations', () => {
    const events = written(talk, answering(request(), { sealer: null }))
    const body = last(events)
    const canonical = responsesAdapter.toCanonicalResponse(body, JSON.stringify(body))
    assert.deepEqual(
      canonical.items.map((item) => item.kind),
      ['reasoning', 'assistant-text'],
    )
    const again = responsesAdapter.fromCanonicalResponse(canonical, answering(request(), { sealer: null }))
    assert.deepEqual(again, body)
  })

  it('is refused when it is none', () => {
    for (const body of [null, [], {}, { output: 7 }, { output: [7] }, { output: [], status: 'failed' }])
      assert.throws(
        () => responsesAdapter.toCanonicalResponse(body, ''),
        (error) => error instanceof WireError && error.code === 'WIRE_BAD_STREAM',
      )
  })
})

describe('errors on the Responses door', () => {
  it('come in the OpenAI envelope', () => {
    const { status, body } = responsesAdapter.writeErrorBody({
      kind: 'context-length',
      message: 'too long: 10 > 8',
      code: 'GATEWAY_X',
      param: 'input',
      requestId: 'r',
    })
    assert.equal(status, 400)
    assert.deepEqual(body, {
      error: {
        message: 'too long: 10 > 8',
        type: 'invalid_request_error',
        param: 'input',
        code: 'context_length_exceeded',
      },
    })
  })

  it('are read in any shape', () => {
    const cases: [number, string, string, string][] = [
      [429, '{"error":{"message":"m","code":"insufficient_quota"}}', 'billing', 'm'],
      [400, '{"error":{"message":"m","code":"context_length_exceeded"}}', 'context-length', 'm'],
      [500, '{"error":"plain"}', 'upstream', 'plain'],
      [502, '<html><h1>Bad Gateway</h1></html>', 'upstream', 'Bad Gateway'],
      [503, '', 'overloaded', 'The upstream answered with status 503 and no explanation.'],
    ]
    for (const [status, body, kind, message] of cases) {
      const error = responsesAdapter.readErrorBody(status, body)
      assert.deepEqual([error.kind, error.message], [kind, message])
    }
  })

  it('can be said in a stream of their own', () => {
    const text = responsesAdapter.writeErrorEvent({
      kind: 'internal',
      message: 'm',
      code: null,
      param: null,
      requestId: 'r',
    })
    const [message] = new SseReader().push(Buffer.from(text))
    assert.equal(message?.event, 'response.failed')
    const events = readBack([JSON.parse(message?.data ?? '{}') as Wire])
    assert.deepEqual(events, [{ type: 'error', kind: 'upstream', message: 'm', code: 'server_error' }])
  })
})

describe('usage of a Responses answer', () => {
  it('includes cached tokens in the input', () => {
    const raw = { input_tokens: 10, input_tokens_details: { cached_tokens: 4 }, output_tokens: 2 }
    const read = responsesAdapter.readUsage(raw)
    assert.deepEqual([read?.inputTokens, read?.hitTokens, read?.missTokens, read?.writtenTokens], [10, 4, 6, null])
    assert.equal(responsesAdapter.readUsage({ prompt_tokens: 1 }), null)
  })
})
