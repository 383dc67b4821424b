import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noUsage } from '../canonical/usage.ts'
import { mergeMessagesUsage, readMessagesUsage, writeMessagesDeltaUsage, writeMessagesUsage } from './usage.ts'

describe('Messages usage', () => {
  it('counts cached tokens into the input, and back out (vllm#40912, new-api#4395, CLIProxyAPI#5956)', () => {
    const wire = {
      input_tokens: 12,
      cache_read_input_tokens: 128,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      output_tokens: 5,
      output_tokens_details: { thinking_tokens: 3 },
      server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 },
      service_tier: 'standard',
      inference_geo: null,
      speed: null,
    }
    const usage = readMessagesUsage(wire)
    assert.deepEqual(usage, {
      inputTokens: 170,
      hitTokens: 128,
      missTokens: 12,
      writtenTokens: 30,
      written1hTokens: 20,
      outputTokens: 5,
      reasoningTokens: 3,
      raw: wire,
    })
    assert.deepEqual(writeMessagesUsage(usage ?? noUsage), wire)
  })

  it('leaves unknown counts unknown', () => {
    const usage = readMessagesUsage({ input_tokens: 7, output_tokens: 1 })
    assert.deepEqual(
      [usage?.inputTokens, usage?.hitTokens, usage?.writtenTokens, usage?.reasoningTokens],
      [7, null, null, null],
    )
    for (const value of [null, 3, [], {}, { input_tokens: 'x' }]) assert.equal(readMessagesUsage(value), null)
    assert.equal(writeMessagesDeltaUsage(noUsage).input_tokens, null)
    assert.equal(writeMessagesUsage(noUsage).input_tokens, 0)
  })

  it('takes the sum of both lifetimes when only they are given', () => {
    assert.equal(
      readMessagesUsage({
        input_tokens: 1,
        cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5 },
      })?.writtenTokens,
      9,
    )
  })

  it('does not invent a vendor tier from another source', () => {
    assert.equal(writeMessagesUsage({ ...noUsage, raw: { service_tier: 'default' } }).service_tier, null)
  })

  it('overwrites, never adds', () => {
    assert.deepEqual(
      mergeMessagesUsage({ input_tokens: 3, output_tokens: 1 }, { input_tokens: null, output_tokens: 9 }),
      { input_tokens: 3, output_tokens: 9 },
    )
    assert.equal(mergeMessagesUsage(null, 'x'), null)
  })
})
