/**
 * OpenAI Chat JSONL: one conversation a line (`{"messages": [...]}`, the fine-tuning form), or one request a line (the
 * batch form: `{"custom_id", "body": {...}}`, with `response.body` where the line is of a batch's output).
 */
import type { ImportedExchange, ImportedTraffic } from '../recording/import-sessions.ts'
import type { ImportSource } from '../recording/import-source.ts'
import {
  asObject,
  badImport,
  jsonLines,
  readAnswer,
  readCompletion,
  readRequest,
  textOf,
  type Json,
} from './read-chat.ts'

export function importOpenAiChat({ lines }: ImportSource): ImportedTraffic {
  return {
    exchanges: {
      *[Symbol.iterator]() {
        for (const { place, value } of jsonLines(lines())) {
          const body = asObject(value['body']) ?? value
          const completion = asObject(asObject(value['response'])?.['body'])
          yield* conversation(body, completion, textOf(value['custom_id']) ?? place, place)
        }
      },
    },
    notExpressed: () => [
      'When each request was made, how long it took, and what it used and cost.',
      'Which of several answers was shown, and whether an answer was given by a model or written by a person.',
    ],
  }
}

/** Each word of the assistant becomes an exchange: the file holds turns, not requests. */
function conversation(body: Json, completion: Json | null, session: string, place: string): ImportedExchange[] {
  const { messages } = body
  if (!Array.isArray(messages) || messages.length === 0) throw badImport(place, '`messages` is missing or empty')
  const model = textOf(body['model']) ?? 'unknown'
  if (completion !== null)
    return [
      {
        session,
        request: readRequest({ ...body, model }, place),
        response: readCompletion(completion, place),
        row: { upstream: null },
      },
    ]
  const exchanges: ImportedExchange[] = []
  for (const [index, message] of messages.entries()) {
    const said = asObject(message)
    if (said?.['role'] !== 'assistant') continue
    const request = readRequest({ ...body, model, messages: messages.slice(0, index) }, place)
    if (request.items.length > 0)
      exchanges.push({ session, request, response: readAnswer(said, model, place), row: {} })
  }
  if (asObject(messages.at(-1))?.['role'] !== 'assistant')
    exchanges.push({ session, request: readRequest({ ...body, model }, place), response: null, row: {} })
  return exchanges
}
