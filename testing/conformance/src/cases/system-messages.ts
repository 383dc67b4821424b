/** Catalogue 57 to 60: a system message in the middle of a Messages conversation, as Claude Code sends on every first turn. */
import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.ts'
import { list, object, show, type Json } from '../json.ts'
import { ask, weather } from '../requests.ts'
import { pong } from '../wire-forms/pong.ts'

const environment = '# Environment: the harbour of Genoa.'
const reminder = 'Reminder: two tasks are open.'

/** Turn one and turn two of one session; on turn two the client sends the first system text as a plain string. */
const turnOne: readonly Json[] = [
  { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
  { role: 'system', content: [{ type: 'text', text: environment, cache_control: { type: 'ephemeral' } }] },
]
const turnTwo: readonly Json[] = [
  { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
  { role: 'system', content: environment },
  {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: 'Look at the chart.', signature: 'c0ffee' },
      { type: 'tool_use', id: 'toolu_58', name: 'get_weather', input: { city: 'Genoa' } },
    ],
  },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_58', content: 'sunny' }] },
  { role: 'system', content: reminder },
]

function request(messages: readonly Json[]): Json {
  const system = [{ type: 'text', text: 'You are a pilot.', cache_control: { type: 'ephemeral' } }]
  return ask('messages', { tools: [weather], more: { system, messages } })
}

function sentMessages(body: Json, member = 'messages'): readonly Json[] {
  return list(body[member], member).map((message) => object(message, 'message'))
}

export const systemMessages: readonly ConformanceCase[] = [
  {
    id: 57,
    title: 'a system message among the others is accepted, whatever stands behind',
    sources: ['vllm-project/vllm#44000'],
    doors: ['messages'],
    upstreams: ['chat', 'vllm', 'messages', 'responses'],
    async check(room) {
      for (const flavour of ['chat', 'vllm', 'messages', 'responses'] as const) {
        room.stage(flavour, pong)
        await room.ask(request(turnTwo))
        assert.match(room.sent.text, /the harbour of Genoa/)
        assert.match(room.sent.text, /two tasks are open/)
      }
    },
  },
  {
    id: 58,
    title: 'it does not stand as a system message between tool turns, where templates break on it',
    sources: ['vllm-project/vllm#48874'],
    doors: ['messages'],
    upstreams: ['vllm', 'deepseek'],
    async check(room) {
      for (const flavour of ['vllm', 'deepseek'] as const) {
        room.stage(flavour, pong)
        await room.ask(request(turnTwo))
        const roles = sentMessages(room.sent.body).map((message) => message['role'])
        assert.deepEqual(roles, ['system', 'user', 'assistant', 'tool', 'user'])
        assert.match(show(sentMessages(room.sent.body).at(-1)), /two tasks are open/, 'it follows the tool results')
      }
    },
  },
  {
    id: 59,
    title: 'it is not hoisted: the prompt of the next turn extends the prompt of this one',
    sources: ['ollama/ollama#18431', 'BerriAI/litellm#40198'],
    doors: ['messages'],
    upstreams: ['chat', 'deepseek', 'responses'],
    async check(room) {
      for (const flavour of ['chat', 'deepseek', 'responses'] as const) {
        room.stage(flavour, pong)
        await room.ask(request(turnOne))
        await room.ask(request(turnTwo))
        const member = flavour === 'responses' ? 'input' : 'messages'
        const [one, two] = room.received.map((received) => sentMessages(received.body, member))
        assert.deepEqual(two!.slice(0, one!.length), one)
        for (const other of ['tools', 'instructions'])
          assert.deepEqual(room.received[1]!.body[other], room.received[0]!.body[other])
      }
    },
  },
  {
    id: 60,
    title: 'a strict Messages upstream never sees the role',
    sources: ['QuantumNous/new-api#7307'],
    doors: ['messages'],
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', pong)
      await room.ask(request(turnTwo))
      const roles = sentMessages(room.sent.body).map((message) => message['role'])
      assert.ok(
        roles.every((role) => role === 'user' || role === 'assistant'),
        `roles ${roles.join(' ')}`,
      )
      assert.match(room.sent.text, /two tasks are open/)
    },
  },
]
