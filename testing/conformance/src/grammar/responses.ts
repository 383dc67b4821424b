/**
 * The grammar of Responses answers (openai 7.x types; what Codex and both SDK accumulators rely on).
 *
 *   stream := created in_progress (item events)* (completed | incomplete | failed)  |  ... error
 *   item   := output_item.added (parts, deltas, dones)* output_item.done
 *
 * `event:` repeats the type, `sequence_number` counts 0, 1, 2, each item has an output index of its own, `done`
 * events repeat the whole text, and the final object repeats the whole output. There is no `[DONE]`.
 */
import assert from 'node:assert/strict'
import type { Heard, HeardError, HeardPart, HeardUsage } from '../heard.ts'
import { count, countOrNull, isObject, list, object, parse, present, show, string, type Json } from '../json.ts'
import type { Frame } from '../sse-frames.ts'

const responseMembers = [
  'id',
  'created_at',
  'error',
  'incomplete_details',
  'instructions',
  'metadata',
  'model',
  'output',
  'parallel_tool_calls',
  'temperature',
  'tool_choice',
  'tools',
  'top_p',
]

interface OpenItem {
  readonly id: string
  readonly type: string
  readonly parts: Map<number, { text: string; done: boolean }>
  readonly summaries: Map<number, { text: string; done: boolean }>
  /** Arguments of a call so far; null: no delta yet. */
  arguments: string | null
  argumentsDone: string | null
}

class StreamState {
  readonly items: (OpenItem | undefined)[] = []
  readonly done: Json[] = []
  readonly ids = new Set<string>()

  item(event: Json): OpenItem {
    const index = count(event['output_index'], 'output_index')
    const item = this.items[index]
    assert.ok(item, `${show(event['type'])} for output_index ${index}, which is not open`)
    assert.equal(event['item_id'], item.id, 'item_id and output_index name different items')
    return item
  }

  added(event: Json): void {
    const index = count(event['output_index'], 'output_index')
    assert.equal(index, this.items.length, 'output indexes are dense and never shared')
    const item = object(event['item'], 'item')
    const id = string(item['id'], 'item.id')
    assert.ok(!this.ids.has(id), `the item id ${id} is used twice`)
    this.ids.add(id)
    this.items.push({
      id,
      type: string(item['type'], 'item.type'),
      parts: new Map(),
      summaries: new Map(),
      arguments: null,
      argumentsDone: null,
    })
  }

  finished(event: Json, translated: boolean): void {
    const index = count(event['output_index'], 'output_index')
    const open = this.items[index]
    assert.ok(open, 'output_item.done for an item that is not open')
    const item = object(event['item'], 'item')
    assert.equal(item['id'], open.id, 'output_item.done names another item')
    assert.equal(item['type'], open.type)
    for (const part of [...open.parts.values(), ...open.summaries.values()])
      assert.ok(part.done, 'an item ends while a part of it is open')
    if (item['type'] === 'function_call' || item['type'] === 'custom_tool_call') {
      const text = string(item[item['type'] === 'function_call' ? 'arguments' : 'input'], 'arguments')
      if (translated || open.arguments !== null) {
        assert.equal(open.argumentsDone, text, 'the item repeats the whole arguments')
        assert.equal(open.arguments ?? '', text, 'the deltas add up to the arguments')
      }
    }
    if (item['type'] === 'message') {
      const texts = list(item['content'], 'content').map((part) => partText(object(part, 'part')))
      assert.deepEqual(
        texts,
        [...open.parts.values()].map((part) => part.text),
        'the item repeats the whole text',
      )
    }
    this.items[index] = undefined
    this.done[index] = item
  }

  openPart(event: Json, summary: boolean): void {
    const parts = this.#parts(event, summary)
    const index = partIndex(event, summary)
    assert.equal(index, parts.size, 'content indexes are dense')
    parts.set(index, { text: '', done: false })
  }

  delta(event: Json, summary: boolean): void {
    const part = this.#parts(event, summary).get(partIndex(event, summary))
    assert.ok(part && !part.done, `${show(event['type'])} for a part that is not open`)
    part.text += string(event['delta'], 'delta')
  }

