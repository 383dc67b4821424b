import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WriteContext } from '../canonical/adapter.ts'
import type { Dialect } from '../canonical/dialect.ts'
import type { CanonicalRequest, FunctionTool, Item, Thinking } from '../canonical/request.ts'
import { WireError } from '../errors.ts'
import {
  call,
  emptyRequest,
  otherDialect,
  result,
  said,
  user,
  vendorDialect,
  writeContext,
} from './fixtures.test-support.ts'
import { fromCanonicalRequest } from './from-canonical.ts'
import type { OutMessage } from './write-history.ts'

interface Body extends Record<string, unknown> {
  readonly messages: OutMessage[]
}

/** The body as it goes out, printed and read again. */
function write(request: Partial<CanonicalRequest>, context: WriteContext = writeContext(vendorDialect)): Body {
  const { body } = fromCanonicalRequest({ ...emptyRequest, ...request }, context)
  return JSON.parse(JSON.stringify(body)) as Body
}

function writeItems(items: readonly Item[], dialect: Dialect = vendorDialect): Body {
  return write({ items }, writeContext(dialect))
}

function refuses(request: Partial<CanonicalRequest>, dialect: Dialect, field: RegExp): void {
  assert.throws(
    () => write(request, writeContext(dialect)),
    (error: unknown) =>
      error instanceof WireError && error.code === 'WIRE_CANNOT_CARRY' && field.test(error.field ?? ''),
  )
}

const system = (text: string, placement: 'top' | 'inline' = 'inline'): Item => ({
  kind: 'instruction',
  placement,
  role: 'system',
  parts: [{ type: 'text', text }],
})
const thought = (
  text: string | null,
  data: string | null,
  family: 'anthropic' | 'portolan' | 'openai' = 'anthropic',
): Item => ({
  kind: 'reasoning',
  text,
  summary: [],
  token: data === null ? null : { family, data },
})
const tool = (name: string, more: Partial<FunctionTool> = {}): FunctionTool => ({
  kind: 'function',
  name,
  namespace: null,
  description: null,
  parameters: { type: 'object' },
  strict: null,
  ...more,
})
const thinkingOn = { mode: 'adaptive', effort: 'high', budgetTokens: null, display: null } as const

