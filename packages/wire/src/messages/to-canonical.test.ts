import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ReadContext } from '../canonical/adapter.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { WireError } from '../errors.ts'
import type { MessagesVersion } from '../protocol.ts'
import { createSealer } from '../seal/sealer.ts'
import { TranslationReport } from '../translation/report.ts'
import { readMessagesVersion } from './version.ts'
import { toCanonicalRequest } from './to-canonical.ts'

const sealer = createSealer(Buffer.alloc(32, 7))

function read(
  body: unknown,
  version: MessagesVersion = '2023-06-01',
  report = new TranslationReport(),
): CanonicalRequest {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const context: ReadContext = { messagesVersion: version, sealer, text, report }
  return toCanonicalRequest(JSON.parse(text), context)
}

const base = { model: 'm', max_tokens: 100 }
const hello = [{ role: 'user', content: 'hi' }]

/** Items without their source pointers, for comparing two spellings. */
function bare(request: CanonicalRequest): unknown {
  return request.items.map(({ source, ...item }) => (source === undefined ? item : item))
}

function refuses(body: unknown, field: string, version: MessagesVersion = '2023-06-01'): void {
  assert.throws(
    () => read(body, version),
    (error: unknown) => error instanceof WireError && error.code === 'WIRE_BAD_FIELD' && error.field === field,
  )
}

