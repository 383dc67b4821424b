import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CanonicalEvent } from '../canonical/event.ts'
import { SseReader } from '../sse/reader.ts'
import { ChatStreamReader } from './stream-reader.ts'

/** Chunks of one upstream stream: a delta, or a whole chunk when it has `choices`, `error` or `usage`. */
type Chunk = Record<string, unknown>

function chunkText(chunk: Chunk): string {
  const body =
    'choices' in chunk || 'error' in chunk
      ? chunk
      : { id: 'up1', model: 'v4', created: 7, choices: [{ index: 0, delta: chunk, finish_reason: null }] }
  return `data: ${JSON.stringify(body)}\n\n`
}
const finish = (reason: string, more: Chunk = {}): Chunk => ({
  id: 'up1',
  choices: [{ index: 0, delta: {}, finish_reason: reason }],
  ...more,
})
const done = 'data: [DONE]\n\n'

function read(chunks: readonly Chunk[], tail = done): CanonicalEvent[] {
  const sse = new SseReader()
  const reader = new ChatStreamReader()
  const messages = [...sse.push(Buffer.from(chunks.map(chunkText).join('') + tail)), ...sse.end()]
  return [...messages.flatMap((message) => [...reader.push(message)]), ...reader.end()]
}

/** A stream in short: `text(a)`, `think(b)`, `call(name id {...})`, `end stop`, `error kind`, in order of their start. */
function brief(events: readonly CanonicalEvent[]): string[] {
  const lines = new Map<number | string, string>()
  for (const event of events) {
    if (event.type === 'text-start') lines.set(event.key, event.refusal ? 'refusal:' : 'text:')
    else if (event.type === 'reasoning-start') lines.set(event.key, event.redacted ? 'redacted:' : 'think:')
    else if (event.type === 'tool-call-start') lines.set(event.key, `call ${event.name} ${event.callId}:`)
    else if (event.type === 'text-delta' || event.type === 'reasoning-delta')
      lines.set(event.key, (lines.get(event.key) ?? '?') + event.text)
    else if (event.type === 'tool-call-delta')
      lines.set(event.key, (lines.get(event.key) ?? '?') + event.argumentsDelta)
    else if (event.type === 'response-end') lines.set('end', `end ${event.stop}`)
    else if (event.type === 'error') lines.set('end', `error ${event.kind} ${event.code}`)
  }
  return [...lines.values()]
}

const call = (index: number, id: string, name: string, text = ''): Chunk => ({
  tool_calls: [{ index, id, type: 'function', function: { name, arguments: text } }],
})
const fragment = (index: number, text: string): Chunk => ({ tool_calls: [{ index, function: { arguments: text } }] })

const whole = (name: string): Chunk => ({ tool_calls: [{ function: { name, arguments: { a: 1 } } }] })

