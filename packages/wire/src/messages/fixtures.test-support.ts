/** Small builders for tests of this folder: contexts, a dialect of each kind, and streams as events. */
import type { AnswerContext, WriteContext } from '../canonical/adapter.ts'
import type { Dialect } from '../canonical/dialect.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { plainRequest } from '../canonical/plain-request.ts'
import type { Item } from '../canonical/request.ts'
import type { LossPolicy } from '../translation/report.ts'
import { TranslationReport } from '../translation/report.ts'
import { createMessagesStreamReader } from './stream-reader.ts'

export const emptyRequest = plainRequest({
  from: 'chat',
  model: 'asked',
  items: [],
  includeUsage: true,
})

/** The vendor's own servers, as the upstream package declares them in spirit. */
export const vendorDialect: Dialect = {
  protocol: 'messages',
  messagesVersion: '2026-10-21',
  midConversationSystem: 'in-place',
  instructionRole: 'system',
  reasoningField: null,
  reasoningReplay: 'all',
  reasoningTokenFamily: 'anthropic',
  thinkingControl: 'thinking-type',
  thinkingTypes: ['adaptive', 'enabled', 'between_tools', 'disabled'],
  efforts: { minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'xhigh', max: 'max', ultra: 'max' },
  maxTokensField: 'max_tokens',
  maxOutputTokens: 64_000,
  toolName: { charset: 'A-Za-z0-9_-', maxLength: 128 },
  forcedToolChoiceWithThinking: false,
  images: true,
  documents: true,
  imagesInToolResults: true,
  jsonSchema: 'native',
  jsonObject: false,
  customTools: false,
  strictTools: true,
  sampling: ['temperature', 'topP', 'topK'],
  maxTemperature: 1,
  logprobs: false,
  cacheMarks: 'cache-control',
  cacheKey: false,
  endUserField: 'metadata.user_id',
  emptyAssistantContent: 'null',
  parallelToolCallsSwitch: true,
  prefill: 'last-assistant',
  multipleChoices: false,
  streamUsageOption: false,
  maxStopSequences: 8192,
}

/** Another family's server behind this door: unsigned thinking, implicit cache, strict about system messages. */
export const otherDialect: Dialect = {
  ...vendorDialect,
  messagesVersion: '2023-06-01',
  midConversationSystem: 'user-wrap',
  reasoningReplay: 'required-with-tools',
  reasoningTokenFamily: null,
  thinkingTypes: ['enabled', 'adaptive', 'disabled'],
  efforts: { low: 'low', medium: 'high', high: 'high', max: 'max' },
  maxOutputTokens: 384_000,
  documents: false,
  imagesInToolResults: false,
  jsonSchema: 'none',
  strictTools: false,
  sampling: ['temperature', 'topP'],
  maxTemperature: 2,
  cacheMarks: 'none',
  parallelToolCallsSwitch: false,
  prefill: 'none',
}

export function writeContext(dialect: Dialect, policy: LossPolicy = 'warn'): WriteContext {
  return { dialect, model: 'served', report: new TranslationReport(policy), recall: () => null }
}

export function answerContext(more: Partial<AnswerContext> = {}): AnswerContext {
  return {
    model: 'asked',
    requestId: 'req-1',
    createdSec: 0,
    messagesVersion: '2026-10-21',
    request: { ...emptyRequest, from: 'messages' },
    sealer: null,
    upstreamFamily: 'v4',
    toolNames: new Map(),
    ...more,
  }
}

export const user = (text: string): Item => ({ kind: 'user', parts: [{ type: 'text', text }] })
export const said = (text: string): Item => ({ kind: 'assistant-text', parts: [{ type: 'text', text }] })
export const call = (callId: string, name = 'f', argumentsText = '{}'): Item => ({
  kind: 'tool-call',
  callId,
  name,
  namespace: null,
  argumentsText,
  custom: false,
})
export const result = (callId: string, text = 'ok', isError = false): Item => ({
  kind: 'tool-result',
  callId,
  parts: [{ type: 'text', text }],
  isError,
})

/** Wire events into canonical ones, then the end of the connection. */
export function readStream(events: readonly unknown[], ended = true): CanonicalEvent[] {
  const reader = createMessagesStreamReader()
  const read = events.flatMap((event) => [
    ...reader.push({ event: typeOf(event), data: typeof event === 'string' ? event : JSON.stringify(event) }),
  ])
  return ended ? [...read, ...reader.end()] : read
}

function typeOf(event: unknown): string | null {
  return typeof event === 'object' && event !== null && 'type' in event ? String(event.type) : null
}

export interface SentEvent {
  readonly type: string
  readonly [member: string]: unknown
}

/** SSE text as the events in it; every one must have its `event:` line. */
export function parseSent(text: string): SentEvent[] {
  return text
    .split('\n\n')
    .filter((message) => message !== '')
    .map((message) => {
      const [first, second, ...rest] = message.split('\n')
      if (!first?.startsWith('event: ') || !second?.startsWith('data: ') || rest.length > 0)
        throw new Error(`not a Messages event: ${message}`)
      const data = JSON.parse(second.slice(6)) as SentEvent
      if (data.type !== first.slice(7)) throw new Error(`event line and type differ: ${message}`)
      return data
    })
}
