/**
 * Token counts of prompts: with the model's own tokenizer where the configuration names one, else an estimate.
 *
 * Tokenizer files are read once, in the background of a start or on first use, and kept; a broken file is an error
 * each time it is asked to count, not a silent estimate, because a count that is 40 % low becomes a hard overflow
 * later (litellm#37102). Settlement cannot wait or fail: it takes what is ready.
 */
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Tokenizer } from '@huggingface/tokenizers'
import type { CanonicalRequest, Part } from '@portolan/wire'
import { GatewayError } from './errors.ts'
import { TextEstimator } from './text-estimator.ts'

export interface TokenCount {
  readonly tokens: number
  readonly exact: boolean
}

/** Structure around each turn, tool and call that templates add; an upper-middle figure over known templates. */
const tokensPerItem = 5
const tokensPerTool = 12
/** What V4-class vision towers charge for one picture; their cap. */
const tokensPerImage = 1024

const longestCountedChars = 2 << 20
/** Some milliseconds of work. */
const pieceChars = 8192
/** A cut through a word, or through a pair of surrogates, which becomes replacement characters of three bytes. */
const tokensPerCut = 6

export class TokenCounters {
  readonly #loaded = new Map<string, Promise<Tokenizer>>()
  readonly #ready = new Map<string, TextEstimator>()

  /** Reads what is not read yet. @param unusable hears of each file that cannot be. */
  prepare(paths: Iterable<string>, unusable: (path: string, error: Error) => void): void {
    for (const path of new Set(paths)) this.#load(path).catch((error: Error) => unusable(path, error))
  }

  /** Null: not read yet, or not readable. */
  ready(path: string): TextEstimator | null {
    return this.#ready.get(path) ?? null
  }

  /**
   * @param tokenizerPath a `tokenizer.json`; null: estimate.
   * @throws GatewayError when the file cannot be used.
   */
  async count(request: CanonicalRequest, tokenizerPath: string | null): Promise<TokenCount> {
    const { texts, images, framingTokens } = promptSize(request)
    if (tokenizerPath === null)
      return { tokens: framingTokens + texts.reduce((sum, text) => sum + estimate(text), 0), exact: false }
    const tokenizer = await this.#load(tokenizerPath)
    const counted = texts.reduce(
      (sum, text) => sum + tokenizer.encode(text, { add_special_tokens: false }).ids.length,
      0,
    )
    return { tokens: framingTokens + counted, exact: images === 0 }
  }

  /**
   * At least as many tokens as these texts can make, for bounds. Long texts are cut, and the event loop has its turn
   * between the pieces: a cut can only add a token or two. Null where the file cannot be used or the texts are so
   * long that counting them would cost more than it can save.
   */
  async boundTexts(texts: readonly string[], tokenizerPath: string): Promise<number | null> {
    if (texts.reduce((sum, text) => sum + text.length, 0) > longestCountedChars) return null
    let tokenizer: Tokenizer
    try {
      tokenizer = await this.#load(tokenizerPath)
    } catch {
      return null
    }
    let tokens = 0
    let sinceTurn = 0
    for (const text of texts)
      for (let at = 0; at < text.length; at += pieceChars) {
        const piece = text.slice(at, at + pieceChars)
        tokens += tokenizer.encode(piece, { add_special_tokens: false }).ids.length
        if (at > 0) tokens += tokensPerCut
        sinceTurn += piece.length
        if (sinceTurn < pieceChars) continue
        sinceTurn = 0
        await new Promise((resolve) => setImmediate(resolve))
      }
    return tokens
  }

  #load(path: string): Promise<Tokenizer> {
    let loading = this.#loaded.get(path)
    if (!loading) {
      loading = this.#read(path)
      this.#loaded.set(path, loading)
      // A file that could not be read may be repaired while we run.
      loading.catch(() => this.#loaded.delete(path))
    }
    return loading
  }

  async #read(path: string): Promise<Tokenizer> {
    try {
      const text = await readFile(path, 'utf8')
      const tokenizer = new Tokenizer(JSON.parse(text), {})
      // Some faults of a file show only when it is used.
      tokenizer.encode('one', { add_special_tokens: false })
      this.#ready.set(path, new TextEstimator(tokenizer, hash('sha256', text).slice(0, 12)))
      return tokenizer
    } catch (error) {
      throw new GatewayError('GATEWAY_BAD_TOKENIZER', undefined, null, { cause: error })
    }
  }
}

/** What of a prompt is text, and about how many tokens a template makes of the rest. */
export function promptSize(request: CanonicalRequest): {
  readonly texts: readonly string[]
  readonly images: number
  readonly framingTokens: number
} {
  const images = request.items.reduce(
    (sum, item) =>
      sum + ('parts' in item ? (item.parts as readonly Part[]).filter((part) => part.type === 'image').length : 0),
    0,
  )
  const framingTokens =
    request.items.length * tokensPerItem + request.tools.length * tokensPerTool + images * tokensPerImage
  return { texts: promptTexts(request), images, framingTokens }
}

/** Prose and code run at about four bytes a token, other scripts near one token a character. */
function estimate(text: string): number {
  let wide = 0
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x2e7f) wide++
  return Math.ceil((text.length - wide) / 3.6 + wide * 0.9)
}

/** Every text that a template would render. */
function promptTexts(request: CanonicalRequest): string[] {
  const texts: string[] = []
  for (const item of request.items) {
    switch (item.kind) {
      case 'tool-call':
        texts.push(item.name, item.argumentsText)
        break
      case 'reasoning':
        if (item.text) texts.push(item.text)
        break
      case 'foreign':
        texts.push(JSON.stringify(item.raw))
        break
      default:
        for (const part of item.parts as readonly Part[]) texts.push(partText(part))
    }
  }
  for (const tool of request.tools) {
    if (tool.kind === 'function' && tool.deferred) continue
    texts.push(tool.kind === 'vendor' ? JSON.stringify(tool.raw) : `${tool.name} ${tool.description ?? ''}`)
    if (tool.kind === 'function' && tool.parameters) texts.push(JSON.stringify(tool.parameters))
  }
  if (request.outputFormat.type === 'json-schema') texts.push(JSON.stringify(request.outputFormat.schema))
  return texts
}

function partText(part: Part): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'search-result':
      return `${part.title} ${part.source} ${part.text}`
    case 'document':
      return part.source.kind === 'text' ? part.source.text : ''
    default:
      return ''
  }
}
