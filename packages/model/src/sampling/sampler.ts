/**
 * Chooses the next token from the model's scores.
 *
 * Order, as in vLLM: repetition, frequency and presence penalties, bias, forbidden tokens; then temperature,
 * min-p, top-k, top-p; then one draw. All in f64. The set left by the cuts always holds the best token, and
 * equal scores rank by smaller id, so a result depends on nothing but scores, settings, history and seed.
 * Each token drawn takes exactly one uniform number (two 32-bit outputs of the generator), also when only one
 * candidate is left; greedy choice takes none.
 */
import { randomInt } from 'node:crypto'
import { ModelError } from '../errors.ts'
import { bestIds, logSumExp } from './log-probabilities.ts'
import { createRandom, restoreRandom } from './random.ts'
import type { Random } from './random.ts'
import { checkSampling } from './sampling-options.ts'
import type { SamplingOptions, SamplingSettings } from './sampling-options.ts'

/** Says which tokens may come next, e.g. for output bound by a grammar. */
export type TokenFilter = (id: number) => boolean

/** What a sampler must remember to go on in another process. */
export interface SamplerSnapshot {
  readonly random: readonly [number, number, number, number]
  readonly prompt: readonly number[]
  /** Written tokens and how often. */
  readonly written: readonly (readonly [number, number])[]
}

export class Sampler {
  readonly settings: SamplingSettings
  /** The seed in use, for repeating the run. */
  readonly seed: number | bigint
  #random: Random
  #promptTokens: Set<number>
  #written = new Map<number, number>()
  #scores = new Float64Array(0)

  /** @param promptTokens Only the repetition penalty reads them. @throws {ModelError} `MODEL_SAMPLING` */
  constructor(options: SamplingOptions, promptTokens: Iterable<number> = []) {
    this.settings = checkSampling(options)
    if (typeof options.seed === 'number' && !Number.isSafeInteger(options.seed)) {
      throw new ModelError('MODEL_SAMPLING', `seed is ${options.seed}; allowed: whole numbers.`, { setting: 'seed' })
    }
    this.seed = options.seed ?? randomInt(2 ** 47)
    this.#random = createRandom(this.seed)
    this.#promptTokens = new Set(this.settings.repetitionPenalty === 1 ? [] : promptTokens)
  }

  /**
   * Draws one token and remembers it for the penalties.
   *
   * @param logits One score a token; not changed.
   * @param allows Tokens it refuses are never drawn.
   * @throws {ModelError} `MODEL_LOGITS` when scores are NaN or no token is left.
   */
  next(logits: Float32Array, allows?: TokenFilter): number {
    const scores = this.#adjust(logits, allows)
    const id = this.settings.temperature === 0 ? bestOf(scores) : this.#draw(scores)
    this.accept(id)
    return id
  }

  /** Counts a token that came from elsewhere (a prefix, an accepted draft) as written. */
  accept(id: number): void {
    this.#written.set(id, (this.#written.get(id) ?? 0) + 1)
  }

  /** The probabilities that the next draw would use, by id; for tests and for showing. Sums to 1. */
  distribution(logits: Float32Array, allows?: TokenFilter): Map<number, number> {
    const scores = this.#adjust(logits, allows)
    if (this.settings.temperature === 0) return new Map([[bestOf(scores), 1]])
    const { ids, weights, total } = this.#candidates(scores)
    const entries = Array.from(weights, (weight, rank): [number, number] => [
      ids === null ? rank : ids[rank]!,
      weight / total,
    ])
    return new Map(entries.filter(([, probability]) => probability > 0))
  }