describe('history for a Messages upstream', () => {
  it('hoists leading instructions only', () => {
    const body = writeItems([system('a', 'top'), system('b'), user('hi'), said('yo'), system('c'), user('so')])
    assert.deepEqual(body['system'], [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ])
    assert.deepEqual(
      body.messages.map((message) => message.role),
      ['user', 'assistant', 'system', 'user'],
    )
  })

  it('wraps later instructions behind tool results where the upstream refuses system messages (new-api#7307, ollama#18431)', () => {
    const context = writeContext(otherDialect)
    const body = write(
      { items: [user('hi'), call('a'), system('now'), result('a'), user('so')], tools: [tool('f')] },
      context,
    )
    assert.deepEqual(
      body.messages.map((message) => [message.role, message.content.map((block) => block['type'])]),
      [
        ['user', ['text']],
        ['assistant', ['tool_use']],
        ['user', ['tool_result', 'text', 'text']],
      ],
    )
    assert.match(String(body.messages[2]?.content[1]?.['text']), /<system-message>\nnow\n/)
    assert.ok(context.report.has('emulated', 'messages.system'))
  })

  it('puts all results of a turn first into one user message, in call order (bifrost#1164, mlflow#24296)', () => {
    const body = writeItems([user('x'), call('a'), call('b'), result('b', 'B', true), result('a', 'A'), user('next')])
    assert.deepEqual(body.messages[2], {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: 'A' },
        { type: 'tool_result', tool_use_id: 'b', content: 'B', is_error: true },
        { type: 'text', text: 'next' },
      ],
    })
  })

  it('alternates roles and sends no empty text (new-api#516)', () => {
    const body = writeItems([user('a'), user(''), user('b'), said(''), said('x'), said('y'), user('c')])
    assert.deepEqual(
      body.messages.map((message) => [message.role, message.content.map((block) => block['text'])]),
      [
        ['user', ['a', 'b']],
        ['assistant', ['x', 'y']],
        ['user', ['c']],
      ],
    )
  })

  it('makes a user message of instructions that stand alone', () => {
    const body = writeItems([system('do it', 'top')])
    assert.equal(body['system'], undefined)
    assert.deepEqual(body.messages, [{ role: 'user', content: [{ type: 'text', text: 'do it' }] }])
  })

  it('keeps the spelling of numbers in arguments', () => {
    const items = [
      user('x'),
      call('a', 'f', '{"z":1.0,"big":12345678901234567890,"e":[1e5,{"k":-0.50}],"s":"1.0"}'),
      result('a'),
    ]
    const { body } = fromCanonicalRequest({ ...emptyRequest, items }, writeContext(vendorDialect))
    assert.match(
      JSON.stringify(body),
      /"input":\{"z":1\.0,"big":12345678901234567890,"e":\[1e5,\{"k":-0\.50\}\],"s":"1\.0"\}/,
    )
  })

  it('sends empty arguments as {}, and broken ones too, saying so', () => {
    const context = writeContext(vendorDialect)
    const body = write(
      {
        items: [
          user('x'),
          call('a', 'f', ''),
          call('b', 'f', '{"x'),
          call('c', 'f', '[1]'),
          result('a'),
          result('b'),
          result('c'),
        ],
      },
      context,
    )
    assert.deepEqual(
      body.messages[1]?.content.map((block) => block['input']),
      [{}, {}, {}],
    )
    assert.ok(context.report.has('emulated', 'tool_calls.arguments'))
  })

  it('maps odd call ids to one lawful id on call and result (bifrost#3441)', () => {
    const odd = 'call:é|' + 'x'.repeat(200)
    const body = writeItems([user('x'), call(odd), result(odd)])
    const id = body.messages[1]?.content[0]?.['id']
    assert.match(String(id), /^[A-Za-z0-9_-]{1,128}$/)
    assert.equal(body.messages[2]?.content[0]?.['tool_use_id'], id)
  })

  it('marks failures in words where the flag is ignored', () => {
    const block = writeItems([user('x'), call('a'), result('a', 'exit 1', true)], otherDialect).messages[2]?.content[0]
    assert.match(String(block?.['content']), /error.*\nexit 1/i)
    assert.equal(block?.['is_error'], true)
  })

  it('moves images out of results where they cannot stand (ollama#18055)', () => {
    const image: Item = {
      kind: 'tool-result',
      callId: 'a',
      isError: false,
      parts: [
        { type: 'text', text: 't' },
        { type: 'image', detail: null, source: { kind: 'url', url: 'data:image/png;base64,QUJD' } },
      ],
    }
    const moved = writeItems([user('x'), call('a'), image], otherDialect).messages[2]
    assert.deepEqual(moved?.content, [
      { type: 'tool_result', tool_use_id: 'a', content: 't' },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'QUJD' } },
    ])
    const inside = writeItems([user('x'), call('a'), image]).messages[2]?.content[0]?.['content']
    assert.ok(Array.isArray(inside) && inside.length === 2)
  })

  it('refuses what the upstream cannot see, hear or read', () => {
    const blind = { ...vendorDialect, images: false }
    const part = (p: object) => ({ items: [{ ...user(''), parts: [p] } as Item] })
    refuses(part({ type: 'image', detail: null, source: { kind: 'url', url: 'https://x' } }), blind, /messages/)
    refuses(
      part({
        type: 'document',
        source: { kind: 'base64', mediaType: 'application/pdf', base64: 'QQ==' },
        title: null,
        context: null,
        citationsEnabled: false,
      }),
      otherDialect,
      /messages/,
    )
    refuses(part({ type: 'audio', format: 'wav', base64: 'QQ==' }), vendorDialect, /messages/)
    refuses(
      part({ type: 'image', detail: null, source: { kind: 'file', fileId: 'file-1' } }),
      vendorDialect,
      /messages/,
    )
    refuses(
      { items: [user('x'), { kind: 'assistant-text', parts: [{ type: 'text', text: 'The' }], prefill: true }] },
      otherDialect,
      /messages/,
    )
    refuses({ choices: 2, items: [user('x')] }, vendorDialect, /^n$/)
  })

  it('names a result without a call and a call without a result (gptme#3847)', () => {
    for (const items of [
      [user('x'), result('a')],
      [user('x'), call('a'), user('y')],
    ])
      assert.throws(
        () => writeItems(items),
        (error: unknown) => error instanceof WireError && error.code === 'WIRE_BAD_FIELD',
      )
  })
})

