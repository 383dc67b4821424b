/** Responses answers as upstreams write them: a list of whole items, written out event by event. */
import type { Json } from '../json.ts'
import type { Play } from '../scripted-upstream.ts'
import { json, stream } from './play.ts'

const head = {
  id: 'resp_upstream1',
  object: 'response',
  created_at: 1_790_000_000,
  model: 'upstream',
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
}

export function responsesUsage(input: number, output: number, cached = 0): Json {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  }
}

export function message(text: string, id = 'msg_up1'): Json {
  const content = [{ type: 'output_text', text, annotations: [], logprobs: [] }]
  return { id, type: 'message', status: 'completed', role: 'assistant', content }
}

export function functionCall(callId: string, name: string, text: string, more: Json = {}): Json {
  const id = `fc_${callId}`
  return { id, type: 'function_call', status: 'completed', call_id: callId, name, arguments: text, ...more }
}

export function reasoning(encrypted: string, summary: string | null = null, id = 'rs_up1'): Json {
  const parts = summary === null ? [] : [{ type: 'summary_text', text: summary }]
  return { id, type: 'reasoning', summary: parts, encrypted_content: encrypted }
}

/** Events of the items, numbered, with created, in_progress and completed around them. */
export function responsesFrames(items: readonly Json[], usage: Json = responsesUsage(20, 5)): string[] {
  const frames: string[] = []
  const push = (type: string, members: Json): void => {
    frames.push(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: frames.length, ...members })}\n\n`)
  }
  const begun = { ...head, status: 'in_progress', output: [] }
  push('response.created', { response: begun })
  push('response.in_progress', { response: begun })
  for (const [output_index, item] of items.entries()) {
    const at = { item_id: item['id'], output_index }
    if (item['type'] === 'message') {
      push('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', content: [] } })
      const [part] = item['content'] as readonly Json[]
      const inPart = { ...at, content_index: 0 }
      push('response.content_part.added', { ...inPart, part: { ...part, text: '' } })
      push('response.output_text.delta', { ...inPart, delta: part!['text'], logprobs: [] })
      push('response.output_text.done', { ...inPart, text: part!['text'], logprobs: [] })
      push('response.content_part.done', { ...inPart, part })
    } else if (item['type'] === 'function_call') {
      push('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', arguments: '' } })
      push('response.function_call_arguments.delta', { ...at, delta: item['arguments'] })
      push('response.function_call_arguments.done', { ...at, arguments: item['arguments'] })
    } else push('response.output_item.added', { output_index, item: { ...item, summary: [] } })
    push('response.output_item.done', { output_index, item })
  }
  push('response.completed', { response: { ...head, status: 'completed', output: items, usage } })
  return frames
}

export function responsesStream(items: readonly Json[], usage?: Json): Play {
  return stream(...responsesFrames(items, usage))
}

export function responsesWhole(items: readonly Json[], usage: Json = responsesUsage(20, 5)): Play {
  return json({ ...head, status: 'completed', output: items, usage })
}

export function responsesPong(body: Json): Play {
  return body['stream'] === true ? responsesStream([message('PONG')]) : responsesWhole([message('PONG')])
}
