/**
 * A conversation as the prompt that V4 was trained to read.
 *
 * Rules: DeepSeek-V4's published encoder (preview of April 2026; later revisions differ in effort texts only,
 * see `profile.ts`). A turn reads
 *
 *   <｜User｜>question<｜Assistant｜><think>reasoning</think>answer<｜end▁of▁sentence｜>
 *
 * where the header that opens an assistant turn is written by the turn before it. The opening is `<think>`
 * when the model shall think, `</think>` when it shall not or when its reasoning was dropped.
 */
import { ModelError } from '../errors.ts'
import { specialTokens } from '../tokenizer/special-tokens.ts'
import type {
  AssistantMessage,
  ChatMessage,
  ChatRequest,
  DeveloperMessage,
  ResponseFormat,
  SystemMessage,
  Task,
} from './messages.ts'
import type { EncodingProfile } from './profile.ts'
import { dumpsPython, fromJavaScript, loadsPython } from './python-json.ts'
import { PromptBuilder } from './segments.ts'
import type { PromptSegment } from './segments.ts'
import { callOpening, toolSchemaText, writeCalls } from './tool-markup.ts'
import { dropEarlierReasoning, lastUserIndex, mergeTurns, sortResults } from './turns.ts'
import type { Turn, UserTurn } from './turns.ts'

const { beginOfSentence, endOfSentence, user, assistant, thinkStart, thinkEnd, latestReminder } = specialTokens

const taskTokens: Readonly<Record<Task, string>> = {
  action: specialTokens.action,
  query: specialTokens.query,
  authority: specialTokens.authority,
  domain: specialTokens.domain,
  title: specialTokens.title,
  read_url: specialTokens.readUrl,
}

export interface EncodedPrompt {
  readonly segments: readonly PromptSegment[]
  /** What the completion begins with; the completion machine must be told. */
  readonly opens: 'reasoning' | 'text'
  /** The end of the prompt that belongs to the completion (a forced call): push it into the machine first. */
  readonly begun: string
}

/**
 * Writes the prompt of a conversation.
 *
 * @throws {ModelError} `MODEL_ENCODING_REQUEST` for an unknown effort, an empty developer message, a tool or
 * schema that is no JSON, a prefix that is not last, or no message at all.
 */
export function encodeChat(request: ChatRequest, profile: EncodingProfile): EncodedPrompt {
  const { mode, repairs = true } = request
  const messages = attachTools(request)
  checkMessages(messages)
  const hasTools = messages.some(
    (message) => 'tools' in message && message.tools !== undefined && message.tools.length > 0,
  )
  const dropping = (request.dropReasoning ?? true) && !hasTools
  let turns = sortResults(mergeTurns(messages))
  if (mode === 'thinking' && dropping) turns = dropEarlierReasoning(turns)

  const out = new PromptBuilder().fixed(beginOfSentence)
  if (mode === 'thinking') out.fixed(effortText(request.effort ?? null, profile))
  const thinksFrom = dropping ? lastUserIndex(turns) : 0
  let opens: EncodedPrompt['opens'] = 'text'
  let isOpen = false
  for (const [index, turn] of turns.entries()) {
    const next = turns[index + 1]
    if (turn.role === 'assistant') {
      const previous = turns[index - 1]
      const thinks = mode === 'thinking' && taskOf(previous) === null && (!dropping || index > thinksFrom)
      writeAssistant(out, turn, thinks, profile)
      if (turn.prefix) opens = turn.prefix === 'thought' && thinks ? 'reasoning' : 'text'
      isOpen = Boolean(turn.prefix)
    } else {
      if (repairs && turn.role === 'system' && index > 0 && turns[index - 1]!.role !== 'assistant') out.fixed('\n\n')
      writeTurn(out, turn, profile, repairs)
      if (turn.role !== 'latest-reminder') isOpen = false
    }
    if (next !== undefined && next.role !== 'assistant' && next.role !== 'latest-reminder') continue

    // Header of the assistant turn that follows.
    const task = taskOf(turn)
    const thinks = mode === 'thinking' && (!dropping || index >= thinksFrom)
    const isForgotten =
      repairs && !isOpen && next?.role !== 'latest-reminder' && (next !== undefined || turn.role !== 'assistant')
    if (task === 'action') {
      out.fixed(assistant + (mode === 'thinking' ? thinkStart : thinkEnd) + taskTokens.action)
    } else if (task !== null) {
      out.fixed(taskTokens[task])
    } else if (turn.role === 'user' || turn.role === 'developer' || isForgotten) {
      out.fixed(assistant + (thinks ? thinkStart : thinkEnd))
    } else {
      continue
    }
    isOpen = true
    opens = thinks && task === null ? 'reasoning' : 'text'
  }
  const forced = request.forceCall ?? null
  const begun = forced === null || opens === 'reasoning' ? '' : callOpening(profile.markup, forced.name)
  // The name is the caller's, so only our part of the opening may hold the mark.
  if (begun !== '')
    out.add(callOpening(profile.markup, null), 'markup').plain(begun.slice(callOpening(profile.markup, null).length))
  return { segments: out.segments, opens, begun }
}

/**
 * The prompt that fills the hole between two texts, or continues the first when there is no second.
 *
 * Format of the DeepSeek family: begin, prefix, hole, suffix, end. No chat turns and no thinking.
 */
