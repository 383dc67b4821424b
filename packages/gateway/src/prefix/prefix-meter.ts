/**
 * How much of a conversation's earlier prompt each new request kept, and what broke the rest (law 2).
 *
 * Per conversation the meter remembers the unit chain of the last few prompts on both sides: what the client
 * sent and what we sent upstream. A new request continues the remembered chain it agrees with best, position
 * by position; the share is over the bytes of that chain. Where the upstream chain breaks, the client's chain
 * tells whose doing it was. Memory is bounded: a fixed number of conversations, a few chains each.
 */
import type { PromptUnit } from './units.ts'

export interface PrefixReading {
  /** Bytes of the earlier upstream-bound prompt that the new one begins with. */
  readonly keptBytes: number
  /** Bytes of the whole earlier upstream-bound prompt. */
  readonly totalBytes: number
  /** Null when all was kept; else who and where, e.g. `client: messages[3] (user) changed`. */
  readonly breakCause: string | null
}

interface Turn {
  readonly client: readonly PromptUnit[]
  readonly upstream: readonly PromptUnit[]
}

/** Lines of talk that one conversation id may hold at a time: the main one, sub-agents, a title request. */
const chainsPerSession = 6

export class PrefixMeter {
  readonly #sessions = new Map<string, Turn[]>()
  readonly #maxSessions: number

  constructor(maxSessions = 10_000) {
    this.#maxSessions = maxSessions
  }

  get sessions(): number {
    return this.#sessions.size
  }

  /** Null for the first request of a line of talk. */
  observe(session: string, client: readonly PromptUnit[], upstream: readonly PromptUnit[]): PrefixReading | null {
    const turns = this.#sessions.get(session) ?? []
    // Re-inserting keeps the map in order of last use, so the first key is the one to drop.
    this.#sessions.delete(session)
    this.#sessions.set(session, turns)
    if (this.#sessions.size > this.#maxSessions) this.#sessions.delete(this.#sessions.keys().next().value!)

    const index = bestContinuation(turns, client)
    const turn: Turn = { client, upstream }
    if (index === -1) {
      turns.push(turn)
      if (turns.length > chainsPerSession) turns.shift()
      return null
    }
    const earlier = turns[index]!
    turns.splice(index, 1)
    turns.push(turn)
    return read(earlier, turn)
  }
}

/** The remembered turn that shares most units at equal positions, if that is at least half of it. */
function bestContinuation(turns: readonly Turn[], client: readonly PromptUnit[]): number {
  let best = -1
  let bestShared = 0
  for (const [index, turn] of turns.entries()) {
    let shared = 0
    for (const [i, unit] of turn.client.entries()) if (client[i]?.digest === unit.digest) shared++
    // `>=` prefers the later turn: of two equal ones the newer is the one being continued.
    if (shared * 2 >= turn.client.length && shared >= bestShared && shared > 0) {
      best = index
      bestShared = shared
    }
  }
  return best
}

function read(earlier: Turn, now: Turn): PrefixReading {
  const totalBytes = earlier.upstream.reduce((sum, unit) => sum + unit.bytes, 0)
  const broken = firstDifference(earlier.upstream, now.upstream)
  if (broken === -1) return { keptBytes: totalBytes, totalBytes, breakCause: null }
  const keptBytes = earlier.upstream.slice(0, broken).reduce((sum, unit) => sum + unit.bytes, 0)
  const clientBroken = firstDifference(earlier.client, now.client)
  return {
    keptBytes,
    totalBytes,
    breakCause:
      clientBroken === -1
        ? `gateway: ${describe(earlier.upstream, now.upstream, broken)}`
        : `client: ${describe(earlier.client, now.client, clientBroken)}`,
  }
}

/** Index of the first earlier unit that the new chain does not repeat; -1 when it repeats them all. */
function firstDifference(earlier: readonly PromptUnit[], now: readonly PromptUnit[]): number {
  return earlier.findIndex((unit, i) => now[i]?.digest !== unit.digest)
}

function describe(earlier: readonly PromptUnit[], now: readonly PromptUnit[], index: number): string {
  const before = earlier[index]!
  const after = now[index]
  if (!after) return `${before.name} and what followed were removed`
  const movedTo = now.findIndex((unit) => unit.digest === before.digest)
  if (movedTo > index) return `${after.name} was put before ${before.name}`
  return before.name === after.name ? `${before.name} changed` : `${before.name} was replaced by ${after.name}`
}
