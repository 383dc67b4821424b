/** Short words for what batteries say and look for: items to send, texts and calls to read. */
import type { CanonicalResponse, FunctionTool, Item, OutputItem, ToolCallItem } from '@portolan/wire'

export function user(text: string): Item {
  return { kind: 'user', parts: [{ type: 'text', text }] }
}

export function instruction(text: string, placement: 'top' | 'inline' = 'top'): Item {
  return { kind: 'instruction', placement, role: 'system', parts: [{ type: 'text', text }] }
}

export function toolResult(callId: string, text: string, isError = false): Item {
  return { kind: 'tool-result', callId, parts: [{ type: 'text', text }], isError }
}

/** @param properties JSON Schema of each argument; all of them are required unless `required` says otherwise. */
export function tool(
  name: string,
  description: string,
  properties: Readonly<Record<string, unknown>>,
  required: readonly string[] = Object.keys(properties),
): FunctionTool {
  return {
    kind: 'function',
    name,
    namespace: null,
    description,
    parameters: { type: 'object', properties, required, additionalProperties: false },
    strict: null,
  }
}

export function textOf(response: CanonicalResponse): string {
  return response.items
    .map((item) => (item.kind === 'assistant-text' ? item.parts.map((part) => part.text).join('') : ''))
    .join('')
}

export function callsOf(response: CanonicalResponse): ToolCallItem[] {
  return response.items.filter((item: OutputItem) => item.kind === 'tool-call')
}

/** The arguments as a value; undefined when they are not JSON. Empty text counts as no arguments. */
export function argumentsOf(call: ToolCallItem): unknown {
  if (call.argumentsText.trim() === '') return {}
  try {
    return JSON.parse(call.argumentsText)
  } catch {
    return undefined
  }
}
