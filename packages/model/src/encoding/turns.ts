/**
 * The conversation put in order before it is written: V4 knows no tool messages, so results join user turns.
 *
 * Rules: DeepSeek-V4's published encoder. Results and user messages in a row become one user turn; results
 * stand in the order of the calls they answer; without tools, reasoning before the last user turn is dropped.
 */
import type {
  AssistantMessage,
  ChatMessage,
  Content,
  DeveloperMessage,
  ReminderMessage,
  SystemMessage,
  Task,
} from './messages.ts'

export interface UserTurn {
  readonly role: 'user'
  readonly blocks: readonly Block[]
  readonly task: Task | null
}

export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'result'; readonly callId: string; readonly text: string }

export type Turn = SystemMessage | DeveloperMessage | ReminderMessage | AssistantMessage | UserTurn

/**
 * Merges tool and user messages. A user message does not join a turn that carries a task; a result joins
 * any user turn, so `tool, tool, user` is one turn.
 */
export function mergeTurns(messages: readonly ChatMessage[]): Turn[] {
  const turns: Turn[] = []
  // The user turn that is still growing, and its blocks.
  let growing: { readonly blocks: Block[]; readonly task: Task | null } | null = null
  for (const message of messages) {
    if (message.role !== 'tool' && message.role !== 'user') {
      turns.push(message)
      growing = null
      continue
    }
    const blocks: Block[] =
      message.role === 'tool'
        ? [{ type: 'result', callId: message.callId, text: textsOf(message.content).join('\n\n') }]
        : textsOf(message.content).map((text) => ({ type: 'text', text }))
    if (growing !== null && (message.role === 'tool' || growing.task === null)) {
      for (const block of blocks) growing.blocks.push(block)
    } else {
      growing = { blocks, task: message.role === 'user' ? (message.task ?? null) : null }
      turns.push({ role: 'user', ...growing })
    }
  }
  return turns
}

function textsOf(content: Content): string[] {
  if (typeof content === 'string') return [content]
  if (content.length === 0) return ['']
  return content.map((part) => (part.type === 'text' ? part.text : `[Unsupported ${part.kind}]`))
}

/**
 * Puts the results of each user turn into the order of the latest assistant calls. Text keeps its place,
 * results take the places of results; ids that no call has count as first, and ties keep their order.
 */
export function sortResults(turns: readonly Turn[]): Turn[] {
  let rankOf = new Map<string, number>()
  return turns.map((turn) => {
    if (turn.role === 'assistant' && turn.toolCalls !== undefined && turn.toolCalls.length > 0) {
      rankOf = new Map(turn.toolCalls.flatMap(({ id }, rank): [string, number][] => (id ? [[id, rank]] : [])))
    }
    if (turn.role !== 'user') return turn
    const results = turn.blocks.filter((block) => block.type === 'result')
    if (results.length < 2 || rankOf.size === 0) return turn
    const sorted = results.toSorted((a, b) => (rankOf.get(a.callId) ?? 0) - (rankOf.get(b.callId) ?? 0))
    let next = 0
    return { ...turn, blocks: turn.blocks.map((block) => (block.type === 'result' ? sorted[next++]! : block)) }
  })
}

/** Index of the last user or developer turn, -1 when there is none. */
export function lastUserIndex(turns: readonly Turn[]): number {
  return turns.findLastIndex((turn) => turn.role === 'user' || turn.role === 'developer')
}

/** Before the last user turn: assistant turns lose their reasoning, developer turns go. */
export function dropEarlierReasoning(turns: readonly Turn[]): Turn[] {
  const last = lastUserIndex(turns)
  return turns.flatMap((turn, index): Turn[] => {
    if (index >= last) return [turn]
    if (turn.role === 'developer') return []
    return [turn.role === 'assistant' ? { ...turn, reasoning: null } : turn]
  })
}
