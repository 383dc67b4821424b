/** Catalogue 83 to 87: counting tokens before a request, and the whole path of Claude Code to a self-hosted engine. */
import assert from 'node:assert/strict'
import type { UpstreamFlavour, ConformanceCase } from '../case.ts'
import { callsOf, textOf } from '../heard.ts'
import { count, list, object, parse, type Json } from '../json.ts'
import { ask, nextTurn, weather } from '../requests.ts'
import type { Room } from '../room.ts'
import { args, call, chatStream } from '../wire-forms/chat.ts'
import { json } from '../wire-forms/play.ts'
import { pong } from '../wire-forms/pong.ts'

async function counted(room: Room, more: Json = {}): Promise<number> {
  const { stream: _stream, max_tokens: _budget, ...body } = ask('messages', { more })
  const told = await room.postTo('/v1/messages/count_tokens', body)
  assert.equal(told.status, 200, told.text)
  return count(object(parse(told.text, 'count'), 'count')['input_tokens'], 'input_tokens')
}

/** Claude Code 2.1 as captured, shortened: billing line, rolling marks, deferred tools, thinking, betas. */
function claudeCodeRequest(): Json {
  const ephemeral = { type: 'ephemeral' }
  const tool = (name: string): Json => ({
    name,
    description: `${name} does what it says.`,
    input_schema: weather.schema,
  })
  return {
    max_tokens: 32_000,
    stream: true,
    system: [
      { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.930; cc_entrypoint=cli; cch=0a1b2;' },
      { type: 'text', text: 'You are Claude Code.', cache_control: ephemeral },
      { type: 'text', text: 'Long instructions.', cache_control: ephemeral },
    ],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: '<system-reminder>today</system-reminder>' },
          { type: 'text', text: 'Weather?', cache_control: ephemeral },
        ],
      },
      { role: 'system', content: [{ type: 'text', text: '# Environment', cache_control: ephemeral }] },
    ],
    tools: [
      ...['Bash', 'Read', 'Edit', 'ToolSearch'].map(tool),
      { ...tool('DeferredToolPlaceholder'), defer_loading: true },
      { ...tool('get_weather'), eager_input_streaming: true },
    ],
    thinking: { type: 'adaptive', display: 'omitted' },
    output_config: { effort: 'high' },
    context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
    metadata: { user_id: JSON.stringify({ device_id: 'd0', account_uuid: '', session_id: 's0' }) },
  }
}

const claudeCodeHeaders = {
  'anthropic-version': '2023-06-01',
  'anthropic-beta':
    'claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,never-heard-of-2027-01-01',
  'x-app': 'cli',
}

export const countingCases: readonly ConformanceCase[] = [
  {
    id: 83,
    title: 'count_tokens exists',
    sources: ['BerriAI/litellm#13252'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', pong)
      assert.ok((await counted(room)) > 0)
    },
  },
  {
    id: 84,
    title: 'count_tokens asks the configured upstream, not a vendor',
    sources: ['BerriAI/litellm#29764'],
    doors: ['messages'],
    upstreams: ['messages'],
    async check(room) {
      room.stage('messages', pong)
      assert.equal(await counted(room), 4321)
      assert.equal(room.received.length, 1)
      assert.match(room.received[0]!.path, /\/messages\/count_tokens$/)
    },
  },
  {
    id: 85,
    title: 'count_tokens answers whatever stands behind, also when the upstream will not count',
    sources: ['BerriAI/litellm#15323'],
    doors: ['messages'],
    upstreams: ['chat', 'responses', 'deepseek', 'messages'],
    async check(room) {
      for (const flavour of ['chat', 'responses', 'deepseek'] as UpstreamFlavour[]) {
        room.stage(flavour, pong)
        assert.ok((await counted(room)) > 0, `towards ${flavour}`)
      }
      room.stage('messages', () => json({ type: 'error', error: { type: 'not_found_error', message: 'no' } }, 404))
      assert.ok((await counted(room)) > 0)
    },
  },
  {
    id: 86,
    title: 'nothing of a prompt is left out of the count',
    sources: ['BerriAI/litellm#37102'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', pong)
      // Eight common words a line are eight tokens or more in every tokenizer of the trade.
      const lines = (lineCount: number): string => 'the ship sails over the sea to Genoa\n'.repeat(lineCount)
      const bare = await counted(room)
      const grown = async (more: Json): Promise<number> => (await counted(room, more)) - bare
      const floor = 100 * 8
      const user = { role: 'user', content: 'Hi' }
      const use = { type: 'tool_use', id: 't', name: 'get_weather', input: { city: lines(100) } }
      const result = { type: 'tool_result', tool_use_id: 't', content: lines(100) }
      const wholes: Readonly<Record<string, Json>> = {
        text: { messages: [{ role: 'user', content: lines(100) }] },
        system: { system: [{ type: 'text', text: lines(100) }] },
        'tool descriptions': {
          tools: [{ name: 'get_weather', description: lines(100), input_schema: weather.schema }],
        },
        'tool schemas': {
          tools: [{ name: 'f', input_schema: { type: 'object', properties: { a: { description: lines(100) } } } }],
        },
        'tool arguments': {
          messages: [
            user,
            { role: 'assistant', content: [use] },
            { role: 'user', content: [{ ...result, content: '' }] },
          ],
        },
        'tool results': {
          messages: [
            user,
            { role: 'assistant', content: [{ ...use, input: {} }] },
            { role: 'user', content: [result] },
          ],
        },
      }
      for (const [name, more] of Object.entries(wholes)) {
        const tokens = await grown(more)
        assert.ok(tokens >= floor * 0.9, `${name}: ${tokens} tokens for ${floor} or more`)
      }
    },
  },
  {
    id: 87,
    title: 'Claude Code works through the gateway with a self-hosted engine',
    sources: ['BerriAI/litellm#30043'],
    doors: ['messages'],
    upstreams: ['vllm'],
    async check(room) {
      room.stage('vllm', (received, turn) =>
        turn > 0
          ? pong(received)
          : chatStream(
              [
                { reasoning: 'The user wants the weather.' },
                call(0, 'chatcmpl-tool-1', 'get_weather'),
                args(0, '{"city":"Genoa"}'),
              ],
              'tool_calls',
            ),
      )
      const options = { headers: claudeCodeHeaders, query: '?beta=true' }
      const body = claudeCodeRequest()
      const heard = await room.ask(body, options)
      assert.equal(callsOf(heard)[0]?.name, 'get_weather')
      const names = list(room.sent.body['tools'], 'tools').map(
        (tool) => object(object(tool, 'tool')['function'], 'function')['name'],
      )
      assert.deepEqual(names, ['Bash', 'Read', 'Edit', 'ToolSearch', 'get_weather'], 'the placeholder is no tool')
      const last = await room.ask(nextTurn('messages', body, heard), options)
      assert.equal(textOf(last), 'PONG')
      const messages = list(room.lastSent.body['messages'], 'messages').map((message) => object(message, 'message'))
      const calling = messages.find((message) => message['tool_calls'])
      assert.equal(calling?.['reasoning'] ?? calling?.['reasoning_content'], 'The user wants the weather.')
    },
  },
]
