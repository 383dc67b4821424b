/**
 * The grammar of Messages answers: the strictest union of what the vendor's SDK, the AI SDK and Claude Code need
 * (versions 2023-06-01 and 2026-10-21, clients of 2026-11).
 *
 *   stream := ping* message_start (block | ping)* message_delta message_stop  |  ... error
 *   block  := content_block_start(i) content_block_delta(i)* content_block_stop(i)      i = 0, 1, 2 ...
 *
 * `event:` names always; blocks never overlap; arguments travel in deltas; thinking closes with its signature.
 */
import assert from 'node:assert/strict'
import type { Heard, HeardError, HeardPart, HeardUsage } from '../heard.ts'
import { count, countOrNull, isObject, list, object, parse, present, show, string, type Json } from '../json.ts'
import type { Frame } from '../sse-frames.ts'

const stopReasons = new Set([
  'end_turn',
  'max_tokens',
  'stop_sequence',
  'tool_use',
  'pause_turn',
  'refusal',
  'model_context_window_exceeded',
])

const errorTypes = new Set([
  'invalid_request_error',
  'authentication_error',
  'billing_error',
  'permission_error',
  'not_found_error',
  'conflict_error',
  'request_too_large',
  'rate_limit_error',
  'timeout_error',
  'api_error',
  'overloaded_error',
])

/** Members that the vendor's types require, null or not. */
const messageMembers = ['id', 'model', 'container', 'diagnostics', 'stop_details', 'stop_reason', 'stop_sequence']
const usageMembers = [
  'cache_creation',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
  'inference_geo',
  'server_tool_use',
  'service_tier',
]

interface Block {
  readonly type: string
  readonly start: Json
  text: string
  signature: string | null
  deltas: number
  readonly citations: unknown[]
}

/** @param translated  false: the bytes are an upstream's own, so members that only newer servers send may lack. */
export function readMessagesStream(frames: readonly Frame[], translated: boolean): Heard {
  const blocks: Block[] = []
  let open: Block | null = null
  let message: Json | null = null
  let ending: Json | null = null
  let startUsage: HeardUsage | null = null
  let usage: HeardUsage | null = null
  let error: HeardError | null = null
  let stopped = false

  for (const frame of frames) {
    const data = object(parse(frame.data, 'event data'), 'event data')
    const type = string(data['type'], 'type')
    assert.equal(frame.event, type, 'the event name must repeat the type (the SDK discards frames without one)')
    assert.ok(!stopped && error === null, `${type} follows the terminal event`)
    if (type === 'ping') continue
    if (type === 'error') {
      error = readMessagesError(data)
      continue
    }
    if (type === 'message_start') {
      assert.equal(message, null, 'message_start twice')
      message = object(data['message'], 'message')
      checkMessage(message, translated)
      assert.deepEqual(message['content'], [])
      assert.equal(message['stop_reason'], null)
      startUsage = readMessagesUsage(message['usage'], translated)
      continue
    }
    assert.ok(message !== null, `${type} comes before message_start`)
    if (type === 'content_block_start') {
      assert.equal(open, null, 'a block starts while another is open')
      assert.equal(ending, null, 'a block starts after message_delta')
      assert.equal(data['index'], blocks.length, 'block indexes must be dense: 0, 1, 2')
      open = startBlock(object(data['content_block'], 'content_block'), translated)
      blocks.push(open)
    } else if (type === 'content_block_delta') {
      assert.ok(open !== null, 'a delta for a block that is not open (Claude Code: Content block not found)')
      assert.equal(data['index'], blocks.length - 1, 'a delta for another block than the open one')
      takeDelta(open, object(data['delta'], 'delta'))
    } else if (type === 'content_block_stop') {
      assert.ok(open !== null, 'a stop for a block that is not open')
      assert.equal(data['index'], blocks.length - 1, 'a stop for another block than the open one')
      checkBlock(open, translated)
      open = null
    } else if (type === 'message_delta') {
      assert.equal(open, null, 'message_delta while a block is open')
      ending = object(data['delta'], 'delta')
      const given = object(data['usage'], 'message_delta.usage')
      count(given['output_tokens'], 'usage.output_tokens')
      usage = mergedUsage(startUsage, given)
    } else if (type === 'message_stop') {
      assert.ok(ending !== null, 'message_stop without message_delta')
      stopped = true
    } else assert.fail(`unknown event type ${type}`)
  }
  assert.ok(stopped || error !== null, 'the stream has no terminal event')
  const stop = error === null ? string(ending?.['stop_reason'], 'stop_reason') : null
  if (stop !== null) checkStop(stop, blocks)
  return {
    model: typeof message?.['model'] === 'string' ? message['model'] : '',
    parts: blocks.flatMap(partOf),
    stop,
    error,
    startUsage,
    usage: error === null ? usage : null,
    wire: blocks.map(wireOf),
    texts: [],
  }
}

