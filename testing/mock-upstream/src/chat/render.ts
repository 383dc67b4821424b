/**
 * Chat Completions answers, whole and streamed, in the manners of four suppliers:
 * OpenAI (hidden reasoning, usage on a chunk of its own), DeepSeek (UUID ids, `reasoning_content`, an empty first
 * chunk, usage on the finish chunk), vLLM (`reasoning`, usage on a chunk of its own).
 */

import {
  answerParts,
  answerStop,
  answerUsage,
  argumentsText,
  deltas,
  type Answer,
  type AnsweredToolCall,
} from '../answer.ts'
import type { Frame } from '../frames.ts'
import { asObject, type JsonObject } from '../json-value.ts'
import type { RenderContext } from '../render-context.ts'

const finishReasons = {
  end: 'stop',
  stop_sequence: 'stop',
  tool: 'tool_calls',
  max_tokens: 'length',
  context_window: 'length',
  refusal: 'content_filter',
  overload: 'insufficient_system_resource',
} as const

/** OpenAI says a refusal in its own field and finishes with `stop`; the others only have the filter. */
function finishReason(answer: Answer, context: RenderContext): string {
  const stop = answerStop(answer)
  if (stop === 'refusal' && context.dialect === 'openai' && answer.refusal) return 'stop'
  return finishReasons[stop]
}

function head(context: RenderContext, object: string): JsonObject {
  const { mint, dialect } = context
  const id =
    dialect === 'deepseek'
      ? mint.uuid()
      : dialect === 'vllm'
        ? `chatcmpl-${mint.word(32)}`
        : `chatcmpl-${mint.word(29)}`
  return { id, object, created: context.createdSeconds, model: context.request.view.model }
}

const fingerprints = {
  deepseek: 'fp_5f2c0a9be1_prod0820_fp8_kvcache_20260402',
  openai: 'fp_3b1c94d0a7',
  vllm: null,
  anthropic: null,
}

function callId(call: AnsweredToolCall, index: number, context: RenderContext): string {
  if (call.id !== undefined) return call.id
  if (context.dialect === 'deepseek') return `call_${String(index).padStart(2, '0')}_${context.mint.word(24)}`
  if (context.dialect === 'vllm') return `chatcmpl-tool-${context.mint.word(32).toLowerCase()}`
  return `call_${context.mint.word(24)}`
}

