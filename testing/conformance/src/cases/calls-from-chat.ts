/** Catalogue 1 to 15 and 28: tool calls of a Chat upstream, streamed, at the other two doors. */
import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.ts'
import { callsOf, reasoningOf, shapeOf, textOf, type DoorProtocol, type Heard } from '../heard.ts'
import type { Json } from '../json.ts'
import { ask, clock, ping, weather } from '../requests.ts'
import type { Room } from '../room.ts'
import { args, call, chatStream, chatUsage, chatWhole, chunk, role, usageChunk } from '../wire-forms/chat.ts'
import { stream } from '../wire-forms/play.ts'
import { blockStart, blockStop, delta as blockDelta, ending, start } from '../wire-forms/messages.ts'

const translated: readonly DoorProtocol[] = ['messages', 'responses']
const tools = [weather, clock, ping]
const usage = chatUsage(40, 20)

async function hear(room: Room, deltas: readonly Json[], finish = 'tool_calls'): Promise<Heard> {
  room.stage('chat', () => chatStream(deltas, finish, usage))
  return room.ask(ask(room.door, { tools }))
}

/** What most scenes end in: one call for each of two tools. */
const weatherAndTime = [
  ['call_a', 'get_weather', '{"city":"Genoa"}'],
  ['call_b', 'get_time', '{"city":"Rome"}'],
] as const

function assertCalls(heard: Heard, expected: readonly (readonly [id: string, name: string, text: string])[]): void {
  assert.deepEqual(
    callsOf(heard).map(({ id, name, arguments: text }) => [id, name, text]),
    expected,
  )
}

/** The stop word that says "run the tools". */
function assertCallStop(room: Room, heard: Heard): void {
  assert.equal(heard.stop, room.door === 'messages' ? 'tool_use' : 'completed')
}

