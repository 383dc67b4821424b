import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { defaultCheckpointName, type EngineInfo } from '@portolan/engine'
import {
  plainRequest,
  ResponseAssembler,
  type CanonicalEvent,
  type CanonicalRequest,
  type FunctionTool,
} from '@portolan/wire'
import { resolveUpstream } from '../upstream.ts'
import { Answer } from './answer.ts'
import { toGeneration } from './chat-request.ts'
import { closeEmbeddedEngines } from './engine-places.ts'
import { SampledCalls } from './sampled-calls.ts'
import { untrainedLabel, untrainedModel } from './untrained.ts'

const room = mkdtempSync(join(tmpdir(), 'embedded-'))
after(async () => {
  await closeEmbeddedEngines()
  rmSync(room, { recursive: true, force: true })
})

const plain = plainRequest({
  from: 'chat',
  model: 'deepseek-v4-pro',
  items: [{ kind: 'user', parts: [{ type: 'text', text: 'How deep is the sea?' }] }],
  stream: true,
  includeUsage: true,
})

const weather: FunctionTool = {
  kind: 'function',
  name: 'weather',
  namespace: null,
  description: 'Tells the weather.',
  strict: null,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}

const trained: EngineInfo = {
  trained: true,
  name: 'm',
  vocabularySize: 4096,
  maximumPositions: 1_048_576,
  efforts: ['high', 'max'],
  forward: 'exact',
  diskProblem: null,
}

const translate = (change: Partial<CanonicalRequest>, info = trained, sampled = new SampledCalls()) =>
  toGeneration({ ...plain, ...change }, info, 'key', sampled)

