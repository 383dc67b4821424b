/** Catalogue 42 to 55: reasoning that must survive the round trip through a client. */
import assert from 'node:assert/strict'
import { sealReasoning } from '@portolan-testing/mock-upstream'
import type { ConformanceCase } from '../case.ts'
import { callsOf, reasoningOf, sealsOf, shapeOf, textOf, type DoorProtocol, type Heard } from '../heard.ts'
import { isObject, list, object, type Json } from '../json.ts'
import { ask, clock, historyOf, nextTurn, weather, withHistory } from '../requests.ts'
import type { Room } from '../room.ts'
import { args, call, chatStream, chatWhole } from '../wire-forms/chat.ts'
import { messagesStream, text, thinking, toolUse } from '../wire-forms/messages.ts'
import { pong } from '../wire-forms/pong.ts'
import { functionCall, reasoning, responsesStream } from '../wire-forms/responses.ts'

const all: readonly DoorProtocol[] = ['chat', 'messages', 'responses']
const thought = 'Look at the chart first; "quotes", <tags> & Ünïcode 🧭 stay as they are.\n'
const tools = [weather, clock]

/** Thinking on, in the words of the door. */
export function thinkingRequest(door: DoorProtocol, wish: Readonly<Record<string, unknown>> = {}): Json {
  const more: Readonly<Record<DoorProtocol, Json>> = {
    chat: { reasoning_effort: 'high' },
    messages: { thinking: { type: 'enabled', budget_tokens: 4000 } },
    responses: { reasoning: { effort: 'high', summary: 'auto' } },
  }
  return ask(door, { tools, maxTokens: 8000, more: { ...more[door], ...wish } })
}

/** A Chat upstream that thinks before each of `turns` tool calls and then says PONG. */
function thinkingLoop(room: Room, flavour: 'deepseek' | 'chat', turns = 1): void {
  room.stage(flavour, (received, turn) =>
    turn >= turns
      ? pong(received)
      : chatStream(
          [
            { content: null, reasoning_content: '' },
            { reasoning_content: `${turn}: ` },
            { reasoning_content: thought },
            call(0, `call_${turn}`, 'get_weather'),
            args(0, '{"city": "Genoa",  "days": 1.0}'),
          ],
          'tool_calls',
        ),
  )
}

/** Plays a tool loop to its end and returns the last request body that the client sent. */
async function playLoop(room: Room, turns: number, forget: (body: Json) => Json = (body) => body): Promise<Heard> {
  let body = thinkingRequest(room.door)
  let heard = await room.ask(body)
  for (let turn = 0; turn < turns; turn++) {
    assert.equal(callsOf(heard).length, 1, `turn ${turn} must call the tool`)
    body = forget(nextTurn(room.door, body, heard))
    heard = await room.ask(body)
  }
  return heard
}

/** Chat messages of the upstream's newest request that call tools. */
function callingMessages(room: Room): Json[] {
  return list(room.lastSent.body['messages'], 'messages')
    .map((message) => object(message, 'message'))
    .filter((message) => message['role'] === 'assistant' && message['tool_calls'] !== undefined)
}

function assertReasoningIsBack(room: Room, turns: number): void {
  const messages = callingMessages(room)
  assert.equal(messages.length, turns)
  for (const [turn, message] of messages.entries())
    assert.equal(message['reasoning_content'], `${turn}: ${thought}`, `the reasoning of turn ${turn}`)
}

function assistantBlocks(body: Json): readonly Json[] {
  return list(body['messages'], 'messages').flatMap((message) => {
    const { role, content } = object(message, 'message')
    return role === 'assistant' && Array.isArray(content) ? (content as Json[]) : []
  })
}

