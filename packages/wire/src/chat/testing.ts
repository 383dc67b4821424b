/** Fixtures of the Chat tests: contexts and dialects with one thing changed. */
import type { AnswerContext, ReadContext, WriteContext } from '../canonical/adapter.ts'
import type { Dialect } from '../canonical/dialect.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import type { Sealer } from '../seal/seal.ts'
import { TranslationReport, type LossPolicy } from '../translation/report.ts'
import { chatFromCanonical } from './from-canonical.ts'
import { chatToCanonical } from './to-canonical.ts'

/** A sealer whose tokens can be read in a test. */
export const plainSealer: Sealer = {
  seal: (content) => `ptl1.${Buffer.from(JSON.stringify(content)).toString('base64url')}`,
  open: (token) => JSON.parse(Buffer.from(token.slice(5), 'base64url').toString('utf8')),
  isOurs: (token) => token.startsWith('ptl1.'),
}

/** An upstream that takes everything Chat has. */
export const fullDialect: Dialect = {
  protocol: 'chat',
  messagesVersion: '2023-06-01',
  midConversationSystem: 'in-place',
  instructionRole: 'developer',
  reasoningField: 'reasoning_content',
  reasoningReplay: 'all',
  reasoningTokenFamily: null,
  thinkingControl: 'reasoning-effort',
  efforts: { minimal: 'minimal', low: 'low', medium: 'medium', high: 'high', xhigh: 'xhigh', max: 'max' },
  maxTokensField: 'max_completion_tokens',
  maxOutputTokens: null,
  toolName: { charset: 'A-Za-z0-9_-', maxLength: 64 },
  forcedToolChoiceWithThinking: true,
  images: true,
  documents: true,
  imagesInToolResults: false,
  jsonSchema: 'native',
  jsonObject: true,
  customTools: true,
  strictTools: true,
  sampling: ['temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'],
  maxTemperature: 2,
  logprobs: true,
  cacheMarks: 'none',
  cacheKey: true,
  endUserField: 'user',
  emptyAssistantContent: 'null',
  parallelToolCallsSwitch: true,
  prefill: 'prefix-flag',
  multipleChoices: true,
  streamUsageOption: true,
  maxStopSequences: 16,
}

/** An upstream like DeepSeek's own address: text only, strict template, reasoning owed with tools. */
export const narrowDialect: Dialect = {
  ...fullDialect,
  midConversationSystem: 'user-wrap',
  instructionRole: 'system',
  reasoningReplay: 'required-with-tools',
  thinkingControl: 'thinking-type',
  efforts: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'high', max: 'max', ultra: 'max' },
  maxTokensField: 'max_tokens',
  maxOutputTokens: 393_216,
  forcedToolChoiceWithThinking: false,
  images: false,
  documents: false,
  jsonSchema: 'instruct',
  customTools: false,
  strictTools: false,
  sampling: ['temperature', 'topP'],
  cacheKey: false,
  endUserField: 'user_id',
  emptyAssistantContent: 'empty-string',
  parallelToolCallsSwitch: false,
  prefill: 'none',
  multipleChoices: false,
}

export function readContext(policy: LossPolicy = 'warn'): ReadContext {
  return { messagesVersion: '2023-06-01', sealer: plainSealer, text: '', report: new TranslationReport(policy) }
}

export function writeContext(dialect: Dialect, change: Partial<WriteContext> = {}): WriteContext {
  return { dialect, model: 'served', report: new TranslationReport(), recall: () => null, ...change }
}

/** A canonical request from a Chat body, with members changed. */
export function requestOf(body: Record<string, unknown>, change: Partial<CanonicalRequest> = {}): CanonicalRequest {
  return { ...chatToCanonical({ model: 'asked', messages: [], ...body }, readContext()), ...change }
}

/** The body that goes to an upstream of this dialect. */
export function written(request: CanonicalRequest, dialect: Dialect, change: Partial<WriteContext> = {}) {
  return chatFromCanonical(request, writeContext(dialect, change))
}

export function answerContext(
  change: Partial<CanonicalRequest> = {},
  more: Partial<AnswerContext> = {},
): AnswerContext {
  return {
    model: 'asked',
    requestId: 'req1',
    createdSec: 1_790_000_000,
    messagesVersion: '2023-06-01',
    request: requestOf({}, change),
    sealer: null,
    upstreamFamily: 'test',
    toolNames: new Map(),
    ...more,
  }
}
