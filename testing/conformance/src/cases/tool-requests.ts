/** Catalogue 61 to 68, 78 to 80, 100: settings, tools and turns of requests on their way to another protocol. */
import assert from 'node:assert/strict'
import type { ConformanceCase, UpstreamFlavour } from '../case.ts'
import { callsOf, type DoorProtocol } from '../heard.ts'
import { isObject, list, object, string, type Json } from '../json.ts'
import { ask, clock, nextTurn, ping, weather, withHistory } from '../requests.ts'
import { call, chatStream, chatWhole } from '../wire-forms/chat.ts'
import { messagesStream, toolUse } from '../wire-forms/messages.ts'
import { pong } from '../wire-forms/pong.ts'

const all: readonly DoorProtocol[] = ['chat', 'messages', 'responses']
const conventional: readonly UpstreamFlavour[] = ['chat', 'messages', 'responses']
const longName = 'mcp__harbour_authority_of_genoa__list_all_ships_that_are_expected_today_and_tomorrow'
const longTool = { name: longName, schema: weather.schema }

/** Flavours that speak another protocol than the door: there everything is written anew. */
export function others(door: DoorProtocol): readonly UpstreamFlavour[] {
  return conventional.filter((flavour) => flavour !== door)
}

/** Names of the tools that went out, whatever the protocol. */
function sentNames(body: Json): string[] {
  return list(body['tools'], 'tools').map((tool) => {
    const outer = object(tool, 'tool')
    return string((isObject(outer['function']) ? outer['function'] : outer)['name'], 'tool name')
  })
}

/** Two calls at once and their results, the second result first, in the words of the door. */
function parallelHistory(door: DoorProtocol): Json[] {
  const results = [
    { id: 'call_b', text: 'noon' },
    { id: 'call_a', text: 'sunny' },
  ]
  const calls = [
    { id: 'call_a', name: 'get_weather', text: '{"city":"Genoa"}' },
    { id: 'call_b', name: 'get_time', text: '{"city":"Rome"}' },
  ]
  if (door === 'chat')
    return [
      { role: 'user', content: 'Both?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: calls.map(({ id, name, text }) => ({ id, type: 'function', function: { name, arguments: text } })),
      },
      ...results.map(({ id, text }) => ({ role: 'tool', tool_call_id: id, content: text })),
      { role: 'user', content: 'And now?' },
    ]
  if (door === 'messages')
    return [
      { role: 'user', content: 'Both?' },
      {
        role: 'assistant',
        content: calls.map(({ id, name, text }) => ({ type: 'tool_use', id, name, input: JSON.parse(text) as Json })),
      },
      {
        role: 'user',
        content: [
          ...results.map(({ id, text }) => ({ type: 'tool_result', tool_use_id: id, content: text })),
          { type: 'text', text: 'And now?' },
        ],
      },
    ]
  return [
    { type: 'message', role: 'user', content: 'Both?' },
    ...calls.map(({ id, name, text }) => ({ type: 'function_call', call_id: id, name, arguments: text })),
    ...results.map(({ id, text }) => ({ type: 'function_call_output', call_id: id, output: text })),
    { type: 'message', role: 'user', content: 'And now?' },
  ]
}

function parallelRequest(door: DoorProtocol): Json {
  return withHistory(door, ask(door, { tools: [weather, clock] }), parallelHistory(door))
}

