/** Names of fields as the caller wrote them, for errors and reports: `/messages/2/content` is `messages[2].content`. */
import type { SourceSpan } from '../canonical/request.ts'
import type { Protocol } from '../protocol.ts'

export function callerPath(item: { readonly source?: SourceSpan }): string | null {
  return item.source === undefined ? null : pathOfPointer(item.source.pointer)
}

/** RFC 6901 pointer to dotted path with bracketed indexes. */
export function pathOfPointer(pointer: string): string {
  let path = ''
  for (const raw of pointer.split('/').slice(1)) {
    const step = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    path += /^\d+$/.test(step) ? `[${step}]` : path === '' ? step : `.${step}`
  }
  return path
}

/** The wire name of a setting in the protocol the caller spoke, for reports and refusals. */
export function callerField(from: Protocol, setting: keyof typeof fieldNames): string {
  return fieldNames[setting][from]
}

const same = (name: string): Record<Protocol, string> => ({ chat: name, messages: name, responses: name })

const fieldNames = {
  maxOutputTokens: { chat: 'max_completion_tokens', messages: 'max_tokens', responses: 'max_output_tokens' },
  stop: { chat: 'stop', messages: 'stop_sequences', responses: 'stop' },
  temperature: same('temperature'),
  topP: same('top_p'),
  topK: same('top_k'),
  frequencyPenalty: same('frequency_penalty'),
  presencePenalty: same('presence_penalty'),
  seed: same('seed'),
  logitBias: same('logit_bias'),
  topLogprobs: { chat: 'logprobs', messages: 'logprobs', responses: 'top_logprobs' },
  thinking: { chat: 'reasoning_effort', messages: 'thinking', responses: 'reasoning.effort' },
  effort: { chat: 'reasoning_effort', messages: 'output_config.effort', responses: 'reasoning.effort' },
  budgetTokens: same('thinking.budget_tokens'),
  outputFormat: { chat: 'response_format', messages: 'output_config.format', responses: 'text.format' },
  verbosity: { chat: 'verbosity', messages: 'verbosity', responses: 'text.verbosity' },
  choices: same('n'),
  endUser: { chat: 'user', messages: 'metadata.user_id', responses: 'user' },
  metadata: same('metadata'),
  serviceTier: same('service_tier'),
  tools: same('tools'),
  toolChoice: same('tool_choice'),
  parallelToolCalls: {
    chat: 'parallel_tool_calls',
    messages: 'tool_choice.disable_parallel_tool_use',
    responses: 'parallel_tool_calls',
  },
  prefill: { chat: 'messages', messages: 'messages', responses: 'input' },
} as const satisfies Record<string, Record<Protocol, string>>
