/**
 * A canonical request as the engine takes it.
 *
 * Items of one assistant turn become one message; parts that the model cannot read stay visible as unsupported.
 * Limits and their words are DeepSeek's.
 */
import { createHash } from 'node:crypto'
import type {
  AssistantMessage,
  ChatMessage,
  ChatRequest,
  Content,
  ContentPart,
  EngineInfo,
  GenerationRequest,
  OutputConstraint,
  ToolCall,
} from '@portolan/engine'
import { WireError, type CanonicalRequest, type Effort, type Item, type Part, type Tool } from '@portolan/wire'
import type { SampledCalls } from './sampled-calls.ts'
import { maximumChoices } from './samples.ts'
import { untrainedTokens, withoutLabel } from './untrained.ts'

const maximumOutputTokens = 393_216
export const maximumTopLogprobs = 20
const maximumStops = 16

/** As DeepSeek's own documents have it since 2026-09: before, `xhigh` was `max`. */
const effortWords: Readonly<Record<Effort, 'low' | 'high' | 'max'>> = {
  minimal: 'low',
  low: 'low',
  medium: 'high',
  high: 'high',
  xhigh: 'high',
  max: 'max',
  ultra: 'max',
}

export interface Translated {
  readonly generation: GenerationRequest & { readonly prompt: ChatRequest }
  /** The caller's tools by the name that the model reads. */
  readonly tools: ReadonlyMap<string, Tool>
  /** The budget is the caller's own, and not what an untrained model gets at most. */
  readonly budgetIsCallers: boolean
}

/** @throws {WireError} for what cannot be done. */
export function toGeneration(
  request: CanonicalRequest,
  info: EngineInfo,
  owner: string,
  sampled: SampledCalls,
): Translated {
  refuseUnsupported(request)
  const tenant = tenantOf(owner, request.endUser)
  const listed = callableTools(request.tools)
  const tools = offeredTools(request, listed)
  const forced = forcedCall(request, tools)
  const budget = budgetOf(request, info)
  const chat: ChatRequest = {
    messages: messagesOf(request.items, tenant, sampled),
    // All of them, whatever may be called this time: the list stands before every turn, and so before every cached one.
    tools: [...listed].map(([name, tool]) => ({ schema: toolSchema(name, tool) })),
    responseFormat: responseFormatOf(request),
    mode: thinks(request, info) ? 'thinking' : 'chat',
    effort: effortOf(request, info),
  }
  return {
    generation: {
      tenant,
      prompt: chat,
      maximumOutputTokens: budget,
      stops: request.stop.filter((stop) => stop !== ''),
      sampling: samplingOf(request.sampling),
      constraint: constraintOf(request, tools, forced, info),
      topLogprobs: request.topLogprobs,
      deadlineMs: null,
    },
    tools,
    budgetIsCallers: budget === request.maxOutputTokens,
  }
}

/** End users of one key do not see each other's prefixes either. */
export function tenantOf(owner: string, endUser: string | null): string {
  return createHash('sha256')
    .update(JSON.stringify([owner, endUser]))
    .digest('hex')
}

// ---------------------------------------------------------------------------------------------- limits

function refuse(message: string, field: string): never {
  throw new WireError('WIRE_CANNOT_CARRY', message, field)
}

/** @throws {WireError} in DeepSeek's words. */
export function checkRange(name: string, value: number | null, least: number, most: number, from = `[${least}`): void {
  if (value === null || (value >= least && value <= most)) return
  throw new WireError('WIRE_BAD_FIELD', `Invalid ${name} value, the valid range of ${name} is ${from}, ${most}].`, name)
}

function refuseUnsupported(request: CanonicalRequest): void {
  checkRange('top_logprobs', request.topLogprobs, 0, maximumTopLogprobs)
  checkRange('n', request.choices, 1, maximumChoices)
  if (request.from === 'chat') checkStops(request.stop)
}

/** @throws {WireError} */
export function checkStops(stop: readonly string[]): void {
  if (stop.length <= maximumStops) return
  const message = `Invalid stop value, at most ${maximumStops} strings are taken; ${stop.length} are given.`
  throw new WireError('WIRE_BAD_FIELD', message, 'stop')
}

function budgetOf({ maxOutputTokens: asked, from }: CanonicalRequest, info: EngineInfo): number | null {
  // Nought is of Messages, where it takes the prompt into the cache; DeepSeek's words know nothing of it.
  checkRange('max_tokens', asked, from === 'messages' ? 0 : 1, maximumOutputTokens, '[1')
  return info.trained ? asked : Math.min(asked ?? untrainedTokens, untrainedTokens)
}

