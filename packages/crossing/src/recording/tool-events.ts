/** Calls of a session joined with the results that the client sent back, by call id, in the order of the calls. */
import type { Exchange, ToolEvent } from '../records/index.ts'

export function toolEventsOf(sessionId: string, exchanges: readonly Exchange[]): readonly ToolEvent[] {
  const events: ToolEvent[] = []
  /** Some engines number calls from nought in every answer: an id means the latest call that bears it. */
  const open = new Map<string, number>()
  const seen = new Set<string>()
  for (const { seq, content } of exchanges) {
    // Every request repeats its history: only what follows the last word of the assistant is news.
    const items = content?.request.items ?? []
    const news = items.findLastIndex(({ kind }) => kind === 'tool-call' || kind === 'assistant-text') + 1
    for (const item of items.slice(news)) {
      if (item.kind !== 'tool-result') continue
      const index = open.get(item.callId)
      if (index === undefined) continue
      events[index] = { ...events[index]!, resultSeq: seq, result: item.parts, isError: item.isError }
      open.delete(item.callId)
    }
    for (const item of content?.response?.items ?? []) {
      if (item.kind !== 'tool-call') continue
      const identity = `${seq}\0${item.callId}`
      if (seen.has(identity)) continue
      seen.add(identity)
      open.set(item.callId, events.length)
      events.push({
        sessionId,
        callSeq: seq,
        resultSeq: null,
        callId: item.callId,
        name: item.name,
        namespace: item.namespace,
        argumentsText: item.argumentsText,
        result: null,
        isError: false,
        toolClass: null,
      })
    }
  }
  return events
}
