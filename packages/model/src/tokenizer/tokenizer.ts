/**
 * Text to token ids and back, from a checkpoint's `tokenizer.json`.
 *
 * The library (@huggingface/tokenizers) does pre-tokenisation and byte-pair merges; special tokens are ours,
 * because the library would turn `<｜User｜>` typed by a user into the real token. `encode` never yields a
 * special token, whatever the text says; `encodeTrusted` is for text that we wrote ourselves.
 * Refused at load: anything that could lose a byte (missing byte entries, merges without an entry,
 * normalisers, tokens that eat neighbouring blanks).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { ModelError } from '../errors.ts'
import { byteCharacters, bytesOfEntry } from './byte-alphabet.ts'

/** The parts of a Hugging Face `tokenizer.json` that we read. */
export interface TokenizerFile {
  readonly version?: string
  readonly added_tokens: readonly AddedToken[]
  readonly normalizer: unknown
  readonly pre_tokenizer: unknown
  readonly post_processor: unknown
  readonly decoder: unknown
  readonly model: {
    readonly type: string
    readonly vocab: Readonly<Record<string, number>>
    readonly merges: readonly (string | readonly [string, string])[]
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly single_word?: boolean
  readonly lstrip?: boolean
  readonly rstrip?: boolean
  readonly normalized?: boolean
  readonly special?: boolean
}

/** Largest token id we accept; a lying file must not make us allocate gigabytes. */
const LARGEST_ID = 4_194_303

const replacement = new TextEncoder().encode('\ufffd')

export class Tokenizer {
  /** One more than the largest id in the file; the model's own `vocab_size` may be larger (padding). */
  readonly vocabularySize: number
  readonly #library: LibraryTokenizer
  readonly #vocabulary: ReadonlyMap<string, number>
  readonly #bytesById: (Uint8Array | undefined)[]
  readonly #specialIds: ReadonlyMap<string, number>
  readonly #specialById: ReadonlyMap<number, string>
  readonly #specialPattern: RegExp | null

