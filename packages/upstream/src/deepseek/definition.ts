/**
 * The DeepSeek API as an upstream: Chat and Responses at the bare host, Messages under `/anthropic`.
 *
 * Facts from the vendor's pages and live measurements of 2026-05 to 2026-11; what changed in between is a row
 * of `profiles.ts`. Left out: file uploads, and model names of the Messages address (`claude-*`), which the
 * service maps by itself.
 */
import type { Dialect } from '@portolan/wire'
import { apiKeyHeader, bearer, oldMessagesVersion, toolName128, toolName64 } from '../capabilities.ts'
import type { Address, Refusal, UpstreamDefinition } from '../capabilities.ts'
import { deepSeekProfiles, newestDeepSeekProfile, servedDeepSeekModel } from './profiles.ts'
import type { DeepSeekProfile, DeepSeekProfileName } from './profiles.ts'

/** 384K; the service refuses more. */
const maxOutputTokens = 393_216

/** 400 in thinking mode (measured on both models, 2026-08), and thinking is on unless switched off. */
const forcedToolWhileThinking: Refusal = { trait: 'forced-tool-choice-with-thinking', remedy: 'rewrite' }

/** `previous_response_id` and its like are accepted and have no effect: the answer would ignore the history. */
const keepsNothing: Refusal = { trait: 'state-reference', remedy: 'rewrite' }

export function deepSeekDefinition(profileName: DeepSeekProfileName = newestDeepSeekProfile): UpstreamDefinition {
  const profile = deepSeekProfiles[profileName]
  return {
    kind: 'deepseek',
    family: 'deepseek',
    transport: 'http',
    defaultBaseUrl: 'https://api.deepseek.com',
    defaultKeyEnv: 'DEEPSEEK_API_KEY',
    needsKey: true,
    vendor: 'deepseek',
    profile: profile.name,
    addresses: {
      chat: chatAddress(profile),
      messages: messagesAddress(profile),
      ...(profile.responses ? { responses: responsesAddress(profile) } : {}),
    },
    defaultProtocols: profile.responses ? ['chat', 'messages', 'responses'] : ['chat', 'messages'],
    baseUrlEndings: ['/anthropic/v1', '/anthropic', '/beta', '/v1'],
    passThrough: [
      { method: 'POST', doorPath: '/completions', path: '/beta/completions', protocol: 'chat', metered: true },
      { method: 'POST', doorPath: '/beta/completions', path: '/beta/completions', protocol: 'chat', metered: true },
      { method: 'GET', doorPath: '/user/balance', path: '/user/balance', protocol: 'chat', metered: false },
    ],
    modelsPath: '/models',
    modelsDialect: 'openai',
    knownModels: profile.models,
    modelNames: /^deepseek-/,
    // Hits are floor(common prefix / 128) * 128 tokens, exact in every probe; no minimum stated.
    promptCache: { kind: 'automatic', blockTokens: 128, minimumTokens: null },
    stripBillingLine: true,
    errorQuirks: {
      requestIdHeaders: ['x-ds-trace-id', 'x-request-id', 'x-deepseek-request-id'],
      // Even the Messages address answers `{"error":{...}}`; a missing key gives plain text on every address.
      envelopes: { messages: 'chat' },
      capacityFinishReasons: ['insufficient_system_resource'],
      billingStatuses: [402],
    },
    // Slots per account: 2500 on flash, 500 on pro. Ours is below the smaller one.
    defaultConcurrency: 400,
  }
}

function chatAddress(profile: DeepSeekProfile): Address {
  return {
    protocol: 'chat',
    path: '/chat/completions',
    // Continuing a given prefix and strict tools live on the beta base only. Tools otherwise keep away from it.
    pathOverrides: [
      { trait: 'beta-path', path: '/beta/chat/completions' },
      { trait: 'prefix-completion', path: '/beta/chat/completions' },
      { trait: 'strict-tools', path: '/beta/chat/completions' },
    ],
    countTokensPath: null,
    authHeaders: bearer,
    fixedHeaders: {},
    forwardedHeaders: [],
    messagesVersionRule: null,
    dialect: (model) => ({
      ...common(profile, model),
      protocol: 'chat',
      reasoningField: 'reasoning_content',
      toolName: toolName64,
      imagesInToolResults: false,
      jsonSchema: 'instruct',
      jsonObject: true,
      strictTools: true,
      logprobs: true,
      endUserField: 'user_id',
      prefill: 'prefix-flag',
      streamUsageOption: true,
    }),
    refuses: [
      { trait: 'developer-role', remedy: 'rewrite' },
      { trait: 'json-schema', remedy: 'rewrite' },
      { trait: 'custom-tools', remedy: 'rewrite' },
      forcedToolWhileThinking,
      keepsNothing,
    ],
    knownCustomTools: [],
    countsCachedInInput: true,
  }
}

