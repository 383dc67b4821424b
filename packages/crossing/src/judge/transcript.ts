/** What a judge and a labelling person read: the task as it was asked, and the words that an arm ended with. */
import type { Item, Part } from '@portolan/wire'
import { isSessionRun } from '../plan/index.ts'
import type { Attempt, Case } from '../records/index.ts'
import { callsOf, visibleText } from '../scoring/index.ts'

export interface SpokenAnswer {
  readonly task: string
  readonly answer: string
}

/** Null: the attempt ended in no words, e.g. in a tool call, which is compared with the recorded one instead. */
export function spokenAnswer(test: Case, { turns }: Pick<Attempt, 'turns'>): SpokenAnswer | null {
  const last = turns.at(-1)
  if (last === undefined || last.response === null || callsOf(last.response).length > 0) return null
  const answer = visibleText(last.response).trim()
  if (answer === '') return null
  // What happened within a session is each arm's own; the task is what people said.
  const items = isSessionRun(test) ? last.request.items.filter(isSaidByPeople) : last.request.items
  return { task: items.map(told).filter(Boolean).join('\n\n'), answer }
}

function isSaidByPeople({ kind }: Item): boolean {
  return kind === 'user' || kind === 'instruction'
}

function told(item: Item): string {
  switch (item.kind) {
    case 'instruction':
      return `[instructions]\n${textOf(item.parts)}`
    case 'user':
      return `[user]\n${textOf(item.parts)}`
    case 'assistant-text':
      return `[assistant]\n${textOf(item.parts)}`
    case 'tool-call':
      return `[assistant calls ${item.name}]\n${item.argumentsText}`
    case 'tool-result':
      return `[result]\n${textOf(item.parts)}`
    default:
      return ''
  }
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : `(${part.type})`)).join('\n')
}