export const toolRequests: readonly ConformanceCase[] = [
  {
    id: 61,
    title: 'one stop sequence is still a list',
    sources: ['QuantumNous/new-api#7175'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', pong)
      await room.ask(ask(room.door, { more: { stop_sequences: ['END'] } }))
      assert.deepEqual(room.sent.body['stop'], ['END'])
    },
  },
  {
    id: 62,
    title: 'long tool names are shortened for the upstream and restored for the client, also in history and choice',
    sources: ['BerriAI/litellm#17904', 'BerriAI/litellm#20107', 'yannikzz/narracat-novel-agent#12'],
    doors: ['messages', 'responses'],
    upstreams: ['chat'],
    async check(room) {
      const choice = room.door === 'messages' ? { type: 'tool', name: longName } : { type: 'function', name: longName }
      const body = ask(room.door, { tools: [longTool, weather], more: { tool_choice: choice } })
      for (const stream of [true, false]) {
        room.stage('chat', (received, turn) => {
          const [short] = sentNames(received.body)
          const fn = { name: short, arguments: '{"city":"Genoa"}' }
          if (turn > 0) return pong(received)
          return stream
            ? chatStream([call(0, 'call_a', short!, fn.arguments)], 'tool_calls')
            : chatWhole({ tool_calls: [{ id: 'call_a', type: 'function', function: fn }] }, 'tool_calls')
        })
        const heard = await room.ask({ ...body, stream })
        assert.equal(callsOf(heard)[0]?.name, longName)
        const [short] = sentNames(room.sent.body)
        assert.ok(short!.length <= 64, `${short} is longer than 64`)
        assert.deepEqual(room.sent.body['tool_choice'], { type: 'function', function: { name: short } })
        await room.ask({ ...nextTurn(room.door, body, heard), stream })
        const history = list(room.lastSent.body['messages'], 'messages').map((one) => object(one, 'message'))
        const calling = history.find((message) => message['tool_calls'])
        const [sent] = list(calling?.['tool_calls'], 'tool_calls')
        assert.equal(object(object(sent, 'call')['function'], 'function')['name'], short)
      }
    },
  },
  {
    id: 63,
    title: 'tool_choice "none" is carried in the words of each protocol',
    sources: ['Portkey-AI/gateway#1474'],
    doors: all,
    upstreams: conventional,
    async check(room) {
      const none = room.door === 'messages' ? { type: 'none' } : 'none'
      for (const flavour of others(room.door)) {
        room.stage(flavour, pong)
        await room.ask(ask(room.door, { tools: [weather], more: { tool_choice: none } }))
        assert.deepEqual(room.sent.body['tool_choice'], flavour === 'messages' ? { type: 'none' } : 'none')
        assert.equal(list(room.sent.body['tools'], 'tools').length, 1, 'the tools stay in the prompt')
      }
    },
  },
  {
    id: 64,
    title: 'a forced tool reaches a supplier that refuses force while thinking',
    sources: ['deepseek-ai/awesome-deepseek-integration#606'],
    doors: all,
    upstreams: ['deepseek', 'anthropic'],
    async check(room) {
      const forced: Readonly<Record<DoorProtocol, Json>> = {
        chat: { type: 'function', function: { name: 'get_weather' } },
        messages: { type: 'tool', name: 'get_weather' },
        responses: { type: 'function', name: 'get_weather' },
      }
      for (const flavour of ['deepseek', 'anthropic'] as const) {
        room.stage(flavour, pong)
        await room.ask(ask(room.door, { tools: [weather], more: { tool_choice: forced[room.door] } }))
        const { tool_choice: choice, thinking } = room.sent.body
        assert.match(JSON.stringify(choice), /get_weather/, 'the force itself must not be lost')
        // DeepSeek thinks unless told not to, and answers 400 to both at once.
        if (flavour === 'deepseek') assert.deepEqual(thinking, { type: 'disabled' })
      }
    },
  },
  {
    id: 65,
    title: 'tools arrive in the form of each protocol, also one without a schema',
    sources: ['maximhq/bifrost#3511'],
    doors: all,
    upstreams: conventional,
    async check(room) {
      for (const flavour of others(room.door)) {
        room.stage(flavour, pong)
        await room.ask(ask(room.door, { tools: [weather, { name: 'bare' }] }))
        const [full, bare] = list(room.sent.body['tools'], 'tools').map((tool) => object(tool, 'tool'))
        const schemaOf = (tool: Json): unknown =>
          flavour === 'chat'
            ? object(tool['function'], 'function')['parameters']
            : tool[flavour === 'messages' ? 'input_schema' : 'parameters']
        assert.deepEqual(sentNames(room.sent.body), ['get_weather', 'bare'])
        assert.deepEqual(schemaOf(full!), weather.schema)
        // Responses alone has a word for "no schema"; its default of strict would refuse half of all schemas.
        if (flavour === 'responses') assert.ok([false, null].includes(full!['strict'] as boolean | null))
        else assert.equal(object(schemaOf(bare!), 'schema of a tool without one')['type'], 'object')
      }
    },
  },
  {
    id: 66,
    title: 'results of parallel calls go to a Messages upstream as one user turn',
    sources: ['maximhq/bifrost#1164', 'mlflow/mlflow#24296', 'OnesoftQwQ/opencode-go-copilot#89'],
    doors: ['chat', 'responses'],
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', pong)
      await room.ask(parallelRequest(room.door))
      const messages = list(room.sent.body['messages'], 'messages').map((message) => object(message, 'message'))
      assert.deepEqual(
        messages.map((message) => message['role']),
        ['user', 'assistant', 'user'],
      )
      const blocks = list(messages[2]!['content'], 'content').map((block) => object(block, 'block'))
      assert.deepEqual(
        blocks.map((block) => block['tool_use_id'] ?? block['text']),
        ['call_a', 'call_b', 'And now?'],
      )
    },
  },
  {
    id: 67,
    title: 'results of different calls are never merged, and stand in the order of the calls',
    sources: ['gptme/gptme#3847'],
    doors: ['messages', 'responses'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', pong)
      await room.ask(parallelRequest(room.door))
      const messages = list(room.sent.body['messages'], 'messages').map((message) => object(message, 'message'))
      assert.deepEqual(
        messages
          .filter((message) => message['role'] === 'tool')
          .map((message) => [message['tool_call_id'], message['content']]),
        [
          ['call_a', 'sunny'],
          ['call_b', 'noon'],
        ],
      )
    },
  },
  {
    id: 68,
    title: 'a tool message may hold a list of parts',
    sources: ['BerriAI/litellm#6422'],
    doors: ['chat'],
    upstreams: ['messages', 'responses'],
    async check(room) {
      const parts = [
        { type: 'text', text: 'sun' },
        { type: 'text', text: 'ny' },
      ]
      const history = parallelHistory('chat').map((message) =>
        message['tool_call_id'] === 'call_a' ? { ...message, content: parts } : message,
      )
      for (const flavour of ['messages', 'responses'] as const) {
        room.stage(flavour, pong)
        await room.ask(withHistory('chat', ask('chat', { tools: [weather, clock] }), history))
        assert.match(room.sent.text, /sun/)
        assert.match(room.sent.text, /"(text|content|output)":"[^"]*ny"/)
      }
    },
  },
  {
    id: 78,
    title: 'a tool name that comes twice goes out once',
    sources: ['decolua/9router#3333'],
    doors: all,
    upstreams: conventional,
    async check(room) {
      for (const flavour of others(room.door)) {
        room.stage(flavour, pong)
        const second = { ...weather, description: 'The same name from another server.' }
        await room.ask(ask(room.door, { tools: [weather, clock, second] }))
        assert.deepEqual(sentNames(room.sent.body), ['get_weather', 'get_time'])
        assert.match(room.sent.text, /Weather of a city/, 'the first one stays')
      }
    },
  },
  {
    id: 79,
    title: 'the token budget reaches every upstream',
    sources: ['maximhq/bifrost#6132'],
    doors: all,
    upstreams: ['chat', 'messages', 'responses', 'vllm', 'deepseek', 'anthropic', 'openai'],
    async check(room) {
      const flavours = ['chat', 'messages', 'responses', 'vllm', 'deepseek', 'anthropic', 'openai'] as const
      for (const flavour of flavours) {
        room.stage(flavour, pong)
        await room.ask(ask(room.door, { maxTokens: 777 }))
        const { max_tokens, max_completion_tokens, max_output_tokens } = room.sent.body
        assert.equal(max_tokens ?? max_completion_tokens ?? max_output_tokens, 777, `towards ${flavour}`)
      }
    },
  },
  {
    id: 80,
    title: 'a tool conversation has the turns that strict templates accept',
    sources: ['vllm-project/vllm#38738'],
    doors: ['messages', 'responses'],
    upstreams: ['vllm'],
    async check(room) {
      room.stage('vllm', (received, turn) =>
        turn === 0 ? chatStream([call(0, 'a1b2c3d4e', 'ping', '{}')], 'tool_calls') : pong(received),
      )
      const body = ask(room.door, { tools: [ping], system: 'You are a pilot.' })
      const called = await room.ask(body)
      const answered = nextTurn(room.door, body, called, { a1b2c3d4e: 'pong' })
      const spoken = await room.ask(answered)
      await room.ask(nextTurn(room.door, answered, spoken, {}, 'Once more.'))
      const messages = list(room.lastSent.body['messages'], 'messages').map((message) => object(message, 'message'))
      assert.deepEqual(
        messages.map((message) => message['role']),
        ['system', 'user', 'assistant', 'tool', 'assistant', 'user'],
      )
      assert.equal(messages[3]!['tool_call_id'], 'a1b2c3d4e', 'ids go back as they came')
      assert.equal(messages[4]!['content'], 'PONG')
    },
  },
  {
    id: 100,
    title: 'user turns that follow each other are one turn for an upstream whose roles alternate',
    sources: ['QuantumNous/new-api#516'],
    doors: all,
    upstreams: ['messages', 'chat'],
    async check(room) {
      const words = ['First.', 'Second.', 'Third.']
      const history =
        room.door === 'responses'
          ? words.map((text) => ({ type: 'message', role: 'user', content: text }))
          : words.map((content) => ({ role: 'user', content }))
      const flavour = room.door === 'messages' ? 'chat' : 'messages'
      room.stage(flavour, pong)
      await room.ask(withHistory(room.door, ask(room.door), history))
      const messages = list(room.sent.body['messages'], 'messages').map((message) => object(message, 'message'))
      assert.deepEqual(
        messages.map((message) => message['role']),
        ['user'],
      )
      for (const text of words) assert.ok(JSON.stringify(messages[0]).includes(text))
    },
  },
  {
    id: 82,
    title: 'each turn extends the prompt of the one before, and the cache key goes along',
    sources: ['maximhq/bifrost#898'],
    doors: all,
    upstreams: ['chat', 'messages', 'openai'],
    async check(room) {
      for (const flavour of ['chat', 'messages', 'openai'] as const) {
        room.stage(flavour, (received, turn) => {
          if (turn !== 0) return pong(received)
          return flavour === 'chat'
            ? chatStream([{ reasoning_content: 'Hm.' }, call(0, 'call_a', 'ping', '{}')], 'tool_calls')
            : flavour === 'messages'
              ? messagesStream([toolUse(0, 'toolu_a', 'ping', '{}')], 'tool_use')
              : pong(received)
        })
        const more = room.door === 'messages' ? {} : { prompt_cache_key: 'session-7' }
        let body = ask(room.door, { tools: [ping], system: 'You are a pilot.', more })
        for (let turn = 0; turn < 3; turn++)
          body = nextTurn(room.door, body, await room.ask(body), {}, `Go on ${turn}.`)
        const histories = room.received.map(({ body: sent }) =>
          list(sent['messages'] ?? sent['input'], 'history').map((item) => JSON.stringify(withoutMarks(item))),
        )
        for (let turn = 1; turn < histories.length; turn++)
          assert.deepEqual(histories[turn]!.slice(0, histories[turn - 1]!.length), histories[turn - 1])
        for (const member of ['tools', 'system', 'instructions', 'prompt_cache_key'])
          assert.deepEqual(room.received[2]!.body[member], room.received[0]!.body[member])
        if (flavour === 'openai' && room.door !== 'messages')
          assert.equal(room.received[0]!.body['prompt_cache_key'], 'session-7')
      }
    },
  },
]

/** Cache marks wander with the turns by design; they are not part of the prompt. */
function withoutMarks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutMarks)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'cache_control')
      .map(([name, inner]) => [name, withoutMarks(inner)]),
  )
}
