import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Dialect } from '../canonical/dialect.ts'
import type { CanonicalRequest, Item, Tool } from '../canonical/request.ts'
import { WireError } from '../errors.ts'
import { TranslationReport } from '../translation/report.ts'
import { fullDialect, narrowDialect, requestOf, written } from './testing.ts'

const text = (words: string) => ({ type: 'text' as const, text: words })
const user = (words: string): Item => ({ kind: 'user', parts: [text(words)] })
const says = (words: string): Item => ({ kind: 'assistant-text', parts: [text(words)] })
const thinks = (words: string | null): Item => ({ kind: 'reasoning', text: words, summary: [], token: null })
const instructs = (words: string, placement: 'top' | 'inline' = 'inline'): Item => ({
  kind: 'instruction',
  placement,
  role: 'system',
  parts: [text(words)],
})
const call = (callId: string, name = 'f', argumentsText = '{}', more: object = {}): Item => ({
  kind: 'tool-call',
  callId,
  name,
  namespace: null,
  argumentsText,
  custom: false,
  ...more,
})
const result = (callId: string, words: string, more: object = {}): Item => ({
  kind: 'tool-result',
  callId,
  parts: [text(words)],
  isError: false,
  ...more,
})
const tool = (name: string, more: object = {}): Tool => ({
  kind: 'function',
  name,
  namespace: null,
  description: null,
  parameters: null,
  strict: null,
  ...more,
})

/** From the Messages door, where most cross-protocol traffic comes from. */
function request(items: readonly Item[], change: Partial<CanonicalRequest> = {}): CanonicalRequest {
  return requestOf({}, { from: 'messages', items, ...change })
}
interface Sent {
  role: string
  content: unknown
  reasoning_content?: string
}
function messages(
  items: readonly Item[],
  dialect: Dialect = narrowDialect,
  change: Partial<CanonicalRequest> = {},
): Sent[] {
  return asJson(written(request(items, change), dialect).body['messages'])
}
/** What goes over the wire, untyped: tests say what they expect. */
function asJson(value: unknown) {
  return JSON.parse(JSON.stringify(value))
}
function toolNamesIn(sent: Record<string, unknown>): string[] {
  const tools: { function: { name: string } }[] = asJson(sent['tools'])
  return tools.map((one) => one.function.name)
}
function toolBody(list: readonly Tool[], dialect = narrowDialect, change: Partial<CanonicalRequest> = {}) {
  return written(request([user('hi')], { tools: list, ...change }), dialect).body
}
function body(change: Partial<CanonicalRequest>, dialect = narrowDialect) {
  return written(request([user('hi')], change), dialect).body
}
function thinking(
  mode: 'off' | 'on' | 'adaptive',
  effort: 'low' | 'xhigh' | null = null,
  budget: number | null = null,
) {
  return { thinking: { mode, effort, budgetTokens: budget, display: null } }
}
function thinkingIn({ thinking: switched, reasoning_effort: effort }: Record<string, unknown>) {
  return asJson({ thinking: switched, reasoning_effort: effort })
}
function reasoningIn(items: readonly Item[], change: Partial<CanonicalRequest> = {}): string[] {
  return messages(items, narrowDialect, change).flatMap((one) => one.reasoning_content ?? [])
}
function header(change: Partial<CanonicalRequest>, dialect: Dialect = narrowDialect): string | null {
  const report = new TranslationReport()
  written(request([user('hi')], change), dialect, { report })
  return report.header()
}
const refuses = (field: string) => (error: unknown) =>
  error instanceof WireError && error.code === 'WIRE_CANNOT_CARRY' && error.field === field

