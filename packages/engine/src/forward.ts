/**
 * What the engine needs of a model: take tokens, give logits, and let a sequence be put down and taken up again
 * in blocks. Everything else of the engine stands on this port, so faster kernels replace one object.
 *
 * A *block* is what a sequence remembers of 128 tokens. Its `rows` only ever join those of the blocks before it;
 * its `tail` (window, half-pooled groups) is needed of the last block alone.
 */

/** The least common multiple of V4's compression ratios, 4 and 128, and the unit in which hits are billed. */
export const blockTokens = 128

/** Opaque to the engine; belongs to the forward that made it. */
export interface ForwardSequence {
  /** Tokens taken so far. */
  readonly position: number
}

export interface ForwardPiece {
  readonly sequence: ForwardSequence
  /** At least one; may end at a multiple of 128 but not reach past it. */
  readonly ids: readonly number[]
  /** Are the logits after the last token wanted? */
  readonly wantsLogits: boolean
}

export interface BlockState {
  readonly rows: Uint8Array
  readonly tail: Uint8Array
}

/** As it is kept: where tails are large, most blocks are kept without, and no sequence can be taken up there. */
export interface KeptBlock {
  readonly rows: Uint8Array
  readonly tail: Uint8Array | null
}

export interface Forward {
  /** Weights, numeric mode and layout in one word: cached state of another identity is of no use. */
  readonly identity: string
  readonly vocabularySize: number
  readonly maximumPositions: number
  readonly endTokenId: number
  /** Of how many blocks one keeps its tail, beside the ends of prompts and answers. Absent: all do. */
  readonly tailEvery?: number
  open(): ForwardSequence
  /**
   * One pass; a sequence appears in one piece only. Logits of each piece, null where not wanted. Throws `ENGINE_MEMORY`
   * before any state has changed when there is no room for what the pass would add; so do `open` and `resume`.
   */
  advance(pieces: readonly ForwardPiece[]): (Float32Array | null)[]
  /** The newest block of a sequence that stands at a positive multiple of 128. */
  capture(sequence: ForwardSequence): BlockState
  /**
   * The sequence after `rows.length` blocks: rows of each, tail of the last. Throws when they do not fit. Where
   * there is `share`, the sequence may read rows where they lie, or with others: nobody changes them.
   */
  resume(rows: readonly Uint8Array[], tail: Uint8Array): ForwardSequence
  /**
   * Only where sequences can read rows outside of themselves: a sequence that stands at the end of a block gives up
   * its own rows of that block for `rows`, which hold the same bytes. Asked for every block in turn, or for none
   * after the first that was left out.
   */
  share?(sequence: ForwardSequence, rows: Uint8Array): void
  /**
   * Bytes of shared blocks in memory of the forward pass's own, each block counted once for all who read it. Absent:
   * they are read where the cache has them, which has to hold them for as long.
   */
  readonly sharedBytes?: number
  /** Memory that the sequence shares with nobody. */
  ownBytes?(sequence: ForwardSequence): number
  /** The sequence will not be used again; for memory that no garbage collector sees. */
  close?(sequence: ForwardSequence): void
}
