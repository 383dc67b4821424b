/**
 * What is special about a request, as far as choosing an address, a path or a repeat depends on it.
 *
 * Read either from the parsed body of a door (same-protocol traffic, never translated) or from the canonical
 * request; both readings agree on what both can see. Bodies are the caller's: any shape, any depth, wrong
 * types; whatever is not understood has no trait. Nothing here checks validity.
 */
import type { CanonicalRequest, Part, Protocol, Tool } from '@portolan/wire'

/**
 * `mid-conversation-system` instructions that are not at the head; `developer-role` Chat's `developer`;
 * `server-tools` the vendor runs something; `custom-tools` free-form tools; `strict-tools` every function tool
 * is strict; `forced-tool-choice` a call is demanded; `forced-tool-choice-with-thinking` and thinking is not
 * switched off; `stored-state` the vendor would keep something or run on without us; `state-reference` the
 * request is incomplete without something kept; `prefix-completion` the last assistant text is to be continued;
 * `sampling` temperature, top_p or top_k are given; `cache-warm` nothing is to be generated; `beta-path` the
 * caller asked at the door's beta path.
 */
export type RequestTrait =
  | 'mid-conversation-system'
  | 'developer-role'
  | 'images'
  | 'documents'
  | 'audio'
  | 'tools'
  | 'server-tools'
  | 'custom-tools'
  | 'strict-tools'
  | 'forced-tool-choice'
  | 'forced-tool-choice-with-thinking'
  | 'stored-state'
  | 'state-reference'
  | 'prefix-completion'
  | 'sampling'
  | 'json-schema'
  | 'logprobs'
  | 'multiple-choices'
  | 'cache-warm'
  | 'beta-path'

export interface RequestTraits {
  readonly traits: ReadonlySet<RequestTrait>
  /**
   * May this request be sent twice without anything happening twice? Generation itself has no effect beyond its
   * price; tools that the vendor runs, answers that it stores and conversations that it keeps do.
   */
  readonly effectFree: boolean
  readonly customToolNames?: readonly string[]
}

/** @param beta the caller asked at the door's beta path. */
export function requestTraits(protocol: Protocol, body: unknown, beta = false): RequestTraits {
  const found = new Found()
  if (beta) found.present.add('beta-path')
  if (!isObject(body)) return found.done()
  switch (protocol) {
    case 'chat':
      readChat(body, found)
      break
    case 'messages':
      readMessages(body, found)
      break
    case 'responses':
      readResponses(body, found)
      break
  }
  return found.done()
}

export function canonicalTraits(request: CanonicalRequest): RequestTraits {
  const found = new Found()
  const { present } = found
  let conversationBegan = false
  for (const item of request.items) {
    switch (item.kind) {
      case 'instruction':
        if (item.placement === 'inline' && (conversationBegan || request.from === 'messages'))
          present.add('mid-conversation-system')
        if (item.role === 'developer' && request.from === 'chat') present.add('developer-role')
        break
      case 'user':
      case 'tool-result':
        for (const part of item.parts) readPart(part, found)
        conversationBegan = true
        break
      case 'assistant-text':
        if (item.prefill) present.add('prefix-completion')
        conversationBegan = true
        break
      case 'foreign':
        if (item.name === 'item_reference') present.add('state-reference')
        conversationBegan = true
        break
      default:
        conversationBegan = true
    }
  }
  readTools(request.tools, found)
  const choice = request.toolChoice
  if (
    choice &&
    (choice.mode === 'required' || choice.mode === 'named' || (choice.mode === 'allowed' && choice.require))
  )
    present.add('forced-tool-choice')
  if (request.thinking?.mode === 'off') found.thinkingOff = true
  const { temperature, topP, topK } = request.sampling
  if (temperature !== null || topP !== null || topK !== null) present.add('sampling')
  if (request.outputFormat.type === 'json-schema') present.add('json-schema')
  if (request.topLogprobs !== null) present.add('logprobs')
  if (request.choices > 1) present.add('multiple-choices')
  if (request.maxOutputTokens === 0) present.add('cache-warm')
  if (request.extra.web_search_options != null || arrayOf(request.extra.mcp_servers).length > 0)
    present.add('server-tools')
  readStoredState(request.extra, found)
  return found.done()
}

