import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Protocol } from '@portolan/wire'
import { chooseAddress } from './choose-address.ts'
import { requestTraits } from './traits.ts'
import { resolveUpstream } from './upstream.ts'
import type { UpstreamConfig } from './upstream.ts'

const configs: Readonly<Record<string, UpstreamConfig>> = {
  deepseek: { name: 'deepseek', kind: 'deepseek', apiKey: 'k' },
  april: { name: 'april', kind: 'deepseek', apiKey: 'k', profile: '2026-04' },
  inPlace: { name: 'inPlace', kind: 'deepseek', apiKey: 'k', midSystem: 'in-place' },
  messagesOnly: { name: 'messagesOnly', kind: 'deepseek', apiKey: 'k', protocols: ['messages'] },
  openai: { name: 'openai', kind: 'openai', apiKey: 'k' },
  anthropic: { name: 'anthropic', kind: 'anthropic', apiKey: 'k' },
  vllm: { name: 'vllm', kind: 'vllm', baseUrl: 'http://h' },
  demo: { name: 'demo', kind: 'demo' },
}

const midSystem = {
  messages: [
    { role: 'user', content: 'a' },
    { role: 'system', content: 'b' },
  ],
}
const patch = { tools: [{ type: 'custom', name: 'apply_patch' }] }
const otherCustom = {
  tools: [
    { type: 'custom', name: 'apply_patch' },
    { type: 'custom', name: 'sql' },
  ],
}

describe('the address for a request', () => {
  const cases: readonly (readonly [string, string, Protocol, object, Protocol, boolean])[] = [
    ['same protocol goes as it is', 'deepseek', 'chat', {}, 'chat', false],
    ['same protocol goes as it is', 'deepseek', 'responses', {}, 'responses', false],
    ['same protocol goes as it is', 'anthropic', 'messages', midSystem, 'messages', false],
    [
      'a system message in the middle leaves the address that answers 400 to it',
      'deepseek',
      'messages',
      midSystem,
      'chat',
      true,
    ],
    ['unless the configuration knows better', 'inPlace', 'messages', midSystem, 'messages', false],
    ['or there is no other address', 'messagesOnly', 'messages', midSystem, 'messages', true],
    ['vLLM refuses it as well (vllm#44000)', 'vllm', 'messages', midSystem, 'chat', true],
    [
      'the developer role is reworded at the same address',
      'deepseek',
      'chat',
      { messages: [{ role: 'developer', content: 'x' }] },
      'chat',
      true,
    ],
    [
      'OpenAI takes the developer role',
      'openai',
      'chat',
      { messages: [{ role: 'developer', content: 'x' }] },
      'chat',
      false,
    ],
    ['a forced tool while thinking is reworded', 'deepseek', 'chat', { tool_choice: 'required' }, 'chat', true],
    [
      'a forced tool without thinking goes as it is',
      'deepseek',
      'chat',
      { tool_choice: 'required', thinking: { type: 'disabled' } },
      'chat',
      false,
    ],
    ['the one custom tool that the address knows goes as it is', 'deepseek', 'responses', patch, 'responses', false],
    ['another custom tool leaves', 'deepseek', 'responses', otherCustom, 'chat', true],
    ['Responses before it existed', 'april', 'responses', {}, 'chat', true],
    ['Messages at OpenAI goes out as Chat', 'openai', 'messages', {}, 'chat', true],
    ['Chat at Anthropic goes out as Messages', 'anthropic', 'chat', {}, 'messages', true],
    ['Responses at Anthropic goes out as Messages', 'anthropic', 'responses', {}, 'messages', true],
    ['in process every door is its own', 'demo', 'responses', otherCustom, 'responses', false],
  ]
  for (const [name, upstream, door, body, protocol, rewrite] of cases)
    it(`${name}: ${door} door, ${upstream} -> ${protocol}${rewrite ? ', rewritten' : ''}`, () => {
      const choice = chooseAddress(door, resolveUpstream(configs[upstream]!), requestTraits(door, body))
      assert.deepEqual({ protocol: choice.protocol, rewrite: choice.rewrite }, { protocol, rewrite })
    })

  it('says why', () => {
    const choice = chooseAddress('messages', resolveUpstream(configs.deepseek!), requestTraits('messages', midSystem))
    assert.deepEqual(choice.refused, ['mid-conversation-system'])
  })
})
