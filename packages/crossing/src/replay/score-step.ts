/** The checks of one answer in step mode: those of its case, else what the recorded answer itself asks for. */
import type { AttemptTurn, Case, Exchange, ToolClass, Verdict } from '../records/index.ts'
import {
  callsOf,
  scoreJson,
  scorePlanChecks,
  scoreToolCalls,
  scoreTransport,
  visibleText,
  type ArgumentRule,
  type IsolatedRunner,
  type PlanChecks,
} from '../scoring/index.ts'

export interface StepScoring {
  readonly runner: IsolatedRunner
  /** By tool name. */
  readonly classes: Readonly<Record<string, ToolClass>>
  readonly rules: Readonly<Record<string, readonly ArgumentRule[]>>
  /** Of the plan's own; null or absent: none. */
  readonly checks?: PlanChecks | null
}

/**
 * Transport always; tool calls where the recorded or the new answer made any; form where the request demanded one.
 * Free text is not compared with the recording here: that needs a judge or a check of the plan's.
 */
export async function scoreStep(
  test: Case,
  recorded: Exchange,
  turn: AttemptTurn,
  { runner, classes, rules, checks = null }: StepScoring,
): Promise<Verdict[]> {
  const verdicts = [scoreTransport(turn, test.severity)]
  const { response } = turn
  const expected = recorded.content?.response ?? null
  if (response === null || expected === null) return verdicts
  const { tools, outputFormat } = turn.request
  const got = callsOf(response)
  const want = callsOf(expected)
  if (got.length > 0 || want.length > 0)
    verdicts.push(
      await scoreToolCalls(got, want, tools, runner, {
        classOf: (name) => classes[name] ?? null,
        rules,
        severity: test.severity,
      }),
    )
  if (outputFormat.type !== 'text' && got.length === 0)
    verdicts.push(
      await scoreJson(
        visibleText(response),
        outputFormat.type === 'json-schema' ? outputFormat.schema : null,
        runner,
        test.severity,
      ),
    )
  if (checks !== null)
    verdicts.push(...(await scorePlanChecks({ test, request: turn.request, response, recorded: expected }, checks)))
  return verdicts
}
