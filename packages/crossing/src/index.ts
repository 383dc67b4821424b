/**
 * The way over: recorded traffic, the plan that fixes what is asked of it, replay on candidates, scores, statistics,
 * endpoint checks and the report. Each folder is one of these; this file is the package's whole public surface.
 */
export * from './check/index.ts'
export * from './compare/index.ts'
export {
  askEndpoint,
  NoAnswer,
  NotSayable,
  type AskEndpoint,
  type Clocked,
  type Endpoint,
} from './endpoint/endpoint.ts'
export { CrossingError, crossingErrors, type CrossingErrorCode } from './errors.ts'
export { importers, type Importer } from './importers/index.ts'
export * from './plan/index.ts'
export * from './recording/index.ts'
export * from './records/index.ts'
export * from './replay/index.ts'
export * from './report/index.ts'
export * from './scoring/index.ts'
export * from './judge/index.ts'
export * from './statistics/index.ts'
