/** Pieces that page 1 and the appendix share: links, tables with captions and row heads, anchors of cases. */
import { html, Markup, type Content } from './markup.ts'

export function link(target: string, content: Content): Markup {
  return html`<a href="#${target}">${content}</a>`
}

export interface Column {
  readonly head: string
  readonly number?: boolean
}

export function table(caption: Content, columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  if (rows.length === 0) return html`<p class="soft">${caption}: none.</p>`
  return html`<div class="wide">
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
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, at) => cellOf(cell, at, columns[at]?.number === true))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`
}

function cellOf(cell: Content, at: number, number: boolean): Markup {
  if (at === 0) return html`<th scope="row">${cell}</th>`
  return number ? html`<td class="n">${cell}</td>` : html`<td>${cell}</td>`
}

/** Shared with the appendix, so that links meet their rows. */
export function caseAnchor(candidateIndex: number, caseId: string): string {
  return `case-${candidateIndex}-${caseId.replace(/[^A-Za-z0-9_-]/g, '-')}`
}
