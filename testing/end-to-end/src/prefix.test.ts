/**
 * Law 2 through the real gateway: agent sessions of thirty turns, in the shapes that real agents send, through
 * all nine pairs of protocols. Wherever the client kept its history, the upstream-bound prompt keeps it too.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  startMockUpstream,
  type MockUpstream,
  type MockUpstreamOptions,
  type Script,
} from '@portolan-testing/mock-upstream'
import { protocols, type Protocol } from '@portolan/wire'
import { post, route, startFixture, type RunningGateway } from './fixture.ts'

const turns = 30
type Json = Record<string, unknown>

/** Plays one agent: keeps its history as its kind of client does, reshaping included. */
interface Agent {
  readonly path: string
  body(model: string, turn: number): Json
  /** Takes the answer into the history, runs the tools, and asks on. */
  take(answer: Json, turn: number): void
}

const schema = { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] }
const toolResult = (id: string): string => `exit 0\noutput of ${id.length} <files> & "quotes"`

/** Claude Code: moving cache marks, a system message in the middle, results in order of completion, a billing line. */
function claudeCode(): Agent {
  const messages: Json[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look around.' },
        { type: 'text', text: 'Then report.' },
      ],
    },
    { role: 'system', content: '# Environment\nLinux, no network.' },
  ]
  return {
    path: '/v1/messages',
    body: (model, turn) => ({
      model,
      max_tokens: 4096,
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.930; cc_entrypoint=sdk-cli; cch=00000;' },
        { type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } },
      ],
      metadata: { user_id: JSON.stringify({ device_id: 'd', account_uuid: 'a', session_id: 'cc-session-1' }) },
      thinking: { type: 'adaptive', display: 'omitted' },
      tools: [{ name: 'Bash', description: 'Runs a command.', input_schema: schema }],
      messages: messages.map((message, i) => {
        const last = i === messages.length - 1
        // The same system message: block array first, a string ever after.
        if (message['role'] === 'system' && turn === 0)
          return {
            ...message,
            content: [{ type: 'text', text: message['content'], cache_control: { type: 'ephemeral' } }],
          }
        if (!last || !Array.isArray(message['content'])) return message
        const content = message['content'] as Json[]
        return {
          ...message,
          content: content.map((block, j) =>
            j === content.length - 1 ? { ...block, cache_control: { type: 'ephemeral' } } : block,
          ),
        }
      }),
    }),
    take(answer, turn) {
      const content = answer['content'] as Json[]
      // Text after a tool call comes back before it.
      const order = ['thinking', 'redacted_thinking', 'text', 'tool_use']
      messages.push({
        role: 'assistant',
        content: content.toSorted((a, b) => order.indexOf(String(a['type'])) - order.indexOf(String(b['type']))),
      })
      const results = content
        .filter((block) => block['type'] === 'tool_use')
        .map((block, i) =>
          i % 2 === 0
            ? {
                tool_use_id: block['id'],
                type: 'tool_result',
                content: toolResult(String(block['id'])),
                is_error: false,
              }
            : { type: 'tool_result', content: 'Exit code 1', is_error: true, tool_use_id: block['id'] },
        )
      messages.push({
        role: 'user',
        content: [
          ...results.toReversed(),
          ...(results.length === 0 ? [{ type: 'text', text: `Go on, turn ${turn}.` }] : []),
        ],
      })
      if (turn % 7 === 3)
        messages.push({ role: 'system', content: `<total_tokens>${90_000 - turn} tokens left</total_tokens>` })
    },
  }
}

/** An OpenAI SDK loop: drops reasoning, keeps content and calls. */
function chatLoop(): Agent {
  const messages: Json[] = [
    { role: 'system', content: 'You are an agent.' },
    { role: 'user', content: 'Look around.' },
  ]
  return {
    path: '/v1/chat/completions',
    body: (model) => ({
      model,
      messages,
      tools: [{ type: 'function', function: { name: 'Bash', description: 'Runs a command.', parameters: schema } }],
    }),
    take(answer, turn) {
      const { message } = (
        answer['choices'] as {
          message: { content: string | null; tool_calls?: { id: string; type: string; function: Json }[] }
        }[]
      )[0]!
      const calls = message.tool_calls ?? []
      messages.push({
        role: 'assistant',
        content: message.content,
        ...(calls.length > 0
          ? { tool_calls: calls.map(({ id, type, function: call }) => ({ id, type, function: call })) }
          : {}),
      })
      for (const call of calls) messages.push({ role: 'tool', tool_call_id: call.id, content: toolResult(call.id) })
      if (calls.length === 0) messages.push({ role: 'user', content: `Go on, turn ${turn}.` })
      if (turn % 7 === 3) messages.push({ role: 'system', content: `Reminder ${turn}: stay terse.` })
    },
  }
}

