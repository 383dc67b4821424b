/** Reads a Messages request into the protocol-free view. Lenient: the rules judge, this only looks. */

import { asList, asObject, asText, type JsonObject } from '../json-value.ts'
import { emptyTurn, type ConversationView, type SeenImage, type SeenTurn } from '../recorded-request.ts'

export function readMessages(body: JsonObject): ConversationView {
  const thinking = asObject(body.thinking).type
  const config = asObject(body.output_config)
  const format = asObject(config.format ?? body.output_format)
  const turns: SeenTurn[] = []
  if (body.system !== undefined) {
    const turn = emptyTurn('system')
    readContent(body.system, turn)
    turns.push(turn)
  }
  for (const one of asList(body.messages)) {
    const message = asObject(one)
    const turn = emptyTurn(message.role === 'assistant' ? 'assistant' : message.role === 'system' ? 'system' : 'user')
    readContent(message.content, turn)
    turns.push(turn)
  }
  return {
    model: asText(body.model),
    stream: body.stream === true,
    turns,
    tools: asList(body.tools).map((tool) => {
      const entry = asObject(tool)
      return { name: asText(entry.name), kind: asText(entry.type) || 'custom', schema: entry.input_schema }
    }),
    toolChoice: body.tool_choice,
    maxTokens: typeof body.max_tokens === 'number' ? body.max_tokens : undefined,
    thinking: thinking === undefined ? undefined : thinking !== 'disabled',
    effort: typeof config.effort === 'string' ? config.effort : undefined,
    structured: format.type === 'json_schema' ? { kind: 'json_schema', schema: format.schema } : undefined,
  }
}

function readContent(content: unknown, turn: SeenTurn): void {
  if (typeof content === 'string') {
    if (content !== '') turn.texts.push(content)
    return
  }
  for (const one of asList(content)) {
    const block = asObject(one)
    switch (block.type) {
      case 'text':
        turn.texts.push(asText(block.text))
        break
      case 'thinking':
        if (asText(block.thinking) !== '') turn.reasoning.push(asText(block.thinking))
        if (asText(block.signature) !== '') turn.seals.push(asText(block.signature))
        break
      case 'redacted_thinking':
        turn.seals.push(asText(block.data))
        break
      case 'image':
        turn.images.push(imageOf(block))
        break
      case 'document':
        turn.documents += 1
        break
      case 'tool_use':
        turn.toolCalls.push({
          id: asText(block.id),
          name: asText(block.name),
          arguments: block.input,
          argumentsText: JSON.stringify(block.input ?? {}),
        })
        break
      case 'tool_result': {
        const parts =
          typeof block.content === 'string'
            ? [{ type: 'text', text: block.content }]
            : asList(block.content).map(asObject)
        turn.toolResults.push({
          id: asText(block.tool_use_id),
          text: parts.map((part) => asText(asObject(part).text)).join(''),
          isError: block.is_error === true,
          images: parts.filter((part) => part.type === 'image').map((part) => imageOf(part)),
        })
        break
      }
    }
  }
}

function imageOf(block: JsonObject): SeenImage {
  const source = asObject(block.source)
  if (source.type === 'base64') {
    return { mediaType: asText(source.media_type), bytes: Buffer.from(asText(source.data), 'base64').length }
  }
  return { url: asText(source.url ?? source.file_id) }
}