// -------------------------------------------------------------------------------------------- canonical

function readPart(part: Part, found: Found): void {
  switch (part.type) {
    case 'image':
      found.present.add('images')
      break
    case 'document':
      found.present.add('documents')
      break
    case 'audio':
      found.present.add('audio')
      break
    default:
  }
}

function readTools(tools: readonly Tool[], found: Found): void {
  for (const tool of tools) {
    found.present.add('tools')
    if (tool.kind === 'function') found.functionTool(tool.strict === true)
    else if (tool.kind === 'custom') found.customTool(tool.name)
    else if (!tool.clientExecuted) found.present.add('server-tools')
  }
}

// ------------------------------------------------------------------------------------------------- chat

function readChat(body: JsonObject, found: Found): void {
  const { present } = found
  let conversationBegan = false
  const messages = arrayOf(body.messages)
  for (const message of messages) {
    if (!isObject(message)) continue
    if (message.role === 'system' || message.role === 'developer') {
      if (conversationBegan) present.add('mid-conversation-system')
      if (message.role === 'developer') present.add('developer-role')
    } else conversationBegan = true
    for (const part of arrayOf(message.content)) {
      if (!isObject(part)) continue
      if (part.type === 'image_url') present.add('images')
      else if (part.type === 'file') present.add('documents')
      else if (part.type === 'input_audio') present.add('audio')
    }
  }
  const last = messages.at(-1)
  if (isObject(last) && last.role === 'assistant' && (last.prefix === true || body.continue_final_message === true))
    present.add('prefix-completion')
  for (const tool of arrayOf(body.tools)) {
    if (!isObject(tool)) continue
    present.add('tools')
    if (tool.type === 'function' || tool.type === undefined)
      found.functionTool(isObject(tool.function) && tool.function.strict === true)
    else if (tool.type === 'custom') found.customTool(isObject(tool.custom) ? tool.custom.name : null)
    else present.add('server-tools')
  }
  if (body.web_search_options != null) present.add('server-tools')
  const choice = body.tool_choice
  if (
    choice === 'required' ||
    (isObject(choice) &&
      (choice.type === 'function' ||
        choice.type === 'custom' ||
        (isObject(choice.allowed_tools) && choice.allowed_tools.mode === 'required')))
  )
    present.add('forced-tool-choice')
  if ((isObject(body.thinking) && body.thinking.type === 'disabled') || body.reasoning_effort === 'none')
    found.thinkingOff = true
  if (body.temperature != null || body.top_p != null || body.top_k != null) present.add('sampling')
  if (isObject(body.response_format) && body.response_format.type === 'json_schema') present.add('json-schema')
  if (body.logprobs === true || body.top_logprobs != null) present.add('logprobs')
  if (typeof body.n === 'number' && body.n > 1) present.add('multiple-choices')
  readStoredState(body, found)
}

// --------------------------------------------------------------------------------------------- messages

/** Vendor-typed tools that the client itself executes; every other typed tool runs at the vendor. */
const clientToolTypes = /^(custom$|bash_|text_editor_|memory_|computer_|computer_toolset_|browser_toolset_)/

function readMessages(body: JsonObject, found: Found): void {
  const { present } = found
  const messages = arrayOf(body.messages)
  for (const message of messages) {
    if (!isObject(message)) continue
    if (message.role === 'system') present.add('mid-conversation-system')
    readBlocks(message.content, found, 0)
  }
  const last = messages.at(-1)
  if (isObject(last) && last.role === 'assistant') present.add('prefix-completion')
  for (const tool of arrayOf(body.tools)) {
    if (!isObject(tool)) continue
    present.add('tools')
    if (tool.type === undefined || tool.type === null || tool.type === 'custom')
      found.functionTool(tool.strict === true)
    else if (!(typeof tool.type === 'string' && clientToolTypes.test(tool.type))) present.add('server-tools')
  }
  if (arrayOf(body.mcp_servers).length > 0) present.add('server-tools')
  if (isObject(body.tool_choice) && (body.tool_choice.type === 'any' || body.tool_choice.type === 'tool'))
    present.add('forced-tool-choice')
  if (isObject(body.thinking) && body.thinking.type === 'disabled') found.thinkingOff = true
  if (body.temperature != null || body.top_p != null || body.top_k != null) present.add('sampling')
  const format = isObject(body.output_config) ? body.output_config.format : body.output_format
  if (isObject(format) && format.type === 'json_schema') present.add('json-schema')
  if (body.max_tokens === 0) present.add('cache-warm')
  readStoredState(body, found)
}

