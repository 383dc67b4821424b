/**
 * `node --conditions=source packages/crossing/src/statistics/simulate.ts [RUNS]`: the table of measured error rates
 * in the package's README. RUNS per cell, default 400; exit code 1 when a cell breaks its bound by more than chance.
 */
import { normalQuantile } from './distributions.ts'
import { casesNeeded } from './sample-size.ts'
import { boundaryCells, powerCells, simulateGate, type SimulationCell } from './simulation.ts'

const runs = Number(process.argv[2] ?? 400)
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`Runs per cell must be a whole number from 1, not "${process.argv[2]}".`)
  process.exit(2)
}

/** Three standard errors of a simulated rate around its bound. */
const allowance = (rate: number): number => 3 * Math.sqrt((rate * (1 - rate)) / runs)
let broken = 0

const print = (title: string, cells: readonly SimulationCell[], isBroken: (rate: number) => boolean): void => {
  console.log(`\n${title}\n| margin | discordant | cases | per session | copied | passed | by Wald |`)
  console.log('| ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
  for (const [index, cell] of cells.entries()) {
    const { margin, discordance, cases, sessionCases, copied, passed, passedByWald } = simulateGate(
      cell,
      runs,
      20_261_123 + index,
    )
    if (isBroken(passed)) broken++
    const mark = isBroken(passed) ? ' !' : ''
    console.log(
      `| ${100 * margin} pts | ${Math.round(100 * discordance)} % | ${cases} | ${sessionCases} | ${copied} | ` +
        `${passed.toFixed(3)}${mark} | ${passedByWald.toFixed(3)} |`,
    )
  }
}

print(
  `Type I error at the boundary (nominal 0.05, ${runs} runs a cell)`,
  boundaryCells(),
  (rate) => rate > 0.06 + allowance(0.06),
)
print(
  `Power for an equally good candidate at the planned size (nominal 0.80, ${runs} runs a cell)`,
  powerCells((discordance, margin) => casesNeeded({ discordance, margin })),
  (rate) => rate < 0.78 - allowance(0.78),
)
console.log(`\n${broken} cells out of bounds; z(0.95) = ${normalQuantile(0.95).toFixed(6)}.`)
process.exitCode = broken > 0 ? 1 : 0
