/**
 * What a script answers, said without any protocol.
 *
 * A script decides *what* the supplier says (thought, text, calls, an error at a certain moment); the
 * protocol folders decide *how* it looks on the wire. One script can therefore stand behind all doors.
 */

import type { RecordedRequest } from './recorded-request.ts'

/** Whose manners the stand-in copies. They differ in usage, ids, reasoning fields, errors and refusals. */
export type Dialect = 'openai' | 'deepseek' | 'anthropic' | 'vllm'

export interface AnsweredToolCall {
  name: string
  /** An object is serialised; a string goes out as it stands, so that broken JSON can be sent on purpose. */
  arguments: Record<string, unknown> | string
  /** Minted in the dialect's own form when absent. */
  id?: string
  /** Responses only: the namespace the tool was declared in. */
  namespace?: string
}

/** One thing the model says; `parts` of an answer keeps them in order where the protocol can. */
export type AnswerPart =
  | { kind: 'reasoning'; text: string }
  | { kind: 'text'; text: string }
  | { kind: 'refusal'; text: string }
  | { kind: 'toolCall'; call: AnsweredToolCall }

export interface AnswerUsage {
  /** Whole prompt, cached part included. Renderers subtract where their protocol counts otherwise. */
  inputTokens: number
  cachedTokens?: number
  cacheWriteTokens?: number
  /** Whole output, reasoning included. */
  outputTokens: number
  reasoningTokens?: number
}

export interface AnswerError {
  status: number
  message?: string
  type?: string
  code?: string
  /** Replaces the rendered body: an object is serialised, a string goes out as it stands. */
  body?: unknown
  /** Seconds, or any header text. */
  retryAfter?: number | string
  headers?: Record<string, string>
}

export interface Answer {
  reasoning?: string
  text?: string
  toolCalls?: AnsweredToolCall[]
  refusal?: string
  /** Order beyond reasoning -> text -> calls. When given, the four fields above are not read. */
  parts?: AnswerPart[]
  /** Derived from the parts when absent. */
  stop?: 'end' | 'tool' | 'max_tokens' | 'stop_sequence' | 'refusal' | 'context_window' | 'overload'
  stopSequence?: string
  usage?: AnswerUsage
  dialect?: Dialect
  /** Answered instead of anything else, before the first byte. */
  error?: AnswerError
  /** After this many events of a stream, the protocol's own in-band error, then the end. */
  streamError?: { afterEvents: number; message?: string; type?: string; code?: string }
  /**
   * After this many events the connection ends without the terminal event: `reset` sends RST, `close` drops the
   * socket inside the chunked body, `finish` ends the body properly as if all had been said.
   */
  cut?: { afterEvents: number; how?: 'reset' | 'close' | 'finish' }
  /** Before the response head. */
  delayMs?: number
  /** After the head and before the first event (a long prefill); pings are spread over it. */
  prefillMs?: number
  /** Keep-alives in the dialect's own form: `ping` events on Messages, comments elsewhere, blank lines before JSON. */
  pingsBeforeFirst?: number
  /** Between two events. */
  chunkDelayMs?: number
  /** Characters per text or reasoning delta; 0 sends each part whole. Default 12. */
  chunkCharacters?: number
  /** Chat: fragments of several calls alternate, as vendors may send them. */
  interleaveToolCalls?: boolean
  /** Sent as it stands: for tests of the byte law. */
  raw?: { status?: number; headers?: Record<string, string>; chunks: (string | Uint8Array)[] }
  headers?: Record<string, string>
}

export type Script = (request: RecordedRequest) => Answer | Promise<Answer>

/** Parts of an answer in speaking order. */
export function answerParts(answer: Answer): AnswerPart[] {
  if (answer.parts) return answer.parts
  const parts: AnswerPart[] = []
  if (answer.reasoning) parts.push({ kind: 'reasoning', text: answer.reasoning })
  if (answer.text !== undefined && answer.text !== '') parts.push({ kind: 'text', text: answer.text })
  if (answer.refusal) parts.push({ kind: 'refusal', text: answer.refusal })
  for (const call of answer.toolCalls ?? []) parts.push({ kind: 'toolCall', call })
  return parts
}

export function answerStop(answer: Answer): NonNullable<Answer['stop']> {
  if (answer.stop) return answer.stop
  const parts = answerParts(answer)
  if (parts.some((part) => part.kind === 'toolCall')) return 'tool'
  if (parts.some((part) => part.kind === 'refusal')) return 'refusal'
  return 'end'
}

export function argumentsText(call: AnsweredToolCall): string {
  return typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments)
}

function tokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4)
}

/** Usage as scripted, or a plausible guess from sizes (four bytes a token). */
export function answerUsage(
  answer: Answer,
  requestBytes: number,
): Required<Omit<AnswerUsage, 'reasoningTokens'>> & {
  reasoningTokens: number
} {
  const parts = answerParts(answer)
  const reasoning = parts.reduce((sum, part) => sum + (part.kind === 'reasoning' ? tokens(part.text) : 0), 0)
  const rest = parts.reduce((sum, part) => {
    if (part.kind === 'toolCall') return sum + tokens(part.call.name) + tokens(argumentsText(part.call))
    return part.kind === 'reasoning' ? sum : sum + tokens(part.text)
  }, 0)
  return {
    inputTokens: answer.usage?.inputTokens ?? Math.ceil(requestBytes / 4),
    cachedTokens: answer.usage?.cachedTokens ?? 0,
    cacheWriteTokens: answer.usage?.cacheWriteTokens ?? 0,
    outputTokens: answer.usage?.outputTokens ?? reasoning + rest,
    reasoningTokens: answer.usage?.reasoningTokens ?? (answer.usage ? 0 : reasoning),
  }
}

/** Cuts a text into deltas without splitting a surrogate pair. */
export function deltas(text: string, characters = 12): string[] {
  if (text === '') return []
  if (characters <= 0) return [text]
  const points = Array.from(text)
  const out: string[] = []
  for (let i = 0; i < points.length; i += characters) out.push(points.slice(i, i + characters).join(''))
  return out
}
