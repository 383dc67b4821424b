/**
 * The canonical item list read as a conversation: leading instructions, then user and assistant turns.
 *
 * What every writer of another protocol needs: tool results right behind the calls they answer and in the
 * calls' order (clients send them in order of completion, Claude Code 2.1), everything else of the user side
 * after them, and each assistant turn as reasoning, then text, then calls, because clients replay turns in
 * that order whatever order was sampled. A turn depends on nothing that comes after it, so a longer history
 * gives the same earlier turns (law 2).
 */
import { WireError } from '../errors.ts'
import { callerPath } from './caller-path.ts'
import type {
  AssistantTextItem,
  ForeignItem,
  InstructionItem,
  Item,
  ReasoningItem,
  ToolCallItem,
  ToolResultItem,
  UserItem,
} from '../canonical/request.ts'

export interface UserTurn {
  readonly role: 'user'
  /** Answers to the calls of the turn before, one per call, in call order. */
  readonly results: readonly ToolResultItem[]
  /** Everything else said before the assistant speaks, in the order it was said. */
  readonly content: readonly (UserItem | InstructionItem | ForeignItem)[]
}

export interface AssistantTurn {
  readonly role: 'assistant'
  readonly reasoning: readonly ReasoningItem[]
  readonly text: readonly AssistantTextItem[]
  readonly calls: readonly ToolCallItem[]
  readonly foreign: readonly ForeignItem[]
  /** The items in the order they were given, for writers whose protocol can carry it. */
  readonly items: readonly (ReasoningItem | AssistantTextItem | ToolCallItem | ForeignItem)[]
}

export type Turn = UserTurn | AssistantTurn

export interface Conversation {
  /** `top` instructions and those that stand before anything else, in order. */
  readonly instructions: readonly InstructionItem[]
  readonly turns: readonly Turn[]
}

/**
 * Groups items into turns.
 *
 * Consecutive items of one side share a turn. An assistant item that follows a call still unanswered belongs
 * to the turn of that call, even when some results came first: some clients echo a message between a call and
 * its output (litellm#32536).
 *
 * @throws {WireError} `WIRE_BAD_FIELD` for a result without a call, a second result for one call, and a call
 *   without a result.
 */
export function readConversation(items: readonly Item[]): Conversation {
  const instructions: InstructionItem[] = []
  const turns: Turn[] = []
  let assistant: OpenAssistantTurn | null = null
  let user: OpenUserTurn | null = null
  let leading = true

  const closePair = (): void => {
    if (assistant !== null) turns.push(assistant.close())
    if (user !== null) turns.push(user.close(assistant))
    assistant = null
    user = null
  }

  for (const item of items) {
    if (item.kind === 'instruction' && (item.placement === 'top' || leading)) {
      instructions.push(item)
      continue
    }
    leading = false
    if (isAssistantItem(item)) {
      const belongsToOpenTurn: boolean = assistant !== null && (user === null || hasUnanswered(assistant, user))
      if (!belongsToOpenTurn) closePair()
      assistant ??= new OpenAssistantTurn()
      assistant.items.push(item)
    } else {
      user ??= new OpenUserTurn()
      if (item.kind === 'tool-result') user.results.push(item)
      else user.content.push(item)
    }
  }
  if (user === null) refuseUnanswered(openCalls(assistant)[0])
  closePair()
  return { instructions, turns }
}

function openCalls(assistant: OpenAssistantTurn | null): readonly ToolCallItem[] {
  return assistant?.calls() ?? []
}

class OpenAssistantTurn {
  readonly items: (ReasoningItem | AssistantTextItem | ToolCallItem | ForeignItem)[] = []

  calls(): ToolCallItem[] {
    return this.items.filter((item) => item.kind === 'tool-call')
  }

  close(): AssistantTurn {
    return {
      role: 'assistant',
      reasoning: this.items.filter((item) => item.kind === 'reasoning'),
      text: this.items.filter((item) => item.kind === 'assistant-text'),
      calls: this.calls(),
      foreign: this.items.filter((item) => item.kind === 'foreign'),
      items: this.items,
    }
  }
}

class OpenUserTurn {
  readonly results: ToolResultItem[] = []
  readonly content: (UserItem | InstructionItem | ForeignItem)[] = []

  close(before: OpenAssistantTurn | null): UserTurn {
    return { role: 'user', results: resultsInCallOrder(before?.calls() ?? [], this.results), content: this.content }
  }
}

/** One result per call, in call order; anything else is the caller's mistake and named. */
function resultsInCallOrder(calls: readonly ToolCallItem[], results: readonly ToolResultItem[]): ToolResultItem[] {
  const byCall = new Map<string, ToolResultItem[]>()
  const known = new Set(calls.map((call) => call.callId))
  for (const result of results) {
    if (!known.has(result.callId))
      throw new WireError(
        'WIRE_BAD_FIELD',
        `The tool result for call \`${result.callId}\` answers no tool call of the assistant turn before it.`,
        callerPath(result),
      )
    const same = byCall.get(result.callId)
    if (same === undefined) byCall.set(result.callId, [result])
    else same.push(result)
  }
  // Ids may repeat within a turn (some engines number calls from 0 in each message); then they pair up in order.
  const ordered = calls.map((call) => byCall.get(call.callId)?.shift() ?? refuseUnanswered(call))
  for (const [callId, rest] of byCall)
    if (rest[0] !== undefined)
      throw new WireError(
        'WIRE_BAD_FIELD',
        `The tool call \`${callId}\` has more than one tool result.`,
        callerPath(rest[0]),
      )
  return ordered
}

function refuseUnanswered(call: ToolCallItem): never
function refuseUnanswered(call: ToolCallItem | undefined): void
function refuseUnanswered(call: ToolCallItem | undefined): void {
  if (call === undefined) return
  throw new WireError(
    'WIRE_BAD_FIELD',
    `The tool call \`${call.callId}\` (${call.name}) has no tool result; every call must be answered before the conversation goes on.`,
    callerPath(call),
  )
}

function hasUnanswered(assistant: OpenAssistantTurn, user: OpenUserTurn): boolean {
  const calls = assistant.calls()
  if (calls.length === 0) return false
  const answered = new Set(user.results.map((result) => result.callId))
  return calls.some((call) => !answered.has(call.callId))
}

function isAssistantItem(item: Item): item is ReasoningItem | AssistantTextItem | ToolCallItem | ForeignItem {
  return (
    item.kind === 'reasoning' ||
    item.kind === 'assistant-text' ||
    item.kind === 'tool-call' ||
    (item.kind === 'foreign' && item.role === 'assistant')
  )
}

/**
 * Instruction text as part of a user turn, for upstreams whose template takes system text only at the start.
 *
 * Tagged, so that the model can tell it from what the user typed. Never hoisted: that would change the start
 * of the prompt on every new instruction and lose the whole cached prefix (ollama#18431).
 */
export function wrapInstruction(item: InstructionItem): string {
  return `<system-message>\n${instructionText(item)}\n</system-message>`
}

/** All text of an instruction, its blocks on lines of their own. */
export function instructionText(item: InstructionItem): string {
  return item.parts.map((part) => part.text).join('\n')
}
