/** The plan: what was promised before data, and who allowed what to go where. */
export { permitEgress, type EgressPermit, type EgressRequest } from './egress.ts'
