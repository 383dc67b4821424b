/**
 * Laws of the three stream protocols together: what canonical events say survives writing, bytes and reading,
 * and every stream, cut anywhere, ends exactly once.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  adapterOf,
  createSealer,
  noUsage,
  protocols,
  SseReader,
  TranslationReport,
  type AnswerContext,
  type CanonicalEvent,
  type Protocol,
  type StopReason,
  type Usage,
} from '../src/index.ts'

const seed = 20_261_123
const sealer = createSealer(new Uint8Array(32).fill(3))
const request = adapterOf('chat').toCanonicalRequest(
  {
    model: 'asked',
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: 'user', content: 'hi' }],
    tools: ['read', 'write'].map((name) => ({ type: 'function', function: { name } })),
  },
  { messagesVersion: '2023-06-01', sealer, text: '', report: new TranslationReport() },
)
const context: AnswerContext = {
  model: 'asked',
  requestId: 'req_1',
  createdSec: 1_700_000_000,
  messagesVersion: '2023-06-01',
  request,
  sealer,
  upstreamFamily: 'open',
  toolNames: new Map(),
}

// ------------------------------------------------------------------------------------ random streams

const piece = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const pieces = fc.array(piece, { minLength: 1, maxLength: 4 })
const call = fc.record({
  name: fc.constantFrom('read', 'write'),
  argumentsText: fc
    .dictionary(piece, fc.oneof(fc.integer(), piece, fc.boolean()), { maxKeys: 3 })
    .map((value) => JSON.stringify(value)),
  cuts: fc.array(fc.nat(), { maxLength: 3 }),
})

interface Script {
  readonly reasoning: readonly string[]
  readonly text: readonly string[]
  readonly calls: readonly { readonly name: string; readonly argumentsText: string; readonly cuts: readonly number[] }[]
  readonly interleave: boolean
  readonly stop: StopReason
  readonly usage: Usage
}

const usage: fc.Arbitrary<Usage> = fc
  .record({ hit: fc.nat(1000), miss: fc.nat(1000), output: fc.integer({ min: 1, max: 1000 }), reasoning: fc.nat(100) })
  .map(({ hit, miss, output, reasoning }) => ({
    ...noUsage,
    inputTokens: hit + miss,
    hitTokens: hit,
    missTokens: miss,
    outputTokens: output + reasoning,
    reasoningTokens: reasoning,
  }))

const script: fc.Arbitrary<Script> = fc
  .record({
    reasoning: fc.oneof(fc.constant([]), pieces),
    text: fc.oneof(fc.constant([]), pieces),
    calls: fc.array(call, { maxLength: 3 }),
    interleave: fc.boolean(),
    cut: fc.boolean(),
    usage,
  })
  .map(({ cut, ...rest }) => ({ ...rest, stop: rest.calls.length > 0 ? 'tool-call' : cut ? 'length' : 'end' }))

/** The order that all three can express: reasoning, text, calls; calls one after the other or mixed. */
function eventsOf(value: Script): CanonicalEvent[] {
  const events: CanonicalEvent[] = [{ type: 'response-start', id: 'up_1', model: 'served', createdSec: 5, usage: null }]
  let key = 0
  if (value.reasoning.length > 0) {
    events.push({ type: 'reasoning-start', key, redacted: false })
    for (const text of value.reasoning) events.push({ type: 'reasoning-delta', key, text, summary: false })
    events.push({ type: 'reasoning-end', key: key++, token: null }, { type: 'ping' })
  }
  if (value.text.length > 0) {
    events.push({ type: 'text-start', key, refusal: false })
    for (const text of value.text) events.push({ type: 'text-delta', key, text })
    events.push({ type: 'text-end', key: key++ })
  }
  const runs = value.calls.map((one): CanonicalEvent[] => {
    const cuts = [...one.cuts.map((cut) => cut % (one.argumentsText.length + 1)), one.argumentsText.length].toSorted(
      (a, b) => a - b,
    )
    const at = key++
    const start: CanonicalEvent = {
      type: 'tool-call-start',
      key: at,
      callId: `call_${at}`,
      name: one.name,
      namespace: null,
      custom: false,
    }
    let from = 0
    const deltas = cuts.flatMap((to): CanonicalEvent[] => {
      const argumentsDelta = one.argumentsText.slice(from, to)
      from = to
      return argumentsDelta === '' ? [] : [{ type: 'tool-call-delta', key: at, argumentsDelta }]
    })
    return [start, ...deltas, { type: 'tool-call-end', key: at }]
  })
  if (value.interleave)
    for (let at = 0; runs.some((run) => at < run.length); at++)
      for (const run of runs) if (run[at] !== undefined) events.push(run[at])
  if (!value.interleave) events.push(...runs.flat())
  const { stop } = value
  events.push({ type: 'response-end', stop, stopSequence: null, refusalExplanation: null, usage: value.usage })
  return events
}

