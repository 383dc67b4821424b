/** What a long-context check comes to: accuracy by length and depth, and the length up to which it holds. */
import { wilsonInterval, type Interval } from '../statistics/proportion.ts'
import type { CaseResult } from './result.ts'

export interface HeatMapCell {
  readonly lengthTokens: number
  /** 0 to 1; null: tasks whose facts are spread over the whole text, or stand at its end. */
  readonly depth: number | null
  readonly passed: number
  readonly judged: number
}

/** Accuracy by length and depth over all tasks; what could not be judged is in no cell. */
export function heatMap(results: readonly CaseResult[]): HeatMapCell[] {
  return [...Map.groupBy(placedAndJudged(results), ({ place }) => `${place!['lengthTokens']} ${place!['depth']}`)].map(
    ([, cell]) => ({
      lengthTokens: cell[0]!.place!['lengthTokens']!,
      depth: cell[0]!.place!['depth'] ?? null,
      passed: cell.filter(({ outcome }) => outcome === 'pass').length,
      judged: cell.length,
    }),
  )
}

export interface LengthReading {
  readonly lengthTokens: number
  readonly passed: number
  readonly judged: number
  /** Wilson, 95 %. */
  readonly interval: Interval
  /** Median over the judged cases; null: the endpoint did not say, or nothing was visible. */
  readonly firstVisibleMs: number | null
  readonly inputTokens: number | null
}

/** Shortest first. */
export function lengthReadings(results: readonly CaseResult[]): LengthReading[] {
  return [...Map.groupBy(placedAndJudged(results), ({ place }) => place!['lengthTokens']!)]
    .map(([lengthTokens, cases]) => {
      const passed = cases.filter(({ outcome }) => outcome === 'pass').length
      return {
        lengthTokens,
        passed,
        judged: cases.length,
        interval: wilsonInterval(passed, cases.length),
        firstVisibleMs: median(cases.map((one) => one.firstVisibleMs)),
        inputTokens: median(cases.map((one) => one.inputTokens)),
      }
    })
    .sort((a, b) => a.lengthTokens - b.lengthTokens)
}

/**
 * The longest length whose lower 95 % bound is above 0.85 of the accuracy at the shortest, with no shorter length below
 * it; null when not even the shortest was judged.
 */
export function effectiveLengthTokens(results: readonly CaseResult[]): number | null {
  const lengths = lengthReadings(results)
  const shortest = lengths[0]
  if (!shortest || shortest.passed === 0) return null
  const bar = 0.85 * (shortest.passed / shortest.judged)
  let longest = shortest.lengthTokens
  for (const { lengthTokens, interval } of lengths.slice(1)) {
    if (interval.lower <= bar) break
    longest = lengthTokens
  }
  return longest
}

function placedAndJudged(results: readonly CaseResult[]): CaseResult[] {
  return results.filter(
    ({ outcome, place }) => place?.['lengthTokens'] !== undefined && outcome !== 'error' && outcome !== 'unscored',
  )
}

function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  return known.length === 0 ? null : known[Math.floor((known.length - 1) / 2)]!
}
