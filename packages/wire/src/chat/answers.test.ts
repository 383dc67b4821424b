import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { CanonicalResponse } from '../canonical/response.ts'
import { noUsage, type Usage } from '../canonical/usage.ts'
import { WireError, type ErrorKind } from '../errors.ts'
import { readAnyError, writeChatError } from './errors.ts'
import { readChatResponse, writeChatResponse } from './response.ts'
import { ChatStreamWriter } from './stream-writer.ts'
import { answerContext, plainSealer } from './testing.ts'
import { readChatUsage, writeChatUsage } from './usage.ts'

const usage: Usage = { ...noUsage, inputTokens: 10, hitTokens: 4, missTokens: 6, outputTokens: 3, reasoningTokens: 1 }
const start: CanonicalEvent = { type: 'response-start', id: 'u', model: 'served', createdSec: 1, usage: null }
const end = (stop: 'end' | 'tool-call' | 'refusal' = 'end'): CanonicalEvent => ({
  type: 'response-end',
  stop,
  stopSequence: null,
  refusalExplanation: null,
  usage,
})

function write(events: readonly CanonicalEvent[], context = answerContext()): string {
  const writer = new ChatStreamWriter(context)
  return events.map((event) => writer.write(event)).join('')
}
/** The deltas of a stream, and what stands where there is none. */
function deltas(stream: string): unknown[] {
  return stream
    .split('\n\n')
    .filter((line) => line !== '')
    .map((line) => {
      if (!line.startsWith('data: {')) return line
      const { choices, error, usage: total } = JSON.parse(line.slice(6))
      return error ?? (choices[0] === undefined ? total : (choices[0].finish_reason ?? choices[0].delta))
    })
}

const think = (token: { family: 'anthropic'; data: string } | null): CanonicalEvent[] => [
  { type: 'reasoning-start', key: 0, redacted: false },
  { type: 'reasoning-delta', key: 0, text: 'because', summary: false },
  { type: 'reasoning-end', key: 0, token },
]
const written = (kind: ErrorKind, code: string | null = null, param: string | null = null) =>
  writeChatError({ kind, message: 'm', code, param, requestId: 'r' })

