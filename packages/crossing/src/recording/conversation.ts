/**
 * What a conversation is recognised by when its client sends no id: a keyed hash chain over its turns.
 *
 * Request k continues exchange j when j's turns and j's answer are the first turns of k. Clients reshape what a model
 * said (merge texts, drop reasoning, respell arguments, mint ids anew), so an assistant's turn counts by the letters
 * and digits of its words and by the names and values of its calls; what the user and the tools said counts as it is.
 * Instructions do not count: clients put the date into them.
 */
import { createHmac } from 'node:crypto'
import type { CanonicalRequest, CanonicalResponse, Item, OutputItem } from '@portolan/wire'
import { canonicalJson } from '../records/index.ts'
import { partText } from './prompt-shape.ts'

export interface ConversationChain {
  /** Hash at the end of each turn, first turn first. */
  readonly turns: readonly Buffer[]
  /** Hash after the answer; null without one. */
  readonly answered: Buffer | null
}

/** @param scope conversations of different scopes (keys, end users) never match. */
export function conversationChain(
  key: Uint8Array,
  scope: string,
  request: CanonicalRequest,
  response: CanonicalResponse | null,
): ConversationChain {
  let before = link(key, Buffer.alloc(0), scope)
  const turns = turnsOf(request.items).map((turn) => (before = link(key, before, turn)))
  const [answer] = response === null ? [] : turnsOf(response.items)
  return { turns, answered: answer === undefined ? null : link(key, before, answer) }
}

function link(key: Uint8Array, before: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(before).update(text).digest().subarray(0, 16)
}

/** One text for each turn; neighbouring items of the assistant are one turn. */
function turnsOf(items: readonly (Item | OutputItem)[]): string[] {
  const turns: string[] = []
  let words = ''
  let calls: string[] = []
  const close = (): void => {
    if (words !== '' || calls.length > 0) turns.push(canonicalJson(['assistant', loose(words), ...calls.sort()]))
    words = ''
    calls = []
  }
  for (const item of items)
    switch (item.kind) {
      case 'assistant-text':
        words += item.parts.map((part) => part.text).join('')
        break
      case 'tool-call':
        calls.push(`${item.name} ${callText(item.argumentsText)}`)
        break
      case 'user':
        close()
        turns.push(canonicalJson(['user', wellFormed(item.parts.map(partText).join('\n').trim())]))
        break
      case 'tool-result':
        close()
        turns.push(canonicalJson(['result', wellFormed(item.parts.map(partText).join('\n').trim())]))
        break
      // Instructions, reasoning and what only one protocol knows.
      default:
        break
    }
  close()
  return turns
}

function loose(text: string): string {
  const letters = text
    .normalize('NFKC')
    .replace(/[^\p{L}\p{N}]+/gu, '')
    .toLowerCase()
  return letters === '' ? wellFormed(text.trim()) : letters
}

function callText(argumentsText: string): string {
  try {
    return canonicalJson(JSON.parse(argumentsText))
  } catch {
    return loose(argumentsText)
  }
}

function wellFormed(text: string): string {
  return text.toWellFormed()
}