  textDone(event: Json, summary: boolean, member: 'text' | 'refusal'): void {
    const part = this.#parts(event, summary).get(partIndex(event, summary))
    assert.equal(string(event[member], member), part?.text, 'the deltas add up to the text')
  }

  closePart(event: Json, summary: boolean): void {
    const part = this.#parts(event, summary).get(partIndex(event, summary))
    assert.ok(part && !part.done, `${show(event['type'])} for a part that is not open`)
    part.done = true
    assert.equal(partText(object(event['part'], 'part')), part.text, 'the part repeats the whole text')
  }

  #parts(event: Json, summary: boolean): OpenItem['parts'] {
    const item = this.item(event)
    return summary ? item.summaries : item.parts
  }
}

export function readResponsesStream(frames: readonly Frame[], translated: boolean): Heard {
  const state = new StreamState()
  let final: Json | null = null
  let head: Json | null = null
  let error: HeardError | null = null
  for (const [at, frame] of frames.entries()) {
    assert.notEqual(frame.data, '[DONE]', 'Responses streams have no [DONE]')
    const event = object(parse(frame.data, `event ${at}`), `event ${at}`)
    const type = string(event['type'], 'type')
    assert.equal(frame.event, type, 'the event name repeats the type')
    assert.ok(final === null && error === null, `${type} follows the terminal event`)
    // An error that is said before any event of an answer has nothing to be numbered behind.
    assert.equal(event['sequence_number'], at, 'sequence_number counts 0, 1, 2')
    if (at === 0 && type !== 'response.failed' && type !== 'error') assert.equal(type, 'response.created')
    if (at === 1 && head !== null && type !== 'response.failed' && type !== 'error')
      assert.equal(type, 'response.in_progress')
    switch (type) {
      case 'response.created':
      case 'response.in_progress': {
        const response = object(event['response'], 'response')
        checkResponse(response, translated)
        head ??= response
        assert.equal(response['id'], head['id'], 'the response id changes')
        break
      }
      case 'response.output_item.added':
        state.added(event)
        break
      case 'response.output_item.done':
        state.finished(event, translated)
        break
      case 'response.content_part.added':
        state.openPart(event, false)
        break
      case 'response.content_part.done':
        state.closePart(event, false)
        break
      case 'response.output_text.delta':
      case 'response.reasoning_text.delta':
      case 'response.refusal.delta':
        state.delta(event, false)
        break
      case 'response.output_text.done':
      case 'response.reasoning_text.done':
        state.textDone(event, false, 'text')
        break
      case 'response.refusal.done':
        state.textDone(event, false, 'refusal')
        break
      case 'response.output_text.annotation.added':
        state.item(event)
        break
      case 'response.reasoning_summary_part.added':
        state.openPart(event, true)
        break
      case 'response.reasoning_summary_text.delta':
        state.delta(event, true)
        break
      case 'response.reasoning_summary_text.done':
        state.textDone(event, true, 'text')
        break
      case 'response.reasoning_summary_part.done':
        state.closePart(event, true)
        break
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta': {
        const item = state.item(event)
        assert.equal(item.argumentsDone, null, 'a delta after the arguments were done')
        item.arguments = (item.arguments ?? '') + string(event['delta'], 'delta')
        break
      }
      case 'response.function_call_arguments.done':
        state.item(event).argumentsDone = string(event['arguments'], 'arguments')
        break
      case 'response.custom_tool_call_input.done':
        state.item(event).argumentsDone = string(event['input'], 'input')
        break
      case 'response.completed':
      case 'response.incomplete':
        final = object(event['response'], 'response')
        assert.equal(final['status'], type.slice('response.'.length))
        assert.ok(
          state.items.every((item) => item === undefined),
          'the answer ends while an item is open',
        )
        assert.deepEqual(list(final['output'], 'output'), state.done, 'the final object repeats the whole output')
        break
      case 'response.failed': {
        const response = object(event['response'], 'response')
        assert.equal(response['status'], 'failed')
        error = streamError(response['error'])
        break
      }
      case 'error':
        error = streamError(event['error'] ?? event)
        break
      default:
        assert.match(type, /^response\./, `unknown event type ${type}`)
    }
    if (final !== null) {
      checkResponse(final, translated)
      assert.equal(final['id'], head?.['id'], 'the response id changes')
    }
  }
  assert.ok(final !== null || error !== null, 'the stream has no terminal event: Codex waits for one')
  const output = final === null ? state.done.filter((item) => item !== undefined) : list(final['output'], 'output')
  return heardOf(final ?? head, output, error)
}

