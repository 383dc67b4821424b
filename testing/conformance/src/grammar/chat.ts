/**
 * The grammar of Chat Completions answers as SDKs rely on it (openai 7.x types, protocol of 2026-11).
 *
 *   stream := chunk+ (usage-chunk)? [DONE]  |  chunk* error
 *
 * No `event:` lines; id, created and model are constant; calls have dense indexes of their own, id and name once;
 * one finish reason per choice; usage once, at or behind the finish, and only when it was asked for.
 */
import assert from 'node:assert/strict'
import type { Heard, HeardError, HeardPart, HeardUsage } from '../heard.ts'
import { count, countOrNull, isObject, list, object, parse, present, show, string, type Json } from '../json.ts'
import type { Frame } from '../sse-frames.ts'

const finishReasons = new Set(['stop', 'length', 'tool_calls', 'content_filter', 'function_call'])

interface Call {
  readonly id: string
  readonly name: string
  readonly custom: boolean
  text: string
}

interface Choice {
  content: string
  refusal: string
  reasoning: string
  details: Json[]
  annotations: unknown[]
  readonly calls: Call[]
  finish: string | null
}

export function readChatStream(frames: readonly Frame[], includeUsage: boolean): Heard {
  const choices = new Map<number, Choice>()
  let head: Json | null = null
  let usage: HeardUsage | null = null
  let error: HeardError | null = null
  let done = false
  for (const [at, frame] of frames.entries()) {
    assert.equal(frame.event, null, 'the Chat door must not send event names')
    assert.ok(!done && error === null, `something follows the terminal of the stream: ${show(frame.data)}`)
    if (frame.data === '[DONE]') {
      done = true
      continue
    }
    const chunk = object(parse(frame.data, `chunk ${at}`), `chunk ${at}`)
    if ('error' in chunk) {
      error = readChatError(chunk)
      continue
    }
    assert.equal(chunk['object'], 'chat.completion.chunk')
    present(chunk, ['id', 'created', 'model', 'choices'], `chunk ${at}`)
    assert.notEqual(string(chunk['id'], 'id'), '')
    count(chunk['created'], 'created')
    head ??= chunk
    for (const member of ['id', 'created', 'model'])
      assert.equal(chunk[member], head[member], `\`${member}\` must be the same on all chunks`)
    const inChunk = list(chunk['choices'], 'choices')
    for (const value of inChunk) readChoice(object(value, 'choice'), choices)
    if (chunk['usage'] !== null && chunk['usage'] !== undefined) {
      assert.ok(includeUsage, 'a usage chunk was sent that nobody asked for')
      assert.equal(usage, null, 'usage was sent twice')
      usage = readChatUsage(chunk['usage'])
      for (const choice of choices.values()) assert.ok(choice.finish, 'usage came before the finish reason')
    } else assert.ok(inChunk.length > 0, 'a chunk without choices and without usage')
  }
  assert.ok(done || error !== null, 'the stream has neither [DONE] nor an error')
  assert.ok(!(done && error), 'an error is not followed by [DONE]')
  if (error === null) {
    assert.ok(choices.size > 0, 'the stream has no choice')
    for (const choice of choices.values()) checkEnd(choice)
    if (includeUsage) assert.ok(usage, 'usage was asked for and not sent')
  }
  return heardOf(head, choices, usage, error)
}