describe('a request to the embedded engine', () => {
  it('thinks unless it is told not to, also before a tool that must be called; an untrained model only when told to', () => {
    const thinking = (mode: 'on' | 'off') => ({ mode, effort: null, budgetTokens: null, display: null })
    const untrained = { ...trained, trained: false }
    assert.equal(translate({}).generation.prompt.mode, 'thinking')
    assert.equal(translate({ thinking: thinking('off') }).generation.prompt.mode, 'chat')
    assert.equal(translate({}, untrained).generation.prompt.mode, 'chat')
    assert.equal(translate({ thinking: thinking('on') }, untrained).generation.prompt.mode, 'thinking')
    const forced = translate({ tools: [weather], toolChoice: { mode: 'required' } }).generation
    assert.deepEqual([forced.prompt.mode, forced.constraint?.calls], ['thinking', 'required'])
  })

  it('keeps the prompt as it is whatever may be called, so that every turn finds the ones before it', () => {
    const tools = [weather, { ...weather, name: 'tides' }]
    const promptOf = (toolChoice: CanonicalRequest['toolChoice']): unknown => {
      const { constraint, ...rest } = translate({ tools, toolChoice }).generation
      assert.ok(constraint)
      return rest
    }
    const free = promptOf(null)
    assert.deepEqual(promptOf({ mode: 'none' }), free)
    assert.deepEqual(promptOf({ mode: 'required' }), free)
    assert.deepEqual(promptOf({ mode: 'named', name: 'tides' }), free)
    assert.deepEqual(promptOf({ mode: 'allowed', names: ['tides'], require: false, raw: [] }), free)
  })

  it('goes on with a text, or with a thought where only a thought was begun', () => {
    const thought = { kind: 'reasoning', text: 'First', summary: [], token: null } as const
    const text = (said: string) =>
      ({ kind: 'assistant-text', parts: [{ type: 'text', text: said }], prefill: true }) as const
    const prefix = (...items: CanonicalRequest['items']) => {
      const last = translate({ items: [...plain.items, ...items] }).generation.prompt.messages.at(-1)
      return last?.role === 'assistant' ? last.prefix : null
    }
    assert.deepEqual(
      [prefix(text('It')), prefix(thought, text('')), prefix(thought, text('It'))],
      ['answer', 'thought', 'answer'],
    )
  })

  it('says effort in words that the checkpoint knows', () => {
    const effort = (word: 'low' | 'medium' | 'xhigh' | 'max') =>
      translate({ thinking: { mode: 'on', effort: word, budgetTokens: null, display: null } }).generation.prompt.effort
    assert.deepEqual([effort('low'), effort('medium'), effort('xhigh'), effort('max')], [null, 'high', 'high', 'max'])
  })

  it('makes one assistant message of reasoning, text and calls, and keeps the order of turns', () => {
    const { messages } = translate({
      items: [
        { kind: 'instruction', placement: 'top', role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] },
        { kind: 'instruction', placement: 'inline', role: 'developer', parts: [{ type: 'text', text: 'Be kind.' }] },
        {
          kind: 'user',
          parts: [
            { type: 'text', text: 'Look' },
            { type: 'image', source: { kind: 'url', url: 'x' }, detail: null },
          ],
        },
        { kind: 'reasoning', text: 'Hm.', summary: [], token: null },
        { kind: 'assistant-text', parts: [{ type: 'text', text: `${untrainedLabel}I see.` }] },
        {
          kind: 'tool-call',
          callId: 'c',
          name: 'weather',
          namespace: null,
          argumentsText: '{"city": "X"}',
          custom: false,
        },
        { kind: 'tool-result', callId: 'c', parts: [{ type: 'text', text: 'rain' }], isError: true },
        { kind: 'assistant-text', parts: [{ type: 'text', text: 'It' }], prefill: true },
      ],
    }).generation.prompt
    assert.deepEqual(messages, [
      { role: 'system', content: 'Be brief.\n\nBe kind.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look' },
          { type: 'unsupported', kind: 'image' },
        ],
      },
      {
        role: 'assistant',
        content: 'I see.',
        reasoning: 'Hm.',
        toolCalls: [{ id: 'c', name: 'weather', argumentsText: '{"city": "X"}' }],
        rawCalls: null,
        prefix: null,
      },
      {
        role: 'tool',
        callId: 'c',
        content: [
          { type: 'text', text: 'Error:\n' },
          { type: 'text', text: 'rain' },
        ],
      },
      { role: 'assistant', content: 'It', reasoning: null, prefix: 'answer' },
    ])
  })

  it('repeats a call block as it was sampled, of the same tenant and with the same arguments only', () => {
    const sampled = new SampledCalls()
    const call = { kind: 'tool-call', callId: 'c1', name: 'weather', namespace: null, custom: false } as const
    const rawOf = (argumentsText: string, endUser: string | null): unknown => {
      const { messages } = translate({ items: [{ ...call, argumentsText }], endUser }, trained, sampled).generation
        .prompt
      return (messages[0] as { rawCalls?: unknown }).rawCalls
    }
    const { tenant } = translate({}).generation
    sampled.remember(tenant, [{ id: 'c1', name: 'weather', argumentsText: '{"city": 1.0}' }], 'RAW')
    assert.equal(rawOf('{"city": 1.0}', null), 'RAW')
    assert.equal(rawOf('{"city": 1}', null), null)
    assert.equal(rawOf('{"city": 1.0}', 'someone'), null)
  })

  it('is refused by name where something would be lost', () => {
    const schema = { type: 'json-schema', name: null, description: null, schema: {} } as const
    for (const [change, pattern] of [
      [{ topLogprobs: 21 }, /valid range of top_logprobs is \[0, 20\]/],
      [{ choices: 129 }, /valid range of n is/],
      [{ maxOutputTokens: 0 }, /valid range of max_tokens is \[1, 393216\]/],
      [{ sampling: { ...plain.sampling, topP: 0 } }, /valid range of top_p is \(0, 1\]/],
      [{ stop: Array.from({ length: 17 }, (_, at) => `s${at}`) }, /at most 16 strings/],
      [{ maxOutputTokens: 393_217 }, /valid range of max_tokens is \[1, 393216\]/],
      [{ sampling: { ...plain.sampling, temperature: 2.5 } }, /valid range of temperature is \[0, 2\]/],
      [{ toolChoice: { mode: 'required' } }, /none is given/],
      [{ tools: [weather], toolChoice: { mode: 'named', name: 'other' } }, /"other" is not given/],
    ] satisfies [Partial<CanonicalRequest>, RegExp][])
      assert.throws(() => translate(change), { message: pattern })
    assert.equal(
      translate({ outputFormat: { ...schema, strict: null } }).generation.prompt.responseFormat?.kind,
      'json-schema',
    )
  })
})

