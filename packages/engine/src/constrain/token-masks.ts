/**
 * Which tokens may come next, for any state of a grammar: one bit a token.
 *
 * A state reads "head, then rest". What a head allows by itself does not depend on the rest: it is found once by
 * walking the whole vocabulary, together with the edges at which a token leaves the head. For each rest only those
 * edges are walked on. Heads worth that are the ones that allow much (strings, free text, blanks); everything else
 * prunes the vocabulary after a byte or two and is walked as it is.
 *
 * Work on one mask is bounded: a grammar that is too dear gets a mask that is too small, never a wrong one.
 */
import type { TokenTrie } from './token-trie.ts'
import type { Term, Terms } from './terms.ts'

export type TokenMask = Uint32Array

/** What a head allows, and where tokens leave it. */
interface Head {
  readonly allowed: TokenMask
  /** Nodes whose edge is taken by what follows the head, by symbol. The first symbol of a token is not among them. */
  readonly exits: ReadonlyMap<number, Int32Array>
  /** Which of the exits are really there; null: all. */
  readonly isExit: ((node: number) => boolean) | null
}

/** Masks and heads, each: at the published vocabulary a mask is 16 KB, a head about 2 MB. */
const defaultLimitBytes = 16 * 2 ** 20
/** A table's own bytes, beside what it holds. */
const tableBytes = 150
/** For one mask: new steps of the automaton, and every 16 steps known: about a tenth of a second. */
const mostWork = 150_000

export class TokenMasks {
  readonly #trie: TokenTrie
  readonly #terms: Terms
  readonly #masks: Remembered<TokenMask>
  readonly #heads: Remembered<Head>
  #generation = 0
  /** The state after each symbol of the token being walked. */
  readonly #path: Term[]
  /** Masks that were computed, not remembered. */
  computed = 0

