/**
 * Reasoning on the Chat wire: plain text in one member, opaque tokens in `reasoning_details`.
 *
 * The list follows OpenRouter's convention: `reasoning.text` (with a `signature`), `reasoning.summary`,
 * `reasoning.encrypted`, told apart further by `format`. A token of ours rides as `reasoning.encrypted`.
 */
import type { ReasoningItem } from '../canonical/request.ts'
import type { Sealer } from '../seal/seal.ts'
import { isObject, textOf, type JsonObject } from './fields.ts'

type Token = NonNullable<ReasoningItem['token']>

const anthropicFormat = 'anthropic-claude-v1'
const openaiFormat = 'openai-responses-v1'

/**
 * The reasoning of one assistant message.
 *
 * Tokens of ours win over plain text: they are exact, and some clients drop or trim the text. A foreign token
 * is kept only where it is clear which text it belongs to.
 *
 * @returns The items, and the exact argument strings that the tokens carried, by call id.
 */
export function readReasoning(
  text: string | null,
  details: readonly JsonObject[],
  sealer: Sealer | null,
): { readonly items: readonly ReasoningItem[]; readonly toolArguments: Readonly<Record<string, string>> } {
  const own: ReasoningItem[] = []
  const foreign: { token: Token; id: string | null; signed: boolean; text: string }[] = []
  const toolArguments: Record<string, string> = {}
  const summary: string[] = []
  let detailText = ''
  for (const detail of details) {
    const piece = textOf(detail['text']) ?? ''
    detailText += piece
    if (detail['type'] === 'reasoning.summary') {
      const words = textOf(detail['summary'])
      if (words !== null && words !== '') summary.push(words)
    }
    const data = tokenData(detail)
    if (data === null) continue
    const opened = sealer?.isOurs(data) === true ? sealer.open(data) : null
    if (opened !== null) {
      own.push({ kind: 'reasoning', text: opened.reasoning, summary: [], token: { family: 'portolan', data } })
      Object.assign(toolArguments, opened.toolArguments)
    } else
      foreign.push({
        token: { family: familyOf(detail), data },
        id: textOf(detail['id']),
        signed: textOf(detail['signature']) !== null,
        text: piece,
      })
  }
  if (own.length > 0) return { items: own, toolArguments }

  const signed = foreign.filter((entry) => entry.signed)
  const encrypted = foreign.filter((entry) => !entry.signed)
  const plain = text ?? (detailText === '' ? null : detailText)
  const items: ReasoningItem[] = []
  if (signed.length > 1 && signed.every((entry) => entry.text !== ''))
    items.push(...signed.map((entry) => itemOf(entry.text, [], entry)))
  else if (plain !== null || summary.length > 0 || signed.length === 1)
    // Several signatures over one joined text: none of them fits it.
    items.push(itemOf(plain, summary, signed.length === 1 ? signed[0] : undefined))
  for (const entry of encrypted) {
    const last = items.at(-1)
    // OpenAI's encrypted reasoning stands beside its summary: one item.
    if (last !== undefined && last.token === null && entry.token.family === 'openai')
      items[items.length - 1] = { ...last, token: entry.token, ...(entry.id === null ? {} : { id: entry.id }) }
    else items.push({ ...itemOf(null, [], entry), redacted: entry.token.family === 'anthropic' })
  }
  return { items, toolArguments }
}

/** One token as an entry of `reasoning_details`. */
export function writeReasoningDetail(
  token: Token,
  index: number,
  redacted: boolean,
  id?: string,
): Record<string, unknown> {
  if (token.family === 'anthropic' && !redacted)
    return { type: 'reasoning.text', text: '', signature: token.data, index, format: anthropicFormat }
  const format = token.family === 'anthropic' ? anthropicFormat : token.family === 'openai' ? openaiFormat : null
  return {
    type: 'reasoning.encrypted',
    data: token.data,
    ...(id === undefined ? {} : { id }),
    index,
    ...(format === null ? {} : { format }),
  }
}

/** What one streamed `reasoning_details` entry brings: text, summary text and a token. */
export function readReasoningDetail(value: unknown): {
  readonly text: string
  readonly summary: string
  readonly token: Token | null
  readonly redacted: boolean
} {
  if (!isObject(value)) return { text: '', summary: '', token: null, redacted: false }
  const data = tokenData(value)
  return {
    text: textOf(value['text']) ?? '',
    summary: textOf(value['summary']) ?? '',
    token: data === null ? null : { family: familyOf(value), data },
    redacted: value['type'] === 'reasoning.encrypted',
  }
}

function itemOf(
  text: string | null,
  summary: readonly string[],
  entry?: { token: Token; id: string | null },
): ReasoningItem {
  return {
    kind: 'reasoning',
    text,
    summary,
    token: entry?.token ?? null,
    ...(entry === undefined || entry.id === null ? {} : { id: entry.id }),
  }
}

function tokenData(detail: JsonObject): string | null {
  const data = detail['type'] === 'reasoning.encrypted' ? textOf(detail['data']) : textOf(detail['signature'])
  return data === '' ? null : data
}

function familyOf(detail: JsonObject): Token['family'] {
  if (textOf(detail['data'])?.startsWith('ptl1.') === true) return 'portolan'
  const format = textOf(detail['format']) ?? ''
  if (format.startsWith('anthropic')) return 'anthropic'
  if (format.startsWith('openai')) return 'openai'
  // Signed text is Anthropic's alone.
  return textOf(detail['signature']) === null ? 'unknown' : 'anthropic'
}
