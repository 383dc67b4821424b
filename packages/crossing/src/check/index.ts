/** Checks of any endpoint with generated cases: tool calls, structured output, long context. */
export { askTarget, type Ask, type Question } from './target.ts'
export {
  batteryVersions,
  groupResults,
  runCases,
  type BatteryName,
  type CaseResult,
  type CheckCase,
  type CheckOutcome,
  type CheckReport,
  type GroupResult,
} from './result.ts'
export { toolsBattery } from './tools-battery.ts'
export { jsonBattery } from './json-battery.ts'
export { compareReports, type CheckDifference, type PairedDifference } from './compare-checks.ts'
export { parseCheckFile } from './check-file.ts'
export { documentHaystack, generatedHaystack, type Haystack } from './haystack.ts'
export {
  effectiveLengthTokens,
  heatMap,
  lengthReadings,
  type HeatMapCell,
  type LengthReading,
} from './long-context-reading.ts'
export {
  longContextBattery,
  longContextTasks,
  measureCharactersPerToken,
  type LongContextOptions,
  type LongContextTask,
} from './long-context.ts'
