/** The report as Markdown, for a pull request or a ticket: page 1 whole, failed cases in short. Text of models is fenced. */
import type { CandidateReport, ReportData } from './report-data.ts'
import { reportHash, verifySignatures } from './sign.ts'
import {
  breakEvenText,
  crossingOf,
  instant,
  milliseconds,
  missingPolicies,
  monthsSpan,
  notKnown,
  percent,
  perTask,
  points,
  ratioOf,
  ratioText,
  readingNames,
  readings,
  scenarioName,
  whole,
  wholeUnits,
} from './wording.ts'

export function renderMarkdown(report: ReportData): string {
  const { plan, data, priceBook } = report
  const lines = [
    `# Crossing: ${inline(crossingOf(report))}`,
    '',
    ...table(
      ['', ''],
      [
        ['plan', `${plan.name}, version ${plan.version}, ${plan.hash}`],
        [
          'tasks',
          `${data.cases} cases in ${data.sessions} sessions, ${report.excluded.length} excluded, ${report.unscored.length} answers unscored`,
        ],
        ['recorded', data.window ? `${instant(data.window.from)} to ${instant(data.window.until)}` : notKnown],
        ['prices of', `${plan.priceDay}, price book ${priceBook?.id ?? notKnown}`],
        ['report', reportHash(report)],
        ...(plan.amendedAfterData === null ? [] : [['amended after data', plan.amendedAfterData]]),
      ],
    ),
    ...report.candidates.flatMap((candidate) => candidateLines(report, candidate)),
    ...costLines(report),
    '## Sign-offs',
    '',
    ...table(
      ['role', 'person', 'decision', 'on', 'binding'],
      verifySignatures(report).map(({ signature, problem }) => [
        signature.role,
        signature.person,
        signature.decision,
        instant(new Date(signature.signedAtMs).toISOString()),
        problem === null ? 'this report' : `BROKEN: ${problem}`,
      ]),
    ),
    '## Failed cases',
    '',
    ...report.cases.flatMap((row) => [
      `### ${inline(row.caseId)}: ${row.kind}${row.critical ? ', critical' : ''} (${inline(row.candidate)})`,
      '',
      ...row.why.map((why) => `- ${inline(why)}`),
      '',
      `${inline(plan.incumbent)} (${row.incumbentAnswer?.outcome ?? 'not asked'}):`,
      '',
      fenced(row.incumbentAnswer?.text ?? ''),
      '',
      `${inline(row.candidate)} (${row.candidateAnswer?.outcome ?? 'not asked'}):`,
      '',
      fenced(row.candidateAnswer?.text ?? ''),
      '',
    ]),
    '## To make this report again',
    '',
    fenced(report.reproduce),
    '',
  ]
  return lines.join('\n')
}

