/** Reads a Responses request into the protocol-free view. Lenient: the rules judge, this only looks. */

import { imageOfUrl } from '../chat/read.ts'
import { asList, asObject, asText, parseOrUndefined, type JsonObject } from '../json-value.ts'
import { emptyTurn, type ConversationView, type SeenImage, type SeenTool, type SeenTurn } from '../recorded-request.ts'

export function readResponses(body: JsonObject): ConversationView {
  const reasoning = asObject(body.reasoning)
  const effort = typeof reasoning.effort === 'string' ? reasoning.effort : undefined
  const format = asObject(asObject(body.text).format)
  return {
    model: asText(body.model),
    stream: body.stream === true,
    turns: readTurns(body),
    tools: asList(body.tools).flatMap((tool) => readTool(asObject(tool))),
    toolChoice: body.tool_choice,
    maxTokens: typeof body.max_output_tokens === 'number' ? body.max_output_tokens : undefined,
    thinking: effort === undefined ? undefined : effort !== 'none',
    effort,
    structured:
      format.type === 'json_object'
        ? { kind: 'json_object' }
        : format.type === 'json_schema'
          ? { kind: 'json_schema', schema: format.schema }
          : undefined,
  }
}

/** A namespace counts as its nested tools, so that a script finds them by their own names. */
function readTool(tool: JsonObject): SeenTool[] {
  if (tool.type === 'namespace') return asList(tool.tools).flatMap((inner) => readTool(asObject(inner)))
  return [{ name: asText(tool.name), kind: asText(tool.type), schema: tool.parameters }]
}

function readTurns(body: JsonObject): SeenTurn[] {
  const turns: SeenTurn[] = []
  if (typeof body.instructions === 'string' && body.instructions !== '') {
    const turn = emptyTurn('system')
    turn.texts.push(body.instructions)
    turns.push(turn)
  }
  if (typeof body.input === 'string') {
    const turn = emptyTurn('user')
    turn.texts.push(body.input)
    turns.push(turn)
    return turns
  }
  let assistant: SeenTurn | undefined
  const assistantTurn = (): SeenTurn => {
    if (!assistant) {
      assistant = emptyTurn('assistant')
      turns.push(assistant)
    }
    return assistant
  }
  for (const one of asList(body.input)) {
    const item = asObject(one)
    switch (item.type ?? 'message') {
      case 'reasoning':
        readReasoning(item, assistantTurn())
        break
      case 'function_call':
      case 'custom_tool_call': {
        const text = asText(item.arguments ?? item.input)
        assistantTurn().toolCalls.push({
          id: asText(item.call_id),
          name: asText(item.name),
          arguments: parseOrUndefined(text) ?? text,
          argumentsText: text,
        })
        break
      }
      case 'function_call_output':
      case 'custom_tool_call_output': {
        assistant = undefined
        const turn = emptyTurn('user')
        const images: SeenImage[] = []
        const text =
          typeof item.output === 'string'
            ? item.output
            : asList(item.output)
                .map((part) => {
                  const entry = asObject(part)
                  if (entry.type === 'input_image') images.push(imageOfUrl(asText(entry.image_url)))
                  return asText(entry.text)
                })
                .join('')
        turn.toolResults.push({ id: asText(item.call_id), text, isError: false, images })
        turns.push(turn)
        break
      }
      case 'message':
        if (item.role === 'assistant') readContent(item.content, assistantTurn())
        else {
          assistant = undefined
          const turn = emptyTurn(item.role === 'user' ? 'user' : 'system')
          readContent(item.content, turn)
          turns.push(turn)
        }
        break
    }
  }
  return turns
}

function readReasoning(item: JsonObject, turn: SeenTurn): void {
  const texts = [...asList(item.content), ...asList(item.summary)].map((part) => asText(asObject(part).text))
  turn.reasoning.push(...texts.filter((text) => text !== ''))
  if (typeof item.encrypted_content === 'string') turn.seals.push(item.encrypted_content)
}

function readContent(content: unknown, turn: SeenTurn): void {
  if (typeof content === 'string') {
    if (content !== '') turn.texts.push(content)
    return
  }
  for (const one of asList(content)) {
    const part = asObject(one)
    if (part.type === 'input_image') turn.images.push(imageOfUrl(asText(part.image_url ?? part.file_id)))
    else if (part.type === 'input_file') turn.documents += 1
    else turn.texts.push(asText(part.text ?? part.refusal))
  }
}
