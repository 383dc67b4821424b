/**
 * Log-probabilities of the next token, from the scores (logits) of the model.
 *
 * Natural logarithms of the softmax over the whole vocabulary, summed in f64, before temperature, penalties and
 * cuts: they say what the model believes, not how we drew.
 */
import { ModelError } from '../errors.ts'

export interface TokenLogprob {
  readonly id: number
  readonly logprob: number
}

export interface Logprobs {
  readonly chosen: TokenLogprob
  /** The `count` most probable tokens, best first, ties by smaller id. */
  readonly top: readonly TokenLogprob[]
}

/**
 * ln(sum(exp(logits))), shifted by the maximum so that nothing overflows.
 *
 * @throws {ModelError} `MODEL_LOGITS` when a score is NaN or +Infinity, or all are -Infinity.
 */
export function logSumExp(logits: Float32Array | Float64Array): number {
  let largest = -Infinity
  for (const logit of logits) {
    if (Number.isNaN(logit) || logit === Infinity) {
      throw new ModelError('MODEL_LOGITS', `The scores of the next token hold ${logit}.`)
    }
    if (logit > largest) largest = logit
  }
  if (largest === -Infinity)
    throw new ModelError('MODEL_LOGITS', 'No token is left to choose: every score is -Infinity.')
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  return largest + Math.log(sum)
}

/** Log-probability of the chosen token and of the best `count`. */
export function logprobsOf(logits: Float32Array | Float64Array, chosen: number, count: number): Logprobs {
  const total = logSumExp(logits)
  const at = (id: number): TokenLogprob => ({ id, logprob: logits[id]! - total })
  return { chosen: at(chosen), top: bestIds(logits, count).map(at) }
}

/** The ids of the `count` largest scores, best first, ties by smaller id. O(n log count). */
export function bestIds(scores: Float32Array | Float64Array, count: number): number[] {
  const limit = Math.min(count, scores.length)
  if (limit <= 0) return []
  // A heap of the best so far with the worst of them on top.
  const heap: number[] = []
  const isWorse = (a: number, b: number): boolean => {
    const left = scores[a]!
    const right = scores[b]!
    return left < right || (left === right && a > b)
  }
  const sink = (from: number): void => {
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) return
      if (child + 1 < heap.length && isWorse(heap[child + 1]!, heap[child]!)) child++
      if (!isWorse(heap[child]!, heap[at]!)) return
      ;[heap[at], heap[child]] = [heap[child]!, heap[at]!]
      at = child
    }
  }
  for (let id = 0; id < limit; id++) heap.push(id)
  for (let at = limit >> 1; at >= 0; at--) sink(at)
  for (let id = limit; id < scores.length; id++) {
    if (!isWorse(heap[0]!, id)) continue
    heap[0] = id
    sink(0)
  }
  return heap.sort((a, b) => (isWorse(a, b) ? 1 : -1))
}