function usageOf(answer: Answer, context: RenderContext): JsonObject {
  const usage = answerUsage(answer, context.request.bytes.length)
  const whole: JsonObject = {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
  }
  if (context.dialect === 'deepseek') {
    return {
      ...whole,
      prompt_tokens_details: { cached_tokens: usage.cachedTokens },
      ...(usage.reasoningTokens > 0 ? { completion_tokens_details: { reasoning_tokens: usage.reasoningTokens } } : {}),
      prompt_cache_hit_tokens: usage.cachedTokens,
      prompt_cache_miss_tokens: usage.inputTokens - usage.cachedTokens,
    }
  }
  if (context.dialect === 'vllm') {
    return { ...whole, prompt_tokens_details: usage.cachedTokens > 0 ? { cached_tokens: usage.cachedTokens } : null }
  }
  return {
    ...whole,
    prompt_tokens_details: {
      cached_tokens: usage.cachedTokens,
      audio_tokens: 0,
      ...(usage.cacheWriteTokens > 0 ? { cache_write_tokens: usage.cacheWriteTokens } : {}),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

interface Collected {
  reasoning: string
  text: string
  refusal: string
  calls: { call: AnsweredToolCall; id: string }[]
}

function collect(answer: Answer, context: RenderContext): Collected {
  const all: Collected = { reasoning: '', text: '', refusal: '', calls: [] }
  for (const part of answerParts(answer)) {
    if (part.kind === 'reasoning') all.reasoning += part.text
    else if (part.kind === 'text') all.text += part.text
    else if (part.kind === 'refusal') all.refusal += part.text
    else all.calls.push({ call: part.call, id: callId(part.call, all.calls.length, context) })
  }
  for (const { id } of all.calls) if (all.reasoning !== '') context.rememberReasoning(id, all.reasoning)
  return all
}

export function chatJson(answer: Answer, context: RenderContext): JsonObject {
  const { dialect } = context
  const said = collect(answer, context)
  const text = dialect === 'openai' || said.refusal === '' ? said.text : said.text + said.refusal
  const message: JsonObject = {
    role: 'assistant',
    content: text === '' && (said.calls.length > 0 || said.refusal !== '') && dialect !== 'deepseek' ? null : text,
  }
  if (dialect === 'deepseek' && said.reasoning !== '') message.reasoning_content = said.reasoning
  if (dialect === 'vllm') message.reasoning = said.reasoning === '' ? null : said.reasoning
  if (dialect === 'openai') {
    message.refusal = said.refusal === '' ? null : said.refusal
    message.annotations = []
  }
  if (dialect === 'vllm') message.refusal = null
  if (said.calls.length > 0) {
    message.tool_calls = said.calls.map(({ call, id }, index) => ({
      ...(dialect === 'deepseek' ? { index } : {}),
      id,
      type: 'function',
      function: { name: call.name, arguments: argumentsText(call) },
    }))
  }
  return {
    ...head(context, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(answer, context) }],
    usage: usageOf(answer, context),
    ...(dialect === 'openai' ? { service_tier: 'default' } : {}),
    ...(fingerprints[dialect] === null ? {} : { system_fingerprint: fingerprints[dialect] }),
  }
}

export function chatFrames(answer: Answer, context: RenderContext): Frame[] {
  const { dialect } = context
  const said = collect(answer, context)
  const base = head(context, 'chat.completion.chunk')
  const wantsUsage = asObject(context.body.stream_options).include_usage === true
  const deepSeek = dialect === 'deepseek'
  const frames: Frame[] = []
  const chunk = (delta: JsonObject, finish: string | null = null, usage?: JsonObject): void => {
    frames.push({
      data: {
        ...base,
        ...(fingerprints[dialect] === null ? {} : { system_fingerprint: fingerprints[dialect] }),
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
        ...(usage ? { usage } : wantsUsage && dialect !== 'vllm' ? { usage: null } : {}),
      },
    })
  }
  const reasoningField = dialect === 'vllm' ? 'reasoning' : 'reasoning_content'
  const thinks = said.reasoning !== '' && dialect !== 'openai'
  const withBoth = (content: string | null, reasoning: string | null): JsonObject =>
    deepSeek && said.reasoning !== '' ? { content, reasoning_content: reasoning } : { content }

  if (deepSeek && thinks) chunk({ role: 'assistant', content: null, reasoning_content: '' })
  else if (dialect === 'openai') chunk({ role: 'assistant', content: '', refusal: null })
  else chunk({ role: 'assistant', content: '' })

  if (thinks) {
    for (const piece of deltas(said.reasoning, answer.chunkCharacters)) {
      chunk(deepSeek ? withBoth(null, piece) : { [reasoningField]: piece })
    }
  }
  const text = dialect === 'openai' ? said.text : said.text + said.refusal
  for (const piece of deltas(text, answer.chunkCharacters)) chunk(withBoth(piece, null))
  if (dialect === 'openai') {
    for (const piece of deltas(said.refusal, answer.chunkCharacters)) chunk({ refusal: piece })
  }
  for (const delta of toolDeltas(said.calls, answer)) chunk(delta)

  const finish = finishReason(answer, context)
  const usage = usageOf(answer, context)
  if (deepSeek) chunk(withBoth('', null), finish, wantsUsage ? usage : undefined)
  else {
    chunk({}, finish)
    if (wantsUsage) frames.push({ data: { ...base, choices: [], usage } })
  }
  frames.push({ data: '[DONE]' })
  return frames
}

/** First fragment of a call: id, type, name, empty arguments; then fragments that may split anywhere. */
function toolDeltas(calls: Collected['calls'], answer: Answer): JsonObject[] {
  const perCall = calls.map(({ call, id }, index) => [
    { tool_calls: [{ index, id, type: 'function', function: { name: call.name, arguments: '' } }] },
    ...deltas(argumentsText(call), answer.chunkCharacters).map((piece) => ({
      tool_calls: [{ index, function: { arguments: piece } }],
    })),
  ])
  if (!answer.interleaveToolCalls) return perCall.flat()
  const mixed: JsonObject[] = []
  for (let row = 0; perCall.some((list) => row < list.length); row += 1) {
    for (const list of perCall) {
      const delta = list[row]
      if (delta) mixed.push(delta)
    }
  }
  return mixed
}
