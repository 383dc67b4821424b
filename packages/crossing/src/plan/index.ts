/** The plan: what was promised before data, and who allowed what to go where. */
export { datasetHash, freezeDataset, type FreezeOptions, type SessionSource } from './dataset.ts'
export { draftPlan, pilotCases, withPilot, type DraftInput, type PilotedPlan, type PilotInput } from './draft.ts'
export { permitEgress, type EgressPermit, type EgressRequest } from './egress.ts'
export { freezePlan, parsePlan, planHash, requireFrozen, writePlan } from './plan-file.ts'