describe('messages for a Chat upstream', () => {
  it('wraps a system message in the middle behind the tool results, and hoists nothing (catalogue 57-60)', () => {
    const history = [
      instructs('top', 'top'),
      user('go'),
      instructs('mid'),
      call('a'),
      instructs('late'),
      result('a', 'ok'),
      user('more'),
    ]
    assert.deepEqual(messages(history), [
      { role: 'system', content: 'top' },
      { role: 'user', content: [text('go'), text('<system-message>\nmid\n</system-message>')] },
      {
        role: 'assistant',
        content: '',
        reasoning_content: '',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'ok' },
      { role: 'user', content: [text('<system-message>\nlate\n</system-message>'), text('more')] },
    ])
  })

  it('keeps a system message in its place where the template takes it, but never between call and result', () => {
    const roles = messages([user('go'), call('a'), instructs('late'), result('a', 'ok'), user('more')], fullDialect)
    assert.deepEqual(
      roles.map((message) => message.role),
      ['user', 'assistant', 'tool', 'system', 'user'],
    )
  })

  it('orders tool results by call, one message each, before the text of the turn (catalogue 66, 67)', () => {
    const sent = messages([user('go'), call('a'), call('b'), user('and'), result('b', '2'), result('a', '1')])
    assert.deepEqual(sent.slice(2), [
      { role: 'tool', tool_call_id: 'a', content: '1' },
      { role: 'tool', tool_call_id: 'b', content: '2' },
      { role: 'user', content: 'and' },
    ])
  })

  it('joins consecutive users and assistants, text with nothing between (catalogue 100)', () => {
    assert.deepEqual(messages([user('a'), user('b'), says('c'), says('d'), user('e')]), [
      { role: 'user', content: [text('a'), text('b')] },
      { role: 'assistant', content: 'cd' },
      { role: 'user', content: 'e' },
    ])
  })

  it('gives reasoning back with tools in play, as upstreams demand (catalogue 42-47)', () => {
    const history = [
      user('q'),
      thinks('idle'),
      says('a'),
      user('go'),
      thinks('r1'),
      call('a'),
      result('a', 'x'),
      thinks('r2'),
      says('done'),
    ]
    assert.deepEqual(reasoningIn(history), ['r1', 'r2'])
    assert.deepEqual(reasoningIn(history, { tools: [tool('f')] }), ['idle', 'r1', 'r2'])
  })

  it('recovers reasoning and exact arguments that the client dropped (catalogue 48)', () => {
    const sent = written(request([user('go'), call('a', 'f', '{"n":1}'), result('a', 'x')]), narrowDialect, {
      recall: (id) => (id === 'a' ? { reasoning: 'kept', argumentsText: '{"n": 1.0}' } : null),
    }).body['messages']
    assert.deepEqual(asJson(sent)[1], {
      role: 'assistant',
      content: '',
      reasoning_content: 'kept',
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"n": 1.0}' } }],
    })
  })

  it('never recalls arguments that mean something else than what the client sent', () => {
    const sent = written(request([user('go'), call('a', 'f', '{"n":2}'), result('a', 'x')]), narrowDialect, {
      recall: () => ({ reasoning: '', argumentsText: '{"n":1}' }),
    }).body['messages']
    assert.match(JSON.stringify(sent), /\{\\"n\\":2\}/)
  })

  it('keeps number spellings, big integers and key order of arguments', () => {
    const exact = '{"z": 1.0, "a":12345678901234567890}'
    assert.ok(
      JSON.stringify(messages([user('go'), call('a', 'f', exact), result('a', '')])).includes(JSON.stringify(exact)),
    )
  })

  it('says in words that a tool failed (catalogue 53)', () => {
    const sent = JSON.stringify(messages([user('go'), call('a'), result('a', 'no such file', { isError: true })]))
    assert.match(sent, /reported an error\]\\nno such file/)
  })

  it('moves images of tool results to the user message behind them (catalogue 69, 70)', () => {
    const image = { type: 'image', source: { kind: 'url', url: 'https://x/y.png' }, detail: null }
    const history = [user('go'), call('a'), result('a', '', { parts: [text('see'), image] }), user('well?')]
    assert.deepEqual(messages(history, fullDialect).slice(2), [
      { role: 'tool', tool_call_id: 'a', content: 'see\n(image: see the next user message)' },
      {
        role: 'user',
        content: [
          text('(from the result of tool call a)'),
          { type: 'image_url', image_url: { url: 'https://x/y.png' } },
          text('well?'),
        ],
      },
    ])
    assert.throws(() => messages(history, narrowDialect), /cannot see images/)
  })

  it('says content null or "" as the upstream wants it', () => {
    const history = [user('go'), call('a'), result('a', '')]
    assert.equal(messages(history, fullDialect)[1]?.content, null)
    assert.equal(messages(history, narrowDialect)[1]?.content, '')
  })

  it('extends its own messages when the history grows (law 2)', () => {
    const session: Item[] = [instructs('s', 'top'), user('one'), instructs('mid')]
    let before: Sent[] = []
    for (let turn = 0; turn < 30; turn++) {
      const sent = messages(session, narrowDialect, { tools: [tool('f')] })
      assert.deepEqual(sent.slice(0, before.length), before)
      before = sent
      session.push(thinks(`r${turn}`), says(`t${turn}`), call(`a${turn}`), call(`b${turn}`))
      session.push(result(`b${turn}`, 'B'), result(`a${turn}`, 'A'))
      if (turn % 3 === 0) session.push(instructs(`note ${turn}`))
      if (turn % 4 === 0) session.push(user(`more ${turn}`))
    }
  })

  it('continues an assistant message where the upstream can, and refuses where it cannot', () => {
    const history: Item[] = [
      user('poem'),
      { kind: 'assistant-text', parts: [text('Roses')], prefill: true, source: { pointer: '/messages/1' } },
    ]
    assert.deepEqual(messages(history, fullDialect)[1], {
      role: 'assistant',
      content: 'Roses',
      prefix: true,
    })
    const { body: continued } = written(request(history), { ...fullDialect, prefill: 'continue-final-message' })
    assert.deepEqual([continued['continue_final_message'], continued['add_generation_prompt']], [true, false])
    assert.throws(() => messages(history, narrowDialect), refuses('messages[1]'))
  })

  it('refuses images and documents that the upstream cannot see, naming where they stand', () => {
    const image: Item = {
      kind: 'user',
      parts: [{ type: 'image', source: { kind: 'url', url: 'https://x' }, detail: null }],
      source: { pointer: '/messages/0' },
    }
    assert.throws(() => messages([image]), refuses('messages[0]'))
  })

  it('answers a call without result with the name of the call', () => {
    assert.throws(
      () => messages([user('go'), { ...call('a'), source: { pointer: '/messages/1/content/0' } }, user('next')]),
      (error) =>
        error instanceof WireError && error.code === 'WIRE_BAD_FIELD' && error.field === 'messages[1].content[0]',
    )
  })
})