function messagesAddress(profile: DeepSeekProfile): Address {
  return {
    protocol: 'messages',
    path: '/anthropic/v1/messages',
    pathOverrides: [],
    countTokensPath: null,
    authHeaders: apiKeyHeader,
    fixedHeaders: {},
    forwardedHeaders: ['anthropic-beta'],
    messagesVersionRule: '2023-06-01',
    dialect: (model) => ({
      ...common(profile, model),
      protocol: 'messages',
      reasoningField: null,
      toolName: toolName128,
      imagesInToolResults: false,
      // `output_config.format` is not read, only `effort`.
      jsonSchema: 'instruct',
      jsonObject: false,
      strictTools: false,
      logprobs: false,
      endUserField: 'metadata.user_id',
      prefill: 'none',
      streamUsageOption: false,
    }),
    refuses: [
      // 400 "unknown variant" in mid-2026, and no newer observation: refused in every profile until one is known.
      { trait: 'mid-conversation-system', remedy: 'other-address' },
      // Structured output would be ignored without a word.
      { trait: 'json-schema', remedy: 'rewrite' },
      forcedToolWhileThinking,
      keepsNothing,
    ],
    knownCustomTools: [],
    countsCachedInInput: false,
  }
}

function responsesAddress(profile: DeepSeekProfile): Address {
  return {
    protocol: 'responses',
    path: '/responses',
    pathOverrides: [],
    countTokensPath: null,
    authHeaders: bearer,
    fixedHeaders: {},
    forwardedHeaders: [],
    messagesVersionRule: null,
    dialect: (model) => ({
      ...common(profile, model),
      protocol: 'responses',
      reasoningField: null,
      toolName: toolName128,
      imagesInToolResults: seesImages(profile, model),
      jsonSchema: 'native',
      jsonObject: true,
      strictTools: false,
      logprobs: true,
      endUserField: 'user',
      prefill: 'none',
      streamUsageOption: false,
    }),
    refuses: [{ trait: 'custom-tools', remedy: 'other-address' }, forcedToolWhileThinking, keepsNothing],
    knownCustomTools: ['apply_patch'],
    countsCachedInInput: true,
  }
}

function seesImages(profile: DeepSeekProfile, model: string): boolean {
  return profile.imageModels.includes(servedDeepSeekModel(profile, model))
}

/** What holds at all three addresses. */
function common(profile: DeepSeekProfile, model: string) {
  return {
    messagesVersion: oldMessagesVersion,
    // V4's template renders a later system message as bare text without a role mark, which confuses tool turns.
    midConversationSystem: 'user-wrap',
    instructionRole: 'system',
    // Required with tools, ignored without: sending all of it is right in both, and in every profile.
    reasoningReplay: 'all',
    reasoningTokenFamily: null,
    thinkingControl: 'thinking-type',
    thinkingTypes: ['enabled', 'disabled'],
    efforts: profile.efforts,
    maxTokensField: 'max_tokens',
    maxOutputTokens,
    forcedToolChoiceWithThinking: false,
    images: seesImages(profile, model),
    documents: false,
    customTools: false,
    // The penalties are accepted and have no effect, so they count as not accepted.
    sampling: ['temperature', 'topP'],
    maxTemperature: 2,
    cacheMarks: 'none',
    cacheKey: false,
    // Some paths refuse null ("content or tool_calls must be set"); the empty string works everywhere.
    emptyAssistantContent: 'empty-string',
    parallelToolCallsSwitch: false,
    multipleChoices: false,
    maxStopSequences: 16,
  } as const satisfies Partial<Dialect>
}