describe('an answer of the embedded engine', () => {
  it('gives calls ids, unwraps the input of free-form tools, and remembers what was sampled', () => {
    const remembered: unknown[] = []
    const ended = {
      type: 'ended',
      finish: 'tool-calls',
      stopString: null,
      promptTokens: 300,
      hitTokens: 256,
      outputTokens: 9,
      reasoningTokens: 2,
      rawCalls: 'RAW',
    } as const
    let keys = 0
    const answer = new Answer({
      requestId: 'r',
      choice: null,
      nextKey: () => keys++,
      tools: new Map([
        ['ns__weather', { ...weather, namespace: 'ns' }],
        ['patch', { kind: 'custom', name: 'patch', namespace: null, description: null, format: null }],
      ]),
      label: '',
      labelsText: true,
      budgetIsCallers: true,
      onCalls: (calls, rawCalls) => remembered.push(calls.length, rawCalls),
    })
    const events = [
      ...answer.piece({ type: 'reasoning-delta', text: 'a' }),
      ...answer.piece({ type: 'text-delta', text: 'b' }),
      ...answer.piece({ type: 'tool-call-start', index: 0, name: 'ns__weather' }),
      ...answer.piece({ type: 'tool-call-delta', index: 0, argumentsDelta: '{}' }),
      ...answer.piece({ type: 'tool-call-end', index: 0, complete: true }),
      ...answer.piece({ type: 'tool-call-start', index: 1, name: 'patch' }),
      ...answer.piece({ type: 'tool-call-delta', index: 1, argumentsDelta: '{"input":"x\\n' }),
      ...answer.piece({ type: 'tool-call-delta', index: 1, argumentsDelta: 'y"}' }),
      ...answer.piece({ type: 'tool-call-end', index: 1, complete: true }),
      ...answer.end(ended),
    ]
    const brief = events.map((event) => {
      if (event.type === 'tool-call-start') return [event.key, event.name, event.namespace, event.custom]
      if (event.type === 'tool-call-delta') return [event.key, event.argumentsDelta]
      return 'key' in event ? [event.type, event.key] : event.type
    })
    assert.deepEqual(brief, [
      ['reasoning-start', 0],
      ['reasoning-delta', 0],
      ['reasoning-end', 0],
      ['text-start', 1],
      ['text-delta', 1],
      ['text-end', 1],
      [2, 'weather', 'ns', false],
      [2, '{}'],
      ['tool-call-end', 2],
      [3, 'patch', null, true],
      [3, 'x\ny'],
      ['tool-call-end', 3],
    ])
    assert.equal(answer.stopOf(ended), 'tool-call')
    assert.deepEqual(remembered, [2, 'RAW'])
  })
})