describe('reasoning for a Messages upstream', () => {
  const items = (token: string | null, family: 'anthropic' | 'portolan' | 'openai' = 'anthropic') => [
    user('x'),
    thought('hm', token, family),
    call('a'),
    result('a'),
  ]
  const blocksOf = (body: Body) =>
    body.messages.find((message) => message.role === 'assistant')?.content.map((block) => block['type'])

  it('replays signatures to the family that issued them, byte for byte', () => {
    const body = write({ items: items('SIG'), thinking: thinkingOn })
    assert.deepEqual(body.messages[1]?.content[0], { type: 'thinking', thinking: 'hm', signature: 'SIG' })
    assert.deepEqual(body['thinking'], { type: 'adaptive' })
  })

  it('never forges one: thinking is off while the running loop lacks it (krouter#11)', () => {
    for (const [token, family] of [
      [null, 'anthropic'],
      ['ptl1.x', 'portolan'],
      ['gAAA', 'openai'],
    ] as const) {
      const context = writeContext(vendorDialect)
      const body = write({ items: items(token, family), thinking: thinkingOn }, context)
      assert.deepEqual(blocksOf(body), ['tool_use'])
      assert.deepEqual(body['thinking'], { type: 'disabled' })
      assert.ok(context.report.has('dropped', 'thinking'))
    }
  })

  it('thinks again once the user has spoken', () => {
    const body = write({ items: [...items(null), said('done'), user('next')], thinking: thinkingOn })
    assert.deepEqual(body['thinking'], { type: 'adaptive' })
  })

  it('gives unsigned thinking to who takes it: with calls, and only then (new-api#4577, cc-switch#3263)', () => {
    const body = writeItems(
      [
        user('a'),
        thought('idle', null),
        said('b'),
        user('c'),
        thought('hm', 'ptl1.x', 'portolan'),
        call('a'),
        result('a'),
        thought('end', null),
        said('d'),
      ],
      otherDialect,
    )
    assert.deepEqual(
      body.messages
        .filter((message) => message.role === 'assistant')
        .map((message) => message.content.map((block) => block['thinking'] ?? block['type'])),
      [['text'], ['hm', 'tool_use'], ['end', 'text']],
    )
    assert.equal(body['thinking'], undefined)
  })

  it('recalls by call id what a client dropped (langchainjs#10883)', () => {
    const context: WriteContext = {
      ...writeContext(otherDialect),
      recall: (id) => (id === 'a' ? { reasoning: 'kept', argumentsText: '{"n":1.0}' } : null),
    }
    const { body } = fromCanonicalRequest(
      { ...emptyRequest, items: [user('x'), call('a', 'f', '{"n":1}'), result('a')] },
      context,
    )
    assert.match(
      JSON.stringify(body),
      /\{"type":"thinking","thinking":"kept","signature":""\},\{"type":"tool_use","id":"a","name":"f","input":\{"n":1\.0\}\}/,
    )
  })

  it('switches thinking off where reasoning is required and gone (9router#1786)', () => {
    const context = writeContext(otherDialect)
    const body = write({ items: [user('x'), call('a'), result('a')] }, context)
    assert.deepEqual(body['thinking'], { type: 'disabled' })
    assert.ok(context.report.has('dropped', 'thinking'))
  })

  it('puts no cache mark on thinking (litellm#39815)', () => {
    const marked = { ...thought('hm', 'SIG'), cacheMark: { ttl: null } } as Item
    assert.equal(
      writeItems([user('x'), marked, call('a'), result('a')]).messages[1]?.content[0]?.['cache_control'],
      undefined,
    )
  })
})