describe('reading a Messages request', () => {
  it('reads the smallest request', () => {
    const request = read({ ...base, messages: hello })
    assert.equal(request.from, 'messages')
    assert.equal(request.maxOutputTokens, 100)
    assert.deepEqual(bare(request), [{ kind: 'user', parts: [{ type: 'text', text: 'hi' }] }])
    assert.equal(request.thinking, null)
    assert.equal(request.toolChoice, null)
    assert.equal(request.sampling.temperature, null)
  })

  it('names the broken field the way the vendor does', () => {
    refuses([], 'body')
    refuses({ messages: hello }, 'model')
    refuses({ model: 'm' }, 'messages')
    refuses({ ...base, messages: [] }, 'messages')
    refuses({ ...base, messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.role')
    refuses({ ...base, messages: [...hello, { role: 'assistant' }] }, 'messages.1.content')
    refuses({ ...base, messages: [{ role: 'user', content: [7] }] }, 'messages.0.content.0')
    refuses({ ...base, messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages.0.content.0.text')
    refuses(
      {
        ...base,
        messages: [
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text', text: 1 }] }] },
        ],
      },
      'messages.0.content.0.content.0.text',
    )
    refuses({ ...base, messages: hello, tools: [{ description: 'no name' }] }, 'tools.0.name')
    refuses({ ...base, messages: hello, tool_choice: { type: 'some' } }, 'tool_choice.type')
    refuses({ ...base, messages: hello, max_tokens: -1 }, 'max_tokens')
    refuses({ ...base, messages: hello, system: [{ type: 'image' }] }, 'system.0.type')
    refuses(
      { ...base, messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url' } }] }] },
      'messages.0.content.0.source.url',
    )
  })

  it('survives hostile shapes', () => {
    for (const body of [
      null,
      3,
      '"x"',
      [],
      { model: 3 },
      { model: 'm', messages: {} },
      { model: 'm', messages: [null] },
    ])
      assert.throws(() => read(body), WireError)
    const request = read(
      '{"model":"m","messages":[{"role":"user","content":[{"type":"__proto__"}]}],"__proto__":{"x":1}}',
    )
    assert.equal(request.items.length, 1)
    assert.equal(({} as Record<string, unknown>)['x'], undefined)
    const deep = 200_000
    const nested = '{"type":"tool_result","tool_use_id":"a","content":['.repeat(deep) + ']}'.repeat(deep)
    assert.equal(read(`{"model":"m","messages":[{"role":"user","content":[${nested}]}]}`).items.length, 1)
    const input = '{"a":'.repeat(deep) + '1' + '}'.repeat(deep)
    const call = read(
      `{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":${input}}]}]}`,
    ).items[0]
    assert.ok(call?.kind === 'tool-call' && call.argumentsText === input)
  })

  it('keeps unknown top-level members, blocks and tool members', () => {
    const request = read({
      ...base,
      messages: [{ role: 'user', content: [{ type: 'hologram', beam: 1 }] }],
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      output_config: { effort: 'high', novelty: 2 },
      tools: [{ name: 'a', input_schema: { type: 'object' }, eager_input_streaming: true }],
      future_field: [1],
    })
    assert.deepEqual(request.extra, {
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      output_config: { novelty: 2 },
      future_field: [1],
    })
    assert.ok(request.items[0]?.kind === 'user' && request.items[0].parts[0]?.type === 'foreign')
    assert.ok(request.tools[0]?.kind === 'function')
    assert.deepEqual(request.tools[0].extra, { eager_input_streaming: true })
  })

  it('reads a system message between messages at its place (vllm#44000, ollama#18431)', () => {
    const request = read({ ...base, system: 'top', messages: [...hello, { role: 'system', content: '# Environment' }] })
    assert.deepEqual(
      request.items.map((item) => (item.kind === 'instruction' ? item.placement : item.kind)),
      ['top', 'user', 'inline'],
    )
  })

  it('does not depend on key order (ds4#127)', () => {
    const one = read('{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}')
    const other = read('{"messages":[{"content":[{"text":"x","type":"text"}],"role":"user"}],"model":"m"}')
    assert.deepEqual(one.items, other.items)
  })

  it('takes a thinking budget above max_tokens, as qwen-code sends it', () => {
    const request = read({
      model: 'm',
      max_tokens: 8000,
      messages: hello,
      thinking: { type: 'enabled', budget_tokens: 32000 },
      temperature: 1,
    })
    assert.deepEqual(request.thinking, { mode: 'on', effort: null, budgetTokens: 32000, display: null })
  })

  it('reads every thinking mode, effort and display', () => {
    const thinking = (body: object) => read({ ...base, messages: hello, ...body }).thinking
    assert.equal(thinking({ thinking: { type: 'disabled' } })?.mode, 'off')
    assert.equal(thinking({ thinking: { type: 'between_tools' } })?.mode, 'between-tools')
    assert.deepEqual(
      thinking({ thinking: { type: 'adaptive', display: 'omitted' }, output_config: { effort: 'xhigh' } }),
      {
        mode: 'adaptive',
        effort: 'xhigh',
        budgetTokens: null,
        display: 'omitted',
      },
    )
    assert.equal(thinking({ output_config: { effort: 'low' } })?.mode, 'adaptive')
  })

  it('reads both spellings of the output format', () => {
    const schema = { type: 'object', properties: { title: { type: 'string' } } }
    for (const body of [
      { output_config: { format: { type: 'json_schema', schema } } },
      { output_format: { type: 'json_schema', schema } },
    ]) {
      const format = read({ ...base, messages: hello, ...body }).outputFormat
      assert.ok(format.type === 'json-schema')
      assert.deepEqual(format.schema, schema)
    }
  })

  it('reads tool choices and the inverse parallel flag', () => {
    const choice = (tool_choice: object) => read({ ...base, messages: hello, tool_choice })
    assert.deepEqual(choice({ type: 'any', disable_parallel_tool_use: true }).toolChoice, { mode: 'required' })
    assert.equal(choice({ type: 'any', disable_parallel_tool_use: true }).parallelToolCalls, false)
    assert.deepEqual(choice({ type: 'tool', name: 'a' }).toolChoice, { mode: 'named', name: 'a' })
    assert.deepEqual(choice({ type: 'none' }).toolChoice, { mode: 'none' })
    assert.equal(choice({ type: 'auto' }).parallelToolCalls, null)
  })

  it("takes the session from Claude Code's user id as the affinity key", () => {
    const key = (user_id: string) => read({ ...base, messages: hello, metadata: { user_id } }).cacheKey
    assert.equal(key('{"device_id":"d","session_id":"5e55"}'), '5e55')
    assert.equal(key('user_ab_account_cd_session_01234567-89ab'), '01234567-89ab')
    assert.equal(key('{broken'), null)
    assert.equal(key('alice'), null)
  })

  it('ends in a prefill when the last message is from the assistant', () => {
    const request = read({ ...base, messages: [...hello, { role: 'assistant', content: 'The answer is' }] })
    const last = request.items.at(-1)
    assert.ok(last?.kind === 'assistant-text' && last.prefill === true)
  })
})

describe('Messages blocks', () => {
  it('reads media, documents and search results', () => {
    const request = read({
      ...base,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'QUJD' } },
            { type: 'image', source: { type: 'url', url: 'https://x/y.png' } },
            {
              type: 'document',
              source: { type: 'text', media_type: 'text/plain', data: 'abc' },
              title: 'T',
              citations: { enabled: true },
            },
            {
              type: 'document',
              source: {
                type: 'content',
                content: [
                  { type: 'text', text: 'a' },
                  { type: 'text', text: 'b' },
                ],
              },
            },
            { type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'found' }] },
            { type: 'container_upload', file_id: 'f' },
          ],
        },
      ],
    })
    assert.ok(request.items[0]?.kind === 'user')
    const parts = request.items[0].parts
    assert.deepEqual(
      parts.map((part) => part.type),
      ['image', 'image', 'document', 'document', 'search-result', 'foreign'],
    )
    assert.ok(parts[2]?.type === 'document' && parts[2].citationsEnabled && parts[2].title === 'T')
    assert.ok(parts[3]?.type === 'document' && parts[3].source.kind === 'text' && parts[3].source.text === 'a\nb')
  })

  it('reads cache marks everywhere, and null as no mark (litellm#33816, bifrost#1935)', () => {
    const mark = { cache_control: { type: 'ephemeral', ttl: '1h' } }
    const request = read({
      ...base,
      cache_control: { type: 'ephemeral' },
      system: [{ type: 'text', text: 's', ...mark }],
      tools: [{ name: 'a', input_schema: { type: 'object' }, ...mark }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'u', cache_control: null }] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'a', input: {}, ...mark }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'r', ...mark }] },
      ],
    })
    assert.deepEqual(request.autoCacheMark, { ttl: null })
    assert.ok(request.tools[0]?.kind === 'function' && request.tools[0].cacheMark?.ttl === '1h')
    const [system, user, call, result] = request.items
    assert.ok(system?.kind === 'instruction' && system.parts[0]?.cacheMark?.ttl === '1h')
    assert.ok(user?.kind === 'user' && user.parts[0]?.type === 'text' && user.parts[0].cacheMark === undefined)
    assert.equal(call?.cacheMark?.ttl, '1h')
    assert.equal(result?.cacheMark?.ttl, '1h')
  })

  it('reads server tools and their results as foreign items, in order', () => {
    const request = read({
      ...base,
      messages: [
        ...hello,
        {
          role: 'assistant',
          content: [
            { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
            { type: 'web_search_tool_result', tool_use_id: 's', content: [] },
            { type: 'text', text: 'found' },
          ],
        },
        { role: 'user', content: 'go on' },
      ],
    })
    assert.deepEqual(
      request.items.map((item) => (item.kind === 'foreign' ? item.name : item.kind)),
      ['user', 'server_tool_use', 'web_search_tool_result', 'assistant-text', 'user'],
    )
  })

  it('knows which vendor-typed tools the client runs (sglang#22656)', () => {
    const request = read({
      ...base,
      messages: hello,
      tools: [
        { type: 'bash_20250124', name: 'bash' },
        { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
        { type: 'memory_20250818', name: 'memory' },
        { type: 'web_search_20260318', name: 'web_search' },
        { type: 'mcp_toolset' },
      ],
    })
    assert.deepEqual(
      request.tools.map((tool) => tool.kind === 'vendor' && tool.clientExecuted),
      [true, true, true, false, false],
    )
  })

  it('never lets the placeholder for deferred tools through, and loads what a reference names', () => {
    const report = new TranslationReport()
    const tool = (name: string, more = {}) => ({ name, input_schema: { type: 'object' }, ...more })
    const request = read(
      {
        ...base,
        tools: [
          tool('DeferredToolPlaceholder', { defer_loading: true }),
          tool('later', { defer_loading: true }),
          tool('never', { defer_loading: true }),
          tool('ToolSearch'),
        ],
        messages: [
          ...hello,
          { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'ToolSearch', input: {} }] },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 't', content: [{ type: 'tool_reference', tool_name: 'later' }] },
            ],
          },
        ],
      },
      '2023-06-01',
      report,
    )
    assert.deepEqual(
      request.tools.map((t) => [t.name, t.kind === 'function' && t.deferred === true]),
      [
        ['ToolSearch', false],
        ['later', false],
        ['never', true],
      ],
    )
    assert.ok(report.has('stripped', 'deferred-tool-placeholder'))
  })
})

