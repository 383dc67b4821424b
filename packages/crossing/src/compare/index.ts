/** Comparison: attempts of several arms on the same cases, and what they show. */
export { countedCases, type CountedCases, type ExcludedCase } from './arm-cases.ts'
export {
  compareRuns,
  floorArm,
  type CandidateVerdict,
  type GateReading,
  type NotKnown,
  type RunComparison,
  type SensitivityReading,
} from './compare-runs.ts'
export {
  costTable,
  scenariosOf,
  type Amount,
  type ArmCost,
  type ArmPricing,
  type CostQuestion,
  type CostScenario,
  type CostTable,
  type PriceBasis,
  type Pricing,
} from './cost-readings.ts'
