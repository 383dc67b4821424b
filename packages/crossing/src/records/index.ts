/** The data contract of the way over: what each part hands to the next. */
export { canonicalJson, hashOf } from './canonical-json.ts'
export type * from './case.ts'
export { idKinds, isId, mintId, type IdKind } from './ids.ts'
export * from './plan.ts'
export * from './recording.ts'
export * from './run.ts'