  snapshot(): SamplerSnapshot {
    return { random: this.#random.state(), prompt: [...this.#promptTokens], written: [...this.#written] }
  }

  restore(snapshot: SamplerSnapshot): void {
    this.#random = restoreRandom(snapshot.random)
    this.#promptTokens = new Set(snapshot.prompt)
    this.#written = new Map(snapshot.written)
  }

  // ------------------------------------------------------------------------------------------- scores

  #adjust(logits: Float32Array, allows: TokenFilter | undefined): Float64Array {
    const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = this.settings
    if (this.#scores.length !== logits.length) this.#scores = new Float64Array(logits.length)
    const scores = this.#scores
    scores.set(logits)
    const change = (id: number, to: (score: number) => number): void => {
      if (id < scores.length) scores[id] = to(scores[id]!)
    }
    if (repetitionPenalty !== 1) {
      for (const id of new Set([...this.#promptTokens, ...this.#written.keys()])) {
        change(id, (score) => (score > 0 ? score / repetitionPenalty : score * repetitionPenalty))
      }
    }
    if (frequencyPenalty !== 0 || presencePenalty !== 0) {
      for (const [id, times] of this.#written) change(id, (score) => score - frequencyPenalty * times - presencePenalty)
    }
    for (const [id, bias] of logitBias) change(id, (score) => score + bias)
    if (allows !== undefined) {
      for (let id = 0; id < scores.length; id++) if (!allows(id)) scores[id] = -Infinity
    }
    return scores
  }

  #draw(scores: Float64Array): number {
    const { ids, weights, total } = this.#candidates(scores)
    // The point lies below `total`; rounding in the running sum can still miss it, then the last token with weight is it.
    let rest = this.#random.uniform() * total
    let last = -1
    for (let rank = 0; rank < weights.length; rank++) {
      const weight = weights[rank]!
      if (weight === 0) continue
      last = rank
      rest -= weight
      if (rest < 0) break
    }
    return ids === null ? last : ids[last]!
  }

  /** Tokens left by the cuts, with weights exp((score - best) / temperature). */
  #candidates(scores: Float64Array): Candidates {
    const { temperature, topP, topK, minP } = this.settings
    const best = scores[bestOf(scores)]!
    const weights = new Float64Array(scores.length)
    let total = 0
    for (let id = 0; id < scores.length; id++) {
      const weight = Math.exp((scores[id]! - best) / temperature)
      weights[id] = weight < minP ? 0 : weight
      total += weights[id]!
    }
    const isCut = topP < 1 || (topK > 0 && topK < scores.length)
    return isCut ? takeBest(scores, weights, topK > 0 ? topK : scores.length, topP) : { ids: null, weights, total }
  }
}

interface Candidates {
  /** Best first; null: all tokens in order of their ids. */
  readonly ids: readonly number[] | null
  readonly weights: ArrayLike<number>
  readonly total: number
}

/**
 * The `topK` heaviest tokens, of these the fewest that hold `topP` of their weight; best first, ties by id.
 *
 * Takes tokens from a heap one by one, so the cost is that of the tokens kept: the vocabulary is never sorted.
 */
function takeBest(scores: Float64Array, weights: Float64Array, topK: number, topP: number): Candidates {
  // Ranked by score: weights of nearly equal scores may round to the same number.
  const best = topK < scores.length ? bestIds(scores, topK) : null
  const mass =
    best === null ? weights.reduce((sum, weight) => sum + weight, 0) : best.reduce((sum, id) => sum + weights[id]!, 0)
  const ids: number[] = []
  const kept: number[] = []
  let total = 0
  for (const id of best ?? descending(scores)) {
    const weight = weights[id]!
    if (weight === 0) break
    ids.push(id)
    kept.push(weight)
    total += weight
    if (topP < 1 && total >= topP * mass) break
  }
  return { ids, weights: kept, total }
}

/** Ids by falling score, ties by smaller id; the heap is built once, O(log n) each. */
function* descending(scores: Float64Array): Generator<number> {
  const heap = Int32Array.from(scores, (_, id) => id)
  let size = heap.length
  const isBetter = (a: number, b: number): boolean => {
    const left = scores[a]!
    const right = scores[b]!
    return left > right || (left === right && a < b)
  }
  const sink = (from: number): void => {
    let at = from
    const moving = heap[at]!
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && isBetter(heap[child + 1]!, heap[child]!)) child++
      if (!isBetter(heap[child]!, moving)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = moving
  }
  for (let at = (size >> 1) - 1; at >= 0; at--) sink(at)
  while (size > 0) {
    yield heap[0]!
    heap[0] = heap[--size]!
    sink(0)
  }
}

/** Index of the largest score, the first of equals. @throws {ModelError} `MODEL_LOGITS` */
export function bestOf(scores: Float32Array | Float64Array): number {
  let best = -1
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (Number.isNaN(score) || score === Infinity) logSumExp(scores)
    if (score > (best < 0 ? -Infinity : scores[best]!)) best = id
  }
  if (best < 0) throw new ModelError('MODEL_LOGITS', 'No token is left to choose: every score is -Infinity.')
  return best
}
