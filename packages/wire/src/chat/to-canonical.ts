/**
 * A Chat request as canonical items and settings.
 *
 * One assistant message becomes reasoning, text and calls in this order, the only order Chat can express.
 * Reasoning comes from `reasoning_content` or `reasoning`, or, exact to the byte, from a token of ours that the
 * client echoed in `reasoning_details`.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ReadContext } from '../canonical/adapter.ts'
import type {
  AssistantTextItem,
  CacheMark,
  CanonicalRequest,
  DocumentPart,
  Effort,
  ImagePart,
  InstructionItem,
  Item,
  MediaSource,
  OutputFormat,
  Part,
  ReasoningItem,
  TextPart,
  Thinking,
  Tool,
  ToolCallItem,
  ToolChoice,
} from '../canonical/request.ts'
import { arrayAt, badField, isObject, objectAt, optional, stringAt, textOf, type JsonObject } from './fields.ts'
import { parseChatRequest } from './parse.ts'
import { readReasoning } from './reasoning.ts'
import type { ChatMessage, ChatPart, ChatRequest, ChatTool } from './types.ts'

export function chatToCanonical(body: unknown, context: ReadContext): CanonicalRequest {
  const request = parseChatRequest(body)
  return {
    from: 'chat',
    model: request.model,
    items: itemsOf(request, context),
    tools: request.tools.map(toolOf),
    toolChoice: toolChoiceOf(request.tool_choice),
    parallelToolCalls: request.parallel_tool_calls,
    maxOutputTokens: request.max_tokens,
    stop: request.stop,
    sampling: {
      temperature: request.temperature,
      topP: request.top_p,
      topK: request.top_k,
      frequencyPenalty: request.frequency_penalty,
      presencePenalty: request.presence_penalty,
      seed: request.seed,
      logitBias: request.logit_bias,
    },
    topLogprobs: request.top_logprobs,
    thinking: thinkingOf(request),
    reasoningSummary: null,
    outputFormat: outputFormatOf(request.response_format),
    verbosity: oneOf(request.verbosity, 'verbosity', ['low', 'medium', 'high']),
    stream: request.stream,
    includeUsage: request.include_usage,
    choices: request.n,
    endUser: request.user,
    metadata: request.metadata,
    cacheKey: request.prompt_cache_key,
    autoCacheMark: null,
    serviceTier: request.service_tier,
    extra: request.extra,
  }
}

// ---------------------------------------------------------------------------------------------- messages

function itemsOf(request: ChatRequest, context: ReadContext): Item[] {
  const items: Item[] = []
  const customCalls = new Set<string>()
  let leading = true
  /** Id given to the last call of the first tool API, which has none. */
  let legacyCallId: string | null = null
  for (const [index, message] of request.messages.entries()) {
    const pointer = `/messages/${index}`
    const source = { pointer }
    const field = `messages[${index}]`
    if (message.role === 'system' || message.role === 'developer') {
      items.push(instructionOf(message, message.role, leading, pointer, field))
      continue
    }
    leading = false
    if (message.role === 'user') {
      const parts = message.content.map((part, at) => partOf(part, `${field}.content[${at}]`))
      items.push({ kind: 'user', parts, ...(message.name === null ? {} : { name: message.name }), source })
    } else if (message.role === 'assistant') {
      if (message.function_call !== null) legacyCallId = `call_legacy_${index}`
      const turn = assistantItems(message, pointer, field, legacyCallId, context)
      if (message.prefix || (request.extra['continue_final_message'] === true && index === request.messages.length - 1))
        markPrefill(turn, source)
      for (const item of turn) if (item.kind === 'tool-call' && item.custom) customCalls.add(item.callId)
      items.push(...turn)
    } else {
      const callId = message.tool_call_id ?? legacyCallId ?? ''
      const parts = message.content.map((part, at) => partOf(part, `${field}.content[${at}]`))
      const custom = customCalls.has(callId)
      items.push({ kind: 'tool-result', callId, parts, isError: false, ...(custom ? { custom } : {}), source })
    }
  }
  return items
}

function instructionOf(
  message: ChatMessage,
  role: 'system' | 'developer',
  leading: boolean,
  pointer: string,
  field: string,
): InstructionItem {
  const parts = message.content.map((part, at) => textPartOf(part, `${field}.content[${at}]`))
  return { kind: 'instruction', placement: leading ? 'top' : 'inline', role, parts, source: { pointer } }
}

type AssistantItem = Extract<Item, { kind: 'reasoning' | 'assistant-text' | 'tool-call' | 'foreign' }>

