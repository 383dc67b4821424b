/**
 * Two check reports, case by case: two models, or one model on two days. Pairs are compared, so that what a hard battery
 * costs both sides cancels out: Tango's interval on the difference of the shares passed, and exact McNemar.
 */
import { CrossingError } from '../errors.ts'
import { mcNemar } from '../statistics/mcnemar.ts'
import type { Interval } from '../statistics/proportion.ts'
import { tangoInterval } from '../statistics/tango.ts'
import type { CaseResult, CheckReport } from './result.ts'

export interface CheckDifference extends PairedDifference {
  readonly onlyFirstPassed: readonly string[]
  readonly onlySecondPassed: readonly string[]
  /** Cases of either side that the other lacks or could not judge. */
  readonly leftOut: number
  /** Two-sided, exact, over the discordant cases. */
  readonly pValue: number
  readonly groups: readonly ({ readonly group: string } & PairedDifference)[]
}

export interface PairedDifference {
  /** Cases that both reports judged. */
  readonly common: number
  readonly firstPassed: number
  readonly secondPassed: number
  /** Share passed, second minus first; null: nothing in common. */
  readonly difference: number | null
  /** Two-sided, 95 %. */
  readonly interval: Interval | null
}

/** @throws {CrossingError} CROSSING_CONFLICT, naming what differs, when the two were not asked the same. */
export function compareReports(first: CheckReport, second: CheckReport): CheckDifference {
  const problem = whyNotComparable(first, second)
  if (problem !== null) throw new CrossingError('CROSSING_CONFLICT', problem)
  const others = new Map(second.cases.filter(judged).map((result) => [result.id, result]))
  const pairs = first.cases.filter(judged).flatMap((one): Pair[] => {
    const other = others.get(one.id)
    return other === undefined
      ? []
      : [{ id: one.id, group: one.group, first: one.outcome === 'pass', second: other.outcome === 'pass' }]
  })
  const all = pairedDifference(pairs)
  const onlyFirstPassed = pairs.filter((pair) => pair.first && !pair.second).map(({ id }) => id)
  const onlySecondPassed = pairs.filter((pair) => !pair.first && pair.second).map(({ id }) => id)
  const known = new Set([...first.cases, ...second.cases].map(({ id }) => id))
  return {
    ...all,
    onlyFirstPassed,
    onlySecondPassed,
    leftOut: known.size - pairs.length,
    pValue: mcNemar(onlySecondPassed.length, onlyFirstPassed.length).exact,
    groups: [...Map.groupBy(pairs, ({ group }) => group)].map(([group, members]) => ({
      group,
      ...pairedDifference(members),
    })),
  }
}

function whyNotComparable(first: CheckReport, second: CheckReport): string | null {
  const name = ({ battery, target }: CheckReport): string => `${battery} of ${target.model}`
  if (first.battery !== second.battery)
    return `The batteries differ: ${first.battery} against ${second.battery}. Only reports of one battery are compared.`
  if (first.version !== second.version)
    return `The battery ${first.battery} changed in between: version ${first.version} (${name(first)}) against version ${second.version} (${name(second)}). Run the older check again.`
  if (first.seed !== second.seed)
    return `The seeds differ, ${first.seed} against ${second.seed}, so the questions do. Run one of them again with the other's --seed.`
  if (first.material !== second.material)
    return `The texts that facts were hidden in differ: ${first.material} against ${second.material}. Give both the same --haystack.`
  return null
}

interface Pair {
  readonly id: string
  readonly group: string
  readonly first: boolean
  readonly second: boolean
}

function judged({ outcome }: CaseResult): boolean {
  return outcome !== 'error' && outcome !== 'unscored'
}

function pairedDifference(pairs: readonly Pair[]): PairedDifference {
  const common = pairs.length
  const firstPassed = pairs.filter((pair) => pair.first).length
  const secondPassed = pairs.filter((pair) => pair.second).length
  if (common === 0) return { common, firstPassed, secondPassed, difference: null, interval: null }
  const wins = pairs.filter((pair) => pair.second && !pair.first).length
  const losses = pairs.filter((pair) => pair.first && !pair.second).length
  return {
    common,
    firstPassed,
    secondPassed,
    difference: (secondPassed - firstPassed) / common,
    interval: tangoInterval({ wins, losses, pairs: common }, 0.95),
  }
}
