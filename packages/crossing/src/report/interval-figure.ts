/** One interval against its margin, as inline SVG with its meaning in words for those who do not see it. */
import type { CandidateReport } from './report-data.ts'
import { html, type Markup } from './markup.ts'
import { points } from './wording.ts'

const width = 640
const height = 92
const axisY = 50

export function intervalFigure({ quality, name }: CandidateReport): Markup | null {
  if (quality === null) return null
  const { estimate, lower, upper, margin } = quality
  const bound = margin === null ? 0 : -margin
  const [least, most] = [Math.min(lower, bound, 0), Math.max(upper, 0)]
  const room = Math.max(most - least, 0.01) * 0.12
  const x = (value: number): string =>
    (30 + ((value - least + room) / (most - least + 2 * room)) * (width - 60)).toFixed(1)
  const words = `${name}: difference ${points(estimate)}, interval ${points(lower)} to ${points(upper)}, margin ${points(bound)}.`
  return html`<svg class="figure" viewBox="0 0 ${width} ${height}" role="img" aria-label="${words}">
    <rect class="forbidden" x="30" y="26" width="${(Number(x(bound)) - 30).toFixed(1)}" height="48" />
    <line class="axis" x1="30" x2="${width - 30}" y1="74" y2="74" />
    <line class="zero" x1="${x(0)}" x2="${x(0)}" y1="22" y2="78" />
    <line class="margin" x1="${x(bound)}" x2="${x(bound)}" y1="22" y2="78" />
    <line class="interval ${quality.decision}" x1="${x(lower)}" x2="${x(upper)}" y1="${axisY}" y2="${axisY}" />
    <circle class="estimate ${quality.decision}" cx="${x(estimate)}" cy="${axisY}" r="6" />
    <text x="${x(bound)}" y="15" text-anchor="middle">margin ${points(bound)}</text>
    <text x="${x(0)}" y="90" text-anchor="middle">no difference</text>
    <text x="${x(estimate)}" y="40" text-anchor="middle">${points(estimate)}</text>
  </svg>`
}
