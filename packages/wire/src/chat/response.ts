/** A complete Chat answer, both ways. */
import { createHash } from 'node:crypto'
import type { AnswerContext } from '../canonical/adapter.ts'
import type { TextPart } from '../canonical/request.ts'
import type { CanonicalResponse, OutputItem, StopReason } from '../canonical/response.ts'
import { noUsage } from '../canonical/usage.ts'
import { WireError } from '../errors.ts'
import { restoreToolCalls } from '../history/tool-restore.ts'
import { annotationsOf } from './annotations.ts'
import { readErrorValue } from './errors.ts'
import { isObject, textOf, type JsonObject } from './fields.ts'
import { isWholeJson, readFinish, writeFinish } from './finish.ts'
import { readReasoning, writeReasoningDetail } from './reasoning.ts'
import { readChatUsage, writeChatUsage } from './usage.ts'

/** @throws {WireError} when it is not a Chat answer, or one that failed after all. */
export function readChatResponse(body: unknown): CanonicalResponse {
  if (!isObject(body)) throw notAnAnswer('it is not a JSON object')
  if (body['error'] !== undefined && body['error'] !== null)
    throw notAnAnswer(`it reports an error: ${readErrorValue(200, body).message}`)
  const choices = Array.isArray(body['choices']) ? body['choices'].filter(isObject) : []
  const [first, ...others] = choices
  if (first === undefined) throw notAnAnswer('it has no choices')
  const id = textOf(body['id']) ?? ''
  const main = readChoice(first, id)
  return {
    id,
    model: textOf(body['model']) ?? '',
    createdSec: typeof body['created'] === 'number' ? body['created'] : null,
    items: main.items,
    stop: main.stop,
    stopSequence: main.stopSequence,
    refusalExplanation: main.stop === 'refusal' ? main.refusal : null,
    usage: readChatUsage(body['usage']) ?? noUsage,
    logprobs: first['logprobs'] ?? null,
    moreChoices: others.map((choice) => {
      const { items, stop } = readChoice(choice, id)
      return { items, stop, logprobs: choice['logprobs'] ?? null }
    }),
  }
}

function readChoice(
  choice: JsonObject,
  responseId: string,
): { items: OutputItem[]; stop: StopReason; stopSequence: string | null; refusal: string | null } {
  const message = isObject(choice['message']) ? choice['message'] : {}
  const details = Array.isArray(message['reasoning_details']) ? message['reasoning_details'].filter(isObject) : []
  const plain = [message['reasoning_content'], message['reasoning']].find(
    (text): text is string => typeof text === 'string' && text !== '',
  )
  const { thinking, text } = readContent(message['content'])
  const items: OutputItem[] = [...readReasoning(plain ?? thinking, details, null).items]
  if (text !== '') {
    const citations = Array.isArray(message['annotations']) ? message['annotations'] : []
    const part: TextPart = { type: 'text', text, ...(citations.length > 0 ? { citations } : {}) }
    items.push({ kind: 'assistant-text', parts: [part] })
  }
  const refusal = textOf(message['refusal'])
  if (refusal !== null && refusal !== '')
    items.push({ kind: 'assistant-text', parts: [{ type: 'text', text: refusal }], refusal: true })

  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isObject) : []
  if (isObject(message['function_call'])) calls.push({ function: message['function_call'] })
  let whole = true
  for (const [ordinal, call] of calls.entries()) {
    const custom = call['type'] === 'custom'
    const inner = isObject(call[custom ? 'custom' : 'function']) ? call[custom ? 'custom' : 'function'] : {}
    const definition = isObject(inner) ? inner : {}
    const raw = custom ? definition['input'] : definition['arguments']
    const argumentsText = typeof raw === 'string' ? raw : isObject(raw) ? JSON.stringify(raw) : ''
    const name = textOf(definition['name'])
    if (name === null) throw notAnAnswer('a tool call has no name')
    whole = custom || argumentsText === '' || isWholeJson(argumentsText)
    items.push({
      kind: 'tool-call',
      callId: textOf(call['id']) || mintCallId(responseId, ordinal),
      name,
      namespace: null,
      // No arguments are an empty object: strict clients parse them (catalogue 13).
      argumentsText: argumentsText === '' && !custom ? '{}' : argumentsText,
      custom,
    })
  }
  const finish = readFinish(textOf(choice['finish_reason']) ?? 'stop', choice['stop_reason'], {
    count: calls.length,
    whole,
  })
  if ('kind' in finish)
    throw new WireError(finish.kind === 'overloaded' ? 'WIRE_UPSTREAM_OVERLOADED' : 'WIRE_BAD_STREAM', finish.message)
  return { items, ...finish, refusal }
}

