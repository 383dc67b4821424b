/** Catalogue 16 to 27, 29, 30: usage and ends of a Chat upstream's stream, at the other two doors. */
import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.ts'
import { reasoningOf, shapeOf, textOf, type DoorProtocol } from '../heard.ts'
import { ask, weather } from '../requests.ts'
import {
  chatError,
  chatStream,
  chatUsage,
  chatWhole,
  chunk,
  done,
  frame,
  role,
  usageChunk,
} from '../wire-forms/chat.ts'
import { messagesStream, messagesUsage, start, text as textBlock, ending } from '../wire-forms/messages.ts'
import { stream } from '../wire-forms/play.ts'

const translated: readonly DoorProtocol[] = ['messages', 'responses']
const hello = [{ content: 'Hello' }]

export const usageFromChat: readonly ConformanceCase[] = [
  {
    id: 16,
    title: 'cache hits that are known only at the end are told at the end',
    sources: ['BerriAI/litellm#31069'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', () =>
        chatStream(hello, 'stop', chatUsage(100, 5, { prompt_tokens_details: { cached_tokens: 80 } })),
      )
      const { usage } = await room.ask(ask(room.door))
      assert.deepEqual([usage?.input, usage?.hit, usage?.output], [100, 80, 5])
    },
  },
  {
    id: 17,
    title: 'cache fields are there in whole answers as well',
    sources: ['vllm-project/vllm#45083'],
    doors: translated,
    upstreams: ['vllm'],
    async check(room) {
      room.stage('vllm', () =>
        chatWhole({ content: 'Hello' }, 'stop', chatUsage(100, 5, { prompt_tokens_details: { cached_tokens: 64 } })),
      )
      const { usage } = await room.ask(ask(room.door, { stream: false }))
      assert.deepEqual([usage?.input, usage?.hit], [100, 64])
    },
  },
  {
    id: 18,
    title: 'input_tokens of Messages leaves cached tokens out',
    sources: ['vllm-project/vllm#40912'],
    doors: ['messages'],
    upstreams: ['vllm'],
    async check(room) {
      room.stage('vllm', () =>
        chatStream(hello, 'stop', chatUsage(100, 5, { prompt_tokens_details: { cached_tokens: 80 } })),
      )
      const { usage } = await room.ask(ask(room.door))
      assert.equal(usage?.raw['input_tokens'], 20)
      assert.equal(usage.raw['cache_read_input_tokens'], 80)
    },
  },
  {
    id: 19,
    title: 'the same with the hit and miss counters of DeepSeek, streamed and whole',
    sources: ['QuantumNous/new-api#4395'],
    doors: ['messages'],
    upstreams: ['deepseek'],
    async check(room) {
      const usage = chatUsage(100, 5, { prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 })
      for (const streamed of [true, false]) {
        room.stage('deepseek', () =>
          // DeepSeek puts usage on the finish chunk.
          streamed
            ? stream(role, chunk({ content: 'Hello' }), chunk({ content: '' }, 'stop', { usage }), done)
            : chatWhole({ content: 'Hello' }, 'stop', usage),
        )
        const heard = await room.ask(ask(room.door, { stream: streamed }))
        assert.equal(heard.usage?.raw['input_tokens'], 36)
        assert.equal(heard.usage.raw['cache_read_input_tokens'], 64)
      }
    },
  },
  {
    id: 20,
    title: 'a client that takes the larger of both usage reports never sees more than the prompt',
    sources: ['chenyme/grok2api#748'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', () =>
        chatStream(hello, 'stop', chatUsage(1000, 5, { prompt_tokens_details: { cached_tokens: 900 } })),
      )
      const heard = await room.ask(ask(room.door))
      const members = ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens']
      const larger = members.map((member) =>
        Math.max(Number(heard.startUsage?.raw[member] ?? 0), Number(heard.usage?.raw[member] ?? 0)),
      )
      assert.equal(
        larger.reduce((sum, one) => sum + one),
        1000,
      )
    },
  },
  {
    id: 21,
    title: 'cache writes are counted once, outside input_tokens',
    sources: ['router-for-me/CLIProxyAPI#5956'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const details = { cached_tokens: 50, cache_write_tokens: 30 }
      room.stage('chat', () => chatStream(hello, 'stop', chatUsage(100, 5, { prompt_tokens_details: details })))
      const { usage } = await room.ask(ask(room.door))
      assert.deepEqual([usage?.input, usage?.hit, usage?.written], [100, 50, 30])
      if (room.door === 'messages') assert.equal(usage?.raw['input_tokens'], 20)
    },
  },
  {
    id: 22,
    title: 'message_start never claims more input than the final usage',
    sources: ['QuantumNous/new-api#6821'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      // A prompt that every estimate by size gets wrong upwards.
      room.stage('chat', () => chatStream(hello, 'stop', chatUsage(40, 5)))
      const heard = await room.ask(ask(room.door, { text: ' '.repeat(4000) }))
      assert.equal(heard.usage?.input, 40)
      assert.ok((heard.startUsage?.input ?? 0) <= 40)
    },
  },
  {
    id: 23,
    title: 'usage that the engine knows before the first token stands in message_start',
    sources: ['vllm-project/vllm#49456'],
    doors: ['messages'],
    upstreams: ['vllm'],
    async check(room) {
      const known = (output: number) => ({
        usage: chatUsage(100, output, { prompt_tokens_details: { cached_tokens: 64 } }),
      })
      room.stage('vllm', () =>
        stream(
          chunk({ role: 'assistant', content: '' }, null, known(0)),
          chunk({ content: 'Hel' }, null, known(1)),
          chunk({ content: 'lo' }, null, known(2)),
          chunk({}, 'stop', known(2)),
          usageChunk(known(2).usage),
          done,
        ),
      )
      const heard = await room.ask(ask(room.door))
      assert.deepEqual([heard.startUsage?.input, heard.startUsage?.hit], [100, 64])
      assert.deepEqual([heard.usage?.input, heard.usage?.hit, heard.usage?.output], [100, 64, 2])
    },
  },
  {
    id: 24,
    title: 'the input count of message_start reaches the caller at every door',
    sources: ['mlx-node/mlx-node#45'],
    doors: ['chat', 'messages', 'responses'],
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', () =>
        stream(start(messagesUsage(36, 1, 64)), textBlock(0, 'Hello'), ending('end_turn', { output_tokens: 7 })),
      )
      const heard = await room.ask(ask(room.door))
      assert.deepEqual([heard.usage?.input, heard.usage?.hit, heard.usage?.output], [100, 64, 7])
      if (room.door === 'messages') assert.equal(heard.startUsage?.raw['input_tokens'], 36)
    },
  },
  {
    id: 25,
    title: 'a last chunk that holds only usage is read, and was asked for',
    sources: ['mozilla-ai/any-llm#1151', 'ai-dynamo/aiperf#1054'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', () => chatStream(hello, 'stop', chatUsage(77, 5)))
      const heard = await room.ask(ask(room.door))
      assert.deepEqual([heard.usage?.input, heard.usage?.output], [77, 5])
      assert.deepEqual(room.sent.body['stream_options'], { include_usage: true })
    },
  },
  {
    id: 26,
    title: 'an error behind the finish reason is an error, not a good end',
    sources: ['mozilla-ai/any-llm#1151'],
    doors: ['chat', 'messages', 'responses'],
    upstreams: ['chat'],
    async check(room) {
      const error = { error: { message: 'engine died', type: 'server_error', param: null, code: null } }
      room.stage('chat', () => stream(role, chunk({ content: 'Hello' }), chunk({}, 'stop'), frame(error)))
      const heard = await room.ask(ask(room.door))
      assert.match(heard.error?.message ?? '', /engine died/)
    },
  },
  {
    id: 27,
    title: 'a stream without a finish reason ends in one terminal event, and one without [DONE] ends well',
    sources: ['looplj/axonhub#2000'],
    doors: ['chat', 'messages', 'responses'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', () => stream(role, chunk({ content: 'Hello' })))
      const cut = await room.ask(ask(room.door))
      assert.ok(cut.error, 'half an answer is no answer')
      room.stage('chat', () =>
        stream(role, chunk({ content: 'Hello' }), chunk({}, 'stop'), usageChunk(chatUsage(9, 2))),
      )
      const whole = await room.ask(ask(room.door))
      assert.equal(whole.error, null)
      assert.equal(textOf(whole), 'Hello')
    },
  },
  {
    id: 29,
    title: 'alternating thinking and text keep their blocks, and a JSON error keeps status and words',
    sources: ['sgl-project/sglang#25876'],
    doors: translated,
    upstreams: ['chat'],
    async check(room) {
      const deltas = [{ reasoning_content: 'A' }, { content: 'b' }, { reasoning_content: 'C' }, { content: 'd' }]
      room.stage('chat', () => chatStream(deltas))
      const heard = await room.ask(ask(room.door))
      assert.equal(shapeOf(heard), 'reasoning text reasoning text')
      assert.equal(reasoningOf(heard), 'AC')
      assert.equal(textOf(heard), 'bd')
      room.stage('chat', () => chatError(400, 'max_tokens is too large: 999999', 'BadRequestError'))
      const refusal = await room.refused(ask(room.door, { stream: false }))
      assert.equal(refusal.status, 400)
      assert.equal(refusal.type, 'invalid_request_error')
      assert.match(refusal.message, /max_tokens is too large: 999999/)
    },
  },
  {
    id: 30,
    title: 'a JSON body in answer to stream:true reaches the caller as a stream',
    sources: ['BerriAI/litellm#14315'],
    doors: ['chat', 'messages', 'responses'],
    upstreams: ['chat', 'messages'],
    async check(room) {
      const weatherCall = { name: 'get_weather', arguments: '{"city":"Genoa"}' }
      const tool_calls = [{ id: 'call_a', type: 'function', function: weatherCall }]
      room.stage('chat', () => chatWhole({ content: 'Hello', tool_calls }, 'tool_calls'))
      const heard = await room.ask(ask(room.door, { tools: [weather] }))
      assert.equal(shapeOf(heard), 'text call')
      // And the other way round: an event stream in answer to stream:false.
      room.stage('messages', () => messagesStream([textBlock(0, 'Hel', 'lo')]))
      const whole = await room.ask(ask(room.door, { stream: false }))
      assert.equal(textOf(whole), 'Hello')
    },
  },
]
