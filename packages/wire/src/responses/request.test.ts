/** Responses requests: what the door reads, and what goes to a Responses upstream. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CanonicalRequest, Item } from '../canonical/request.ts'
import type { WriteContext } from '../canonical/adapter.ts'
import type { Dialect } from '../canonical/dialect.ts'
import { WireError } from '../errors.ts'
import { createSealer } from '../seal/sealer.ts'
import { TranslationReport } from '../translation/report.ts'
import { chatAdapter } from '../chat/adapter.ts'
import { messagesAdapter } from '../messages/adapter.ts'
import { responsesAdapter } from './adapter.ts'

const sealer = createSealer(new Uint8Array(32).fill(7))

function read(body: Record<string, unknown>, report = new TranslationReport()): CanonicalRequest {
  const full = { model: 'm', input: 'hi', ...body }
  return responsesAdapter.toCanonicalRequest(full, {
    messagesVersion: '2023-06-01',
    sealer,
    text: JSON.stringify(full),
    report,
  })
}

const openaiLike: Dialect = {
  protocol: 'responses',
  messagesVersion: '2023-06-01',
  midConversationSystem: 'in-place',
  instructionRole: 'developer',
  reasoningField: null,
  reasoningReplay: 'all',
  reasoningTokenFamily: 'openai',
  thinkingControl: 'reasoning-effort',
  efforts: { low: 'low', medium: 'medium', high: 'high', xhigh: 'xhigh' },
  maxTokensField: 'max_tokens',
  maxOutputTokens: null,
  toolName: { charset: 'A-Za-z0-9_-', maxLength: 64 },
  forcedToolChoiceWithThinking: true,
  images: true,
  documents: true,
  imagesInToolResults: true,
  jsonSchema: 'native',
  jsonObject: true,
  customTools: true,
  toolNamespaces: true,
  strictTools: true,
  sampling: ['temperature', 'topP'],
  maxTemperature: 2,
  logprobs: true,
  cacheMarks: 'prompt-cache-breakpoint',
  cacheKey: true,
  endUserField: 'safety_identifier',
  emptyAssistantContent: 'null',
  parallelToolCallsSwitch: true,
  prefill: 'none',
  multipleChoices: false,
  streamUsageOption: false,
  maxStopSequences: 0,
}

/** Takes reasoning as text, has no vendor tokens, no namespaces, no free-form tools. */
const openModel: Dialect = {
  ...openaiLike,
  midConversationSystem: 'user-wrap',
  instructionRole: 'system',
  reasoningReplay: 'required-with-tools',
  reasoningTokenFamily: null,
  efforts: { low: 'low', medium: 'high', high: 'high', max: 'max' },
  images: false,
  documents: false,
  imagesInToolResults: false,
  customTools: false,
  toolNamespaces: false,
  strictTools: false,
  cacheMarks: 'none',
  cacheKey: false,
  endUserField: 'user',
  parallelToolCallsSwitch: false,
}

function write(
  request: CanonicalRequest,
  dialect: Dialect = openaiLike,
  report = new TranslationReport(),
  recall: WriteContext['recall'] = () => null,
): { body: Record<string, unknown>; input: Record<string, unknown>[]; toolNames: ReadonlyMap<string, unknown> } {
  const { body, toolNames } = responsesAdapter.fromCanonicalRequest(request, { dialect, model: 'up', report, recall })
  return { body, input: body.input as Record<string, unknown>[], toolNames }
}

const kinds = (items: readonly Item[]): string[] => items.map((item) => item.kind)
const call = (id: string, name = 'exec'): Record<string, unknown> => ({
  type: 'function_call',
  call_id: id,
  name,
  arguments: `{"n":1.0}`,
})
const output = (id: string): Record<string, unknown> => ({
  type: 'function_call_output',
  call_id: id,
  output: `out ${id}`,
})
const user = (text: string): Record<string, unknown> => ({ role: 'user', content: text })