  /** @param limitBytes of masks, and as much of heads; the oldest are forgotten first. */
  constructor(trie: TokenTrie, terms: Terms, limitBytes: number = defaultLimitBytes) {
    this.#masks = new Remembered(limitBytes)
    this.#heads = new Remembered(limitBytes)
    this.#trie = trie
    this.#terms = terms
    this.#path = Array.from(
      { length: trie.depth.reduce((most, depth) => Math.max(most, depth), 0) + 1 },
      () => terms.nothing,
    )
  }

  /** Bytes of what is remembered. */
  get bytes(): number {
    return this.#masks.bytes + this.#heads.bytes
  }

  /** Tokens after which the state can still be finished. Shared: do not write to it. */
  of(state: Term): TokenMask {
    if (this.#generation !== this.#terms.generation) {
      this.#masks.clear()
      this.#heads.clear()
      this.#generation = this.#terms.generation
    }
    const known = this.#masks.get(state)
    if (known !== undefined) return known
    this.computed++
    const mask = new Uint32Array((this.#trie.vocabularySize + 31) >>> 5)
    this.#add(mask, state, this.#terms.work + mostWork)
    this.#masks.add(state, mask, mask.byteLength + tableBytes)
    return mask
  }

  #add(mask: TokenMask, state: Term, workLimit: number): void {
    if (state.kind === 'alternatives' && state.choices.some((choice) => headOf(choice) !== null)) {
      for (const choice of state.choices) this.#add(mask, choice, workLimit)
      return
    }
    const head = headOf(state)
    if (head === null) {
      this.#walk(mask, 0, state, workLimit)
      return
    }
    const { allowed, exits, isExit } = this.#head(head, workLimit)
    for (let at = 0; at < mask.length; at++) mask[at]! |= allowed[at]!
    if (state.kind !== 'sequence') return
    const rest = state.rest!
    for (const [symbol, nodes] of exits) {
      const next = this.#terms.step(rest, symbol)
      if (next === this.#terms.nothing) continue
      for (const node of nodes) {
        if (isExit !== null && !isExit(node)) continue
        this.#allow(mask, node)
        this.#walk(mask, node, next, workLimit)
      }
    }
    if (head.nullable) this.#add(mask, rest, workLimit)
  }

  /** Allows the tokens below `from` that `state` takes. */
  #walk(mask: TokenMask, from: number, state: Term, workLimit: number): void {
    const { symbol, depth, past } = this.#trie
    const terms = this.#terms
    const path = this.#path
    const end = past[from]!
    path[depth[from]!] = state
    let visited = 0
    for (let node = from + 1; node < end;) {
      const at = depth[node]!
      if ((++visited & 15) === 0) terms.work++
      const next = terms.step(path[at - 1]!, symbol[node]!)
      if (next === terms.nothing) {
        node = past[node]!
        continue
      }
      if (terms.work > workLimit) return
      this.#allow(mask, node)
      path[at] = next
      node++
    }
  }

  #allow(mask: TokenMask, node: number): void {
    const { firstToken, tokens } = this.#trie
    for (let at = firstToken[node]!; at < firstToken[node + 1]!; at++) {
      const id = tokens[at]!
      mask[id >>> 5]! |= 1 << (id & 31)
    }
  }

  // -------------------------------------------------------------------------------------------- heads

  #head(head: Term, workLimit: number): Head {
    const known = this.#heads.get(head)
    if (known !== undefined) return known
    const isCounted = head.kind === 'repeat' && head.minimum === 0 && head.maximum !== Infinity
    const made = isCounted ? this.#countedHead(head, workLimit) : this.#walkedHead(head, workLimit)
    // Counted heads differ with every character written; what they come from is worth keeping.
    if (!isCounted && this.#terms.work <= workLimit) this.#heads.add(head, made, sizeOf(made))
    return made
  }

  #walkedHead(head: Term, workLimit: number): Head {
    const { symbol, depth, past } = this.#trie
    const terms = this.#terms
    const path = this.#path
    const allowed = new Uint32Array((this.#trie.vocabularySize + 31) >>> 5)
    const exits = new Map<number, number[]>()
    path[0] = head
    let visited = 0
    for (let node = 1; node < symbol.length;) {
      const at = depth[node]!
      const before = path[at - 1]!
      if ((++visited & 15) === 0) terms.work++
      if (at > 1 && before.nullable) {
        const known = exits.get(symbol[node]!)
        if (known === undefined) exits.set(symbol[node]!, [node])
        else known.push(node)
      }
      const next = terms.step(before, symbol[node]!)
      if (next === terms.nothing) {
        node = past[node]!
        continue
      }
      if (terms.work > workLimit) break
      this.#allow(allowed, node)
      path[at] = next
      node++
    }
    return { allowed, exits: new Map(Array.from(exits, ([at, nodes]) => [at, Int32Array.from(nodes)])), isExit: null }
  }

  /** At most so many repetitions: as without the bound, but tokens that are longer are read one by one. */
  #countedHead(head: Term, workLimit: number): Head {
    const { depth, firstToken, tokens, longNodes } = this.#trie
    const unbounded = this.#head(this.#terms.repeat(head.first!, 0), workLimit)
    const { maximum } = head
    const allowed = unbounded.allowed.slice()
    for (const node of longNodes) {
      if (depth[node]! <= maximum) break
      if (this.#after(head, node) !== this.#terms.nothing) continue
      for (let at = firstToken[node]!; at < firstToken[node + 1]!; at++)
        allowed[tokens[at]! >>> 5]! &= ~(1 << (tokens[at]! & 31))
    }
    const isExit = (node: number): boolean =>
      depth[node]! - 1 <= maximum || this.#after(head, this.#trie.parent[node]!).nullable
    return { allowed, exits: unbounded.exits, isExit }
  }

  /** The state after the symbols that lead to `node`. */
  #after(state: Term, node: number): Term {
    const { parent, symbol } = this.#trie
    return node <= 0 ? state : this.#terms.step(this.#after(state, parent[node]!), symbol[node]!)
  }
}

/** The part of a state whose tokens are worth remembering apart from what follows. */
function headOf(state: Term): Term | null {
  const head = state.kind === 'sequence' ? state.first! : state
  return head.kind === 'repeat' || head.kind === 'machine' ? head : null
}

function sizeOf({ allowed, exits }: Head): number {
  let bytes = allowed.byteLength + 2 * tableBytes
  for (const nodes of exits.values()) bytes += nodes.byteLength + tableBytes
  return bytes
}

/** Values by state, the oldest forgotten when they are more bytes than the limit; the newest stays whatever it is. */
class Remembered<Value> {
  readonly #known = new Map<Term, { readonly value: Value; readonly bytes: number }>()
  readonly #limitBytes: number
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: Term): Value | undefined {
    return this.#known.get(key)?.value
  }

  add(key: Term, value: Value, bytes: number): void {
    this.#bytes += bytes
    for (const [oldest, { bytes: freed }] of this.#known) {
      if (this.#bytes <= this.#limitBytes) break
      this.#known.delete(oldest)
      this.#bytes -= freed
    }
    this.#known.set(key, { value, bytes })
  }

  clear(): void {
    this.#known.clear()
    this.#bytes = 0
  }
}