function assistantItems(
  message: ChatMessage,
  pointer: string,
  field: string,
  legacyCallId: string | null,
  context: ReadContext,
): AssistantItem[] {
  const source = { pointer }
  const { items: reasoning, toolArguments } = readReasoning(
    message.reasoning,
    message.reasoning_details,
    context.sealer,
  )
  const items: AssistantItem[] = reasoning.map((item): ReasoningItem => ({ ...item, source }))

  const visible: TextPart[] = []
  const refusals: TextPart[] = []
  for (const [at, part] of message.content.entries()) {
    if (part.type === 'refusal') refusals.push({ type: 'text', text: textOf(part['refusal']) ?? '' })
    else {
      const text = textPartOf(part, `${field}.content[${at}]`)
      if (text.text !== '') visible.push(text)
    }
  }
  if (message.refusal !== null && message.refusal !== '') refusals.push({ type: 'text', text: message.refusal })
  const [first, ...others] = visible
  if (first !== undefined) {
    const parts = message.annotations.length === 0 ? visible : [{ ...first, citations: message.annotations }, ...others]
    items.push({ kind: 'assistant-text', parts, source })
  }
  if (refusals.length > 0) items.push({ kind: 'assistant-text', parts: refusals, refusal: true, source })

  for (const [at, call] of message.tool_calls.entries()) {
    const sealed = toolArguments[call.id]
    items.push({
      kind: 'tool-call',
      callId: call.id,
      name: call.name,
      namespace: null,
      argumentsText: sealed !== undefined && meansTheSame(sealed, call.text) ? sealed : call.text,
      custom: call.custom,
      source: { pointer: `${pointer}/tool_calls/${at}` },
    } satisfies ToolCallItem)
  }
  if (message.function_call !== null && legacyCallId !== null)
    items.push({
      kind: 'tool-call',
      callId: legacyCallId,
      name: message.function_call.name,
      namespace: null,
      argumentsText: message.function_call.arguments,
      custom: false,
      source: { pointer: `${pointer}/function_call` },
    })
  if (message.audio !== null)
    items.push({ kind: 'foreign', protocol: 'chat', name: 'audio', role: 'assistant', raw: message.audio, source })
  // An empty answer is still a turn: without it two user turns would run together.
  if (items.length === 0) items.push({ kind: 'assistant-text', parts: [], source })
  return items
}

function markPrefill(turn: AssistantItem[], source: { pointer: string }): void {
  const at = turn.findLastIndex((item) => item.kind === 'assistant-text')
  const text = turn[at]
  if (text?.kind === 'assistant-text') turn[at] = { ...text, prefill: true }
  else turn.push({ kind: 'assistant-text', parts: [], prefill: true, source } satisfies AssistantTextItem)
}

/** Do two argument strings hold the same JSON value? Unreadable ones only when they are the same string. */
export function meansTheSame(a: string, b: string): boolean {
  if (a === b) return true
  try {
    return isDeepStrictEqual(JSON.parse(a), JSON.parse(b))
  } catch {
    return false
  }
}

// ------------------------------------------------------------------------------------------------- parts

function textPartOf(part: ChatPart, field: string): TextPart {
  if (part.type !== 'text') throw badField(`${field}.type`, '`text` in this message')
  return { type: 'text', text: stringAt(part['text'], `${field}.text`), ...cacheMarkOf(part) }
}

function partOf(part: ChatPart, field: string): Part {
  switch (part.type) {
    case 'text':
      return textPartOf(part, field)
    case 'image_url':
      return imageOf(part, field)
    case 'file':
      return fileOf(part, field)
    case 'input_audio': {
      const audio = objectAt(part['input_audio'], `${field}.input_audio`)
      return {
        type: 'audio',
        format: stringAt(audio['format'], `${field}.input_audio.format`),
        base64: stringAt(audio['data'], `${field}.input_audio.data`),
      }
    }
    default:
      return { type: 'foreign', protocol: 'chat', name: part.type, raw: part }
  }
}

function imageOf(part: ChatPart, field: string): ImagePart {
  const image = part['image_url']
  const url = stringAt(isObject(image) ? image['url'] : image, `${field}.image_url.url`)
  const detail = isObject(image) ? optional(image['detail'], `${field}.image_url.detail`, stringAt) : null
  return {
    type: 'image',
    source: sourceOfUrl(url),
    detail: oneOf(detail, `${field}.image_url.detail`, ['auto', 'low', 'high', 'original']),
    ...cacheMarkOf(part),
  }
}

function fileOf(part: ChatPart, field: string): DocumentPart {
  const file = objectAt(part['file'], `${field}.file`)
  const fileId = textOf(file['file_id'])
  const data = textOf(file['file_data'])
  if (fileId === null && data === null) throw badField(`${field}.file`, 'an object with `file_id` or `file_data`')
  const source: MediaSource =
    data === null ? { kind: 'file', fileId: fileId ?? '' } : sourceOfUrl(data, 'application/pdf')
  return {
    type: 'document',
    source,
    title: textOf(file['filename']),
    context: null,
    citationsEnabled: false,
    ...cacheMarkOf(part),
  }
}

