/**
 * Complete answers of Messages, both ways.
 *
 * Written with every member that the vendor's 1.x types require, nullable ones as explicit nulls. Reasoning goes
 * out as a thinking block whose signature is the upstream's own or a token of ours that holds the text and the
 * exact arguments of the calls after it, so that a client that replays it loses nothing.
 */
import type { AnswerContext } from '../canonical/adapter.ts'
import type { ReasoningItem, ToolCallItem } from '../canonical/request.ts'
import type { CanonicalResponse, OutputItem } from '../canonical/response.ts'
import { noUsage } from '../canonical/usage.ts'
import { WireError } from '../errors.ts'
import { restoreToolCalls } from '../history/tool-restore.ts'
import { collectRaw, minifyJson } from '../json/raw-values.ts'
import { readStopReason, stopWithoutReason, stopOfRefusal, writeStopDetails, writeStopReason } from './stop-reason.ts'
import { inputForClient } from './tool-input.ts'
import { isObject, listOf, stringOr, type WireObject } from './types.ts'
import { readMessagesUsage, writeMessagesUsage } from './usage.ts'

/** Block types whose content the vendor's servers make; carried whole between Messages sides. */
export function isVendorBlock(type: string): boolean {
  return (
    type === 'server_tool_use' ||
    type === 'mcp_tool_use' ||
    type === 'container_upload' ||
    type === 'compaction' ||
    type.endsWith('_tool_result')
  )
}

// ------------------------------------------------------------------------------------------- reading

/** @throws {WireError} `WIRE_BAD_STREAM` when the body is no message or contradicts itself. */
export function toCanonicalResponse(body: unknown, text: string): CanonicalResponse {
  if (!isObject(body) || !Array.isArray(body['content']))
    throw new WireError('WIRE_BAD_STREAM', 'The upstream answered with something that is not a message.', 'content')
  const content = body['content']
  const hasCalls = content.some((block: unknown) => isObject(block) && block['type'] === 'tool_use')
  const inputs = hasCalls && text !== '' ? collectOutputInputs(text) : new Map<string, string>()
  const items: OutputItem[] = []
  for (const [at, block] of content.entries())
    if (isObject(block)) items.push(...readBlock(block, inputs.get(`/content/${at}/input`) ?? null, at))
  const hasCall = items.some((item) => item.kind === 'tool-call')
  const word = stringOr(body['stop_reason'])
  const stop = word === null ? stopWithoutReason(hasCall) : readStopReason(word, hasCall)
  if (stop === 'tool-call' && !hasCall && !items.some((item) => item.kind === 'foreign'))
    throw new WireError('WIRE_BAD_STREAM', 'The upstream stopped for a tool call without making one.', 'stop_reason')
  const details = isObject(body['stop_details']) ? body['stop_details'] : null
  return {
    id: stringOr(body['id']) ?? '',
    model: stringOr(body['model']) ?? '',
    createdSec: null,
    items,
    stop,
    stopSequence: stringOr(body['stop_sequence']),
    refusalExplanation: stringOr(details?.['explanation']),
    usage: readMessagesUsage(body['usage']) ?? noUsage,
    logprobs: null,
    moreChoices: [],
  }
}

function collectOutputInputs(text: string): ReadonlyMap<string, string> {
  return collectRaw(text, (path) => path.length === 3 && path[0] === 'content' && path[2] === 'input')
}

function readBlock(block: WireObject, rawInput: string | null, at: number): readonly OutputItem[] {
  const type = stringOr(block['type']) ?? ''
  switch (type) {
    case 'text': {
      const text = stringOr(block['text']) ?? ''
      if (text === '') return []
      const citations = listOf(block['citations'])
      const part = { type: 'text' as const, text, ...(citations.length > 0 ? { citations } : {}) }
      return [{ kind: 'assistant-text', parts: [part] }]
    }
    case 'thinking': {
      const text = stringOr(block['thinking']) || null
      const data = stringOr(block['signature']) ?? ''
      if (text === null && data === '') return []
      return [{ kind: 'reasoning', text, summary: [], token: data === '' ? null : { family: 'anthropic', data } }]
    }
    case 'redacted_thinking': {
      const data = stringOr(block['data']) ?? ''
      return [{ kind: 'reasoning', text: null, summary: [], token: { family: 'anthropic', data }, redacted: true }]
    }
    case 'tool_use':
      return [
        {
          kind: 'tool-call',
          callId: stringOr(block['id']) || `toolu_${at}`,
          name: stringOr(block['name']) ?? '',
          namespace: null,
          argumentsText: rawInput === null ? JSON.stringify(block['input'] ?? {}) : minifyJson(rawInput),
          custom: false,
        },
      ]
    default:
      return [{ kind: 'foreign', protocol: 'messages', name: type, role: 'assistant', raw: block }]
  }
}

// ------------------------------------------------------------------------------------------- writing