function readChoice(choice: Json, choices: Map<number, Choice>): void {
  present(choice, ['index', 'delta', 'finish_reason'], 'choice')
  const index = count(choice['index'], 'choice index')
  const delta = object(choice['delta'], 'delta')
  let state = choices.get(index)
  if (state === undefined) {
    assert.equal(delta['role'], 'assistant', 'the first delta of a choice carries the role')
    state = { content: '', refusal: '', reasoning: '', details: [], annotations: [], calls: [], finish: null }
    choices.set(index, state)
  } else assert.ok(delta['role'] === undefined || delta['role'] === 'assistant', 'a role that changes')
  if (state.finish !== null) assert.equal(Object.keys(delta).length, 0, 'content after the finish reason')
  if (typeof delta['content'] === 'string') state.content += delta['content']
  if (typeof delta['refusal'] === 'string') state.refusal += delta['refusal']
  if (typeof delta['reasoning_content'] === 'string') state.reasoning += delta['reasoning_content']
  if (Array.isArray(delta['annotations'])) state.annotations.push(...delta['annotations'])
  for (const detail of listOrNone(delta['reasoning_details'])) state.details.push(object(detail, 'reasoning detail'))
  const calls = listOrNone(delta['tool_calls'])
  if ('tool_calls' in delta) assert.ok(calls.length > 0, 'an empty tool_calls list')
  for (const entry of calls) readCallDelta(object(entry, 'tool call'), state.calls)
  const finish = choice['finish_reason']
  if (finish === null) return
  assert.equal(state.finish, null, 'a second finish reason')
  state.finish = string(finish, 'finish_reason')
  assert.ok(finishReasons.has(state.finish), `unknown finish reason ${state.finish}`)
}

function readCallDelta(entry: Json, calls: Call[]): void {
  const index = count(entry['index'], 'tool call index')
  const custom = entry['type'] === 'custom' || isObject(entry['custom'])
  const inner = object(custom ? entry['custom'] : entry['function'], 'tool call body')
  const fragment = inner[custom ? 'input' : 'arguments'] ?? ''
  const known = calls[index]
  if (known === undefined) {
    assert.equal(index, calls.length, 'tool call indexes must be dense: 0, 1, 2 (SDKs build arrays by them)')
    const id = string(entry['id'], 'tool call id')
    const name = string(inner['name'], 'tool call name')
    assert.ok(id !== '' && name !== '', 'a tool call without id or name')
    assert.ok(!calls.some((call) => call.id === id), `the tool call id ${id} is used twice`)
    calls.push({ id, name, custom, text: string(fragment, 'arguments') })
    return
  }
  assert.ok(entry['id'] === undefined || entry['id'] === known.id, 'a tool call changes its id')
  known.text += string(fragment, 'arguments')
}

function checkEnd(choice: Choice): void {
  assert.ok(choice.finish !== null, 'the stream ends without a finish reason')
  if (choice.calls.length > 0 && choice.finish !== 'length') assert.equal(choice.finish, 'tool_calls')
  else if (choice.calls.length === 0) assert.notEqual(choice.finish, 'tool_calls')
  if (choice.finish === 'tool_calls')
    for (const call of choice.calls) if (!call.custom) object(parse(call.text, 'arguments'), 'arguments')
}

/** A whole `chat.completion`. */
export function readChatAnswer(body: unknown): Heard {
  const answer = object(body, 'answer')
  assert.equal(answer['object'], 'chat.completion')
  present(answer, ['id', 'created', 'model', 'choices'], 'answer')
  const choices = new Map<number, Choice>()
  for (const value of list(answer['choices'], 'choices')) {
    const choice = object(value, 'choice')
    const message = object(choice['message'], 'message')
    assert.equal(message['role'], 'assistant')
    present(message, ['content'], 'message')
    const calls = listOrNone(message['tool_calls']).map((entry): Call => {
      const call = object(entry, 'tool call')
      const custom = call['type'] === 'custom'
      const inner = object(custom ? call['custom'] : call['function'], 'tool call body')
      const text = string(inner[custom ? 'input' : 'arguments'], 'arguments')
      if (!custom) object(parse(text, 'arguments'), 'arguments')
      return { id: string(call['id'], 'id'), name: string(inner['name'], 'name'), custom, text }
    })
    const state: Choice = {
      content: typeof message['content'] === 'string' ? message['content'] : '',
      refusal: typeof message['refusal'] === 'string' ? message['refusal'] : '',
      reasoning: typeof message['reasoning_content'] === 'string' ? message['reasoning_content'] : '',
      details: listOrNone(message['reasoning_details']).map((one) => object(one, 'reasoning detail')),
      annotations: [...listOrNone(message['annotations'])],
      calls,
      finish: string(choice['finish_reason'], 'finish_reason'),
    }
    checkEnd(state)
    choices.set(count(choice['index'], 'index'), state)
  }
  return heardOf(answer, choices, readChatUsage(answer['usage']), null)
}

