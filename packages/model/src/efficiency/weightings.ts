/**
 * From operations to "FP8-equivalent" operations: what one operation costs by the precision it runs in.
 *
 * The published 27 % and 10 % depend on such a weighting, whose exact rule is not public. Each plausible
 * one is kept here as data, so that the reader can see which figures hang on it.
 */
import type { Work } from '../forward/tally.ts'

export interface Weighting {
  readonly key: string
  readonly rule: string
  /** Cost of one operation; works not named cost 1. */
  readonly cost: Partial<Record<Work, number>>
  /** Costs for V3.2 where they differ: its index keys are FP8, its experts FP8. */
  readonly baselineCost?: Partial<Record<Work, number>>
}

const attentionCore = { 'attention-window': 2, 'attention-sparse': 2, 'attention-heavy': 2 } as const
const wideLinears = { compressor: 2, router: 2, head: 2 } as const

export const weightings: readonly Weighting[] = [
  { key: 'A', rule: 'every operation costs 1', cost: {} },
  { key: 'B', rule: "V4's FP4 index scores cost 1/2", cost: { 'index-score': 0.5 }, baselineCost: {} },
  { key: 'C', rule: 'BF16 attention costs 2', cost: attentionCore },
  {
    key: 'D',
    rule: "BF16 attention costs 2, V4's FP4 index scores 1/2",
    cost: { ...attentionCore, 'index-score': 0.5 },
    baselineCost: attentionCore,
  },
  {
    key: 'E',
    rule: 'as D, and linears that run in BF16 or F32 (compressors, router, head) cost 2',
    cost: { ...attentionCore, ...wideLinears, 'index-score': 0.5 },
    baselineCost: { ...attentionCore, ...wideLinears },
  },
  {
    key: 'F',
    rule: 'as E, and FP4 experts cost 3/4',
    cost: { ...attentionCore, ...wideLinears, 'index-score': 0.5, expert: 0.75 },
    baselineCost: { ...attentionCore, ...wideLinears },
  },
]

export function weigh(operations: ReadonlyMap<Work, number>, cost: Partial<Record<Work, number>>): number {
  let sum = 0
  for (const [work, count] of operations) sum += count * (cost[work] ?? 1)
  return sum
}

/** V4's weighted operations as a share of V3.2's. */
export function weightedShare(
  weighting: Weighting,
  operations: ReadonlyMap<Work, number>,
  baseline: ReadonlyMap<Work, number>,
): number {
  return weigh(operations, weighting.cost) / weigh(baseline, weighting.baselineCost ?? weighting.cost)
}
