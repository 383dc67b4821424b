/**
 * Token counts of one answer, in one convention for every protocol.
 *
 * `input = hit + miss + written` (law 3): `input` includes cached tokens, whatever the source's convention.
 * `output` includes `reasoning`. A count that the source did not give is null, never 0.
 */
export interface Usage {
  /** All prompt tokens. */
  readonly inputTokens: number | null
  /** Prompt tokens read from a prefix cache. */
  readonly hitTokens: number | null
  /** Prompt tokens computed anew and not billed as a cache write. */
  readonly missTokens: number | null
  /** Prompt tokens written to the cache at a write price, both lifetimes together. */
  readonly writtenTokens: number | null
  /** The part of `writtenTokens` with a one-hour lifetime. */
  readonly written1hTokens: number | null
  /** All generated tokens, reasoning included. */
  readonly outputTokens: number | null
  readonly reasoningTokens: number | null
  /** The usage object exactly as the source sent it, for audit. */
  readonly raw: unknown
}

export const noUsage: Usage = {
  inputTokens: null,
  hitTokens: null,
  missTokens: null,
  writtenTokens: null,
  written1hTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  raw: null,
}
