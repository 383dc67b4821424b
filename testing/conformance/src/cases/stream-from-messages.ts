/** Catalogue 31 to 41: streams of a Messages upstream, above all at the Chat door. */
import assert from 'node:assert/strict'
import { sealReasoning } from '@portolan-testing/mock-upstream'
import type { ConformanceCase } from '../case.ts'
import { callsOf, reasoningOf, sealsOf, textOf, type DoorProtocol } from '../heard.ts'
import { ask, clock, nextTurn, weather } from '../requests.ts'
import {
  blockStart,
  blockStop,
  delta,
  ending,
  frame,
  messagesStream,
  messagesUsage,
  start,
  text,
  thinking,
  toolUse,
} from '../wire-forms/messages.ts'
import { pong } from '../wire-forms/pong.ts'
import { stream } from '../wire-forms/play.ts'

const translated: readonly DoorProtocol[] = ['chat', 'responses']
const all: readonly DoorProtocol[] = ['chat', 'messages', 'responses']
const overloaded = frame('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })

export const streamFromMessages: readonly ConformanceCase[] = [
  {
    id: 31,
    title: "tool calls have an index of their own, not their block's",
    sources: ['BerriAI/litellm#5231', 'BerriAI/litellm#4554'],
    doors: translated,
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', () =>
        messagesStream(
          [
            text(0, 'I look.'),
            toolUse(1, 'toolu_a', 'get_weather', '', '{"city":', '"Genoa"}'),
            toolUse(2, 'toolu_b', 'get_time', '{"city":"Rome"}'),
          ],
          'tool_use',
        ),
      )
      const heard = await room.ask(ask(room.door, { tools: [weather, clock] }))
      assert.deepEqual(
        callsOf(heard).map((call) => [call.id, call.arguments]),
        [
          ['toolu_a', '{"city":"Genoa"}'],
          ['toolu_b', '{"city":"Rome"}'],
        ],
      )
    },
  },
  {
    id: 32,
    title: 'with tools in the request the first words still arrive before the answer is complete',
    sources: ['BerriAI/litellm#4495'],
    doors: all,
    upstreams: ['messages'],
    async check(room) {
      const gate = Promise.withResolvers<void>()
      room.stage('messages', () =>
        stream(
          start(),
          blockStart(0, { type: 'text', text: '' }),
          delta(0, { type: 'text_delta', text: 'Firstwords' }),
          { until: gate.promise },
          blockStop(0),
          toolUse(1, 'toolu_a', 'get_weather', '{"city":"Genoa"}'),
          ending('tool_use'),
        ),
      )
      const body = ask(room.door, { tools: [weather] })
      const listening = await Promise.race([room.listen(body), late()])
      try {
        await Promise.race([listening.waitFor('Firstwords'), late()])
      } finally {
        gate.resolve()
      }
      const heard = room.read(await listening.told, body)
      assert.equal(textOf(heard), 'Firstwords')
      assert.equal(callsOf(heard).length, 1)
    },
  },
  {
    id: 33,
    title: 'max_tokens says so, and text in the start of a block is not lost',
    sources: ['QuantumNous/new-api#1761'],
    doors: translated,
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', () =>
        messagesStream(
          [
            blockStart(0, { type: 'text', text: 'Once' }),
            delta(0, { type: 'text_delta', text: ' upon' }),
            blockStop(0),
          ],
          'max_tokens',
        ),
      )
      const heard = await room.ask(ask(room.door))
      assert.equal(textOf(heard), 'Once upon')
      assert.equal(heard.stop, room.door === 'chat' ? 'length' : 'incomplete')
    },
  },
  {
    id: 34,
    title: 'streamed usage has the prompt tokens',
    sources: ['Portkey-AI/gateway#497'],
    doors: translated,
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', () =>
        stream(start(messagesUsage(30, 1, 50, 20)), text(0, 'Hello'), ending('end_turn', { output_tokens: 9 })),
      )
      const { usage } = await room.ask(ask(room.door))
      assert.deepEqual([usage?.input, usage?.hit, usage?.written, usage?.output], [100, 50, 20, 9])
    },
  },
  {
    id: 35,
    title: 'events cut at every byte, with CRLF and letters of four bytes, read the same',
    sources: ['Portkey-AI/gateway#103'],
    doors: all,
    upstreams: ['messages'],
    async check(room) {
      const whole =
        start() +
        text(0, 'Über', ' 航海 🧭') +
        toolUse(1, 'toolu_a', 'get_weather', '{"city":', '"Gênes 🧭"}') +
        ending('tool_use')
      const bytes = Buffer.from(whole.replaceAll('\n', '\r\n'))
      // Two bytes a packet: every border inside an event, a line end or a letter occurs at one parity or the other.
      const cut = (first: number): Uint8Array[] => {
        const pieces = [bytes.subarray(0, first)]
        for (let at = first; at < bytes.length; at += 2) pieces.push(bytes.subarray(at, at + 2))
        return pieces
      }
      for (const first of [1, 2]) {
        room.stage('messages', () => stream(...cut(first)))
        const heard = await room.ask(ask(room.door, { tools: [weather] }))
        assert.equal(textOf(heard), 'Über 航海 🧭')
        assert.equal(callsOf(heard)[0]?.arguments, '{"city":"Gênes 🧭"}')
      }
    },
  },
  {
    id: 36,
    title: 'overload after a 200 is an HTTP error before content and an in-band error after it',
    sources: ['Portkey-AI/gateway#741'],
    doors: all,
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', () => stream(start(), overloaded))
      const early = await room.post(ask(room.door))
      if (early.status === 200) {
        // A gateway that asks again may have bridged the pause by a keep-alive: then the stream has begun.
        assert.match(early.text, /^:|^event: ping/)
        const heard = room.readStream(early, ask(room.door))
        assert.deepEqual([heard.parts, heard.error?.message], [[], 'Overloaded'])
      } else {
        assert.equal(early.status, room.door === 'messages' ? 529 : 503)
        assert.match(room.readError(early).message, /Overloaded/)
      }
      // Nothing was said yet, so the request may be sent again; then the second answer counts, and it alone.
      room.stage('messages', (_, turn) =>
        turn === 0 ? stream(start(), overloaded) : messagesStream([text(0, 'All', ' is', ' well')]),
      )
      const again = await room.post(ask(room.door))
      if (again.status === 200) assert.equal(textOf(room.read(again, ask(room.door))), 'All is well')
      room.stage('messages', () =>
        stream(
          start(),
          blockStart(0, { type: 'text', text: '' }),
          delta(0, { type: 'text_delta', text: 'Hello' }),
          overloaded,
        ),
      )
      const late = await room.ask(ask(room.door))
      assert.match(late.error?.message ?? '', /Overloaded/)
    },
  },
  {
    id: 37,
    title: 'an error in the middle of a stream keeps its words and its kind',
    sources: ['envoyproxy/ai-gateway#2697'],
    doors: all,
    upstreams: ['messages'],
    async check(room) {
      const words = 'Output blocked: try again in 7 seconds'
      room.stage('messages', () =>
        stream(
          start(),
          blockStart(0, { type: 'text', text: '' }),
          delta(0, { type: 'text_delta', text: 'Hello' }),
          frame('error', { error: { type: 'rate_limit_error', message: words } }),
        ),
      )
      const heard = await room.ask(ask(room.door))
      assert.equal(heard.error?.message, words)
      assert.match(`${heard.error?.type} ${heard.error?.code}`, /rate_limit/)
    },
  },
  {
    id: 38,
    title: 'a stream that breaks off inside tool arguments is an error, never a success',
    sources: ['BerriAI/litellm#32159', 'BerriAI/litellm#32686'],
    doors: all,
    upstreams: ['messages'],
    async check(room) {
      const cut = [
        start(),
        blockStart(0, { type: 'tool_use', id: 'toolu_a', name: 'get_weather', input: {} }),
        delta(0, { type: 'input_json_delta', partial_json: '{"city":"Gen' }),
      ]
      for (const how of ['close', 'drop'] as const) {
        room.stage('messages', () => stream(...cut, ...(how === 'drop' ? [{ end: how } as const] : [])))
        const heard = await room.ask(ask(room.door, { tools: [weather] }))
        assert.ok(heard.error, `a stream ended by ${how} must end as an error`)
      }
    },
  },
  {
    id: 39,
    title: 'a signature without thinking text reaches the client and comes back verbatim',
    sources: ['OpenRouterTeam/ai-sdk-provider#423', 'earendil-works/pi#9534'],
    doors: translated,
    upstreams: ['anthropic'],
    async check(room) {
      const signature = sealReasoning('What was thought is not shown.')
      room.stage('anthropic', (received, turn) =>
        turn === 0
          ? messagesStream(
              [thinking(0, '', signature), toolUse(1, 'toolu_a', 'get_weather', '{"city":"Genoa"}')],
              'tool_use',
            )
          : pong(received),
      )
      const body = thinkingRequest(room.door)
      const heard = await room.ask(body)
      assert.equal(sealsOf(heard).length, 1, 'the signature must reach the client')
      await room.ask(nextTurn(room.door, body, heard))
      assert.deepEqual(assistantBlocks(room.lastSent.body)[0], { type: 'thinking', thinking: '', signature })
    },
  },
  {
    id: 40,
    title: 'reasoning text keeps its signature',
    sources: ['BerriAI/litellm#9255'],
    doors: translated,
    upstreams: ['anthropic'],
    async check(room) {
      const signature = sealReasoning('Look first.')
      room.stage('anthropic', (received, turn) =>
        turn === 0
          ? messagesStream(
              [thinking(0, 'Look first.', signature), toolUse(1, 'toolu_a', 'get_weather', '{"city":"Genoa"}')],
              'tool_use',
            )
          : pong(received),
      )
      const body = thinkingRequest(room.door)
      const heard = await room.ask(body)
      assert.equal(reasoningOf(heard), 'Look first.')
      assert.equal(sealsOf(heard).length, 1)
      await room.ask(nextTurn(room.door, body, heard))
      assert.deepEqual(assistantBlocks(room.lastSent.body)[0], { type: 'thinking', thinking: 'Look first.', signature })
    },
  },
  {
    id: 41,
    title: 'an input count in message_delta replaces that of message_start',
    sources: ['agentgateway/agentgateway#2977'],
    doors: all,
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', () =>
        stream(
          start(messagesUsage(5, 1)),
          text(0, 'Hello'),
          ending('end_turn', { input_tokens: 120, cache_read_input_tokens: 30, output_tokens: 9 }),
        ),
      )
      const { usage } = await room.ask(ask(room.door))
      assert.deepEqual([usage?.input, usage?.hit, usage?.output], [150, 30, 9])
    },
  },
]

/** Thinking switched on, in the words of the door, with a tool to call. */
function thinkingRequest(door: DoorProtocol): Readonly<Record<string, unknown>> {
  const more =
    door === 'chat'
      ? { reasoning_effort: 'high' }
      : door === 'responses'
        ? { reasoning: { effort: 'high', summary: 'auto' } }
        : { thinking: { type: 'adaptive' } }
  return ask(door, { tools: [weather], maxTokens: 8000, more })
}

function assistantBlocks(body: Readonly<Record<string, unknown>>): readonly unknown[] {
  const messages = body['messages'] as readonly { role: string; content: readonly unknown[] }[]
  return messages.find((message) => message.role === 'assistant')?.content ?? []
}

/** Long enough for a loaded machine, short against the upstream's patience. */
function late(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('nothing arrived within 5 s: the answer is held back')), 5000).unref()
  })
}
