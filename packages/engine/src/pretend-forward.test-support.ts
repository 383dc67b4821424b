/**
 * A `Forward` that only pretends: it computes no model, it folds the tokens of a sequence into one number, and
 * the next token is that number. So every answer depends on every token before it, and a wrong, missing or
 * foreign block shows in the answer.
 *
 * Rows of a block hold the fold before and after it, the tail the fold at its end: blocks that do not follow
 * each other are refused. With `shares`, sequences keep the rows that they were given (in the cache's memory or, as
 * copies, in that of the forward pass) and look at them in every pass: rows that somebody freed show.
 */
import assert from 'node:assert/strict'
import { EngineError } from './errors.ts'
import { blockTokens, type BlockState, type Forward, type ForwardPiece, type ForwardSequence } from './forward.ts'

interface PretendSequence extends ForwardSequence {
  position: number
  fold: number
  /** The fold where the newest block began. */
  blockFold: number
  /** Shared rows of its blocks, in order. */
  readonly rows: Uint8Array[]
}

export interface PretendOptions {
  readonly vocabularySize?: number
  readonly maximumPositions?: number
  readonly tailEvery?: number
  readonly shares?: 'in-cache' | 'in-forward' | null
  /** Tokens that all sequences together may have taken. */
  readonly roomTokens?: number
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
  /** Sequences that are in use. */
  readonly alive = new Set<ForwardSequence>()
  readonly share?: (sequence: ForwardSequence, rows: Uint8Array) => void

  readonly tailEvery: number
  readonly sharedBytes?: number
  readonly #roomTokens: number

  constructor(options: PretendOptions = {}) {
    const { vocabularySize = 1000, maximumPositions = 10_000, shares = null, roomTokens = Infinity } = options
    this.tailEvery = options.tailEvery ?? 1
    this.#roomTokens = roomTokens
    if (shares === 'in-forward')
      Object.defineProperty(this, 'sharedBytes', {
        get: () => 8 * new Set([...this.alive].flatMap((sequence) => (sequence as PretendSequence).rows)).size,
      })
    if (shares !== null)
      this.share = (sequence, rows) => {
        const { position, rows: shared } = sequence as PretendSequence
        assert.equal(shared.length, position / blockTokens - 1, 'blocks are shared in turn')
        shared.push(rows)
      }
    this.vocabularySize = vocabularySize
    this.maximumPositions = maximumPositions
    this.endTokenId = vocabularySize - 1
  }

  open(): PretendSequence {
    const sequence = { position: 0, fold: 0, blockFold: 0, rows: [] }
    this.alive.add(sequence)
    return sequence
  }

  advance(pieces: readonly ForwardPiece[]): (Float32Array | null)[] {
    this.#refuseBeyondRoom(pieces.reduce((sum, { ids }) => sum + ids.length, 0))
    this.passes.push(pieces)
    if (this.passes.length === this.failsAt) throw new Error('the machine is on fire')
    return pieces.map(({ sequence, ids, wantsLogits }) => {
      const state = sequence as PretendSequence
      assert.ok(this.alive.has(state), 'a closed sequence goes on')
      if (state.rows.length > 0) foldOf(state.rows)
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
    this.#refuseBeyondRoom(rows.length * blockTokens)
    const fold = foldOf(rows)
    assert.equal(numbersOf(tail)[0], fold, 'a tail ends another block')
    const blockFold = numbersOf(rows.at(-1)!)[0]!
    const shared = this.share === undefined ? [] : [...rows]
    const sequence = { position: rows.length * blockTokens, fold, blockFold, rows: shared }
    this.alive.add(sequence)
    return sequence
  }

  #refuseBeyondRoom(tokens: number): void {
    const taken = [...this.alive].reduce((sum, { position }) => sum + position, 0)
    if (taken + tokens > this.#roomTokens) throw new EngineError('ENGINE_MEMORY')
  }

  ownBytes(sequence: ForwardSequence): number {
    const { position, rows } = sequence as PretendSequence
    return 12 + 8 * (Math.floor(position / blockTokens) - rows.length)
  }

  close(sequence: ForwardSequence): void {
    assert.ok(this.alive.delete(sequence), 'a sequence is closed once')
  }
}

function foldOf(rows: readonly Uint8Array[]): number {
  return rows.reduce((fold, block) => {
    const [before, after] = numbersOf(block)
    assert.equal(before, fold, 'a block follows another than its own')
    return after!
  }, 0)
}

function bytesOf(...numbers: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer)
}

function numbersOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}
