/**
 * The embedded upstream as a kind: a V4 model inside this process, at every door, under any model name.
 *
 * What it cannot do yet it refuses by name (see `chat-request.ts`): nothing asked for is left out in silence.
 */
import type { Dialect, Protocol } from '@portolan/wire'
import { oldMessagesVersion, toolName128 } from '../capabilities.ts'
import type { Address, UpstreamDefinition } from '../capabilities.ts'
import { embeddedProbe } from './engine-places.ts'
import { embeddedGenerator } from './generate.ts'

/** The two published names. Every other name reaches the same checkpoint. */
const v4Names = ['deepseek-v4-flash', 'deepseek-v4-pro']

const dialect: Omit<Dialect, 'protocol'> = {
  messagesVersion: oldMessagesVersion,
  midConversationSystem: 'in-place',
  instructionRole: 'system',
  reasoningField: 'reasoning_content',
  reasoningReplay: 'all',
  reasoningTokenFamily: null,
  thinkingControl: 'thinking-type',
  efforts: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'max', max: 'max', ultra: 'max' },
  maxTokensField: 'max_tokens',
  maxOutputTokens: 393_216,
  toolName: toolName128,
  forcedToolChoiceWithThinking: true,
  images: false,
  documents: false,
  imagesInToolResults: false,
  jsonSchema: 'native',
  jsonObject: true,
  customTools: true,
  strictTools: true,
  sampling: ['temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'],
  maxTemperature: 2,
  logprobs: true,
  cacheMarks: 'none',
  cacheKey: false,
  endUserField: 'user_id',
  emptyAssistantContent: 'empty-string',
  parallelToolCallsSwitch: true,
  prefill: 'prefix-flag',
  multipleChoices: false,
  streamUsageOption: true,
  maxStopSequences: 16,
}

function address(protocol: Protocol): Address {
  return {
    protocol,
    path: '/',
    pathOverrides: [],
    countTokensPath: null,
    authHeaders: () => ({}),
    fixedHeaders: {},
    forwardedHeaders: [],
    messagesVersionRule: null,
    dialect: () => ({ ...dialect, protocol }),
    refuses: [],
    knownCustomTools: [],
    countsCachedInInput: protocol !== 'messages',
  }
}

export const embeddedDefinition: UpstreamDefinition = {
  kind: 'embedded',
  family: 'embedded',
  transport: 'in-process',
  defaultBaseUrl: null,
  defaultKeyEnv: null,
  needsKey: false,
  vendor: null,
  profile: null,
  addresses: { chat: address('chat'), messages: address('messages'), responses: address('responses') },
  defaultProtocols: ['chat', 'messages', 'responses'],
  baseUrlEndings: [],
  passThrough: [],
  modelsPath: null,
  modelsDialect: 'openai',
  knownModels: v4Names,
  modelNames: /^/,
  promptCache: { kind: 'automatic', blockTokens: 128, minimumTokens: 128 },
  stripBillingLine: true,
  errorQuirks: { requestIdHeaders: [], envelopes: {}, capacityFinishReasons: [], billingStatuses: [] },
  // The engine has a queue of its own and says 429 when it is full.
  defaultConcurrency: 1024,
  generatorFor: embeddedGenerator,
  probeFor: embeddedProbe,
}