/** A whole `response`. */
export function readResponsesAnswer(body: unknown, translated: boolean): Heard {
  const response = object(body, 'response')
  checkResponse(response, translated)
  return heardOf(response, list(response['output'], 'output'), null)
}

function checkResponse(response: Json, translated: boolean): void {
  assert.equal(response['object'], 'response')
  assert.notEqual(string(response['id'], 'response.id'), '')
  if (translated) present(response, responseMembers, 'response')
}

/** The OpenAI envelope; the type is a word of the protocol, never a class name. */
export function readResponsesError(body: unknown): HeardError {
  const error = object(object(body, 'error body')['error'], 'error')
  present(error, ['message', 'type', 'param', 'code'], 'error')
  const type = string(error['type'], 'error.type')
  assert.match(type, /^[a-z]+(_[a-z]+)*$/, 'the error type must be a word of the protocol')
  const { code } = error
  return { type, code: typeof code === 'string' ? code : null, message: string(error['message'], 'error.message') }
}

function streamError(value: unknown): HeardError {
  const error = object(value, 'error')
  return { type: null, code: string(error['code'], 'error.code'), message: string(error['message'], 'error.message') }
}

export function readResponsesUsage(value: unknown): HeardUsage {
  const usage = object(value, 'usage')
  const input = count(usage['input_tokens'], 'input_tokens')
  const output = count(usage['output_tokens'], 'output_tokens')
  assert.equal(usage['total_tokens'], input + output, 'total_tokens = input_tokens + output_tokens')
  const details = object(usage['input_tokens_details'], 'input_tokens_details')
  const hit = countOrNull(details['cached_tokens'], 'cached_tokens')
  const written = countOrNull(details['cache_write_tokens'], 'cache_write_tokens')
  assert.ok((hit ?? 0) + (written ?? 0) <= input, 'cached and written tokens are part of input_tokens')
  object(usage['output_tokens_details'], 'output_tokens_details')
  return { input, hit, written, output, raw: usage }
}

function heardOf(response: Json | null, output: readonly unknown[], error: HeardError | null): Heard {
  const usage = response?.['usage']
  return {
    model: typeof response?.['model'] === 'string' ? response['model'] : '',
    parts: output.flatMap((item) => partsOf(object(item, 'item'))),
    stop: error ? null : string(response?.['status'], 'status'),
    error,
    startUsage: null,
    usage: isObject(usage) ? readResponsesUsage(usage) : null,
    wire: output,
    texts: [],
  }
}

function partsOf(item: Json): HeardPart[] {
  switch (item['type']) {
    case 'message':
      return list(item['content'], 'content').map((value) => {
        const part = object(value, 'part')
        return {
          kind: 'text',
          text: partText(part),
          refusal: part['type'] === 'refusal',
          citations: Array.isArray(part['annotations']) ? part['annotations'] : [],
        }
      })
    case 'reasoning': {
      const shown = Array.isArray(item['content']) ? item['content'] : list(item['summary'], 'summary')
      const seal = item['encrypted_content']
      return [
        {
          kind: 'reasoning',
          text: shown.map((part) => partText(object(part, 'part'))).join(''),
          seal: typeof seal === 'string' && seal !== '' ? seal : null,
        },
      ]
    }
    case 'function_call':
    case 'custom_tool_call': {
      const custom = item['type'] === 'custom_tool_call'
      return [
        {
          kind: 'call',
          id: string(item['call_id'], 'call_id'),
          name: string(item['name'], 'name'),
          namespace: typeof item['namespace'] === 'string' ? item['namespace'] : null,
          arguments: string(item[custom ? 'input' : 'arguments'], 'arguments'),
          custom,
        },
      ]
    }
    default:
      return []
  }
}

function partText(part: Json): string {
  return string(part[part['type'] === 'refusal' ? 'refusal' : 'text'], 'part text')
}

function partIndex(event: Json, summary: boolean): number {
  return count(event[summary ? 'summary_index' : 'content_index'], 'content_index')
}