function checkMessage(message: Json, translated: boolean): void {
  assert.equal(message['type'], 'message')
  assert.equal(message['role'], 'assistant')
  if (translated) present(message, messageMembers, 'message')
  assert.notEqual(string(message['id'], 'message.id'), '')
}

function startBlock(start: Json, translated: boolean): Block {
  const type = string(start['type'], 'content_block.type')
  const block: Block = { type, start, text: '', signature: null, deltas: 0, citations: [] }
  if (type === 'text') {
    if (translated) {
      assert.equal(start['text'], '', 'a text block starts empty')
      present(start, ['citations'], 'text block')
    } else block.text = string(start['text'], 'text')
  } else if (type === 'thinking') {
    if (translated) {
      assert.equal(start['thinking'], '')
      assert.equal(start['signature'], '')
    }
  } else if (type === 'tool_use') {
    assert.match(string(start['id'], 'tool_use.id'), /^[A-Za-z0-9_-]+$/, 'tool ids have a charset')
    assert.notEqual(string(start['name'], 'tool_use.name'), '')
    assert.deepEqual(start['input'], {}, 'arguments travel in deltas: Claude Code loses those of the start event')
  }
  return block
}

function takeDelta(block: Block, delta: Json): void {
  block.deltas++
  const type = string(delta['type'], 'delta.type')
  const wanted: Record<string, readonly string[]> = {
    text: ['text_delta', 'citations_delta'],
    thinking: ['thinking_delta', 'signature_delta'],
    tool_use: ['input_json_delta'],
    server_tool_use: ['input_json_delta'],
  }
  assert.ok(wanted[block.type]?.includes(type), `a ${type} in a ${block.type} block`)
  assert.equal(block.signature, null, 'the signature is the last delta of its block')
  if (type === 'text_delta') block.text += string(delta['text'], 'text')
  else if (type === 'thinking_delta') block.text += string(delta['thinking'], 'thinking')
  else if (type === 'signature_delta') block.signature = string(delta['signature'], 'signature')
  else if (type === 'citations_delta') block.citations.push(delta['citation'])
  else block.text += string(delta['partial_json'], 'partial_json')
}

function checkBlock(block: Block, translated: boolean): void {
  if (block.type === 'tool_use') {
    assert.ok(block.text !== '', `the call ${show(block.start['name'])} has no arguments; an empty object is {}`)
    parse(block.text, 'tool arguments')
  }
  if (!translated) return
  if (block.type === 'text') assert.notEqual(block.text, '', 'an empty text block')
  if (block.type === 'thinking') assert.ok(block.signature, 'a thinking block without a signature')
}

function checkStop(stop: string, blocks: readonly Block[]): void {
  assert.ok(stopReasons.has(stop), `unknown stop reason ${stop}`)
  const calls = blocks.filter((block) => block.type === 'tool_use')
  if (stop === 'tool_use') assert.ok(calls.length > 0, 'stop_reason tool_use without a tool_use block')
  else assert.ok(calls.length === 0 || stop === 'max_tokens', `stop_reason ${stop} after a tool call`)
}

