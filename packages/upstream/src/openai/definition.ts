/**
 * OpenAI's own API as an upstream: Chat Completions and Responses.
 *
 * Field facts from the vendor's API description (2026-08) and SDK types 7.57. Left out: the stored side
 * (retrieval, conversations, background), which passes through on same-protocol traffic only.
 */
import type { Dialect } from '@portolan/wire'
import { bearer, oldMessagesVersion, toolName64 } from '../capabilities.ts'
import type { UpstreamDefinition } from '../capabilities.ts'
import { openAiModelFacts } from './models.ts'

export const openAiDefinition: UpstreamDefinition = {
  kind: 'openai',
  family: 'openai',
  transport: 'http',
  defaultBaseUrl: 'https://api.openai.com/v1',
  defaultKeyEnv: 'OPENAI_API_KEY',
  needsKey: true,
  vendor: 'openai',
  profile: null,
  addresses: {
    chat: {
      protocol: 'chat',
      path: '/v1/chat/completions',
      pathOverrides: [],
      countTokensPath: null,
      authHeaders: bearer,
      fixedHeaders: {},
      forwardedHeaders: ['openai-beta'],
      messagesVersionRule: null,
      dialect: (model) => ({
        ...common(model),
        protocol: 'chat',
        // Chat never shows reasoning and takes none back.
        reasoningReplay: 'never',
        reasoningTokenFamily: null,
        imagesInToolResults: false,
        multipleChoices: true,
        streamUsageOption: true,
        maxStopSequences: 4,
      }),
      refuses: [],
      knownCustomTools: [],
      countsCachedInInput: true,
    },
    responses: {
      protocol: 'responses',
      path: '/v1/responses',
      pathOverrides: [],
      countTokensPath: '/v1/responses/input_tokens',
      authHeaders: bearer,
      fixedHeaders: {},
      forwardedHeaders: ['openai-beta'],
      messagesVersionRule: null,
      dialect: (model) => ({
        ...common(model),
        protocol: 'responses',
        toolNamespaces: true,
        reasoningReplay: 'all',
        reasoningTokenFamily: 'openai',
        imagesInToolResults: true,
        multipleChoices: false,
        streamUsageOption: false,
        // Responses has no member for stop sequences.
        maxStopSequences: 0,
      }),
      refuses: [],
      knownCustomTools: [],
      countsCachedInInput: true,
    },
  },
  defaultProtocols: ['chat', 'responses'],
  baseUrlEndings: [],
  passThrough: [{ method: 'POST', doorPath: '/completions', path: '/v1/completions', protocol: 'chat', metered: true }],
  modelsPath: '/v1/models',
  modelsDialect: 'openai',
  knownModels: [],
  modelNames: /^(gpt-|chatgpt-|codex-|o[134](-|$)|ft:)/,
  promptCache: { kind: 'automatic', blockTokens: 128, minimumTokens: 1024 },
  stripBillingLine: false,
  errorQuirks: {
    requestIdHeaders: ['x-request-id'],
    envelopes: {},
    capacityFinishReasons: [],
    billingStatuses: [402],
  },
  defaultConcurrency: 256,
}

function common(model: string) {
  const facts = openAiModelFacts(model)
  return {
    messagesVersion: oldMessagesVersion,
    midConversationSystem: 'in-place',
    instructionRole: 'developer',
    reasoningField: null,
    thinkingControl: facts.reasoning ? 'reasoning-effort' : 'none',
    efforts: facts.efforts,
    maxTokensField: 'max_completion_tokens',
    maxOutputTokens: facts.maxOutputTokens,
    toolName: toolName64,
    forcedToolChoiceWithThinking: true,
    images: true,
    documents: true,
    jsonSchema: 'native',
    jsonObject: true,
    customTools: true,
    strictTools: true,
    sampling: facts.reasoning
      ? []
      : (['temperature', 'topP', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'] as const),
    maxTemperature: 2,
    logprobs: !facts.reasoning,
    cacheMarks: facts.cacheMarks ? 'prompt-cache-breakpoint' : 'none',
    cacheKey: true,
    endUserField: 'safety_identifier',
    emptyAssistantContent: 'null',
    parallelToolCallsSwitch: true,
    prefill: 'none',
  } as const satisfies Partial<Dialect>
}
