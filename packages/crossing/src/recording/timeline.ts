/**
 * Recorded prompts as the timeline that the meter's cache simulator asks for.
 *
 * Needs no words: block ids, their bytes, and the tokens that the vendor billed, shared out by bytes. The largest
 * remainder never moves: tokens up to a block are the billed prompt times its share of the bytes, rounded down, so that
 * one prompt always adds up to what was billed.
 */
import type { PromptSegment, TimelineRequest } from '@portolan/meter'
import type { Exchange, Session } from '../records/index.ts'

/** An exchange whose prompt and prompt tokens are known. */
export interface TimedExchange {
  readonly exchange: Exchange
  readonly request: TimelineRequest
}

/** Those that can be simulated, by arrival. `scope`: caches are not shared between keys. */
export function timelineOf(exchanges: Iterable<Exchange>, scope: (exchange: Exchange) => string): TimedExchange[] {
  const timed: TimedExchange[] = []
  for (const exchange of exchanges) {
    const request = timedExchange(exchange, scope(exchange))
    if (request !== null) timed.push({ exchange, request })
  }
  return timed.sort((a, b) => a.request.atMs - b.request.atMs)
}

/** Null: its prompt or its prompt tokens are not known. */
export function timedExchange(exchange: Exchange, scope: string): TimelineRequest | null {
  const { prompt, usage, startedAtMs } = exchange
  if (prompt === null || usage.inputTokens === null) return null
  return {
    atMs: startedAtMs,
    scope,
    segments: segmentsOf(exchange, usage.inputTokens),
    outputTokens: usage.outputTokens,
    answer: prompt.answer.map(({ id }) => ({ id, tokens: 0 })),
  }
}

/**
 * The exchanges of many sessions in the order of their arrival. Only the sessions that were going on at one moment are
 * held at once.
 */
export function* byArrival(
  sessions: Iterable<Pick<Session, 'id' | 'firstAtMs'>>,
  exchangesOf: (sessionId: string) => readonly Exchange[],
): Generator<Exchange> {
  const waiting = Array.from(sessions, ({ id, firstAtMs }) => ({ id, firstAtMs }))
  waiting.sort((a, b) => a.firstAtMs - b.firstAtMs)
  /** What is left of each, the next one last. */
  let going: Exchange[][] = []
  for (let opened = 0; ;) {
    let next: Exchange[] | undefined
    for (const session of going)
      if (next === undefined || session.at(-1)!.startedAtMs < next.at(-1)!.startedAtMs) next = session
    const session = waiting[opened]
    if (session && (next === undefined || session.firstAtMs <= next.at(-1)!.startedAtMs)) {
      opened++
      const exchanges = exchangesOf(session.id).toSorted((a, b) => b.startedAtMs - a.startedAtMs || b.seq - a.seq)
      if (exchanges.length > 0) going.push(exchanges)
      continue
    }
    if (next === undefined) return
    yield next.pop()!
    if (next.length === 0) going = going.filter((each) => each !== next)
  }
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
