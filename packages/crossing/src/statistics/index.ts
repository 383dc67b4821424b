/** Pure, seeded statistics of the way over; formulas and sources in each file, measured error rates in the README. */
export { agreementAgainstFloor, type AgreementCase, type AgreementReading } from './agreement-floor.ts'
export {
  medianRatio,
  ratioOfQuantiles,
  ratioOfTotals,
  type BootstrapOptions,
  type PairedMeasure,
  type RatioEstimate,
} from './bootstrap.ts'
export { clusteredInterval, clusteredMean, clusteredP, type ClusteredMean, type SessionValue } from './clustered.ts'
export {
  afterFailure,
  evidenceValue,
  noEvidence,
  type FailureDirection,
  type FailureEvidence,
} from './failure-e-process.ts'
export { mcNemar, type McNemar } from './mcnemar.ts'
export { benjaminiHochberg, holm } from './multiplicity.ts'
export { comparePairs, type Decision, type PairedCase, type PairedComparison } from './paired-comparison.ts'
export { passPower } from './pass-power.ts'
export { exactUpperBound, wilsonInterval, type Interval } from './proportion.ts'
export { seededRandom, type Random } from './random.ts'
export { cohenKappa, predictionPoweredMean, roganGladen, type Kappa } from './rater-agreement.ts'
export { casesNeeded, readPilot, type PilotCase, type PilotReading, type SampleSizeInput } from './sample-size.ts'
export { sampleRatioFactor } from './sample-ratio.ts'
export { tangoInterval, tangoNonInferiority, type MarginTest, type PairedCounts } from './tango.ts'
export { effectiveSize, inclusionWeight, weightedMean, weightedTotal, type Weighted } from './weights.ts'