/** `{"error":{"message","type","param","code"}}`; the type is a word of the protocol, never a class name. */
export function readChatError(body: unknown): HeardError {
  const error = object(object(body, 'error body')['error'], 'error')
  present(error, ['message', 'type', 'param', 'code'], 'error')
  const type = string(error['type'], 'error.type')
  assert.match(type, /^[a-z]+(_[a-z]+)*$/, 'the error type must be a word of the protocol')
  const { code } = error
  assert.ok(code === null || typeof code === 'string', 'error.code is a string or null')
  return { type, code, message: string(error['message'], 'error.message') }
}

export function readChatUsage(value: unknown): HeardUsage {
  const usage = object(value, 'usage')
  const input = count(usage['prompt_tokens'], 'prompt_tokens')
  const output = count(usage['completion_tokens'], 'completion_tokens')
  assert.equal(usage['total_tokens'], input + output, 'total_tokens = prompt_tokens + completion_tokens')
  const details = isObject(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {}
  const hit = countOrNull(details['cached_tokens'], 'cached_tokens')
  const written = countOrNull(details['cache_write_tokens'], 'cache_write_tokens')
  assert.ok((hit ?? 0) + (written ?? 0) <= input, 'cached and written tokens are part of prompt_tokens')
  return { input, hit, written, output, raw: usage }
}

function heardOf(
  head: Json | null,
  choices: ReadonlyMap<number, Choice>,
  usage: HeardUsage | null,
  error: HeardError | null,
): Heard {
  const first = choices.get(0)
  const parts: HeardPart[] = []
  if (first) {
    const seals = first.details.flatMap((detail) =>
      [detail['data'], detail['signature']].filter((seal) => typeof seal === 'string' && seal !== ''),
    ) as string[]
    if (first.reasoning !== '' || seals.length > 0)
      parts.push({ kind: 'reasoning', text: first.reasoning, seal: seals[0] ?? null })
    for (const seal of seals.slice(1)) parts.push({ kind: 'reasoning', text: '', seal })
    if (first.content !== '')
      parts.push({ kind: 'text', text: first.content, refusal: false, citations: first.annotations })
    if (first.refusal !== '') parts.push({ kind: 'text', text: first.refusal, refusal: true, citations: [] })
    for (const { id, name, custom, text } of first.calls)
      parts.push({ kind: 'call', id, name, namespace: null, arguments: text, custom })
  }
  return {
    model: typeof head?.['model'] === 'string' ? head['model'] : '',
    parts,
    stop: error ? null : (first?.finish ?? null),
    error,
    startUsage: null,
    usage,
    wire: first ? messageOf(first) : null,
    texts: [...choices].sort(([a], [b]) => a - b).map(([, choice]) => choice.content),
  }
}

/** The message as an SDK accumulates it, for the next turn. */
function messageOf(choice: Choice): Json {
  return {
    role: 'assistant',
    content: choice.content === '' && choice.calls.length > 0 ? null : choice.content,
    ...(choice.reasoning === '' ? {} : { reasoning_content: choice.reasoning }),
    ...(choice.details.length === 0 ? {} : { reasoning_details: choice.details }),
    ...(choice.calls.length === 0
      ? {}
      : {
          tool_calls: choice.calls.map(({ id, name, custom, text }) =>
            custom
              ? { id, type: 'custom', custom: { name, input: text } }
              : { id, type: 'function', function: { name, arguments: text } },
          ),
        }),
  }
}

function listOrNone(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? [] : list(value, 'list')
}
