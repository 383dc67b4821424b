/**
 * A small byte-level BPE trainer: text in, a Hugging Face `tokenizer.json` out.
 *
 * For models that we make: same pre-tokenisation and special tokens as DeepSeek-V4, own merges. Plain greedy
 * BPE over distinct pieces with their counts. Deterministic: of equally frequent pairs the one with the
 * smaller left id wins, then the smaller right id; no clock, no randomness, no hash order.
 * Ids: 0..2 sentence begin, end and padding; 3..258 the bytes; then merges in order; then the other specials.
 */
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { ModelError } from '../errors.ts'
import { byteCharacters } from './byte-alphabet.ts'
import { specialTokens } from './special-tokens.ts'
import type { AddedToken, TokenizerFile } from './tokenizer.ts'

const leadingSpecials: readonly string[] = [
  specialTokens.beginOfSentence,
  specialTokens.endOfSentence,
  specialTokens.padding,
]
const trailingSpecials = Object.values(specialTokens).filter((content) => !leadingSpecials.includes(content))

/** Vocabulary without any merge: specials and the 256 bytes. */
export const smallestVocabulary: number = 256 + leadingSpecials.length + trailingSpecials.length

/**
 * Pre-tokenisation of V4: groups of up to three digits, runs of Chinese characters and kana, then words,
 * punctuation and blanks. Each step refines the pieces of the one before; bytes come last.
 */
const preTokenizer = {
  type: 'Sequence',
  pretokenizers: [
    split('\\p{N}{1,3}'),
    split('[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+'),
    split(
      [
        '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+',
        '[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+',
        ' ?[\\p{P}\\p{S}]+[\\r\\n]*',
        '\\s*[\\r\\n]+',
        '\\s+(?!\\S)',
        '\\s+',
      ].join('|'),
    ),
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
}

function split(pattern: string): object {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }
}

export interface TrainOptions {
  /** Entries in all, specials and bytes included. */
  readonly vocabularySize: number
  /** Pairs seen less often are not merged; the vocabulary may then end up smaller. Default 2. */
  readonly minimumCount?: number
}

/**
 * Learns merges from `texts`.
 *
 * Cost: about a second for 1 MB of text and 8,000 entries.
 *
 * @throws {ModelError} `MODEL_TOKENIZER` when the vocabulary has no room for the bytes and the specials.
 */
export function trainTokenizer(texts: Iterable<string>, options: TrainOptions): TokenizerFile {
  if (!Number.isInteger(options.vocabularySize) || options.vocabularySize < smallestVocabulary) {
    throw new ModelError(
      'MODEL_TOKENIZER',
      `A vocabulary of ${options.vocabularySize} is below the smallest possible, ${smallestVocabulary}.`,
    )
  }
  const mergeLimit = options.vocabularySize - smallestVocabulary
  const { entries, merges } = learnMerges(countPieces(texts), mergeLimit, options.minimumCount ?? 2)

  const vocab: Record<string, number> = Object.fromEntries(
    [...leadingSpecials, ...entries].map((content, id) => [content, id]),
  )
  let nextId = leadingSpecials.length + entries.length
  const added_tokens: AddedToken[] = [
    ...leadingSpecials.map((content, id) => addedToken(id, content, true)),
    ...trailingSpecials.map((content) => addedToken(nextId++, content, false)),
  ]
  return tokenizerFile(vocab, merges, added_tokens)
}

function addedToken(id: number, content: string, special: boolean): AddedToken {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }
}

function tokenizerFile(
  vocab: Record<string, number>,
  merges: [string, string][],
  added_tokens: AddedToken[],
): TokenizerFile {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens,
    normalizer: null,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  }
}

function countPieces(texts: Iterable<string>): Map<string, number> {
  const library = new LibraryTokenizer(tokenizerFile({}, [], []), {})
  const counts = new Map<string, number>()
  for (const text of texts) {
    if (text === '') continue
    for (const piece of library.pre_tokenizer!(text.toWellFormed(), { section_index: 0 })) {
      counts.set(piece, (counts.get(piece) ?? 0) + 1)
    }
  }
  return counts
}

