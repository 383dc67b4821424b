/**
 * Steers an agent's loop from between agent and door: the n-th request that offers tools must call the n-th of the
 * named ones, and those after them must answer in words. An untrained model would call a tool only by chance, and then
 * any; so the agent's whole offer stays in the request, and what it is made to run is harmless.
 *
 * Also reads what came of it: the calls of an answered stream, as the door wrote them.
 */

import type { Door } from './judge-exchange.ts'
import type { Exchange } from './tap.ts'

export interface OfferedTool {
  name: string
  schema: object
}

export interface MadeCall {
  name: string
  argumentsText: string
}

interface AgentBody {
  tools?: { type?: string; name?: string; function?: FunctionTool; input_schema?: object; parameters?: object }[]
  tool_choice?: unknown
}

interface FunctionTool {
  name: string
  parameters: object
}

export function forceCalls(door: Door, names: readonly string[]): (body: Buffer) => Buffer {
  let turn = 0
  return (bytes) => {
    if (offeredTools(bytes).length === 0) return bytes
    const body = JSON.parse(bytes.toString()) as AgentBody
    const name = names[turn++]
    return Buffer.from(JSON.stringify({ ...body, tool_choice: choice(door, name) }))
  }
}

function choice(door: Door, name: string | undefined): unknown {
  if (door === 'messages') return name === undefined ? { type: 'none' } : { type: 'tool', name }
  if (name === undefined) return 'none'
  return door === 'chat' ? { type: 'function', function: { name } } : { type: 'function', name }
}

/** Functions that the agent runs itself; titles and summaries are asked for without any. */
export function offeredTools(bytes: Buffer): OfferedTool[] {
  if (bytes.length === 0) return []
  const { tools } = JSON.parse(bytes.toString()) as AgentBody
  return (tools ?? []).flatMap((tool) => {
    const { name, parameters } = tool.function ?? { name: tool.name, parameters: tool.input_schema ?? tool.parameters }
    return name === undefined || parameters === undefined ? [] : [{ name, schema: parameters }]
  })
}

/** Results of calls that a request brings back. */
export function countResults(bytes: Buffer): number {
  const { messages, input } = JSON.parse(bytes.toString()) as { messages?: ResultPlace[]; input?: ResultPlace[] }
  return [...(messages ?? []), ...(input ?? [])].reduce((sum, place) => {
    const blocks = Array.isArray(place.content) ? place.content.filter(({ type }) => type === 'tool_result').length : 0
    return sum + blocks + (place.role === 'tool' || place.type === 'function_call_output' ? 1 : 0)
  }, 0)
}

interface ResultPlace {
  role?: string
  type?: string
  content?: string | { type: string }[]
}

interface AnswerEvent {
  type?: string
  index?: number
  content_block?: { type: string; name: string }
  delta?: { type?: string; partial_json?: string }
  item?: { type: string; name: string; arguments: string }
  choices?: { delta: { tool_calls?: { index: number; function: { name?: string; arguments?: string } }[] } }[]
}

/** The calls of a streamed answer in the order of their beginnings. */
export function callsOf({ body }: Exchange): MadeCall[] {
  const calls = new Map<number, MadeCall>()
  for (const [, data] of body.toString('utf8').matchAll(/^data: (\{.*)$/gm)) {
    const event = JSON.parse(data ?? '') as AnswerEvent
    if (event.content_block?.type === 'tool_use')
      calls.set(event.index ?? 0, { name: event.content_block.name, argumentsText: '' })
    if (event.delta?.type === 'input_json_delta') append(calls, event.index ?? 0, event.delta.partial_json)
    if (event.type === 'response.output_item.done' && event.item?.type === 'function_call')
      calls.set(calls.size, { name: event.item.name, argumentsText: event.item.arguments })
    for (const piece of event.choices?.[0]?.delta.tool_calls ?? []) {
      if (piece.function.name !== undefined)
        calls.set(piece.index, { name: piece.function.name, argumentsText: piece.function.arguments ?? '' })
      else append(calls, piece.index, piece.function.arguments)
    }
  }
  return [...calls.values()]
}

function append(calls: ReadonlyMap<number, MadeCall>, index: number, text = ''): void {
  const call = calls.get(index)
  if (call) call.argumentsText += text
}
