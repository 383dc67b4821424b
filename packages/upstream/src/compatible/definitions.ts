/** Servers known only by the convention they follow: `openai-compatible` and `anthropic-compatible`. */
import { bearer, bothKeyHeaders } from '../capabilities.ts'
import type { Address, ErrorQuirks, UpstreamDefinition } from '../capabilities.ts'
import { compatibleChatDialect, compatibleMessagesDialect, compatibleResponsesDialect } from './dialects.ts'

const ordinaryErrors: ErrorQuirks = {
  requestIdHeaders: ['x-request-id', 'request-id'],
  envelopes: {},
  capacityFinishReasons: [],
  billingStatuses: [402],
}

export const compatibleChatAddress: Address = {
  protocol: 'chat',
  path: '/v1/chat/completions',
  pathOverrides: [],
  countTokensPath: null,
  authHeaders: bearer,
  fixedHeaders: {},
  forwardedHeaders: [],
  messagesVersionRule: null,
  dialect: () => compatibleChatDialect,
  refuses: [
    // Rendered by the model's own template, and most templates raise an error on roles they do not know.
    { trait: 'developer-role', remedy: 'rewrite' },
    { trait: 'custom-tools', remedy: 'rewrite' },
  ],
  knownCustomTools: [],
  countsCachedInInput: true,
}

export const compatibleResponsesAddress: Address = {
  protocol: 'responses',
  path: '/v1/responses',
  pathOverrides: [],
  countTokensPath: null,
  authHeaders: bearer,
  fixedHeaders: {},
  forwardedHeaders: [],
  messagesVersionRule: null,
  dialect: () => compatibleResponsesDialect,
  refuses: [{ trait: 'custom-tools', remedy: 'other-address' }],
  knownCustomTools: [],
  countsCachedInInput: true,
}

export const compatibleMessagesAddress: Address = {
  protocol: 'messages',
  path: '/v1/messages',
  pathOverrides: [],
  countTokensPath: '/v1/messages/count_tokens',
  authHeaders: bothKeyHeaders,
  fixedHeaders: {},
  forwardedHeaders: ['anthropic-beta'],
  messagesVersionRule: '2023-06-01',
  dialect: () => compatibleMessagesDialect,
  // Strict servers answer 400 to a system message among the others (vllm#44000, new-api#7307).
  refuses: [{ trait: 'mid-conversation-system', remedy: 'other-address' }],
  knownCustomTools: [],
  countsCachedInInput: false,
}

export const openAiCompatibleDefinition: UpstreamDefinition = {
  kind: 'openai-compatible',
  family: 'openai-compatible',
  transport: 'http',
  defaultBaseUrl: null,
  defaultKeyEnv: null,
  needsKey: false,
  vendor: null,
  profile: null,
  addresses: { chat: compatibleChatAddress, responses: compatibleResponsesAddress },
  // Many of them answer 404 on /v1/responses.
  defaultProtocols: ['chat'],
  baseUrlEndings: [],
  passThrough: [{ method: 'POST', doorPath: '/completions', path: '/v1/completions', protocol: 'chat', metered: true }],
  modelsPath: '/v1/models',
  modelsDialect: 'openai',
  knownModels: [],
  modelNames: null,
  promptCache: { kind: 'none' },
  stripBillingLine: false,
  errorQuirks: ordinaryErrors,
  defaultConcurrency: 128,
}

export const anthropicCompatibleDefinition: UpstreamDefinition = {
  kind: 'anthropic-compatible',
  family: 'anthropic-compatible',
  transport: 'http',
  defaultBaseUrl: null,
  defaultKeyEnv: null,
  needsKey: false,
  vendor: null,
  profile: null,
  addresses: { messages: compatibleMessagesAddress },
  defaultProtocols: ['messages'],
  baseUrlEndings: [],
  passThrough: [],
  modelsPath: '/v1/models',
  modelsDialect: 'anthropic',
  knownModels: [],
  modelNames: null,
  promptCache: { kind: 'explicit', maxMarks: 4 },
  stripBillingLine: false,
  errorQuirks: ordinaryErrors,
  defaultConcurrency: 128,
}
