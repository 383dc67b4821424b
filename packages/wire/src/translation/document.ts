/** `docs/reference/translation.md`, rendered from the field table. */
import type { Protocol } from '../protocol.ts'
import type { FieldDecision } from './field-row.ts'
import { translationFields } from './fields.ts'
import type { ReferenceTarget } from './reference-dialects.ts'

const doorNames: Readonly<Record<Protocol, string>> = {
  chat: 'Chat Completions',
  messages: 'Messages',
  responses: 'Responses',
}

const targetNames: Readonly<Record<ReferenceTarget, string>> = {
  'open-chat': 'Chat, open-weights model',
  'vendor-chat': 'Chat, OpenAI-like',
  messages: 'Messages, Claude-like',
  responses: 'Responses, OpenAI-like',
}

const targets: Readonly<Record<Protocol, readonly ReferenceTarget[]>> = {
  chat: ['messages', 'responses'],
  messages: ['open-chat', 'vendor-chat', 'responses'],
  responses: ['open-chat', 'vendor-chat', 'messages'],
}

const preface = `# Translation, field by field

Generated from the field table in \`packages/wire/src/translation/\`; do not edit. A test sends every row through
the adapters, so the table says what the code does.

Where door and upstream speak the same protocol nothing is translated: the bytes go through. Where they do not,
each field is one of:

- **carried**: the same meaning, perhaps under another name
- **translated**: the meaning kept in another form; named under \`emulated\` where that could be noticed,
  under \`instructed\` where a promise became a request in words; where the answer then does not fit, it comes as it is
  and \`unmet\` names the field too: in the header of a whole answer, in a comment before the end of a stream, on the row
- **dropped**: left out and named under \`dropped\`; *quietly* where the answer is the same without it
- **refused**: the request is answered with status 400, because losing the field would change meaning or safety

The names stand in the response header \`x-portolan-translation\`. A route with \`lossy: strict\` refuses what
would be dropped. Upstreams differ: the columns are typical ones, and each upstream declares its own dialect.
`

export function renderTranslationReference(): string {
  return [preface, ...(['chat', 'messages', 'responses'] as const).map(renderDoor)].join('\n')
}

function renderDoor(from: Protocol): string {
  const columns = targets[from]
  const lines = [
    `## From ${doorNames[from]}`,
    '',
    `| field | ${columns.map((target) => targetNames[target]).join(' | ')} |`,
    `| --- | ${columns.map(() => '---').join(' | ')} |`,
  ]
  for (const row of translationFields)
    if (row.from === from)
      lines.push(`| ${code(row.field)} | ${columns.map((target) => renderCell(row.to[target])).join(' | ')} |`)
  return `${lines.join('\n')}\n`
}

/** `content: image_url` is prose around a name; only the names themselves are code. */
function code(field: string): string {
  return escapeCell(/^[\w.[\]]+$/.test(field) ? `\`${field}\`` : field)
}

function renderCell(cell: FieldDecision | undefined): string {
  if (cell === undefined) return ''
  const word = cell.quiet ? 'dropped quietly' : cell.decision
  const as = cell.as === null || cell.note !== '' ? '' : ` as \`${cell.as}\``
  return escapeCell(`${word}${as}${cell.note === '' ? '' : `: ${cell.note}`}`)
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}
