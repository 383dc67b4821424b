/**
 * Responses items (`input` of a request, `output` of an answer) as canonical items, in the order given.
 *
 * Easy messages without a `type` are messages. Items that only this protocol knows, references to stored items
 * among them, stay as they are, as foreign items.
 */
import { WireError } from '../errors.ts'
import type { AssistantTextItem, Item, Part, ReasoningItem, SourceSpan, TextPart } from '../canonical/request.ts'
import type { Sealer } from '../seal/seal.ts'
import type { TranslationReport } from '../translation/report.ts'
import { readParts } from './read-parts.ts'
import { isObject, objectOf, optionalString, requiredString, type WireObject } from './read-field.ts'

export interface ItemContext {
  /** Opens tokens that we minted; null when reading an upstream's answer. */
  readonly sealer: Sealer | null
  readonly report: TranslationReport | null
}

/** How an upstream token that was not sealed is marked, when its family is not the one this field belongs to. */
export const foreignTokenPrefix = { anthropic: 'ptl-anthropic.' } as const

/**
 * @param path    The item in the caller's spelling, e.g. `input[3]`.
 * @param pointer The same as a JSON pointer, for the canonical item's source.
 */
export function readItem(value: unknown, path: string, pointer: string, context: ItemContext): readonly Item[] {
  const item = objectOf(value, path)
  const at = `${path}.`
  const source: SourceSpan = { pointer }
  const type = itemType(item, at)
  switch (type) {
    case 'message':
      return readMessage(item, at, source)
    case 'reasoning':
      return readReasoning(item, at, source, context)
    case 'function_call':
    case 'custom_tool_call': {
      const custom = type === 'custom_tool_call'
      const id = optionalString(item, 'id', at)
      return [
        {
          kind: 'tool-call',
          callId: optionalString(item, 'call_id', at) ?? requiredString(item, 'id', at),
          name: requiredString(item, 'name', at),
          namespace: optionalString(item, 'namespace', at),
          argumentsText: custom ? textOf(item.input) : textOf(item.arguments),
          custom,
          ...(id !== null && { id }),
          source,
        },
      ]
    }
    case 'function_call_output':
    case 'custom_tool_call_output':
      return [
        {
          kind: 'tool-result',
          callId: requiredString(item, 'call_id', at),
          parts: readParts(isObject(item.output) ? JSON.stringify(item.output) : item.output, `${at}output`),
          isError: false,
          ...(type === 'custom_tool_call_output' && { custom: true }),
          source,
        },
      ]
    default:
      return [{ kind: 'foreign', protocol: 'responses', name: type, role: foreignRole(type), raw: item, source }]
  }
}

function itemType(item: WireObject, at: string): string {
  const type = optionalString(item, 'type', at)
  if (type !== null) return type
  if (item.role !== undefined) return 'message'
  // `{"id":"msg_1"}`: a reference may leave its type out.
  return typeof item.id === 'string' ? 'item_reference' : requiredString(item, 'type', at)
}

function readMessage(item: WireObject, at: string, source: SourceSpan): readonly Item[] {
  const role = requiredString(item, 'role', at)
  if (role === 'assistant') return readAssistant(item, at, source)
  const parts = readParts(item.content, `${at}content`)
  if (role === 'user') return [{ kind: 'user', parts, source }]
  if (role !== 'system' && role !== 'developer')
    throw new WireError('WIRE_BAD_FIELD', `\`${at}role\` must be user, assistant, system or developer.`, `${at}role`)
  return [{ kind: 'instruction', placement: 'inline', role, parts: textOnly(parts, `${at}content`), source }]
}

function textOnly(parts: readonly Part[], path: string): readonly TextPart[] {
  return parts.map((part, index) => {
    if (part.type === 'text') return part
    throw new WireError('WIRE_BAD_FIELD', `\`${path}[${index}]\`: instructions are text only.`, `${path}[${index}]`)
  })
}

