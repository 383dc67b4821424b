/**
 * A Responses request as a canonical request. Follows `POST /v1/responses` of the OpenAI API, openai 7.57.
 *
 * Also takes the body of `POST /v1/responses/input_tokens`, which is the same without generation settings.
 * What names stored state (`previous_response_id`, `conversation`, `prompt`, `background`, item references) is
 * read and kept: the vendor that stores it may still get these bytes, every writer refuses it.
 */
import { WireError } from '../errors.ts'
import type { ReadContext } from '../canonical/adapter.ts'
import type { CanonicalRequest, Effort, InstructionItem, Item, OutputFormat, Thinking } from '../canonical/request.ts'
import { readItem } from './read-items.ts'
import {
  arrayOf,
  badField,
  isObject,
  objectOf,
  optionalBoolean,
  optionalNumber,
  optionalString,
  optionalWord,
  otherMembers,
  requiredString,
  type WireObject,
} from './read-field.ts'
import { readToolChoice, readTools } from './tools.ts'

/** Read below; everything else at the top level is kept in `extra`. */
const readMembers = new Set(
  `model input instructions tools tool_choice parallel_tool_calls max_output_tokens temperature
  top_p top_logprobs include reasoning text stream stream_options user
  safety_identifier metadata prompt_cache_key service_tier client_metadata store truncation background`.split(/\s+/),
)
const efforts: readonly Effort[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'ultra']
const encryptedReasoning = 'reasoning.encrypted_content'
const logprobsInclude = 'message.output_text.logprobs'

export function toCanonicalRequest(value: unknown, context: ReadContext): CanonicalRequest {
  const body = objectOf(value, 'body')
  const include = readInclude(body)
  const reasoning = isObject(body.reasoning) ? body.reasoning : {}
  const text = isObject(body.text) ? body.text : {}
  const maxOutputTokens = optionalNumber(body, 'max_output_tokens')
  if (maxOutputTokens !== null && (maxOutputTokens < 0 || !Number.isInteger(maxOutputTokens)))
    badField('max_output_tokens', 'a whole number of tokens', maxOutputTokens)
  // Bookkeeping of the client for its own vendor's service, never meant for a model.
  if (isObject(body.client_metadata)) context.report.stripped('client_metadata')

  return {
    from: 'responses',
    model: requiredString(body, 'model'),
    items: [...readInstructions(body), ...readInput(body, context)],
    tools: readTools(body.tools),
    toolChoice: readToolChoice(body.tool_choice),
    parallelToolCalls: optionalBoolean(body, 'parallel_tool_calls'),
    maxOutputTokens,
    stop: [],
    sampling: {
      temperature: optionalNumber(body, 'temperature'),
      topP: optionalNumber(body, 'top_p'),
      topK: null,
      frequencyPenalty: null,
      presencePenalty: null,
      seed: null,
      logitBias: null,
    },
    topLogprobs: readTopLogprobs(body, include),
    thinking: readThinking(reasoning),
    reasoningSummary:
      optionalString(reasoning, 'summary', 'reasoning.') ?? optionalString(reasoning, 'generate_summary', 'reasoning.'),
    outputFormat: readFormat(text.format),
    verbosity: optionalWord(text, 'verbosity', ['low', 'medium', 'high'], 'text.'),
    stream: optionalBoolean(body, 'stream') ?? false,
    includeUsage: true,
    choices: 1,
    endUser: optionalString(body, 'safety_identifier') ?? optionalString(body, 'user'),
    metadata: isObject(body.metadata) ? body.metadata : null,
    cacheKey: optionalString(body, 'prompt_cache_key'),
    autoCacheMark: null,
    serviceTier: optionalString(body, 'service_tier'),
    extra: readExtra(body, include, reasoning, text),
  }
}

function readInstructions(body: WireObject): readonly InstructionItem[] {
  const text = optionalString(body, 'instructions')
  if (text === null || text === '') return []
  const source = { pointer: '/instructions' }
  return [{ kind: 'instruction', placement: 'top', role: 'system', parts: [{ type: 'text', text }], source }]
}

function readInput(body: WireObject, context: ReadContext): readonly Item[] {
  const input = body.input
  if (input === undefined || input === null) {
    if (typeof body.instructions === 'string' && body.instructions !== '') return []
    throw new WireError('WIRE_BAD_FIELD', 'A request needs `input` or `instructions`.', 'input')
  }
  if (typeof input === 'string')
    return [{ kind: 'user', parts: [{ type: 'text', text: input }], source: { pointer: '/input' } }]
  return arrayOf(input, 'input').flatMap((item, index) => readItem(item, `input[${index}]`, `/input/${index}`, context))
}

function readInclude(body: WireObject): readonly string[] {
  if (body.include === undefined || body.include === null) return []
  return arrayOf(body.include, 'include').filter((name) => typeof name === 'string')
}

function readTopLogprobs(body: WireObject, include: readonly string[]): number | null {
  const asked = optionalNumber(body, 'top_logprobs')
  if (asked !== null && asked > 0) return asked
  return include.includes(logprobsInclude) ? 0 : null
}

function readThinking(reasoning: WireObject): Thinking | null {
  const effort = optionalWord(reasoning, 'effort', ['none', ...efforts], 'reasoning.')
  if (effort === null) return null
  const rest = { budgetTokens: null, display: null }
  return effort === 'none' ? { mode: 'off', effort: null, ...rest } : { mode: 'on', effort, ...rest }
}

function readFormat(value: unknown): OutputFormat {
  if (value === undefined || value === null) return { type: 'text' }
  const format = objectOf(value, 'text.format')
  switch (format.type) {
    case 'text':
      return { type: 'text' }
    case 'json_object':
      return { type: 'json-object' }
    case 'json_schema':
      return {
        type: 'json-schema',
        name: optionalString(format, 'name', 'text.format.'),
        description: optionalString(format, 'description', 'text.format.'),
        schema: format.schema ?? null,
        strict: optionalBoolean(format, 'strict', 'text.format.'),
      }
    default:
      return badField('text.format.type', 'text, json_object or json_schema', format.type)
  }
}

/** What has no canonical place and says something: members at their default say nothing. */
function readExtra(
  body: WireObject,
  include: readonly string[],
  reasoning: WireObject,
  text: WireObject,
): Record<string, unknown> {
  const otherIncludes = include.filter((name) => name !== encryptedReasoning && name !== logprobsInclude)
  const otherReasoning = otherMembers(reasoning, new Set(['effort', 'summary', 'generate_summary']))
  const otherText = otherMembers(text, new Set(['format', 'verbosity']))
  return {
    ...otherMembers(body, readMembers),
    ...(body.store === true && { store: true }),
    ...(body.background === true && { background: true }),
    ...(body.truncation === 'auto' && { truncation: 'auto' }),
    ...(otherIncludes.length > 0 && { include: otherIncludes }),
    ...(Object.keys(otherReasoning).length > 0 && { reasoning: otherReasoning }),
    ...(Object.keys(otherText).length > 0 && { text: otherText }),
  }
}
