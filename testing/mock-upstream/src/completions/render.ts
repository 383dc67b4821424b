/** POST /v1/completions and DeepSeek's fill-in-the-middle: text only, same scripts. */

import { answerParts, answerStop, answerUsage, deltas, type Answer } from '../answer.ts'
import type { Frame } from '../frames.ts'
import { asObject, asText, type JsonObject } from '../json-value.ts'
import { emptyTurn, type ConversationView } from '../recorded-request.ts'
import type { RenderContext } from '../render-context.ts'

export function readCompletion(body: JsonObject): ConversationView {
  const turn = emptyTurn('user')
  turn.texts.push(asText(body.prompt))
  return {
    model: asText(body.model),
    stream: body.stream === true,
    turns: [turn],
    tools: [],
    toolChoice: undefined,
    maxTokens: typeof body.max_tokens === 'number' ? body.max_tokens : undefined,
    thinking: undefined,
    effort: undefined,
    structured: undefined,
  }
}

function pieces(
  answer: Answer,
  context: RenderContext,
): { head: JsonObject; text: string; finish: string; usage: JsonObject } {
  const usage = answerUsage(answer, context.request.bytes.length)
  return {
    head: {
      id: context.dialect === 'deepseek' ? context.mint.uuid() : `cmpl-${context.mint.word(29)}`,
      object: 'text_completion',
      created: context.createdSeconds,
      model: context.request.view.model,
    },
    text: answerParts(answer)
      .map((part) => (part.kind === 'text' ? part.text : ''))
      .join(''),
    finish: answerStop(answer) === 'max_tokens' ? 'length' : 'stop',
    usage: {
      prompt_tokens: usage.inputTokens,
      completion_tokens: usage.outputTokens,
      total_tokens: usage.inputTokens + usage.outputTokens,
    },
  }
}

export function completionJson(answer: Answer, context: RenderContext): JsonObject {
  const { head, text, finish, usage } = pieces(answer, context)
  return { ...head, choices: [{ text, index: 0, logprobs: null, finish_reason: finish }], usage }
}

export function completionFrames(answer: Answer, context: RenderContext): Frame[] {
  const { head, text, finish, usage } = pieces(answer, context)
  const choice = (part: string, reason: string | null): JsonObject => ({
    ...head,
    choices: [{ text: part, index: 0, logprobs: null, finish_reason: reason }],
  })
  const frames: Frame[] = deltas(text, answer.chunkCharacters).map((part) => ({ data: choice(part, null) }))
  frames.push({ data: choice('', finish) })
  if (asObject(context.body.stream_options).include_usage === true)
    frames.push({ data: { ...head, choices: [], usage } })
  frames.push({ data: '[DONE]' })
  return frames
}
