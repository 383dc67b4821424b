/**
 * The vocabulary as a trie over symbols, laid out in preorder: walking it is reading arrays from left to right.
 *
 *   node      0     1    2     3
 *   symbol    -     a    b     c        of the edge that leads here
 *   depth     0     1    2     1
 *   past      4     3    3     4        the first node outside of the subtree
 *
 * Special tokens that a grammar may write are one symbol each; all others are left out, as are tokens without bytes.
 */
import type { Tokenizer } from '@portolan/model'

export interface TokenTrie {
  readonly vocabularySize: number
  readonly symbol: Uint16Array
  readonly depth: Uint16Array
  readonly past: Int32Array
  readonly parent: Int32Array
  /** Tokens that end at node n: `tokens[firstToken[n]]` up to `firstToken[n + 1]`. */
  readonly firstToken: Int32Array
  readonly tokens: Int32Array
  /** Symbols of each token; empty: not in the trie. */
  readonly symbolsOf: readonly string[]
  /** Nodes at which tokens longer than some bytes end, longest first. */
  readonly longNodes: Int32Array
}

/** @param specials The symbol of each special token that grammars may write. */
export function buildTrie(tokenizer: Tokenizer, specials: ReadonlyMap<string, number>): TokenTrie {
  const { vocabularySize } = tokenizer
  const spellings = Array.from({ length: vocabularySize }, (_, id): string => {
    const special = tokenizer.specialOf(id)
    if (special !== null) return specials.has(special) ? String.fromCharCode(specials.get(special)!) : ''
    const bytes = tokenizer.bytesOf(id)
    return isReplacement(bytes) && !isInVocabulary(tokenizer, bytes, id) ? '' : Buffer.from(bytes).toString('latin1')
  })
  const ids = spellings.flatMap((spelling, id) => (spelling === '' ? [] : [id]))
  // Code units are the symbols, so comparing strings sorts as the trie wants it.
  ids.sort((a, b) => (spellings[a]! < spellings[b]! ? -1 : spellings[a]! > spellings[b]! ? 1 : a - b))
  return lay(vocabularySize, spellings, ids)
}

function lay(vocabularySize: number, spellings: readonly string[], ids: readonly number[]): TokenTrie {
  const symbol = [0]
  const depth = [0]
  const parent = [-1]
  const firstToken = [0]
  const tokens: number[] = []
  const path = [0]
  let before = ''
  for (const id of ids) {
    const spelling = spellings[id]!
    let shared = 0
    while (shared < before.length && before[shared] === spelling[shared]) shared++
    path.length = shared + 1
    for (let at = shared; at < spelling.length; at++) {
      symbol.push(spelling.charCodeAt(at))
      depth.push(at + 1)
      parent.push(path.at(-1)!)
      path.push(symbol.length - 1)
      firstToken.push(tokens.length)
    }
    tokens.push(id)
    before = spelling
  }
  firstToken.push(tokens.length)
  const past = new Int32Array(symbol.length)
  const open: number[] = []
  for (let node = 0; node < symbol.length; node++) {
    while (open.length > 0 && depth[open.at(-1)!]! >= depth[node]!) past[open.pop()!] = node
    open.push(node)
  }
  for (const node of open) past[node] = symbol.length
  const ends = Array.from({ length: symbol.length }, (_, node) => node).filter(
    (node) => firstToken[node]! < firstToken[node + 1]!,
  )
  ends.sort((a, b) => depth[b]! - depth[a]!)
  return {
    vocabularySize,
    symbol: Uint16Array.from(symbol),
    depth: Uint16Array.from(depth),
    past,
    parent: Int32Array.from(parent),
    firstToken: Int32Array.from(firstToken),
    tokens: Int32Array.from(tokens),
    symbolsOf: spellings,
    longNodes: Int32Array.from(ends),
  }
}

/** The fewest tokens a greedy reading needs; each byte is a token, so it always gets to the end. */
export function greedyTokens(trie: TokenTrie, symbols: string): number[] {
  const ids: number[] = []
  for (let at = 0; at < symbols.length;) {
    let best = -1
    let end = at
    let node = 0
    for (let next = at; next < symbols.length; next++) {
      node = childOf(trie, node, symbols.charCodeAt(next))
      if (node < 0) break
      const first = trie.firstToken[node]!
      if (first === trie.firstToken[node + 1]!) continue
      best = trie.tokens[first]!
      end = next + 1
    }
    if (best < 0) return []
    ids.push(best)
    at = end
  }
  return ids
}

function childOf(trie: TokenTrie, node: number, symbol: number): number {
  for (let child = node + 1; child < trie.past[node]!; child = trie.past[child]!)
    if (trie.symbol[child] === symbol) return child
  return -1
}

function isReplacement(bytes: Uint8Array): boolean {
  return bytes.length === 3 && bytes[0] === 0xef && bytes[1] === 0xbf && bytes[2] === 0xbd
}

/** Ids without an entry read as U+FFFD; one that really is that character says so when it is encoded. */
function isInVocabulary(tokenizer: Tokenizer, bytes: Uint8Array, id: number): boolean {
  const [only, ...more] = tokenizer.encode(new TextDecoder().decode(bytes))
  return only === id && more.length === 0
}
