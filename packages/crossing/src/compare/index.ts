/** Comparison: attempts of several arms on the same cases, and what they show. */
export {
  ArmCases,
  countedCases,
  type CountedAttempt,
  type CountedCases,
  type CountedTurn,
  type CountedVerdict,
  type ExcludedCase,
} from './arm-cases.ts'
export {
  compareRuns,
  floorArm,
  type CandidateVerdict,
  type ComparisonExtras,
  type GateReading,
  type NotKnown,
  type RunComparison,
  type SensitivityReading,
} from './compare-runs.ts'
export {
  costReadings,
  costTable,
  scenariosOf,
  steadyHits,
  type Amount,
  type ArmCost,
  type ArmPricing,
  type CostQuestion,
  type CostRatio,
  type CostScenario,
  type CostTable,
  type PriceBasis,
  type Pricing,
  type SteadyHits,
} from './cost-readings.ts'
export { readPanels, type JudgedAnswers, type JudgePanel } from './judge-panels.ts'