export const callsFromChat: readonly ConformanceCase[] = [
  {
    id: 1,
    title: 'an empty tool_calls list beside text means no call',
    sources: ['BerriAI/litellm#29286'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(
        room,
        [
          { content: 'Hel', tool_calls: [] },
          { content: 'lo', tool_calls: [] },
        ],
        'stop',
      )
      assert.equal(shapeOf(heard), 'text')
      assert.equal(textOf(heard), 'Hello')
    },
  },
  {
    id: 2,
    title: 'a tool call forces the tool stop, whatever finish reason the upstream gives',
    sources: ['maximhq/bifrost#3638'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [call(0, 'call_a', 'get_weather'), args(0, '{"city":"Genoa"}')], 'stop')
      assertCalls(heard, [['call_a', 'get_weather', '{"city":"Genoa"}']])
      assertCallStop(room, heard)
    },
  },
  {
    id: 3,
    title: 'text and then a tool call still stop for the tool, streamed and whole',
    sources: ['maximhq/bifrost#6123'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(
        room,
        [{ content: 'I look.' }, call(0, 'call_a', 'get_weather'), args(0, '{"city":"Genoa"}')],
        'stop',
      )
      assert.equal(shapeOf(heard), 'text call')
      assertCallStop(room, heard)
      const tool_calls = [
        { id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Genoa"}' } },
      ]
      room.stage('chat', () => chatWhole({ content: 'I look.', tool_calls }, 'stop', usage))
      const whole = await room.ask(ask(room.door, { tools, stream: false }))
      assert.equal(shapeOf(whole), 'text call')
      assertCallStop(room, whole)
    },
  },
  {
    id: 4,
    title: 'no empty text block is opened before a tool call',
    sources: ['BerriAI/litellm#34692'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(
        room,
        [{ content: '' }, { content: null }, call(0, 'call_a', 'get_weather'), args(0, '{"city":"Genoa"}')],
        'stop',
      )
      assert.equal(shapeOf(heard), 'call')
      assertCallStop(room, heard)
    },
  },
  {
    id: 5,
    title: 'the answer starts once and each delta stands in a block of its kind',
    sources: ['BerriAI/litellm#32357'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const first = { role: 'assistant', content: '', reasoning_content: '' }
      const heard = await hear(
        room,
        [
          first,
          first,
          { reasoning_content: 'Think.' },
          { reasoning_content: ' More.', content: 'Say' },
          { content: ' it.' },
        ],
        'stop',
      )
      assert.equal(shapeOf(heard), 'reasoning text')
      assert.equal(reasoningOf(heard), 'Think. More.')
      assert.equal(textOf(heard), 'Say it.')
    },
  },
  {
    id: 6,
    title: 'blocks are numbered without gaps through text, calls and text',
    sources: ['QuantumNous/new-api#5482'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [
        { reasoning_content: 'Think.' },
        { content: 'First.' },
        call(0, 'call_a', 'get_weather', '{"city":"Genoa"}'),
        call(1, 'call_b', 'get_time', '{"city":"Genoa"}'),
        { content: 'Last.' },
      ])
      assert.equal(textOf(heard), 'First.Last.')
      assert.deepEqual(shapeOf(heard).split(' ').sort(), ['call', 'call', 'reasoning', 'text', 'text'])
      assertCallStop(room, heard)
    },
  },
  {
    id: 7,
    title: 'parallel calls whose arguments all come in the last chunk arrive whole',
    sources: ['QuantumNous/new-api#6394'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [
        call(0, 'call_a', 'get_weather'),
        call(1, 'call_b', 'get_time'),
        { tool_calls: [...entries(args(0, '{"city":"Genoa"}')), ...entries(args(1, '{"city":"Rome"}'))] },
      ])
      assertCalls(heard, weatherAndTime)
    },
  },
  {
    id: 8,
    title: 'a late empty delta for a finished call disturbs nothing',
    sources: ['Wei-Shaw/sub2api#4294'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [
        call(0, 'call_a', 'get_weather', '{"city":"Genoa"}'),
        call(1, 'call_b', 'get_time', '{"city":'),
        args(0, ''),
        args(1, '"Rome"}'),
        args(0, ''),
      ])
      assertCalls(heard, weatherAndTime)
    },
  },
  {
    id: 9,
    title: 'interleaved argument fragments go to the call of their index',
    sources: ['praxis-proxy/ai#266'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [
        call(0, 'call_a', 'get_weather'),
        call(1, 'call_b', 'get_time'),
        args(0, '{"city":'),
        args(1, '{"city":'),
        args(0, '"Genoa"}'),
        args(1, '"Rome"}'),
      ])
      assertCalls(heard, weatherAndTime)
    },
  },
  {
    id: 10,
    title: 'parallel calls never share an index, even when the upstream numbers them all 0',
    sources: ['Shelpuk-AI-Technology-Consulting/kitty-bridge#116'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const expected = [
        ['call_a', 'get_weather', '{"city":"Genoa"}'],
        ['call_b', 'get_time', '{"city":"Rome"}'],
        ['call_c', 'ping', '{}'],
      ] as const
      for (const numbered of [true, false]) {
        const heard = await hear(
          room,
          expected.map(([id, name, text], index) => call(numbered ? index : 0, id, name, text)),
        )
        assertCalls(heard, expected)
      }
    },
  },
  {
    id: 11,
    title: 'a repeated id on argument fragments is the same call',
    sources: ['diegosouzapw/OmniRoute#682'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const again = (fragment: string): Json => ({
        tool_calls: [{ index: 0, id: 'call_a', function: { arguments: fragment } }],
      })
      const heard = await hear(room, [
        call(0, 'call_a', 'get_weather'),
        again('{"city":'),
        again('"Genoa"'),
        again('}'),
      ])
      assertCalls(heard, [['call_a', 'get_weather', '{"city":"Genoa"}']])
    },
  },
  {
    id: 12,
    title: 'id and name repeated on every fragment are the same call',
    sources: ['nanocoai/nanoclaw#1241'],
    doors: translated,
    upstreams: ['vllm'],
    async check(room) {
      room.stage('vllm', () =>
        chatStream(
          ['{"city":', '"Genoa"', '}'].map((piece) => call(0, 'chatcmpl-tool-a', 'get_weather', piece)),
          'tool_calls',
          usage,
        ),
      )
      const heard = await room.ask(ask(room.door, { tools }))
      assertCalls(heard, [['chatcmpl-tool-a', 'get_weather', '{"city":"Genoa"}']])
    },
  },
  {
    id: 13,
    title: 'all calls of one chunk are converted, also one without arguments',
    sources: ['maximhq/bifrost#3441'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [
        {
          tool_calls: [
            ...entries(call(0, 'call_a', 'ping')),
            ...entries(call(1, 'call_b', 'get_time', '{"city":"Rome"}')),
            ...entries(call(2, 'call_c', 'ping')),
          ],
        },
      ])
      assertCalls(heard, [
        ['call_a', 'ping', '{}'],
        ['call_b', 'get_time', '{"city":"Rome"}'],
        ['call_c', 'ping', '{}'],
      ])
    },
  },
  {
    id: 14,
    title: 'parallel calls of a Messages stream with overlapping blocks all arrive',
    sources: ['BerriAI/litellm#15307'],
    doors: ['chat', 'responses'],
    upstreams: ['messages'],
    async check(room) {
      const json = (index: number, partial_json: string): string =>
        blockDelta(index, { type: 'input_json_delta', partial_json })
      room.stage('messages', () =>
        stream(
          start(),
          blockStart(0, { type: 'tool_use', id: 'toolu_a', name: 'get_weather', input: {} }),
          blockStart(1, { type: 'tool_use', id: 'toolu_b', name: 'get_time', input: {} }),
          json(0, '{"city":'),
          json(1, '{"city":"Rome"'),
          json(0, '"Genoa"}'),
          json(1, '}'),
          blockStop(0),
          blockStop(1),
          ending('tool_use'),
        ),
      )
      const heard = await room.ask(ask(room.door, { tools }))
      assertCalls(heard, [
        ['toolu_a', 'get_weather', '{"city":"Genoa"}'],
        ['toolu_b', 'get_time', '{"city":"Rome"}'],
      ])
    },
  },
  {
    id: 15,
    title: 'a tool stop without a call is an upstream error, never tool_use',
    sources: ['router-for-me/CLIProxyAPI#3799'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const heard = await hear(room, [{ reasoning_content: 'I will call it.' }])
      assert.ok(heard.error, 'the answer must end as an error')
      room.stage('chat', () => chatWhole({ content: null }, 'tool_calls', usage))
      const refusal = await room.refused(ask(room.door, { tools, stream: false }))
      assert.ok(refusal.status >= 500)
    },
  },
  {
    id: 28,
    title: 'what was held back for a later call is delivered inside its block when the stream runs dry',
    sources: ['BerriAI/litellm#28868'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', () =>
        // The first call becomes whole only with the last fragment, and no [DONE] follows.
        stream(
          role,
          chunk(call(0, 'call_a', 'get_weather', '{"city":')),
          chunk(call(1, 'call_b', 'get_time', '{"city":"Rome"}')),
          chunk(call(2, 'call_c', 'ping')),
          chunk(args(0, '"Genoa"}')),
          chunk({}, 'tool_calls'),
          usageChunk(usage),
        ),
      )
      const heard = await room.ask(ask(room.door, { tools }))
      assertCalls(heard, [
        ['call_a', 'get_weather', '{"city":"Genoa"}'],
        ['call_b', 'get_time', '{"city":"Rome"}'],
        ['call_c', 'ping', '{}'],
      ])
    },
  },
]

function entries(delta: Json): readonly unknown[] {
  return delta['tool_calls'] as readonly unknown[]
}
