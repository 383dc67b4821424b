/** What a judge said of one candidate, with how far it may be believed, as plain figures. */
import type { JudgePanel } from '../compare/index.ts'
import type { ReportData } from './report-data.ts'

export function judgeRow(said: JudgePanel): ReportData['judge'][number] {
  const { candidate, judge, model, promptHash, panel, silent, currency, costNanos } = said
  const { winRate, interval, cases, sessions, flipRate, kappa, corrected, calibrated, problems, margin, decision } =
    panel
  return {
    candidate,
    judge,
    model,
    promptHash,
    silent,
    currency,
    nanos: costNanos === null ? null : String(costNanos),
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