/** A data URL as bytes, another URL as it is; bare base64 where a media type is assumed. */
function sourceOfUrl(url: string, assumedType?: string): MediaSource {
  const head = /^data:([^;,]*)((?:;[^;,]*)*),/i.exec(url.slice(0, 400))
  if (head !== null && /;base64$/i.test(head[2] ?? ''))
    return { kind: 'base64', mediaType: (head[1] ?? '').toLowerCase(), base64: url.slice(head[0].length) }
  if (head === null && assumedType !== undefined && !/^https?:/i.test(url))
    return { kind: 'base64', mediaType: assumedType, base64: url }
  return { kind: 'url', url }
}

/** OpenAI's explicit breakpoint, or the `cache_control` that OpenRouter's clients put on parts. */
function cacheMarkOf(part: JsonObject): { cacheMark?: CacheMark } {
  const control = part['cache_control']
  if (isObject(control))
    return { cacheMark: { ttl: control['ttl'] === '1h' ? '1h' : control['ttl'] === '5m' ? '5m' : null } }
  return isObject(part['prompt_cache_breakpoint']) ? { cacheMark: { ttl: null } } : {}
}

// ------------------------------------------------------------------------------------- tools and settings

function toolOf(tool: ChatTool): Tool {
  if (tool.type === 'custom')
    return {
      kind: 'custom',
      name: tool.name ?? '',
      namespace: null,
      description: textOf(tool.definition['description']),
      format: tool.definition['format'] ?? null,
    }
  if (tool.type !== 'function')
    return { kind: 'vendor', protocol: 'chat', type: tool.type, name: tool.name, clientExecuted: false, raw: tool.raw }
  const { name: _name, description, parameters, strict, ...extra } = tool.definition
  return {
    kind: 'function',
    name: tool.name ?? '',
    namespace: null,
    description: textOf(description),
    parameters: parameters ?? null,
    strict: typeof strict === 'boolean' ? strict : null,
    ...cacheMarkOf(tool.raw),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

function toolChoiceOf(value: unknown): ToolChoice | null {
  if (value === undefined || value === null) return null
  if (value === 'auto' || value === 'none' || value === 'required') return { mode: value }
  // Older vLLM and Mistral word for `required`.
  if (value === 'any') return { mode: 'required' }
  const choice = isObject(value) ? value : {}
  if (choice['type'] === 'function') return { mode: 'named', name: nameIn(choice['function'], 'tool_choice.function') }
  if (choice['type'] === 'custom')
    return { mode: 'named', name: nameIn(choice['custom'], 'tool_choice.custom'), custom: true }
  if (choice['type'] === 'allowed_tools') {
    const allowed = objectAt(choice['allowed_tools'], 'tool_choice.allowed_tools')
    const raw = arrayAt(allowed['tools'], 'tool_choice.allowed_tools.tools')
    const names = raw.map((tool, index) => {
      const path = `tool_choice.allowed_tools.tools[${index}]`
      const entry = objectAt(tool, path)
      return entry['type'] === 'custom'
        ? nameIn(entry['custom'], `${path}.custom`)
        : nameIn(entry['function'], `${path}.function`)
    })
    return { mode: 'allowed', require: allowed['mode'] === 'required', names, raw }
  }
  throw badField('tool_choice', '`none`, `auto`, `required` or an object that names tools')
}

function nameIn(value: unknown, field: string): string {
  return stringAt(objectAt(value, field)['name'], `${field}.name`)
}

const efforts: readonly Effort[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'ultra']

function thinkingOf(request: ChatRequest): Thinking | null {
  const word = request.reasoning_effort
  const type = request.thinking === null ? null : textOf(request.thinking['type'])
  if (word === null && request.thinking === null) return null
  const effort = word === 'none' ? null : oneOf(word, 'reasoning_effort', efforts)
  const budget = request.thinking?.['budget_tokens']
  const rest = { effort, budgetTokens: typeof budget === 'number' ? budget : null, display: null }
  if (type === 'disabled' || (type === null && word === 'none')) return { mode: 'off', ...rest }
  if (type === 'adaptive') return { mode: 'adaptive', ...rest }
  if (type === null || type === 'enabled') return { mode: 'on', ...rest }
  throw badField('thinking.type', '`enabled`, `adaptive` or `disabled`')
}

function outputFormatOf(format: ChatRequest['response_format']): OutputFormat {
  if (format === null || format['type'] === 'text') return { type: 'text' }
  if (format['type'] === 'json_object') return { type: 'json-object' }
  if (format['type'] !== 'json_schema') throw badField('response_format.type', '`text`, `json_object` or `json_schema`')
  const field = 'response_format.json_schema'
  const { name, description, schema, strict } = objectAt(format['json_schema'], field)
  return {
    type: 'json-schema',
    name: textOf(name),
    description: textOf(description),
    schema: schema ?? {},
    strict: typeof strict === 'boolean' ? strict : null,
  }
}

function oneOf<T extends string>(value: string | null, field: string, known: readonly T[]): T | null {
  if (value === null) return null
  const found = known.find((candidate) => candidate === value)
  if (found === undefined) throw badField(field, `one of ${known.join(', ')}`)
  return found
}
