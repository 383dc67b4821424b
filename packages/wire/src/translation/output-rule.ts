/**
 * A wanted output format in words, for upstreams that have no switch for it: one rule for all three protocols.
 *
 * Where a schema can be put into words it is, also when the caller said `strict`: `strict` is off in one protocol,
 * on in another and unsaid in the third by default, so refusing it would refuse most callers of one door what callers of
 * the others get. Nobody is deceived: the header says `instructed`, and the gateway reads the answer and says `unmet`
 * where it does not fit. Where an upstream does not even take the words (`none`), a strict schema is refused, because
 * nothing of the promise would be left, and another one is left out by name.
 */
import type { WriteContext } from '../canonical/adapter.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { callerField } from '../history/caller-path.ts'

/** Null: nothing has to be said. Reports what becomes of the wish. @throws {WireError} `WIRE_CANNOT_CARRY` */
export function outputRule({ from, outputFormat }: CanonicalRequest, { dialect, report }: WriteContext): string | null {
  if (outputFormat.type === 'text') return null
  const field = callerField(from, 'outputFormat')
  const rule = 'Answer with one JSON object and nothing else: no prose, no code fence.'
  if (outputFormat.type === 'json-object') {
    if (dialect.jsonObject) return null
    report.emulated(field)
    return rule
  }
  if (dialect.jsonSchema === 'native') return null
  if (dialect.jsonSchema === 'none') {
    if (outputFormat.strict === true)
      report.refused(
        field,
        'The upstream of this model cannot be held to a JSON schema, and the request asks for `strict`.',
      )
    report.dropped(field)
    return null
  }
  report.instructed(field)
  const { description, schema } = outputFormat
  const purpose = description === null ? '' : ` (${description})`
  return `${rule}\nThe object${purpose} follows this JSON Schema:\n${JSON.stringify(schema)}`
}
