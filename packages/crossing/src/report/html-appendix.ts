/** Behind page 1: the rows that its numbers were made from, every failed case, and the command that repeats it all. */
import { caseAnchor, table } from './html-parts.ts'
import { longContextSection } from './html-long-context.ts'
import { budgetSection, chargesSection, judgeSection, sessionsSection } from './html-more.ts'
import { html, type Content, type Markup } from './markup.ts'
import type { CandidateReport, CaseRow, ReportData } from './report-data.ts'
import {
  breakEvenText,
  instant,
  milliseconds,
  missingPolicies,
  notKnown,
  percent,
  perTask,
  readingNames,
  ratioText,
  readings,
  scenarioName,
} from './wording.ts'

export function appendix(report: ReportData): Markup {
  return html`<div class="appendix">
    ${plan(report)} ${data(report)} ${report.candidates.map((candidate, index) => comparisons(candidate, index))}
    ${costs(report)} ${budgetSection(report)} ${chargesSection(report)} ${arms(report)} ${sessionsSection(report)}
    ${judgeSection(report)} ${longContextSection(report)} ${missing(report)}
    ${report.candidates.map((candidate, index) => cases(report, candidate, index))}
    <section id="reproduce">
      <h2>To make this report again</h2>
      <pre>${report.reproduce}</pre>
    </section>
  </div>`
}

function plan({ plan: made }: ReportData): Markup {
  return html`<section id="plan">
    <h2>What was promised before data</h2>
    <dl>
      <dt>Plan</dt>
      <dd>${made.name} (${made.id}), version ${made.version}, frozen ${instant(made.frozenAt)}</dd>
      <dt>Margin</dt>
      <dd>
        ${made.margin === null ? 'none' : `${(100 * made.margin).toFixed(1)} points`}, one-sided alpha ${made.alpha}
      </dd>
      <dt>Size</dt>
      <dd>${made.plannedCases} cases, ${made.replicates} replicates, mode ${made.mode}, seed ${made.seed}</dd>
    </dl>
    ${table(
      'Who allowed what data to go where',
      [{ head: 'processor' }, { head: 'decision' }, { head: 'by' }, { head: 'on' }, { head: 'data' }],
      made.egress.map(({ processor, decision, by, on, data: what }) => [processor, decision, by, on, what]),
    )}
  </section>`
}

function data({ data: made }: ReportData): Markup {
  return html`<section id="data">
    <h2>Data</h2>
    <p>
      Dataset ${made.datasetId}, <code>${made.datasetHash}</code>: ${made.cases} cases in ${made.sessions} sessions.
    </p>
    ${table(
      'Recordings',
      [
        { head: 'recording' },
        { head: 'level' },
        { head: 'exchanges', number: true },
        { head: 'lost', number: true },
        { head: 'not sampled', number: true },
      ],
      made.recordings.map(({ id, level, exchanges, dropped, notSampled }) => [
        id,
        level,
        exchanges,
        dropped,
        notSampled,
      ]),
    )}
  </section>`
}

const comparisonColumns = [
  { head: 'metric' },
  { head: 'arms' },
  { head: 'estimate', number: true },
  { head: 'lower', number: true },
  { head: 'upper', number: true },
  { head: 'cases', number: true },
  { head: 'sessions', number: true },
  { head: 'p', number: true },
  { head: 'method' },
  { head: 'reading' },
]

function comparisonRow(row: NonNullable<CandidateReport['quality']>, name = row.metric): readonly Content[] {
  return [
    name,
    `${row.candidate} against ${row.incumbent}`,
    row.estimate.toFixed(4),
    row.lower.toFixed(4),
    row.upper.toFixed(4),
    row.cases,
    row.sessions,
    row.pValue === null ? '' : row.pValue.toFixed(4),
    row.designEffect === null ? row.method : `${row.method}, design effect ${row.designEffect.toFixed(2)}`,
    row.decision,
  ]
}