describe('tool arguments', () => {
  const call = (input: string) =>
    `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":${input}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}`
  const argumentsOf = (body: string) => {
    const item = read(body).items.find((one) => one.kind === 'tool-call')
    assert.ok(item?.kind === 'tool-call')
    return item.argumentsText
  }

  it('keep number spelling and key order', () => {
    assert.equal(argumentsOf(call('{"z":1.0,"2":9007199254740993,"a":1e5}')), '{"z":1.0,"2":9007199254740993,"a":1e5}')
    assert.equal(argumentsOf(call('{ "z" : [1.50 , 2] }')), '{"z":[1.50,2]}')
    assert.equal(argumentsOf(call('{}')), '{}')
  })

  it('come back verbatim from Claude Code after a cut', () => {
    const raw = '{"command": "ls'
    assert.equal(argumentsOf(call(JSON.stringify({ __unparsedToolInput: { raw, len: raw.length } }))), raw)
  })

  it('come from our own token while the client still means them, and from the client when it edited the call', () => {
    const exact = '{"n": 1.0}'
    const signature = sealer.seal({ family: 'v4', reasoning: 'thought', toolArguments: { a: exact } })
    const body = (n: number) => ({
      ...base,
      messages: [
        ...hello,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: '', signature },
            { type: 'tool_use', id: 'a', name: 'f', input: { n } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'ok' }] },
      ],
    })
    const items = read(body(1)).items
    assert.ok(items[1]?.kind === 'reasoning' && items[1].text === 'thought' && items[1].token?.family === 'portolan')
    assert.ok(items[2]?.kind === 'tool-call' && items[2].argumentsText === exact)
    assert.equal(argumentsOf(JSON.stringify(body(2))), '{"n":2}')
  })
})