/** A whole `message`. */
export function readMessagesAnswer(body: unknown, translated: boolean): Heard {
  const message = object(body, 'message')
  checkMessage(message, translated)
  const content = list(message['content'], 'content').map((block) => object(block, 'block'))
  const stop = string(message['stop_reason'], 'stop_reason')
  const blocks = content.map((block): Block => {
    const type = string(block['type'], 'type')
    if (type === 'tool_use') object(block['input'], 'tool_use.input')
    const text = type === 'text' ? block['text'] : type === 'thinking' ? block['thinking'] : ''
    return {
      type,
      start: block,
      text: type === 'tool_use' ? JSON.stringify(block['input']) : String(text),
      signature: typeof block['signature'] === 'string' ? block['signature'] : null,
      deltas: 0,
      citations: Array.isArray(block['citations']) ? block['citations'] : [],
    }
  })
  for (const block of blocks) checkBlock(block, translated)
  checkStop(stop, blocks)
  return {
    model: string(message['model'], 'model'),
    parts: blocks.flatMap(partOf),
    stop,
    error: null,
    startUsage: null,
    usage: readMessagesUsage(message['usage'], translated),
    wire: content,
    texts: [],
  }
}

/** `{"type":"error","error":{"type","message"},"request_id"}`. */
export function readMessagesError(body: unknown): HeardError {
  const outer = object(body, 'error body')
  assert.equal(outer['type'], 'error')
  const error = object(outer['error'], 'error')
  const type = string(error['type'], 'error.type')
  assert.ok(errorTypes.has(type), `${show(type)} is no error type of this protocol`)
  const details = isObject(error['details']) ? error['details'] : {}
  const code = details['error_code']
  return { type, code: typeof code === 'string' ? code : null, message: string(error['message'], 'error.message') }
}

export function readMessagesUsage(value: unknown, translated: boolean): HeardUsage {
  const usage = object(value, 'usage')
  const miss = count(usage['input_tokens'], 'input_tokens')
  count(usage['output_tokens'], 'output_tokens')
  if (translated) present(usage, usageMembers, 'usage')
  return usageOf(usage, miss)
}

/** Cumulative: a value that is given replaces the earlier one. */
function mergedUsage(start: HeardUsage | null, given: Json): HeardUsage {
  const merged: Record<string, unknown> = { ...start?.raw }
  for (const [name, value] of Object.entries(given)) if (value !== null) merged[name] = value
  return usageOf(merged, count(merged['input_tokens'], 'input_tokens'))
}

function usageOf(usage: Json, miss: number): HeardUsage {
  const hit = countOrNull(usage['cache_read_input_tokens'], 'cache_read_input_tokens')
  const written = countOrNull(usage['cache_creation_input_tokens'], 'cache_creation_input_tokens')
  return {
    input: miss + (hit ?? 0) + (written ?? 0),
    hit,
    written,
    output: count(usage['output_tokens'], 'output_tokens'),
    raw: usage,
  }
}

function partOf(block: Block): HeardPart[] {
  if (block.type === 'text') return [{ kind: 'text', text: block.text, refusal: false, citations: block.citations }]
  if (block.type === 'thinking') return [{ kind: 'reasoning', text: block.text, seal: block.signature }]
  if (block.type === 'redacted_thinking')
    return [{ kind: 'reasoning', text: '', seal: string(block.start['data'], 'data') }]
  if (block.type !== 'tool_use') return []
  return [
    {
      kind: 'call',
      id: string(block.start['id'], 'id'),
      name: string(block.start['name'], 'name'),
      namespace: null,
      arguments: block.text,
      custom: false,
    },
  ]
}

/** The block as the SDK's accumulator leaves it, for the next turn. */
function wireOf(block: Block): Json {
  if (block.type === 'text') return { type: 'text', text: block.text }
  if (block.type === 'thinking') return { type: 'thinking', thinking: block.text, signature: block.signature ?? '' }
  if (block.type !== 'tool_use') return block.start
  const { id, name } = block.start
  return { type: 'tool_use', id, name, input: inputOf(block.text) }
}

/** Arguments that were cut off stay text: no client can replay them. */
function inputOf(text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