export function encodeFillInTheMiddle(prefix: string, suffix: string | null): EncodedPrompt {
  const out = new PromptBuilder().fixed(beginOfSentence)
  if (suffix === null) out.plain(prefix)
  else
    out
      .fixed(specialTokens.fillBegin)
      .plain(prefix)
      .fixed(specialTokens.fillHole)
      .plain(suffix)
      .fixed(specialTokens.fillEnd)
  return { segments: out.segments, opens: 'text', begun: '' }
}

// ------------------------------------------------------------------------------------------- preparing

/** Tools and format beside the messages belong to the first message; an empty system message is made for them if need be. */
function attachTools(request: ChatRequest): readonly ChatMessage[] {
  const tools = request.tools ?? []
  const format = request.responseFormat ?? null
  if (tools.length === 0 && formatText(format) === null) return request.messages
  const [first, ...rest] = request.messages
  const host: SystemMessage | DeveloperMessage =
    first?.role === 'system' || first?.role === 'developer' ? first : { role: 'system', content: '' }
  const others = host === first ? rest : request.messages
  return [
    { ...host, tools: [...(host.tools ?? []), ...tools], responseFormat: format ?? host.responseFormat ?? null },
    ...others,
  ]
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (messages.length === 0) refuse('There is no message')
  for (const [index, message] of messages.entries()) {
    if (message.role === 'developer' && message.content === '') refuse(`Message ${index} is an empty developer message`)
    if (message.role === 'assistant' && message.prefix && index < messages.length - 1) {
      refuse(`Message ${index} is a prefix but not the last message`)
    }
    if (message.role === 'user' && message.task && !Object.hasOwn(taskTokens, message.task)) {
      refuse(`Message ${index} has the unknown task ${JSON.stringify(message.task)}`)
    }
  }
}

function effortText(effort: string | null, profile: EncodingProfile): string {
  if (effort === null) return ''
  if (!Object.hasOwn(profile.efforts, effort)) {
    refuse(`The effort ${JSON.stringify(effort)} is not one of ${Object.keys(profile.efforts).join(', ')}`)
  }
  return profile.efforts[effort]!
}

function refuse(reason: string): never {
  throw new ModelError('MODEL_ENCODING_REQUEST', `${reason}.`)
}

// --------------------------------------------------------------------------------------------- writing

function taskOf(turn: Turn | undefined): Task | null {
  return turn?.role === 'user' ? turn.task : null
}

function writeTurn(
  out: PromptBuilder,
  turn: Exclude<Turn, AssistantMessage>,
  profile: EncodingProfile,
  repairs: boolean,
): void {
  switch (turn.role) {
    case 'system':
      out.plain(turn.content)
      writeInstructions(out, turn, profile)
      break
    case 'developer':
      out.fixed(user).plain(turn.content)
      writeInstructions(out, turn, profile)
      break
    case 'latest-reminder':
      out.fixed(latestReminder).plain(turn.content)
      break
    case 'user':
      out.fixed(user)
      writeBlocks(out, turn, repairs)
      break
  }
}

function writeInstructions(out: PromptBuilder, turn: SystemMessage | DeveloperMessage, profile: EncodingProfile): void {
  if (turn.tools !== undefined && turn.tools.length > 0) {
    out.fixed(`\n\n${profile.toolsBefore}`).plain(turn.tools.map(toolSchemaText).join('\n')).fixed(profile.toolsAfter)
  }
  const schema = formatText(turn.responseFormat ?? null)
  if (schema !== null) out.fixed(`\n\n${profile.responseFormat}`).plain(schema)
}

/** The JSON schema to print, null when the format adds nothing to the prompt. */
function formatText(format: ResponseFormat | null): string | null {
  if (format?.kind !== 'json-schema') return null
  try {
    return dumpsPython('json' in format ? loadsPython(format.json) : fromJavaScript(format.schema))
  } catch (error) {
    throw new ModelError('MODEL_ENCODING_REQUEST', 'The response schema is not JSON.', {}, { cause: error })
  }
}

function writeBlocks(out: PromptBuilder, turn: UserTurn, repairs: boolean): void {
  for (const [index, block] of turn.blocks.entries()) {
    if (index > 0) out.fixed('\n\n')
    if (block.type === 'text') {
      out.plain(block.text)
      continue
    }
    // The wrapper is ordinary text, so a result could close it and speak as the user; one character prevents that.
    const text = repairs ? block.text.replaceAll('</tool_result>', '&lt;/tool_result>') : block.text
    out.fixed('<tool_result>').plain(text).fixed('</tool_result>')
  }
}

function writeAssistant(out: PromptBuilder, turn: AssistantMessage, thinks: boolean, profile: EncodingProfile): void {
  if (thinks) {
    out.plain(turn.reasoning ?? '')
    if (turn.prefix === 'thought') return
    out.fixed(thinkEnd)
  }
  out.plain(turn.content)
  if (turn.rawCalls) out.add(turn.rawCalls, 'markup')
  else if (turn.toolCalls !== undefined && turn.toolCalls.length > 0) writeCalls(out, turn.toolCalls, profile.markup)
  if (!turn.prefix) out.fixed(endOfSentence)
}
