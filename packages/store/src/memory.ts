/**
 * The port of reasoning memory: what a tool call's reasoning and exact arguments were, by call id.
 *
 * Some upstreams refuse a tool turn whose reasoning does not come back, and Chat clients drop it. Entries
 * belong to one tenant (the key's id), so that no caller can read another's thoughts by guessing a call id.
 * Bounded by rows and age; losing an entry costs quality, never correctness.
 */
export interface RememberedCall {
  /** Which upstream family produced it. */
  readonly family: string
  readonly reasoning: string
  /** As sampled, byte for byte; null when not known. */
  readonly argumentsText: string | null
}

export interface ReasoningMemory {
  put(callId: string, tenantId: string, call: RememberedCall, nowMs: number): void | Promise<void>
  /** Null when unknown, expired or another tenant's. Refreshes the entry's place in the queue. */
  get(callId: string, tenantId: string, nowMs: number): RememberedCall | null | Promise<RememberedCall | null>
}
