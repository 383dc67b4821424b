import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { claudeDialect } from './definition.ts'
import { claudeModelFacts } from './models.ts'
import { openAiModelFacts } from '../openai/models.ts'

describe('Claude models', () => {
  const limits: readonly (readonly [string, number, boolean])[] = [
    ['claude-3-haiku-20240307', 4_096, true],
    ['claude-3-5-sonnet-20241022', 8_192, true],
    ['claude-3-7-sonnet-20250219', 64_000, true],
    ['claude-opus-4-20250514', 32_000, true],
    ['claude-opus-4-1-20250805', 32_000, true],
    ['claude-sonnet-4-20250514', 64_000, true],
    ['claude-sonnet-4-5', 64_000, true],
    ['claude-haiku-4-5-20251001', 64_000, true],
    ['claude-opus-4-5', 64_000, true],
    ['claude-opus-4-6', 128_000, true],
    ['claude-opus-4-7', 128_000, false],
    ['claude-sonnet-5', 128_000, false],
    ['claude-opus-5-5', 128_000, false],
    ['claude-something-9', 128_000, false],
  ]
  for (const [model, maxOutputTokens, sampling] of limits)
    it(`${model} answers ${maxOutputTokens} tokens at most and ${sampling ? 'takes' : 'refuses'} sampling values`, () => {
      const facts = claudeModelFacts(model)
      assert.equal(facts.maxOutputTokens, maxOutputTokens)
      assert.equal(facts.sampling, sampling)
      assert.equal(claudeDialect(model).sampling.length > 0, sampling)
    })

  it('models that always think name no way to switch it off', () => {
    assert.ok(!claudeDialect('claude-fable-5-1').thinkingTypes!.includes('disabled'))
    assert.ok(claudeDialect('claude-sonnet-5-5').thinkingTypes!.includes('disabled'))
    assert.equal(claudeDialect('claude-3-5-haiku').thinkingControl, 'none')
  })
})

describe('OpenAI models', () => {
  it('only old ones take sampling values; marks came with 5.6; unknown names count as new', () => {
    assert.equal(openAiModelFacts('gpt-4.1-mini').reasoning, false)
    assert.equal(openAiModelFacts('ft:gpt-4.1-mini:org::id').maxOutputTokens, 32_768)
    assert.equal(openAiModelFacts('gpt-5').efforts.minimal, 'minimal')
    assert.equal(openAiModelFacts('gpt-5.1').efforts.xhigh, 'high')
    assert.equal(openAiModelFacts('gpt-5.5').efforts.max, 'xhigh')
    assert.equal(openAiModelFacts('gpt-5.5').cacheMarks, false)
    assert.equal(openAiModelFacts('gpt-5.6-sol').cacheMarks, true)
    assert.equal(openAiModelFacts('gpt-6.1-sol').efforts.max, 'max')
  })
})
