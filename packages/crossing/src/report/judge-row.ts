/** What a judge said of one candidate, with how far it may be believed, as plain figures. */
import type { PanelReading } from '../judge/panel.ts'
import type { ReportData } from './report-data.ts'

export interface JudgeInput {
  readonly candidate: string
  /** Name of the arm that judged. */
  readonly judge: string
  readonly promptHash: string
  readonly panel: PanelReading
}

export function judgeRow({ candidate, judge, promptHash, panel }: JudgeInput): ReportData['judge'][number] {
  const { winRate, interval, cases, sessions, flipRate, kappa, corrected, calibrated, problems, margin, decision } =
    panel
  return {
    candidate,
    judge,
    promptHash,
    winRate,
    lower: interval.lower,
    upper: interval.upper,
    cases,
    sessions,
    flipRate,
    labels: kappa.labels,
    agreement: kappa.agreement,
    kappa: kappa.kappa,
    kappaLower: kappa.interval?.lower ?? null,
    kappaUpper: kappa.interval?.upper ?? null,
    corrected: corrected && {
      mean: corrected.mean,
      lower: corrected.interval.lower,
      upper: corrected.interval.upper,
    },
    calibrated,
    problems: [...problems],
    margin,
    decision,
  }
}
