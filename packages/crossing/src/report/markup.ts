/**
 * HTML from templates in which every value is escaped unless it is markup itself. Answers of models are hostile text:
 * nothing of them may become an element, an attribute or a control character.
 */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Content = string | number | Markup | null | readonly Content[]

export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let text = parts[0]!
  for (const [index, value] of values.entries()) text += rendered(value) + parts[index + 1]!
  return new Markup(text)
}

function rendered(value: Content): string {
  if (value === null) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return escaped(value)
  return value.map(rendered).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For element content, quoted attributes and XML alike: what XML 1.0 cannot hold becomes U+FFFD. */
export function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => entities[character]!)
}
