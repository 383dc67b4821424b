/**
 * Recorded prompts as the timeline that the meter's cache simulator asks for.
 *
 * Needs no words: block ids, their bytes, and the tokens that the vendor billed, shared out by bytes. The largest
 * remainder never moves: tokens up to a block are the billed prompt times its share of the bytes, rounded down, so that
 * one prompt always adds up to what was billed.
 */
import type { PromptSegment, TimelineRequest } from '@portolan/meter'
import type { Exchange } from '../records/index.ts'

/** An exchange whose prompt and prompt tokens are known. */
export interface TimedExchange {
  readonly exchange: Exchange
  readonly request: TimelineRequest
}

/** Those that can be simulated, by arrival. `scope`: caches are not shared between keys. */
export function timelineOf(exchanges: Iterable<Exchange>, scope: (exchange: Exchange) => string): TimedExchange[] {
  const timed: TimedExchange[] = []
  for (const exchange of exchanges) {
    const { prompt, usage } = exchange
    if (prompt === null || usage.inputTokens === null) continue
    timed.push({
      exchange,
      request: {
        atMs: exchange.startedAtMs,
        scope: scope(exchange),
        segments: segmentsOf(exchange, usage.inputTokens),
        outputTokens: usage.outputTokens,
        answer: prompt.answer.map(({ id }) => ({ id, tokens: 0 })),
      },
    })
  }
  return timed.sort((a, b) => a.request.atMs - b.request.atMs)
}

function segmentsOf({ prompt }: Exchange, inputTokens: number): PromptSegment[] {
  const bytes = prompt!.blocks.reduce((sum, block) => sum + block.bytes, 0)
  let upTo = 0
  let before = 0
  return prompt!.blocks.map(({ id, bytes: size, mark }) => {
    upTo += size
    const reached = bytes === 0 ? 0 : Math.floor((inputTokens * upTo) / bytes)
    const tokens = reached - before
    before = reached
    return mark === undefined ? { id, tokens } : { id, tokens, mark }
  })
}
