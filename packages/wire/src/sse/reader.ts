/** Server-sent events, incrementally, from bytes. Placeholder types until the reader lands. */
export interface SseMessage {
  /** The `event:` field; null when there was none. */
  readonly event: string | null
  /** All `data:` lines joined with newlines. */
  readonly data: string
}