describe('reading a Chat stream: the bug catalogue', () => {
  it('1: an empty tool_calls list is no call', () => {
    assert.deepEqual(brief(read([{ content: 'hi', tool_calls: [] }, finish('stop')])), ['text:hi', 'end end'])
  })

  it('2, 3: any call makes the stop reason tool-call, text before it or not', () => {
    const events = read([{ content: 'let me see' }, call(0, 'a', 'f', '{}'), finish('stop')])
    assert.deepEqual(brief(events), ['text:let me see', 'call f a:{}', 'end tool-call'])
  })

  it('4: opens nothing for empty strings', () => {
    const events = read([
      { role: 'assistant', content: '', reasoning_content: '' },
      { content: null, reasoning_content: 'hm' },
      { content: '', reasoning_content: null },
      call(0, 'a', 'f', '{}'),
      finish('tool_calls'),
    ])
    assert.deepEqual(brief(events), ['think:hm', 'call f a:{}', 'end tool-call'])
  })

  it('5: a repeated first chunk starts nothing twice, and the block follows the kind of the delta', () => {
    const events = read([
      { role: 'assistant' },
      { role: 'assistant' },
      { reasoning_content: 'r' },
      { content: 't' },
      finish('stop'),
    ])
    assert.equal(events.filter((event) => event.type === 'response-start').length, 1)
    assert.deepEqual(brief(events), ['think:r', 'text:t', 'end end'])
  })

  it('6, 9: interleaved fragments go to their own call', () => {
    const events = read([
      call(0, 'a', 'f'),
      call(1, 'b', 'g'),
      fragment(1, '{"y"'),
      fragment(0, '{"x"'),
      fragment(1, ':2}'),
      fragment(0, ':1}'),
      finish('tool_calls'),
    ])
    assert.deepEqual(brief(events), ['call f a:{"x":1}', 'call g b:{"y":2}', 'end tool-call'])
  })

  it('7: parallel calls whose arguments all come in the last chunk are whole', () => {
    const events = read([
      call(0, 'a', 'f'),
      call(1, 'b', 'g'),
      {
        choices: [
          {
            index: 0,
            delta: { tool_calls: [fragment(0, '{"x":1}'), fragment(1, '{"y":2}')].flatMap((one) => one['tool_calls']) },
            finish_reason: 'tool_calls',
          },
        ],
      },
    ])
    assert.deepEqual(brief(events), ['call f a:{"x":1}', 'call g b:{"y":2}', 'end tool-call'])
  })

  it('8: nothing more goes to a call that was whole when something else began', () => {
    const events = read([call(0, 'a', 'f', '{"x":1}'), { content: 'now' }, fragment(0, '}'), finish('tool_calls')])
    assert.deepEqual(brief(events), ['call f a:{"x":1}', 'text:now', 'end tool-call'])
    const ends = events.findIndex((event) => event.type === 'tool-call-end')
    assert.ok(events.slice(ends).every((event) => event.type !== 'tool-call-delta'))
  })

  it('10: several calls that share index 0 are told apart by id and name', () => {
    const events = read([call(0, 'a', 'f', '{"x":1}'), call(0, 'b', 'g', '{"y":2}'), finish('tool_calls')])
    assert.deepEqual(brief(events), ['call f a:{"x":1}', 'call g b:{"y":2}', 'end tool-call'])
  })

  it('11, 12: id and name repeated on each fragment are still one call', () => {
    const events = read([
      call(0, 'a', 'f', '{"x"'),
      call(0, 'a', 'f', ':1'),
      call(0, 'a', 'f', '}'),
      finish('tool_calls'),
    ])
    assert.deepEqual(brief(events), ['call f a:{"x":1}', 'end tool-call'])
  })

  it('13, 14: several calls in one chunk all arrive, and one without arguments gets an empty object', () => {
    const both = { tool_calls: [call(0, 'a', 'f'), call(1, 'b', 'g', '{}')].flatMap((one) => one['tool_calls']) }
    const events = read([both, finish('tool_calls')])
    assert.deepEqual(brief(events), ['call f a:{}', 'call g b:{}', 'end tool-call'])
    assert.equal(events.filter((event) => event.type === 'tool-call-end').length, 2)
  })

  it('15: tool_calls without a call is an upstream fault, not a success', () => {
    assert.deepEqual(brief(read([{ reasoning_content: 'r' }, finish('tool_calls')])), [
      'think:r',
      'error upstream WIRE_BAD_STREAM',
    ])
  })

  it('16, 25: usage is read from the finish chunk, from a trailing chunk, and while it grows', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } }
    for (const chunks of [
      [{ content: 'x' }, finish('stop', { usage })],
      [{ content: 'x' }, finish('stop'), { choices: [], usage }],
      [{ content: 'x' }, finish('stop'), { choices: [], usage: null }, { choices: [], usage }],
      [
        { choices: [{ index: 0, delta: { content: 'x' } }], usage: { ...usage, completion_tokens: 1 } },
        finish('stop', { usage }),
      ],
    ]) {
      const end = read(chunks).at(-1)
      assert.ok(end?.type === 'response-end')
      assert.deepEqual(
        [end.usage.inputTokens, end.usage.hitTokens, end.usage.missTokens, end.usage.outputTokens],
        [10, 4, 6, 3],
      )
    }
  })

  it('26: a failure after the finish reason is a failure', () => {
    const events = read([{ content: 'x' }, finish('stop'), { error: { message: 'boom', type: 'server_error' } }], '')
    assert.deepEqual(brief(events), ['text:x', 'error upstream null'])
  })

  it('27: a finish reason without [DONE] is a complete answer', () => {
    assert.deepEqual(brief(read([{ content: 'x' }, finish('stop')], '')), ['text:x', 'end end'])
  })

  it('28: content that comes after the finish reason is delivered', () => {
    assert.deepEqual(brief(read([{ content: 'x' }, finish('stop'), { content: 'y' }])), ['text:xy', 'end end'])
  })

  it('36, 37: an error in the stream is an error, with its kind', () => {
    const cases: [unknown, string][] = [
      [{ message: 'Overloaded', type: 'overloaded_error' }, 'overloaded'],
      [{ message: 'slow down', code: 429 }, 'rate-limit'],
      [
        { message: "This model's maximum context length is 8 tokens", code: 'context_length_exceeded' },
        'context-length',
      ],
      ['something broke', 'upstream'],
    ]
    for (const [error, kind] of cases) {
      const last = read([{ content: 'x' }, { error }], '').at(-1)
      assert.ok(last?.type === 'error')
      assert.equal(last.kind, kind)
    }
  })

  it('38: a stream without finish reason is cut, whether text or a call was under way', () => {
    for (const chunks of [[{ content: 'x' }], [call(0, 'a', 'f', '{"x":')], [call(0, 'a', 'f', '{}')], []])
      for (const tail of ['', done]) assert.equal(brief(read(chunks, tail)).at(-1), 'error upstream WIRE_STREAM_CUT')
  })

  it('99: other choices are nothing to us', () => {
    const other = { choices: [{ index: 1, delta: { content: 'two' }, finish_reason: 'length' }] }
    assert.deepEqual(brief(read([{ content: 'one' }, other, finish('stop')])), ['text:one', 'end end'])
  })
})

