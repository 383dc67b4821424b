/** Messages answers as upstreams write them, frame by frame. */
import type { Json } from '../json.ts'
import type { Play, Step } from '../scripted-upstream.ts'
import { json, stream } from './play.ts'

export function frame(type: string, members: Json = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

export function messagesUsage(input: number, output: number, read = 0, created = 0): Json {
  return {
    input_tokens: input,
    cache_creation_input_tokens: created,
    cache_read_input_tokens: read,
    output_tokens: output,
  }
}

export function start(usage: Json = messagesUsage(20, 1)): string {
  const message = { id: 'msg_upstream1', type: 'message', role: 'assistant', model: 'upstream', content: [] }
  return frame('message_start', { message: { ...message, stop_reason: null, stop_sequence: null, usage } })
}

export function blockStart(index: number, content_block: Json): string {
  return frame('content_block_start', { index, content_block })
}

export function delta(index: number, delta: Json): string {
  return frame('content_block_delta', { index, delta })
}

export function blockStop(index: number): string {
  return frame('content_block_stop', { index })
}

export function ending(stop_reason: string, usage: Json = { output_tokens: 5 }): string {
  return frame('message_delta', { delta: { stop_reason, stop_sequence: null }, usage }) + frame('message_stop')
}

export function text(index: number, ...pieces: readonly string[]): string {
  return (
    blockStart(index, { type: 'text', text: '' }) +
    pieces.map((piece) => delta(index, { type: 'text_delta', text: piece })).join('') +
    blockStop(index)
  )
}

export function thinking(index: number, thought: string, signature: string): string {
  return (
    blockStart(index, { type: 'thinking', thinking: '', signature: '' }) +
    (thought === '' ? '' : delta(index, { type: 'thinking_delta', thinking: thought })) +
    delta(index, { type: 'signature_delta', signature }) +
    blockStop(index)
  )
}

export function toolUse(index: number, id: string, name: string, ...fragments: readonly string[]): string {
  return (
    blockStart(index, { type: 'tool_use', id, name, input: {} }) +
    fragments.map((partial_json) => delta(index, { type: 'input_json_delta', partial_json })).join('') +
    blockStop(index)
  )
}

/** message_start, the given blocks, the ending. */
export function messagesStream(blocks: readonly Step[], stop = 'end_turn', usage?: Json): Play {
  return stream(start(), ...blocks, ending(stop, usage))
}

export function messagesWhole(content: readonly Json[], stop = 'end_turn', usage: Json = messagesUsage(20, 5)): Play {
  return json({
    id: 'msg_upstream1',
    type: 'message',
    role: 'assistant',
    model: 'upstream',
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage,
  })
}

export function messagesError(status: number, type: string, message: string): Play {
  return json({ type: 'error', error: { type, message }, request_id: 'req_upstream1' }, status)
}

export function messagesPong(body: Json): Play {
  return body['stream'] === true ? messagesStream([text(0, 'PONG')]) : messagesWhole([{ type: 'text', text: 'PONG' }])
}
