/**
 * What is written of an exchange: only what its parent does not hold already.
 *
 * Every turn repeats its whole history, so a session written turn by turn would grow with the square of its length.
 * An exchange whose first items (or blocks) are exactly those of its parent is written as a reference and the rest. A
 * keyed hash over them is compared first, so that a redaction that came out differently is simply written whole. Cache
 * marks move from turn to turn and are written beside the items; where an item stood in the body is not kept.
 */
import { createHmac } from 'node:crypto'
import type { CacheMark, CanonicalRequest, Item } from '@portolan/wire'
import { canonicalJson, type ExchangeContent, type PromptBlock, type PromptShape } from '../records/index.ts'

export interface ExchangeBody {
  readonly shape: PromptShape
  readonly content: ExchangeContent | null
  readonly redactions: Readonly<Record<string, number>> | null
}

/** How far an exchange reaches, so that its child knows what it need not write. */
export interface DeltaEnd {
  readonly items: number
  /** 32 bytes: over the items and tools, then the id of the last block. */
  readonly chain: Uint8Array
  readonly blocks: number
  /** Deltas that lie under this one. */
  readonly depth: number
}

interface StoredBody {
  readonly version: 1
  readonly base: { readonly seq: number; readonly items: number; readonly blocks: number } | null
  readonly blocks: readonly (readonly [id: string, bytes: number])[]
  /** Block index and lifetime. */
  readonly blockMarks: readonly (readonly [number, '5m' | '1h'])[]
  readonly shape: Omit<PromptShape, 'blocks'>
  readonly content: ExchangeContent | null
  /** Item index, part index (-1: the item itself), mark. */
  readonly itemMarks: readonly (readonly [number, number, CacheMark])[]
  readonly redactions: Readonly<Record<string, number>> | null
}

export function writeDelta(
  key: Uint8Array,
  { shape, content, redactions }: ExchangeBody,
  base: (DeltaEnd & { readonly seq: number }) | null,
): DeltaEnd & { readonly text: string } {
  const { items, marks } = withoutMarks(content?.request.items ?? [])
  let chain = keyed(key, '', content === null ? '' : canonicalJson(content.request.tools))
  let agrees = base !== null && base.items === 0 && sameItems(chain, base)
  for (const [index, item] of items.entries()) {
    chain = keyed(key, chain, canonicalJson(item))
    if (base !== null && index + 1 === base.items) agrees = sameItems(chain, base)
  }
  const blocksAgree =
    base !== null &&
    base.blocks > 0 &&
    blockTag(shape.blocks[base.blocks - 1]) === Buffer.from(base.chain.subarray(16)).toString()
  const reference =
    base !== null && agrees && blocksAgree ? { seq: base.seq, items: base.items, blocks: base.blocks } : null
  const { blocks, ...rest } = shape
  const stored: StoredBody = {
    version: 1,
    base: reference,
    blocks: blocks.slice(reference?.blocks ?? 0).map(({ id, bytes }) => [id, bytes] as const),
    blockMarks: blocks.flatMap(({ mark }, index) => (mark === undefined ? [] : [[index, mark] as const])),
    shape: rest,
    content:
      content === null
        ? null
        : {
            ...content,
            request: {
              ...content.request,
              items: items.slice(reference?.items ?? 0),
              tools: reference === null ? content.request.tools : [],
            },
          },
    itemMarks: marks,
    redactions,
  }
  return {
    text: JSON.stringify(stored),
    items: items.length,
    blocks: blocks.length,
    chain: Buffer.concat([Buffer.from(chain, 'hex').subarray(0, 16), Buffer.from(blockTag(blocks.at(-1)))]),
    depth: reference === null ? 0 : base!.depth + 1,
  }
}

/** @param parent reads the exchange that this one refers to. */
export function readDelta(text: string, parent: (seq: number) => ExchangeBody): ExchangeBody {
  const stored = JSON.parse(text) as StoredBody
  const { base, content, redactions } = stored
  const before = base === null ? null : parent(base.seq)
  const blocks: PromptBlock[] = [
    ...(before?.shape.blocks.slice(0, base!.blocks).map(({ id, bytes }) => ({ id, bytes })) ?? []),
    ...stored.blocks.map(([id, bytes]) => ({ id, bytes })),
  ]
  for (const [index, mark] of stored.blockMarks) if (blocks[index]) blocks[index] = { ...blocks[index], mark }
  return {
    shape: { blocks, ...stored.shape },
    content: content === null ? null : { ...content, request: restored(content.request, stored, before) },
    redactions,
  }
}

function restored(
  request: CanonicalRequest,
  { base, itemMarks }: StoredBody,
  before: ExchangeBody | null,
): CanonicalRequest {
  const earlier = before?.content?.request
  const { items: unmarked } = withoutMarks(earlier?.items.slice(0, base?.items ?? 0) ?? [])
  const items = [...unmarked, ...request.items]
  for (const [index, part, mark] of itemMarks) {
    const item = items[index]
    if (item === undefined) continue
    items[index] =
      part === -1 || !('parts' in item)
        ? { ...item, cacheMark: mark }
        : ({ ...item, parts: item.parts.map((each, i) => (i === part ? { ...each, cacheMark: mark } : each)) } as Item)
  }
  return { ...request, items, tools: base === null ? request.tools : (earlier?.tools ?? []) }
}

function withoutMarks(items: readonly Item[]): {
  readonly items: readonly Item[]
  readonly marks: readonly (readonly [number, number, CacheMark])[]
} {
  const marks: [number, number, CacheMark][] = []
  const bare = items.map((item, index) => {
    const { cacheMark, source: _source, ...rest } = item
    if (cacheMark !== undefined) marks.push([index, -1, cacheMark])
    if (!('parts' in rest)) return rest
    const parts = rest.parts.map((part, place) => {
      if (!('cacheMark' in part) || part.cacheMark === undefined) return part
      const { cacheMark: mark, ...unmarked } = part
      marks.push([index, place, mark])
      return unmarked
    })
    return { ...rest, parts } as Item
  })
  return { items: bare, marks }
}

function keyed(key: Uint8Array, before: string, text: string): string {
  return createHmac('sha256', key).update(before).update('|').update(text.toWellFormed()).digest('hex')
}

function sameItems(chain: string, base: DeltaEnd): boolean {
  return Buffer.from(chain, 'hex').subarray(0, 16).equals(base.chain.subarray(0, 16))
}

/** 16 ASCII characters. */
function blockTag(block: PromptBlock | undefined): string {
  return block?.id ?? '-'.repeat(16)
}
