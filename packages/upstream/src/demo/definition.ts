/** The demonstration upstream as a kind: inside this process, at every door, for any model name, at no price. */
import type { Dialect, Protocol } from '@portolan/wire'
import { oldMessagesVersion, toolName128 } from '../capabilities.ts'
import type { Address, UpstreamDefinition } from '../capabilities.ts'
import { demoModel, generateDemo } from './generate.ts'

/** Nothing is refused: the generator reads the canonical request and ignores what it cannot use. */
const dialect: Omit<Dialect, 'protocol'> = {
  messagesVersion: oldMessagesVersion,
  midConversationSystem: 'in-place',
  instructionRole: 'developer',
  reasoningField: 'reasoning_content',
  reasoningReplay: 'all',
  reasoningTokenFamily: null,
  thinkingControl: 'none',
  efforts: {},
  maxTokensField: 'max_tokens',
  maxOutputTokens: null,
  toolName: toolName128,
  forcedToolChoiceWithThinking: true,
  images: true,
  documents: true,
  imagesInToolResults: true,
  jsonSchema: 'native',
  jsonObject: true,
  customTools: true,
  strictTools: true,
  sampling: ['temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'],
  maxTemperature: 2,
  logprobs: false,
  cacheMarks: 'none',
  cacheKey: false,
  endUserField: 'user',
  emptyAssistantContent: 'null',
  parallelToolCallsSwitch: true,
  prefill: 'none',
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

export const demoDefinition: UpstreamDefinition = {
  kind: 'demo',
  family: 'demo',
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
  knownModels: [demoModel],
  modelNames: /^/,
  promptCache: { kind: 'none' },
  stripBillingLine: false,
  errorQuirks: { requestIdHeaders: [], envelopes: {}, capacityFinishReasons: [], billingStatuses: [] },
  defaultConcurrency: 1024,
  generate: generateDemo,
}