function thinks({ thinking }: CanonicalRequest, info: EngineInfo): boolean {
  // A model that knows nothing would never come to the end of its thoughts.
  return thinking === null ? info.trained : thinking.mode !== 'off'
}

function effortOf({ thinking }: CanonicalRequest, info: EngineInfo): string | null {
  const word = thinking?.effort ? effortWords[thinking.effort] : null
  return word !== null && info.efforts.includes(word) ? word : null
}

export function samplingOf(sampling: CanonicalRequest['sampling']): GenerationRequest['sampling'] {
  const { temperature, topP, topK, frequencyPenalty, presencePenalty, seed, logitBias } = sampling
  checkRange('temperature', temperature, 0, 2)
  checkRange('top_p', topP, Number.MIN_VALUE, 1, '(0')
  return {
    ...(temperature === null ? {} : { temperature }),
    ...(topP === null ? {} : { topP }),
    ...(topK === null ? {} : { topK }),
    ...(frequencyPenalty === null ? {} : { frequencyPenalty }),
    ...(presencePenalty === null ? {} : { presencePenalty }),
    ...(seed === null ? {} : { seed }),
    ...(logitBias === null
      ? {}
      : { logitBias: new Map(Object.entries(logitBias).map(([id, bias]): [number, number] => [Number(id), bias])) }),
  }
}

function responseFormatOf({ outputFormat }: CanonicalRequest): ChatRequest['responseFormat'] {
  if (outputFormat.type === 'json-schema') return { kind: 'json-schema', schema: outputFormat.schema }
  return outputFormat.type === 'json-object' ? { kind: 'json-object' } : null
}

// ------------------------------------------------------------------------------------------- constraint

/** What keeps the answers of a model that knows nothing short enough to be looked at. */
const untrainedLimits = { characters: 40, items: 3, whitespace: 1, calls: 2, thoughtCharacters: 160 } as const

/** Null: the answer is plain text, or whatever the model likes. */
function constraintOf(
  request: CanonicalRequest,
  tools: ReadonlyMap<string, Tool>,
  forced: { readonly name: string | null } | null,
  info: EngineInfo,
): OutputConstraint | null {
  const { outputFormat, toolChoice } = request
  const isTextOnly = toolChoice?.mode === 'none' && request.tools.length > 0
  if (outputFormat.type === 'text' && tools.size === 0 && !isTextOnly) return null
  const callable = [...tools].filter(([name]) => forced === null || forced.name === null || forced.name === name)
  return {
    format: formatOf(request),
    tools: callable.map(([name, tool]) => ({
      name,
      parameters: parametersOf(tool),
      strict: tool.kind === 'function' && tool.strict === true,
    })),
    calls: tools.size === 0 ? 'none' : forced === null ? 'auto' : 'required',
    singleCall: request.parallelToolCalls === false,
    limits: info.trained ? null : untrainedLimits,
  }
}

function formatOf({ outputFormat, from }: CanonicalRequest): OutputConstraint['format'] {
  if (outputFormat.type === 'text') return null
  if (outputFormat.type === 'json-object') return { kind: 'json-object' }
  // Messages knows no lax schemas; elsewhere the caller says so.
  return { kind: 'json-schema', schema: outputFormat.schema, strict: outputFormat.strict ?? from === 'messages' }
}

// ----------------------------------------------------------------------------------------------- tools

function modelName(tool: Tool): string {
  const namespace = tool.kind === 'vendor' ? null : tool.namespace
  return namespace === null ? (tool.name ?? '') : `${namespace}__${tool.name}`
}

/** By the name that the model reads. */
function callableTools(tools: readonly Tool[]): ReadonlyMap<string, Tool> {
  const callable = tools.filter((tool) => tool.kind !== 'vendor' || (tool.clientExecuted && tool.name !== null))
  return new Map(callable.map((tool) => [modelName(tool), tool]))
}

/** What this answer may call. */
function offeredTools({ toolChoice }: CanonicalRequest, listed: ReadonlyMap<string, Tool>): ReadonlyMap<string, Tool> {
  if (toolChoice?.mode === 'none') return new Map()
  if (toolChoice?.mode !== 'allowed') return listed
  return new Map([...listed].filter(([, { name }]) => toolChoice.names.includes(name!)))
}

function forcedCall(
  { toolChoice }: CanonicalRequest,
  tools: ReadonlyMap<string, Tool>,
): { name: string | null } | null {
  if (toolChoice === null) return null
  const { mode } = toolChoice
  const isForced = mode === 'required' || mode === 'named' || (mode === 'allowed' && toolChoice.require)
  if (!isForced) return null
  if (tools.size === 0) refuse('A tool must be called, but none is given that could be.', 'tool_choice')
  if (mode !== 'named') return { name: null }
  const found = [...tools].find(
    ([, tool]) =>
      tool.name === toolChoice.name &&
      (tool.kind === 'vendor' || !toolChoice.namespace || tool.namespace === toolChoice.namespace),
  )
  if (found === undefined)
    throw new WireError('WIRE_BAD_FIELD', `The tool ${JSON.stringify(toolChoice.name)} is not given.`, 'tool_choice')
  return { name: found[0] }
}

