/** Pieces that page 1 and the appendix share: links, tables with captions and row heads, anchors of cases. */
import { html, Markup, type Content } from './markup.ts'

export function link(target: string, content: Content): Markup {
  return html`<a href="#${target}">${content}</a>`
}

export interface Column {
  readonly head: string
  readonly number?: boolean
}

/** A table without links is a stop for the Tab key, so that who has no mouse can scroll it. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  if (rows.length === 0) return html`<p class="soft">${caption}: none.</p>`
  const cells = rows.map((row) => row.map((cell, at) => cellOf(cell, at, columns[at]?.number === true)))
  const linked = cells.some((row) => row.some(({ text }) => text.includes('<a ')))
  return html`<div class="wide" ${linked ? null : html`tabindex="0" role="region" aria-label="${caption}"`}>
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ head, number }) => html`<th scope="col" ${new Markup(number ? ' class="n"' : '')}>${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${cells.map(
          (row) =>
            html`<tr>
              ${row}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`
}

function cellOf(cell: Content, at: number, number: boolean): Markup {
  if (at === 0) return number ? html`<th scope="row" class="n">${cell}</th>` : html`<th scope="row">${cell}</th>`
  return number ? html`<td class="n">${cell}</td>` : html`<td>${cell}</td>`
}

/** Shared with the appendix, so that links meet their rows. */
export function caseAnchor(candidateIndex: number, caseId: string): string {
  return `case-${candidateIndex}-${caseId.replace(/[^A-Za-z0-9_-]/g, '-')}`
}
