/** Catalogue 94 to 96 and 98: what Codex needs of the Responses door. */
import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.ts'
import { callsOf, shapeOf } from '../heard.ts'
import { list, object, string, type Json } from '../json.ts'
import { ask, nextTurn, toolOf, weather, withHistory } from '../requests.ts'
import { args, call, chatStream } from '../wire-forms/chat.ts'
import { messagesStream, text, toolUse } from '../wire-forms/messages.ts'
import { pong } from '../wire-forms/pong.ts'

/** A Codex request as captured, shortened: a namespace with nested tools, a grammar tool, a hosted tool. */
function codexRequest(more: Json = {}): Json {
  const nested = [weather, { name: 'exec', description: 'Runs a command.', schema: weather.schema }]
  return ask('responses', {
    more: {
      instructions: 'You are Codex.',
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Sandbox: read-only.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather?' }] },
      ],
      tools: [
        { ...toolOf('responses', { name: 'shell', schema: weather.schema }), strict: false },
        {
          type: 'namespace',
          name: 'harbour',
          description: 'Harbour tools.',
          tools: nested.map((tool) => toolOf('responses', tool)),
        },
        {
          type: 'custom',
          name: 'apply_patch',
          description: 'Edits files.',
          format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
        },
        { type: 'web_search', external_web_access: true },
      ],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      reasoning: { effort: 'high', summary: 'auto' },
      prompt_cache_key: 'session-7',
      client_metadata: { originator: 'codex' },
      ...more,
    },
  })
}

function sentNames(body: Json): string[] {
  return list(body['tools'], 'tools').map((tool) => {
    const { function: inner, name } = object(tool, 'tool')
    return string(inner === undefined ? name : object(inner, 'function')['name'], 'tool name')
  })
}

export const responsesDoor: readonly ConformanceCase[] = [
  {
    id: 94,
    title:
      'tools of a namespace reach the model and come back with it, and echoed messages keep calls and outputs together',
    sources: ['BerriAI/litellm#32536'],
    doors: ['responses'],
    upstreams: ['chat', 'messages'],
    async check(room) {
      for (const flavour of ['chat', 'messages'] as const) {
        room.stage(flavour, (received, turn) => {
          if (turn > 0) return pong(received)
          const name = sentNames(received.body).find((one) => one.includes('get_weather'))!
          return flavour === 'chat'
            ? chatStream([call(0, 'call_a', name, '{"city":"Genoa"}')], 'tool_calls')
            : messagesStream([toolUse(0, 'call_a', name, '{"city":"Genoa"}')], 'tool_use')
        })
        const body = codexRequest()
        const heard = await room.ask(body)
        const [made] = callsOf(heard)
        assert.deepEqual([made?.name, made?.namespace], ['get_weather', 'harbour'])
        // Codex echoes an assistant message between the call and its output.
        const next = nextTurn('responses', body, heard)
        const input = [...(next['input'] as Json[])]
        input.splice(-1, 0, {
          type: 'message',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'I look it up.' }],
        })
        await room.ask(withHistory('responses', next, input))
        const messages = list(room.lastSent.body['messages'], 'messages').map((message) => object(message, 'message'))
        const at = messages.findIndex((message) => JSON.stringify(message).includes('"call_a"'))
        assert.equal(messages[at]?.['role'], 'assistant')
        assert.equal(messages[at + 1]?.['role'], flavour === 'chat' ? 'tool' : 'user')
        assert.match(JSON.stringify(messages[at + 1]), /result of call_a/)
        assert.match(JSON.stringify(messages[at]), /I look it up/)
      }
    },
  },
  {
    id: 95,
    title: 'a free-form tool reaches the model and comes back as free-form call with raw input',
    sources: ['BerriAI/litellm#31571'],
    doors: ['responses'],
    upstreams: ['chat', 'messages'],
    async check(room) {
      const patch = '*** Begin Patch\n*** Update File: a "b".ts\n+const x = 1 // 航海\n*** End Patch'
      const text = JSON.stringify({ input: patch })
      for (const flavour of ['chat', 'messages'] as const) {
        room.stage(flavour, (received, turn) => {
          if (turn > 0) return pong(received)
          assert.ok(sentNames(received.body).includes('apply_patch'))
          return flavour === 'chat'
            ? chatStream(
                [call(0, 'call_a', 'apply_patch'), args(0, text.slice(0, 30)), args(0, text.slice(30))],
                'tool_calls',
              )
            : messagesStream([toolUse(0, 'call_a', 'apply_patch', text.slice(0, 30), text.slice(30))], 'tool_use')
        })
        const body = codexRequest()
        const heard = await room.ask(body)
        const [made] = callsOf(heard)
        assert.deepEqual([made?.name, made?.custom, made?.arguments], ['apply_patch', true, patch])
        const history = [
          ...(body['input'] as Json[]),
          ...(heard.wire as Json[]),
          { type: 'custom_tool_call_output', call_id: 'call_a', output: 'Done!' },
        ]
        await room.ask(withHistory('responses', body, history))
        assert.match(room.lastSent.text, /Done!/)
        assert.ok(room.lastSent.text.includes('Begin Patch'))
      }
    },
  },
  {
    id: 96,
    title: 'a name that the model made up from a namespace finds its tool',
    sources: ['Wei-Shaw/sub2api#5883'],
    doors: ['responses'],
    upstreams: ['chat'],
    async check(room) {
      const invented: readonly (readonly [string, string, string | null])[] = [
        ['functions__exec', 'exec', 'harbour'],
        ['functions.exec', 'exec', 'harbour'],
        ['functions.shell', 'shell', null],
        ['harbour.exec', 'exec', 'harbour'],
        ['exec', 'exec', 'harbour'],
      ]
      for (const [name, expected, namespace] of invented) {
        room.stage('chat', () => chatStream([call(0, 'call_a', name, '{"city":"Genoa"}')], 'tool_calls'))
        const [made] = callsOf(await room.ask(codexRequest()))
        assert.deepEqual([made?.name, made?.namespace], [expected, namespace], `the model said ${name}`)
      }
    },
  },
  {
    id: 98,
    title: 'a text item and the first call have output indexes of their own',
    sources: ['Shelpuk-AI-Technology-Consulting/kitty-bridge#116'],
    doors: ['responses'],
    upstreams: ['chat', 'messages'],
    async check(room) {
      room.stage('chat', () =>
        chatStream(
          [{ reasoning_content: 'Hm.' }, { content: 'I look.' }, call(0, 'call_a', 'shell', '{"city":"Genoa"}')],
          'tool_calls',
        ),
      )
      assert.equal(shapeOf(await room.ask(codexRequest())), 'reasoning text call')
      room.stage('messages', () =>
        messagesStream([text(0, 'I look.'), toolUse(1, 'toolu_a', 'shell', '{"city":"Genoa"}')], 'tool_use'),
      )
      assert.equal(shapeOf(await room.ask(codexRequest())), 'text call')
    },
  },
]
