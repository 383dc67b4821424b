import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { SseReader } from '../sse/reader.ts'
import { answerContext } from './testing.ts'
import { ChatStreamReader } from './stream-reader.ts'
import { ChatStreamWriter } from './stream-writer.ts'

function readBytes(chunks: readonly Uint8Array[]): CanonicalEvent[] {
  const sse = new SseReader()
  const reader = new ChatStreamReader()
  const events = chunks.flatMap((chunk) => sse.push(chunk)).flatMap((message) => [...reader.push(message)])
  return [...events, ...sse.end().flatMap((message) => [...reader.push(message)]), ...reader.end()]
}

/** The grammar of `canonical/event.ts`; blocks may be left open only by an error. */
function assertGrammatical(events: readonly CanonicalEvent[]): void {
  const open = new Map<number, string>()
  const used = new Set<number>()
  for (const [at, event] of events.entries()) {
    const isTerminal = event.type === 'response-end' || event.type === 'error'
    assert.equal(isTerminal, at === events.length - 1, `terminal event at ${at} of ${events.length}`)
    if (event.type !== 'error') assert.equal(event.type === 'response-start', at === 0)
    const kind = /^(text|reasoning|tool-call)-(start|delta|end)$/.exec(event.type)
    if (kind === null || !('key' in event)) continue
    if (kind[2] === 'start') {
      assert.ok(!used.has(event.key))
      used.add(event.key)
      if (kind[1] === 'tool-call') assert.ok([...open.values()].every((other) => other === 'tool-call'))
      else assert.equal(open.size, 0, 'text and reasoning overlap nothing')
      open.set(event.key, kind[1] ?? '')
    } else {
      assert.equal(open.get(event.key), kind[1])
      if (kind[2] === 'end') open.delete(event.key)
      if (event.type === 'text-delta' || event.type === 'reasoning-delta') assert.notEqual(event.text, '')
      if (event.type === 'tool-call-delta') assert.notEqual(event.argumentsDelta, '')
    }
  }
  if (events.at(-1)?.type === 'response-end') assert.equal(open.size, 0)
}