// ------------------------------------------------------------------------------------------ both ways

function write(protocol: Protocol, events: readonly CanonicalEvent[]): Buffer {
  const writer = adapterOf(protocol).createStreamWriter(context)
  return Buffer.from(events.map((event) => writer.write(event)).join(''))
}

function read(protocol: Protocol, chunks: readonly Uint8Array[]): CanonicalEvent[] {
  const sse = new SseReader()
  const reader = adapterOf(protocol).createStreamReader()
  const events = chunks.flatMap((chunk) => sse.push(chunk)).flatMap((message) => [...reader.push(message)])
  return [...events, ...sse.end().flatMap((message) => [...reader.push(message)]), ...reader.end(), ...reader.end()]
}

/** What a stream says, however it was cut into events. */
function meaning(events: readonly CanonicalEvent[]): unknown {
  const said = { text: '', reasoning: '', calls: [] as unknown[], terminals: [] as unknown[] }
  const open = new Map<number, string[]>()
  for (const event of events) {
    if (event.type === 'text-delta') said.text += event.text
    else if (event.type === 'reasoning-delta') said.reasoning += event.text
    else if (event.type === 'tool-call-start') {
      const one = [event.callId, event.name, '']
      open.set(event.key, one)
      said.calls.push(one)
    } else if (event.type === 'tool-call-delta') {
      const one = open.get(event.key)
      if (one !== undefined) one[2] += event.argumentsDelta
    } else if (event.type === 'error') said.terminals.push(event.kind)
    else if (event.type === 'response-end') {
      const { inputTokens, hitTokens, outputTokens, reasoningTokens } = event.usage
      said.terminals.push({ stop: event.stop, inputTokens, hitTokens, outputTokens, reasoningTokens })
    }
  }
  return said
}

function terminals(events: readonly CanonicalEvent[]): string[] {
  return events.filter((event) => event.type === 'response-end' || event.type === 'error').map((event) => event.type)
}

/** Events of all three protocols with members mixed up. */
const eventTypes =
  `response.created response.output_item.added response.output_item.done response.output_text.delta response.refusal.delta
  response.output_text.done response.content_part.done response.reasoning_text.delta response.reasoning_summary_text.delta
  response.function_call_arguments.delta response.function_call_arguments.done response.custom_tool_call_input.delta
  response.completed response.incomplete response.failed message_start content_block_start content_block_delta
  content_block_stop message_delta message_stop ping error chat.completion.chunk message reasoning function_call
  custom_tool_call output_text text thinking tool_use text_delta input_json_delta thinking_delta signature_delta`.split(
    /\s+/,
  )
const eventMembers =
  `type item item_id output_index content_index delta text arguments input part response output index content_block
  message usage choices finish_reason tool_calls id call_id name partial_json thinking signature stop_reason content
  status error code function summary annotations encrypted_content input_tokens`.split(/\s+/)
const { hostile } = fc.letrec((tie) => ({
  hostile: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, 0, 1, 2, -1, '', 'a', '{"x"', 'i1', 'tool_use', 'stop', ...eventTypes),
    fc.dictionary(fc.constantFrom(...eventMembers), tie('hostile'), { maxKeys: 6, noNullPrototype: true }),
    fc.array(tie('hostile'), { maxLength: 2 }),
  ),
}))
const hostileEvent = fc.record({
  type: fc.constantFrom(...eventTypes),
  data: fc.dictionary(fc.constantFrom(...eventMembers), hostile, { maxKeys: 6, noNullPrototype: true }),
})

