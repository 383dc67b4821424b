/**
 * A Messages request as the canonical request.
 *
 * The order of blocks is the order of items; `role: "system"` inside `messages` becomes an instruction at its
 * place and is never hoisted (ollama#18431, vllm#44000). Tool arguments are taken verbatim from the body's text,
 * or from our own token when the client returned one. Claude Code's billing line and its placeholder for
 * deferred tools are not for a model and stop here. What clients reshape is put back by `history/client-quirks.ts`.
 */
import type { ReadContext } from '../canonical/adapter.ts'
import type {
  CacheMark,
  CanonicalRequest,
  DocumentPart,
  Effort,
  FunctionTool,
  Item,
  MediaSource,
  OutputFormat,
  Part,
  ReasoningItem,
  TextPart,
  Thinking,
  Tool,
  ToolChoice,
} from '../canonical/request.ts'
import type { SealedReasoning } from '../seal/seal.ts'
import { withoutBillingLine } from '../history/billing.ts'
import { settleReplayedItems, unparsedToolInput } from '../history/client-quirks.ts'
import { collectRaw, minifyJson } from '../json/raw-values.ts'
import { parseMessagesRequest } from './parse.ts'
import { isObject, listOf, numberOr, stringOr, type WireBlock, type WireMessage, type WireObject } from './types.ts'
import { saysTheSame } from './tool-input.ts'
import { checkVersion } from './version.ts'

/** @throws {WireError} `WIRE_BAD_FIELD` naming the field. */
export function toCanonicalRequest(body: unknown, context: ReadContext): CanonicalRequest {
  const request = parseMessagesRequest(body)
  checkVersion(request, context.messagesVersion)
  const raw = request.raw
  const choice = isObject(raw['tool_choice']) ? raw['tool_choice'] : null
  const endUser = isObject(raw['metadata']) ? stringOr(raw['metadata']['user_id']) : null
  return {
    from: 'messages',
    model: request.model,
    items: readItems(request.system, request.messages, context),
    tools: readTools(request.tools, request.messages, context),
    toolChoice: readToolChoice(choice),
    parallelToolCalls:
      typeof choice?.['disable_parallel_tool_use'] === 'boolean' ? !choice['disable_parallel_tool_use'] : null,
    maxOutputTokens: numberOr(raw['max_tokens']),
    stop: listOf(raw['stop_sequences']).filter((entry) => typeof entry === 'string'),
    sampling: {
      temperature: numberOr(raw['temperature']),
      topP: numberOr(raw['top_p']),
      topK: numberOr(raw['top_k']),
      frequencyPenalty: null,
      presencePenalty: null,
      seed: null,
      logitBias: null,
    },
    topLogprobs: null,
    thinking: readThinking(raw),
    reasoningSummary: null,
    outputFormat: readOutputFormat(raw),
    verbosity: null,
    stream: raw['stream'] === true,
    includeUsage: true,
    choices: 1,
    endUser,
    metadata: restOrNull(isObject(raw['metadata']) ? raw['metadata'] : {}, ['user_id']),
    cacheKey: sessionOf(endUser),
    autoCacheMark: readCacheMark(raw['cache_control']) ?? null,
    serviceTier: stringOr(raw['service_tier']),
    extra: readExtra(raw),
  }
}

// --------------------------------------------------------------------------------------------- items

function readItems(
  system: string | readonly WireBlock[] | null,
  messages: readonly WireMessage[],
  context: ReadContext,
): readonly Item[] {
  const items: Item[] = []
  if (system !== null) {
    const { parts, stripped } = withoutBillingLine(readTextParts(system))
    if (stripped) context.report.stripped('billing-line')
    if (parts.length > 0)
      items.push({ kind: 'instruction', placement: 'top', role: 'system', parts, source: { pointer: '/system' } })
  }
  const rawInputs = collectInputs(messages, context.text)
  // Exact argument strings that our own tokens carry; a call is always later than the token that holds it.
  const sealedArguments = new Map<string, string>()
  for (const [index, message] of messages.entries()) {
    const pointer = `/messages/${index}`
    if (message.role === 'user') readUserMessage(message, pointer, items)
    else if (message.role === 'system') readSystemMessage(message, pointer, items)
    else readAssistantMessage(message, pointer, items, { context, rawInputs, sealedArguments })
  }
  markPrefill(messages, items)
  return settleReplayedItems(items)
}

