/** What a judge said of each candidate, over the cases that count, and whether people have made it fit to decide. */
import { readPanel, type HumanLabel, type Judgement, type PanelReading } from '../judge/index.ts'
import type { Dataset, Plan } from '../records/index.ts'
import { countedCases } from './arm-cases.ts'

export interface JudgePanel {
  readonly candidate: string
  /** Name of the arm that judged, and its model. */
  readonly judge: string
  readonly model: string
  /** Of the wording and the rubric. */
  readonly promptHash: string
  readonly panel: PanelReading
  /** Cases on which the judge gave no usable answer; they are in no figure. */
  readonly silent: number
  readonly currency: string
  /** The judge's own bill for these cases; null: not all of it is priced. */
  readonly costNanos: bigint | null
}

export interface JudgedAnswers {
  readonly judgements: Iterable<Judgement>
  readonly labels: readonly (HumanLabel & { readonly candidate: string })[]
  /** Sessions whose subject was erased. */
  readonly erased?: ReadonlySet<string>
}

/** Candidates that no case was judged of are not in it. */
export function readPanels(plan: Plan, dataset: Dataset, { judgements, labels, erased }: JudgedAnswers): JudgePanel[] {
  const { judge } = plan
  if (judge === null) return []
  const { cases, sessions } = countedCases(plan, dataset, erased)
  const counted = new Map([...cases, ...sessions].map((test) => [test.id, test]))
  const byCandidate = Map.groupBy(
    [...judgements].filter(({ caseId }) => counted.has(caseId)),
    ({ candidate }) => candidate,
  )
  const planned = plan.metrics.find(({ name }) => name === 'judge')
  return plan.candidates.flatMap(({ name: candidate }): JudgePanel[] => {
    const own = byCandidate.get(candidate) ?? []
    const answered = own.flatMap(({ caseId, preference, flipped }) => {
      const { sessionId, weight } = counted.get(caseId)!
      return preference === null ? [] : [{ caseId, session: sessionId, weight, preference, flipped }]
    })
    if (answered.length === 0) return []
    const panel = readPanel(
      answered,
      labels.filter((label) => label.candidate === candidate),
      { margin: planned?.margin ?? judge.margin, alpha: plan.alpha },
    )
    const bills = own.map(({ verdict }) => verdict.cost)
    return [
      {
        candidate,
        judge: judge.name,
        model: judge.model,
        promptHash: own[0]!.verdict.version,
        panel,
        silent: own.length - answered.length,
        currency: plan.replay.currency,
        costNanos: bills.includes(null) ? null : bills.reduce((sum, bill) => sum + bill!.nanos, 0n),
      },
    ]
  })
}
