/**
 * Checks a Messages request body where a translator will look at it, and nowhere else.
 *
 * Lenient in: unknown members, block types, tool types and betas pass; `null` counts as absent. A wrong type
 * in a member that carries meaning is refused with the vendor's way of naming it, `messages.2.content.0`.
 * Key order never matters (ds4#127). A thinking budget above `max_tokens` passes: qwen-code sends one.
 */
import { WireError } from '../errors.ts'
import { isObject, type MessagesRequest, type WireBlock, type WireMessage, type WireObject } from './types.ts'

/** @throws {WireError} `WIRE_BAD_FIELD` naming the field. */
export function parseMessagesRequest(body: unknown): MessagesRequest {
  if (!isObject(body)) throw bad('body', 'must be a JSON object')
  const model = body['model']
  if (model === undefined) throw bad('model', 'Field required')
  if (typeof model !== 'string' || model === '') throw bad('model', 'must be a non-empty string')
  checkSettings(body)
  return {
    model,
    system: parseSystem(body['system']),
    messages: parseMessages(body['messages']),
    tools: parseTools(body['tools']),
    raw: body,
  }
}

// ------------------------------------------------------------------------------------------ settings

function checkSettings(body: WireObject): void {
  checkCount(body['max_tokens'], 'max_tokens', 0)
  for (const name of ['temperature', 'top_p', 'top_k'])
    if (isGiven(body[name]) && typeof body[name] !== 'number') throw bad(name, 'must be a number')
  if (isGiven(body['stream']) && typeof body['stream'] !== 'boolean') throw bad('stream', 'must be true or false')
  checkList(body['stop_sequences'], 'stop_sequences', (entry, field) => {
    if (typeof entry !== 'string') throw bad(field, 'must be a string')
  })
  for (const name of ['metadata', 'thinking', 'output_config', 'output_format', 'tool_choice', 'cache_control'])
    if (isGiven(body[name]) && !isObject(body[name])) throw bad(name, 'must be an object')
  const thinking = body['thinking']
  if (isObject(thinking)) {
    if (typeof thinking['type'] !== 'string') throw bad('thinking.type', 'must be a string')
    checkCount(thinking['budget_tokens'], 'thinking.budget_tokens', 0)
  }
  const choice = body['tool_choice']
  if (isObject(choice)) {
    const type = choice['type']
    if (type !== 'auto' && type !== 'any' && type !== 'tool' && type !== 'none')
      throw bad('tool_choice.type', 'must be one of auto, any, tool, none')
    if (type === 'tool' && typeof choice['name'] !== 'string') throw bad('tool_choice.name', 'must be a string')
  }
}

// ------------------------------------------------------------------------------------------ messages

function parseSystem(system: unknown): MessagesRequest['system'] {
  if (!isGiven(system)) return null
  return parseContent(system, 'system', (block, field) => {
    if (block.type !== 'text') throw bad(`${field}.type`, 'a system block must be of type text')
    checkText(block, field)
  })
}

function parseMessages(messages: unknown): WireMessage[] {
  if (messages === undefined) throw bad('messages', 'Field required')
  if (!Array.isArray(messages)) throw bad('messages', 'must be an array')
  if (messages.length === 0) throw bad('messages', 'at least one message is required')
  return messages.map((message: unknown, index) => parseMessage(message, `messages.${index}`))
}

function parseMessage(message: unknown, field: string): WireMessage {
  if (!isObject(message)) throw bad(field, 'must be an object')
  const role = message['role']
  if (role !== 'user' && role !== 'assistant' && role !== 'system')
    throw bad(`${field}.role`, 'must be one of user, assistant, system')
  if (!isGiven(message['content'])) throw bad(`${field}.content`, 'Field required')
  return { role, content: parseContent(message['content'], `${field}.content`, checkBlock) }
}