describe('thinking blocks', () => {
  const reasoning = (block: object) =>
    read({
      ...base,
      messages: [...hello, { role: 'assistant', content: [block, { type: 'text', text: 'y' }] }, ...hello],
    }).items[1]

  it('keep foreign signatures byte for byte (CLIProxyAPI#2172)', () => {
    const item = reasoning({ type: 'thinking', thinking: 'a', signature: 'Eo+/==' })
    assert.ok(item?.kind === 'reasoning')
    assert.deepEqual(item.token, { family: 'anthropic', data: 'Eo+/==' })
    const redacted = reasoning({ type: 'redacted_thinking', data: 'xyz' })
    assert.ok(redacted?.kind === 'reasoning' && redacted.redacted === true && redacted.text === null)
  })

  it('may be unsigned, signed by a key we lost, or empty', () => {
    const unsigned = reasoning({ type: 'thinking', thinking: 'a', signature: '' })
    assert.ok(unsigned?.kind === 'reasoning' && unsigned.token === null && unsigned.text === 'a')
    const lost = createSealer(Buffer.alloc(32, 9)).seal({ family: 'v4', reasoning: 'r', toolArguments: {} })
    const kept = reasoning({ type: 'thinking', thinking: 'shown', signature: lost })
    assert.ok(kept?.kind === 'reasoning' && kept.text === 'shown' && kept.token?.family === 'portolan')
    assert.equal(reasoning({ type: 'thinking', thinking: '', signature: '' })?.kind, 'assistant-text')
  })
})

