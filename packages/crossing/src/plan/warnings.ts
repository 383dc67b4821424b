/** What a plan says that will not come true: no fault of form, so it can be frozen, but its author should know before. */
import type { Metric, Plan } from '../records/index.ts'
import { isReadable } from './exclusions.ts'

const differences = ['quality', 'session-success', 'judge']
const ratios = ['cost', 'first-visible', 'first-visible-p95', 'total', 'tokens-per-session', 'cost-per-session']
const sessionMetrics = ['session-success', 'tokens-per-session', 'cost-per-session']
/** Scorers that every answer meets; a plan may name the share that passes one as a metric. */
const builtIn = ['transport', 'tool-calls', 'json', 'json-schema', 'session-run', 'session-effects']

/** One sentence each, in the order of the plan. */
export function planWarnings(plan: Plan): string[] {
  const { metrics, exclusions, judge } = plan
  return [
    ...metrics.flatMap((metric) => metricWarnings(plan, metric)),
    ...exclusions
      .filter((exclusion) => !isReadable(exclusion))
      .map(
        ({ rule }) =>
          `exclusions: "${rule}" is no rule that this program can read, and excludes nothing. Rules are case:ID, session:ID and tag:NAME.`,
      ),
    ...(judge !== null && [plan.incumbent, ...plan.candidates].some(({ model }) => model === judge.model)
      ? [`judge: ${judge.model} is one of the arms; a model tends to prefer its own words.`]
      : []),
  ]
}

function metricWarnings({ replay, checks, judge }: Plan, { name, kind, margin, gate }: Metric): string[] {
  const known =
    kind === 'count'
      ? name === 'critical-failures'
      : kind === 'ratio'
        ? ratios.includes(name)
        : differences.includes(name) || builtIn.includes(name) || checks.some((check) => name === `check:${check.name}`)
  if (!known)
    return [
      `metrics: ${name} is no ${kind} that this program can measure${gate ? ', so its gate cannot be passed' : ''}.`,
    ]
  if (sessionMetrics.includes(name) && replay.mode === 'step')
    return [`metrics: ${name} needs session runs; replay.mode is step.`]
  if (name === 'judge' && judge === null) return ['metrics: judge is measured by a judge, and the plan names none.']
  if (kind === 'difference' && margin === 0 && gate)
    return [`metrics: ${name} has a margin of 0, so the candidate must be shown to be better, not only as good.`]
  return []
}