/** Source text of every `tool_use.input`, by pointer. */
function collectInputs(messages: readonly WireMessage[], text: string): ReadonlyMap<string, string> {
  const hasCalls = messages.some(
    (message) => typeof message.content !== 'string' && message.content.some((block) => block.type === 'tool_use'),
  )
  if (!hasCalls || text === '') return new Map()
  return collectRaw(
    text,
    (path) => path.length === 5 && path[0] === 'messages' && path[2] === 'content' && path[4] === 'input',
  )
}

function readTextParts(content: string | readonly WireBlock[]): TextPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return content.filter((block) => block.type === 'text').map(readTextPart)
}

function readTextPart(block: WireBlock): TextPart {
  const citations = listOf(block['citations'])
  return {
    type: 'text',
    text: stringOr(block['text']) ?? '',
    ...markMember(block),
    ...(citations.length > 0 ? { citations } : {}),
  }
}

function readSystemMessage(message: WireMessage, pointer: string, items: Item[]): void {
  const parts = readTextParts(message.content)
  if (parts.length > 0)
    items.push({ kind: 'instruction', placement: 'inline', role: 'system', parts, source: { pointer } })
  if (typeof message.content === 'string') return
  for (const [at, block] of message.content.entries())
    if (block.type !== 'text')
      items.push({
        kind: 'foreign',
        protocol: 'messages',
        name: block.type,
        role: 'system',
        raw: block,
        source: { pointer: `${pointer}/content/${at}` },
      })
}

function readUserMessage(message: WireMessage, pointer: string, items: Item[]): void {
  if (typeof message.content === 'string') {
    items.push({ kind: 'user', parts: readTextParts(message.content), source: { pointer } })
    return
  }
  let parts: Part[] = []
  let start = `${pointer}/content/0`
  const flush = (): void => {
    if (parts.length > 0) items.push({ kind: 'user', parts, source: { pointer: start } })
    parts = []
  }
  for (const [at, block] of message.content.entries()) {
    if (block.type === 'tool_result') {
      flush()
      items.push({
        kind: 'tool-result',
        callId: stringOr(block['tool_use_id']) ?? '',
        parts: readResultParts(block['content']),
        isError: block['is_error'] === true,
        ...itemMark(block),
        source: { pointer: `${pointer}/content/${at}` },
      })
    } else {
      if (parts.length === 0) start = `${pointer}/content/${at}`
      parts.push(readPart(block))
    }
  }
  flush()
}

function readResultParts(content: unknown): readonly Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return listOf(content).filter(isWireBlock).map(readPart)
}

// --------------------------------------------------------------------------------------------- parts

function readPart(block: WireBlock): Part {
  switch (block.type) {
    case 'text':
      return readTextPart(block)
    case 'image': {
      const source = readMediaSource(block['source'])
      if (source !== null) return { type: 'image', source, detail: null, ...markMember(block) }
      break
    }
    case 'document': {
      const source = readDocumentSource(block['source'])
      const citations = block['citations']
      if (source !== null)
        return {
          type: 'document',
          source,
          title: stringOr(block['title']),
          context: stringOr(block['context']),
          citationsEnabled: isObject(citations) && citations['enabled'] === true,
          ...markMember(block),
        }
      break
    }
    case 'search_result':
      return {
        type: 'search-result',
        title: stringOr(block['title']) ?? '',
        source: stringOr(block['source']) ?? '',
        text: joinText(block['content']),
        ...markMember(block),
      }
    default:
      break
  }
  return { type: 'foreign', protocol: 'messages', name: block.type, raw: block }
}

function readMediaSource(source: unknown): MediaSource | null {
  if (!isObject(source)) return null
  switch (source['type']) {
    case 'base64':
      return {
        kind: 'base64',
        mediaType: stringOr(source['media_type']) ?? '',
        base64: stringOr(source['data']) ?? '',
      }
    case 'url':
      return { kind: 'url', url: stringOr(source['url']) ?? '' }
    case 'file':
      return { kind: 'file', fileId: stringOr(source['file_id']) ?? '' }
    default:
      return null
  }
}