describe('the embedded upstream', () => {
  const { generate } = resolveUpstream({ name: 'local', kind: 'embedded', model: { dataDirectory: room } }).definition
  const long = 'The harbour pilot reads the wind rose and marks every sandbank without hurry. '.repeat(10)
  const items = [{ kind: 'user', parts: [{ type: 'text', text: long }] }] as const
  let runs = 0

  async function run(change: Partial<CanonicalRequest>, tenant?: string): Promise<CanonicalEvent[]> {
    const events: CanonicalEvent[] = []
    const context = { requestId: `r${runs++}`, createdSec: 5, signal: null, ...(tenant ? { tenant } : {}) }
    for await (const event of generate!({ ...plain, maxOutputTokens: 3, ...change }, context)) events.push(event)
    return events
  }

  function textOf(events: readonly CanonicalEvent[]): string {
    return events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')
  }

  function hitsOf(events: readonly CanonicalEvent[]): number {
    const last = events.at(-1)!
    assert.ok(last.type === 'response-end', JSON.stringify(last))
    return last.usage.hitTokens!
  }

  it('answers without any configuration, and says first that it is untrained', async () => {
    const events = await run({ sampling: { ...plain.sampling, seed: 1 } })
    assert.ok(events[0]?.type === 'response-start')
    assert.deepEqual([events[0].model, defaultCheckpointName], [untrainedModel, untrainedModel])
    const text = textOf(events)
    assert.ok(text.startsWith(untrainedLabel), text)
    assert.ok(text.length > untrainedLabel.length)
    const last = events.at(-1)!
    assert.ok(last.type === 'response-end')
    assert.deepEqual([last.stop, last.usage.outputTokens], ['length', 3])
  })

  it('hits the prefix of the same key, also with its own answer in it, and never that of another', async () => {
    const first = await run({ items }, 'key-1')
    assert.equal(hitsOf(first), 0)
    const next = [
      ...items,
      { kind: 'assistant-text', parts: [{ type: 'text', text: textOf(first) }] },
      { kind: 'user', parts: [{ type: 'text', text: 'Go on.' }] },
    ] as const
    assert.ok(hitsOf(await run({ items: next }, 'key-1')) >= 128)
    assert.equal(hitsOf(await run({ items }, 'key-2')), 0)
    assert.equal(hitsOf(await run({ items, endUser: 'u' }, 'key-1')), 0)
    assert.equal(hitsOf(await run({ items })), 0)
  })

  it('answers in form although it knows nothing: JSON, a schema, calls after a thought', async () => {
    const bounds = { maxOutputTokens: 200, sampling: { ...plain.sampling, seed: 4 } }
    const whole = textOf(await run({ ...bounds, outputFormat: { type: 'json-object' } }))
    assert.equal(typeof JSON.parse(whole), 'object', whole)
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer' } },
      required: ['n'],
      additionalProperties: false,
    }
    const format = { type: 'json-schema', name: null, description: null, schema, strict: true } as const
    assert.ok(Number.isInteger(JSON.parse(textOf(await run({ ...bounds, outputFormat: format }))).n))
    const thinking = { mode: 'on', effort: null, budgetTokens: null, display: null } as const
    const strict = { ...weather, strict: true, parameters: { ...schema, properties: { n: { enum: ['x'] } } } }
    for (const toolChoice of [{ mode: 'required' }, { mode: 'named', name: 'weather' }] as const) {
      const tools = [strict, { ...strict, name: 'other' }]
      const events = await run({ ...bounds, tools, toolChoice, thinking, parallelToolCalls: false })
      const types = events.filter(({ type }) => type.endsWith('-start')).map(({ type }) => type)
      assert.deepEqual(types, ['response-start', 'reasoning-start', 'tool-call-start'])
      const call = events.find((event) => event.type === 'tool-call-start')!
      assert.ok(toolChoice.mode === 'required' || call.name === 'weather')
      const deltas = events.map((event) => (event.type === 'tool-call-delta' ? event.argumentsDelta : ''))
      assert.deepEqual(JSON.parse(deltas.join('')), { n: 'x' })
      const last = events.at(-1)!
      assert.ok(last.type === 'response-end' && last.stop === 'tool-call')
    }
    const refused = (await run({ outputFormat: { ...format, schema: { not: { format: 'iri' } } } })).at(-1)!
    assert.ok(refused.type === 'error' && refused.kind === 'invalid-request', JSON.stringify(refused))
    assert.match(refused.message, /"not" of a schema with "format" at #/)
  })

  it('gives several choices of one prompt: computed once, counted once, and what was written of all', async () => {
    const sampling = { ...plain.sampling, seed: 9 }
    const events = await run({ items, choices: 3, sampling, maxOutputTokens: 8 }, 'choices')
    const assembler = new ResponseAssembler()
    for (const event of events) assembler.push(event)
    const { items: said, moreChoices, usage } = assembler.response()!
    const texts = [{ items: said }, ...moreChoices].map((choice) => JSON.stringify(choice.items))
    assert.equal(new Set(texts).size, 3, 'a seed is no reason to say one thing three times')
    const alone = new ResponseAssembler()
    for (const event of await run({ items, sampling, maxOutputTokens: 8 }, 'alone')) alone.push(event)
    const { items: once, usage: least } = alone.response()!
    assert.deepEqual(said, once, 'the first of several is the one that comes alone')
    assert.deepEqual(
      [usage.inputTokens, usage.hitTokens, usage.missTokens, usage.outputTokens],
      [least.inputTokens, 0, least.inputTokens, 3 * least.outputTokens!],
    )
    const again = new ResponseAssembler()
    for (const event of await run({ items, choices: 3, sampling, maxOutputTokens: 8 }, 'other')) again.push(event)
    assert.deepEqual(again.response()!.moreChoices, moreChoices, 'equal requests give equal answers')
  })

  it('ends in an error event that names what is wrong', async () => {
    for (const choices of [0, 129]) {
      const last = (await run({ choices })).at(-1)!
      assert.ok(last.type === 'error')
      assert.equal(last.kind, 'invalid-request')
      assert.match(last.message, /valid range of n is \[1, 128\]/)
    }
    const homeless = resolveUpstream({ name: 'h', kind: 'embedded' }).definition.generate!
    for await (const event of homeless(plain, { requestId: 'r', createdSec: 0, signal: null }))
      assert.ok(event.type === 'error' && /neither a checkpoint/.test(event.message))
  })
})
