import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { protocols } from '@portolan/wire'
import { upstreamKinds } from './capabilities.ts'
import { UpstreamError } from './errors.ts'
import { requestTraits } from './traits.ts'
import { resolveUpstream } from './upstream.ts'
import type { UpstreamConfig } from './upstream.ts'

const deepseek = resolveUpstream({ name: 'ds', kind: 'deepseek', apiKey: 'sk-secret' })
const anthropic = resolveUpstream({ name: 'a', kind: 'anthropic', apiKey: 'sk-secret' })

describe('a resolved upstream', () => {
  it('exists for every kind, and every address has a dialect of its own protocol', () => {
    for (const kind of upstreamKinds) {
      const needsUrl = !['openai', 'anthropic', 'deepseek', 'demo', 'embedded'].includes(kind)
      const upstream = resolveUpstream({
        name: kind,
        kind,
        apiKey: 'k',
        ...(needsUrl ? { baseUrl: 'http://127.0.0.1:1' } : {}),
      })
      const { addresses } = upstream.definition
      assert.ok(Object.keys(addresses).length > 0)
      for (const protocol of protocols) {
        const address = addresses[protocol]
        if (address) assert.equal(address.dialect('some-model').protocol, protocol)
        assert.ok(!address || address.protocol === protocol)
      }
    }
  })

  it('never shows its credential outside request headers', () => {
    const shown = JSON.stringify(deepseek) + inspect(deepseek, { depth: 9, showHidden: true })
    assert.doesNotMatch(shown, /sk-secret/)
    assert.equal(deepseek.requestHeaders(deepseek.definition.addresses.chat!).authorization, 'Bearer sk-secret')
    assert.equal(deepseek.requestHeaders(deepseek.definition.addresses.messages!)['x-api-key'], 'sk-secret')
  })

  it('passes only listed headers of the caller, never its credentials', () => {
    const caller = {
      'anthropic-beta': ['a', 'b'],
      'x-api-key': 'callers',
      authorization: 'Bearer callers',
      cookie: 'c',
      'x-deepseek-harness-user-id': 'u',
    }
    const headers = anthropic.requestHeaders(anthropic.definition.addresses.messages!, caller)
    assert.equal(headers['anthropic-beta'], 'a,b')
    assert.equal(headers['x-api-key'], 'sk-secret')
    assert.deepEqual(Object.keys(headers).sort(), [
      'accept',
      'accept-encoding',
      'anthropic-beta',
      'anthropic-version',
      'content-type',
      'x-api-key',
    ])
  })

  it('keeps the Messages version of the caller unless sampling values are given', () => {
    const address = anthropic.definition.addresses.messages!
    const version = (callers: string | undefined, body: object) =>
      anthropic.requestHeaders(address, { 'anthropic-version': callers }, requestTraits('messages', body))[
        'anthropic-version'
      ]
    assert.equal(version('2026-10-21', {}), '2026-10-21')
    assert.equal(version('2026-10-21', { temperature: 1 }), '2023-06-01')
    assert.equal(version('2023-06-01', {}), '2023-06-01')
    assert.equal(version(undefined, {}), '2023-06-01')
    assert.equal(version('2030-01-01', {}), '2023-06-01')
    assert.equal(
      deepseek.requestHeaders(deepseek.definition.addresses.messages!, { 'anthropic-version': '2026-10-21' })[
        'anthropic-version'
      ],
      '2023-06-01',
    )
  })

  it('sends prefix completion, strict tools and beta traffic to the beta path, and nothing else', () => {
    const chat = deepseek.definition.addresses.chat!
    const path = (body: object, beta = false) => deepseek.locate(chat, requestTraits('chat', body, beta)).path
    assert.equal(path({}), '/chat/completions')
    assert.equal(path({ tools: [{ type: 'function', function: { name: 'f' } }] }), '/chat/completions')
    assert.equal(
      path({ tools: [{ type: 'function', function: { name: 'f', strict: true } }] }),
      '/beta/chat/completions',
    )
    assert.equal(path({ messages: [{ role: 'assistant', content: 'x', prefix: true }] }), '/beta/chat/completions')
    assert.equal(path({}, true), '/beta/chat/completions')
  })

  it('knows the side paths', () => {
    assert.equal(deepseek.locatePassThrough('POST', '/completions')?.path, '/beta/completions')
    assert.equal(deepseek.locatePassThrough('GET', '/user/balance')?.path, '/user/balance')
    assert.equal(deepseek.locatePassThrough('GET', '/completions'), null)
    assert.equal(deepseek.locateCountTokens('messages'), null)
    assert.equal(anthropic.locateCountTokens('messages')?.path, '/v1/messages/count_tokens')
    assert.equal(anthropic.locateModels()?.path, '/v1/models')
    assert.equal(anthropic.plainHeaders()['x-api-key'], 'sk-secret')
    assert.equal(resolveUpstream({ name: 'd', kind: 'demo' }).locateModels(), null)
  })

  it('serves names by pattern, or by the configured list alone', () => {
    assert.equal(deepseek.serves('deepseek-v4-pro'), true)
    assert.equal(deepseek.serves('gpt-6-sol'), false)
    const narrowed = resolveUpstream({ name: 'v', kind: 'vllm', baseUrl: 'http://h/v1', models: ['deepseek-v4-flash'] })
    assert.equal(narrowed.serves('deepseek-v4-flash'), true)
    assert.equal(narrowed.serves('other'), false)
    assert.deepEqual(narrowed.listedModels, ['deepseek-v4-flash'])
    assert.equal(resolveUpstream({ name: 'v', kind: 'vllm', baseUrl: 'http://h/v1' }).serves('anything'), false)
  })

  it('takes corrections of single facts', () => {
    const upstream = resolveUpstream({
      name: 'v',
      kind: 'vllm',
      baseUrl: 'http://h',
      protocols: ['chat'],
      midSystem: 'in-place',
      dialect: { reasoningField: 'reasoning_content', images: false },
      paths: { chat: '/generate/chat' },
      stripBillingLine: false,
      prices: 'self-hosted',
    })
    const chat = upstream.definition.addresses.chat!
    const dialect = chat.dialect('m')
    assert.equal(dialect.reasoningField, 'reasoning_content')
    assert.equal(dialect.images, false)
    assert.equal(dialect.midConversationSystem, 'in-place')
    assert.equal(upstream.locate(chat).path, '/generate/chat')
    assert.equal(upstream.definition.addresses.messages, undefined)
    assert.equal(upstream.definition.stripBillingLine, false)
    assert.equal(upstream.priceVendor, 'self-hosted')
  })

  it('finds the request id under whatever name', () => {
    assert.equal(deepseek.requestIdOf({ 'x-ds-trace-id': 'abc', 'x-request-id': 'def' }), 'abc')
    assert.equal(deepseek.requestIdOf({ 'x-request-id': 'def' }), 'def')
    assert.equal(deepseek.requestIdOf({}), null)
  })
})

