import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Protocol } from '@portolan/wire'
import { joinPath, parseBaseUrl } from './base-url.ts'
import { UpstreamError } from './errors.ts'

const deepSeekEndings = ['/anthropic/v1', '/anthropic', '/beta', '/v1']

describe('base URLs as people write them', () => {
  const cases: readonly (readonly [
    base: string,
    protocol: Protocol,
    path: string,
    expected: string,
    endings?: readonly string[],
  ])[] = [
    ['http://10.0.0.7:8000/v1', 'chat', '/v1/chat/completions', '/v1/chat/completions'],
    ['http://10.0.0.7:8000', 'chat', '/v1/chat/completions', '/v1/chat/completions'],
    ['http://10.0.0.7:8000/', 'chat', '/v1/chat/completions', '/v1/chat/completions'],
    ['http://10.0.0.7:8000/v1/', 'messages', '/v1/messages', '/v1/messages'],
    ['https://host/api/v4', 'chat', '/v1/chat/completions', '/api/v4/chat/completions'],
    ['https://host/v1beta/openai', 'chat', '/v1/chat/completions', '/v1beta/openai/chat/completions'],
    ['https://host/v1/account/proxy/anthropic', 'messages', '/v1/messages', '/v1/account/proxy/anthropic/v1/messages'],
    ['https://host/prefix//deep/', 'responses', '/v1/responses', '/prefix/deep/v1/responses'],
    [
      'https://host/openai/v1?api-version=preview',
      'chat',
      '/v1/chat/completions',
      '/openai/v1/chat/completions?api-version=preview',
    ],
    ['https://api.deepseek.com', 'chat', '/chat/completions', '/chat/completions', deepSeekEndings],
    ['https://api.deepseek.com/v1', 'chat', '/chat/completions', '/chat/completions', deepSeekEndings],
    ['https://api.deepseek.com/anthropic', 'chat', '/beta/chat/completions', '/beta/chat/completions', deepSeekEndings],
    [
      'https://api.deepseek.com/anthropic/v1',
      'messages',
      '/anthropic/v1/messages',
      '/anthropic/v1/messages',
      deepSeekEndings,
    ],
    ['http://127.0.0.1:9/mock/beta/', 'chat', '/chat/completions', '/mock/chat/completions', deepSeekEndings],
  ]
  for (const [base, protocol, path, expected, endings = []] of cases)
    it(`${base} + ${path} -> ${expected}`, () => {
      assert.equal(joinPath(parseBaseUrl(base, endings, 'baseUrl'), path, protocol), expected)
    })

  const refused: readonly (readonly [string, RegExp])[] = [
    ['not a url', /is not a URL/],
    ['ftp://host/v1', /"ftp:"/],
    ['http://host/v1/v1', /twice in a row/],
    ['https://host/v1/chat/completions', /path of one endpoint/],
    ['https://host/v1/messages/', /path of one endpoint/],
    ['https://host/v1#top', /fragment/],
  ]
  for (const [base, why] of refused)
    it(`refuses ${base}`, () => {
      assert.throws(
        () => parseBaseUrl(base, [], 'upstreams.x.baseUrl'),
        (error) => {
          assert.ok(error instanceof UpstreamError)
          assert.equal(error.code, 'UPSTREAM_BAD_CONFIG')
          assert.equal(error.setting, 'upstreams.x.baseUrl')
          assert.match(error.message, why)
          return true
        },
      )
    })

  it('refuses credentials in a URL without repeating them', () => {
    assert.throws(
      () => parseBaseUrl('https://ada:hunter2@host/v1', [], 'baseUrl'),
      (error: Error) => !/hunter2|ada/.test(error.message),
    )
  })
})
