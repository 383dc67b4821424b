/** Checks of any endpoint with generated cases: tool calls, structured output, long context. */
export { askTarget, type Ask, type Question } from './target.ts'
export {
  compareReports,
  groupResults,
  runCases,
  type CaseResult,
  type CheckCase,
  type CheckDifference,
  type CheckOutcome,
  type CheckReport,
  type GroupResult,
} from './result.ts'
export { toolsBattery } from './tools-battery.ts'
export { jsonBattery } from './json-battery.ts'
export {
  effectiveLengthTokens,
  heatMap,
  longContextBattery,
  longContextTasks,
  measureCharactersPerToken,
  type HeatMapCell,
  type LongContextOptions,
  type LongContextTask,
} from './long-context.ts'