/** Runs of text and of refusal become items of their own. */
function readAssistant(item: WireObject, at: string, source: SourceSpan): readonly Item[] {
  const phase = optionalString(item, 'phase', at)
  const runs: { refusal: boolean; parts: TextPart[] }[] = []
  const parts = typeof item.content === 'string' ? [{ type: 'output_text', text: item.content }] : (item.content ?? [])
  const others: Item[] = []
  for (const [index, value] of (Array.isArray(parts) ? parts : [parts]).entries()) {
    const path = `${at}content[${index}]`
    const refusal = isObject(value) && value.type === 'refusal'
    const part: Part | undefined = refusal
      ? { type: 'text', text: requiredString(value, 'refusal', `${path}.`) }
      : readParts([value], path)[0]
    if (part?.type !== 'text') {
      others.push({ kind: 'foreign', protocol: 'responses', name: 'message', role: 'assistant', raw: item, source })
      continue
    }
    const run = runs.at(-1)
    if (run?.refusal === refusal) run.parts.push(part)
    else runs.push({ refusal, parts: [part] })
  }
  // Pictures in an assistant message: nobody else has a place for them, so the message stays whole.
  if (others[0] !== undefined) return [others[0]]
  return runs.map((run): AssistantTextItem => ({
    kind: 'assistant-text',
    parts: run.parts,
    ...(run.refusal && { refusal: true }),
    ...(phase !== null && { phase }),
    source,
  }))
}

function readReasoning(item: WireObject, at: string, source: SourceSpan, context: ItemContext): readonly Item[] {
  const id = optionalString(item, 'id', at)
  const summary = textsOf(item.summary)
  const shown = textsOf(item.content)
  const plain: Omit<ReasoningItem, 'token'> = {
    kind: 'reasoning',
    text: shown.length > 0 ? shown.join('') : null,
    summary,
    ...(id !== null && { id }),
    source,
  }
  const data = optionalString(item, 'encrypted_content', at) ?? ''
  if (data === '') return plain.text === null && summary.length === 0 ? [] : [{ ...plain, token: null }]
  if (context.sealer?.isOurs(data)) return openReasoning(plain, data, context.sealer, context.report)
  if (data.startsWith(foreignTokenPrefix.anthropic)) {
    const token = { family: 'anthropic', data: data.slice(foreignTokenPrefix.anthropic.length) } as const
    return [{ ...plain, token }]
  }
  return [{ ...plain, token: { family: 'openai', data } }]
}

/** Our own token says exactly what was sampled; what the client shows beside it may have been cut or tidied. */
function openReasoning(
  plain: Omit<ReasoningItem, 'token'>,
  data: string,
  sealer: Sealer,
  report: TranslationReport | null,
): readonly Item[] {
  const sealed = sealer.open(data)
  if (sealed === null) {
    // Sealed by another installation or altered: nobody can read it, so it is not worth sending on.
    report?.dropped('encrypted_content')
    return plain.text === null && plain.summary.length === 0 ? [] : [{ ...plain, token: null }]
  }
  const text = sealed.reasoning === '' ? plain.text : sealed.reasoning
  const inner = sealed.token
  if (inner === undefined) return [{ ...plain, text, token: { family: 'portolan', data } }]
  const family = inner.family === 'anthropic' || inner.family === 'openai' ? inner.family : 'unknown'
  const id = inner.id ?? plain.id
  return [
    {
      ...plain,
      text,
      ...(id !== undefined && { id }),
      ...(inner.redacted && { redacted: true }),
      token: { family, data: inner.data },
    },
  ]
}

/** Texts of `summary_text` and `reasoning_text` parts; anything else has none. */
function textsOf(parts: unknown): readonly string[] {
  if (!Array.isArray(parts)) return []
  return parts.flatMap((part: unknown) => (isObject(part) && typeof part.text === 'string' ? [part.text] : []))
}

/** Arguments are a JSON string; some clients send the object itself. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function foreignRole(type: string): 'user' | 'assistant' {
  return type.endsWith('_call') || type === 'mcp_list_tools' || type === 'mcp_approval_request' ? 'assistant' : 'user'
}
