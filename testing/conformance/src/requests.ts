/**
 * Requests said once and worded for each door, and the next turn of a conversation as that door's clients
 * replay it. Cases about a special request shape write their bodies out themselves.
 */
import type { DoorProtocol, Heard } from './heard.ts'
import { callsOf } from './heard.ts'
import type { Json } from './json.ts'

export interface Tool {
  readonly name: string
  readonly description?: string
  readonly schema?: Json
}

export interface Wish {
  readonly text?: string
  readonly system?: string
  readonly tools?: readonly Tool[]
  /** Default true. */
  readonly stream?: boolean
  /** Chat: ask for usage; the others always get it. Default true. */
  readonly usage?: boolean
  readonly maxTokens?: number
  /** Further members, in the door's own words. */
  readonly more?: Json
}

export const objectSchema: Json = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}

export const weather: Tool = { name: 'get_weather', description: 'Weather of a city.', schema: objectSchema }
export const clock: Tool = { name: 'get_time', description: 'Time of a city.', schema: objectSchema }
export const ping: Tool = { name: 'ping', description: 'Says pong.', schema: { type: 'object', properties: {} } }

export function ask(door: DoorProtocol, wish: Wish = {}): Json {
  const { text = 'Say PONG.', stream = true, tools = [], maxTokens = 1000, more = {} } = wish
  switch (door) {
    case 'chat':
      return {
        messages: [
          ...(wish.system === undefined ? [] : [{ role: 'system', content: wish.system }]),
          { role: 'user', content: text },
        ],
        max_tokens: maxTokens,
        stream,
        ...(stream && wish.usage !== false ? { stream_options: { include_usage: true } } : {}),
        ...(tools.length === 0 ? {} : { tools: tools.map((tool) => toolOf(door, tool)) }),
        ...more,
      }
    case 'messages':
      return {
        ...(wish.system === undefined ? {} : { system: wish.system }),
        messages: [{ role: 'user', content: text }],
        max_tokens: maxTokens,
        stream,
        ...(tools.length === 0 ? {} : { tools: tools.map((tool) => toolOf(door, tool)) }),
        ...more,
      }
    default:
      return {
        ...(wish.system === undefined ? {} : { instructions: wish.system }),
        input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }],
        max_output_tokens: maxTokens,
        stream,
        store: false,
        include: ['reasoning.encrypted_content'],
        ...(tools.length === 0 ? {} : { tools: tools.map((tool) => toolOf(door, tool)) }),
        ...more,
      }
  }
}

export function toolOf(door: DoorProtocol, { name, description, schema }: Tool): Json {
  const about = description === undefined ? {} : { description }
  if (door === 'messages') return { name, ...about, ...(schema === undefined ? {} : { input_schema: schema }) }
  const inner = { name, ...about, ...(schema === undefined ? {} : { parameters: schema }) }
  return door === 'chat' ? { type: 'function', function: inner } : { type: 'function', ...inner }
}

/** The history member of a door: `messages` or `input`. */
export function historyOf(door: DoorProtocol, body: Json): readonly Json[] {
  return (door === 'responses' ? body['input'] : body['messages']) as readonly Json[]
}

export function withHistory(door: DoorProtocol, body: Json, history: readonly Json[]): Json {
  return { ...body, [door === 'responses' ? 'input' : 'messages']: history }
}

/** The next turn: the answer replayed as SDKs replay it, a result for every call, and perhaps a question. */
export function nextTurn(
  door: DoorProtocol,
  body: Json,
  heard: Heard,
  results: Readonly<Record<string, string>> = {},
  question?: string,
): Json {
  const outputs = callsOf(heard).map(({ id }) => ({ id, text: results[id] ?? `result of ${id}` }))
  const history = [...historyOf(door, body)]
  if (door === 'chat') {
    history.push(heard.wire as Json)
    for (const { id, text } of outputs) history.push({ role: 'tool', tool_call_id: id, content: text })
    if (question !== undefined) history.push({ role: 'user', content: question })
  } else if (door === 'messages') {
    history.push({ role: 'assistant', content: heard.wire })
    const content: Json[] = outputs.map(({ id, text }) => ({ type: 'tool_result', tool_use_id: id, content: text }))
    if (question !== undefined) content.push({ type: 'text', text: question })
    history.push({ role: 'user', content })
  } else {
    history.push(...(heard.wire as readonly Json[]))
    for (const { id, text } of outputs) history.push({ type: 'function_call_output', call_id: id, output: text })
    if (question !== undefined)
      history.push({ type: 'message', role: 'user', content: [{ type: 'input_text', text: question }] })
  }
  return withHistory(door, body, history)
}