function comparisons(candidate: CandidateReport, index: number): Markup {
  const { name, quality, otherComparisons, slices, sensitivity, notKnown: unknown, gates } = candidate
  const rows = [...(quality ? [quality] : []), ...otherComparisons]
  return html`<section id="comparisons-${index}">
    <h2>${name}: comparisons</h2>
    ${table(
      'Gates of the plan',
      [{ head: 'metric' }, { head: 'decision' }, { head: 'because' }],
      gates.map(({ metric, decision, reason }) => [metric, decision, reason]),
    )}
    ${table(
      'All comparisons, the incumbent against itself included',
      comparisonColumns,
      rows.map((row) => comparisonRow(row)),
    )}
    <div id="slices-${index}">
      ${table(
        'Slices, worst first; they overlap; p by Holm of "worse here"',
        comparisonColumns,
        slices.map((row) => comparisonRow(row, row.slice ?? '')),
      )}
    </div>
    <div id="sensitivity-${index}">
      ${table(
        'Sensitivity: quality read otherwise',
        comparisonColumns,
        sensitivity.map(({ missing: policy, comparison }) =>
          comparisonRow(comparison, missingPolicies[policy] ?? policy),
        ),
      )}
    </div>
    ${table(
      'Not known',
      [{ head: 'metric' }, { head: 'why' }],
      unknown.map(({ metric, why }) => [metric, why]),
    )}
  </section>`
}

function costs(report: ReportData): Markup {
  return html`<section id="costs">
    <h2>Costs</h2>
    <p class="soft">
      A task, in ${report.currency}. Tokens as measured in the replay. Price book
      ${report.priceBook ? `${report.priceBook.id} of ${report.priceBook.asOf}` : notKnown}.
    </p>
    ${report.costs.map((made) =>
      table(
        scenarioName(made),
        [
          { head: 'arm' },
          ...readings.map((reading) => ({ head: readingNames[reading], number: true })),
          { head: 'hits observed', number: true },
          { head: 'hits steady', number: true },
          { head: 'break-even hits', number: true },
          { head: 'prices' },
        ],
        made.arms.map((arm) => {
          const even = made.breakEven.find((row) => row.arm === arm.arm)
          return [
            arm.arm,
            ...readings.map((reading) =>
              arm[reading].nanos === null
                ? `${notKnown}: ${arm[reading].why ?? ''}`
                : perTask(arm[reading].nanos, made.tasks, report.currency),
            ),
            percent(arm.observedHitShare),
            percent(arm.steadyHitShare),
            even === undefined ? '' : `${breakEvenText(made, arm.arm)}, against ${even.against}`,
            arm.priceVersions.join(', '),
          ]
        }),
      ),
    )}
    ${table(
      'Ratios to the incumbent at the prices of the price day, sessions drawn again',
      [{ head: 'arm' }, { head: 'reading' }, { head: 'ratio with interval', number: true }],
      report.costs[0]!.ratios.map((ratio) => [ratio.arm, readingNames[ratio.reading], ratioText(ratio)]),
    )}
  </section>`
}

