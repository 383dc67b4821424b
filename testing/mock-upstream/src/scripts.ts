/**
 * Ready-made scripts: the scenes that every door, upstream protocol and client must play.
 * They read the protocol-free view only, so the same scene stands behind all protocols.
 */

import type { Answer, AnsweredToolCall, Script } from './answer.ts'
import { lastUserText, toolResultsOf, type ConversationView, type RecordedRequest } from './recorded-request.ts'

export function plainText(text = 'PONG'): Script {
  return () => ({ text, usage: { inputTokens: 64, cachedTokens: 32, outputTokens: 4 } })
}

/** Many small deltas with letters of one to four bytes; `chunkDelayMs` spreads them in time. */
export function streamed(paragraphs = 4, chunkDelayMs = 0): Script {
  const text = Array.from(
    { length: paragraphs },
    (_, i) => `Line ${i + 1}: crossing to the other harbour, Überfahrt, 航海, 🧭.`,
  ).join('\n')
  return () => ({
    text,
    chunkDelayMs,
    chunkCharacters: 7,
    usage: { inputTokens: 128, cachedTokens: 0, outputTokens: 96 },
  })
}

export function reasoned(reasoning = 'First I look at the chart.', text = 'The chart says north.'): Script {
  return () => ({ reasoning, text })
}

/** Two calls at once; once their results are there, a text that repeats them in the order of the calls. */
export function parallelTools(
  calls: [AnsweredToolCall, AnsweredToolCall] = [
    { name: 'get_weather', arguments: { city: 'Genoa' } },
    { name: 'get_time', arguments: { zone: 'Europe/Rome' } },
  ],
  reasoning?: string,
): Script {
  return (request) => {
    const results = toolResultsOf(request.view)
    if (results.length === 0) return { reasoning, toolCalls: calls, interleaveToolCalls: true }
    return { text: `Results: ${results.map((result) => result.text).join(' | ')}` }
  }
}

/**
 * Five turns of one tool with a thought before each call. What must come back is judged by the DeepSeek rules
 * (reasoning on every turn with calls); the scene itself checks that results arrive complete and in order.
 */
export function toolLoop(
  turns = 5,
  tool = 'step',
  makeArguments: (turn: number) => Record<string, unknown> = (turn) => ({ turn }),
): Script {
  return (request) => {
    const done = toolResultsOf(request.view).length
    if (done >= turns) return { reasoning: `All ${turns} steps are done.`, text: `Finished after ${done} steps.` }
    return {
      reasoning: `Step ${done + 1} of ${turns}: I need the tool; "quotes", <tags> & Ünïcode stay as they are.`,
      text: done === 0 ? 'I start.' : undefined,
      toolCalls: [{ name: tool, arguments: makeArguments(done + 1) }],
    }
  }
}

/** Says what kind of image came, so that a client-side assertion proves that it arrived unharmed. */
export function imageReport(): Script {
  return (request) => ({ text: describeImages(request.view) })
}

export function describeImages(view: ConversationView): string {
  const images = view.turns.flatMap((turn) => [...turn.images, ...turn.toolResults.flatMap((result) => result.images)])
  if (images.length === 0) return 'I see no image.'
  return images
    .map((image) => (image.url ? `image at ${image.url}` : `${image.mediaType} of ${image.bytes} bytes`))
    .join('; ')
}

/**
 * Answers with the value where a structure was asked for: by a format, by a tool that is there for nothing else
 * (what clients do for models without formats), or by the word JSON. Says so when nothing was asked.
 */
export function structured(value: Record<string, unknown> = { city: 'Genoa', degrees: 21 }): Script {
  return (request) => {
    const [tool] = request.view.tools
    if (request.view.structured === undefined && tool) return { toolCalls: [{ name: tool.name, arguments: value }] }
    const asked =
      request.view.structured !== undefined || /json/i.test(lastUserText(request.view) + systemText(request.view))
    return { text: asked ? JSON.stringify(value) : 'No structure was asked for.' }
  }
}

function systemText(view: ConversationView): string {
  return view.turns
    .filter((turn) => turn.role === 'system')
    .flatMap((turn) => turn.texts)
    .join('\n')
}

export function refusal(explanation = 'I cannot help with that.'): Script {
  return () => ({ refusal: explanation, stop: 'refusal' })
}

export function maxTokens(text = 'This sentence ends in the mid'): Script {
  return () => ({ text, stop: 'max_tokens' })
}

/** An error before the first byte, `times` times in a row (or always), then plain text. */
export function failing(
  status: number,
  options: { retryAfter?: number | string; times?: number; message?: string } = {},
): Script {
  let left = options.times ?? Number.POSITIVE_INFINITY
  return () => {
    if (left <= 0) return { text: 'recovered' }
    left -= 1
    return { error: { status, retryAfter: options.retryAfter, message: options.message } }
  }
}

/** Between the events of a stream that fails, so that what came before is shown: fetch drops what is queued when it breaks. */
const SHOWN_MS = 4

/** A stream that begins well and then says an error in band. */
export function failingInStream(afterEvents = 4): Script {
  return () => ({
    text: 'It begins well and then it does not go on as anybody had hoped.',
    streamError: { afterEvents },
    chunkDelayMs: SHOWN_MS,
  })
}

/** A stream that is cut without a terminal event. */
export function cutInStream(afterEvents = 4, how: 'reset' | 'close' | 'finish' = 'close'): Script {
  return () => ({
    text: 'It begins well and then the wire is cut before the end of the sentence.',
    cut: { afterEvents, how },
    chunkDelayMs: SHOWN_MS,
  })
}

/** Different answers in turn; the last one repeats. */
export function sequence(...answers: (Answer | Script)[]): Script {
  let next = 0
  return (request: RecordedRequest) => {
    const answer = answers[Math.min(next, answers.length - 1)] ?? {}
    next += 1
    return typeof answer === 'function' ? answer(request) : answer
  }
}

/** Chooses the script by model name, so that one server can play many scenes; the name after the last `/` counts. */
export function byModel(scripts: Record<string, Script>): Script {
  return (request) => {
    const name = request.view.model.split('/').at(-1) ?? ''
    const script = scripts[name]
    if (script) return script(request)
    return { error: { status: 404, message: `No scene for model ${request.view.model}.` } }
  }
}