/** String or blocks. */
function parseContent(
  content: unknown,
  field: string,
  check: (block: WireBlock, field: string, depth: number) => void,
  depth = 0,
): string | WireBlock[] {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw bad(field, 'must be a string or an array of blocks')
  return content.map((block: unknown, index) => {
    const at = `${field}.${index}`
    if (!isBlock(block)) throw bad(at, 'must be an object with a string member `type`')
    check(block, at, depth)
    return block
  })
}

/** Results hold search results, which hold text: deeper nesting means nothing and is not followed. */
const deepest = 3

function checkBlock(block: WireBlock, field: string, depth: number): void {
  if (depth > deepest) return
  switch (block.type) {
    case 'text':
      checkText(block, field)
      break
    case 'image':
    case 'document':
      checkSource(block['source'], `${field}.source`, depth)
      break
    case 'search_result':
      if (isGiven(block['content'])) parseContent(block['content'], `${field}.content`, checkBlock, depth + 1)
      break
    case 'tool_use':
      checkString(block['id'], `${field}.id`)
      checkString(block['name'], `${field}.name`)
      break
    case 'tool_result':
      checkString(block['tool_use_id'], `${field}.tool_use_id`)
      if (isGiven(block['content'])) parseContent(block['content'], `${field}.content`, checkBlock, depth + 1)
      break
    case 'thinking':
      if (isGiven(block['thinking'])) checkString(block['thinking'], `${field}.thinking`)
      if (isGiven(block['signature'])) checkString(block['signature'], `${field}.signature`)
      break
    case 'redacted_thinking':
      checkString(block['data'], `${field}.data`)
      break
    default:
      // A block we do not know travels as it is, to an upstream that may know it.
      break
  }
}

function checkText(block: WireBlock, field: string): void {
  checkString(block['text'], `${field}.text`)
}

const sourceMembers: Readonly<Record<string, readonly string[]>> = {
  base64: ['media_type', 'data'],
  text: ['data'],
  url: ['url'],
  file: ['file_id'],
}

function checkSource(source: unknown, field: string, depth: number): void {
  if (!isBlock(source)) throw bad(field, 'must be an object with a string member `type`')
  for (const member of sourceMembers[source.type] ?? []) checkString(source[member], `${field}.${member}`)
  if (source.type === 'content') parseContent(source['content'], `${field}.content`, checkBlock, depth + 1)
}

// --------------------------------------------------------------------------------------------- tools

function parseTools(tools: unknown): WireObject[] {
  if (!isGiven(tools)) return []
  if (!Array.isArray(tools)) throw bad('tools', 'must be an array')
  return tools.map((tool: unknown, index) => {
    const field = `tools.${index}`
    if (!isObject(tool)) throw bad(field, 'must be an object')
    const type = tool['type']
    if (isGiven(type) && typeof type !== 'string') throw bad(`${field}.type`, 'must be a string')
    // Vendor-typed tools come without a schema and sometimes without a name (sglang#22656).
    if (!isGiven(type) || type === 'custom') {
      checkString(tool['name'], `${field}.name`)
      if (isGiven(tool['input_schema']) && !isObject(tool['input_schema']))
        throw bad(`${field}.input_schema`, 'must be an object')
    }
    return tool
  })
}

// -------------------------------------------------------------------------------------------- checks

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isBlock(value: unknown): value is WireBlock {
  return isObject(value) && typeof value['type'] === 'string'
}

function checkString(value: unknown, field: string): void {
  if (typeof value !== 'string') throw bad(field, value === undefined ? 'Field required' : 'must be a string')
}

function checkCount(value: unknown, field: string, least: number): void {
  if (!isGiven(value)) return
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least)
    throw bad(field, `must be an integer of at least ${least}`)
}

function checkList(value: unknown, field: string, check: (entry: unknown, field: string) => void): void {
  if (!isGiven(value)) return
  if (!Array.isArray(value)) throw bad(field, 'must be an array')
  for (const [index, entry] of value.entries()) check(entry, `${field}.${index}`)
}

function bad(field: string, why: string): WireError {
  return new WireError('WIRE_BAD_FIELD', `${field}: ${why}`, field)
}
