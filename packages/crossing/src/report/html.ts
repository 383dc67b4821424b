/**
 * The report as one HTML file: no request leaves it, no script is in it, and its policy forbids both. Page 1 is for the
 * person who signs; every number on it links to the rows of the appendix that it was made from.
 */
import { intervalFigure } from './interval-figure.ts'
import { caseAnchor, link, table } from './html-parts.ts'
import { html, Markup, type Content } from './markup.ts'
import { style } from './html-style.ts'
import { appendix } from './html-appendix.ts'
import type { CandidateReport, ReportData } from './report-data.ts'
import { reportHash, verifySignatures } from './sign.ts'
import {
  breakEvenText,
  comparisonNamed,
  crossingOf,
  instant,
  milliseconds,
  months,
  notKnown,
  percent,
  perTask,
  points,
  times,
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
          ${header(report)} ${report.candidates.map((candidate, index) => candidateSection(report, candidate, index))}
          ${signatures(report)} ${appendix(report)}
        </main>
      </body>
    </html> `.text
}

// ------------------------------------------------------------------------------------------------- page 1

function header(report: ReportData): Markup {
  const { plan, data, priceBook } = report
  const dropped = data.recordings.reduce((sum, recording) => sum + recording.dropped, 0)
  const rows: readonly (readonly [string, Content])[] = [
    ['Plan', html`${plan.name}, version ${plan.version}, ${link('plan', html`<code>${plan.hash}</code>`)}`],
    ...(plan.amendedAfterData === null
      ? []
      : [['Amended after data', html`<span class="worse">${plan.amendedAfterData}</span>`] as const]),
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
  return html`<header>
    <h1>${crossingOf(report)}</h1>
    <p class="soft">The same recorded tasks asked of both, compared case by case.</p>
    <dl>
      ${rows.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </header>`
}

const verdictClass = { 'NON-INFERIOR': 'good', WORSE: 'bad', 'NOT SHOWN': 'open' } as const

function candidateSection(report: ReportData, candidate: CandidateReport, index: number): Markup {
  const { name, verdict, reason, model, upstream } = candidate
  return html`<section id="candidate-${index}">
    <h2>${name} <span class="soft">(${model} at ${upstream})</span></h2>
    <div class="verdict ${verdictClass[verdict]}">
      <strong>${verdict}</strong>
      <p>${link(`comparisons-${index}`, reason)}</p>
    </div>
    ${quality(report, candidate, index)} ${money(report, candidate, index)} ${latency(report, candidate, index)}
    ${validity(report, candidate)} ${critical(candidate, index)} ${settings(report, candidate)}
    ${longContext(report, candidate)}
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

function money(report: ReportData, candidate: CandidateReport, index: number): Markup {
  const costs = report.costs[0]!
  const [now, then] = [costs.arms[0], costs.arms.find(({ arm }) => arm === candidate.name)]
  const ratio = comparisonNamed(candidate, 'cost')
  const row = (head: string, reading: 'observed' | 'steady' | 'cold'): readonly Content[] => {
    const cells = [now, then].map((arm) =>
      arm === undefined ? notKnown : link('costs', perTask(arm[reading].nanos, costs.tasks, report.currency)),
    )
    const both = now?.[reading].nanos && then?.[reading].nanos && now[reading].nanos !== '0'
    const quotient = both ? times(Number(then[reading].nanos) / Number(now[reading].nanos)) : notKnown
    return [head, ...cells, link('costs', quotient)]
  }
  const hitRate = (arm: typeof now): Content =>
    link('costs', `${percent(arm?.observedHitShare ?? null)} / ${percent(arm?.steadyHitShare ?? null)}`)
  const { budget } = candidate
  return html`<h3>Cost of a task, then and now</h3>
    ${table(
      `Over ${costs.tasks} tasks, prices of ${costs.asOf}`,
      [
        { head: 'reading' },
        { head: report.plan.incumbent, number: true },
        { head: candidate.name, number: true },
        { head: 'ratio', number: true },
      ],
      [
        row('observed in the replay', 'observed'),
        row('steady state', 'steady'),
        row('cold, no cache hits', 'cold'),
        ['cache hits, observed / steady', hitRate(now), hitRate(then), ''],
      ],
    )}
    <p>
      Observed ratio with interval:
      ${
        ratio
          ? link(`comparisons-${index}`, `${times(ratio.estimate)} (${times(ratio.lower)} to ${times(ratio.upper)})`)
          : link(`comparisons-${index}`, notKnown)
      }.
      Costs the same as today at a hit rate of ${link('costs', breakEvenText(costs, candidate.name))}.
    </p>
    <p>
      ${
        budget
          ? html`A budget of ${wholeUnits(budget.amountNanos, budget.currency)} lasts
            ${link('costs', months(budget.monthsNow))} today and
            ${link('costs', months(budget.monthsThen))}${budget.monthsThenLower !== null && budget.monthsThenUpper !== null ? ` (${months(budget.monthsThenLower)} to ${months(budget.monthsThenUpper)})` : ''}
            on ${candidate.name}, at the ${budget.reading} ratio and equal use.`
          : html`Months of budget: ${notKnown} (no budget was given, or the bill is not known).`
      }
    </p>`
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
  const cell = (rows: typeof now, scorer: string): Content => {
    const found = rows.find((row) => row.scorer === scorer)
    return link('validity', found?.rate ? `${percent(found.rate.rate)} of ${found.pass + found.fail}` : notKnown)
  }
  return html`<h3>Tools and structure</h3>
    ${table(
      'Answers that passed, by check',
      [{ head: 'check' }, { head: report.plan.incumbent, number: true }, { head: candidate.name, number: true }],
      scorers.map((scorer) => [scorer, cell(now, scorer), cell(then, scorer)]),
    )}`
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

function longContext({ longContext: rows }: ReportData, candidate: CandidateReport): Markup {
  const row = rows.find(({ arm }) => arm === candidate.name)
  return html`<h3>Long context</h3>
    <p>
      ${
        row
          ? html`${link('long-context', row.effectiveTokens === null ? 'no effective length' : `${row.effectiveTokens} tokens effective`)}:
            ${row.detail}`
          : html`${link('long-context', notKnown)}: not checked.`
      }
    </p>`
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
