/**
 * Anthropic's own API as an upstream: Messages, in both wire versions.
 *
 * Version rule: same-protocol traffic keeps the caller's version, except that sampling values need
 * `2023-06-01`, because `2026-10-21` refuses them even at their defaults. Translated traffic is written in
 * `2023-06-01`, which every model takes. Left out: batches, files and the beta surface, which pass through untouched.
 */
import type { Dialect } from '@portolan/wire'
import { apiKeyHeader, oldMessagesVersion, toolName128 } from '../capabilities.ts'
import type { UpstreamDefinition } from '../capabilities.ts'
import { claudeModelFacts } from './models.ts'

export const anthropicDefinition: UpstreamDefinition = {
  kind: 'anthropic',
  family: 'anthropic',
  transport: 'http',
  defaultBaseUrl: 'https://api.anthropic.com',
  defaultKeyEnv: 'ANTHROPIC_API_KEY',
  needsKey: true,
  vendor: 'anthropic',
  profile: null,
  addresses: {
    messages: {
      protocol: 'messages',
      path: '/v1/messages',
      pathOverrides: [],
      countTokensPath: '/v1/messages/count_tokens',
      authHeaders: apiKeyHeader,
      fixedHeaders: {},
      forwardedHeaders: ['anthropic-beta'],
      messagesVersionRule: 'callers',
      dialect: (model) => claudeDialect(model),
      refuses: [],
      knownCustomTools: [],
      countsCachedInInput: false,
    },
  },
  defaultProtocols: ['messages'],
  baseUrlEndings: [],
  passThrough: [],
  modelsPath: '/v1/models',
  modelsDialect: 'anthropic',
  knownModels: [],
  modelNames: /^claude-/,
  promptCache: { kind: 'explicit', maxMarks: 4 },
  stripBillingLine: false,
  errorQuirks: {
    requestIdHeaders: ['request-id', 'x-request-id'],
    envelopes: {},
    capacityFinishReasons: [],
    billingStatuses: [402],
  },
  defaultConcurrency: 256,
}

export function claudeDialect(model: string): Dialect {
  const facts = claudeModelFacts(model)
  return {
    protocol: 'messages',
    messagesVersion: oldMessagesVersion,
    midConversationSystem: 'in-place',
    instructionRole: 'system',
    reasoningField: null,
    reasoningReplay: 'all',
    reasoningTokenFamily: 'anthropic',
    thinkingControl: facts.thinkingTypes.some((type) => type !== 'disabled') ? 'thinking-type' : 'none',
    thinkingTypes: facts.thinkingTypes,
    efforts: facts.efforts,
    maxTokensField: 'max_tokens',
    maxOutputTokens: facts.maxOutputTokens,
    toolName: toolName128,
    forcedToolChoiceWithThinking: false,
    images: true,
    documents: true,
    imagesInToolResults: true,
    jsonSchema: 'native',
    jsonObject: false,
    customTools: false,
    strictTools: true,
    sampling: facts.sampling ? ['temperature', 'topP', 'topK'] : [],
    maxTemperature: 1,
    logprobs: false,
    cacheMarks: 'cache-control',
    cacheKey: false,
    endUserField: 'metadata.user_id',
    emptyAssistantContent: 'null',
    parallelToolCallsSwitch: true,
    prefill: facts.prefill ? 'last-assistant' : 'none',
    multipleChoices: false,
    streamUsageOption: false,
    maxStopSequences: 8_191,
  }
}