describe('tools for a Messages upstream', () => {
  const items = [user('x')]

  it('always have an object schema and keep what was said of them', () => {
    const body = write({
      items,
      tools: [
        tool('a', { parameters: null }),
        tool('b', { parameters: { properties: {} }, strict: true, description: 'd' }),
      ],
    })
    assert.deepEqual(body['tools'], [
      { name: 'a', input_schema: { type: 'object', properties: {} } },
      { name: 'b', description: 'd', input_schema: { type: 'object', properties: {} }, strict: true },
    ])
  })

  it('have lawful names, restored later, and appear once (litellm#17904, 9router#3333)', () => {
    const context = writeContext({ ...vendorDialect, toolName: { charset: 'A-Za-z0-9_-', maxLength: 64 } })
    const long = 'mcp__' + 'y'.repeat(100)
    const { body, toolNames } = fromCanonicalRequest(
      { ...emptyRequest, items, tools: [tool(long), tool(long), tool('exec', { namespace: 'ns' })] },
      context,
    )
    const written = body['tools'] as { name: string }[]
    assert.equal(written.length, 2)
    assert.equal(toolNames.get(written[0]?.name ?? '')?.name, long)
    assert.deepEqual(toolNames.get('ns__exec'), { name: 'exec', namespace: 'ns', custom: false })
  })

  it('carry free-form tools as functions with one string', () => {
    const custom = {
      kind: 'custom' as const,
      name: 'patch',
      namespace: null,
      description: 'Patches.',
      format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
    }
    const past: Item = {
      kind: 'tool-call',
      callId: 'a',
      name: 'patch',
      namespace: null,
      argumentsText: '*** Begin\n"x"',
      custom: true,
    }
    const { body, toolNames } = fromCanonicalRequest(
      { ...emptyRequest, items: [user('x'), past, result('a')], tools: [custom] },
      writeContext(vendorDialect),
    )
    const [written] = body['tools'] as { description: string; input_schema: { required: string[] } }[]
    assert.match(written?.description ?? '', /Patches\.\n\n.*lark grammar:\nstart/)
    assert.deepEqual(written?.input_schema.required, ['input'])
    assert.equal(toolNames.get('patch')?.custom, true)
    const messages = body['messages'] as OutMessage[]
    assert.deepEqual(messages[1]?.content[0]?.['input'], { input: '*** Begin\n"x"' })
  })

  it('choose as asked', () => {
    const choice = (request: Partial<CanonicalRequest>, dialect = vendorDialect) =>
      write({ items, tools: [tool('a'), tool('b')], ...request }, writeContext(dialect))['tool_choice']
    assert.equal(choice({}), undefined)
    assert.deepEqual(choice({ toolChoice: { mode: 'required' }, parallelToolCalls: false }), {
      type: 'any',
      disable_parallel_tool_use: true,
    })
    assert.deepEqual(choice({ parallelToolCalls: false }), { type: 'auto', disable_parallel_tool_use: true })
    assert.deepEqual(choice({ toolChoice: { mode: 'none' } }), { type: 'none' })
    assert.deepEqual(choice({ toolChoice: { mode: 'named', name: 'b' } }), { type: 'tool', name: 'b' })
    assert.deepEqual(choice({ toolChoice: { mode: 'allowed', require: true, names: ['b'], raw: [] } }), {
      type: 'tool',
      name: 'b',
    })
    assert.equal(write({ items, toolChoice: { mode: 'auto' } })['tool_choice'], undefined)
  })

  it('stay in the prompt with tool_choice none (Portkey-AI/gateway#1474) and with an allowed list', () => {
    const none = write({ items, tools: [tool('a')], toolChoice: { mode: 'none' } })
    assert.ok(Array.isArray(none['tools']) && none['tools'].length === 1)
    const allowed = write({
      items,
      tools: [tool('a'), tool('b')],
      toolChoice: { mode: 'allowed', require: false, names: ['a'], raw: [] },
    })
    assert.ok(Array.isArray(allowed['tools']) && allowed['tools'].length === 2)
    assert.match(String(allowed.messages.at(-1)?.content.at(-1)?.['text']), /no tools but these: a\./)
    const required = write({
      items,
      tools: [tool('a'), tool('b'), tool('c')],
      toolChoice: { mode: 'allowed', require: true, names: ['a', 'c'], raw: [] },
    })
    assert.deepEqual(
      (required['tools'] as { name: string }[]).map((one) => one.name),
      ['a', 'c'],
    )
  })

  it('forced while thinking is impossible turns thinking off (awesome-deepseek-integration#606)', () => {
    const body = write({ items, tools: [tool('a')], toolChoice: { mode: 'required' }, thinking: thinkingOn })
    assert.deepEqual(body['thinking'], { type: 'disabled' })
    assert.deepEqual(
      write({ items, tools: [tool('a')], toolChoice: { mode: 'required' } }, writeContext(otherDialect))['thinking'],
      { type: 'disabled' },
    )
  })

  it('of vendors go to their own vendor only, and are refused when forced', () => {
    const search = {
      kind: 'vendor' as const,
      protocol: 'responses' as const,
      type: 'web_search',
      name: null,
      clientExecuted: false,
      raw: { type: 'web_search' },
    }
    const context = writeContext(vendorDialect)
    assert.equal(write({ items, tools: [search] }, context)['tools'], undefined)
    assert.ok(context.report.has('dropped', 'web_search'))
    refuses({ items, tools: [search], toolChoice: { mode: 'named', name: 'web_search' } }, vendorDialect, /tool_choice/)
    const bash = {
      kind: 'vendor' as const,
      protocol: 'messages' as const,
      type: 'bash_20250124',
      name: 'bash',
      clientExecuted: true,
      raw: { type: 'bash_20250124', name: 'bash' },
    }
    assert.deepEqual(write({ items, tools: [bash] })['tools'], [bash.raw])
    const [spelled] = write({ items, tools: [bash] }, writeContext(otherDialect))['tools'] as {
      name: string
      input_schema: object
    }[]
    assert.equal(spelled?.name, 'bash')
    assert.ok('properties' in (spelled?.input_schema ?? {}))
  })

  it('that are deferred wait for a server that knows deferring', () => {
    const tools = [tool('a'), tool('later', { deferred: true })]
    assert.equal((write({ items, tools })['tools'] as unknown[]).length, 2)
    assert.equal((write({ items, tools }, writeContext(otherDialect))['tools'] as unknown[]).length, 1)
  })
})