function candidateLines(report: ReportData, candidate: CandidateReport): string[] {
  const { name, verdict, reason, quality, slices, budget } = candidate
  const figures = (arm: string) => report.arms.find((one) => one.arm === arm)
  const clock = (arm: string) => figures(arm)?.clocks.find((one) => one.clock === 'first visible')
  const [now, then] = [clock(report.plan.incumbent), clock(name)]
  const costs = report.costs[0]!
  const eachTask = (arm: string, reading: (typeof readings)[number]): string =>
    perTask(costs.arms.find((one) => one.arm === arm)?.[reading].nanos ?? null, costs.tasks, report.currency)
  const longContext = (arm: string): string => {
    const found = report.longContext.find((one) => one.arm === arm)
    return found === undefined
      ? notKnown
      : found.effectiveTokens === null
        ? 'none that was asked'
        : `${whole(found.effectiveTokens)} tokens`
  }
  const judge = report.judge.find((one) => one.candidate === name)
  const sessions = (arm: string): string => {
    const found = report.sessionRuns.find((one) => one.arm === arm)
    return found === undefined ? notKnown : `${found.passed} of ${found.runs}`
  }
  const critical = [...new Set(candidate.criticalFailures.map(({ caseId }) => caseId))]
  return [
    `## ${inline(name)}: ${verdict}`,
    '',
    inline(reason),
    '',
    ...table(
      ['figure', report.plan.incumbent, name],
      [
        [
          'quality difference',
          '',
          quality
            ? `${points(quality.estimate)} (${points(quality.lower)} to ${points(quality.upper)}; margin ${points(-(quality.margin ?? 0))})`
            : notKnown,
        ],
        ...readings
          .filter((reading) => reading !== 'repriced')
          .map((reading) => [
            `cost of a task, ${readingNames[reading]}`,
            eachTask(report.plan.incumbent, reading),
            `${eachTask(name, reading)}; ${ratioText(ratioOf(costs, name, reading))}`,
          ]),
        ['first visible, p50', milliseconds(now?.p50Ms ?? null), milliseconds(then?.p50Ms ?? null)],
        ['first visible, p95', milliseconds(now?.p95Ms ?? null), milliseconds(then?.p95Ms ?? null)],
        ...[
          ...new Set(
            [report.plan.incumbent, name].flatMap((arm) => figures(arm)?.scorers.map(({ scorer }) => scorer) ?? []),
          ),
        ].map((scorer) => [
          scorer,
          ...[report.plan.incumbent, name].map((arm) =>
            percent(figures(arm)?.scorers.find((one) => one.scorer === scorer)?.rate?.rate ?? null),
          ),
        ]),
        [
          'critical failures',
          '',
          critical.length === 0 ? '0' : `${critical.length}: ${critical.slice(0, 10).join(', ')}`,
        ],
        [
          'months of budget',
          budget?.months ? monthsSpan(budget.months.today) : notKnown,
          budget?.months
            ? `${monthsSpan(budget.months.moved)} (of ${wholeUnits(budget.amountNanos, budget.currency)}, ${budget.reading})`
            : notKnown,
        ],
        ...(report.longContext.length > 0
          ? [['long context holds up to', longContext(report.plan.incumbent), longContext(name)]]
          : []),
        ...(report.sessionRuns.length > 0
          ? [['whole sessions passed', sessions(report.plan.incumbent), sessions(name)]]
          : []),
        ...(judge
          ? [
              [
                'judge',
                '',
                `${percent(judge.winRate)} (${percent(judge.lower)} to ${percent(judge.upper)}), ${judge.calibrated ? judge.decision : `uncalibrated: ${judge.problems.join('; ')}`}; its bill ${perTask(judge.nanos, 1, judge.currency)}`,
              ],
            ]
          : []),
      ],
    ),
    ...table(
      ['slice, worst first', 'difference', 'interval', 'cases', 'reading'],
      slices
        .slice(0, 5)
        .map((slice) => [
          slice.slice ?? '',
          points(slice.estimate),
          `${points(slice.lower)} to ${points(slice.upper)}`,
          String(slice.cases),
          slice.decision === 'worse' ? 'worse' : 'nothing shown',
        ]),
    ),
    ...table(
      ['read otherwise', 'difference', 'interval', 'reading'],
      candidate.sensitivity.map(({ missing, comparison }) => [
        missingPolicies[missing] ?? missing,
        points(comparison.estimate),
        `${points(comparison.lower)} to ${points(comparison.upper)}`,
        comparison.decision,
      ]),
    ),
    ...table(
      ['setting that did not carry over', 'became', 'cases', 'note'],
      (figures(name)?.settings ?? []).map((one) => [one.name, one.outcome, String(one.cases), one.note ?? '']),
    ),
    ...table(
      ['not known', 'why'],
      candidate.notKnown.map(({ metric, why }) => [metric, why]),
    ),
  ]
}

function costLines(report: ReportData): string[] {
  return [
    '## Cost of a task',
    '',
    ...report.costs.flatMap((made) => [
      inline(scenarioName(made)),
      '',
      ...table(
        ['arm', ...readings.map((reading) => readingNames[reading]), 'break-even hits'],
        made.arms.map((arm) => [
          arm.arm,
          ...readings.map((reading) => perTask(arm[reading].nanos, made.tasks, report.currency)),
          made.breakEven.some((row) => row.arm === arm.arm) ? breakEvenText(made, arm.arm) : '',
        ]),
      ),
    ]),
  ]
}

/** Empty tables are left out: an empty heading says nothing. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const line = (cells: readonly string[]): string => `| ${cells.map(inline).join(' | ')} |`
  return [line(heads), `| ${heads.map(() => '---').join(' | ')} |`, ...rows.map(line), '']
}

/** One line that starts no markup of its own. */
function inline(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]<>|#!~]/g, (character) => `\\${character}`)
    .replace(/&/g, '&amp;')
}

/** A fence longer than any run of backticks inside. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}\n${text}\n${fence}`
}
