/** Chat answers as upstreams write them, frame by frame, so that a case can put together any shape. */
import type { Json } from '../json.ts'
import type { Play, Step } from '../scripted-upstream.ts'
import { json, stream } from './play.ts'

const head = { id: 'chatcmpl-upstream1', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'upstream' }

export const done = 'data: [DONE]\n\n'

export interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly [more: string]: unknown
}

export function chatUsage(prompt: number, completion: number, more: Json = {}): ChatUsage {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion, ...more }
}

/** One chunk with one delta; `more` are further members of the chunk. */
export function chunk(delta: Json, finish: string | null = null, more: Json = {}): string {
  return frame({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...more })
}

export function frame(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

export function usageChunk(usage: ChatUsage): string {
  return frame({ ...head, choices: [], usage })
}

export const role = chunk({ role: 'assistant', content: '' })

/** The first fragment of a call. */
export function call(index: number, id: string, name: string, args = ''): Json {
  return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: args } }] }
}

/** A later fragment of a call. */
export function args(index: number, fragment: string): Json {
  return { tool_calls: [{ index, function: { arguments: fragment } }] }
}

const smallUsage = chatUsage(20, 5)

/** role, the given deltas, finish, usage, `[DONE]`. */
export function chatStream(deltas: readonly Json[], finish = 'stop', usage: ChatUsage | null = smallUsage): Play {
  const steps: Step[] = [role, ...deltas.map((delta) => chunk(delta)), chunk({}, finish)]
  if (usage) steps.push(usageChunk(usage))
  return stream(...steps, done)
}

/** A whole answer. */
export function chatWhole(message: Json, finish = 'stop', usage: ChatUsage = smallUsage): Play {
  return json({
    ...head,
    object: 'chat.completion',
    choices: [
      { index: 0, message: { role: 'assistant', content: null, ...message }, logprobs: null, finish_reason: finish },
    ],
    usage,
  })
}

export function chatError(status: number, message: string, type: string, code: string | null = null): Play {
  return json({ error: { message, type, param: null, code } }, status)
}

/** For cases about requests: "PONG", streamed or whole as asked. */
export function chatPong(body: Json): Play {
  return body['stream'] === true ? chatStream([{ content: 'PONG' }]) : chatWhole({ content: 'PONG' })
}