describe('settings for a Messages upstream', () => {
  const items = [user('x')]

  it('always have a budget: the caller’s, clamped, or the model’s (bifrost#6132)', () => {
    assert.equal(write({ items })['max_tokens'], 64_000)
    assert.equal(write({ items, maxOutputTokens: 5 })['max_tokens'], 5)
    assert.equal(write({ items, maxOutputTokens: 0 })['max_tokens'], 0)
    assert.equal(write({ items, maxOutputTokens: 128_000 })['max_tokens'], 64_000)
    assert.equal(write({ items }, writeContext({ ...vendorDialect, maxOutputTokens: null }))['max_tokens'], 32_768)
  })

  it('keep a thinking budget below max_tokens', () => {
    const thinking = { mode: 'on', effort: null, budgetTokens: 32_000, display: null } as const
    assert.deepEqual(write({ items, maxOutputTokens: 8000, thinking })['thinking'], {
      type: 'enabled',
      budget_tokens: 7999,
    })
    assert.deepEqual(write({ items, maxOutputTokens: 900, thinking })['thinking'], { type: 'adaptive' })
    assert.deepEqual(
      write({ items, maxOutputTokens: 64_000, thinking: { ...thinking, display: 'omitted' } })['thinking'],
      { type: 'enabled', budget_tokens: 32_000, display: 'omitted' },
    )
  })

  it('take the nearest form of thinking that the model knows', () => {
    const thinking = (
      types: NonNullable<Dialect['thinkingTypes']>,
      asked: Partial<Thinking>,
      maxOutputTokens = 64_000,
    ) =>
      write(
        { items, maxOutputTokens, thinking: { ...thinkingOn, ...asked } },
        writeContext({ ...vendorDialect, thinkingTypes: types }),
      )['thinking']
    assert.deepEqual(thinking(['enabled', 'disabled'], {}), { type: 'enabled', budget_tokens: 16_384 })
    assert.deepEqual(thinking(['enabled', 'disabled'], { effort: 'low' }), { type: 'enabled', budget_tokens: 2048 })
    assert.deepEqual(thinking(['enabled', 'disabled'], {}, 1000), { type: 'disabled' })
    assert.deepEqual(thinking(['adaptive'], { mode: 'on', budgetTokens: 5000 }), { type: 'adaptive' })
    assert.equal(thinking(['adaptive'], { mode: 'off' }), undefined)
    assert.deepEqual(thinking(['adaptive', 'between_tools'], { mode: 'between-tools' }), { type: 'between_tools' })
    assert.deepEqual(thinking(['adaptive'], { mode: 'between-tools' }), { type: 'adaptive' })
    assert.deepEqual(thinking(['disabled'], {}), { type: 'disabled' })
  })

  it('translate effort by the dialect', () => {
    const context = writeContext(otherDialect)
    assert.deepEqual(write({ items, thinking: { ...thinkingOn, effort: 'medium' } }, context)['output_config'], {
      effort: 'high',
    })
    assert.ok(context.report.has('emulated', 'reasoning_effort'))
    const missing = writeContext(otherDialect)
    assert.equal(write({ items, thinking: { ...thinkingOn, effort: 'ultra' } }, missing)['output_config'], undefined)
    assert.ok(missing.report.has('dropped', 'reasoning_effort'))
    assert.deepEqual(write({ items, thinking: { ...thinkingOn, mode: 'off' } })['thinking'], { type: 'disabled' })
    assert.deepEqual(write({ items, thinking: thinkingOn, reasoningSummary: 'auto' })['thinking'], {
      type: 'adaptive',
      display: 'summarized',
    })
  })

  it('drop all sampling for 2026-10-21, and clamp it before', () => {
    const sampling = { ...emptyRequest.sampling, temperature: 1.7, topK: 40, seed: 1 }
    const context = writeContext(vendorDialect)
    const body = write({ items, sampling }, context)
    assert.equal(body['temperature'], undefined)
    assert.equal(context.report.header(), 'dropped=temperature,top_k,seed')
    const older = writeContext({ ...vendorDialect, messagesVersion: '2023-06-01' })
    const clamped = write({ items, sampling }, older)
    assert.deepEqual([clamped['temperature'], clamped['top_k'], clamped['seed']], [1, 40, undefined])
    assert.equal(older.report.header(), 'emulated=temperature;dropped=seed')
    assert.equal(write({ items, sampling }, writeContext(otherDialect))['temperature'], 1.7)
  })

  it('send stop strings as an array, without blank ones (new-api#7175)', () => {
    const context = writeContext(vendorDialect)
    assert.deepEqual(write({ items, stop: ['END', '\n'] }, context)['stop_sequences'], ['END'])
    assert.ok(context.report.has('dropped', 'stop'))
    assert.deepEqual(write({ items, stop: ['one'] })['stop_sequences'], ['one'])
  })

  it('ask for JSON by format, by instruction, or refuse', () => {
    const format = {
      type: 'json-schema',
      name: 'n',
      description: null,
      schema: { type: 'object' },
      strict: true,
    } as const
    assert.deepEqual(write({ items, outputFormat: format })['output_config'], {
      format: { type: 'json_schema', schema: { type: 'object' } },
    })
    const instructed = write({ items, outputFormat: format }, writeContext({ ...otherDialect, jsonSchema: 'instruct' }))
    assert.match(JSON.stringify(instructed['system']), /JSON Schema/)
    assert.match(JSON.stringify(write({ items, outputFormat: { type: 'json-object' } })['system']), /one JSON object/)
    refuses({ items, outputFormat: format }, otherDialect, /response_format/)
  })

  it('say whatever they lose', () => {
    const context = writeContext(otherDialect)
    write(
      {
        items,
        topLogprobs: 0,
        verbosity: 'low',
        endUser: 'u',
        metadata: { a: '1' },
        serviceTier: 'flex',
        extra: { prediction: {}, store: false },
        parallelToolCalls: false,
        tools: [tool('a', { strict: true })],
      },
      context,
    )
    for (const field of [
      'logprobs',
      'verbosity',
      'metadata',
      'service_tier',
      'prediction',
      'parallel_tool_calls',
      'strict',
    ])
      assert.ok(context.report.has('dropped', field), field)
    assert.ok(!context.report.has('dropped', 'store'))
    refuses({ items, extra: { previous_response_id: 'resp_1' } }, vendorDialect, /previous_response_id/)
    assert.throws(() => write({ items, topLogprobs: 0 }, writeContext(vendorDialect, 'strict')), WireError)
  })

  it('carry the user and the tier', () => {
    const body = write({ items, endUser: 'u', serviceTier: 'default', stream: true })
    assert.deepEqual(body['metadata'], { user_id: 'u' })
    assert.equal(body['service_tier'], 'standard_only')
    assert.equal(body['stream'], true)
  })

  it('pass what this protocol alone knows', () => {
    const body = write({
      from: 'messages',
      items,
      extra: { context_management: { edits: [] }, output_config: { novelty: 1 }, container: null },
      thinking: thinkingOn,
    })
    assert.deepEqual(body['context_management'], { edits: [] })
    assert.deepEqual(body['output_config'], { novelty: 1, effort: 'high' })
    assert.ok(!('container' in body))
  })
})

