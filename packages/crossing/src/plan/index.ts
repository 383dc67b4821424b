/** The plan: what was promised before data, and who allowed what to go where. */
export { allCases, isSessionRun, plannedCases, type PlannedCases } from './cases.ts'
export { datasetHash, freezeDataset, type FreezeOptions, type SessionSource } from './dataset.ts'
export { draftPlan, pilotCases, withPilot, type DraftInput, type PilotedPlan, type PilotInput } from './draft.ts'
export { permitEgress, type EgressPermit, type EgressRequest } from './egress.ts'
export { excludes, isReadable } from './exclusions.ts'
export { freezePlan, parsePlan, planHash, requireFrozen, writePlan } from './plan-file.ts'
export { planWarnings } from './warnings.ts'