export function fromCanonicalResponse(response: CanonicalResponse, context: AnswerContext): Record<string, unknown> {
  const items = restoreToolCalls(response.items, context.toolNames)
  const content: Record<string, unknown>[] = []
  for (const [at, item] of items.entries()) content.push(...writeItem(item, items, at, context))
  const hasCall = items.some((item) => item.kind === 'tool-call')
  const refused = items.find((item) => item.kind === 'assistant-text' && item.refusal === true)
  const stop = stopOfRefusal(response.stop, refused !== undefined)
  return {
    id: messageId(context),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content,
    stop_reason: writeStopReason(stop, hasCall),
    stop_sequence: response.stopSequence,
    stop_details: writeStopDetails(stop, response.refusalExplanation),
    container: null,
    diagnostics: null,
    usage: writeMessagesUsage(response.usage),
  }
}

/** An id of our own in this protocol's style. */
export function messageId(context: AnswerContext): string {
  return `msg_${context.requestId.replace(/[^A-Za-z0-9]/g, '')}`
}

function writeItem(
  item: OutputItem,
  items: readonly OutputItem[],
  at: number,
  context: AnswerContext,
): readonly Record<string, unknown>[] {
  switch (item.kind) {
    case 'assistant-text': {
      const text = item.parts.map((part) => part.text).join('')
      if (text === '') return []
      return [{ type: 'text', text, citations: writeCitations(item.parts.flatMap((part) => part.citations ?? [])) }]
    }
    case 'reasoning':
      return writeReasoning(item, argumentsAfter(items, at), context)
    case 'tool-call':
      return [
        {
          type: 'tool_use',
          id: item.callId || `toolu_${context.requestId}_${at}`,
          caller: { type: 'direct' },
          name: item.name,
          input: item.custom ? { input: item.argumentsText } : inputForClient(item.argumentsText),
        },
      ]
    default:
      return item.protocol === 'messages' && isObject(item.raw) ? [{ ...item.raw }] : []
  }
}

/** Arguments of the calls that follow this reasoning, up to the next: what its token has to hold. */
function argumentsAfter(items: readonly OutputItem[], at: number): Readonly<Record<string, string>> {
  const calls: ToolCallItem[] = []
  for (const item of items.slice(at + 1)) {
    if (item.kind === 'reasoning') break
    if (item.kind === 'tool-call') calls.push(item)
  }
  return Object.fromEntries(calls.map((call) => [call.callId, call.argumentsText]))
}

function writeReasoning(
  item: ReasoningItem,
  toolArguments: Readonly<Record<string, string>>,
  context: AnswerContext,
): readonly Record<string, unknown>[] {
  if (item.redacted === true && item.token?.family === 'anthropic')
    return [{ type: 'redacted_thinking', data: item.token.data }]
  const text = item.text ?? item.summary.join('\n\n')
  const signature = signatureOf(item.token, text, toolArguments, context, item.id)
  if (text === '' && signature === '') return []
  return [{ type: 'thinking', thinking: hidesThinking(context) ? '' : text, signature }]
}

/** The caller asked not to see thinking; the text then travels in the signature alone. */
export function hidesThinking(context: AnswerContext): boolean {
  return context.request.thinking?.display === 'omitted'
}

/**
 * The upstream's own signature if this protocol's clients can carry it, else a token of ours, else none. A token
 * of another protocol (encrypted reasoning) rides inside ours, or its issuer would think from nothing on the
 * next turn (litellm#39339).
 */
export function signatureOf(
  token: ReasoningItem['token'],
  text: string,
  toolArguments: Readonly<Record<string, string>>,
  context: AnswerContext,
  id?: string,
): string {
  // Other suppliers sign in this protocol without putting the text into the signature: hidden text must ride in ours.
  const carriesText = context.upstreamFamily === 'anthropic' || !hidesThinking(context) || text === ''
  if (token !== null && ((token.family === 'anthropic' && carriesText) || token.family === 'portolan'))
    return token.data
  if (context.sealer === null || (text === '' && token === null)) return ''
  const content = { family: context.upstreamFamily, reasoning: text, toolArguments }
  if (token === null) return context.sealer.seal(content)
  const inner = { family: token.family, data: token.data, ...(id === undefined ? {} : { id }) }
  return context.sealer.seal({ ...content, token: inner })
}

/** Citations in this protocol's shapes; null when there are none, as the 1.x types want. */
export function writeCitations(citations: readonly unknown[]): readonly unknown[] | null {
  const written = citations.map(writeCitation).filter((citation) => citation !== null)
  return written.length === 0 ? null : written
}

function writeCitation(citation: unknown): WireObject | null {
  if (!isObject(citation)) return null
  const type = stringOr(citation['type']) ?? ''
  if (type.endsWith('_location')) return citation
  if (type !== 'url_citation') return null
  const inner = isObject(citation['url_citation']) ? citation['url_citation'] : citation
  const url = stringOr(inner['url'])
  if (url === null) return null
  return {
    type: 'web_search_result_location',
    cited_text: '',
    encrypted_index: '',
    title: stringOr(inner['title']),
    url,
  }
}