function readBlocks(content: unknown, found: Found, depth: number): void {
  for (const block of arrayOf(content)) {
    if (!isObject(block)) continue
    if (block.type === 'image') found.present.add('images')
    else if (block.type === 'document') found.present.add('documents')
    // A tool result holds blocks; nothing nests deeper, so neither do we.
    else if (block.type === 'tool_result' && depth === 0) readBlocks(block.content, found, 1)
  }
}

// -------------------------------------------------------------------------------------------- responses

const clientItemTools = new Set(['function', 'custom', 'namespace', 'local_shell', 'apply_patch', 'shell'])

function readResponses(body: JsonObject, found: Found): void {
  const { present } = found
  let conversationBegan = false
  for (const item of arrayOf(body.input)) {
    if (!isObject(item)) continue
    if (item.role === 'system' || item.role === 'developer') {
      if (conversationBegan) present.add('mid-conversation-system')
    } else conversationBegan = true
    if (item.type === 'item_reference') present.add('state-reference')
    readContentParts(item.content, found)
    readContentParts(item.output, found)
  }
  readResponsesTools(body.tools, found, 0)
  const choice = body.tool_choice
  if (
    choice === 'required' ||
    (isObject(choice) &&
      (choice.type === 'function' ||
        choice.type === 'custom' ||
        (choice.type === 'allowed_tools' && choice.mode === 'required')))
  )
    present.add('forced-tool-choice')
  if (isObject(body.reasoning) && body.reasoning.effort === 'none') found.thinkingOff = true
  if (body.temperature != null || body.top_p != null) present.add('sampling')
  if (isObject(body.text) && isObject(body.text.format) && body.text.format.type === 'json_schema')
    present.add('json-schema')
  if (body.top_logprobs != null) present.add('logprobs')
  readStoredState(body, found)
}

function readContentParts(content: unknown, found: Found): void {
  for (const part of arrayOf(content)) {
    if (!isObject(part)) continue
    if (part.type === 'input_image') found.present.add('images')
    else if (part.type === 'input_file') found.present.add('documents')
    else if (part.type === 'input_audio') found.present.add('audio')
  }
}

function readResponsesTools(tools: unknown, found: Found, depth: number): void {
  for (const tool of arrayOf(tools)) {
    if (!isObject(tool)) continue
    found.present.add('tools')
    if (tool.type === 'function') found.functionTool(tool.strict === true)
    else if (tool.type === 'custom') found.customTool(tool.name)
    else if (tool.type === 'namespace' && depth === 0) readResponsesTools(tool.tools, found, 1)
    else if (!(typeof tool.type === 'string' && clientItemTools.has(tool.type))) found.present.add('server-tools')
  }
}

// ----------------------------------------------------------------------------------------------- shared

/** Members by which any of the three protocols keeps something at the vendor or refers to something kept. */
function readStoredState(body: Readonly<Record<string, unknown>>, found: Found): void {
  if (body.store === true || body.background === true) found.present.add('stored-state')
  for (const member of ['previous_response_id', 'conversation', 'container', 'thread'])
    if (body[member] != null) found.present.add('state-reference')
}

class Found {
  readonly present = new Set<RequestTrait>()
  readonly #customToolNames: string[] = []
  #functionTools = 0
  #strictTools = 0
  thinkingOff = false

  functionTool(strict: boolean): void {
    this.#functionTools++
    if (strict) this.#strictTools++
  }

  customTool(name: unknown): void {
    this.present.add('custom-tools')
    this.#customToolNames.push(typeof name === 'string' ? name : '')
  }

  done(): RequestTraits {
    const { present } = this
    if (this.#functionTools > 0 && this.#strictTools === this.#functionTools) present.add('strict-tools')
    if (present.has('forced-tool-choice') && !this.thinkingOff) present.add('forced-tool-choice-with-thinking')
    const effectFree = !(present.has('server-tools') || present.has('stored-state') || present.has('state-reference'))
    return { traits: present, effectFree, customToolNames: this.#customToolNames }
  }
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
