/**
 * What known clients do to the history they replay, undone.
 *
 * Measured with Claude Code 2.1.330 and the vendor's SDKs: a system message comes as a block array on one turn
 * and as a plain string on the next; tool results come in order of completion; text sampled after a tool call
 * comes back before it; arguments that were cut off come back as `{"__unparsedToolInput":{"raw","len"}}`; cache
 * marks move every turn. Equal meaning must give equal canonical items, or no prefix cache ever hits. How items
 * group into turns is `turns.ts`; this file works on the item list as it was read.
 */
import type { Item, ToolCallItem, ToolResultItem, UserItem } from '../canonical/request.ts'

const unparsedMember = '__unparsedToolInput'

/** The verbatim argument string inside Claude Code's stand-in for arguments that did not parse; else null. */
export function unparsedToolInput(input: unknown): string | null {
  if (typeof input !== 'object' || input === null) return null
  if (Object.keys(input).length !== 1 || !(unparsedMember in input)) return null
  const inner = input[unparsedMember]
  if (typeof inner !== 'object' || inner === null || !('raw' in inner)) return null
  return typeof inner.raw === 'string' ? inner.raw : null
}

/** The stand-in itself: arguments that are no JSON object survive a protocol that wants an object. */
export function wrapUnparsedToolInput(raw: string): Readonly<Record<string, unknown>> {
  return { [unparsedMember]: { raw, len: raw.length } }
}

/**
 * Items in the one order that every replay of the same conversation has.
 *
 * Within an assistant stretch, text goes before the calls it was sampled after (up to the last reasoning, which
 * keeps its place: it is bound to what follows). Within the stretch that answers, results come first and in
 * call order; what the user says besides follows. Results that answer nothing keep their order, behind.
 */
export function settleReplayedItems(items: readonly Item[]): readonly Item[] {
  const settled: Item[] = []
  let calls: ToolCallItem[] = []
  let at = 0
  while (at < items.length) {
    const end = stretchEnd(items, at)
    const stretch = items.slice(at, end)
    if (isAssistantSide(stretch[0])) {
      settled.push(...textBeforeCalls(stretch))
      calls = stretch.filter((item) => item.kind === 'tool-call')
    } else {
      settled.push(...resultsFirst(stretch, calls))
      calls = []
    }
    at = end
  }
  return settled
}

function isAssistantSide(item: Item | undefined): boolean {
  if (item === undefined) return false
  return (
    item.kind === 'assistant-text' ||
    item.kind === 'reasoning' ||
    item.kind === 'tool-call' ||
    (item.kind === 'foreign' && item.role === 'assistant')
  )
}

function stretchEnd(items: readonly Item[], start: number): number {
  const assistant = isAssistantSide(items[start])
  let end = start + 1
  while (end < items.length && isAssistantSide(items[end]) === assistant) end++
  return end
}

function textBeforeCalls(stretch: readonly Item[]): Item[] {
  const ordered: Item[] = []
  let calls: Item[] = []
  for (const item of stretch) {
    if (item.kind === 'tool-call') calls.push(item)
    else if (item.kind === 'assistant-text') ordered.push(item)
    else {
      ordered.push(...calls, item)
      calls = []
    }
  }
  return [...ordered, ...calls]
}

function resultsFirst(stretch: readonly Item[], calls: readonly ToolCallItem[]): readonly Item[] {
  const results: ToolResultItem[] = []
  const rest: Item[] = []
  for (const item of stretch) {
    if (item.kind === 'tool-result') results.push(item)
    else if (item.kind === 'user' && item.parts.length === 0) continue
    else rest.push(item)
  }
  if (results.length === 0) return stretch
  const rank = new Map<string, number>()
  for (const [index, call] of calls.entries()) if (!rank.has(call.callId)) rank.set(call.callId, index)
  const rankOf = (result: ToolResultItem): number => rank.get(result.callId) ?? calls.length
  return [...results.toSorted((one, other) => rankOf(one) - rankOf(other)), ...mergeUsers(rest)]
}

/** User text that stood on both sides of a result is one user item now. */
function mergeUsers(items: readonly Item[]): Item[] {
  const merged: Item[] = []
  for (const item of items) {
    const last = merged.at(-1)
    if (item.kind === 'user' && last?.kind === 'user' && canMerge(last, item))
      merged[merged.length - 1] = { ...last, parts: [...last.parts, ...item.parts] }
    else merged.push(item)
  }
  return merged
}

function canMerge(one: UserItem, other: UserItem): boolean {
  return one.name === other.name && messageOf(one) === messageOf(other)
}

/** `/messages/3/content/1` and `/messages/3/content/4` are one message. */
function messageOf(item: UserItem): string {
  return item.source?.pointer.split('/').slice(0, 3).join('/') ?? ''
}
