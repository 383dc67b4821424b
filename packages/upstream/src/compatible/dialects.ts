/**
 * What can be expected of a server that says "OpenAI-compatible" or "Anthropic-compatible" and nothing more.
 *
 * The cautious middle of what such servers do: the older field names, the `system` role, no vendor tokens, no
 * cache marks on Chat. A configuration corrects single facts with `dialect`.
 */
import type { Dialect } from '@portolan/wire'
import { oldMessagesVersion, toolName128, toolName64 } from '../capabilities.ts'

const plain = {
  messagesVersion: oldMessagesVersion,
  instructionRole: 'system',
  reasoningReplay: 'all',
  reasoningTokenFamily: null,
  maxTokensField: 'max_tokens',
  maxOutputTokens: null,
  forcedToolChoiceWithThinking: true,
  images: true,
  documents: false,
  imagesInToolResults: false,
  customTools: false,
  maxTemperature: 2,
  cacheKey: false,
  emptyAssistantContent: 'null',
  parallelToolCallsSwitch: true,
  prefill: 'none',
  multipleChoices: false,
} as const satisfies Partial<Dialect>

/** Most of them answer 400 to `minimal` and beyond `high`. */
const threeLevels = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
  ultra: 'high',
} as const

export const compatibleChatDialect: Dialect = {
  ...plain,
  protocol: 'chat',
  midConversationSystem: 'user-wrap',
  reasoningField: 'reasoning_content',
  thinkingControl: 'reasoning-effort',
  efforts: threeLevels,
  toolName: toolName64,
  jsonSchema: 'native',
  jsonObject: true,
  strictTools: true,
  sampling: ['temperature', 'topP', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'],
  logprobs: true,
  cacheMarks: 'none',
  endUserField: 'user',
  multipleChoices: true,
  streamUsageOption: true,
  maxStopSequences: 4,
}

export const compatibleResponsesDialect: Dialect = {
  ...compatibleChatDialect,
  protocol: 'responses',
  reasoningField: null,
  sampling: ['temperature', 'topP'],
  multipleChoices: false,
  streamUsageOption: false,
  maxStopSequences: 0,
}

export const compatibleMessagesDialect: Dialect = {
  ...plain,
  protocol: 'messages',
  midConversationSystem: 'user-wrap',
  reasoningField: null,
  thinkingControl: 'thinking-type',
  thinkingTypes: ['enabled', 'disabled'],
  efforts: {},
  // Messages requires a budget; what every current model can answer.
  maxOutputTokens: 32_000,
  toolName: toolName128,
  forcedToolChoiceWithThinking: false,
  imagesInToolResults: true,
  jsonSchema: 'instruct',
  jsonObject: false,
  strictTools: false,
  sampling: ['temperature', 'topP', 'topK'],
  maxTemperature: 1,
  logprobs: false,
  cacheMarks: 'cache-control',
  endUserField: 'metadata.user_id',
  prefill: 'none',
  streamUsageOption: false,
  maxStopSequences: 16,
}
