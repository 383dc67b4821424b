/** Public surface of the conformance suite. */
export { conformanceCases } from './catalogue.ts'
export { impossibleCases } from './impossible.ts'
export { modelName, type ConformanceCase, type ImpossibleCase, type UpstreamFlavour } from './case.ts'
export { startOwnGateway, type OwnGateway } from './own-gateway.ts'
export { renderConformanceReference } from './reference.ts'
export { runConformance, type RunOptions, type Verdict, type VerdictKind } from './run.ts'
export { ScriptedUpstream } from './scripted-upstream.ts'
export { summaryOf, tableOf, type Summary } from './table.ts'
