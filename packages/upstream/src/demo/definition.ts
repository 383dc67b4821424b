/** The demonstration upstream as a kind: inside this process, at every door, for any model name, at no price. */
import type { Dialect } from '@portolan/wire'
import { oldMessagesVersion, toolName128 } from '../capabilities.ts'
import type { UpstreamDefinition } from '../capabilities.ts'
import { inProcess } from '../in-process.ts'
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

export const demoDefinition: UpstreamDefinition = {
  ...inProcess(dialect),
  kind: 'demo',
  family: 'demo',
  modelsDialect: 'openai',
  knownModels: [demoModel],
  promptCache: { kind: 'none' },
  stripBillingLine: false,
  generate: generateDemo,
}