  /** @throws {ModelError} `MODEL_TOKENIZER` when the file could not encode every text without loss. */
  constructor(file: TokenizerFile) {
    checkFile(file)
    const entries = Object.entries(file.model.vocab)
    this.#vocabulary = new Map(entries)
    this.#bytesById = []
    let largest = -1
    for (const [entry, id] of entries) {
      checkId(id, entry)
      if (this.#bytesById[id] !== undefined) refuse(`two entries share the id ${id}`)
      // Entries outside the byte alphabet are specials that the publisher also listed in the base vocabulary.
      this.#bytesById[id] = bytesOfEntry(entry) ?? new TextEncoder().encode(entry)
      largest = Math.max(largest, id)
    }
    checkMerges(file.model.merges, this.#vocabulary)

    const specialIds = new Map<string, number>()
    for (const token of file.added_tokens) {
      checkId(token.id, token.content)
      if (token.content === '') refuse('an added token is empty')
      if (token.lstrip === true || token.rstrip === true || token.single_word === true) {
        refuse(`the added token ${JSON.stringify(token.content)} wants to consume the blanks around it`)
      }
      specialIds.set(token.content, token.id)
      this.#bytesById[token.id] = new TextEncoder().encode(token.content)
      largest = Math.max(largest, token.id)
    }
    this.vocabularySize = largest + 1
    this.#specialIds = specialIds
    this.#specialById = new Map([...specialIds].map(([content, id]) => [id, content]))
    this.#specialPattern = patternOf(specialIds.keys())

    try {
      // Without added tokens the library knows no specials; without a post-processor it adds none.
      this.#library = new LibraryTokenizer({ ...file, added_tokens: [], post_processor: null }, {})
    } catch (error) {
      throw new ModelError(
        'MODEL_TOKENIZER',
        `The tokenizer file is not usable: ${messageOf(error)}`,
        {},
        { cause: error },
      )
    }
  }

  /**
   * Ids of ordinary text. Nothing in `text` becomes a special token. Lone surrogates become U+FFFD, as UTF-8
   * cannot carry them; everything else comes back exactly from `decode`.
   *
   * Cost: linear; about 1 MB of English a second on one core.
   */
  encode(text: string): number[] {
    if (text === '') return []
    const model = this.#library.model!
    const pieces = this.#library.pre_tokenizer!(text.toWellFormed(), { section_index: 0 })
    const ids: number[] = []
    for (const token of model(pieces)) ids.push(this.#vocabulary.get(token)!)
    return ids
  }

  /**
   * Ids of text that we wrote ourselves: special tokens in it are recognised, longest first.
   *
   * @param allowed Only these are recognised, the rest is ordinary text. Default: all of the file.
   */
  encodeTrusted(text: string, allowed?: readonly string[]): number[] {
    const ids: number[] = []
    for (const piece of this.splitSpecials(text, allowed)) {
      if (piece.special !== null) ids.push(piece.special)
      else for (const id of this.encode(piece.text)) ids.push(id)
    }
    return ids
  }

  /** Cuts trusted text at its special tokens: `special` is the token's id, or null for the text between. */
  *splitSpecials(
    text: string,
    allowed?: readonly string[],
  ): Generator<{ readonly text: string; readonly special: number | null }> {
    const pattern =
      allowed === undefined
        ? this.#specialPattern
        : patternOf(allowed.filter((content) => this.#specialIds.has(content)))
    let from = 0
    if (pattern !== null) {
      for (const match of text.matchAll(pattern)) {
        if (match.index > from) yield { text: text.slice(from, match.index), special: null }
        yield { text: match[0], special: this.#specialIds.get(match[0])! }
        from = match.index + match[0].length
      }
    }
    if (from < text.length) yield { text: text.slice(from), special: null }
  }

  /** How many tokens `encode` gives. */
  count(text: string): number {
    return this.encode(text).length
  }

  /** Text of `ids`; special tokens appear as their spelling. Bytes that are not UTF-8 become U+FFFD. */
  decode(ids: Iterable<number>): string {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    let text = ''
    for (const id of ids) text += decoder.decode(this.bytesOf(id), { stream: true })
    return text + decoder.decode()
  }

  /**
   * The bytes of one token; for a special token its spelling. An id inside the vocabulary that the file does
   * not name (padding rows of the embedding) gives U+FFFD, so that a model which picks it does so visibly.
   *
   * @throws {ModelError} `MODEL_TOKEN` for negative, fractional or absurd ids.
   */
  bytesOf(id: number): Uint8Array {
    if (!Number.isInteger(id) || id < 0 || id > LARGEST_ID) {
      throw new ModelError('MODEL_TOKEN', `${id} is not a token id.`, { id: String(id) })
    }
    return this.#bytesById[id] ?? replacement
  }

  /** The id of a special token. @throws {ModelError} `MODEL_TOKENIZER` when the file has none of this spelling. */
  specialId(content: string): number {
    const id = this.#specialIds.get(content)
    if (id === undefined) refuse(`the special token ${JSON.stringify(content)} is missing`)
    return id
  }

  hasSpecial(content: string): boolean {
    return this.#specialIds.has(content)
  }

  /** The spelling of a special token, null for ordinary ids. */
  specialOf(id: number): string | null {
    return this.#specialById.get(id) ?? null
  }

  /** All special tokens of the file, by spelling. */
  get specials(): ReadonlyMap<string, number> {
    return this.#specialIds
  }
}

/** Reads `DIR/tokenizer.json`, or the file itself when the path ends in `.json`. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const file = path.endsWith('.json') ? path : join(path, 'tokenizer.json')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new ModelError('MODEL_FILE_MISSING', `The tokenizer file ${file} cannot be read.`, { file }, { cause: error })
  }
  return parseTokenizer(text)
}

/** @throws {ModelError} `MODEL_TOKENIZER` */
export function parseTokenizer(text: string): Tokenizer {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch (error) {
    throw new ModelError('MODEL_TOKENIZER', 'The tokenizer file is not valid JSON.', {}, { cause: error })
  }
  checkFile(file)
  return new Tokenizer(file)
}

// ---------------------------------------------------------------------------------------------- checks

function refuse(reason: string): never {
  throw new ModelError('MODEL_TOKENIZER', `The tokenizer file is not usable: ${reason}.`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkFile(file: unknown): asserts file is TokenizerFile {
  if (!isObject(file)) refuse('it is not a JSON object')
  if (!isObject(file.model) || file.model.type !== 'BPE') refuse('its model is not byte-pair encoding')
  if (!isObject(file.model.vocab) || !Array.isArray(file.model.merges))
    refuse('its model has no vocabulary or no merges')
  if (file.model.end_of_word_suffix || file.model.continuing_subword_suffix) refuse('its entries carry word-end marks')
  if (!Array.isArray(file.added_tokens)) refuse('it has no list of added tokens')
  for (const token of file.added_tokens as unknown[]) {
    if (!isObject(token) || typeof token.content !== 'string') refuse('an added token has no content')
  }
  const normalizer = file.normalizer
  const isIdentity =
    normalizer === null ||
    normalizer === undefined ||
    (isObject(normalizer) && Array.isArray(normalizer.normalizers) && normalizer.normalizers.length === 0)
  if (!isIdentity) refuse('it normalises text, so the text would not come back')
  if (!endsInByteLevel(file.pre_tokenizer)) refuse('its pre-tokenizer is not byte-level')
  const vocabulary = file.model.vocab
  for (const character of byteCharacters) {
    if (!Object.hasOwn(vocabulary, character)) refuse(`the byte entry ${JSON.stringify(character)} is missing`)
  }
}

function endsInByteLevel(preTokenizer: unknown): boolean {
  if (!isObject(preTokenizer)) return false
  if (preTokenizer.type === 'ByteLevel') return preTokenizer.add_prefix_space !== true
  return (
    preTokenizer.type === 'Sequence' &&
    Array.isArray(preTokenizer.pretokenizers) &&
    endsInByteLevel(preTokenizer.pretokenizers.at(-1))
  )
}

function checkId(id: unknown, entry: string): asserts id is number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > LARGEST_ID) {
    refuse(`the entry ${JSON.stringify(entry.slice(0, 40))} has the id ${String(id)}`)
  }
}

/** The library drops, without a word, a merge product that has no id; so we insist on one for each. */
function checkMerges(merges: readonly unknown[], vocabulary: ReadonlyMap<string, number>): void {
  for (const merge of merges) {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : []
    if (typeof left !== 'string' || typeof right !== 'string') refuse('a merge is not a pair')
    if (!vocabulary.has(left + right)) refuse(`the merge ${JSON.stringify(`${left} ${right}`)} yields no entry`)
  }
}

function patternOf(contents: Iterable<string>): RegExp | null {
  // Longest first, because alternation takes the first branch that fits.
  const branches = [...contents]
    .sort((a, b) => b.length - a.length)
    .map((content) => content.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return branches.length === 0 ? null : new RegExp(branches.join('|'), 'gu')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
