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

/** A remembered prompt: three flat arrays, because ten thousand conversations of objects are tens of megabytes. */
interface Chain {
  readonly names: readonly string[]
  readonly digests: readonly number[]
  readonly bytes: readonly number[]
}

interface Turn {
  readonly client: Chain
  /** The same object as `client` where we sent what we were given. */
  readonly upstream: Chain
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
    const clientChain = chainOf(client)
    const turn: Turn = { client: clientChain, upstream: upstream === client ? clientChain : chainOf(upstream) }
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

function chainOf(units: readonly PromptUnit[]): Chain {
  return {
    names: units.map((unit) => unit.name),
    digests: units.map((unit) => unit.digest),
    bytes: units.map((unit) => unit.bytes),
  }
}

/** The remembered turn that shares most units at equal positions, if that is at least half of it. */
function bestContinuation(turns: readonly Turn[], client: readonly PromptUnit[]): number {
  let best = -1
  let bestShared = 0
  for (const [index, turn] of turns.entries()) {
    let shared = 0
    const { digests } = turn.client
    for (const [i, digest] of digests.entries()) if (client[i]?.digest === digest) shared++
    // `>=` prefers the later turn: of two equal ones the newer is the one being continued.
    if (shared * 2 >= digests.length && shared >= bestShared && shared > 0) {
      best = index
      bestShared = shared
    }
  }
  return best
}

function read(earlier: Turn, now: Turn): PrefixReading {
  const totalBytes = sum(earlier.upstream.bytes)
  const broken = firstDifference(earlier.upstream, now.upstream)
  if (broken === -1) return { keptBytes: totalBytes, totalBytes, breakCause: null }
  const keptBytes = sum(earlier.upstream.bytes.slice(0, broken))
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Index of the first earlier unit that the new chain does not repeat; -1 when it repeats them all. */
function firstDifference(earlier: Chain, now: Chain): number {
  return earlier.digests.findIndex((digest, i) => now.digests[i] !== digest)
}

function describe(earlier: Chain, now: Chain, index: number): string {
  const before = earlier.names[index]!
  const after = now.names[index]
  if (after === undefined) return `${before} and what followed were removed`
  const movedTo = now.digests.indexOf(earlier.digests[index]!)
  if (movedTo > index) return `${after} was put before ${before}`
  return before === after ? `${before} changed` : `${before} was replaced by ${after}`
}
