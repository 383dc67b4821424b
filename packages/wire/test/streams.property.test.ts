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
