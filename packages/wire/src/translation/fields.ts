/**
 * What becomes of every field on the way from one protocol to another, as data.
 *
 * The code decides in the adapters; this table says what it decides, for people (`document.ts`) and for
 * `fields.test.ts`, which sends every sample through the real adapters and compares. Decisions depend on the
 * upstream's dialect: the columns are the typical ones of `reference-dialects.ts`.
 */
import { chatFields } from './chat-fields.ts'
import type { FieldRow } from './field-row.ts'
import { messagesFields } from './messages-fields.ts'
import { responsesFields } from './responses-fields.ts'

export const translationFields: readonly FieldRow[] = [...chatFields, ...messagesFields, ...responsesFields]