// --------------------------------------------------------------------------------------------- merging

interface Word {
  symbols: number[]
  readonly count: number
}

/** Pairs are keyed by one number; symbols stay below 2^21, so keys stay exact. */
const PAIR_BASE = 2 ** 21

function learnMerges(pieces: Map<string, number>, limit: number, minimumCount: number) {
  const entries: string[] = [...byteCharacters]
  const merges: [string, string][] = []
  const symbolOf = new Map(entries.map((character, symbol) => [character, symbol]))
  const words: Word[] = []
  for (const [piece, count] of pieces) words.push({ symbols: Array.from(piece, (c) => symbolOf.get(c)!), count })

  const pairCounts = new Map<number, number>()
  const wordsWithPair = new Map<number, Set<number>>()
  const heap = new PairHeap()
  const change = (pair: number, by: number, wordIndex: number): void => {
    pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + by)
    if (by <= 0) return
    const holders = wordsWithPair.get(pair)
    if (holders === undefined) wordsWithPair.set(pair, new Set([wordIndex]))
    else holders.add(wordIndex)
  }
  for (const [index, word] of words.entries()) {
    for (let i = 1; i < word.symbols.length; i++)
      change(pairKey(word.symbols[i - 1]!, word.symbols[i]!), word.count, index)
  }
  for (const [pair, count] of pairCounts) heap.push({ pair, count })

  while (merges.length < limit) {
    const top = heap.pop()
    if (top === null || top.count < minimumCount) break
    // Counts change after an entry went into the heap; a stale entry goes back with its present count.
    const current = pairCounts.get(top.pair) ?? 0
    if (current !== top.count) {
      if (current >= minimumCount) heap.push({ pair: top.pair, count: current })
      continue
    }
    const left = Math.floor(top.pair / PAIR_BASE)
    const right = top.pair % PAIR_BASE
    const merged = entries.length
    const spelling = entries[left]! + entries[right]!
    if (symbolOf.has(spelling)) {
      // Reached by another route already: an id cannot be given twice, so this pair is never merged.
      pairCounts.set(top.pair, 0)
      continue
    }
    symbolOf.set(spelling, merged)
    entries.push(spelling)
    merges.push([entries[left]!, entries[right]!])
    const touched = new Set<number>()
    for (const index of wordsWithPair.get(top.pair) ?? []) {
      const word = words[index]!
      const { symbols, count } = word
      for (let i = 1; i < symbols.length; i++) change(pairKey(symbols[i - 1]!, symbols[i]!), -count, index)
      word.symbols = replacePair(symbols, left, right, merged)
      for (let i = 1; i < word.symbols.length; i++) {
        const pair = pairKey(word.symbols[i - 1]!, word.symbols[i]!)
        change(pair, count, index)
        if (word.symbols[i - 1] === merged || word.symbols[i] === merged) touched.add(pair)
      }
    }
    wordsWithPair.delete(top.pair)
    pairCounts.delete(top.pair)
    for (const pair of touched) heap.push({ pair, count: pairCounts.get(pair)! })
  }
  return { entries, merges }
}

function pairKey(left: number, right: number): number {
  return left * PAIR_BASE + right
}

function replacePair(symbols: readonly number[], left: number, right: number, merged: number): number[] {
  const result: number[] = []
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      result.push(merged)
      i++
    } else {
      result.push(symbols[i]!)
    }
  }
  return result
}

interface Candidate {
  readonly pair: number
  readonly count: number
}

/** Binary heap: most frequent first, ties by smaller pair key (left id, then right id). */
class PairHeap {
  readonly #items: Candidate[] = []

  push(item: Candidate): void {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(item, items[parent]!)) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  pop(): Candidate | null {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (top === undefined || last === undefined) return null
    if (items.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++
      if (!isBefore(items[child]!, last)) break
      items[at] = items[child]!
      at = child
    }
    items[at] = last
    return top
  }
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.count !== b.count ? a.count > b.count : a.pair < b.pair
}