describe('cache marks for a Messages upstream', () => {
  const marked = (text: string): Item => ({ kind: 'user', parts: [{ type: 'text', text, cacheMark: { ttl: null } }] })

  it('are added for callers whose protocol has none (bifrost#2469)', () => {
    assert.deepEqual(write({ items: [user('x')] })['cache_control'], { type: 'ephemeral' })
    assert.equal(write({ from: 'messages', items: [user('x')] })['cache_control'], undefined)
    assert.equal(write({ items: [user('x')] }, writeContext(otherDialect))['cache_control'], undefined)
  })

  it('are never more than four: the first and the last stay', () => {
    const items = [marked('0'), marked('1'), marked('2'), marked('3'), marked('4'), marked('5')]
    const left = (more: Partial<CanonicalRequest>) =>
      write({ from: 'messages', items, ...more })
        .messages[0]?.content.filter((block) => block['cache_control'] !== undefined)
        .map((block) => block['text'])
    assert.deepEqual(left({}), ['0', '3', '4', '5'])
    assert.deepEqual(left({ autoCacheMark: { ttl: '1h' } }), ['0', '4', '5'])
  })

  it('leave no trace where they are not taken (litellm#38718)', () => {
    const context = writeContext(otherDialect)
    const body = write(
      {
        from: 'messages',
        items: [marked('x')],
        autoCacheMark: { ttl: null },
        tools: [tool('a', { cacheMark: { ttl: '1h' } })],
      },
      context,
    )
    assert.ok(!JSON.stringify(body).includes('cache_control'))
    assert.ok(context.report.has('emulated', 'cache_control'))
  })
})

describe('prefix law', () => {
  const past = [
    system('top', 'top'),
    user('a'),
    system('env'),
    thought('hm', 'SIG'),
    call('a'),
    call('b'),
    result('b'),
    result('a'),
  ]
  const later = [
    ...past,
    said('done'),
    user('more'),
    thought('t', 'SIG2'),
    call('c'),
    result('c'),
    system('late'),
    user('z'),
  ]

  for (const [name, dialect] of [
    ['its own family', vendorDialect],
    ['another family', otherDialect],
  ] as const)
    it(`a longer history extends what was sent before, to ${name}`, () => {
      const shorter = writeItems(past, dialect).messages
      const longer = writeItems(later, dialect).messages
      assert.deepEqual(longer.slice(0, shorter.length), shorter)
    })
})