function arms(report: ReportData): Markup {
  return html`<section id="arms">
    <h2>Arms</h2>
    ${table(
      'Answers',
      [
        { head: 'arm' },
        ...['pass', 'fail', 'error', 'unscored', 'not asked'].map((head) => ({ head, number: true })),
        { head: 'history' },
        { head: 'runs' },
      ],
      report.arms.map(({ arm, outcomes, reasoning, adapterNotes, runs }) => [
        arm,
        outcomes.pass,
        outcomes.fail,
        outcomes.error,
        outcomes.unscored,
        outcomes.missing,
        [reasoning ?? notKnown, ...adapterNotes].join('; '),
        runs.map(({ id, state, startedAt }) => `${id} (${state}, ${instant(startedAt)})`).join(', '),
      ]),
    )}
    ${table(
      'Settings that did not carry over',
      [{ head: 'arm' }, { head: 'setting' }, { head: 'became' }, { head: 'cases', number: true }, { head: 'note' }],
      report.arms.flatMap(({ arm, settings }) =>
        settings.map(({ name, outcome, cases: count, note }) => [arm, name, outcome, count, note ?? '']),
      ),
    )}
    <div id="latency">
      ${table(
        'Clocks',
        [
          { head: 'arm' },
          { head: 'clock' },
          { head: 'p50', number: true },
          { head: 'p95', number: true },
          { head: 'cases', number: true },
        ],
        report.arms.flatMap(({ arm, clocks }) =>
          clocks.map(({ clock, p50Ms, p95Ms, cases: count }) => [
            arm,
            clock,
            milliseconds(p50Ms),
            milliseconds(p95Ms),
            count,
          ]),
        ),
      )}
    </div>
    <div id="validity">
      ${table(
        'Checks; interval 95 % by Wilson',
        [
          { head: 'arm' },
          { head: 'check' },
          { head: 'pass', number: true },
          { head: 'fail', number: true },
          { head: 'unscored', number: true },
          { head: 'share', number: true },
          { head: 'interval', number: true },
        ],
        report.arms.flatMap(({ arm, scorers }) =>
          scorers.map(({ scorer, versions, pass, fail, unscored, rate }) => [
            arm,
            `${scorer} ${versions.join(', ')}`,
            pass,
            fail,
            unscored,
            percent(rate?.rate ?? null),
            rate ? `${percent(rate.lower)} to ${percent(rate.upper)}` : '',
          ]),
        ),
      )}
    </div>
  </section>`
}

function missing(report: ReportData): Markup {
  return html`<section>
    <h2>What did not count</h2>
    <div id="excluded">
      ${table(
        'Excluded by the plan',
        [{ head: 'case' }, { head: 'rule' }, { head: 'reason' }],
        report.excluded.map(({ caseId, rule, reason }) => [caseId, rule, reason]),
      )}
    </div>
    ${table(
      'Rules of the plan that could not be read and excluded nothing',
      [{ head: 'rule' }],
      report.unreadRules.map((rule) => [rule]),
    )}
    <div id="unscored">
      ${table(
        'Answers that could not be scored',
        [{ head: 'case' }, { head: 'arm' }, { head: 'code' }, { head: 'why' }],
        report.unscored.map(({ arm, caseId, code, message }) => [caseId, arm, code, message]),
      )}
    </div>
  </section>`
}

function cases(report: ReportData, candidate: CandidateReport, index: number): Markup {
  const rows = report.cases.filter((row) => row.candidate === candidate.name)
  const count = (kind: CaseRow['kind']): number => rows.filter((row) => row.kind === kind).length
  return html`<section id="cases-${index}">
    <h2>${candidate.name}: every failed case</h2>
    <p>${count('regressed')} regressed, ${count('both-failed')} failed in both arms, ${count('improved')} improved.</p>
    <div id="critical-${index}">
      ${table(
        'Critical failures',
        [{ head: 'case' }, { head: 'replicate', number: true }, { head: 'check' }, { head: 'evidence' }],
        candidate.criticalFailures.map(({ caseId, replicate, scorer, evidence }) => [
          caseId,
          replicate,
          scorer,
          html`<code>${evidence}</code>`,
        ]),
      )}
    </div>
    ${rows.map(
      (row) =>
        html`<article class="case" id="${caseAnchor(index, row.caseId)}">
          <h3>
            ${row.caseId}
            <span class="soft"
              >${row.kind}${row.critical ? ', critical' : ''}; session ${row.sessionId}; ${row.tags.join(', ')}</span
            >
          </h3>
          ${row.why.map((why) => html`<p dir="auto"><code>${why}</code></p>`)}
          <div class="answers">
            ${answer(report.plan.incumbent, row.incumbentAnswer)}${answer(candidate.name, row.candidateAnswer)}
          </div>
        </article> `,
    )}
  </section>`
}

function answer(arm: string, given: CaseRow['candidateAnswer']): Markup {
  return html`<div>
    <p class="soft">${arm}: ${given?.outcome ?? 'not asked'}</p>
    <pre dir="auto">${given?.text ?? ''}</pre>
  </div>`
}
