import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plainRequest, type CanonicalEvent, type CanonicalRequest } from '@portolan/wire'
import { demoModel, generateDemo } from './generate.ts'

const plain = plainRequest({
  from: 'chat',
  model: 'anything',
  items: [{ kind: 'user', parts: [{ type: 'text', text: 'How deep is the sea?' }] }],
  stream: true,
  includeUsage: true,
})

const weather = {
  kind: 'function',
  name: 'weather',
  namespace: null,
  description: null,
  strict: null,
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
} as const

async function run(change: Partial<CanonicalRequest>, signal: AbortSignal | null = null): Promise<CanonicalEvent[]> {
  const events: CanonicalEvent[] = []
  for await (const event of generateDemo({ ...plain, ...change }, { requestId: 'req-1', createdSec: 7, signal }))
    events.push(event)
  return events
}

const textOf = (events: readonly CanonicalEvent[]) =>
  events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')
const argumentsOf = (events: readonly CanonicalEvent[]) =>
  events.map((event) => (event.type === 'tool-call-delta' ? event.argumentsDelta : '')).join('')
const endOf = (events: readonly CanonicalEvent[]) => {
  const last = events.at(-1)
  assert.ok(last?.type === 'response-end')
  return last
}

describe('the demonstration upstream', () => {
  it('says what it is, quotes a little, and streams in many pieces', async () => {
    const events = await run({})
    assert.match(textOf(events), /demonstration upstream.*not a language model.*"How deep is the sea\?"/)
    assert.ok(events.filter((event) => event.type === 'text-delta').length > 10)
    assert.ok(events.every((event) => event.type !== 'text-delta' || event.text !== ''))
    const [start] = events
    assert.ok(start?.type === 'response-start' && start.model === demoModel && start.createdSec === 7)
    assert.equal(endOf(events).stop, 'end')
  })

  it('quotes at most a little, and never half a character', async () => {
    const text = textOf(await run({ items: [{ kind: 'user', parts: [{ type: 'text', text: '🌊'.repeat(5_000) }] }] }))
    assert.ok(text.length < 800)
    assert.ok(text.isWellFormed())
  })

  it('marks its token counts as estimates that add up', async () => {
    const { usage } = endOf(await run({}))
    assert.deepEqual(usage.raw, { estimated: true, by: 'characters / 4' })
    assert.equal(usage.inputTokens, usage.hitTokens! + usage.missTokens!)
    assert.ok(usage.outputTokens! > 20)
  })

  it('calls a forced tool with arguments that fit its schema', async () => {
    for (const toolChoice of [
      { mode: 'required' },
      { mode: 'named', name: 'weather' },
      { mode: 'allowed', require: true, names: ['weather'], raw: [] },
    ] as const) {
      const events = await run({ tools: [weather], toolChoice })
      assert.deepEqual(JSON.parse(argumentsOf(events)), { city: 'demonstration' })
      assert.equal(endOf(events).stop, 'tool-call')
      assert.equal(textOf(events), '')
    }
  })

  it('calls nothing unless forced', async () => {
    assert.match(textOf(await run({ tools: [weather], toolChoice: { mode: 'auto' } })), /demonstration/)
    assert.match(textOf(await run({ tools: [weather], toolChoice: { mode: 'named', name: 'other' } })), /demonstration/)
  })

  it('speaks of a tool result in the next turn, so that a tool loop ends', async () => {
    const events = await run({
      items: [
        ...plain.items,
        { kind: 'tool-result', callId: 'c', parts: [{ type: 'text', text: 'rain' }], isError: true },
      ],
    })
    assert.match(textOf(events), /tool result of 4 characters arrived, marked as an error/)
  })

  it('answers JSON where JSON is asked for', async () => {
    const schema = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] }
    const structured = textOf(
      await run({ outputFormat: { type: 'json-schema', name: null, description: null, schema, strict: true } }),
    )
    assert.deepEqual(JSON.parse(structured), { answer: 'demonstration' })
    assert.equal(JSON.parse(textOf(await run({ outputFormat: { type: 'json-object' } }))).demonstration, true)
  })

  it('keeps to the budget and to stop strings', async () => {
    const short = await run({ maxOutputTokens: 5 })
    assert.ok(textOf(short).length <= 20)
    assert.equal(endOf(short).stop, 'length')
    assert.equal(endOf(short).usage.outputTokens, 5)
    const nothing = await run({ maxOutputTokens: 0 })
    assert.deepEqual(
      nothing.map((event) => event.type),
      ['response-start', 'response-end'],
    )
    const stopped = await run({ stop: ['never there', ' language'] })
    assert.match(textOf(stopped), /is not a$/)
    assert.deepEqual([endOf(stopped).stop, endOf(stopped).stopSequence], ['stop-sequence', ' language'])
  })

  it('ends when the caller leaves', async () => {
    const events = await run({}, AbortSignal.abort())
    assert.equal(events.at(-1)?.type, 'error')
  })

  it('is deterministic', async () => assert.deepEqual(await run({}), await run({})))
})