/** Text content, or a list of parts in which some upstreams put their thinking. */
export function readContent(content: unknown): { readonly text: string; readonly thinking: string | null } {
  if (typeof content === 'string') return { text: content, thinking: null }
  if (!Array.isArray(content)) return { text: '', thinking: null }
  let text = ''
  let thinking = ''
  for (const part of content) {
    if (!isObject(part)) continue
    if (part['type'] === 'thinking') thinking += readContent(part['thinking']).text
    else text += textOf(part['text']) ?? ''
  }
  return { text, thinking: thinking === '' ? null : thinking }
}

/** An id for a call that came without one: the same every time the same answer is read. */
export function mintCallId(responseId: string, ordinal: number): string {
  const hash = createHash('sha256').update(`${responseId}#${ordinal}`).digest('hex').slice(0, 24)
  return `call_${String(ordinal).padStart(2, '0')}_${hash}`
}

export function chatResponseId(requestId: string): string {
  return requestId.startsWith('chatcmpl-') ? requestId : `chatcmpl-${requestId}`
}

export function writeChatResponse(response: CanonicalResponse, context: AnswerContext): Record<string, unknown> {
  const all = [response, ...response.moreChoices]
  const usage = writeChatUsage(response.usage)
  return {
    id: chatResponseId(context.requestId),
    object: 'chat.completion',
    created: context.createdSec,
    model: context.model,
    choices: all.map(({ items, stop, logprobs }, index) => {
      const message = writeMessage(restoreToolCalls(items, context.toolNames), context)
      if (index === 0 && stop === 'refusal' && message.refusal === null) message.refusal = response.refusalExplanation
      return {
        index,
        message: message.body(),
        logprobs: logprobs ?? null,
        finish_reason: writeFinish(stop, message.calls.length),
      }
    }),
    ...(usage === null ? {} : { usage }),
  }
}

function writeMessage(items: readonly OutputItem[], context: AnswerContext) {
  let text: string | null = null
  let reasoning: string | null = null
  const annotations: unknown[] = []
  const calls: Record<string, unknown>[] = []
  const details: Record<string, unknown>[] = []
  const message = { refusal: null as string | null, calls, body }
  for (const item of items) {
    if (item.kind === 'assistant-text') {
      const said = item.parts.map((part) => part.text).join('')
      if (item.refusal === true) {
        message.refusal = (message.refusal ?? '') + said
        continue
      }
      for (const part of item.parts) {
        const start = text?.length ?? 0
        text = (text ?? '') + part.text
        if (part.citations !== undefined)
          annotations.push(...annotationsOf(part.citations, start, start + part.text.length))
      }
    } else if (item.kind === 'reasoning') {
      const thought = item.text ?? (item.summary.length > 0 ? item.summary.join('\n\n') : null)
      if (thought !== null) reasoning = (reasoning ?? '') + thought
      const minted =
        item.token === null && context.sealer !== null && item.text !== null
          ? context.sealer.seal({ family: context.upstreamFamily, reasoning: item.text, toolArguments: {} })
          : null
      const token = minted === null ? item.token : { family: 'portolan' as const, data: minted }
      if (token !== null) details.push(writeReasoningDetail(token, details.length, item.redacted ?? false, item.id))
    } else if (item.kind === 'tool-call')
      calls.push(
        item.custom
          ? { id: item.callId, type: 'custom', custom: { name: item.name, input: item.argumentsText } }
          : {
              id: item.callId,
              type: 'function',
              function: { name: item.name, arguments: item.argumentsText === '' ? '{}' : item.argumentsText },
            },
      )
  }
  return message

  function body(): Record<string, unknown> {
    return {
      role: 'assistant',
      content: text ?? (calls.length > 0 || message.refusal !== null ? null : ''),
      ...(reasoning === null ? {} : { reasoning_content: reasoning }),
      ...(details.length === 0 ? {} : { reasoning_details: details }),
      refusal: message.refusal,
      ...(annotations.length === 0 ? {} : { annotations }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    }
  }
}

function notAnAnswer(why: string): WireError {
  return new WireError('WIRE_BAD_STREAM', `The upstream's answer is not a Chat completion: ${why}.`)
}
