/**
 * The demonstration upstream: answers without a model, and says so.
 *
 * Exists so that the first minute works with no key at all: doors, streams, tool calls, structured output and
 * the ledger can be seen. It never pretends: its text says what it is, and its token counts are estimates and
 * marked so. Pure: the same request gives the same events.
 */
import type { CanonicalEvent, CanonicalRequest, Part, StopReason, Tool, Usage } from '@portolan/wire'
import type { GenerateContext } from '../capabilities.ts'
import { minimalInstance } from './minimal-instance.ts'

export const demoModel = 'portolan-demo'

/** Roughly right for English, and nothing is billed by it. */
const charactersPerToken = 4
const quotedCharacters = 160

export async function* generateDemo(
  request: CanonicalRequest,
  context: GenerateContext,
): AsyncGenerator<CanonicalEvent, void, undefined> {
  const inputTokens = tokensOf(promptCharacters(request))
  yield {
    type: 'response-start',
    id: `demo-${context.requestId}`,
    model: demoModel,
    createdSec: context.createdSec,
    usage: usageOf(inputTokens, null),
  }
  const tool = forcedTool(request)
  const whole = tool ? argumentsFor(tool) : answerText(request)
  // A call cut short is worth nothing to anybody, so only text obeys stop strings.
  const { text, stop, stopSequence } = limit(whole, tool ? [] : request.stop, request.maxOutputTokens)
  if (text !== '') {
    if (tool)
      yield {
        type: 'tool-call-start',
        key: 0,
        callId: `call_${context.requestId}_0`.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64),
        name: tool.name ?? '',
        namespace: tool.kind === 'vendor' ? null : tool.namespace,
        custom: tool.kind === 'custom',
      }
    else yield { type: 'text-start', key: 0, refusal: false }
    for (const piece of pieces(text)) {
      if (context.signal?.aborted) {
        yield { type: 'error', kind: 'client-closed', message: 'The caller left.', code: null }
        return
      }
      yield tool
        ? { type: 'tool-call-delta', key: 0, argumentsDelta: piece }
        : { type: 'text-delta', key: 0, text: piece }
    }
    yield tool ? { type: 'tool-call-end', key: 0 } : { type: 'text-end', key: 0 }
  }
  yield {
    type: 'response-end',
    stop: stop === 'end' && tool ? 'tool-call' : stop,
    stopSequence,
    refusalExplanation: null,
    usage: usageOf(inputTokens, tokensOf(text)),
  }
}

// ------------------------------------------------------------------------------------------------ text

function answerText(request: CanonicalRequest): string {
  const { outputFormat } = request
  if (outputFormat.type === 'json-schema') return JSON.stringify(minimalInstance(outputFormat.schema))
  if (outputFormat.type === 'json-object') return JSON.stringify({ demonstration: true, message: plainText(request) })
  return plainText(request)
}

function plainText(request: CanonicalRequest): string {
  const sentences = [
    "This is Portolan's demonstration upstream. It is not a language model and has understood nothing.",
  ]
  const last = request.items.findLast((item) => item.kind === 'user' || item.kind === 'tool-result')
  if (last?.kind === 'user') {
    const text = textOf(last.parts).replace(/\s+/g, ' ').trim()
    const characters = Array.from(text)
    const shown = characters.slice(0, quotedCharacters).join('')
    if (text !== '')
      sentences.push(`Your message began: "${shown}${characters.length > quotedCharacters ? '...' : ''}"`)
    const others = last.parts.filter((part) => part.type !== 'text').length
    if (others > 0)
      sentences.push(
        `It also held ${others} part${others === 1 ? '' : 's'} that ${others === 1 ? 'is' : 'are'} not text.`,
      )
  } else if (last?.kind === 'tool-result')
    sentences.push(
      `A tool result of ${textOf(last.parts).length} characters arrived${last.isError ? ', marked as an error' : ''}.`,
    )
  sentences.push(
    'To talk to a model, give Portolan an upstream: set DEEPSEEK_API_KEY, OPENAI_API_KEY or ANTHROPIC_API_KEY, or write one into portolan.yaml.',
  )
  return sentences.join(' ')
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === 'text' || part.type === 'search-result' ? part.text : '')).join('')
}

// ----------------------------------------------------------------------------------------------- tools

function forcedTool(request: CanonicalRequest): Tool | null {
  const { toolChoice, tools } = request
  if (!toolChoice) return null
  const callable = tools.filter((tool) => tool.name !== null && (tool.kind !== 'vendor' || tool.clientExecuted))
  switch (toolChoice.mode) {
    case 'required':
      return callable[0] ?? null
    case 'named':
      return callable.find((tool) => tool.name === toolChoice.name) ?? null
    case 'allowed':
      return toolChoice.require ? (callable.find((tool) => toolChoice.names.includes(tool.name!)) ?? null) : null
    default:
      return null
  }
}

function argumentsFor(tool: Tool): string {
  if (tool.kind === 'custom') return 'demonstration'
  if (tool.kind === 'vendor') return '{}'
  const value = minimalInstance(tool.parameters)
  // Tool arguments are an object in every protocol, whatever the schema says.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : '{}'
}

// ---------------------------------------------------------------------------------------------- limits

function limit(
  text: string,
  stops: readonly string[],
  maxTokens: number | null,
): { text: string; stop: StopReason; stopSequence: string | null } {
  let end = text.length
  let stopSequence: string | null = null
  for (const sequence of stops) {
    const at = sequence === '' ? -1 : text.indexOf(sequence)
    if (at >= 0 && at < end) {
      end = at
      stopSequence = sequence
    }
  }
  const budget = maxTokens === null ? Infinity : maxTokens * charactersPerToken
  if (end > budget) return { text: wholeCharacters(text.slice(0, budget)), stop: 'length', stopSequence: null }
  return { text: text.slice(0, end), stop: stopSequence === null ? 'end' : 'stop-sequence', stopSequence }
}

/** Drops half of a surrogate pair that a cut left behind. */
function wholeCharacters(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text
}

/** Words with their blanks, as a model would send them. Long words in parts, never inside a surrogate pair. */
function pieces(text: string): readonly string[] {
  return text.match(/\s*\S{1,24}(?![\udc00-\udfff])|\s+|[^]/gu) ?? []
}

// ----------------------------------------------------------------------------------------------- usage

function promptCharacters(request: CanonicalRequest): number {
  let characters = 0
  for (const item of request.items) {
    if (item.kind === 'tool-call') characters += item.name.length + item.argumentsText.length
    else if (item.kind === 'reasoning') characters += item.text?.length ?? 0
    else if ('parts' in item) characters += textOf(item.parts).length
  }
  for (const tool of request.tools) characters += JSON.stringify(tool)?.length ?? 0
  return characters
}

function tokensOf(text: string | number): number {
  return Math.ceil((typeof text === 'number' ? text : text.length) / charactersPerToken)
}

function usageOf(inputTokens: number, outputTokens: number | null): Usage {
  return {
    inputTokens,
    hitTokens: 0,
    missTokens: inputTokens,
    writtenTokens: null,
    written1hTokens: null,
    outputTokens,
    reasoningTokens: outputTokens === null ? null : 0,
    raw: { estimated: true, by: `characters / ${charactersPerToken}` },
  }
}