describe('writing a Chat stream', () => {
  it('starts with the role, numbers calls from 0, and ends with [DONE] (catalogue 31)', () => {
    const stream = write([
      start,
      { type: 'text-start', key: 4, refusal: false },
      { type: 'text-delta', key: 4, text: 'hi' },
      { type: 'text-end', key: 4 },
      { type: 'tool-call-start', key: 7, callId: 'a', name: 'f', namespace: null, custom: false },
      { type: 'tool-call-end', key: 7 },
      { type: 'tool-call-start', key: 9, callId: 'b', name: 'g', namespace: null, custom: true },
      { type: 'tool-call-delta', key: 9, argumentsDelta: 'raw' },
      { type: 'tool-call-end', key: 9 },
      end('tool-call'),
    ])
    assert.deepEqual(deltas(stream), [
      { role: 'assistant', content: '' },
      { content: 'hi' },
      { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }] },
      { tool_calls: [{ index: 0, function: { arguments: '{}' } }] },
      { tool_calls: [{ index: 1, id: 'b', type: 'custom', custom: { name: 'g', input: '' } }] },
      { tool_calls: [{ index: 1, custom: { input: 'raw' } }] },
      'tool_calls',
      'data: [DONE]',
    ])
    assert.ok(!stream.includes('event:'))
    const ids = new Set(stream.match(/"id":"chatcmpl-[^"]*","object":"[^"]*","created":\d+,"model":"[^"]*"/g))
    assert.deepEqual(
      [...ids],
      ['"id":"chatcmpl-req1","object":"chat.completion.chunk","created":1790000000,"model":"asked"'],
    )
  })

  it('sends usage in a chunk of its own, only if asked, and null before (catalogue 34)', () => {
    assert.ok(!write([start, end()]).includes('usage'))
    const stream = write([start, end()], answerContext({ includeUsage: true }))
    assert.equal(stream.match(/"usage":null/g)?.length, 2)
    assert.deepEqual(deltas(stream).at(-2), {
      prompt_tokens: 10,
      completion_tokens: 3,
      total_tokens: 13,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 1 },
      prompt_cache_hit_tokens: 4,
      prompt_cache_miss_tokens: 6,
    })
  })

  it('mints a token for reasoning that has none, and passes on one that has (catalogue 39)', () => {
    const sealed = plainSealer.seal({ family: 'test', reasoning: 'because', toolArguments: {} })
    assert.deepEqual(
      deltas(write([start, ...think(null), end()], answerContext({}, { sealer: plainSealer }))).slice(1, 3),
      [
        { reasoning_content: 'because' },
        { reasoning_details: [{ type: 'reasoning.encrypted', data: sealed, index: 0 }] },
      ],
    )
    assert.match(write([start, ...think({ family: 'anthropic', data: 'sig' }), end()]), /"signature":"sig"/)
  })

  it('says an error in the stream and ends without [DONE], and then nothing more', () => {
    const stream = write([start, { type: 'error', kind: 'overloaded', message: 'busy', code: null }, end()])
    assert.deepEqual(deltas(stream).at(-1), { message: 'busy', type: 'server_error', param: null, code: null })
    assert.ok(!stream.includes('[DONE]'))
  })

  it('keeps alive with a comment', () => {
    assert.equal(new ChatStreamWriter(answerContext()).keepAlive(), ': keep-alive\n\n')
  })

  it('writes several choices as they come, each with its role, its call numbers and its finish reason', () => {
    const call = { name: 'f', namespace: null, custom: false } as const
    const events: CanonicalEvent[] = [
      start,
      { type: 'text-start', key: 0, refusal: false, choice: 0 },
      { type: 'tool-call-start', key: 1, callId: 'x', choice: 1, ...call },
      { type: 'text-delta', key: 0, text: 'a' },
      { type: 'tool-call-end', key: 1 },
      { type: 'choice-end', choice: 1, stop: 'tool-call' },
      { type: 'text-end', key: 0 },
      { type: 'choice-end', choice: 0, stop: 'end' },
      end(),
    ]
    const stream = write(events, answerContext())
    const chunks = stream
      .split('\n\n')
      .filter((line) => line.startsWith('data: {'))
      .flatMap((line) => (JSON.parse(line.slice(6)) as { choices: Record<string, unknown>[] }).choices)
    const of = (index: number): Record<string, unknown>[] => chunks.filter((choice) => choice['index'] === index)
    assert.deepEqual(
      of(0).map(({ delta }) => delta),
      [{ role: 'assistant', content: '' }, { content: 'a' }, {}],
    )
    assert.deepEqual(
      of(1).map(({ finish_reason }) => finish_reason),
      [null, null, null, 'tool_calls'],
    )
    assert.equal(of(0).at(-1)!['finish_reason'], 'stop')
    assert.match(stream, /\[DONE\]\n\n$/)
  })

  it('gives tools their own names back', () => {
    const toolNames = new Map([['alias', { name: 'a very long name', namespace: null, custom: false }]])
    const stream = write(
      [
        start,
        { type: 'tool-call-start', key: 1, callId: 'a', name: 'alias', namespace: null, custom: false },
        { type: 'tool-call-end', key: 1 },
        end(),
      ],
      answerContext({}, { toolNames }),
    )
    assert.match(stream, /"name":"a very long name"/)
    assert.match(stream, /"finish_reason":"tool_calls"/)
  })
})

describe('a complete Chat answer', () => {
  const answer: CanonicalResponse = {
    id: 'u',
    model: 'served',
    createdSec: 5,
    items: [
      { kind: 'reasoning', text: 'r', summary: [], token: null },
      { kind: 'assistant-text', parts: [{ type: 'text', text: 'hi' }] },
      { kind: 'tool-call', callId: 'a', name: 'f', namespace: null, argumentsText: '{"n": 1.0}', custom: false },
    ],
    stop: 'tool-call',
    stopSequence: null,
    refusalExplanation: null,
    usage,
    logprobs: null,
    moreChoices: [],
  }

  it('is written and read back as it was, under our id and the name asked for', () => {
    const body = writeChatResponse(answer, answerContext())
    assert.deepEqual([body['id'], body['model'], body['created']], ['chatcmpl-req1', 'asked', 1_790_000_000])
    const { items, stop, usage: counts } = readChatResponse(JSON.parse(JSON.stringify(body)))
    assert.deepEqual([items, stop], [answer.items, 'tool-call'])
    assert.deepEqual({ ...counts, raw: null }, usage)
  })

  it('makes any call a tool-call stop, and a call without arguments an empty object', () => {
    const message = { content: null, tool_calls: [{ function: { name: 'f', arguments: '' } }] }
    const read = readChatResponse({ id: 'x', choices: [{ message, finish_reason: 'stop' }] })
    assert.equal(read.stop, 'tool-call')
    assert.match(JSON.stringify(read.items), /"callId":"call_00_[0-9a-f]{24}".*"argumentsText":"\{\}"/)
  })

  it('is refused when it is none', () => {
    const none = [
      null,
      [],
      {},
      { choices: [] },
      { error: { message: 'x' } },
      { choices: [{ message: {}, finish_reason: 'tool_calls' }] },
    ]
    for (const body of none) assert.throws(() => readChatResponse(body), WireError)
    assert.throws(
      () => readChatResponse({ choices: [{ message: {}, finish_reason: 'insufficient_system_resource' }] }),
      (error) => error instanceof WireError && error.kind === 'overloaded',
    )
  })
})

