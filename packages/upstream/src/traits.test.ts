import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plainRequest, type CanonicalRequest, type Item, type Protocol, type Tool } from '@portolan/wire'
import { canonicalTraits, requestTraits } from './traits.ts'
import type { RequestTrait } from './traits.ts'

const user = { role: 'user', content: 'hi' }
const forced: RequestTrait[] = ['forced-tool-choice', 'forced-tool-choice-with-thinking']

describe('traits of a request body', () => {
  const cases: readonly (readonly [string, Protocol, object, readonly RequestTrait[]])[] = [
    ['a plain Chat request', 'chat', { messages: [{ role: 'system', content: 's' }, user] }, []],
    ['a plain Messages request', 'messages', { system: 's', messages: [user], max_tokens: 10 }, []],
    ['a plain Responses request', 'responses', { instructions: 's', input: 'hi', store: false }, []],
    [
      'Chat with a later system message',
      'chat',
      { messages: [user, { role: 'system', content: 's' }] },
      ['mid-conversation-system'],
    ],
    [
      'Messages with a system message, even as the first',
      'messages',
      { messages: [{ role: 'system', content: 's' }, user] },
      ['mid-conversation-system'],
    ],
    [
      'Responses with a later developer item',
      'responses',
      { input: [user, { role: 'developer', content: 's' }] },
      ['mid-conversation-system'],
    ],
    [
      'Chat with a leading developer message',
      'chat',
      { messages: [{ role: 'developer', content: 's' }, user] },
      ['developer-role'],
    ],
    [
      'Chat with an image, a file and audio',
      'chat',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }, { type: 'file' }, { type: 'input_audio' }] }] },
      ['images', 'documents', 'audio'],
    ],
    [
      'an image inside a tool result',
      'messages',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', content: [{ type: 'image' }] }] }] },
      ['images'],
    ],
    [
      'an image in a function output',
      'responses',
      { input: [{ type: 'function_call_output', output: [{ type: 'input_image' }] }] },
      ['images'],
    ],
    [
      'Chat tools all strict',
      'chat',
      { tools: [{ type: 'function', function: { name: 'f', strict: true } }] },
      ['tools', 'strict-tools'],
    ],
    [
      'Chat tools of which one is not strict',
      'chat',
      {
        tools: [
          { type: 'function', function: { name: 'f', strict: true } },
          { type: 'function', function: { name: 'g' } },
        ],
      },
      ['tools'],
    ],
    ['a forced Chat tool', 'chat', { tool_choice: 'required' }, forced],
    [
      'a forced Chat tool with thinking off',
      'chat',
      { tool_choice: { type: 'function', function: { name: 'f' } }, thinking: { type: 'disabled' } },
      ['forced-tool-choice'],
    ],
    ['a forced Messages tool', 'messages', { tool_choice: { type: 'tool', name: 'f' } }, forced],
    [
      'a forced Responses tool with effort none',
      'responses',
      { tool_choice: 'required', reasoning: { effort: 'none' } },
      ['forced-tool-choice'],
    ],
    [
      'Chat prefix completion',
      'chat',
      { messages: [user, { role: 'assistant', content: '{', prefix: true }] },
      ['prefix-completion'],
    ],
    [
      'a Chat history that ends in an assistant message is no prefix by itself',
      'chat',
      { messages: [user, { role: 'assistant', content: '{' }] },
      [],
    ],
    [
      'a Messages prefill',
      'messages',
      { messages: [user, { role: 'assistant', content: '{' }] },
      ['prefix-completion'],
    ],
    ['sampling, also at its default', 'messages', { temperature: 1 }, ['sampling']],
    [
      'a vendor tool that runs at the vendor',
      'messages',
      { tools: [{ type: 'web_search_20260209', name: 'web_search' }] },
      ['tools', 'server-tools'],
    ],
    [
      'a vendor-typed tool that the client runs',
      'messages',
      { tools: [{ type: 'bash_20250124', name: 'bash' }] },
      ['tools'],
    ],
    ['MCP servers', 'messages', { mcp_servers: [{}] }, ['server-tools']],
    [
      'a namespace with nested functions',
      'responses',
      { tools: [{ type: 'namespace', tools: [{ type: 'function', name: 'f' }] }] },
      ['tools'],
    ],
    ['a custom tool', 'responses', { tools: [{ type: 'custom', name: 'apply_patch' }] }, ['tools', 'custom-tools']],
    ['stored answers', 'responses', { store: true, background: true }, ['stored-state']],
    ['a reference to a kept answer', 'responses', { previous_response_id: 'resp_1' }, ['state-reference']],
    ['a structured answer', 'chat', { response_format: { type: 'json_schema' } }, ['json-schema']],
    ['structured output by its older name', 'messages', { output_format: { type: 'json_schema' } }, ['json-schema']],
    ['several answers with log-probabilities', 'chat', { n: 2, logprobs: true }, ['multiple-choices', 'logprobs']],
    ['warming the cache', 'messages', { max_tokens: 0 }, ['cache-warm']],
  ]
  for (const [name, protocol, body, expected] of cases)
    it(`${name}: ${expected.length === 0 ? 'none' : expected.join(', ')}`, () => {
      assert.deepEqual([...requestTraits(protocol, body).traits].sort(), [...expected].sort())
    })

  it('knows what may be sent twice', () => {
    assert.equal(requestTraits('chat', { messages: [user] }).effectFree, true)
    for (const body of [{ store: true }, { web_search_options: {} }, { conversation: 'c' }, { container: 'c' }])
      assert.equal(requestTraits('chat', body).effectFree, false, JSON.stringify(body))
  })

  it('a request at the beta path says so', () => {
    assert.ok(requestTraits('chat', {}, true).traits.has('beta-path'))
  })

  it('survives any shape', () => {
    const shapes = [
      null,
      undefined,
      7,
      'x',
      [],
      { messages: 7 },
      { messages: [null, 7, { role: 7, content: { a: 1 } }] },
      { tools: [null, { type: 7 }] },
      { input: [[[]]] },
      { tool_choice: [] },
    ]
    for (const protocol of ['chat', 'messages', 'responses'] as const)
      for (const shape of shapes) assert.ok(requestTraits(protocol, shape).traits.size <= 3)
  })
})