/** The grammar of `canonical/event.ts`; an error may leave blocks open. */
function assertGrammatical(events: readonly CanonicalEvent[]): void {
  const open = new Map<number, string>()
  const used = new Set<number>()
  for (const [at, event] of events.entries()) {
    const isTerminal = event.type === 'response-end' || event.type === 'error'
    assert.equal(isTerminal, at === events.length - 1, `terminal event at ${at} of ${events.length}`)
    const [, kind, step] = /^(text|reasoning|tool-call)-(start|delta|end)$/.exec(event.type) ?? []
    if (kind === undefined || !('key' in event)) continue
    if (step === 'start') {
      assert.ok(!used.has(event.key), 'a key is used once')
      assert.ok(
        [...open.values()].every((other) => other === 'tool-call' && kind === 'tool-call'),
        'no overlap',
      )
      used.add(event.key)
      open.set(event.key, kind)
    } else assert.equal(open.get(event.key), kind)
    if (step === 'end') open.delete(event.key)
    if (step === 'delta')
      assert.notEqual('text' in event ? event.text : 'argumentsDelta' in event && event.argumentsDelta, '')
  }
  if (events.at(-1)?.type === 'response-end') assert.equal(open.size, 0, 'everything is closed')
}

for (const protocol of protocols)
  describe(`streams of ${protocol}`, () => {
    it('say after writing and reading what the canonical events said', () => {
      fc.assert(
        fc.property(script, (value) => {
          const events = eventsOf(value)
          assert.deepEqual(meaning(read(protocol, [write(protocol, events)])), meaning(events))
        }),
        { seed, numRuns: 250 },
      )
    })

    it('say the same after two crossings as after one', () => {
      fc.assert(
        fc.property(script, fc.constantFrom(...protocols), (value, second) => {
          const once = read(protocol, [write(protocol, eventsOf(value))])
          assert.deepEqual(meaning(read(second, [write(second, once)])), meaning(once))
        }),
        { seed, numRuns: 150 },
      )
    })

    it('end exactly once, cut off at any byte, and a cut before the end is never a success', () => {
      fc.assert(
        fc.property(script, fc.nat(), (value, at) => {
          const bytes = write(protocol, eventsOf(value))
          const cut = at % bytes.length
          const events = read(protocol, [bytes.subarray(0, cut)])
          assert.equal(terminals(events).length, 1)
          const last = events.at(-1)
          assert.ok(last?.type === 'response-end' || last?.type === 'error', 'the terminal event is the last')
          // Chat and Messages may lose what stands behind the finish reason and still be whole.
          if (last.type === 'response-end')
            assert.deepEqual((meaning(events) as { text: string }).text, value.text.join(''))
        }),
        { seed, numRuns: 300 },
      )
    })

    it('may be cut into packets anywhere', () => {
      fc.assert(
        fc.property(script, fc.array(fc.nat(), { maxLength: 6 }), (value, cuts) => {
          const bytes = write(protocol, eventsOf(value))
          const places = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]
          const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
          assert.deepEqual(read(protocol, chunks), read(protocol, [bytes]))
        }),
        { seed, numRuns: 100 },
      )
    })

    it('keep the grammar and end once, whatever an upstream sends', () => {
      fc.assert(
        fc.property(fc.array(hostileEvent, { maxLength: 10 }), (messages) => {
          const text = messages.map(
            ({ type, data }) => `event: ${type}\ndata: ${JSON.stringify({ ...data, type })}\n\n`,
          )
          assertGrammatical(read(protocol, [Buffer.from(text.join(''))]))
        }),
        { seed, numRuns: 1000 },
      )
    })

    it('pass an error on as the one terminal event, wherever it comes', () => {
      fc.assert(
        fc.property(script, fc.nat(), (value, at) => {
          const events = eventsOf(value)
          const some = events.slice(0, 1 + (at % (events.length - 1)))
          const error: CanonicalEvent = { type: 'error', kind: 'overloaded', message: 'later', code: null }
          const back = read(protocol, [write(protocol, [...some, error, ...events])])
          assert.deepEqual(terminals(back), ['error'])
          assert.equal(back.at(-1)?.type, 'error')
        }),
        { seed, numRuns: 150 },
      )
    })
  })