function readDocumentSource(source: unknown): DocumentPart['source'] | null {
  if (!isObject(source)) return null
  if (source['type'] === 'text')
    return {
      kind: 'text',
      mediaType: stringOr(source['media_type']) ?? 'text/plain',
      text: stringOr(source['data']) ?? '',
    }
  if (source['type'] === 'content') {
    const content = source['content']
    // Blocks of text read as one text; with an image among them only the source protocol can carry it.
    const onlyText = typeof content === 'string' || listOf(content).every((b) => isWireBlock(b) && b.type === 'text')
    return onlyText ? { kind: 'text', mediaType: 'text/plain', text: joinText(content) } : null
  }
  return readMediaSource(source)
}

function joinText(content: unknown): string {
  if (typeof content === 'string') return content
  return listOf(content)
    .map((block) => (isObject(block) ? stringOr(block['text']) : null))
    .filter((text) => text !== null)
    .join('\n')
}

// ----------------------------------------------------------------------------------------- assistant

interface AssistantReading {
  readonly context: ReadContext
  readonly rawInputs: ReadonlyMap<string, string>
  readonly sealedArguments: Map<string, string>
}

function readAssistantMessage(message: WireMessage, pointer: string, items: Item[], reading: AssistantReading): void {
  if (typeof message.content === 'string') {
    if (message.content !== '')
      items.push({ kind: 'assistant-text', parts: readTextParts(message.content), source: { pointer } })
    return
  }
  let text: TextPart[] = []
  let textSource = { pointer }
  const flush = (): void => {
    if (text.length > 0) items.push({ kind: 'assistant-text', parts: text, source: textSource })
    text = []
  }
  for (const [at, block] of message.content.entries()) {
    const source = { pointer: `${pointer}/content/${at}` }
    if (block.type === 'text') {
      if (text.length === 0) textSource = source
      text.push(readTextPart(block))
      continue
    }
    flush()
    if (block.type === 'thinking' || block.type === 'redacted_thinking') {
      const item = readReasoning(block, reading)
      if (item !== null) items.push({ ...item, source })
    } else if (block.type === 'tool_use') {
      items.push({
        kind: 'tool-call',
        callId: stringOr(block['id']) ?? '',
        name: stringOr(block['name']) ?? '',
        // A member of a vendor toolset is known by both names.
        namespace: stringOr(block['toolset_name']),
        argumentsText: readArguments(block, reading.rawInputs.get(`${source.pointer}/input`) ?? null, reading),
        custom: false,
        ...itemMark(block),
        source,
      })
    } else {
      items.push({ kind: 'foreign', protocol: 'messages', name: block.type, role: 'assistant', raw: block, source })
    }
  }
  flush()
}

function readReasoning(block: WireBlock, reading: AssistantReading): ReasoningItem | null {
  const redacted = block.type === 'redacted_thinking'
  const data = stringOr(redacted ? block['data'] : block['signature']) ?? ''
  const shown = redacted ? '' : (stringOr(block['thinking']) ?? '')
  const { sealer } = reading.context
  const ours = data !== '' && sealer.isOurs(data)
  const opened: SealedReasoning | null = ours ? sealer.open(data) : null
  if (opened !== null)
    for (const [callId, text] of Object.entries(opened.toolArguments)) reading.sealedArguments.set(callId, text)
  const text = opened?.reasoning || shown || null
  if (text === null && data === '') return null
  const inner = opened?.token
  return {
    kind: 'reasoning',
    text,
    summary: [],
    token: inner
      ? { family: familyOf(inner.family), data: inner.data }
      : data === ''
        ? null
        : { family: ours ? 'portolan' : 'anthropic', data },
    ...(inner?.id === undefined ? {} : { id: inner.id }),
    ...(redacted || inner?.redacted ? { redacted: true } : {}),
  }
}

/** Families in a sealed token are text; one that we do not know goes back to nobody. */
function familyOf(family: string): NonNullable<ReasoningItem['token']>['family'] {
  return family === 'anthropic' || family === 'openai' ? family : 'unknown'
}