describe('a Responses request', () => {
  it('takes input as a string, easy messages without a type, and full messages', () => {
    assert.deepEqual(kinds(read({ input: 'hello' }).items), ['user'])
    const request = read({
      instructions: 'be brief',
      input: [
        { role: 'developer', content: [{ type: 'input_text', text: 'd' }] },
        { role: 'user', content: 'u' },
        { type: 'message', role: 'assistant', phase: 'commentary', content: [{ type: 'output_text', text: 'a' }] },
      ],
    })
    assert.deepEqual(kinds(request.items), ['instruction', 'instruction', 'user', 'assistant-text'])
    assert.deepEqual(request.items[0], {
      kind: 'instruction',
      placement: 'top',
      role: 'system',
      parts: [{ type: 'text', text: 'be brief' }],
      source: { pointer: '/instructions' },
    })
    assert.equal(request.items[3]?.kind === 'assistant-text' && request.items[3].phase, 'commentary')
    assert.deepEqual(request.items[3]?.source, { pointer: '/input/2' })
  })

  it('reads images, files and audio from every spelling', () => {
    const item = read({
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'high' },
            { type: 'input_image', image_url: 'https://x/y.png' },
            { type: 'input_image', file_id: 'file_1' },
            { type: 'input_file', filename: 'a.pdf', file_data: 'BBBB' },
            { type: 'input_file', file_url: 'https://x/a.pdf' },
            { type: 'input_audio', input_audio: { data: 'CC', format: 'wav' } },
            { type: 'input_hologram', x: 1 },
          ],
        },
      ],
    }).items[0]
    assert.ok(item?.kind === 'user')
    assert.deepEqual(
      item.parts.map((part) => ('source' in part ? part.source : part.type)),
      [
        { kind: 'base64', mediaType: 'image/png', base64: 'AAAA' },
        { kind: 'url', url: 'https://x/y.png' },
        { kind: 'file', fileId: 'file_1' },
        { kind: 'base64', mediaType: 'application/pdf', base64: 'BBBB' },
        { kind: 'url', url: 'https://x/a.pdf' },
        'audio',
        'foreign',
      ],
    )
  })

  it('splits refusals from text and keeps calls, results and reasoning in order', () => {
    const request = read({
      input: [
        user('go'),
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 's' }], encrypted_content: 'gAAA' },
        { type: 'custom_tool_call', call_id: 'c1', name: 'apply_patch', input: '*** Begin' },
        { type: 'custom_tool_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'ok' }] },
        {
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'well' },
            { type: 'refusal', refusal: 'no' },
          ],
        },
      ],
    })
    assert.deepEqual(kinds(request.items), [
      'user',
      'reasoning',
      'tool-call',
      'tool-result',
      'assistant-text',
      'assistant-text',
    ])
    const [, reasoning, custom, result, , refusal] = request.items
    assert.deepEqual(reasoning?.kind === 'reasoning' && reasoning.token, { family: 'openai', data: 'gAAA' })
    assert.equal(custom?.kind === 'tool-call' && custom.argumentsText, '*** Begin')
    assert.equal(result?.kind === 'tool-result' && result.custom, true)
    assert.equal(refusal?.kind === 'assistant-text' && refusal.refusal, true)
  })

  it('opens our own tokens and prefers the exact text in them', () => {
    const token = sealer.seal({ family: 'deep', reasoning: 'exact  thought', toolArguments: {} })
    const shown = [{ type: 'reasoning_text', text: 'tidied thought' }]
    const request = read({ input: [{ type: 'reasoning', summary: [], content: shown, encrypted_content: token }] })
    const [item] = request.items
    assert.ok(item?.kind === 'reasoning')
    assert.equal(item.text, 'exact  thought')
    assert.deepEqual(item.token, { family: 'portolan', data: token })
  })

  it('drops tokens sealed by somebody else and says so', () => {
    const token = createSealer(new Uint8Array(32).fill(9)).seal({ family: 'x', reasoning: 'r', toolArguments: {} })
    const report = new TranslationReport()
    assert.deepEqual(read({ input: [{ type: 'reasoning', summary: [], encrypted_content: token }] }, report).items, [])
    assert.ok(report.has('dropped', 'encrypted_content'))
  })

  it("names the field of a wrong type in the caller's own spelling", () => {
    const wrong: [Record<string, unknown>, string][] = [
      [{ model: 7 }, 'model'],
      [{ input: 7 }, 'input'],
      [{ input: null }, 'input'],
      [{ input: [{ role: 'user', content: [{ type: 'input_text' }] }] }, 'input[0].content[0].text'],
      [{ input: [{ role: 'robot', content: '' }] }, 'input[0].role'],
      [{ input: [{ type: 'function_call', call_id: 'c' }] }, 'input[0].name'],
      [{ temperature: 'hot' }, 'temperature'],
      [{ max_output_tokens: -1 }, 'max_output_tokens'],
      [{ reasoning: { effort: 'heroic' } }, 'reasoning.effort'],
      [{ text: { format: { type: 'xml' } } }, 'text.format.type'],
      [{ tools: [{ type: 'function' }] }, 'tools[0].name'],
      [{ tool_choice: 'sometimes' }, 'tool_choice'],
    ]
    for (const [body, field] of wrong)
      assert.throws(
        () => read(body),
        (error) => error instanceof WireError && error.code === 'WIRE_BAD_FIELD' && error.field === field,
        field,
      )
  })

  it('keeps unknown members, and only those that say something', () => {
    const report = new TranslationReport()
    const request = read(
      {
        store: false,
        truncation: 'disabled',
        include: ['reasoning.encrypted_content', 'web_search_call.results'],
        client_metadata: { a: 'b' },
        stream_options: { include_obfuscation: false },
        max_tool_calls: 3,
        future: { x: 1 },
        reasoning: { effort: 'low', context: 'all_turns' },
        nothing: null,
      },
      report,
    )
    assert.deepEqual(request.extra, {
      max_tool_calls: 3,
      future: { x: 1 },
      include: ['web_search_call.results'],
      reasoning: { context: 'all_turns' },
    })
    assert.ok(report.has('stripped', 'client_metadata'))
  })

  it('reads flat, nested, free-form, namespaced and hosted tools', () => {
    const { tools } = read({
      tools: [
        { type: 'function', name: 'flat', parameters: { type: 'object' }, strict: null },
        { type: 'function', function: { name: 'nested', strict: true } },
        { type: 'custom', name: 'apply_patch', format: { type: 'grammar', syntax: 'lark', definition: 'x' } },
        { type: 'namespace', name: 'ns', description: 'd', tools: [{ type: 'function', name: 'inner' }] },
        { type: 'web_search', external_web_access: false },
      ],
    })
    assert.deepEqual(
      tools.map((tool) => [tool.kind, tool.name, tool.kind === 'vendor' ? tool.type : tool.namespace]),
      [
        ['function', 'flat', null],
        ['function', 'nested', null],
        ['custom', 'apply_patch', null],
        ['function', 'inner', 'ns'],
        ['vendor', 'web_search', 'web_search'],
      ],
    )
  })
})

