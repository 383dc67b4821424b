/** Reasoning memory that lives and dies with the process: the default, nothing of a body reaches the disk. */
import type { ReasoningMemory, RememberedCall } from './memory.ts'

export interface MemoryBounds {
  readonly maxRows: number
  readonly maxAgeMs: number
  /** One call larger than this is not remembered. */
  readonly maxCallBytes: number
}

/** A day of agent work: a session pauses over lunch and resumes, not over a holiday. */
export const defaultMemoryBounds: MemoryBounds = { maxRows: 20_000, maxAgeMs: 86_400_000, maxCallBytes: 1_048_576 }

const largestTotalBytes = 67_108_864

export class InProcessReasoningMemory implements ReasoningMemory {
  readonly #bounds: MemoryBounds
  // A Map keeps insertion order: the first entry is the least recently used.
  readonly #calls = new Map<string, { call: RememberedCall; usedAtMs: number; bytes: number }>()
  #bytes = 0

  constructor(bounds: Partial<MemoryBounds> = {}) {
    this.#bounds = { ...defaultMemoryBounds, ...bounds }
  }

  put(callId: string, tenantId: string, call: RememberedCall, nowMs: number): void {
    // Two bytes a UTF-16 unit: the most that the engine holds them in.
    const bytes = 2 * (call.reasoning.length + (call.argumentsText?.length ?? 0)) + 200
    if (callId.length > 256 || bytes > this.#bounds.maxCallBytes) return
    const name = JSON.stringify([tenantId, callId])
    this.#drop(name)
    this.#calls.set(name, { call, usedAtMs: nowMs, bytes })
    this.#bytes += bytes
    for (const [oldest, { usedAtMs }] of this.#calls) {
      const full = this.#calls.size > this.#bounds.maxRows || this.#bytes > largestTotalBytes
      if (!full && usedAtMs > nowMs - this.#bounds.maxAgeMs) break
      this.#drop(oldest)
    }
  }

  get(callId: string, tenantId: string, nowMs: number): RememberedCall | null {
    const name = JSON.stringify([tenantId, callId])
    const entry = this.#calls.get(name)
    if (entry === undefined) return null
    this.#calls.delete(name)
    if (entry.usedAtMs <= nowMs - this.#bounds.maxAgeMs) {
      this.#bytes -= entry.bytes
      return null
    }
    entry.usedAtMs = nowMs
    this.#calls.set(name, entry)
    return entry.call
  }

  #drop(name: string): void {
    const entry = this.#calls.get(name)
    if (entry === undefined) return
    this.#bytes -= entry.bytes
    this.#calls.delete(name)
  }
}