describe('reading a Chat stream: what upstreams do', () => {
  it('reads reasoning from `reasoning` and from details, once where both say the same', () => {
    const detail = { type: 'reasoning.text', text: 'r', index: 0 }
    assert.deepEqual(brief(read([{ reasoning: 'r', reasoning_details: [detail] }, finish('stop')])), [
      'think:r',
      'end end',
    ])
    assert.deepEqual(brief(read([{ reasoning_details: [detail] }, finish('stop')])), ['think:r', 'end end'])
    assert.deepEqual(brief(read([{ reasoning_content: 'r', reasoning: 'r' }, finish('stop')])), ['think:r', 'end end'])
  })

  it('keeps a signature that comes in a delta of its own (catalogue 39)', () => {
    const events = read([
      { reasoning: 'r' },
      { reasoning_details: [{ type: 'reasoning.text', signature: 'sig', format: 'anthropic-claude-v1' }] },
      { content: 'x' },
      finish('stop'),
    ])
    const end = events.find((event) => event.type === 'reasoning-end')
    assert.deepEqual(end?.type === 'reasoning-end' && end.token, { family: 'anthropic', data: 'sig' })
  })

  it('holds a call until its name has come, and mints a missing id the same way every time', () => {
    const chunks: Chunk[] = [fragment(0, '{"x'), call(0, '', 'f', '":1}'), finish('tool_calls')]
    const [line] = brief(read(chunks))
    assert.match(line ?? '', /^call f call_00_[0-9a-f]{24}:\{"x":1\}$/)
    assert.deepEqual(read(chunks), read(chunks))
  })

  it('reads whole calls without index and id one after the other, and object arguments', () => {
    assert.deepEqual(
      brief(read([whole('f'), whole('g'), finish('stop')])).map((line) => line.replace(/call_\w+/, 'id')),
      ['call f id:{"a":1}', 'call g id:{"a":1}', 'end tool-call'],
    )
  })

  it('refuses a call whose name never comes', () => {
    assert.deepEqual(brief(read([fragment(0, '{}'), finish('tool_calls')])), ['error upstream WIRE_BAD_STREAM'])
  })

  it('keeps text that comes in the middle of a call until the call is whole', () => {
    const events = read([call(0, 'a', 'f', '{"x"'), { content: 'note' }, fragment(0, ':1}'), finish('tool_calls')])
    assert.deepEqual(brief(events), ['call f a:{"x":1}', 'text:note', 'end tool-call'])
  })

  it('says `length` when the budget cut a call in the middle, `tool-call` when the call is whole', () => {
    assert.equal(brief(read([call(0, 'a', 'f', '{"x"'), finish('length')])).at(-1), 'end length')
    assert.equal(brief(read([call(0, 'a', 'f', '{}'), finish('length')])).at(-1), 'end tool-call')
  })

  it('reads the matched stop string of vLLM, refusals, free-form calls and the first tool API', () => {
    const stopped = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', stop_reason: '###' }] }
    const end = read([{ content: 'x' }, stopped]).at(-1)
    assert.deepEqual(end?.type === 'response-end' && [end.stop, end.stopSequence], ['stop-sequence', '###'])
    assert.deepEqual(brief(read([{ refusal: 'no' }, finish('stop')])), ['refusal:no', 'end end'])
    const custom = { tool_calls: [{ index: 0, id: 'c', type: 'custom', custom: { name: 'p', input: '' } }] }
    const input = { tool_calls: [{ index: 0, custom: { input: 'text' } }] }
    assert.deepEqual(brief(read([custom, input, finish('tool_calls')])), ['call p c:text', 'end tool-call'])
    const legacy = [{ function_call: { name: 'f', arguments: '{' } }, { function_call: { arguments: '}' } }]
    assert.match(brief(read([...legacy, finish('function_call')]))[0] ?? '', /^call f call_00_\w+:\{\}$/)
  })

  it('takes DeepSeek running out of capacity for an overload', () => {
    const events = read([{ content: 'x' }, finish('insufficient_system_resource')])
    assert.deepEqual(brief(events), ['text:x', 'error overloaded WIRE_UPSTREAM_OVERLOADED'])
  })

  it('skips what says nothing: comments, blank data, prompt filter results, null deltas', () => {
    const filter = { id: '', choices: [], prompt_filter_results: [] }
    const events = read(
      [filter, { choices: [{ index: 0, delta: null }] }, { content: 'x' }, finish('stop')],
      `: ping\n\ndata: \n\n${done}`,
    )
    assert.deepEqual(brief(events), ['text:x', 'end end'])
  })

  it('answers garbage with one error and then nothing', () => {
    const reader = new ChatStreamReader()
    assert.equal(reader.push({ event: null, data: '{"choices"' })[0]?.type, 'error')
    assert.deepEqual([...reader.push({ event: null, data: '[DONE]' }), ...reader.end()], [])
  })
})
