/** Complete Responses answers, both ways. */
import type { AnswerContext } from '../canonical/adapter.ts'
import { disassemble } from '../canonical/assemble.ts'
import type { CanonicalResponse, OutputItem } from '../canonical/response.ts'
import { noUsage } from '../canonical/usage.ts'
import { WireError } from '../errors.ts'
import { Answer } from './answer.ts'
import { readStreamError } from './errors.ts'
import { isObject } from './read-field.ts'
import { readItem } from './read-items.ts'
import { stopOf } from './stop.ts'
import { readUsage } from './usage.ts'

export function toCanonicalResponse(body: unknown): CanonicalResponse {
  if (!isObject(body) || !Array.isArray(body.output)) throw badAnswer('an answer without an `output` list')
  if (body.status === 'failed' || body.status === 'cancelled')
    throw badAnswer(`a failed response: ${readStreamError(body.error).message}`)
  const items = body.output.flatMap((item: unknown, index): OutputItem[] => {
    try {
      return readItem(item, `output[${index}]`, `/output/${index}`, { sealer: null, report: null }).filter(isOutput)
    } catch (cause) {
      throw badAnswer(cause instanceof Error ? cause.message : 'an unreadable item', cause)
    }
  })
  const sawCall = items.some((item) => item.kind === 'tool-call')
  const sawRefusal = items.some((item) => item.kind === 'assistant-text' && item.refusal === true)
  return {
    id: typeof body.id === 'string' ? body.id : '',
    model: typeof body.model === 'string' ? body.model : '',
    createdSec: typeof body.created_at === 'number' ? body.created_at : null,
    items,
    stop: stopOf(body, sawCall, sawRefusal),
    stopSequence: null,
    refusalExplanation: null,
    usage: readUsage(body.usage) ?? noUsage,
    logprobs: null,
    moreChoices: [],
  }
}

/** The final object of the stream that this answer would have been: one wording for both. */
export function fromCanonicalResponse(response: CanonicalResponse, context: AnswerContext): Record<string, unknown> {
  const answer = new Answer(context, () => undefined)
  for (const event of disassemble(response)) answer.push(event)
  if (answer.final === null) throw badAnswer('an answer without an end')
  return answer.final
}

function isOutput(item: { readonly kind: string }): item is OutputItem {
  return ['assistant-text', 'reasoning', 'tool-call', 'foreign'].includes(item.kind)
}

function badAnswer(what: string, cause?: unknown): WireError {
  return new WireError('WIRE_BAD_STREAM', `The upstream sent ${what}.`, null, { cause })
}
