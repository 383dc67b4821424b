/**
 * Checks the shape of a Chat request and reads it: lenient in, so that unknown members are kept and only what
 * we must understand is refused, with the field's name in the caller's own spelling.
 */
import {
  badField,
  arrayAt,
  booleanAt,
  countAt,
  isObject,
  numberAt,
  objectAt,
  optional,
  stringAt,
  textOf,
} from './fields.ts'
import type { JsonObject } from './fields.ts'
import type { ChatMessage, ChatPart, ChatRequest, ChatTool, ChatToolCall } from './types.ts'

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const

/** Null: none are wanted. Alternatives of tokens whose own probability nobody asked for are refused, as by the vendors. */
function parseTopLogprobs(logprobs: unknown, topLogprobs: unknown): number | null {
  const top = optional(topLogprobs, 'top_logprobs', countAt)
  if (optional(logprobs, 'logprobs', booleanAt) === true) return top ?? 0
  if (top !== null && top > 0)
    throw badField('top_logprobs', 'left out, or `logprobs` be true: it is only allowed then')
  return null
}

/** @throws {WireError} `WIRE_BAD_FIELD` naming the field. */
export function parseChatRequest(body: unknown): ChatRequest {
  const {
    model,
    messages,
    tools,
    functions,
    tool_choice: toolChoice,
    function_call: functionCall,
    parallel_tool_calls: parallelToolCalls,
    max_tokens: maxTokens,
    max_completion_tokens: maxCompletionTokens,
    temperature,
    top_p: topP,
    top_k: topK,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
    seed,
    logit_bias: logitBias,
    n,
    logprobs,
    top_logprobs: topLogprobs,
    stop,
    stream,
    stream_options: streamOptions,
    response_format: responseFormat,
    reasoning_effort: reasoningEffort,
    thinking,
    verbosity,
    user,
    user_id: userId,
    safety_identifier: safetyIdentifier,
    metadata,
    prompt_cache_key: promptCacheKey,
    service_tier: serviceTier,
    ...extra
  } = objectAt(body, 'body')
  const options = optional(streamOptions, 'stream_options', objectAt)
  return {
    model: stringAt(model, 'model'),
    messages: arrayAt(messages, 'messages').map((message, index) => parseMessage(message, `messages[${index}]`)),
    tools: [
      ...(optional(tools, 'tools', arrayAt) ?? []).map((tool, index) => parseTool(tool, `tools[${index}]`)),
      ...(optional(functions, 'functions', arrayAt) ?? []).map((tool, index) =>
        parseTool({ type: 'function', function: tool }, `functions[${index}]`),
      ),
    ],
    tool_choice: toolChoice ?? legacyChoice(functionCall),
    parallel_tool_calls: optional(parallelToolCalls, 'parallel_tool_calls', booleanAt),
    max_tokens:
      optional(maxCompletionTokens, 'max_completion_tokens', countAt) ?? optional(maxTokens, 'max_tokens', countAt),
    temperature: optional(temperature, 'temperature', numberAt),
    top_p: optional(topP, 'top_p', numberAt),
    top_k: optional(topK, 'top_k', numberAt),
    frequency_penalty: optional(frequencyPenalty, 'frequency_penalty', numberAt),
    presence_penalty: optional(presencePenalty, 'presence_penalty', numberAt),
    seed: optional(seed, 'seed', numberAt),
    logit_bias: optional(logitBias, 'logit_bias', biasAt),
    n: optional(n, 'n', countAt) ?? 1,
    top_logprobs: parseTopLogprobs(logprobs, topLogprobs),
    stop: parseStop(stop),
    stream: optional(stream, 'stream', booleanAt) ?? false,
    include_usage: options?.['include_usage'] === true,
    response_format: optional(responseFormat, 'response_format', objectAt),
    reasoning_effort: optional(reasoningEffort, 'reasoning_effort', stringAt),
    thinking: optional(thinking, 'thinking', objectAt),
    verbosity: optional(verbosity, 'verbosity', stringAt),
    user:
      optional(user, 'user', stringAt) ??
      optional(safetyIdentifier, 'safety_identifier', stringAt) ??
      optional(userId, 'user_id', stringAt),
    metadata: optional(metadata, 'metadata', objectAt),
    prompt_cache_key: optional(promptCacheKey, 'prompt_cache_key', stringAt),
    service_tier: optional(serviceTier, 'service_tier', stringAt),
    extra,
  }
}

