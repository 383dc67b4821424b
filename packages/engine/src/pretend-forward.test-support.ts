/**
 * A `Forward` that only pretends: it computes no model, it folds the tokens of a sequence into one number, and
 * the next token is that number. So every answer depends on every token before it, and a wrong, missing or
 * foreign block shows in the answer.
 *
 * Rows of a block hold the fold before and after it, the tail the fold at its end: blocks that do not follow
 * each other are refused.
 */
import assert from 'node:assert/strict'
import { blockTokens, type BlockState, type Forward, type ForwardPiece, type ForwardSequence } from './forward.ts'

interface PretendSequence extends ForwardSequence {
  position: number
  fold: number
  /** The fold where the newest block began. */
  blockFold: number
}

export interface PretendOptions {
  readonly vocabularySize?: number
  readonly maximumPositions?: number
}

export class PretendForward implements Forward {
  readonly identity = 'pretended: no model'
  readonly vocabularySize: number
  readonly maximumPositions: number
  /** Never the next token unless a filter allows no other. */
  readonly endTokenId: number
  readonly passes: (readonly ForwardPiece[])[] = []
  /** The pass that fails. */
  failsAt = Infinity

  constructor({ vocabularySize = 1000, maximumPositions = 10_000 }: PretendOptions = {}) {
    this.vocabularySize = vocabularySize
    this.maximumPositions = maximumPositions
    this.endTokenId = vocabularySize - 1
  }

  open(): PretendSequence {
    return { position: 0, fold: 0, blockFold: 0 }
  }

  advance(pieces: readonly ForwardPiece[]): (Float32Array | null)[] {
    this.passes.push(pieces)
    if (this.passes.length === this.failsAt) throw new Error('the machine is on fire')
    return pieces.map(({ sequence, ids, wantsLogits }) => {
      const state = sequence as PretendSequence
      assert.ok(
        Math.floor(state.position / blockTokens) === Math.floor((state.position + ids.length - 1) / blockTokens),
        'a piece reaches past the end of a block',
      )
      for (const id of ids) {
        if (state.position % blockTokens === 0) state.blockFold = state.fold
        state.fold = (Math.imul(state.fold, 1_000_003) + id + 1) >>> 0
        state.position++
      }
      if (!wantsLogits) return null
      const logits = new Float32Array(this.vocabularySize)
      logits[state.fold % this.endTokenId] = 10
      return logits
    })
  }

  capture(sequence: ForwardSequence): BlockState {
    const { position, fold, blockFold } = sequence as PretendSequence
    assert.equal(position % blockTokens, 0)
    return { rows: bytesOf(blockFold, fold), tail: bytesOf(fold) }
  }

  resume(rows: readonly Uint8Array[], tail: Uint8Array): PretendSequence {
    let fold = 0
    let blockFold = 0
    for (const block of rows) {
      const [before, after] = numbersOf(block)
      assert.equal(before, fold, 'a block follows another than its own')
      blockFold = fold
      fold = after!
    }
    assert.equal(numbersOf(tail)[0], fold, 'a tail ends another block')
    return { position: rows.length * blockTokens, fold, blockFold }
  }
}

function bytesOf(...numbers: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer)
}

function numbersOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}