function toolSchema(name: string, tool: Tool): object {
  const description = tool.kind === 'vendor' ? '' : (tool.description ?? '')
  return { name, description, parameters: parametersOf(tool) }
}

/** Input of a free-form tool is one string; of a vendor's tool only its name is known. */
function parametersOf(tool: Tool): unknown {
  if (tool.kind === 'function') return tool.parameters ?? { type: 'object' }
  if (tool.kind === 'vendor') return { type: 'object' }
  return { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] }
}

// -------------------------------------------------------------------------------------------- messages

/** An assistant turn while its items are gathered. */
interface OpenTurn {
  content: string
  reasoning: string
  calls: ToolCall[]
  isPrefix: boolean
}

function messagesOf(items: readonly Item[], tenant: string, sampled: SampledCalls): ChatMessage[] {
  const messages: ChatMessage[] = []
  let turn: OpenTurn | null = null
  const assistant = (): OpenTurn => (turn ??= { content: '', reasoning: '', calls: [], isPrefix: false })
  const close = (): void => {
    if (turn !== null) messages.push(assistantMessage(turn, tenant, sampled))
    turn = null
  }
  for (const item of items) {
    switch (item.kind) {
      case 'reasoning':
        // Reasoning after a call opens the next turn of the model.
        if (assistant().calls.length > 0) close()
        assistant().reasoning += withoutLabel(item.text ?? '')
        break
      case 'assistant-text':
        assistant().content += withoutLabel(item.parts.map((part) => part.text).join(''))
        assistant().isPrefix = item.prefill === true
        break
      case 'tool-call':
        assistant().calls.push({
          id: item.callId,
          name: item.namespace === null ? item.name : `${item.namespace}__${item.name}`,
          argumentsText: item.custom ? JSON.stringify({ input: item.argumentsText }) : item.argumentsText,
        })
        break
      case 'instruction':
        close()
        messages.push({ role: 'system', content: item.parts.map((part) => part.text).join('\n\n') })
        break
      case 'user':
        close()
        messages.push({ role: 'user', content: contentOf(item.parts) })
        break
      case 'tool-result':
        close()
        messages.push({ role: 'tool', callId: item.callId, content: resultContent(item.parts, item.isError) })
        break
      case 'foreign':
        if (item.role === 'assistant') break
        close()
        messages.push({ role: 'user', content: [{ type: 'unsupported', kind: item.name }] })
    }
  }
  close()
  return joinInstructions(messages)
}

function assistantMessage(turn: OpenTurn, tenant: string, sampled: SampledCalls): AssistantMessage {
  const { content, reasoning, calls, isPrefix } = turn
  return {
    role: 'assistant',
    content,
    reasoning: reasoning === '' ? null : reasoning,
    ...(calls.length === 0 ? {} : { toolCalls: calls, rawCalls: sampled.recall(tenant, calls) }),
    prefix: !isPrefix || calls.length > 0 ? null : content === '' && reasoning !== '' ? 'thought' : 'answer',
  }
}

/** System texts in a row are one text to the model. */
function joinInstructions(messages: readonly ChatMessage[]): ChatMessage[] {
  const joined: ChatMessage[] = []
  for (const message of messages) {
    const last = joined.at(-1)
    if (message.role === 'system' && last?.role === 'system')
      joined[joined.length - 1] = { role: 'system', content: `${last.content}\n\n${message.content}` }
    else joined.push(message)
  }
  return joined
}

function contentOf(parts: readonly Part[]): Content {
  const [only] = parts
  if (parts.length === 1 && only?.type === 'text') return only.text
  return parts.map(contentPart)
}

function resultContent(parts: readonly Part[], isError: boolean): Content {
  if (!isError) return contentOf(parts)
  return [{ type: 'text', text: 'Error:\n' }, ...parts.map(contentPart)]
}

function contentPart(part: Part): ContentPart {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text }
    case 'search-result':
      return { type: 'text', text: `${part.title}\n${part.source}\n${part.text}` }
    case 'document':
      if (part.source.kind === 'text') return { type: 'text', text: part.source.text }
      return { type: 'unsupported', kind: 'document' }
    case 'foreign':
      return { type: 'unsupported', kind: part.name }
    default:
      return { type: 'unsupported', kind: part.type }
  }
}
