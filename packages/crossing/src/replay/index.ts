/** Replay: the recorded tasks asked of candidates, with tools answered from the recording. */
export { usageRecordOf } from './ask-arm.ts'
export { chooseReasoning } from './choose-reasoning.ts'
export { adaptRequest, reasoningChoices, type AdaptedRequest, type ReasoningChoice } from './history.ts'
export { AttemptJournal } from './journal.ts'
export {
  replaySteps,
  type ReplayArm,
  type ReplayInput,
  type ReplayProgress,
  type ReplayResult,
  type SessionReplay,
} from './runner.ts'
export { leastCoverage, scoreSession, type SessionScore } from './score-session.ts'
export { type SessionKeys } from './sealed-lines.ts'
export { runSession, type SessionRun, type SessionRunOptions } from './session-run.ts'
export { scoreStep, type StepScoring } from './score-step.ts'
export { StubServer, type Served, type StubOptions } from './stub-server.ts'