describe('usage', () => {
  it('keeps input = hit + miss + written for every spelling (catalogue 18-22, 92)', () => {
    const spellings: [Record<string, unknown>, (number | null)[]][] = [
      [{ prompt_tokens: 10, completion_tokens: 1 }, [10, null, null, null]],
      [{ prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4 } }, [10, 4, 6, null]],
      [
        { prompt_tokens: 10, completion_tokens: 1, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 6 },
        [10, 4, 6, null],
      ],
      [
        { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 5 } },
        [10, 4, 1, 5],
      ],
      [
        {
          prompt_tokens: 10,
          completion_tokens: 1,
          prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 5 },
        },
        [10, 5, 0, 5],
      ],
    ]
    for (const [raw, [input, hit, miss, fresh]] of spellings) {
      const read = readChatUsage(raw)
      assert.deepEqual(
        [read?.inputTokens, read?.hitTokens, read?.missTokens, read?.writtenTokens],
        [input, hit, miss, fresh],
      )
    }
  })

  it('is null where there is none, and not written where nobody counted', () => {
    for (const raw of [null, 5, {}, { prompt_tokens: -1 }, { prompt_tokens: 'x' }])
      assert.equal(readChatUsage(raw), null)
    assert.equal(writeChatUsage(noUsage), null)
  })
})

describe('errors', () => {
  it('have a status, a type, and always param and code', () => {
    assert.deepEqual(written('context-length'), {
      status: 400,
      body: { error: { message: 'm', type: 'invalid_request_error', param: null, code: 'context_length_exceeded' } },
    })
    assert.equal(written('overloaded').status, 503)
    assert.match(JSON.stringify(written('authentication', 'GATEWAY_NO_KEY')), /"code":"invalid_api_key"/)
    assert.match(JSON.stringify(written('not-found', null, 'model')), /"code":"model_not_found"/)
    assert.match(JSON.stringify(written('invalid-request', 'WIRE_BAD_JSON', 'x')), /"param":"x","code":"WIRE_BAD_JSON"/)
  })

  it('of any upstream are read, whatever their form', () => {
    const cases: [number, string, ErrorKind, RegExp][] = [
      [400, '{"error":{"message":"bad","type":"invalid_request_error","code":null}}', 'invalid-request', /^bad$/],
      [400, '{"error":{"message":"This model\'s maximum context length is 8 tokens."}}', 'context-length', /8 tokens/],
      [
        400,
        '{"object":"error","message":"The prompt is longer than the maximum model length of 8","code":400}',
        'context-length',
        /8/,
      ],
      [429, '{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}', 'billing', /quota/],
      [402, '{"error":{"message":"Insufficient Balance","type":"unknown_error"}}', 'billing', /Balance/],
      [401, 'Authentication Fails (governor)', 'authentication', /governor/],
      [
        422,
        '{"detail":[{"loc":["body","messages"],"msg":"Field required"}]}',
        'unprocessable',
        /body\.messages: Field required/,
      ],
      [404, '{"detail":"Not Found"}', 'not-found', /^Not Found$/],
      [502, '<html><head><title>502 Bad Gateway</title></head><body>x</body></html>', 'upstream', /^502 Bad Gateway$/],
      [529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 'overloaded', /Overloaded/],
      [
        400,
        '[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]',
        'invalid-request',
        /API key/,
      ],
      [503, '', 'overloaded', /no explanation/],
      [500, '{"error":"CUDA out of memory"}', 'upstream', /CUDA/],
      [418, '\u0000\u0001', 'invalid-request', /./],
    ]
    for (const [status, text, kind, message] of cases) {
      const read = readAnyError(status, text)
      assert.equal(read.kind, kind, text)
      assert.match(read.message, message)
    }
    assert.ok(readAnyError(500, 'x'.repeat(1e6)).message.length < 3000)
  })
})
