/** The judge: pairwise, blind, in both orders, metered, and unable to gate before people have calibrated it. */
export { judgeBehindDoor, type AskJudge, type JudgeAnswer, type JudgeDoorOptions } from './door.ts'
export { JudgementJournal, type Judgement } from './journal.ts'
export {
  casesToJudge,
  runJudge,
  spokenPairs,
  type JudgeProgress,
  type JudgeRunInput,
  type JudgeRunResult,
  type SpokenPair,
} from './judge-run.ts'
export { labelSheet, readLabelSheet, type CandidateLabel } from './label-sheet.ts'
export { judgePair, scoreOf, type JudgedCase, type JudgePair, type JudgeSettings, type Preference } from './pairwise.ts'
export { readPanel, type HumanLabel, type PanelCase, type PanelReading } from './panel.ts'
export { judgeMessages, judgePromptHash, parseChoice, type JudgeChoice, type JudgeQuestion } from './prompt.ts'