/** Codex: developer and user messages first, replays reasoning by its encrypted content. */
function codex(): Agent {
  const input: Json[] = [
    { type: 'message', role: 'developer', content: [{ type: 'input_text', text: '<permissions>none</permissions>' }] },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Look around.' }] },
  ]
  return {
    path: '/v1/responses',
    body: (model) => ({
      model,
      instructions: 'You are an agent.',
      input,
      store: false,
      include: ['reasoning.encrypted_content'],
      prompt_cache_key: 'codex-session-1',
      parallel_tool_calls: true,
      tools: [{ type: 'function', name: 'Bash', description: 'Runs a command.', parameters: schema, strict: false }],
    }),
    take(answer, turn) {
      const output = answer['output'] as Json[]
      for (const { id: _id, status: _status, ...item } of output) input.push(item)
      const calls = output.filter((item) => item['type'] === 'function_call')
      for (const call of calls)
        input.push({
          type: 'function_call_output',
          call_id: call['call_id'],
          output: toolResult(String(call['call_id'])),
        })
      if (calls.length === 0)
        input.push({ type: 'message', role: 'user', content: [{ type: 'input_text', text: `Go on, turn ${turn}.` }] })
      if (turn % 7 === 3)
        input.push({ type: 'message', role: 'developer', content: [{ type: 'input_text', text: `Reminder ${turn}.` }] })
    },
  }
}

const agents: Readonly<Record<Protocol, () => Agent>> = { chat: chatLoop, messages: claudeCode, responses: codex }

describe('thirty turns of an agent', () => {
  const upstreams: MockUpstream[] = []
  let running: RunningGateway
  let turn = 0
  const script: Script = () => ({
    reasoning: `I think about turn ${turn}: "yes" or 1.0?`,
    text: turn % 3 === 0 || turn % 5 === 4 ? `Turn ${turn}.` : undefined,
    toolCalls:
      turn % 5 === 4
        ? []
        : [
            { name: 'Bash', arguments: `{"command": "ls ${turn}", "n": 1.0}` },
            ...(turn % 2 === 0 ? [{ name: 'Bash', arguments: { command: `cat ${turn}` } }] : []),
          ],
  })
  before(async () => {
    const start = async (options: Partial<MockUpstreamOptions> = {}): Promise<{ baseUrl: string; apiKey: string }> => {
      const upstream = await startMockUpstream({ refuseUnknownFields: false, script, ...options })
      upstreams.push(upstream)
      return { baseUrl: upstream.url, apiKey: 'sk-x' }
    }
    running = await startFixture({
      upstreams: [
        { name: 'chat', kind: 'vllm', protocols: ['chat'], ...(await start({ dialect: 'vllm' })) },
        { name: 'messages', kind: 'anthropic', ...(await start()) },
        { name: 'responses', kind: 'openai', protocols: ['responses'], ...(await start()) },
        // Refuses every tool turn whose reasoning does not come back.
        { name: 'deepseek', kind: 'deepseek', ...(await start({ dialect: 'deepseek', reasoningPassback: 'strict' })) },
      ],
      models: [...protocols.map((protocol) => route(`m-${protocol}`, protocol)), route('m-deepseek', 'deepseek')],
    })
  })
  after(async () => {
    await running.close()
    for (const upstream of upstreams) await upstream.close()
  })

  for (const door of protocols)
    for (const far of [...protocols, 'deepseek'])
      it(`keep their whole prefix from ${door} to ${far}`, async () => {
        const agent = agents[door]()
        const seen = running.rows().length
        for (turn = 0; turn < turns; turn++) {
          const { status, text } = await post(running, agent.path, agent.body(`m-${far}`, turn))
          assert.equal(status, 200, `turn ${turn}: ${text}`)
          agent.take(JSON.parse(text) as Json, turn)
        }
        for (const upstream of upstreams) assert.deepEqual(upstream.violations, [])
        const rows = running
          .rows()
          .slice(0, running.rows().length - seen)
          .toReversed()
        assert.equal(rows[0]!.prefixTotalBytes, null)
        for (const [i, row] of rows.slice(1).entries()) {
          assert.equal(row.prefixBreakCause, null, `turn ${i + 1}`)
          assert.equal(row.prefixKeptBytes, row.prefixTotalBytes)
          assert.ok(row.prefixTotalBytes! > 0)
        }
      })

  it('report a planted break with its place and whose doing it was', async () => {
    const agent = agents.chat()
    for (turn = 0; turn < 4; turn++) {
      const body = agent.body('m-responses', turn)
      if (turn === 3)
        (body['messages'] as Json[])[2] = { ...(body['messages'] as Json[])[2], content: 'changed behind the back' }
      const { text } = await post(running, agent.path, body)
      agent.take(JSON.parse(text) as Json, turn)
    }
    const [row] = running.rows()
    assert.equal(row!.prefixBreakCause, 'client: messages[2] (assistant) changed')
    assert.ok(row!.prefixKeptBytes! > 0 && row!.prefixKeptBytes! < row!.prefixTotalBytes!)
  })
})
