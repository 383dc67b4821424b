/** Reads a Chat Completions request into the protocol-free view. Lenient: the rules judge, this only looks. */

import { asList, asObject, asText, isObject, parseOrUndefined, type JsonObject } from '../json-value.ts'
import { emptyTurn, type ConversationView, type SeenImage, type SeenTurn } from '../recorded-request.ts'

export function readChat(body: JsonObject): ConversationView {
  const thinking = asObject(body.thinking).type
  const effort = typeof body.reasoning_effort === 'string' ? body.reasoning_effort : undefined
  const format = asObject(body.response_format)
  return {
    model: asText(body.model),
    stream: body.stream === true,
    turns: asList(body.messages).map((message) => readTurn(asObject(message))),
    tools: asList(body.tools).map((tool) => {
      const entry = asObject(tool)
      const inner = asObject(entry.function ?? entry.custom)
      return { name: asText(inner.name), kind: asText(entry.type), schema: inner.parameters }
    }),
    toolChoice: body.tool_choice,
    maxTokens: numberOf(body.max_completion_tokens) ?? numberOf(body.max_tokens),
    thinking: thinking === undefined ? (effort === 'none' ? false : undefined) : thinking !== 'disabled',
    effort,
    structured:
      format.type === 'json_object'
        ? { kind: 'json_object' }
        : format.type === 'json_schema'
          ? { kind: 'json_schema', schema: asObject(format.json_schema).schema }
          : undefined,
  }
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function readTurn(message: JsonObject): SeenTurn {
  const role =
    message.role === 'assistant' ? 'assistant' : message.role === 'user' || message.role === 'tool' ? 'user' : 'system'
  const turn = emptyTurn(role)
  if (message.role === 'tool') {
    const result = {
      id: asText(message.tool_call_id),
      text: textOf(message.content),
      isError: false,
      images: [] as SeenImage[],
    }
    turn.toolResults.push(result)
    return turn
  }
  for (const key of ['reasoning_content', 'reasoning']) {
    const text = message[key]
    if (typeof text === 'string' && text !== '') turn.reasoning.push(text)
  }
  for (const detail of asList(message.reasoning_details)) {
    const entry = asObject(detail)
    const seal = entry.signature ?? entry.data
    if (typeof seal === 'string') turn.seals.push(seal)
  }
  if (typeof message.content === 'string') {
    if (message.content !== '') turn.texts.push(message.content)
  } else {
    for (const part of asList(message.content)) readPart(asObject(part), turn)
  }
  for (const call of asList(message.tool_calls)) {
    const entry = asObject(call)
    const inner = asObject(entry.function ?? entry.custom)
    const text = asText(inner.arguments ?? inner.input)
    turn.toolCalls.push({
      id: asText(entry.id),
      name: asText(inner.name),
      arguments: parseOrUndefined(text) ?? text,
      argumentsText: text,
    })
  }
  return turn
}

function readPart(part: JsonObject, turn: SeenTurn): void {
  if (part.type === 'text' || part.type === 'refusal') turn.texts.push(asText(part.text ?? part.refusal))
  else if (part.type === 'image_url') {
    const url = isObject(part.image_url) ? asText(part.image_url.url) : asText(part.image_url)
    turn.images.push(imageOfUrl(url))
  } else if (part.type === 'file') turn.documents += 1
}

/** Facts of a data: or https: address. */
export function imageOfUrl(url: string): SeenImage {
  const inline = /^data:([^;,]+);base64,/.exec(url)
  if (!inline) return { url }
  return { mediaType: inline[1], bytes: Buffer.from(url.slice(inline[0].length), 'base64').length }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  return asList(content)
    .map((part) => asText(asObject(part).text))
    .join('')
}