function parseMessage(value: unknown, field: string): ChatMessage {
  const message = objectAt(value, field)
  const role = roles.find((known) => known === message['role'])
  if (role === undefined) throw badField(`${field}.role`, `one of ${roles.join(', ')}`)
  const toolCallId = optional(message['tool_call_id'], `${field}.tool_call_id`, stringAt)
  if (role === 'tool' && toolCallId === null) throw badField(`${field}.tool_call_id`, 'the id of the call it answers')
  return {
    role,
    content: parseContent(message['content'], `${field}.content`),
    name: optional(message['name'], `${field}.name`, stringAt),
    refusal: textOf(message['refusal']),
    reasoning: nonEmpty(message['reasoning_content']) ?? nonEmpty(message['reasoning']),
    reasoning_details: objectsOf(message['reasoning_details']),
    tool_calls: (optional(message['tool_calls'], `${field}.tool_calls`, arrayAt) ?? []).map((call, index) =>
      parseToolCall(call, `${field}.tool_calls[${index}]`),
    ),
    function_call: optional(message['function_call'], `${field}.function_call`, (call, path) => {
      const { name, arguments: text } = objectAt(call, path)
      return { name: stringAt(name, `${path}.name`), arguments: textOf(text) ?? '' }
    }),
    tool_call_id: toolCallId,
    prefix: message['prefix'] === true,
    annotations: Array.isArray(message['annotations']) ? message['annotations'] : [],
    audio: message['audio'] ?? null,
  }
}

/** A string, null, or a list of parts. */
function parseContent(value: unknown, field: string): readonly ChatPart[] {
  if (value === undefined || value === null) return []
  if (typeof value === 'string') return [{ type: 'text', text: value }]
  if (!Array.isArray(value)) throw badField(field, 'a string or an array of parts')
  return value.map((part, index) => {
    // Seen from clients that mix bare strings into the list.
    if (typeof part === 'string') return { type: 'text', text: part }
    const path = `${field}[${index}]`
    const known = objectAt(part, path)
    return { ...known, type: stringAt(known['type'], `${path}.type`) }
  })
}

function parseToolCall(value: unknown, field: string): ChatToolCall {
  const call = objectAt(value, field)
  const id = stringAt(call['id'], `${field}.id`)
  if (call['type'] === 'custom') {
    const custom = objectAt(call['custom'], `${field}.custom`)
    return {
      id,
      name: stringAt(custom['name'], `${field}.custom.name`),
      text: textOf(custom['input']) ?? '',
      custom: true,
    }
  }
  const called = objectAt(call['function'], `${field}.function`)
  const text = called['arguments']
  return {
    id,
    name: stringAt(called['name'], `${field}.function.name`),
    // Some clients send the object itself.
    text: typeof text === 'string' ? text : isObject(text) ? JSON.stringify(text) : '',
    custom: false,
  }
}

function parseTool(value: unknown, field: string): ChatTool {
  const raw = objectAt(value, field)
  const type = optional(raw['type'], `${field}.type`, stringAt) ?? 'function'
  if (type !== 'function' && type !== 'custom') return { type, name: textOf(raw['name']), definition: raw, raw }
  const definition = objectAt(raw[type], `${field}.${type}`)
  return { type, name: stringAt(definition['name'], `${field}.${type}.name`), definition, raw }
}

export function parseStop(value: unknown): readonly string[] {
  if (value === undefined || value === null) return []
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value)) throw badField('stop', 'a string or an array of strings')
  return value.map((entry, index) => stringAt(entry, `stop[${index}]`))
}

/** `function_call` of the first tool API: `none`, `auto` or `{name}`. */
function legacyChoice(functionCall: unknown): unknown {
  return isObject(functionCall) ? { type: 'function', function: functionCall } : functionCall
}

export function biasAt(value: unknown, field: string): Readonly<Record<string, number>> {
  const bias: Record<string, number> = {}
  for (const [token, weight] of Object.entries(objectAt(value, field)))
    bias[token] = numberAt(weight, `${field}.${token}`)
  return bias
}

function nonEmpty(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function objectsOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