describe('configurations that cannot work', () => {
  const refused: readonly (readonly [string, UpstreamConfig | object, RegExp, string?])[] = [
    ['an unknown kind', { kind: 'ollama' }, /"ollama"; known kinds: openai/],
    ['a name that would break headers and files', { name: '../x', kind: 'demo' }, /"\.\.\/x"/],
    ['no base URL where there is no default', { kind: 'vllm' }, /baseUrl is missing/],
    [
      'a protocol that the kind does not speak',
      { kind: 'anthropic', apiKey: 'k', protocols: ['chat'] },
      /does not speak/,
    ],
    [
      'Responses on DeepSeek before it existed',
      { kind: 'deepseek', apiKey: 'k', profile: '2026-04', protocols: ['responses'] },
      /in profile 2026-04; it speaks chat, messages/,
    ],
    [
      'an unknown profile',
      { kind: 'deepseek', apiKey: 'k', profile: '2025-01' },
      /known profiles: 2026-04, 2026-08, 2026-11/,
    ],
    ['a profile where there is none', { kind: 'openai', apiKey: 'k', profile: '2026-04' }, /no dated profiles/],
    ['an unknown protocol', { kind: 'openai', apiKey: 'k', protocols: ['grpc'] }, /"grpc"/],
    ['an empty list of protocols', { kind: 'openai', apiKey: 'k', protocols: [] }, /is empty/],
    ['no slots', { kind: 'demo', concurrency: 0 }, /concurrency is 0/],
    ['a timeout that a timer cannot hold', { kind: 'demo', timeouts: { idleMs: 3e9 } }, /idleMs is 3000000000/],
    ['a base URL for an upstream inside this process', { kind: 'demo', baseUrl: 'http://h' }, /inside this process/],
    ['a path without its slash', { kind: 'vllm', baseUrl: 'http://h', paths: { chat: 'x' } }, /begin with "\/"/],
    ['no key where nothing works without', { kind: 'openai' }, /\$\{OPENAI_API_KEY\}/, 'UPSTREAM_NO_KEY'],
    [
      'a reference that was never resolved',
      { kind: 'openai', apiKey: '${OPENAI_API_KEY}' },
      /still a reference/,
      'UPSTREAM_NO_KEY',
    ],
    ['a key with a line end', { kind: 'openai', apiKey: 'sk-abc\n' }, /no header may carry/, 'UPSTREAM_NO_KEY'],
  ]
  for (const [name, config, why, code = 'UPSTREAM_BAD_CONFIG'] of refused)
    it(name, () => {
      assert.throws(
        () => resolveUpstream({ name: 'x', ...config } as UpstreamConfig),
        (error) => {
          assert.ok(error instanceof UpstreamError)
          assert.equal(error.code, code)
          assert.match(error.message, why)
          assert.doesNotMatch(error.message, /sk-abc/)
          return true
        },
      )
    })

  it('a key is not needed behind a base URL of one’s own', () => {
    assert.equal(resolveUpstream({ name: 'x', kind: 'deepseek', baseUrl: 'http://127.0.0.1:1' }).hasKey, false)
  })
})
