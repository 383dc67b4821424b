/**
 * Tokens that carry reasoning through clients that only promise to replay opaque bytes.
 *
 * Messages clients replay `signature`, Responses clients replay `encrypted_content` byte for byte, so a token
 * minted by us makes those doors stateless and lossless for upstreams that want their reasoning back.
 */
export interface SealedReasoning {
  /** Which upstream family produced it (its declared `family`). */
  readonly family: string
  readonly reasoning: string
  /** Exact argument strings by call id, as sampled. */
  readonly toolArguments: Readonly<Record<string, string>>
  /** The producer's own opaque token, where it has one: replayed with `reasoning` to the family that issued it. */
  readonly token?: { readonly family: string; readonly data: string; readonly id?: string; readonly redacted?: boolean }
}

export interface Sealer {
  /** Deterministic: equal content gives an equal token, so replays stay byte-stable. */
  seal(content: SealedReasoning): string
  /** Null when the token is not ours, was altered, or belongs to another key. Never throws. */
  open(token: string): SealedReasoning | null
  /** Cheap test by prefix: is it shaped like one of ours? */
  isOurs(token: string): boolean
}