describe('tools for a Chat upstream', () => {
  it('gives a tool without schema an empty one and keeps a schema as it is', () => {
    const schema = { type: 'object', properties: { b: {}, a: {} }, $defs: {} }
    assert.deepEqual(toolBody([tool('f'), tool('g', { parameters: schema, description: 'd' })])['tools'], [
      { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } },
      { type: 'function', function: { name: 'g', description: 'd', parameters: schema } },
    ])
  })

  it('aliases long names in tools, choice and history alike, and says how to undo it (catalogue 62)', () => {
    const long = 'x'.repeat(100)
    const { body: sent, toolNames } = written(
      request([user('hi'), call('a', long), result('a', '')], {
        tools: [tool(long)],
        toolChoice: { mode: 'named', name: long },
      }),
      fullDialect,
    )
    const [alias] = toolNames.keys()
    assert.equal(alias?.length, 64)
    assert.equal(JSON.stringify(sent).split(`"${alias}"`).length - 1, 3)
    assert.deepEqual(toolNames.get(alias ?? ''), { name: long, namespace: null, custom: false })
  })

  it('flattens namespaces and turns free-form tools into functions (catalogue 94, 95)', () => {
    const custom: Tool = { kind: 'custom', name: 'patch', namespace: null, description: 'p', format: { type: 'text' } }
    const { body: sent, toolNames } = written(
      request([user('hi'), call('a', 'patch', '*** x', { custom: true }), result('a', '')], {
        tools: [tool('run', { namespace: 'ns' }), custom],
      }),
      narrowDialect,
    )
    const names = toolNamesIn(sent)
    assert.deepEqual(names, ['ns__run', 'patch'])
    assert.match(JSON.stringify(sent['messages']), /\{\\"input\\":\\"\*\*\* x\\"\}/)
    assert.deepEqual([toolNames.get('ns__run')?.namespace, toolNames.get('patch')?.custom], ['ns', true])
  })

  it('leaves deferred tools out until they are named, then puts them last', () => {
    const list = [tool('later', { deferred: true }), tool('now'), tool('never', { deferred: true })]
    const reference = { type: 'foreign', protocol: 'messages', name: 'tool_reference', raw: { tool_name: 'later' } }
    const names = (items: readonly Item[]) => toolNamesIn(written(request(items, { tools: list }), narrowDialect).body)
    assert.deepEqual(names([user('hi')]), ['now'])
    assert.deepEqual(names([user('hi'), call('a', 'now'), result('a', '', { parts: [reference] })]), ['now', 'later'])
  })

  it('makes functions of vendor tools that the client runs, drops those it does not, refuses them when forced', () => {
    const bash: Tool = {
      kind: 'vendor',
      protocol: 'messages',
      type: 'bash_20250124',
      name: 'bash',
      clientExecuted: true,
      raw: {},
    }
    const search: Tool = {
      kind: 'vendor',
      protocol: 'messages',
      type: 'web_search_20260101',
      name: 'web_search',
      clientExecuted: false,
      raw: {},
    }
    assert.deepEqual(toolNamesIn(toolBody([bash, search])), ['bash'])
    assert.equal(header({ tools: [bash, search] }), 'emulated=bash_20250124;dropped=web_search_20260101')
    assert.throws(
      () => toolBody([bash, search], narrowDialect, { toolChoice: { mode: 'named', name: 'web_search' } }),
      refuses('tool_choice'),
    )
  })

  it('keeps the first of two tools with one name (catalogue 78)', () => {
    assert.deepEqual(toolNamesIn(toolBody([tool('f'), tool('f')])), ['f'])
  })

  it('switches thinking off where a forced choice does not go with it (catalogue 64)', () => {
    const sent = toolBody([tool('f')], narrowDialect, { toolChoice: { mode: 'required' } })
    assert.deepEqual([sent['tool_choice'], sent['thinking']], ['required', { type: 'disabled' }])
    assert.equal(toolBody([tool('f')], narrowDialect, { toolChoice: { mode: 'auto' } })['thinking'], undefined)
  })

  it('keeps the tools in the prompt when none may be called (catalogue 63)', () => {
    const sent = toolBody([tool('f')], narrowDialect, { toolChoice: { mode: 'none' } })
    assert.equal(sent['tool_choice'], 'none')
    assert.deepEqual(toolNamesIn(sent), ['f'])
  })
})

