/**
 * What happens to protocol-only fields and items on the way to another protocol: refused where losing them
 * would change meaning (state kept by a vendor), passed over where nobody could notice, else reported.
 */
import type { CanonicalRequest, ForeignItem } from '../canonical/request.ts'
import type { TranslationReport } from '../translation/report.ts'

/** State or content that lives with the vendor: without it the upstream would answer another question. */
const refusedFields: Readonly<Record<string, string>> = {
  previous_response_id: 'It refers to a response stored by another vendor.',
  conversation: 'It refers to a conversation stored by another vendor.',
  prompt: 'It refers to a prompt template stored by another vendor.',
  background: 'The answer would have to be kept somewhere; wait for it or stream it.',
  thread: 'It refers to a thread stored by another vendor.',
  container: 'It refers to a container that only its vendor can run.',
  mcp_servers: 'Only its vendor connects to these servers.',
  audio: 'The upstream cannot answer in speech.',
}

/** Fields about transport or reporting: their absence changes no answer. */
const silentFields: ReadonlySet<string> = new Set([
  'include',
  'client_metadata',
  'diagnostics',
  'betas',
  'prompt_cache_retention',
  'prompt_cache_options',
  'context_management',
  'add_generation_prompt',
  'continue_final_message',
])

const refusedItems: ReadonlySet<string> = new Set(['item_reference', 'compaction', 'container_upload', 'audio'])

/** Refuses what only the vendor that keeps it can answer: for writers that rewrite a request statelessly. */
export function refuseStoredState(request: CanonicalRequest, report: TranslationReport): void {
  for (const name of ['previous_response_id', 'conversation', 'prompt', 'background'])
    if (request.extra[name]) refuseField(name, report)
}

function refuseField(name: string, report: TranslationReport): void {
  const why = refusedFields[name]
  if (why !== undefined) report.refused(name, `\`${name}\` cannot be carried to the upstream of this model. ${why}`)
}

/** Reports or refuses every field in `extra`. */
export function settleForeignFields(request: CanonicalRequest, report: TranslationReport): void {
  for (const [name, value] of Object.entries(request.extra)) {
    if (value === null || value === undefined || value === false || silentFields.has(name)) continue
    if (name === 'modalities' && Array.isArray(value) && value.every((kind) => kind === 'text')) continue
    refuseField(name, report)
    report.dropped(name)
  }
}

/** Reports a foreign item or part that is left out, or refuses it. `field`: where it stood, if known. */
export function settleForeignItem(
  item: Pick<ForeignItem, 'name'>,
  field: string | null,
  report: TranslationReport,
): void {
  if (refusedItems.has(item.name))
    report.refused(
      field ?? item.name,
      `A \`${item.name}\` cannot be carried to the upstream of this model: its content lives with another vendor.`,
    )
  report.dropped(item.name)
}
