/**
 * One answer held to a grammar: draws token after token and sees to it that the answer is whole when it ends.
 *
 * Before the token budget runs out the shortest way to the end is taken: a token is only kept when what remains of
 * the budget can still close everything. A budget below the shortest answer cannot be met and ends as any other.
 */
import type { TokenFilter } from '@portolan/model'
import type { Term, Terms } from './terms.ts'
import type { TokenMasks } from './token-masks.ts'
import { greedyTokens, type TokenTrie } from './token-trie.ts'

/** Draws one token among those allowed. */
export type Draw = (allows: TokenFilter) => number

/** New steps of the automaton for one answer, beyond which it is brought to its end. */
const mostWork = 40_000_000

export class Matcher {
  readonly #terms: Terms
  readonly #trie: TokenTrie
  readonly #masks: TokenMasks
  readonly #endTokenId: number
  #state: Term
  /** Tokens of the shortest way to the end, once it is taken. */
  #closing: number[] | null = null
  #work = 0

  constructor(start: Term, terms: Terms, trie: TokenTrie, masks: TokenMasks, endTokenId: number) {
    this.#state = start
    this.#terms = terms
    this.#trie = trie
    this.#masks = masks
    this.#endTokenId = endTokenId
  }

  /** Nothing can follow: the answer is whole without an end token. */
  get isFinished(): boolean {
    return this.#state === this.#terms.end
  }

  /** The answer could end here. */
  get mayEnd(): boolean {
    return this.#state.nullable
  }

  /** Takes text that was written already. False when no answer begins like this. */
  begin(symbols: string): boolean {
    const state = this.#read(this.#state, symbols)
    if (state === this.#terms.nothing) return false
    this.#state = state
    return true
  }

  /**
   * Draws the next token and takes it.
   *
   * @param tokensLeft Tokens that may be written, this one included.
   */
  draw(draw: Draw, tokensLeft: number): number {
    this.#terms.sweep()
    const before = this.#terms.work
    const id = this.#choose(draw, tokensLeft)
    if (this.#closing !== null) this.#closing.shift()
    if (id !== this.#endTokenId) this.#state = this.#read(this.#state, this.#trie.symbolsOf[id] ?? '')
    this.#work += this.#terms.work - before
    return id
  }

  /** Whether this token may come next. */
  allows(id: number): boolean {
    if (id === this.#endTokenId) return this.#state.nullable
    if (id < 0 || id >= this.#trie.vocabularySize) return false
    return (this.#masks.of(this.#state)[id >>> 5]! & (1 << (id & 31))) !== 0
  }

  #choose(draw: Draw, tokensLeft: number): number {
    const planned = this.#plannedToken()
    if (planned !== null) return draw((id) => id === planned)
    const state = this.#state
    const way = this.#terms.least(state) < tokensLeft ? null : this.#shortestTokens(state)
    if (way?.length === tokensLeft || this.#work > mostWork) return this.#goHome(draw, tokensLeft)
    const mask = this.#masks.of(state)
    const mayEnd = state.nullable
    // A mask that was too dear to compute may be empty; the shortest way is always open.
    if (!mayEnd && mask.every((bits) => bits === 0)) return this.#goHome(draw, tokensLeft)
    const id = draw((each) => (each === this.#endTokenId ? mayEnd : (mask[each >>> 5]! & (1 << (each & 31))) !== 0))
    const isHopeless = way !== null && way.length > tokensLeft
    if (id === this.#endTokenId || isHopeless) return id
    const after = this.#read(state, this.#trie.symbolsOf[id]!)
    const canClose = this.#terms.least(after) < tokensLeft || this.#shortestTokens(after).length < tokensLeft
    // A token that would open more than can be closed is not taken.
    return canClose ? id : this.#goHome(draw, tokensLeft)
  }

  #goHome(draw: Draw, tokensLeft: number): number {
    this.#closing = [...this.#shortestTokens(this.#state)]
    return this.#choose(draw, tokensLeft)
  }

  /** The next token of the way home; null when it is not being taken. Home, the answer ends. */
  #plannedToken(): number | null {
    return this.#closing === null ? null : (this.#closing[0] ?? this.#endTokenId)
  }

  #shortestTokens(state: Term): readonly number[] {
    return greedyTokens(this.#trie, this.#terms.shortest(state))
  }

  #read(from: Term, symbols: string): Term {
    let state = from
    for (let at = 0; at < symbols.length; at++) state = this.#terms.step(state, symbols.charCodeAt(at))
    return state
  }
}
