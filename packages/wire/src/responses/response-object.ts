/**
 * The `response` object of answers and of the stream's life-cycle events (openai 7.57, `Response`).
 *
 * Repeats what was asked, as this API does. Members whose type is not nullable are left out when there is
 * nothing to say. Nothing is stored, whatever `store` asked.
 */
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalRequest, OutputFormat } from '../canonical/request.ts'
import { instructionText } from '../history/turns.ts'
import { isObject } from './read-field.ts'
import { echoToolChoice, echoTools } from './tools.ts'

/** Ids of our own are the request's id in this door's style. */
export function idPart(requestId: string): string {
  return requestId.replace(/[^A-Za-z0-9_-]/g, '').slice(0, 64) || '0'
}

/** Everything that is the same in all events of one answer. */
export function responseFrame(context: AnswerContext): Record<string, unknown> {
  const { request } = context
  const top = request.items.filter((item) => item.kind === 'instruction').filter((item) => item.placement === 'top')
  const own = request.from === 'responses' ? request.extra : {}
  return {
    id: `resp_${idPart(context.requestId)}`,
    object: 'response',
    created_at: context.createdSec,
    background: false,
    instructions: top.length === 0 ? null : top.map(instructionText).join('\n'),
    max_output_tokens: request.maxOutputTokens,
    max_tool_calls: typeof own.max_tool_calls === 'number' ? own.max_tool_calls : null,
    model: context.model,
    parallel_tool_calls: request.parallelToolCalls ?? true,
    previous_response_id: null,
    prompt_cache_key: request.cacheKey,
    reasoning: { effort: effortOf(request), summary: request.reasoningSummary },
    safety_identifier: request.endUser,
    service_tier: request.serviceTier ?? 'default',
    store: false,
    temperature: request.sampling.temperature,
    text: { format: writeFormat(request.outputFormat), verbosity: request.verbosity ?? 'medium' },
    tool_choice: echoToolChoice(request.toolChoice, request.tools),
    tools: echoTools(request.tools),
    top_logprobs: request.topLogprobs ?? 0,
    top_p: request.sampling.topP,
    truncation: own.truncation === 'auto' ? 'auto' : 'disabled',
    metadata: stringMetadata(request.metadata),
    access_programs: null,
  }
}

function effortOf(request: CanonicalRequest): string | null {
  return request.thinking?.mode === 'off' ? 'none' : (request.thinking?.effort ?? null)
}

export function writeFormat(format: OutputFormat): Record<string, unknown> {
  if (format.type === 'text') return { type: 'text' }
  if (format.type === 'json-object') return { type: 'json_object' }
  return {
    type: 'json_schema',
    name: format.name ?? 'output',
    ...(format.description !== null && { description: format.description }),
    schema: isObject(format.schema) ? format.schema : {},
    strict: format.strict,
  }
}

function stringMetadata(metadata: CanonicalRequest['metadata']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
