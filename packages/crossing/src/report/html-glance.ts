/** What a person who signs reads first: for each candidate the verdict and the five figures that it stands on. */
import { link } from './html-parts.ts'
import { html, type Content, type Markup } from './markup.ts'
import type { CandidateReport, ReportData } from './report-data.ts'
import {
  comparisonNamed,
  headlineReading,
  milliseconds,
  monthsSpan,
  notKnown,
  perTask,
  ratioOf,
  ratioText,
  signedPoints,
  wholeUnits,
} from './wording.ts'

export const verdictClass = { 'NON-INFERIOR': 'good', WORSE: 'bad', 'NOT SHOWN': 'open' } as const

const inWords = {
  'NON-INFERIOR': 'shown to be no worse than the plan allows',
  WORSE: 'shown to break what the plan demands',
} as const

export function glance(report: ReportData): Markup {
  return html`<section id="glance">
    <h2>Verdict</h2>
    <div class="cards">${report.candidates.map((candidate, index) => card(report, candidate, index))}</div>
  </section>`
}

function card(report: ReportData, candidate: CandidateReport, index: number): Markup {
  const { name, verdict, reason } = candidate
  return html`<article class="card ${verdictClass[verdict]}">
    <h3>${name}</h3>
    <p class="word">${link(`candidate-${index}`, verdict)}</p>
    <p class="soft">${verdict === 'NOT SHOWN' ? reason : inWords[verdict]}</p>
    <dl>
      ${figures(report, candidate, index).map(
        ([head, value]) =>
          html`<dt>${head}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </article>`
}

function figures(report: ReportData, candidate: CandidateReport, index: number): (readonly [string, Content])[] {
  return [
    ['Quality against today', quality(candidate, index)],
    ...cost(report, candidate),
    ['First visible token', latency(report, candidate, index)],
    ['Critical failures', critical(report, candidate, index)],
    ...budget(candidate),
  ]
}

function quality({ quality: row }: CandidateReport, index: number): Content {
  if (row === null) return link(`comparisons-${index}`, notKnown)
  const allowed = row.margin === null ? '' : `; allowed ${signedPoints(-row.margin)}`
  return link(
    `comparisons-${index}`,
    html`<b>${signedPoints(row.estimate)} points</b> (${signedPoints(row.lower)} to
      ${signedPoints(row.upper)}${allowed})`,
  )
}

function cost(report: ReportData, { name }: CandidateReport): (readonly [string, Content])[] {
  const costs = report.costs[0]!
  const reading = headlineReading(costs, name)
  const each = (arm: string): string =>
    perTask(costs.arms.find((one) => one.arm === arm)?.[reading].nanos ?? null, costs.tasks, report.currency)
  const head = `Cost of a task, ${reading === 'steady' ? 'steady state' : 'as billed'}`
  const ratio = ratioOf(costs, name, reading)
  return [[head, link('costs', moved(each(report.plan.incumbent), each(name), ratio))]]
}

/** `before → after, ratio`; once "not known" where nothing is. */
function moved(before: string, after: string, ratio: Parameters<typeof ratioText>[0]): Markup {
  if (before === notKnown && after === notKnown) return html`${notKnown}`
  return html`${before} → <b>${after}</b>${ratio === null ? '' : `, ${ratioText(ratio)}`}`
}

function latency(report: ReportData, candidate: CandidateReport, index: number): Content {
  const of = (name: string) =>
    report.arms.find(({ arm }) => arm === name)?.clocks.find(({ clock }) => clock === 'first visible')
  const [now, then] = [of(report.plan.incumbent), of(candidate.name)]
  const row = (head: string, clock: 'p50Ms' | 'p95Ms', metric: string): Markup =>
    html`${head}
    ${moved(milliseconds(now?.[clock] ?? null), milliseconds(then?.[clock] ?? null), comparisonNamed(candidate, metric))}`
  return html`${link('latency', row('p50', 'p50Ms', 'first-visible'))}<br />${link(
      `comparisons-${index}`,
      row('p95', 'p95Ms', 'first-visible-p95'),
    )}`
}

function critical({ arms }: ReportData, candidate: CandidateReport, index: number): Content {
  const ids = new Set(candidate.criticalFailures.map(({ caseId }) => caseId)).size
  const outcomes = arms.find(({ arm }) => arm === candidate.name)?.outcomes
  const answers = outcomes === undefined ? 0 : outcomes.pass + outcomes.fail + outcomes.error + outcomes.unscored
  if (answers === 0) return link(`critical-${index}`, notKnown)
  return link(
    `critical-${index}`,
    ids === 0
      ? html`<b>0</b> in ${answers} answers`
      : html`<b class="worse">${ids} ${ids === 1 ? 'case' : 'cases'}</b> in ${answers} answers`,
  )
}

function budget({ budget: row }: CandidateReport): (readonly [string, Content])[] {
  if (row?.months == null) return []
  return [
    [
      `${wholeUnits(row.amountNanos, row.currency)} lasts`,
      link('budget', html`${monthsSpan(row.months.today)} → <b>${monthsSpan(row.months.moved)}</b>`),
    ],
  ]
}