describe('traits of a canonical request', () => {
  const plain = plainRequest({ from: 'chat', model: 'm', items: [] })
  const said: Item = { kind: 'user', parts: [{ type: 'text', text: 'hi' }] }
  const inline: Item = { kind: 'instruction', placement: 'inline', role: 'system', parts: [] }
  const strict: Tool = {
    kind: 'function',
    name: 'f',
    namespace: null,
    description: null,
    parameters: null,
    strict: true,
  }
  const searches: Tool = {
    kind: 'vendor',
    protocol: 'messages',
    type: 'web_search',
    name: 'w',
    clientExecuted: false,
    raw: {},
  }
  const sql: Tool = { kind: 'custom', name: 'sql', namespace: null, description: null, format: null }

  const cases: readonly (readonly [string, Partial<CanonicalRequest>, readonly RequestTrait[]])[] = [
    ['nothing special', { items: [inline, said] }, []],
    ['an instruction after the conversation began', { items: [said, inline] }, ['mid-conversation-system']],
    ['an inline instruction of Messages', { from: 'messages', items: [inline, said] }, ['mid-conversation-system']],
    [
      'text to be continued',
      { items: [said, { kind: 'assistant-text', parts: [], prefill: true }] },
      ['prefix-completion'],
    ],
    [
      'an image in a tool result',
      {
        items: [
          {
            kind: 'tool-result',
            callId: 'c',
            isError: false,
            parts: [{ type: 'image', source: { kind: 'url', url: 'u' }, detail: null }],
          },
        ],
      },
      ['images'],
    ],
    ['strict tools', { tools: [strict] }, ['tools', 'strict-tools']],
    [
      'strict, custom and vendor tools',
      { tools: [strict, sql, searches] },
      ['tools', 'strict-tools', 'custom-tools', 'server-tools'],
    ],
    ['a forced call', { toolChoice: { mode: 'named', name: 'f' } }, forced],
    [
      'a forced call without thinking',
      { toolChoice: { mode: 'required' }, thinking: { mode: 'off', effort: null, budgetTokens: null, display: null } },
      ['forced-tool-choice'],
    ],
    [
      'settings',
      {
        sampling: { ...plain.sampling, topK: 5 },
        topLogprobs: 0,
        choices: 3,
        maxOutputTokens: 0,
        outputFormat: { type: 'json-schema', name: null, description: null, schema: {}, strict: null },
      },
      ['sampling', 'logprobs', 'multiple-choices', 'cache-warm', 'json-schema'],
    ],
    [
      'state kept by the vendor',
      { extra: { store: true, previous_response_id: 'r', mcp_servers: [{}] } },
      ['stored-state', 'state-reference', 'server-tools'],
    ],
  ]
  for (const [name, change, expected] of cases)
    it(`${name}: ${expected.length === 0 ? 'none' : expected.join(', ')}`, () => {
      assert.deepEqual([...canonicalTraits({ ...plain, ...change }).traits].sort(), [...expected].sort())
    })
})