describe('a request to a Responses upstream', () => {
  it('is stateless and asks for encrypted reasoning where reasoning is encrypted', () => {
    const { body } = write(read({ store: true, stream: true }))
    assert.equal(body.store, false)
    assert.equal(body.stream, true)
    assert.deepEqual(body.include, ['reasoning.encrypted_content'])
    assert.equal(write(read({}), openModel).body.include, undefined)
  })

  it('refuses what only stored state could answer, although the door reads it', () => {
    const refused: [Record<string, unknown>, string][] = [
      [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
      [{ conversation: 'conv_1' }, 'conversation'],
      [{ background: true }, 'background'],
      [{ prompt: { id: 'pmpt_1' } }, 'prompt'],
      [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0]'],
      [{ input: [{ id: 'msg_1' }] }, 'input[0]'],
    ]
    for (const [body, field] of refused)
      for (const adapter of [chatAdapter, messagesAdapter, responsesAdapter])
        assert.throws(
          () => {
            const dialect = { ...openModel, protocol: adapter.protocol }
            const context = { dialect, model: 'up', report: new TranslationReport(), recall: () => null }
            adapter.fromCanonicalRequest(read(body), context)
          },
          (error) => error instanceof WireError && error.code === 'WIRE_CANNOT_CARRY' && error.field === field,
        )
  })

  it('carries everything this protocol knows back unchanged', () => {
    const input = [
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'd' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'u' }] },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 's' }], encrypted_content: 'gAAA' },
      { type: 'function_call', call_id: 'c1', name: 'inner', namespace: 'ns', arguments: '{"n": 1.0}' },
      { type: 'function_call_output', call_id: 'c1', output: 'o' },
      { type: 'custom_tool_call', call_id: 'c2', name: 'apply_patch', input: 'raw' },
      { type: 'custom_tool_call_output', call_id: 'c2', output: 'done' },
      { type: 'compaction', id: 'cmp_1', encrypted_content: 'x' },
      { type: 'message', role: 'assistant', phase: 'final_answer', content: 'bye' },
      { type: 'message', role: 'user', content: [{ type: 'input_image', detail: 'low', image_url: 'https://x/y' }] },
    ]
    const body = {
      instructions: 'i',
      input,
      tools: [
        { type: 'function', name: 'f', description: null, parameters: {}, strict: null },
        { type: 'custom', name: 'apply_patch' },
        {
          type: 'namespace',
          name: 'ns',
          description: 'd',
          tools: [{ type: 'function', name: 'inner', description: 'i', parameters: null, strict: true }],
        },
        { type: 'web_search' },
      ],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'custom', name: 'apply_patch' }] },
      parallel_tool_calls: false,
      max_output_tokens: 9,
      temperature: 0,
      top_p: 0.5,
      reasoning: { effort: 'low', summary: 'auto', context: 'all_turns' },
      text: { format: { type: 'json_schema', name: 'n', schema: { a: 1 }, strict: true }, verbosity: 'low' },
      prompt_cache_key: 'k',
      safety_identifier: 'u',
      metadata: { a: 'b' },
      service_tier: 'flex',
      truncation: 'auto',
      max_tool_calls: 2,
    }
    const { body: written } = write(read({ ...body, stream: false }))
    assert.deepEqual(written, {
      ...body,
      model: 'up',
      store: false,
      stream: false,
      include: ['reasoning.encrypted_content'],
    })
  })

  it('puts a message between a call and its output before the call (litellm#32536)', () => {
    const { input } = write(
      read({
        input: [user('go'), call('a'), { role: 'assistant', content: 'hm' }, call('b'), output('b'), output('a')],
      }),
      openModel,
    )
    assert.deepEqual(
      input.map((item) => item.call_id ?? item.content),
      [[{ type: 'input_text', text: 'go' }], 'hm', 'a', 'b', 'a', 'b'],
    )
    assert.equal(input[2]?.arguments, '{"n":1.0}')
  })

  it('gives reasoning back as text where the upstream wants it with tool calls, and nowhere else', () => {
    const thought = (text: string, id = 'rs_any'): Record<string, unknown> => ({
      type: 'reasoning',
      id,
      summary: [],
      content: [{ type: 'reasoning_text', text }],
    })
    const body = {
      input: [
        user('1'),
        thought('plain'),
        { role: 'assistant', content: 'a' },
        user('2'),
        thought('tooled'),
        call('c'),
        output('c'),
        thought('after'),
        { role: 'assistant', content: 'b' },
        user('3'),
      ],
    }
    const replayed = write(read(body), openModel).input.filter((item) => item.type === 'reasoning')
    assert.deepEqual(replayed, [thought('tooled', 'rs_3'), thought('after', 'rs_6')])
  })

  it('recovers what the client dropped, by call id', () => {
    const { input } = write(
      read({ input: [user('go'), call('c'), output('c')] }),
      openModel,
      new TranslationReport(),
      (id) => ({
        reasoning: `why ${id}`,
        argumentsText: '{"n": 1.0}',
      }),
    )
    assert.deepEqual(input[1], {
      type: 'reasoning',
      id: 'rs_1',
      summary: [],
      content: [{ type: 'reasoning_text', text: 'why c' }],
    })
    assert.equal(input[2]?.arguments, '{"n": 1.0}')
  })

  it('never sends a token to a family that did not issue it', () => {
    const report = new TranslationReport()
    const token = sealer.seal({ family: 'deep', reasoning: 'r', toolArguments: {} })
    const { input } = write(
      read({
        input: [
          user('x'),
          { type: 'reasoning', summary: [], encrypted_content: token },
          { role: 'assistant', content: 'a' },
        ],
      }),
      openaiLike,
      report,
    )
    assert.ok(input.every((item) => item.type !== 'reasoning'))
    assert.ok(report.has('dropped', 'reasoning'))
  })

  it('flattens namespaces and wraps free-form tools where the upstream has neither', () => {
    const { body, toolNames, input } = write(
      read({
        input: [
          user('go'),
          { type: 'custom_tool_call', call_id: 'c', name: 'apply_patch', input: 'a "b"' },
          { type: 'custom_tool_call_output', call_id: 'c', output: 'ok' },
        ],
        tools: [
          { type: 'custom', name: 'apply_patch', description: 'edit' },
          { type: 'namespace', name: 'functions', description: '', tools: [{ type: 'function', name: 'exec' }] },
        ],
        tool_choice: { type: 'function', name: 'exec' },
      }),
      openModel,
    )
    assert.deepEqual(
      (body.tools as { name: string; type: string }[]).map((tool) => [tool.type, tool.name]),
      [
        ['function', 'apply_patch'],
        ['function', 'functions__exec'],
      ],
    )
    assert.deepEqual(body.tool_choice, { type: 'function', name: 'functions__exec' })
    assert.deepEqual(Object.fromEntries(toolNames), {
      apply_patch: { name: 'apply_patch', namespace: null, custom: true },
      functions__exec: { name: 'exec', namespace: 'functions', custom: false },
    })
    assert.deepEqual(
      input.slice(1).map((item) => [item.type, item.arguments ?? item.output]),
      [
        ['function_call', '{"input":"a \\"b\\""}'],
        ['function_call_output', 'ok'],
      ],
    )
  })

  it('refuses what would change the meaning, and names it', () => {
    const refused: [Record<string, unknown>, Dialect, string][] = [
      [
        { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://x' }] }] },
        openModel,
        'input[0]',
      ],
      [{ input: [{ role: 'user', content: [{ type: 'input_file', file_data: 'AA' }] }] }, openModel, 'input[0]'],
      [{ max_output_tokens: 0 }, openModel, 'max_output_tokens'],
      [
        { text: { format: { type: 'json_schema', name: 'n', schema: {}, strict: true } } },
        { ...openModel, jsonSchema: 'none' },
        'text.format',
      ],
    ]
    for (const [body, dialect, field] of refused)
      assert.throws(
        () => write(read(body), dialect),
        (error) => error instanceof WireError && error.code === 'WIRE_CANNOT_CARRY' && error.field === field,
        field,
      )
  })

  it('says what was dropped or changed', () => {
    const report = new TranslationReport()
    write(
      read({
        user: 'u',
        prompt_cache_key: 'k',
        parallel_tool_calls: false,
        reasoning: { effort: 'minimal' },
        store: true,
        tools: [{ type: 'function', name: 'f', strict: true }],
      }),
      openModel,
      report,
    )
    assert.equal(report.header(), 'dropped=store,tools.strict,parallel_tool_calls,reasoning.effort')
  })

  it('extends what it sent when the history grows, whatever form the client uses (law 2)', () => {
    const first = [user('a'), call('1'), output('1')]
    const again = [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] },
      call('1'),
      { ...output('1'), output: [{ type: 'input_text', text: 'out 1' }] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'done' }] },
      user('b'),
    ]
    for (const dialect of [openaiLike, openModel]) {
      const before = write(read({ input: first }), dialect).input
      const after = write(read({ input: again }), dialect).input
      assert.deepEqual(after.slice(0, before.length), before)
    }
  })
})