describe('wire versions', () => {
  const document = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'd' } }
  const cited = { type: 'text', text: 'x', citations: [{ type: 'char_location' }] }

  it('2026-10-21 refuses sampling, documents from the assistant and citations from users', () => {
    refuses({ ...base, messages: hello, temperature: 1 }, 'temperature', '2026-10-21')
    refuses({ ...base, messages: hello, top_k: 0 }, 'top_k', '2026-10-21')
    refuses(
      { ...base, messages: [...hello, { role: 'assistant', content: [document] }] },
      'messages.1.content.0',
      '2026-10-21',
    )
    refuses({ ...base, messages: [{ role: 'user', content: [cited] }] }, 'messages.0.content.0.citations', '2026-10-21')
    refuses(
      { ...base, messages: [{ role: 'user', content: [{ type: 'search_result', content: [cited] }] }] },
      'messages.0.content.0.content.0.citations',
      '2026-10-21',
    )
  })

  it('2023-06-01 takes them, and both take citations on assistant text', () => {
    read({ ...base, messages: [{ role: 'user', content: [cited] }], temperature: 0.5 })
    read({ ...base, messages: [...hello, { role: 'assistant', content: [cited] }] }, '2026-10-21')
  })

  it('is read from the header, unknown dates as the newest version before them', () => {
    assert.equal(readMessagesVersion(null), '2023-06-01')
    assert.equal(readMessagesVersion('2023-01-01'), '2023-06-01')
    assert.equal(readMessagesVersion('latest'), '2023-06-01')
    assert.equal(readMessagesVersion('2026-10-21'), '2026-10-21')
    assert.equal(readMessagesVersion('2027-01-01'), '2026-10-21')
  })
})

describe('histories that clients reshape', () => {
  const turn = (system: unknown, results: readonly unknown[]) => ({
    ...base,
    system: [
      { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.930; cc_entrypoint=cli; cch=0;' },
      { type: 'text', text: 'You are', cache_control: { type: 'ephemeral' } },
    ],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'one' },
          { type: 'text', text: 'two' },
        ],
      },
      { role: 'system', content: system },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'let me run it', signature: 'S' },
          { type: 'tool_use', id: 'toolu_a1', name: 'Bash', input: { command: 'echo hi-one' } },
          { type: 'tool_use', id: 'toolu_a2', name: 'Bash', input: { command: 'false' } },
        ],
      },
      { role: 'user', content: results },
    ],
  })
  const one = { tool_use_id: 'toolu_a1', type: 'tool_result', content: 'hi-one', is_error: false }
  const two = { type: 'tool_result', content: 'Exit code 1', is_error: true, tool_use_id: 'toolu_a2' }

  it('read the same: string or blocks, results by completion or by call, marks or none (Claude Code 2.1.330)', () => {
    const report = new TranslationReport()
    const first = read(turn([{ type: 'text', text: '# Environment' }], [one, two]))
    const second = read(turn('# Environment', [two, one]), '2023-06-01', report)
    assert.deepEqual(bare(second), bare(first))
    assert.equal(report.header(), 'stripped=billing-line')
    assert.deepEqual(
      second.items.map((item) => item.kind),
      ['instruction', 'user', 'instruction', 'reasoning', 'tool-call', 'tool-call', 'tool-result', 'tool-result'],
    )
    const failed = second.items.at(-1)
    assert.ok(failed?.kind === 'tool-result' && failed.isError && failed.callId === 'toolu_a2')
  })

  it('put user text behind the results of its message', () => {
    const request = read(turn('s', [{ type: 'text', text: 'a' }, two, { type: 'text', text: 'b' }, one]))
    const [first, second, user] = request.items.slice(-3)
    assert.ok(first?.kind === 'tool-result' && first.callId === 'toolu_a1')
    assert.ok(second?.kind === 'tool-result' && second.callId === 'toolu_a2')
    assert.ok(user?.kind === 'user')
    assert.deepEqual(
      user.parts.map((part) => part.type === 'text' && part.text),
      ['a', 'b'],
    )
  })

  it('put text sampled after a call before it, as the client replays it', () => {
    const call = { type: 'tool_use', id: 'a', name: 'f', input: {} }
    const text = { type: 'text', text: 'so' }
    const body = (content: unknown[]) => ({
      ...base,
      messages: [
        ...hello,
        { role: 'assistant', content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a' }] },
      ],
    })
    assert.deepEqual(bare(read(body([call, text]))), bare(read(body([text, call]))))
  })
})
