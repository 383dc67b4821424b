/**
 * Responses answers, whole and streamed: one output index per item, sequence numbers without gaps, `.done` events
 * with the full text, a terminal event that repeats the whole output, no [DONE].
 * OpenAI hides reasoning (summary on request, sealed content on request); DeepSeek and vLLM show `reasoning_text`.
 */

import { answerParts, answerStop, answerUsage, argumentsText, deltas, type Answer, type AnswerPart } from '../answer.ts'
import type { Frame } from '../frames.ts'
import { asList, asObject, asText, type JsonObject } from '../json-value.ts'
import { sealReasoning } from '../mint.ts'
import type { RenderContext } from '../render-context.ts'

interface Item {
  whole: JsonObject
  /** The item as first announced. */
  opening: JsonObject
  events: JsonObject[]
}

function usageOf(answer: Answer, context: RenderContext): JsonObject {
  const usage = answerUsage(answer, context.request.bytes.length)
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: {
      cached_tokens: usage.cachedTokens,
      ...(context.dialect === 'openai' ? { cache_write_tokens: usage.cacheWriteTokens } : {}),
    },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
}

function itemId(prefix: string, context: RenderContext): string {
  return context.dialect === 'deepseek' ? context.mint.uuid() : `${prefix}_${context.mint.word(40)}`
}

function reasoningItem(text: string, answer: Answer, context: RenderContext): Item {
  const id = itemId('rs', context)
  const events: JsonObject[] = []
  const shown = context.dialect !== 'openai'
  const wantsSummary = !shown && typeof asObject(context.body.reasoning).summary === 'string'
  const wantsSeal =
    context.dialect === 'deepseek' || asList(context.body.include).includes('reasoning.encrypted_content')
  const seal = wantsSeal && context.dialect !== 'vllm' ? { encrypted_content: sealReasoning(text) } : {}
  if (shown) {
    const at = { item_id: id, content_index: 0 }
    events.push({ type: 'response.content_part.added', ...at, part: { type: 'reasoning_text', text: '' } })
    for (const delta of deltas(text, answer.chunkCharacters))
      events.push({ type: 'response.reasoning_text.delta', ...at, delta })
    events.push({ type: 'response.reasoning_text.done', ...at, text })
    events.push({ type: 'response.content_part.done', ...at, part: { type: 'reasoning_text', text } })
  } else if (wantsSummary) {
    const at = { item_id: id, summary_index: 0 }
    events.push({ type: 'response.reasoning_summary_part.added', ...at, part: { type: 'summary_text', text: '' } })
    for (const delta of deltas(text, answer.chunkCharacters)) {
      events.push({ type: 'response.reasoning_summary_text.delta', ...at, delta })
    }
    events.push({ type: 'response.reasoning_summary_text.done', ...at, text })
    events.push({ type: 'response.reasoning_summary_part.done', ...at, part: { type: 'summary_text', text } })
  }
  const summary = wantsSummary ? [{ type: 'summary_text', text }] : []
  return {
    opening: { id, type: 'reasoning', summary: [] },
    whole: {
      id,
      type: 'reasoning',
      summary,
      ...(shown ? { content: [{ type: 'reasoning_text', text }] } : {}),
      ...seal,
    },
    events,
  }
}

function messageItem(
  parts: { kind: 'text' | 'refusal'; text: string }[],
  answer: Answer,
  context: RenderContext,
  cutShort: boolean,
): Item {
  const id = itemId('msg', context)
  const events: JsonObject[] = []
  const content: JsonObject[] = []
  parts.forEach((part, content_index) => {
    const at = { item_id: id, content_index }
    const refusal = part.kind === 'refusal'
    const empty = refusal
      ? { type: 'refusal', refusal: '' }
      : { type: 'output_text', annotations: [], logprobs: [], text: '' }
    const whole = refusal ? { ...empty, refusal: part.text } : { ...empty, text: part.text }
    events.push({ type: 'response.content_part.added', ...at, part: empty })
    for (const delta of deltas(part.text, answer.chunkCharacters)) {
      events.push(
        refusal
          ? { type: 'response.refusal.delta', ...at, delta }
          : { type: 'response.output_text.delta', ...at, delta, logprobs: [] },
      )
    }
    events.push(
      refusal
        ? { type: 'response.refusal.done', ...at, refusal: part.text }
        : { type: 'response.output_text.done', ...at, text: part.text, logprobs: [] },
    )
    events.push({ type: 'response.content_part.done', ...at, part: whole })
    content.push(whole)
  })
  const base = { id, type: 'message', role: 'assistant' }
  return {
    opening: { ...base, status: 'in_progress', content: [] },
    whole: { ...base, status: cutShort ? 'incomplete' : 'completed', content },
    events,
  }
}

