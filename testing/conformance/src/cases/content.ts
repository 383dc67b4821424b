/** Catalogue 69 to 77 and 81: images, marks, server tools, odd spellings and citations of content. */
import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.ts'
import { textOf, type DoorProtocol } from '../heard.ts'
import { isObject, list, object, show, type Json } from '../json.ts'
import { ask, weather } from '../requests.ts'
import { blockStart, blockStop, delta, messagesStream, messagesWhole } from '../wire-forms/messages.ts'
import { pong } from '../wire-forms/pong.ts'
import { others } from './tool-requests.ts'

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }
const ephemeral = { type: 'ephemeral' }

/** A tool turn at the Messages door with this content in its result. */
function toolTurn(content: unknown, more: Json = {}): Json {
  return ask('messages', {
    tools: [weather],
    more: {
      messages: [
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Look at the chart.', signature: 'c0ffee' },
            { type: 'tool_use', id: 'toolu_c', name: 'get_weather', input: { city: 'G' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_c', content }] },
      ],
      ...more,
    },
  })
}

function sentMessages(body: Json): readonly Json[] {
  return list(body['messages'], 'messages').map((message) => object(message, 'message'))
}

/** Every value of a member, anywhere in a body. */
function valuesOf(body: unknown, member: string): unknown[] {
  if (Array.isArray(body)) return body.flatMap((inner) => valuesOf(inner, member))
  if (!isObject(body)) return []
  return Object.entries(body).flatMap(([name, inner]) => [
    ...(name === member ? [inner] : []),
    ...valuesOf(inner, member),
  ])
}

export const contentCases: readonly ConformanceCase[] = [
  {
    id: 69,
    title: 'an image in a tool result reaches a Chat upstream whose tool messages are text only',
    sources: ['ollama/ollama#18055'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', pong)
      await room.ask(toolTurn([{ type: 'text', text: 'a chart' }, image]))
      const messages = sentMessages(room.sent.body)
      const tool = messages.find((message) => message['role'] === 'tool')
      assert.equal(typeof tool?.['content'], 'string', 'the content of a tool message is a string')
      assert.match(String(tool?.['content']), /a chart/)
      const last = messages.at(-1)
      assert.equal(last?.['role'], 'user')
      assert.ok(show(last?.['content']).includes('image_url'))
    },
  },
  {
    id: 70,
    title: 'an image that the upstream cannot see is refused by name, not dropped',
    sources: ['NVIDIA/TensorRT-LLM#18289'],
    doors: ['messages', 'chat', 'responses'],
    upstreams: ['deepseek'],
    async check(room) {
      room.stage('deepseek', pong)
      const url = `data:image/png;base64,${pixel}`
      const bodies: Readonly<Record<DoorProtocol, Json>> = {
        messages: toolTurn([{ type: 'text', text: 'a chart' }, image]),
        // Same protocol: the bytes go out, and the supplier sees the image or refuses it itself.
        chat: ask('chat', {
          more: { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] },
        }),
        responses: ask('responses', {
          more: { input: [{ type: 'message', role: 'user', content: [{ type: 'input_image', image_url: url }] }] },
        }),
      }
      const told = await room.post(bodies[room.door])
      if (room.door === 'chat') {
        assert.ok(room.received[0]?.text.includes(pixel))
        return
      }
      assert.equal(told.status, 400)
      assert.match(room.readError(told).message, /image/i)
      assert.equal(room.received.length, 0)
    },
  },
  {
    id: 71,
    title: 'cache marks on tool calls and results survive, also where the request is written anew',
    sources: ['maximhq/bifrost#1935'],
    doors: ['messages'],
    upstreams: ['messages'],
    async check(room) {
      const marked = (system: readonly Json[]): Json =>
        ask('messages', {
          tools: [weather],
          more: {
            messages: [
              { role: 'user', content: 'Weather?' },
              {
                role: 'assistant',
                content: [
                  { type: 'tool_use', id: 'toolu_a', name: 'get_weather', input: {}, cache_control: ephemeral },
                ],
              },
              {
                role: 'user',
                content: [{ type: 'tool_result', tool_use_id: 'toolu_a', content: 'sunny', cache_control: ephemeral }],
              },
              ...system,
            ],
          },
        })
      for (const system of [[], [{ role: 'system', content: 'Reminder.' }]]) {
        room.stage('messages', pong)
        await room.ask(marked(system))
        const blocks = sentMessages(room.sent.body).flatMap((message) =>
          Array.isArray(message['content']) ? (message['content'] as Json[]) : [],
        )
        for (const type of ['tool_use', 'tool_result'])
          assert.deepEqual(blocks.find((block) => block['type'] === type)?.['cache_control'], ephemeral, type)
      }
    },
  },
  {
    id: 72,
    title: 'a Chat or Responses client gets the explicit cache of a Messages upstream',
    sources: ['maximhq/bifrost#2469'],
    doors: ['chat', 'responses'],
    upstreams: ['anthropic'],
    async check(room) {
      room.stage('anthropic', pong)
      await room.ask(ask(room.door, { system: 'You are a pilot. '.repeat(400), tools: [weather] }))
      const marks = valuesOf(room.sent.body, 'cache_control')
      assert.ok(marks.length >= 1 && marks.length <= 4, `${marks.length} cache marks`)
      for (const mark of marks) assert.equal(object(mark, 'cache mark')['type'], 'ephemeral')
    },
  },
  {
    id: 73,
    title: 'no cache mark strays into a protocol that has none',
    sources: ['BerriAI/litellm#38718'],
    doors: ['messages'],
    upstreams: ['chat', 'responses', 'deepseek'],
    async check(room) {
      for (const flavour of ['chat', 'responses', 'deepseek'] as const) {
        room.stage(flavour, pong)
        const system = [{ type: 'text', text: 'You are a pilot.', cache_control: ephemeral }]
        const messages = [{ role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: ephemeral }] }]
        await room.ask(ask('messages', { more: { system, messages, cache_control: ephemeral } }))
        assert.deepEqual(valuesOf(room.sent.body, 'cache_control'), [])
      }
    },
  },
  {
    id: 74,
    title: 'cache_control: null is not sent on',
    sources: ['BerriAI/litellm#33816'],
    doors: ['messages', 'chat'],
    upstreams: ['messages', 'chat', 'responses'],
    async check(room) {
      const text = { type: 'text', text: 'Hi', cache_control: null }
      for (const flavour of others(room.door)) {
        room.stage(flavour, pong)
        await room.ask(ask(room.door, { more: { messages: [{ role: 'user', content: [text] }] } }))
        assert.deepEqual(
          valuesOf(room.sent.body, 'cache_control').filter((mark) => mark === null),
          [],
        )
      }
      if (room.door === 'chat') return
      // A system message in the middle makes the same protocol be written anew as well.
      room.stage('messages', pong)
      const messages = [
        { role: 'user', content: [text] },
        { role: 'system', content: [{ ...text, text: 'Reminder.' }] },
      ]
      await room.ask(ask(room.door, { more: { messages, cache_control: null } }))
      assert.deepEqual(
        valuesOf(room.sent.body, 'cache_control').filter((mark) => mark === null),
        [],
      )
    },
  },
  {
    id: 75,
    title: 'server tools without a schema and search_result blocks are understood',
    sources: ['sgl-project/sglang#22656'],
    doors: ['messages'],
    upstreams: ['chat', 'responses'],
    async check(room) {
      const result = {
        type: 'search_result',
        title: 'Tides of Genoa',
        source: 'https://example.test/tides',
        content: [{ type: 'text', text: 'High water at noon.' }],
      }
      for (const flavour of ['chat', 'responses'] as const) {
        room.stage(flavour, pong)
        const tools = [
          { type: 'web_search_20250305', name: 'web_search', max_uses: 3 },
          { name: 'get_weather', input_schema: weather.schema },
        ]
        const heard = await room.ask(toolTurn([result], { tools }))
        assert.equal(textOf(heard), 'PONG')
        assert.match(room.sent.text, /High water at noon\./)
        assert.match(room.sent.text, /Tides of Genoa/)
      }
    },
  },
  {
    id: 76,
    title: 'the order of members inside a message does not matter',
    sources: ['antirez/ds4#127'],
    doors: ['messages', 'chat', 'responses'],
    upstreams: ['chat', 'messages'],
    async check(room) {
      const content: Readonly<Record<DoorProtocol, unknown>> = {
        chat: [{ text: 'Hi there', type: 'text' }],
        messages: [{ text: 'Hi there', type: 'text' }],
        responses: [{ text: 'Hi there', type: 'input_text' }],
      }
      const message =
        room.door === 'responses'
          ? { content: content.responses, role: 'user', type: 'message' }
          : { content: content[room.door], role: 'user' }
      const flavour = room.door === 'messages' ? 'chat' : 'messages'
      room.stage(flavour, pong)
      const { messages: _messages, input: _input, ...rest } = ask(room.door)
      await room.ask({ ...(room.door === 'responses' ? { input: [message] } : { messages: [message] }), ...rest })
      assert.match(JSON.stringify(sentMessages(room.sent.body)), /Hi there/)
      // And the model at the very end, where a reader that stops early misses it.
      room.stage(flavour, pong)
      const history = room.door === 'responses' ? { input: [message] } : { messages: [message] }
      const told = await room.post(JSON.stringify({ ...history, ...rest, model: room.model }))
      assert.equal(told.status, 200)
    },
  },
  {
    id: 77,
    title: 'angle brackets in a tool result arrive as they are',
    sources: ['antirez/ds4#152'],
    doors: ['messages'],
    upstreams: ['chat', 'deepseek', 'responses'],
    async check(room) {
      const text = 'if (a < b && b > c) return "<tool_result>&lt;</tool_result>" // <｜end｜>'
      for (const flavour of ['chat', 'deepseek', 'responses'] as const) {
        room.stage(flavour, pong)
        await room.ask(toolTurn(text))
        assert.ok(valuesOf(room.sent.body, flavour === 'responses' ? 'output' : 'content').includes(text))
      }
    },
  },
  {
    id: 81,
    title: 'citations of a web search reach the client beside the text',
    sources: ['Portkey-AI/gateway#950'],
    doors: ['chat', 'responses'],
    upstreams: ['messages'],
    async check(room) {
      const citation = {
        type: 'web_search_result_location',
        cited_text: 'High water at noon.',
        encrypted_index: 'abc',
        title: 'Tides of Genoa',
        url: 'https://example.test/tides',
      }
      for (const stream of [true, false]) {
        room.stage('messages', () =>
          stream
            ? messagesStream([
                blockStart(0, { type: 'text', text: '' }),
                delta(0, { type: 'text_delta', text: 'High water ' }),
                delta(0, { type: 'citations_delta', citation }),
                delta(0, { type: 'text_delta', text: 'at noon.' }),
                blockStop(0),
              ])
            : messagesWhole([{ type: 'text', text: 'High water at noon.', citations: [citation] }]),
        )
        const heard = await room.ask(ask(room.door, { stream }))
        assert.equal(textOf(heard), 'High water at noon.')
        const [part] = heard.parts
        assert.ok(part?.kind === 'text')
        assert.equal(part.citations.length, 1, `streamed: ${stream}`)
        assert.match(JSON.stringify(part.citations[0]), /"url_citation".*https:\/\/example\.test\/tides/)
      }
    },
  },
]
