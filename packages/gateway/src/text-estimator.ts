/**
 * How many tokens a text has by one tokenizer, at once and at a bounded price.
 *
 * For settlement, where nothing may be waited for: a stream that broke off is counted in the turn in which it is
 * settled. Up to 16,384 characters are counted whole; of longer texts pieces spread evenly over them, and the rest by
 * their density. When many streams break at once, counting takes at most a tenth of the time: what comes above that is
 * measured by the density of everything counted before.
 */
/** What is needed of a tokenizer. */
export interface Encoder {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: readonly unknown[] }
}

export interface TextEstimate {
  readonly tokens: number
  /** Part of the text stands for the rest. */
  readonly sampled: boolean
}

const wholeChars = 16_384
const pieceChars = 2048
const shareOfTime = 0.1
/** Milliseconds of clocks that never go back; work is this thread's own, whatever else the machine is busy with. */
export interface EstimatorClocks {
  readonly timeMs: () => number
  readonly workMs: () => number
}

const ownClocks: EstimatorClocks = {
  timeMs: () => performance.now(),
  workMs: () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  },
}

/** Counting may run ahead of its share by this much. */
const aheadMs = 100
/** Density is that of recent texts: older ones count half after this many characters. */
const memoryChars = 1 << 20

export class TextEstimator {
  /** Names the tokenizer wherever it is installed. */
  readonly digest: string
  readonly #tokenizer: Encoder
  readonly #clocks: EstimatorClocks
  #debtMs = 0
  #debtAt = 0
  #seenChars = 0
  #seenTokens = 0

  constructor(tokenizer: Encoder, digest: string, clocks: EstimatorClocks = ownClocks) {
    this.#tokenizer = tokenizer
    this.digest = digest
    this.#clocks = clocks
  }

  /** Is there time to count, or is density all that can be had now? */
  get affordable(): boolean {
    return this.#seenChars === 0 || this.#debt() < aheadMs
  }

  /** @param chars of the whole text, where only its beginning was kept. */
  estimate(texts: readonly string[], chars?: number): TextEstimate {
    const keptChars = texts.reduce((sum, text) => sum + text.length, 0)
    const allChars = Math.max(chars ?? 0, keptChars)
    if (allChars === 0) return { tokens: 0, sampled: false }
    if (!this.affordable || keptChars === 0) return this.byDensity(allChars)
    const begunAt = this.#clocks.workMs()
    const counted = keptChars <= wholeChars ? texts : pieces(texts.join('\n'))
    const countedChars = counted.reduce((sum, text) => sum + text.length, 0)
    const tokens = counted.reduce((sum, text) => sum + this.#count(text), 0)
    this.#debtMs = this.#debt() + this.#clocks.workMs() - begunAt
    this.#debtAt = this.#clocks.timeMs()
    this.#learn(countedChars, tokens)
    return countedChars >= allChars
      ? { tokens, sampled: false }
      : { tokens: Math.ceil((tokens * allChars) / countedChars), sampled: true }
  }

  /** Without counting anything. */
  byDensity(chars: number): TextEstimate {
    const density = this.#seenChars === 0 ? 1 / 3.6 : this.#seenTokens / this.#seenChars
    return { tokens: Math.ceil(chars * density), sampled: true }
  }

  #count(text: string): number {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids.length
  }

  #debt(): number {
    return Math.max(0, this.#debtMs - (this.#clocks.timeMs() - this.#debtAt) * shareOfTime)
  }

  #learn(chars: number, tokens: number): void {
    if (this.#seenChars > memoryChars) {
      this.#seenChars /= 2
      this.#seenTokens /= 2
    }
    this.#seenChars += chars
    this.#seenTokens += tokens
  }
}

function pieces(text: string): string[] {
  const count = wholeChars / pieceChars
  const strideChars = (text.length - pieceChars) / (count - 1)
  return Array.from({ length: count }, (_, index) => {
    const at = Math.round(index * strideChars)
    return text.slice(at, at + pieceChars)
  })
}