function callItem(part: Extract<AnswerPart, { kind: 'toolCall' }>, answer: Answer, context: RenderContext): Item {
  const custom = asList(context.body.tools).some(
    (tool) => asObject(tool).type === 'custom' && asObject(tool).name === part.call.name,
  )
  const call_id =
    part.call.id ??
    (context.dialect === 'deepseek' ? `call_00_${context.mint.word(24)}` : `call_${context.mint.word(24)}`)
  const id = itemId(custom ? 'ctc' : 'fc', context)
  const text =
    custom && typeof part.call.arguments !== 'string' ? asText(part.call.arguments.input) : argumentsText(part.call)
  const field = custom ? 'input' : 'arguments'
  const event = custom ? 'response.custom_tool_call_input' : 'response.function_call_arguments'
  const namespace = part.call.namespace === undefined ? {} : { namespace: part.call.namespace }
  const base = { id, type: custom ? 'custom_tool_call' : 'function_call', call_id, name: part.call.name, ...namespace }
  return {
    opening: { ...base, [field]: '', ...(custom ? {} : { status: 'in_progress' }) },
    whole: { ...base, [field]: text, ...(custom ? {} : { status: 'completed' }) },
    events: [
      ...deltas(text, answer.chunkCharacters).map((delta) => ({ type: `${event}.delta`, item_id: id, delta })),
      { type: `${event}.done`, item_id: id, [field]: text },
    ],
  }
}

function itemsOf(answer: Answer, context: RenderContext): Item[] {
  const items: Item[] = []
  let reasoning = ''
  let texts: { kind: 'text' | 'refusal'; text: string }[] = []
  const cutShort = answerStop(answer) === 'max_tokens'
  const flush = (): void => {
    if (texts.length > 0) items.push(messageItem(texts, answer, context, cutShort))
    texts = []
  }
  for (const part of answerParts(answer)) {
    if (part.kind === 'text' || part.kind === 'refusal') {
      texts.push(part)
      continue
    }
    flush()
    if (part.kind === 'reasoning') {
      reasoning += part.text
      items.push(reasoningItem(part.text, answer, context))
    } else {
      const item = callItem(part, answer, context)
      if (reasoning !== '') context.rememberReasoning(String(item.whole.call_id), reasoning)
      items.push(item)
    }
  }
  flush()
  return items
}

/** Fields the service echoes from the request, with its own defaults. */
function envelope(context: RenderContext): JsonObject {
  const { body, dialect, mint } = context
  return {
    id: dialect === 'deepseek' ? mint.uuid() : `resp_${mint.word(40)}`,
    object: 'response',
    created_at: context.createdSeconds,
    model: context.request.view.model,
    access_programs: null,
    background: false,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: asObject(body.reasoning).effort ?? null, summary: asObject(body.reasoning).summary ?? null },
    safety_identifier: null,
    service_tier: 'default',
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: {
      format: asObject(body.text).format ?? { type: 'text' },
      verbosity: asObject(body.text).verbosity ?? 'medium',
    },
    tool_choice: body.tool_choice ?? 'auto',
    tools: asList(body.tools),
    top_logprobs: 0,
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
  }
}

function ending(answer: Answer): JsonObject {
  const stop = answerStop(answer)
  const reason =
    stop === 'max_tokens' || stop === 'context_window'
      ? 'max_output_tokens'
      : stop === 'refusal' && !answer.refusal
        ? 'content_filter'
        : undefined
  return reason
    ? { status: 'incomplete', incomplete_details: { reason }, error: null }
    : { status: 'completed', incomplete_details: null, error: null }
}

export function responsesJson(answer: Answer, context: RenderContext): JsonObject {
  return {
    ...envelope(context),
    ...ending(answer),
    output: itemsOf(answer, context).map((item) => item.whole),
    usage: usageOf(answer, context),
  }
}

export function responsesFrames(answer: Answer, context: RenderContext): Frame[] {
  const frames: Frame[] = []
  const push = (data: JsonObject): void => {
    const { type, ...rest } = data
    frames.push({ event: String(type), data: { type, sequence_number: frames.length, ...rest } })
  }
  const base = envelope(context)
  const begun = { ...base, status: 'in_progress', incomplete_details: null, error: null, output: [] }
  push({ type: 'response.created', response: begun })
  push({ type: 'response.in_progress', response: begun })
  const items = itemsOf(answer, context)
  items.forEach((item, output_index) => {
    push({ type: 'response.output_item.added', output_index, item: item.opening })
    for (const event of item.events) push({ ...event, output_index })
    push({ type: 'response.output_item.done', output_index, item: item.whole })
  })
  const end = ending(answer)
  const response = { ...base, ...end, output: items.map((item) => item.whole), usage: usageOf(answer, context) }
  push({ type: end.status === 'incomplete' ? 'response.incomplete' : 'response.completed', response })
  return frames
}
