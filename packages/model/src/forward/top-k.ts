/**
 * The k largest of n scores. Ties go to the lower index, so that a selection never depends on anything else.
 */

/** Whether `one` ranks below `other`. */
function below(scores: Float64Array, one: number, other: number): boolean {
  const a = scores[one]!
  const b = scores[other]!
  return a < b || (a === b && one > other)
}

/** Indices of the `k` best among `scores[0, count)`, in ascending order of index. */
export function topK(scores: Float64Array, count: number, k: number): Int32Array {
  if (k >= count) return Int32Array.from({ length: count }, (_, index) => index)
  // A heap of the best so far with the worst of them on top: n log k, no sorting of all n.
  const heap = Int32Array.from({ length: k }, (_, index) => index)
  const sink = (start: number) => {
    let at = start
    for (;;) {
      let worst = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < k && below(scores, heap[child]!, heap[worst]!)) worst = child
      }
      if (worst === at) return
      const moved = heap[at]!
      heap[at] = heap[worst]!
      heap[worst] = moved
      at = worst
    }
  }
  for (let at = Math.floor(k / 2) - 1; at >= 0; at--) sink(at)
  for (let index = k; index < count; index++) {
    if (below(scores, heap[0]!, index)) {
      heap[0] = index
      sink(0)
    }
  }
  return heap.sort()
}
