/** Long context: one line and one table on page 1, and behind it a heat map of length by depth for each arm. */
import { link, table } from './html-parts.ts'
import { html, type Content, type Markup } from './markup.ts'
import type { CandidateReport, LongContextReport, ReportData } from './report-data.ts'
import { instant, milliseconds, notKnown, percent, whole } from './wording.ts'

export function longContextSummary({ longContext, plan }: ReportData, candidate: CandidateReport): Markup {
  const [now, then] = [of(longContext, plan.incumbent), of(longContext, candidate.name)]
  if (then === undefined)
    return html`<h3>Long context</h3>
      <p>${link('long-context', notKnown)}: ${candidate.name} was not checked.</p>`
  const lengths = [...new Set([now, then].flatMap((one) => one?.lengths.map(({ lengthTokens }) => lengthTokens) ?? []))]
  lengths.sort((a, b) => a - b)
  const share = (one: LongContextReport | undefined, lengthTokens: number): Content => {
    const row = one?.lengths.find((each) => each.lengthTokens === lengthTokens)
    return link(
      'long-context',
      row ? `${percent(row.passed / row.judged)} (${percent(row.lower)} to ${percent(row.upper)})` : notKnown,
    )
  }
  return html`<h3>Long context</h3>
    <p>
      ${candidate.name}
      ${link('long-context', html`<b>${holds(then)}</b>`)}${
        now ? html`; ${plan.incumbent} ${link('long-context', holds(now))}` : ''
      }.
    </p>
    ${table(
      'Facts found, by length of the prompt',
      [
        { head: 'tokens', number: true },
        { head: plan.incumbent, number: true },
        { head: candidate.name, number: true },
      ],
      lengths.map((lengthTokens) => [whole(lengthTokens), share(now, lengthTokens), share(then, lengthTokens)]),
    )}`
}

export function longContextSection({ longContext }: ReportData): Markup {
  return html`<section id="long-context">
    <h2>Long context</h2>
    ${
      longContext.length === 0
        ? html`<p class="soft">
            No check was made. <code>portolan check longctx --out longctx.json</code> makes one, and
            <code>portolan report make --longctx longctx.json</code> shows it.
          </p>`
        : html`<p class="soft">
              The length up to which it holds is the longest whose lower 95 % bound stays above 0.85 of the share at the
              shortest length, with none below that in between.
            </p>
            ${longContext.map(armSection)}`
    }
  </section>`
}

function armSection(row: LongContextReport): Markup {
  return html`<h3>${row.arm}</h3>
    <p>
      ${row.model}, asked ${instant(row.askedAt)}: ${row.passed} of ${row.judged} facts
      found${row.missing > 0 ? `, ${row.missing} cases not judged` : ''}; ${holds(row)}. Battery version
      ${row.batteryVersion}, text <code>${row.material}</code>.
    </p>
    ${heatMapTable(row)}
    ${table(
      `${row.arm}: by length`,
      [
        { head: 'tokens', number: true },
        { head: 'found', number: true },
        { head: '95 % interval', number: true },
        { head: 'first visible, median', number: true },
      ],
      row.lengths.map(({ lengthTokens, passed, judged, lower, upper, firstVisibleMs }) => [
        whole(lengthTokens),
        `${passed} of ${judged}`,
        `${percent(lower)} to ${percent(upper)}`,
        milliseconds(firstVisibleMs),
      ]),
    )}
    ${row.notes.map((note) => html`<p class="soft">${note}</p>`)}`
}

/** Numbers in every cell: colour only helps to find them. */
function heatMapTable({ arm, cells }: LongContextReport): Markup {
  const lengths = [...new Set(cells.map(({ lengthTokens }) => lengthTokens))].sort((a, b) => a - b)
  const depths = [...new Set(cells.map(({ depth }) => depth))].sort((a, b) => (a ?? 2) - (b ?? 2))
  if (cells.length === 0) return html`<p class="soft">${arm}: nothing could be judged.</p>`
  return html`<div class="wide" tabindex="0" role="region" aria-label="${arm}: heat map">
      <table class="heatmap">
        <caption>
          ${arm}: share of facts found, by depth in the prompt (down) and tokens (across)
        </caption>
        <thead>
          <tr>
            <th scope="col">depth</th>
            ${lengths.map((lengthTokens) => html`<th scope="col" class="n">${whole(lengthTokens)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${depths.map(
            (depth) =>
              html`<tr>
                <th scope="row">${depth === null ? 'whole text' : `${Math.round(100 * depth)} %`}</th>
                ${lengths.map((lengthTokens) => heatCell(cells, lengthTokens, depth))}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
    <p class="legend soft">${bands.map(({ name, text }) => html`<span class="heat ${name}">${text}</span> `)}</p>`
}

const bands = [
  { name: 'h4', from: 0.95, text: '95 % and more' },
  { name: 'h3', from: 0.85, text: 'from 85 %' },
  { name: 'h2', from: 0.7, text: 'from 70 %' },
  { name: 'h1', from: 0.5, text: 'from 50 %' },
  { name: 'h0', from: 0, text: 'less' },
] as const

function heatCell(cells: LongContextReport['cells'], lengthTokens: number, depth: number | null): Markup {
  const cell = cells.find((one) => one.lengthTokens === lengthTokens && one.depth === depth)
  if (cell === undefined || cell.judged === 0) return html`<td class="heat none">not asked</td>`
  const found = cell.passed / cell.judged
  const { name } = bands.find(({ from }) => found >= from)!
  return html`<td class="heat ${name}">${Math.round(100 * found)} % <small>${cell.passed}/${cell.judged}</small></td>`
}

function of(rows: ReportData['longContext'], arm: string): LongContextReport | undefined {
  return rows.find((row) => row.arm === arm)
}

function holds({ effectiveTokens }: LongContextReport): string {
  return effectiveTokens === null ? 'holds at no length that was asked' : `holds up to ${whole(effectiveTokens)} tokens`
}
