/**
 * Messages API answers, whole and streamed: blocks in order, never overlapping, dense indexes, arguments only in
 * deltas, one signature before the end of each thinking block. DeepSeek's door differs in ids and usage.
 */

import { answerParts, answerStop, answerUsage, argumentsText, deltas, type Answer, type AnswerPart } from '../answer.ts'
import type { Frame } from '../frames.ts'
import { asObject, parseOrUndefined, type JsonObject } from '../json-value.ts'
import { sealReasoning } from '../mint.ts'
import type { RenderContext } from '../render-context.ts'

const stopReasons = {
  end: 'end_turn',
  tool: 'tool_use',
  max_tokens: 'max_tokens',
  stop_sequence: 'stop_sequence',
  refusal: 'refusal',
  context_window: 'model_context_window_exceeded',
  overload: 'end_turn',
} as const

type Block = { start: JsonObject; pieces: JsonObject[]; whole: JsonObject }

function usageOf(answer: Answer, context: RenderContext): JsonObject {
  const usage = answerUsage(answer, context.request.bytes.length)
  const base = {
    input_tokens: usage.inputTokens - usage.cachedTokens - usage.cacheWriteTokens,
    cache_creation_input_tokens: usage.cacheWriteTokens,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.outputTokens,
  }
  if (context.dialect === 'deepseek') return { ...base, service_tier: 'standard' }
  if (context.dialect === 'vllm') return base
  return {
    ...base,
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheWriteTokens, ephemeral_1h_input_tokens: 0 },
    output_tokens_details: usage.reasoningTokens > 0 ? { thinking_tokens: usage.reasoningTokens } : null,
    server_tool_use: null,
    service_tier: 'standard',
    inference_geo: 'global',
    speed: 'standard',
  }
}

function signatureOf(text: string, context: RenderContext): string {
  return context.dialect === 'anthropic' ? sealReasoning(text) : context.mint.uuid()
}

function blockOf(part: AnswerPart, answer: Answer, context: RenderContext): Block {
  if (part.kind === 'reasoning') {
    const shown =
      asObject(context.body.thinking).display === 'omitted' && context.dialect === 'anthropic' ? '' : part.text
    const signature = signatureOf(part.text, context)
    return {
      start: { type: 'thinking', thinking: '', signature: '' },
      pieces: [
        ...deltas(shown, answer.chunkCharacters).map((thinking) => ({ type: 'thinking_delta', thinking })),
        { type: 'signature_delta', signature },
      ],
      whole: { type: 'thinking', thinking: shown, signature },
    }
  }
  if (part.kind === 'toolCall') {
    const id =
      part.call.id ??
      (context.dialect === 'deepseek' ? `call_00_${context.mint.word(24)}` : `toolu_${context.mint.word(24)}`)
    const text = argumentsText(part.call)
    const caller = context.dialect === 'anthropic' ? { caller: { type: 'direct' } } : {}
    const called = { type: 'tool_use', id, name: part.call.name, ...caller }
    return {
      start: { ...called, input: {} },
      pieces: ['', ...deltas(text === '' ? '{}' : text, answer.chunkCharacters)].map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      })),
      whole: { ...called, input: parseOrUndefined(text) ?? {} },
    }
  }
  const citations = context.dialect === 'anthropic' ? { citations: null } : {}
  return {
    start: { type: 'text', text: '', ...citations },
    pieces: deltas(part.text, answer.chunkCharacters).map((text) => ({ type: 'text_delta', text })),
    whole: { type: 'text', text: part.text, ...citations },
  }
}

function blocksOf(answer: Answer, context: RenderContext): Block[] {
  const blocks: Block[] = []
  let reasoning = ''
  for (const part of answerParts(answer)) {
    // A refusal is a stop reason with details on Anthropic's own service; elsewhere it is plain text.
    if (part.kind === 'refusal' && context.dialect === 'anthropic') continue
    const block = blockOf(part, answer, context)
    if (part.kind === 'reasoning') reasoning += part.text
    if (part.kind === 'toolCall' && reasoning !== '') context.rememberReasoning(String(block.whole.id), reasoning)
    blocks.push(block)
  }
  return blocks
}

function ending(answer: Answer, context: RenderContext): JsonObject {
  const stop = answerStop(answer)
  const refused = stop === 'refusal' && context.dialect === 'anthropic'
  return {
    stop_reason: stop === 'refusal' && !refused ? 'end_turn' : stopReasons[stop],
    stop_sequence: stop === 'stop_sequence' ? (answer.stopSequence ?? null) : null,
    ...(context.dialect === 'anthropic'
      ? {
          stop_details: refused
            ? { type: 'refusal', category: 'general_harms', explanation: answer.refusal ?? null }
            : null,
        }
      : {}),
  }
}

function head(context: RenderContext): JsonObject {
  const { dialect, mint } = context
  return {
    id:
      dialect === 'deepseek' ? mint.uuid() : dialect === 'vllm' ? `chatcmpl-${mint.word(32)}` : `msg_${mint.word(24)}`,
    type: 'message',
    role: 'assistant',
    model: context.request.view.model.replace(/\[1m\]$/, ''),
  }
}

const envelopeExtras = { container: null, diagnostics: null }

export function messagesJson(answer: Answer, context: RenderContext): JsonObject {
  return {
    ...head(context),
    content: blocksOf(answer, context).map((block) => block.whole),
    ...ending(answer, context),
    usage: usageOf(answer, context),
    ...(context.dialect === 'anthropic' ? envelopeExtras : {}),
  }
}

export function messagesFrames(answer: Answer, context: RenderContext): Frame[] {
  const frames: Frame[] = []
  const push = (data: JsonObject): void => void frames.push({ event: String(data.type), data })
  const usage = usageOf(answer, context)
  const anthropic = context.dialect === 'anthropic'
  push({
    type: 'message_start',
    message: {
      ...head(context),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      ...(anthropic ? { stop_details: null, ...envelopeExtras } : {}),
      usage:
        anthropic || context.dialect === 'vllm'
          ? { ...usage, output_tokens: 1, ...(anthropic ? { output_tokens_details: null } : {}) }
          : usage,
    },
  })
  blocksOf(answer, context).forEach((block, index) => {
    push({ type: 'content_block_start', index, content_block: block.start })
    if (index === 0 && anthropic) push({ type: 'ping' })
    for (const delta of block.pieces) push({ type: 'content_block_delta', index, delta })
    push({ type: 'content_block_stop', index })
  })
  const { stop_reason, stop_sequence, ...details } = ending(answer, context)
  push({
    type: 'message_delta',
    delta: { stop_reason, stop_sequence, ...details, ...(anthropic ? { container: null } : {}) },
    usage: anthropic
      ? {
          input_tokens: usage.input_tokens,
          cache_creation_input_tokens: usage.cache_creation_input_tokens,
          cache_read_input_tokens: usage.cache_read_input_tokens,
          output_tokens: usage.output_tokens,
          output_tokens_details: usage.output_tokens_details,
          server_tool_use: null,
        }
      : usage,
  })
  push({ type: 'message_stop' })
  return frames
}
