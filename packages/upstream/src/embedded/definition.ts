/**
 * The embedded upstream as a kind: a V4 model inside this process, at every door, under any model name.
 *
 * What it cannot do yet it refuses by name (see `chat-request.ts`): nothing asked for is left out in silence.
 */
import type { Dialect } from '@portolan/wire'
import { oldMessagesVersion, toolName128 } from '../capabilities.ts'
import type { UpstreamDefinition } from '../capabilities.ts'
import { inProcess } from '../in-process.ts'
import { embeddedProbe } from './engine-places.ts'
import { embeddedGenerator } from './generate.ts'
import { embeddedCompleter } from './text-completion.ts'

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
  efforts: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'high', max: 'max', ultra: 'max' },
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
  multipleChoices: true,
  streamUsageOption: true,
  maxStopSequences: 16,
}

export const embeddedDefinition: UpstreamDefinition = {
  ...inProcess(dialect),
  kind: 'embedded',
  family: 'embedded',
  modelsDialect: 'openai',
  knownModels: v4Names,
  promptCache: { kind: 'automatic', blockTokens: 128, minimumTokens: 128 },
  stripBillingLine: true,
  generatorFor: embeddedGenerator,
  completerFor: embeddedCompleter,
  probeFor: embeddedProbe,
}
