/** The judge: pairwise, blind, in both orders, metered, and unable to gate before people have calibrated it. */
export { judgeBehindDoor, type AskJudge, type JudgeAnswer, type JudgeDoorOptions } from './door.ts'
export { judgePair, scoreOf, type JudgedCase, type JudgePair, type JudgeSettings, type Preference } from './pairwise.ts'
export { readPanel, type HumanLabel, type PanelCase, type PanelReading } from './panel.ts'
export { judgeMessages, judgePromptHash, parseChoice, type JudgeChoice, type JudgeQuestion } from './prompt.ts'
