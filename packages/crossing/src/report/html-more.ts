/** Sections of the appendix that not every report has: the budget, whole sessions, the judge, what the replay cost. */
import { table } from './html-parts.ts'
import { html, type Content, type Markup } from './markup.ts'
import type { ReportData } from './report-data.ts'
import { monthsSpan, notKnown, percent, perTask, ratioText, span, whole, wholeUnits } from './wording.ts'

export function budgetSection({ candidates, plan }: ReportData): Markup {
  const rows = candidates.flatMap(({ name, budget }) => (budget === null ? [] : [{ name, budget }]))
  const first = rows[0]?.budget
  if (first === undefined)
    return html`<section id="budget">
      <h2>Budget</h2>
      <p class="soft">
        None was given, or the bills of the arms are not known. <code>portolan report make --budget 120000USD</code>, or
        the name of a configured budget, shows how long it lasts on each arm.
      </p>
    </section>`
  const tasks = (count: number | null): string => (count === null ? notKnown : whole(count))
  return html`<section id="budget">
    <h2>Budget</h2>
    <p class="soft">
      ${wholeUnits(first.amountNanos, first.currency)} (${first.name}) at the ${first.reading} ratio and equal use.
      Months:
      ${
        first.months === null
          ? first.monthsWhy
          : first.months.basis === 'forecast'
            ? 'P50 (P10 to P90) of the forecast from the use before the plan was frozen; then with the interval of the ratio in it.'
            : 'at the monthly use that was given; then with the interval of the ratio.'
      }
    </p>
    ${table(
      'What the budget buys',
      [
        { head: 'arm' },
        { head: 'tasks', number: true },
        { head: 'tasks, interval', number: true },
        { head: 'lasts', number: true },
        { head: 'cost ratio', number: true },
      ],
      [
        [
          plan.incumbent,
          tasks(first.tasks.today),
          '',
          first.months ? monthsSpan(first.months.today) : notKnown,
          '1.00x',
        ],
        ...rows.map(({ name, budget }): readonly Content[] => [
          name,
          tasks(budget.tasks.moved),
          span(tasks(budget.tasks.movedLower), tasks(budget.tasks.movedUpper)),
          budget.months ? monthsSpan(budget.months.moved) : notKnown,
          ratioText({ estimate: budget.ratio, lower: budget.ratioLower, upper: budget.ratioUpper }),
        ]),
      ],
    )}
  </section>`
}

export function sessionsSection({ sessionRuns }: ReportData): Markup | null {
  if (sessionRuns.length === 0) return null
  const kinds = [...new Set(sessionRuns.flatMap(({ divergences }) => divergences.map(({ kind }) => kind)))].sort()
  const tiers = sessionRuns[0]!.served.map(({ tier }) => tier)
  return html`<section id="sessions">
    <h2>Whole sessions</h2>
    <p class="soft">
      The arm drove; recorded tool results answered. A run that left the recorded way says nothing beyond.
    </p>
    ${table(
      'How runs ended',
      [{ head: 'arm' }, ...['runs', 'passed', 'failed', 'errors', 'unscored'].map((head) => ({ head, number: true }))],
      sessionRuns.map(({ arm, runs, passed, failed, errors, unscored }) => [
        arm,
        runs,
        passed,
        failed,
        errors,
        unscored,
      ]),
    )}
    ${table(
      'Where runs left the recorded way',
      [{ head: 'way' }, ...sessionRuns.map(({ arm }) => ({ head: arm, number: true }))],
      kinds.map((kind) => [
        kind,
        ...sessionRuns.map(({ divergences, runs }) => {
          const count = divergences.find((one) => one.kind === kind)?.runs ?? 0
          return `${count} (${percent(count / runs)})`
        }),
      ]),
    )}
    ${table(
      'How tool calls were answered; the first three tiers are evidence',
      [{ head: 'tier' }, ...sessionRuns.map(({ arm }) => ({ head: arm, number: true }))],
      tiers.map((tier) => [
        tier,
        ...sessionRuns.map(({ served }) => served.find((one) => one.tier === tier)?.calls ?? 0),
      ]),
    )}
  </section>`
}

export function judgeSection({ judge }: ReportData): Markup | null {
  if (judge.length === 0) return null
  return html`<section id="judge">
    <h2>Judge</h2>
    <p class="soft">
      Asked in both orders, blind. It counts only with 60 human labels, a kappa of 0.6 and at most 20 % answers that
      change with the order; otherwise it is shown and decides nothing.
    </p>
    ${table(
      'What it said; 0.5 is no preference',
      [
        { head: 'candidate' },
        { head: 'judge' },
        { head: 'win rate', number: true },
        { head: 'interval', number: true },
        { head: 'corrected by labels', number: true },
        { head: 'cases', number: true },
        { head: 'sessions', number: true },
        { head: 'no answer', number: true },
        { head: 'its bill', number: true },
        { head: 'reading' },
      ],
      judge.map((row) => [
        row.candidate,
        html`${row.judge} (${row.model}) <code>${row.promptHash}</code>`,
        row.winRate.toFixed(3),
        `${row.lower.toFixed(3)} to ${row.upper.toFixed(3)}`,
        row.corrected === null
          ? notKnown
          : `${row.corrected.mean.toFixed(3)} (${row.corrected.lower.toFixed(3)} to ${row.corrected.upper.toFixed(3)})`,
        row.cases,
        row.sessions,
        row.silent,
        perTask(row.nanos, 1, row.currency),
        row.calibrated ? row.decision : html`<span class="soft">uncalibrated, decides nothing</span>`,
      ]),
    )}
    ${table(
      'Its calibration against people',
      [
        { head: 'candidate' },
        { head: 'labels', number: true },
        { head: 'agreement', number: true },
        { head: 'kappa', number: true },
        { head: 'changes with the order', number: true },
        { head: 'calibrated' },
      ],
      judge.map(({ candidate, labels, agreement, kappa, kappaLower, kappaUpper, flipRate, calibrated, problems }) => [
        candidate,
        labels,
        percent(agreement),
        kappa === null
          ? notKnown
          : `${kappa.toFixed(2)}${kappaLower === null || kappaUpper === null ? '' : ` (${kappaLower.toFixed(2)} to ${kappaUpper.toFixed(2)})`}`,
        percent(flipRate),
        calibrated ? 'yes' : `no: ${problems.join('; ')}`,
      ]),
    )}
  </section>`
}

export function chargesSection({ charges, unpricedAttempts }: ReportData): Markup {
  const arms = Map.groupBy(charges, ({ arm, currency }) => `${arm}\0${currency}`)
  return html`<section id="charges">
    <h2>What the replay cost</h2>
    ${table(
      'Every attempt; `report make --focus FILE` writes it by day and meter',
      [
        { head: 'arm' },
        { head: 'days', number: true },
        { head: 'tokens', number: true },
        { head: 'billed', number: true },
      ],
      [...arms].map(([, rows]) => [
        rows[0]!.arm,
        new Set(rows.map(({ day }) => day)).size,
        whole(rows.reduce((sum, { tokens }) => sum + tokens, 0)),
        perTask(rows.reduce((sum, { nanos }) => sum + BigInt(nanos), 0n).toString(), 1, rows[0]!.currency),
      ]),
    )}
    ${unpricedAttempts > 0 ? html`<p class="worse">${unpricedAttempts} attempts have no price and are in no row.</p>` : null}
  </section>`
}