/**
 * The argument string of a call, the most exact one we can get: sealed by us when the call was sampled, kept by
 * the client because it did not parse, or the very characters of `input` in this body.
 */
function readArguments(block: WireBlock, raw: string | null, reading: AssistantReading): string {
  const input = block['input']
  const sealed = reading.sealedArguments.get(stringOr(block['id']) ?? '')
  if (sealed !== undefined && saysTheSame(sealed, input)) return sealed
  const unparsed = unparsedToolInput(input)
  if (unparsed !== null) return unparsed
  if (input === undefined || input === null) return '{}'
  return raw === null ? JSON.stringify(input) : minifyJson(raw)
}

/** A conversation that ends with assistant text asks for its continuation. */
function markPrefill(messages: readonly WireMessage[], items: Item[]): void {
  const last = items.at(-1)
  if (messages.at(-1)?.role === 'assistant' && last?.kind === 'assistant-text')
    items[items.length - 1] = { ...last, prefill: true }
}

// --------------------------------------------------------------------------------------------- tools

/** Claude Code's stand-in for tools that it has not loaded; it is not a tool. */
const deferredPlaceholder = 'DeferredToolPlaceholder'

function readTools(
  tools: readonly WireObject[],
  messages: readonly WireMessage[],
  context: ReadContext,
): readonly Tool[] {
  const present: Tool[] = []
  const deferred = new Map<string, FunctionTool>()
  for (const wire of tools) {
    if (wire['name'] === deferredPlaceholder) {
      context.report.stripped('deferred-tool-placeholder')
      continue
    }
    const tool = readTool(wire)
    if (tool.kind === 'function' && tool.deferred === true && !deferred.has(tool.name)) deferred.set(tool.name, tool)
    else present.push(tool)
  }
  if (deferred.size === 0) return present
  // A deferred tool enters the prompt when a reference names it: behind all others and in the order of the
  // references, so that the list only ever grows at its end.
  for (const name of referencedTools(messages)) {
    const tool = deferred.get(name)
    if (tool === undefined) continue
    present.push({ ...tool, deferred: false })
    deferred.delete(name)
  }
  return [...present, ...deferred.values()]
}

/** Vendor-typed tools that the client runs itself. Computer and browser toolsets stand for many tools and are not. */
const clientTools = /^(bash|text_editor|memory)_\d{8}$/

function readTool(wire: WireObject): Tool {
  const type = stringOr(wire['type'])
  if (type !== null && type !== 'custom')
    return {
      kind: 'vendor',
      protocol: 'messages',
      type,
      name: stringOr(wire['name']),
      clientExecuted: clientTools.test(type),
      raw: wire,
    }
  const examples = listOf(wire['input_examples'])
  const extra = restOrNull(wire, knownToolMembers)
  return {
    kind: 'function',
    name: stringOr(wire['name']) ?? '',
    namespace: null,
    description: stringOr(wire['description']),
    parameters: wire['input_schema'] ?? null,
    strict: typeof wire['strict'] === 'boolean' ? wire['strict'] : null,
    ...itemMark(wire),
    ...(wire['defer_loading'] === true ? { deferred: true } : {}),
    ...(examples.length > 0 ? { inputExamples: examples } : {}),
    ...(extra === null ? {} : { extra }),
  }
}

const knownToolMembers = [
  'type',
  'name',
  'description',
  'input_schema',
  'strict',
  'cache_control',
  'defer_loading',
  'input_examples',
]

/** Tool names that references in the history name, in order. */
function referencedTools(messages: readonly WireMessage[]): readonly string[] {
  const names = new Set<string>()
  const visit = (value: unknown, depth: number): void => {
    if (depth > 4) return
    if (Array.isArray(value)) for (const entry of value) visit(entry, depth + 1)
    else if (isObject(value)) {
      if (value['type'] === 'tool_reference' && typeof value['tool_name'] === 'string') names.add(value['tool_name'])
      else {
        if (typeof value['content'] === 'object') visit(value['content'], depth + 1)
        if (Array.isArray(value['tool_references'])) visit(value['tool_references'], depth + 1)
      }
    }
  }
  for (const message of messages) if (typeof message.content !== 'string') visit(message.content, 0)
  return [...names]
}

