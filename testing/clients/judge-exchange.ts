/** Judges what a client got at a door, whole or in events, by the vendor's own types. */

import type { Judge, JudgedType } from './judges.ts'
import type { Exchange } from './tap.ts'

export type Door = 'chat' | 'messages' | 'responses'

const eventTypes: Record<Door, JudgedType> = {
  chat: 'ChatEvent',
  messages: 'MessagesEvent',
  responses: 'ResponsesEvent',
}
const answerTypes: Record<Door, JudgedType> = {
  chat: 'ChatAnswer',
  messages: 'MessagesAnswer',
  responses: 'ResponsesAnswer',
}
const doorPaths: Record<Door, RegExp> = {
  chat: /\/chat\/completions$/,
  messages: /\/messages$/,
  responses: /\/responses$/,
}

/** Asks for an answer of this door, and not for a count of tokens or a list of models. */
export function isAsked(door: Door, exchange: Exchange): boolean {
  return exchange.method === 'POST' && doorPaths[door].test(exchange.path.split('?')[0] ?? '')
}

/** What the vendor's types have against this answer, if anything. */
export function judgeExchange(judge: Judge, door: Door, exchange: Exchange): string | undefined {
  if (!isAsked(door, exchange) || exchange.status === 0) return undefined
  const text = exchange.body.toString('utf8')
  if (exchange.status >= 400) return judgeError(door, text)
  const type = exchange.headers['content-type'] ?? ''
  if (!type.startsWith('text/event-stream')) return judge(answerTypes[door], JSON.parse(text))
  for (const block of text.split('\n\n').slice(0, -1)) {
    const data = /^data: (.*)$/m.exec(block)?.[1]
    if (data === undefined) continue
    const event = /^event: (.*)$/m.exec(block)?.[1]
    if (door === 'chat' && event !== undefined) return `Chat events have no name, this one is ${event}`
    if (door === 'chat' && data === '[DONE]') continue
    const value = JSON.parse(data) as { type?: string; error?: unknown }
    if (door !== 'chat' && event !== value.type) return `the event is called ${event} and says ${value.type}`
    // Pings and in-band errors are in the API's documents and not in the types.
    if (value.type === 'ping' || value.type === 'error' || value.error !== undefined) continue
    const fault = judge(eventTypes[door], value)
    if (fault) return `${fault}\n    in ${shorten(data)}`
  }
  return undefined
}

function judgeError(door: Door, text: string): string | undefined {
  const body = JSON.parse(text) as { type?: unknown; error?: { type?: unknown; message?: unknown; code?: unknown } }
  if (typeof body.error?.message !== 'string' || typeof body.error.type !== 'string')
    return `not an error body: ${shorten(text)}`
  if (door === 'messages' && body.type !== 'error') return `not a Messages error body: ${shorten(text)}`
  return undefined
}

export function shorten(text: string): string {
  return text.length > 1500 ? `${text.slice(0, 700)} … ${text.slice(-700)}` : text
}