const words = fc.constantFrom('', 'a', '{', '}', '{"x":1}', '"', null, 0)
const callEntry = fc.record(
  {
    index: fc.constantFrom(0, 1, 2, -1, null),
    id: fc.constantFrom('a', 'b', '', null),
    type: fc.constantFrom('function', 'custom'),
    function: fc.record({ name: fc.constantFrom('f', 'g', '', null), arguments: words }, { requiredKeys: [] }),
    custom: fc.record({ name: fc.constantFrom('p', null), input: words }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)
const delta = fc.record(
  {
    role: fc.constant('assistant'),
    content: words,
    reasoning_content: words,
    reasoning: words,
    reasoning_details: fc.array(
      fc.record({
        type: fc.constantFrom('reasoning.text', 'reasoning.encrypted'),
        text: words,
        data: words,
        signature: words,
      }),
      { maxLength: 2 },
    ),
    refusal: words,
    tool_calls: fc.array(fc.oneof({ weight: 9, arbitrary: callEntry }, { weight: 1, arbitrary: fc.jsonValue() }), {
      maxLength: 3,
    }),
    function_call: fc.record({ name: fc.constantFrom('f', null), arguments: words }),
    annotations: fc.array(fc.jsonValue(), { maxLength: 1 }),
  },
  { requiredKeys: [] },
)
const chunk = fc.record(
  {
    id: fc.constantFrom('x', null),
    choices: fc.array(
      fc.record(
        {
          index: fc.constantFrom(0, 0, 0, 1),
          delta: fc.oneof({ weight: 9, arbitrary: delta }, { weight: 1, arbitrary: fc.jsonValue() }),
          finish_reason: fc.constantFrom(
            null,
            null,
            null,
            'stop',
            'length',
            'tool_calls',
            'insufficient_system_resource',
            'what',
          ),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 2 },
    ),
    usage: fc.oneof(fc.constant(null), fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat() })),
  },
  { requiredKeys: [] },
)
const data = fc.oneof(
  { weight: 12, arbitrary: chunk.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.constantFrom('[DONE]', '', '{"error":{"message":"no"}}', '{"error":1}', 'garbage') },
)
const stream = fc.array(data, { maxLength: 14 }).map((messages) => messages.map((text) => `data: ${text}\n\n`).join(''))

describe('law: every stream ends exactly once and keeps the grammar', () => {
  it('whatever chunks an upstream sends', () => {
    fc.assert(
      fc.property(stream, (text) => {
        assertGrammatical(readBytes([Buffer.from(text)]))
      }),
      { seed: 4114, numRuns: 1500 },
    )
  })

  it('wherever the bytes are cut', () => {
    fc.assert(
      fc.property(stream, fc.nat(), (text, at) => {
        const bytes = Buffer.from(text)
        const cut = at % (bytes.length + 1)
        assert.deepEqual(readBytes([bytes.subarray(0, cut), bytes.subarray(cut)]), readBytes([bytes]))
      }),
      { seed: 4114, numRuns: 400 },
    )
  })
})

/** What a stream says, without keys and cuts: blocks with their text, in order of their start. */
function meaning(events: readonly CanonicalEvent[]): unknown[] {
  const blocks = new Map<number, unknown[]>()
  const rest: unknown[] = []
  for (const event of events) {
    if (event.type === 'text-start') blocks.set(event.key, ['text', event.refusal, ''])
    else if (event.type === 'reasoning-start') blocks.set(event.key, ['reasoning', '', null])
    else if (event.type === 'tool-call-start')
      blocks.set(event.key, ['call', event.callId, event.name, event.custom, ''])
    else if (event.type === 'text-delta') append(blocks.get(event.key), 2, event.text)
    else if (event.type === 'reasoning-delta') append(blocks.get(event.key), 1, event.text)
    else if (event.type === 'tool-call-delta') append(blocks.get(event.key), 4, event.argumentsDelta)
    else if (event.type === 'reasoning-end') blocks.get(event.key)?.splice(2, 1, event.token)
    else if (event.type === 'response-end') rest.push(event.stop, event.usage.inputTokens, event.usage.outputTokens)
    else if (event.type === 'error') rest.push('error', event.kind)
  }
  return [...blocks.values(), ...rest]
}
function append(block: unknown[] | undefined, at: number, text: string): void {
  if (block !== undefined) block[at] = String(block[at]) + text
}

describe('law: what Chat can carry comes back from Chat', () => {
  it('canonical events written as chunks and read again say the same', () => {
    const context: AnswerContext = answerContext({ includeUsage: true })
    fc.assert(
      fc.property(stream, (text) => {
        const events = readBytes([Buffer.from(text)])
        const writer = new ChatStreamWriter(context)
        const again = readBytes([Buffer.from(events.map((event) => writer.write(event)).join(''))])
        assertGrammatical(again)
        const isWhole = events.at(-1)?.type === 'response-end'
        if (isWhole) assert.deepEqual(joined(meaning(again)), joined(meaning(events)))
        else assert.equal(again.at(-1)?.type, 'error')
      }),
      { seed: 4114, numRuns: 1000 },
    )
  })
})

/** Chat has no borders between blocks of one kind, and puts no order between text blocks and calls. */
function joined(blocks: unknown[]): unknown[] {
  const text = { text: '', refusal: '', reasoning: '' }
  const tokens: unknown[] = []
  const rest: unknown[] = []
  for (const block of blocks) {
    if (!Array.isArray(block) || block[0] === 'call') rest.push(block)
    else if (block[0] === 'text') text[block[1] === true ? 'refusal' : 'text'] += String(block[2])
    else {
      text.reasoning += String(block[1])
      if (block[2] !== null) tokens.push(block[2])
    }
  }
  return [text, tokens, ...rest]
}
