export { startFaultProxy, type FaultCounters, type FaultProxy, type FaultProxyOptions } from './fault-proxy.ts'
export type { ConnectionPlan, DirectionPlan, FaultPlan } from './plan.ts'
