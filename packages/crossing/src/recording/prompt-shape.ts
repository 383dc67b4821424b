/**
 * A prompt without its words: blocks of at most 256 bytes, each known by a keyed hash of all that precedes it.
 *
 * The order is the one in which servers render a prompt: tools, then the items as they stand. A block ends where a
 * part ends, because cache marks stand there. Media count as their hash: their tokens do not follow from their bytes.
 * The answer's blocks say how the next prompt goes on if the client repeats the answer as it came; reasoning is left
 * out unless it came with a token, since only clients that were given one send it back.
 */
import { createHmac, hash } from 'node:crypto'
import type {
  CacheMark,
  CanonicalRequest,
  CanonicalResponse,
  Item,
  MediaSource,
  OutputItem,
  Part,
} from '@portolan/wire'
import { canonicalJson, type PromptBlock, type PromptShape } from '../records/index.ts'

/** Fine enough for any published cache step (16 to 1024 tokens), coarse enough for a million tokens. */
const blockBytes = 256

interface Unit {
  readonly text: string
  readonly mark?: CacheMark
}

export function promptShape(
  key: Uint8Array,
  request: CanonicalRequest,
  response: CanonicalResponse | null,
): PromptShape {
  const chain = new BlockChain(key)
  const prompt = [...request.tools.map((tool) => toolUnit(tool)), ...request.items.flatMap(unitsOf)]
  const blocks = prompt.flatMap((unit) => chain.push(unit))
  const last = blocks.at(-1)
  if (last && request.autoCacheMark !== null)
    blocks[blocks.length - 1] = { ...last, mark: lifetime(request.autoCacheMark) }
  const answered = (response?.items ?? []).filter(
    (item) => item.kind !== 'reasoning' || (item.token !== null && request.from !== 'chat'),
  )
  return {
    blocks,
    answer: answered.flatMap((item) => unitsOf(item).flatMap((unit) => chain.push({ text: unit.text }))),
    toolNames: request.tools.map((tool) => tool.name ?? ('type' in tool ? tool.type : '')),
    toolsHash: request.tools.length === 0 ? null : keyed(key, canonicalJson(request.tools)),
    calledTools: (response?.items ?? []).flatMap((item) => (item.kind === 'tool-call' ? [item.name] : [])),
  }
}

class BlockChain {
  readonly #key: Uint8Array
  #before = ''

  constructor(key: Uint8Array) {
    this.#key = key
  }

  push({ text, mark }: Unit): PromptBlock[] {
    const bytes = Buffer.from(text)
    const blocks: PromptBlock[] = []
    for (let start = 0; start < bytes.length || start === 0; start += blockBytes) {
      const piece = bytes.subarray(start, start + blockBytes)
      this.#before = createHmac('sha256', this.#key)
        // Where a unit begins is part of the prompt: two short messages are not one long one.
        .update(`${start === 0 ? '|' : '+'}${this.#before}`)
        .update(piece)
        .digest('base64url')
        .slice(0, 16)
      blocks.push({ id: this.#before, bytes: piece.length })
    }
    if (mark !== undefined) blocks[blocks.length - 1] = { ...blocks.at(-1)!, mark: lifetime(mark) }
    return blocks
  }
}

function toolUnit(tool: CanonicalRequest['tools'][number]): Unit {
  const { cacheMark, ...rest } = tool as typeof tool & { readonly cacheMark?: CacheMark }
  return { text: `tool\n${canonicalJson(rest)}`, mark: cacheMark }
}

function unitsOf(item: Item | OutputItem): Unit[] {
  switch (item.kind) {
    case 'instruction':
      return partUnits(item.role, item.parts, item.cacheMark)
    case 'user':
      return partUnits('user', item.parts, item.cacheMark)
    case 'assistant-text':
      return partUnits('assistant', item.parts, item.cacheMark)
    case 'tool-result':
      return partUnits('result', item.parts, item.cacheMark)
    case 'reasoning':
      return [{ text: `reasoning\n${item.text ?? item.summary.join('\n')}`, mark: item.cacheMark }]
    case 'tool-call':
      return [{ text: `call\n${item.name}\n${item.argumentsText}`, mark: item.cacheMark }]
    default:
      return [{ text: `${item.role}\n${canonicalJson(item.raw)}`, mark: item.cacheMark }]
  }
}

function partUnits(role: string, parts: readonly Part[], mark: CacheMark | undefined): Unit[] {
  const units = parts.map((part, index) => ({
    text: (index === 0 ? `${role}\n` : '') + partText(part),
    mark: 'cacheMark' in part ? part.cacheMark : undefined,
  }))
  if (units.length === 0) return [{ text: `${role}\n`, mark }]
  return mark === undefined ? units : [...units.slice(0, -1), { ...units.at(-1)!, mark }]
}

/** What a part says, in one line of text for media. */
export function partText(part: Part): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'image':
      return `image ${mediaText(part.source)}`
    case 'document':
      return part.source.kind === 'text' ? part.source.text : `document ${mediaText(part.source)}`
    case 'audio':
      return `audio ${digest(part.base64)}`
    case 'search-result':
      return `${part.title}\n${part.source}\n${part.text}`
    default:
      return canonicalJson(part.raw)
  }
}

function mediaText(source: MediaSource): string {
  return source.kind === 'base64' ? digest(source.base64) : source.kind === 'url' ? source.url : source.fileId
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url')
}

function keyed(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url').slice(0, 22)
}

function lifetime(mark: CacheMark): '5m' | '1h' {
  return mark.ttl ?? '5m'
}
