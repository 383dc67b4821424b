/**
 * What the gate really does, measured: how often it lets a candidate through that is worse by exactly the margin
 * (type I error), and how often one that is as good (power).
 *
 * Cases are drawn in sessions. A case is won or lost with probabilities whose sum is the discordance and whose
 * difference is the true one; with a share `copied`, a case repeats its session's own draw, which gives an intra-session
 * correlation of copied^2. Seeded: the same cell gives the same rates.
 */
import { normalQuantile } from './distributions.ts'
import { comparePairs, type PairedCase } from './paired-comparison.ts'
import { seededRandom } from './random.ts'

export interface SimulationCell {
  readonly margin: number
  readonly discordance: number
  readonly cases: number
  /** Cases per session; 1: independent cases. */
  readonly sessionCases: number
  /** Share of cases that repeat their session's draw. */
  readonly copied: number
  readonly trueDifference: number
}

export interface SimulationResult extends SimulationCell {
  readonly runs: number
  /** Share of runs that ended in `non-inferior`. */
  readonly passed: number
  /** The same, had Wald's interval decided. */
  readonly passedByWald: number
}

export function simulateGate(cell: SimulationCell, runs: number, seed: number): SimulationResult {
  const { margin, discordance, cases, sessionCases, copied, trueDifference } = cell
  const winShare = (discordance + trueDifference) / 2
  if (winShare < 0 || winShare > discordance) throw new RangeError('the difference is larger than the discordance')
  const random = seededRandom(seed)
  const draw = (): number => {
    const u = random()
    return u < winShare ? 1 : u < discordance ? -1 : 0
  }
  const z = normalQuantile(0.95)
  let [passed, passedByWald] = [0, 0]
  for (let run = 0; run < runs; run++) {
    const sample: PairedCase[] = []
    let [wins, losses] = [0, 0]
    for (let at = 0, own = 0; at < cases; at++) {
      if (at % sessionCases === 0) own = draw()
      const value = copied > 0 && random() < copied ? own : draw()
      if (value > 0) wins++
      else if (value < 0) losses++
      sample.push({
        session: String(Math.floor(at / sessionCases)),
        candidate: value > 0 ? 1 : 0,
        incumbent: value < 0 ? 1 : 0,
      })
    }
    if (comparePairs(sample, { margin }).decision === 'non-inferior') passed++
    const d = (wins - losses) / cases
    if (d - z * Math.sqrt(((wins + losses) / cases - d * d) / cases) > -margin) passedByWald++
  }
  return { ...cell, runs, passed: passed / runs, passedByWald: passedByWald / runs }
}

/** The grid of cells at the boundary: margin x discordance x cases, then sessions of 5 and 20 correlated cases. */
export function boundaryCells(): SimulationCell[] {
  const cells: SimulationCell[] = []
  for (const margin of [0.02, 0.03, 0.05])
    for (const discordance of [0.05, 0.1, 0.2])
      for (const cases of [200, 400, 800, 1600])
        cells.push({ margin, discordance, cases, sessionCases: 1, copied: 0, trueDifference: -margin })
  for (const sessionCases of [5, 20])
    for (const copied of [0.3, 0.7])
      for (const cases of [400, 1600])
        cells.push({ margin: 0.03, discordance: 0.1, cases, sessionCases, copied, trueDifference: -0.03 })
  return cells
}

/** Equally good candidates. `cases` as `casesNeeded` plans them is the caller's to fill in. */
export function powerCells(planned: (discordance: number, margin: number) => number): SimulationCell[] {
  const cells: SimulationCell[] = []
  for (const margin of [0.02, 0.03, 0.05])
    for (const discordance of [0.05, 0.1, 0.2])
      cells.push({
        margin,
        discordance,
        cases: planned(discordance, margin),
        sessionCases: 1,
        copied: 0,
        trueDifference: 0,
      })
  return cells
}