function readToolChoice(choice: WireObject | null): ToolChoice | null {
  switch (choice?.['type']) {
    case 'auto':
      return { mode: 'auto' }
    case 'any':
      return { mode: 'required' }
    case 'none':
      return { mode: 'none' }
    case 'tool':
      return { mode: 'named', name: stringOr(choice['name']) ?? '' }
    default:
      return null
  }
}

// ------------------------------------------------------------------------------------------ settings

const efforts = new Set<string>(['minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'ultra'])

function readThinking(raw: WireObject): Thinking | null {
  const thinking = isObject(raw['thinking']) ? raw['thinking'] : null
  const config = isObject(raw['output_config']) ? raw['output_config'] : null
  const word = stringOr(config?.['effort'])
  const effort = word !== null && isEffort(word) ? word : null
  if (thinking === null && effort === null) return null
  const display = thinking?.['display']
  return {
    mode: thinkingMode(thinking?.['type']),
    effort,
    budgetTokens: numberOr(thinking?.['budget_tokens']),
    display: display === 'summarized' || display === 'omitted' ? display : null,
  }
}

function isEffort(word: string): word is Effort {
  return efforts.has(word)
}

/** Effort alone leaves it to the model whether to think. */
function thinkingMode(type: unknown): Thinking['mode'] {
  if (type === 'disabled') return 'off'
  if (type === 'enabled') return 'on'
  return type === 'between_tools' ? 'between-tools' : 'adaptive'
}

function readOutputFormat(raw: WireObject): OutputFormat {
  const config = isObject(raw['output_config']) ? raw['output_config'] : null
  // `output_format` is the older, beta spelling.
  const format = config?.['format'] ?? raw['output_format']
  if (!isObject(format) || format['type'] !== 'json_schema') return { type: 'text' }
  return {
    type: 'json-schema',
    name: stringOr(format['name']),
    description: null,
    schema: format['schema'] ?? {},
    strict: null,
  }
}

/** The session in Claude Code's `user_id`: a JSON string since 2.1, `..._session_<uuid>` before. */
function sessionOf(endUser: string | null): string | null {
  if (endUser === null) return null
  if (endUser.startsWith('{')) {
    try {
      const ids: unknown = JSON.parse(endUser)
      return isObject(ids) ? stringOr(ids['session_id']) : null
    } catch {
      return null
    }
  }
  return /_session_([0-9a-fA-F-]{8,64})$/.exec(endUser)?.[1] ?? null
}

const knownMembers = [
  'model',
  'messages',
  'system',
  'max_tokens',
  'stop_sequences',
  'stream',
  'temperature',
  'top_p',
  'top_k',
  'tools',
  'tool_choice',
  'thinking',
  'output_format',
  'metadata',
  'service_tier',
  'cache_control',
]

/** Everything we do not read by name, verbatim, for a writer of the same protocol. */
function readExtra(raw: WireObject): Readonly<Record<string, unknown>> {
  const extra: Record<string, unknown> = restOrNull(raw, [...knownMembers, 'output_config']) ?? {}
  const config = isObject(raw['output_config']) ? restOrNull(raw['output_config'], ['effort', 'format']) : null
  if (config !== null) extra['output_config'] = config
  return extra
}

function restOrNull(object: WireObject, known: readonly string[]): Record<string, unknown> | null {
  const rest = Object.entries(object).filter(([name, value]) => !known.includes(name) && value !== undefined)
  return rest.length === 0 ? null : Object.fromEntries(rest)
}

// ----------------------------------------------------------------------------------------- small ones

/** `cache_control: null` is how some clients say "no mark" (litellm#33816). */
function readCacheMark(control: unknown): CacheMark | undefined {
  if (!isObject(control)) return undefined
  const ttl = control['ttl']
  return { ttl: ttl === '5m' || ttl === '1h' ? ttl : null }
}

function markMember(block: WireObject): { cacheMark?: CacheMark } {
  const cacheMark = readCacheMark(block['cache_control'])
  return cacheMark === undefined ? {} : { cacheMark }
}

/** The same for marks that sit on a whole item or tool. */
const itemMark = markMember

function isWireBlock(value: unknown): value is WireBlock {
  return isObject(value) && typeof value['type'] === 'string'
}
