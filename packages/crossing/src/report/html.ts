/**
 * The report as one HTML file: no request leaves it, no script is in it, and its policy forbids both. Page 1 is for the
 * person who signs; every number on it links to the rows of the appendix that it was made from.
 */
import { intervalFigure } from './interval-figure.ts'
import { caseAnchor, link, table } from './html-parts.ts'
import { html, Markup, type Content } from './markup.ts'
import { style } from './html-style.ts'
import { appendix } from './html-appendix.ts'
import { glance, verdictClass } from './html-glance.ts'
import { longContextSummary } from './html-long-context.ts'
import type { CandidateReport, ReportData } from './report-data.ts'
import { reportHash, verifySignatures } from './sign.ts'
import {
  breakEvenText,
  comparisonNamed,
  crossingOf,
  instant,
  milliseconds,
  monthsSpan,
  notKnown,
  ownCheck,
  percent,
  perTask,
  points,
  ratioOf,
  ratioText,
  times,
  whole,
  wholeUnits,
} from './wording.ts'

const mostSlices = 5

export function renderHtml(report: ReportData): string {
  const title = `Crossing: ${crossingOf(report)}`
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        <style>
          ${new Markup(style)}
        </style>
      </head>
      <body>
        <main>
          ${header(report)} ${glance(report)} ${about(report)}
          ${report.candidates.map((candidate, index) => candidateSection(report, candidate, index))}
          ${signatures(report)} ${appendix(report)}
        </main>
      </body>
    </html> `.text
}

// ------------------------------------------------------------------------------------------------- page 1

function header(report: ReportData): Markup {
  const { amendedAfterData } = report.plan
  return html`<header>
    <h1>${crossingOf(report)}</h1>
    <p class="soft">The same recorded tasks asked of both, compared case by case.</p>
    ${amendedAfterData === null ? null : html`<p class="worse">The plan was amended after data: ${amendedAfterData}</p>`}
  </header>`
}

function about(report: ReportData): Markup {
  const { plan, data, priceBook } = report
  const dropped = data.recordings.reduce((sum, recording) => sum + recording.dropped, 0)
  const rows: readonly (readonly [string, Content])[] = [
    ['Plan', html`${plan.name}, version ${plan.version}, ${link('plan', html`<code>${plan.hash}</code>`)}`],
    [
      'Tasks',
      html`${link('data', `${data.cases} cases in ${data.sessions} sessions`)},
      ${report.excluded.length > 0 ? link('excluded', `${report.excluded.length} excluded`) : 'none excluded'},
      ${link('unscored', `${report.unscored.length} answers unscored`)}${data.recordings.length > 0 ? html`, ${link('data', `${dropped} requests lost in recording`)}` : null}`,
    ],
    [
      'Recorded',
      data.window ? link('data', `${instant(data.window.from)} to ${instant(data.window.until)}`) : notKnown,
    ],
    [
      'Prices of',
      link('costs', priceBook ? `${plan.priceDay} (price book ${priceBook.id})` : `${plan.priceDay} (no price book)`),
    ],
    ['Report', html`<code>${reportHash(report)}</code>`],
  ]
  return html`<section id="about">
    <h2>About this report</h2>
    <dl>
      ${rows.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </section>`
}

function candidateSection(report: ReportData, candidate: CandidateReport, index: number): Markup {
  const { name, verdict, reason, model, upstream } = candidate
  return html`<section id="candidate-${index}">
    <h2>${name} <span class="soft">(${model} at ${upstream})</span></h2>
    <div class="verdict ${verdictClass[verdict]}">
      <strong>${verdict}</strong>
      <p>${link(`comparisons-${index}`, reason)}</p>
    </div>
    ${quality(report, candidate, index)} ${money(report, candidate)} ${latency(report, candidate, index)}
    ${validity(report, candidate)} ${sessionLine(report, candidate)} ${judgeLine(report, candidate)}
    ${critical(candidate, index)} ${settings(report, candidate)} ${longContextSummary(report, candidate)}
  </section>`
}

function quality({ plan }: ReportData, candidate: CandidateReport, index: number): Markup {
  const row = candidate.quality
  const figure = intervalFigure(candidate)
  const floor = candidate.otherComparisons.find(({ metric }) => metric === 'floor') ?? null
  if (row === null || figure === null)
    return html`<h3>Quality</h3>
      <p>
        ${link(`comparisons-${index}`, notKnown)}:
        ${candidate.notKnown.find(({ metric }) => metric === 'quality')?.why ?? 'the plan does not compare it.'}
      </p>`
  return html`<h3>Quality: share of tasks done, against ${plan.incumbent}</h3>
    <figure>
      ${figure}
      <figcaption>
        Difference ${link(`cases-${index}`, points(row.estimate))}, ${percent(1 - 2 * plan.alpha)} interval
        ${link(`comparisons-${index}`, `${points(row.lower)} to ${points(row.upper)}`)}; the plan allows
        ${link('plan', points(-(row.margin ?? 0)))}.
        ${
          floor
            ? html`The incumbent asked twice differs from itself by
              ${link(`comparisons-${index}`, `${points(floor.estimate)} (${points(floor.lower)} to ${points(floor.upper)})`)}.`
            : html`The incumbent's difference from itself is ${link(`comparisons-${index}`, notKnown)}.`
        }
      </figcaption>
    </figure>
    ${table(
      'Slices, worst first',
      [
        { head: 'slice' },
        { head: 'difference', number: true },
        { head: 'interval', number: true },
        { head: 'cases', number: true },
        { head: 'reading' },
      ],
      candidate.slices
        .slice(0, mostSlices)
        .map((slice) => [
          slice.slice ?? '',
          link(`slices-${index}`, points(slice.estimate)),
          link(`slices-${index}`, `${points(slice.lower)} to ${points(slice.upper)}`),
          link(`slices-${index}`, String(slice.cases)),
          slice.decision === 'worse' ? html`<span class="worse">worse</span>` : 'nothing shown',
        ]),
    )}`
}

function money(report: ReportData, candidate: CandidateReport): Markup {
  const costs = report.costs[0]!
  const [now, then] = [costs.arms[0], costs.arms.find(({ arm }) => arm === candidate.name)]
  const row = (head: string, reading: 'observed' | 'steady' | 'cold'): readonly Content[] => {
    const cells = [now, then].map((arm) =>
      arm === undefined ? notKnown : link('costs', perTask(arm[reading].nanos, costs.tasks, report.currency)),
    )
    return [head, ...cells, link('costs', ratioText(ratioOf(costs, candidate.name, reading)))]
  }
  const hitRate = (arm: typeof now): Content =>
    link('costs', `${percent(arm?.observedHitShare ?? null)} / ${percent(arm?.steadyHitShare ?? null)}`)
  return html`<h3>Cost of a task, then and now</h3>
    ${table(
      `Over ${costs.tasks} tasks, prices of ${costs.asOf}`,
      [
        { head: 'reading' },
        { head: report.plan.incumbent, number: true },
        { head: candidate.name, number: true },
        { head: 'ratio with interval', number: true },
      ],
      [
        row('observed in the replay', 'observed'),
        row('steady state', 'steady'),
        row('cold, no cache hits', 'cold'),
        ['cache hits, observed / steady', hitRate(now), hitRate(then), ''],
      ],
    )}
    <p>
      Costs the same as today at a hit rate of ${link('costs', breakEvenText(costs, candidate.name))}.
      ${budget(candidate)}
    </p>`
}

function budget({ name, budget: row }: CandidateReport): Content {
  if (row === null) return html`Months of budget: ${link('budget', notKnown)}.`
  const { months: range, tasks } = row
  const bought = (count: number | null): string => (count === null ? notKnown : whole(count))
  return html`${wholeUnits(row.amountNanos, row.currency)} (${row.name}) buys ${link('budget', bought(tasks.today))}
  tasks today and ${link('budget', bought(tasks.moved))} on
  ${name}${
    range === null
      ? html`; months: ${link('budget', notKnown)}`
      : html`, and lasts ${link('budget', monthsSpan(range.today))} today and ${link('budget', monthsSpan(range.moved))}
        on ${name}`
  },
  at the ${row.reading} ratio and equal use.`
}

function latency(report: ReportData, candidate: CandidateReport, index: number): Markup {
  const clocks = (name: string) =>
    report.arms.find(({ arm }) => arm === name)?.clocks.find(({ clock }) => clock === 'first visible')
  const [now, then] = [clocks(report.plan.incumbent), clocks(candidate.name)]
  const row = (head: string, clock: 'p50Ms' | 'p95Ms', metric: string): readonly Content[] => {
    const ratio = comparisonNamed(candidate, metric)
    return [
      head,
      link('latency', milliseconds(now?.[clock] ?? null)),
      link('latency', milliseconds(then?.[clock] ?? null)),
      link(
        `comparisons-${index}`,
        ratio ? `${times(ratio.estimate)} (${times(ratio.lower)} to ${times(ratio.upper)})` : notKnown,
      ),
    ]
  }
  return html`<h3>Time to the first visible token</h3>
    ${table(
      'What a user waits for; reasoning does not count',
      [
        { head: '' },
        { head: report.plan.incumbent, number: true },
        { head: candidate.name, number: true },
        { head: 'ratio with interval', number: true },
      ],
      [row('p50', 'p50Ms', 'first-visible'), row('p95', 'p95Ms', 'first-visible-p95')],
    )}`
}

function validity(report: ReportData, candidate: CandidateReport): Markup {
  const of = (name: string) => report.arms.find(({ arm }) => arm === name)?.scorers ?? []
  const [now, then] = [of(report.plan.incumbent), of(candidate.name)]
  const scorers = [...new Set([...now, ...then].map(({ scorer }) => scorer))].sort()
  const own = scorers.filter((scorer) => scorer.startsWith(ownCheck))
  const cell = (rows: typeof now, scorer: string): Content => {
    const found = rows.find((row) => row.scorer === scorer)
    return link('validity', found?.rate ? `${percent(found.rate.rate)} of ${found.pass + found.fail}` : notKnown)
  }
  const rows = (names: readonly string[]) =>
    names.map((scorer) => [scorer.replace(ownCheck, ''), cell(now, scorer), cell(then, scorer)])
  const columns = [
    { head: 'check' },
    { head: report.plan.incumbent, number: true },
    { head: candidate.name, number: true },
  ]
  return html`<h3>Tools and structure</h3>
    ${table('Answers that passed, by check', columns, rows(scorers.filter((scorer) => !own.includes(scorer))))}
    ${
      own.length === 0
        ? null
        : html`<h3>Checks of your own</h3>
            ${table('Answers that passed, by check of the plan', columns, rows(own))}`
    }`
}

function sessionLine({ sessionRuns, plan }: ReportData, { name }: CandidateReport): Markup | null {
  const of = (arm: string) => sessionRuns.find((row) => row.arm === arm)
  const [now, then] = [of(plan.incumbent), of(name)]
  if (then === undefined) return null
  const words = ({ passed, runs, divergences }: NonNullable<typeof then>): Content =>
    link(
      'sessions',
      `${passed} of ${runs} passed, ${divergences.reduce((sum, kind) => sum + kind.runs, 0)} left the recorded way`,
    )
  return html`<h3>Whole sessions</h3>
    <p>${name}: ${words(then)}${now === undefined ? '' : html`; ${plan.incumbent}: ${words(now)}`}.</p>`
}

function judgeLine({ judge }: ReportData, { name }: CandidateReport): Markup | null {
  const row = judge.find(({ candidate }) => candidate === name)
  if (row === undefined) return null
  return html`<h3>Judge</h3>
    <p class="${row.calibrated ? '' : 'soft'}">
      Preferred in ${link('judge', `${percent(row.winRate)} (${percent(row.lower)} to ${percent(row.upper)})`)} of
      ${link('judge', String(row.cases))} cases, ties counted
      half${
        row.calibrated
          ? html`: ${row.decision}.`
          : html`. Uncalibrated (${row.problems.join('; ')}), so it decides nothing.`
      }
    </p>`
}

function critical(candidate: CandidateReport, index: number): Markup {
  const ids = [...new Set(candidate.criticalFailures.map(({ caseId }) => caseId))]
  if (ids.length === 0)
    return html`<h3>Critical failures</h3>
      <p>${link(`critical-${index}`, '0')}</p>`
  return html`<h3>Critical failures</h3>
    <p class="worse">
      ${link(`critical-${index}`, String(ids.length))}:
      ${ids
        .slice(0, 10)
        .map(
          (id, at) => html`${at > 0 ? ', ' : ''}${link(caseAnchor(index, id), id)}`,
        )}${ids.length > 10 ? ` and ${ids.length - 10} more` : ''}
    </p>`
}

function settings(report: ReportData, candidate: CandidateReport): Markup {
  const figures = report.arms.find(({ arm }) => arm === candidate.name)
  const known = figures !== undefined && figures.runs.length > 0
  return html`<h3>Settings that did not carry over</h3>
    ${
      known
        ? table(
            `History was sent with reasoning ${figures.reasoning ?? notKnown}`,
            [{ head: 'setting' }, { head: 'became' }, { head: 'cases', number: true }, { head: 'note' }],
            figures.settings.map(({ name, outcome, cases, note }) => [
              name,
              outcome,
              link('arms', String(cases)),
              note ?? '',
            ]),
          )
        : html`<p>${link('arms', notKnown)}: no run of ${candidate.name} is stored.</p>`
    }`
}

function signatures(report: ReportData): Markup {
  const checks = verifySignatures(report)
  return html`<section id="signatures">
    <h2>Sign-offs</h2>
    ${table(
      'Bound to the hash of this report',
      [
        { head: 'role' },
        { head: 'person' },
        { head: 'decision' },
        { head: 'on' },
        { head: 'note' },
        { head: 'binding' },
      ],
      checks.map(({ signature: { role, person, decision, signedAtMs, note }, valid, problem }) => [
        role,
        person,
        decision,
        instant(new Date(signedAtMs).toISOString()),
        note ?? '',
        valid ? 'this report' : html`<span class="worse">BROKEN: ${problem}</span>`,
      ]),
    )}
  </section>`
}
