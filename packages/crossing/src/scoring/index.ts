/** Scorers: each says pass, fail or unscored about one answer, with evidence. */
export { callsOf, visibleText } from './answer.ts'
export {
  argumentDifferences,
  fillDefaults,
  parseArguments,
  type ArgumentDifference,
  type ArgumentRule,
} from './arguments.ts'
export { assign } from './assignment.ts'
export { bfclProblem, type BfclCall, type BfclFunction, type BfclGold } from './bfcl.ts'
export { IsolatedRunner, type IsolatedResult, type IsolatedTask, type IsolationLimits } from './isolated.ts'
export { schemaProblem, scoreJson } from './json-schema.ts'
export { normaliseText, scoreText, textSimilarity, type TextRule } from './text.ts'
export {
  compareToolCalls,
  scoreToolCalls,
  type CallPair,
  type ToolCallComparison,
  type ToolCallOptions,
} from './tool-calls.ts'
export { scorePlanChecks, type CheckedAnswer, type PlanChecks } from './plan-checks.ts'
export { scoreTransport } from './transport.ts'
export { scoreByFile, scorePattern } from './user-check.ts'
export {
  caseOutcome,
  criticalFailures,
  failed,
  pairShares,
  passed,
  unscored,
  type MissingPolicy,
  type ScorerName,
} from './verdict.ts'