export const reasoningCases: readonly ConformanceCase[] = [
  {
    id: 42,
    title: 'the thinking of a tool turn goes back as reasoning_content on the next one',
    sources: ['QuantumNous/new-api#4577'],
    doors: ['messages'],
    upstreams: ['deepseek'],
    async check(room) {
      thinkingLoop(room, 'deepseek')
      assert.equal(textOf(await playLoop(room, 1)), 'PONG')
      assertReasoningIsBack(room, 1)
    },
  },
  {
    id: 43,
    title: 'the same through Responses items and towards the Messages address, calls in order',
    sources: ['BerriAI/litellm#31439'],
    doors: ['responses', 'chat'],
    upstreams: ['deepseek', 'deepseek-messages'],
    async check(room) {
      thinkingLoop(room, 'deepseek')
      await playLoop(room, 1)
      assertReasoningIsBack(room, 1)
      room.stage('deepseek-messages', (received, turn) =>
        turn > 0
          ? pong(received)
          : messagesStream(
              [
                thinking(0, thought, 'c0ffee00-0000-4000-8000-000000000001'),
                toolUse(1, 'call_a', 'get_weather', '{"city":"Genoa"}'),
                toolUse(2, 'call_b', 'get_time', '{"city":"Rome"}'),
              ],
              'tool_use',
            ),
      )
      const body = thinkingRequest(room.door)
      await room.ask(nextTurn(room.door, body, await room.ask(body)))
      const blocks = assistantBlocks(room.lastSent.body)
      assert.deepEqual(
        blocks.map((block) => block['type']),
        ['thinking', 'tool_use', 'tool_use'],
      )
      assert.equal(blocks[0]!['thinking'], thought)
      assert.deepEqual([blocks[1]!['id'], blocks[2]!['id']], ['call_a', 'call_b'])
    },
  },
  {
    id: 44,
    title: 'thinking survives every turn of a conversation at the Chat door',
    sources: ['maximhq/bifrost#5887', 'maximhq/bifrost#6979'],
    doors: ['chat'],
    upstreams: ['deepseek', 'anthropic'],
    async check(room) {
      thinkingLoop(room, 'deepseek', 3)
      await playLoop(room, 3)
      assertReasoningIsBack(room, 3)
      room.stage('anthropic', (received, turn) =>
        turn >= 2
          ? pong(received)
          : messagesStream(
              [
                thinking(0, `${turn}: ${thought}`, sealReasoning(`${turn}: ${thought}`)),
                toolUse(1, `toolu_${turn}`, 'get_weather', '{"city":"Genoa"}'),
              ],
              'tool_use',
            ),
      )
      await playLoop(room, 2)
      const thoughts = assistantBlocks(room.lastSent.body).filter((block) => block['type'] === 'thinking')
      assert.deepEqual(
        thoughts.map((block) => [block['thinking'], block['signature']]),
        [0, 1].map((turn) => [`${turn}: ${thought}`, sealReasoning(`${turn}: ${thought}`)]),
      )
    },
  },
  {
    id: 45,
    title: 'a thinking supplier keeps thinking when tools are in play, and its stream keeps its grammar',
    sources: ['musistudio/claude-code-router#1378'],
    doors: ['messages', 'responses'],
    upstreams: ['deepseek'],
    async check(room) {
      thinkingLoop(room, 'deepseek')
      const heard = await room.ask(thinkingRequest(room.door))
      assert.equal(shapeOf(heard), 'reasoning call')
      assert.equal(reasoningOf(heard), `0: ${thought}`)
      assert.deepEqual(room.sent.body['thinking'], { type: 'enabled' })
      assert.equal(list(room.sent.body['tools'], 'tools').length, 2)
    },
  },
  {
    id: 46,
    title: 'thinking blocks in the history are passed back to a Messages supplier',
    sources: ['farion1231/cc-switch#3263', 'farion1231/cc-switch#3222'],
    doors: ['messages'],
    upstreams: ['deepseek-messages', 'messages'],
    async check(room) {
      for (const flavour of ['deepseek-messages', 'messages'] as const) {
        room.stage(flavour, pong)
        const history = [
          { role: 'user', content: 'Weather?' },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: thought, signature: 'c0ffee' },
              { type: 'tool_use', id: 'toolu_a', name: 'get_weather', input: { city: 'Genoa' } },
            ],
          },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_a', content: 'sunny' }] },
        ]
        await room.ask(withHistory(room.door, thinkingRequest(room.door), history))
        assert.equal(assistantBlocks(room.sent.body)[0]?.['thinking'], thought)
      }
    },
  },
  {
    id: 47,
    title: 'five turns of thinking and tools at a supplier that refuses turns without their reasoning',
    sources: ['decolua/9router#1786'],
    doors: all,
    upstreams: ['deepseek'],
    async check(room) {
      thinkingLoop(room, 'deepseek', 5)
      assert.equal(textOf(await playLoop(room, 5)), 'PONG')
      for (const received of room.received) assert.deepEqual(received.violations, [])
      assertReasoningIsBack(room, 5)
      for (const message of callingMessages(room)) {
        const [first] = list(message['tool_calls'], 'tool_calls')
        const sent = object(object(first, 'call')['function'], 'function')['arguments']
        // Verbatim where the protocol carries a string; Messages carries an object, whose numbers must survive.
        assert.equal(String(sent).replace(/\s/g, ''), '{"city":"Genoa","days":1.0}')
      }
    },
  },
  {
    id: 48,
    title: 'a client that drops the reasoning gets it put back for it',
    sources: ['langchain-ai/langchainjs#10883'],
    doors: ['chat'],
    upstreams: ['deepseek'],
    async check(room) {
      thinkingLoop(room, 'deepseek', 2)
      await playLoop(room, 2, (body) =>
        withHistory(
          'chat',
          body,
          historyOf('chat', body).map(({ reasoning_content: _text, reasoning_details: _tokens, ...rest }) => rest),
        ),
      )
      assertReasoningIsBack(room, 2)
    },
  },
  {
    id: 49,
    title: 'signatures go back verbatim, and none is made up where there is none',
    sources: ['sifxprime/krouter#11'],
    doors: ['chat', 'responses'],
    upstreams: ['anthropic'],
    async check(room) {
      const signature = sealReasoning(thought)
      room.stage('anthropic', (received, turn) =>
        turn > 0
          ? pong(received)
          : messagesStream(
              [thinking(0, thought, signature), toolUse(1, 'toolu_a', 'get_weather', '{"city":"Genoa"}')],
              'tool_use',
            ),
      )
      const body = thinkingRequest(room.door)
      await room.ask(nextTurn(room.door, body, await room.ask(body)))
      assert.equal(assistantBlocks(room.lastSent.body)[0]?.['signature'], signature)

      room.stage('anthropic', pong)
      const unsigned =
        room.door === 'chat'
          ? [
              { role: 'user', content: 'Weather?' },
              {
                role: 'assistant',
                content: null,
                reasoning_content: 'Reasoning of another model.',
                tool_calls: [
                  { id: 'call_x', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Genoa"}' } },
                ],
              },
              { role: 'tool', tool_call_id: 'call_x', content: 'sunny' },
            ]
          : [
              { type: 'message', role: 'user', content: 'Weather?' },
              { ...reasoning('gAAAAforeign'), content: [{ type: 'reasoning_text', text: 'Of another model.' }] },
              functionCall('call_x', 'get_weather', '{"city":"Genoa"}'),
              { type: 'function_call_output', call_id: 'call_x', output: 'sunny' },
            ]
      await room.ask(withHistory(room.door, thinkingRequest(room.door), unsigned))
      assert.deepEqual(
        assistantBlocks(room.sent.body).map((block) => block['type']),
        ['tool_use'],
      )
    },
  },
  {
    id: 50,
    title: 'signatures are opaque bytes: nothing is parsed and printed again on the way',
    sources: ['router-for-me/CLIProxyAPI#2172'],
    doors: ['messages'],
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', pong)
      // Escapes and spacing that any JSON printer would change.
      const history =
        '[ {"role":"user","content":"Hi"},\n  {"role":"assistant","content":[{"type":"thinking","thinking":"\\u0041 \\/ b","signature":"Eq\\/Q+B\\u003d\\u003d"},{"type":"text","text":"1.0"}]} , {"role":"user","content":"Go on."}]'
      const told = await room.post(`{"model":"${room.model}","max_tokens":100,"stream":false,"messages":${history}}`)
      assert.equal(told.status, 200)
      assert.ok(room.sent.text.includes(history), 'the history must go out byte for byte')
    },
  },
  {
    id: 51,
    title: 'no cache mark is ever put on a thinking block',
    sources: ['BerriAI/litellm#39815'],
    doors: all,
    upstreams: ['anthropic'],
    async check(room) {
      const signature = sealReasoning(thought)
      room.stage('anthropic', (received, turn) =>
        turn > 0 ? pong(received) : messagesStream([thinking(0, thought, signature), text(1, 'Hello')]),
      )
      const ephemeral = { type: 'ephemeral' }
      const marked: Json =
        room.door === 'responses'
          ? { prompt_cache_key: 'k' }
          : room.door === 'messages'
            ? { cache_control: ephemeral }
            : {}
      const body = thinkingRequest(room.door, marked)
      const heard = await room.ask(body)
      const next = nextTurn(room.door, body, heard, {}, 'Go on.')
      // The client marks its newest assistant turn, as OpenRouter's clients do on Chat.
      const history = historyOf(room.door, next).map((message) =>
        room.door === 'chat' && message['role'] === 'assistant'
          ? { ...message, content: [{ type: 'text', text: 'Hello', cache_control: ephemeral }] }
          : message,
      )
      await room.ask(withHistory(room.door, next, history))
      const blocks = assistantBlocks(room.lastSent.body)
      assert.deepEqual(
        blocks.map((block) => block['type']),
        ['thinking', 'text'],
      )
      assert.equal('cache_control' in blocks[0]!, false)
    },
  },
  {
    id: 52,
    title: 'parallel calls share one thought: it goes back once, on one assistant turn',
    sources: ['openai/openai-agents-python#3215'],
    doors: all,
    upstreams: ['chat', 'anthropic'],
    async check(room) {
      room.stage('chat', (received, turn) =>
        turn > 0
          ? pong(received)
          : chatStream(
              [
                { reasoning_content: thought },
                call(0, 'call_a', 'get_weather', '{"city":"Genoa"}'),
                call(1, 'call_b', 'get_time', '{"city":"Rome"}'),
              ],
              'tool_calls',
            ),
      )
      const body = thinkingRequest(room.door)
      await room.ask(nextTurn(room.door, body, await room.ask(body)))
      const calling = callingMessages(room)
      assert.equal(calling.length, 1)
      assert.equal(calling[0]!['reasoning_content'], thought)
      assert.equal(list(calling[0]!['tool_calls'], 'tool_calls').length, 2)

      room.stage('anthropic', (received, turn) =>
        turn > 0
          ? pong(received)
          : messagesStream(
              [
                thinking(0, thought, sealReasoning(thought)),
                toolUse(1, 'toolu_a', 'get_weather', '{"city":"Genoa"}'),
                toolUse(2, 'toolu_b', 'get_time', '{"city":"Rome"}'),
              ],
              'tool_use',
            ),
      )
      const signed = thinkingRequest(room.door)
      await room.ask(nextTurn(room.door, signed, await room.ask(signed)))
      assert.deepEqual(
        assistantBlocks(room.lastSent.body).map((block) => block['type']),
        ['thinking', 'tool_use', 'tool_use'],
      )
    },
  },
  {
    id: 53,
    title: 'a bridge keeps failed-tool marks, refusal text and encrypted reasoning',
    sources: ['Wei-Shaw/sub2api#6923'],
    doors: ['messages', 'responses'],
    upstreams: ['chat', 'openai'],
    async check(room) {
      if (room.door === 'messages') {
        const results = async (isError: boolean): Promise<unknown> => {
          room.stage('chat', pong)
          const content = [{ type: 'tool_result', tool_use_id: 'toolu_a', content: 'exit 1', is_error: isError }]
          await room.ask(
            ask(room.door, {
              tools,
              more: {
                messages: [
                  { role: 'user', content: 'Weather?' },
                  { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_a', name: 'get_weather', input: {} }] },
                  { role: 'user', content },
                ],
              },
            }),
          )
          return object(list(room.sent.body['messages'], 'messages').at(-1), 'message')['content']
        }
        const failed = String(await results(true))
        assert.equal(await results(false), 'exit 1')
        assert.match(failed, /exit 1/)
        assert.match(failed, /error/i, 'the model must see that the tool failed')
        return
      }
      room.stage('chat', pong)
      const refusal = [{ type: 'refusal', refusal: 'I cannot help with that.' }]
      const question = { type: 'message', role: 'user', content: 'And this?' }
      const said = { type: 'message', role: 'assistant', content: refusal }
      await room.ask(ask(room.door, { more: { input: [question, said, question] } }))
      assert.match(room.sent.text, /I cannot help with that\./)
      room.stage('openai', (received, turn) =>
        turn > 0
          ? pong(received)
          : responsesStream([reasoning('gAAAAbEncrypted'), functionCall('call_a', 'get_weather', '{"city":"Genoa"}')]),
      )
      const body = thinkingRequest(room.door)
      await room.ask(nextTurn(room.door, body, await room.ask(body)))
      assert.match(room.lastSent.text, /gAAAAbEncrypted/)
    },
  },
  {
    id: 54,
    title: 'encrypted reasoning of a Responses supplier comes back to it from every door',
    sources: ['BerriAI/litellm#39339'],
    doors: all,
    upstreams: ['openai'],
    async check(room) {
      const items = [
        reasoning('gAAAAbEncrypted/of+it==', 'A summary.'),
        functionCall('call_a', 'get_weather', '{"city":"Genoa"}'),
      ]
      room.stage('openai', (received, turn) => (turn > 0 ? pong(received) : responsesStream(items)))
      const body = thinkingRequest(room.door)
      const heard = await room.ask(body)
      assert.equal(sealsOf(heard).length, 1, 'the client needs a token to carry')
      await room.ask(nextTurn(room.door, body, heard))
      const input = list(room.lastSent.body['input'], 'input').filter(isObject)
      const at = input.findIndex((item) => item['type'] === 'reasoning')
      assert.equal(input[at]?.['encrypted_content'], 'gAAAAbEncrypted/of+it==')
      assert.equal(input[at + 1]?.['type'], 'function_call', 'the reasoning stands before its call')
      const first = list(room.received[0]!.body['input'], 'input')
      assert.deepEqual(input.slice(0, first.length), first, 'the second prompt extends the first')
    },
  },
  {
    id: 55,
    title: 'tool markup inside reasoning stays reasoning',
    sources: ['antirez/ds4#167'],
    doors: ['messages', 'responses'],
    upstreams: ['deepseek'],
    async check(room) {
      const markup =
        'I could write <｜DSML｜function_calls><｜DSML｜invoke name="get_weather"></｜DSML｜invoke> or <tool_call>{"name":"get_weather"}</tool_call>.'
      for (const streamed of [true, false]) {
        room.stage('deepseek', () =>
          streamed
            ? chatStream([{ reasoning_content: markup }, { content: 'Done.' }])
            : chatWhole({ reasoning_content: markup, content: 'Done.' }),
        )
        const heard = await room.ask({ ...thinkingRequest(room.door), stream: streamed })
        assert.equal(shapeOf(heard), 'reasoning text')
        assert.equal(reasoningOf(heard), markup)
      }
    },
  },
]