describe('settings for a Chat upstream', () => {
  it('sends stop as a list, even one string (catalogue 61)', () => {
    assert.deepEqual(body({ stop: ['x'] })['stop'], ['x'])
  })

  it('says thinking and effort the way of the upstream', () => {
    assert.deepEqual(thinkingIn(body(thinking('adaptive', 'xhigh'))), {
      thinking: { type: 'enabled' },
      reasoning_effort: 'high',
    })
    assert.deepEqual(thinkingIn(body(thinking('on', null, 50_000))), {
      thinking: { type: 'enabled' },
      reasoning_effort: 'max',
    })
    assert.deepEqual(thinkingIn(body(thinking('off'), fullDialect)), { reasoning_effort: 'none' })
    const template = { ...narrowDialect, thinkingControl: 'chat-template' as const }
    assert.deepEqual(body(thinking('on'), template)['chat_template_kwargs'], { thinking: true })
  })

  it('carries the budget, clamped, under the right name (catalogue 79)', () => {
    assert.equal(body({ maxOutputTokens: 5 })['max_tokens'], 5)
    assert.equal(body({ maxOutputTokens: 5 }, fullDialect)['max_completion_tokens'], 5)
    assert.equal(body({ maxOutputTokens: 1e9 })['max_tokens'], 393_216)
    assert.throws(() => body({ maxOutputTokens: 0 }), refuses('max_tokens'))
  })

  it('reports every sampling setting it drops', () => {
    const sampling = {
      temperature: 3,
      topP: null,
      topK: 5,
      frequencyPenalty: null,
      presencePenalty: null,
      seed: 0,
      logitBias: null,
    }
    assert.equal(header({ sampling }), 'emulated=temperature;dropped=top_k,seed')
    assert.equal(body({ sampling })['temperature'], 2)
  })

  it('puts a schema into words where it cannot be enforced', () => {
    const outputFormat = {
      type: 'json-schema' as const,
      name: null,
      description: null,
      schema: { type: 'object' },
      strict: null,
    }
    const sent = body({ outputFormat })
    assert.deepEqual(sent['response_format'], { type: 'json_object' })
    assert.match(JSON.stringify(sent['messages']), /JSON Schema.*object/)
    assert.deepEqual(body({ outputFormat }, fullDialect)['response_format'], {
      type: 'json_schema',
      json_schema: { name: 'output', schema: { type: 'object' }, strict: true },
    })
    const none = { ...narrowDialect, jsonSchema: 'none' as const, jsonObject: false }
    assert.throws(
      () => body({ outputFormat: { ...outputFormat, strict: true } }, none),
      refuses('output_config.format'),
    )
    assert.equal(body({ outputFormat }, none)['response_format'], undefined)
  })

  it('refuses several answers and state that another vendor keeps', () => {
    assert.throws(() => body({ choices: 2 }), refuses('n'))
    assert.throws(() => body({ extra: { previous_response_id: 'r' } }), refuses('previous_response_id'))
    assert.equal(header({ extra: { store: false, inference_geo: 'eu' } }), 'dropped=inference_geo')
  })

  it('hashes an end user id that is data in disguise', () => {
    assert.equal(body({ endUser: 'user-1' })['user_id'], 'user-1')
    assert.match(String(body({ endUser: '{"device_id":"d"}' })['user_id']), /^[0-9a-f]{32}$/)
  })

  it('always asks for usage in streams', () => {
    assert.deepEqual(body({ stream: true })['stream_options'], { include_usage: true })
  })

  it('refuses any loss under a strict policy', () => {
    const report = new TranslationReport('strict')
    assert.throws(
      () => written(request([user('hi')], { serviceTier: 'priority' }), narrowDialect, { report }),
      refuses('service_tier'),
    )
  })
})
