/**
 * How fast a forward pass is by length of context, and what the context costs in memory.
 *
 * Contexts are not computed: a sequence is taken up from as many copies of one computed block as it needs. Every
 * row is there and is scored, selected and attended like any other; only what it says is the same over and over.
 */
import { blockTokens, type Forward, type ForwardSequence } from './forward.ts'
import { KernelForward } from './kernel-forward/kernel-forward.ts'

export interface ContextSpeed {
  /** A multiple of 128. */
  readonly contextTokens: number
  /** The median, and the least of all tokens: what the machine does when nobody else uses it. */
  readonly decodeMsPerToken: number
  readonly leastDecodeMs: number
  /** Of a piece of 128 tokens at this context. */
  readonly prefillTokensPerSec: number
  /** From blocks in memory to the logits of the next token. */
  readonly resumedMs: number
  /** The same by computing the whole context; null where that was not tried. */
  readonly computedMs: number | null
  readonly sequenceBytes: number | null
}

export interface MeasureOptions {
  readonly contexts: readonly number[]
  /** Tokens decoded at each context; the median counts. */
  readonly tokens: number
  /** Longest context that is also computed from its first token. */
  readonly computeUpTo: number
  readonly onContext?: (speed: ContextSpeed) => void
}

export function measureContexts(forward: Forward, options: MeasureOptions): ContextSpeed[] {
  const idAt = (at: number): number => (at * 7919 + 13) % forward.vocabularySize
  const piece = (from: number): number[] => Array.from({ length: blockTokens }, (_, at) => idAt(from + at))
  const advance = (sequence: ForwardSequence, ids: readonly number[], wantsLogits: boolean): number => {
    const begin = performance.now()
    forward.advance([{ sequence, ids, wantsLogits }])
    return performance.now() - begin
  }
  const first = forward.open()
  advance(first, piece(0), false)
  const block = forward.capture(first)
  // Until the code that runs is the compiled one.
  for (let at = 0; at < 16; at++) advance(first, [idAt(at)], true)
  forward.close?.(first)

  return options.contexts.map((wanted) => {
    const blocks = Math.max(1, Math.round(wanted / blockTokens))
    const contextTokens = blocks * blockTokens
    const begin = performance.now()
    const sequence = forward.resume(
      Array.from({ length: blocks }, () => block.rows),
      block.tail,
    )
    advance(sequence, [idAt(1)], true)
    const resumedMs = performance.now() - begin
    const decoding = Array.from({ length: options.tokens }, (_, at) => advance(sequence, [idAt(at)], true))
    const sequenceBytes = forward.ownBytes?.(sequence) ?? null
    // The rest of the block, so that a whole one follows.
    const rest = blockTokens - (sequence.position % blockTokens)
    advance(sequence, piece(3).slice(0, rest), false)
    const prefillMs = advance(sequence, piece(5), false)
    forward.close?.(sequence)
    const speed = {
      contextTokens,
      decodeMsPerToken: median(decoding),
      leastDecodeMs: Math.min(...decoding),
      prefillTokensPerSec: (blockTokens / prefillMs) * 1000,
      resumedMs,
      computedMs: contextTokens <= options.computeUpTo ? computed(forward, contextTokens, piece) : null,
      sequenceBytes,
    }
    options.onContext?.(speed)
    return speed
  })
}

function computed(forward: Forward, contextTokens: number, piece: (from: number) => number[]): number {
  const begin = performance.now()
  const sequence = forward.open()
  for (let from = 0; from < contextTokens; from += blockTokens)
    forward.advance([{ sequence, ids: piece(from), wantsLogits: false }])
  forward.advance([{ sequence, ids: [1], wantsLogits: true }])
  forward.close?.(sequence)
  return performance.now() - begin
}

/** Bytes per second that all threads read weights with; null for a forward pass without kernels. */
export function measureReading(forward: Forward): number | null {
  if (!(forward instanceof KernelForward)) return null
  const rates = Array.from({ length: 7 }, () => {
    const { bytes, ms } = forward.readWeights(2 ** 29)
    return (bytes / ms) * 1000
  })
  return median(rates)
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[values.length >> 1]!
}
