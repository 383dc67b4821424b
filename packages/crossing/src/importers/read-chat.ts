/** Chat messages of foreign files as canonical requests and answers; the last word of the assistant is the answer. */
import { createHash } from 'node:crypto'
import {
  chatAdapter,
  createSealer,
  TranslationReport,
  type CanonicalRequest,
  type CanonicalResponse,
} from '@portolan/wire'
import { CrossingError } from '../errors.ts'

/** Opens nothing: foreign files hold no token of ours. */
const sealer = createSealer(createHash('sha256').update('foreign files').digest())

export type Json = Readonly<Record<string, unknown>>

export function asObject(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

export function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}

/** @throws {CrossingError} CROSSING_BAD_IMPORT naming the place. */
export function readRequest(body: Json, place: string): CanonicalRequest {
  try {
    const text = JSON.stringify(body)
    return chatAdapter.toCanonicalRequest(body, {
      messagesVersion: '2023-06-01',
      sealer,
      text,
      report: new TranslationReport('silent'),
    })
  } catch (error) {
    throw badImport(place, (error as Error).message)
  }
}

/** The answer in the form of one Chat message. */
export function readAnswer(message: Json, model: string, place: string): CanonicalResponse {
  const calls = Array.isArray(message['tool_calls']) && message['tool_calls'].length > 0
  return readCompletion(
    {
      id: '',
      object: 'chat.completion',
      model,
      choices: [
        {
          index: 0,
          message: { content: null, ...message, role: 'assistant' },
          finish_reason: calls ? 'tool_calls' : 'stop',
        },
      ],
    },
    place,
  )
}

export function readCompletion(body: Json, place: string): CanonicalResponse {
  try {
    return chatAdapter.toCanonicalResponse(body, JSON.stringify(body))
  } catch (error) {
    throw badImport(place, (error as Error).message)
  }
}

/** Lines of JSON; blank ones do not count. */
export function* jsonLines(lines: Iterable<string>): Generator<{ readonly place: string; readonly value: Json }> {
  let number = 0
  for (const line of lines) {
    number++
    if (line.trim() === '') continue
    let value: unknown
    try {
      value = JSON.parse(number === 1 ? line.replace(/^\uFEFF/, '') : line)
    } catch (error) {
      throw badImport(`line ${number}`, `it is not JSON (${(error as Error).message.slice(0, 100)})`)
    }
    const object = asObject(value)
    if (object === null) throw badImport(`line ${number}`, 'it is not a JSON object')
    yield { place: `line ${number}`, value: object }
  }
}

export function badImport(place: string, why: string): CrossingError {
  return new CrossingError('CROSSING_BAD_IMPORT', `Cannot import ${place}: ${why}. Nothing was imported.`)
}
