/**
 * Canonical items as Chat messages, byte-stable: what an item becomes depends on nothing behind its turn, so
 * the messages of turn n+1 extend those of turn n (law 2).
 *
 * Order inside the user side: one `tool` message per result, in call order, then everything else as one user
 * message. Assistant turns are reasoning, text, calls.
 */
import type { WriteContext } from '../canonical/adapter.ts'
import type {
  CacheMark,
  CanonicalRequest,
  InstructionItem,
  MediaSource,
  Part,
  ReasoningItem,
  ToolCallItem,
  ToolResultItem,
  UserItem,
} from '../canonical/request.ts'
import { callerField, callerPath } from '../history/caller-path.ts'
import { settleForeignItem } from '../history/foreign-fields.ts'
import { textOfPart, textOfToolResult } from '../history/part-text.ts'
import { wrapInput } from '../history/tool-restore.ts'
import type { ToolNames } from '../history/tool-names.ts'
import {
  instructionText,
  readConversation,
  wrapInstruction,
  type AssistantTurn,
  type UserTurn,
} from '../history/turns.ts'
import { writeReasoningDetail } from './reasoning.ts'
import { meansTheSame } from './to-canonical.ts'
import type { ChatWireMessage } from './types.ts'
import { referencedTool } from './write-tools.ts'

export interface WrittenMessages {
  readonly messages: readonly ChatWireMessage[]
  /** The last message is to be continued by the model. */
  readonly continued: boolean
  /** Some part carries an explicit cache breakpoint. */
  readonly marked: boolean
}

/** @param instruction  Text to add to the leading instructions (an output schema); null for none. */
export function writeMessages(
  request: CanonicalRequest,
  names: ToolNames,
  instruction: string | null,
  context: WriteContext,
): WrittenMessages {
  return new MessageWriter(request, names, context).write(instruction)
}

class MessageWriter {
  readonly #request: CanonicalRequest
  readonly #names: ToolNames
  readonly #context: WriteContext
  readonly #messages: ChatWireMessage[] = []
  #marked = false
  /** Has a tool been in play so far? Then this and every later turn owes its reasoning. */
  #toolsInPlay: boolean

  constructor(request: CanonicalRequest, names: ToolNames, context: WriteContext) {
    this.#request = request
    this.#names = names
    this.#context = context
    this.#toolsInPlay = request.tools.length > 0
  }

  write(instruction: string | null): WrittenMessages {
    const { instructions, turns } = readConversation(this.#request.items)
    this.#instructions(instructions, instruction)
    for (const turn of turns) {
      if (turn.role === 'assistant') this.#assistant(turn)
      else this.#user(turn)
    }
    return { messages: this.#messages, continued: this.#prefill(turns.at(-1)), marked: this.#marked }
  }

  // ------------------------------------------------------------------------------------------ instructions

  #instructions(items: readonly InstructionItem[], added: string | null): void {
    const { dialect } = this.#context
    const extra: InstructionItem[] =
      added === null
        ? []
        : [{ kind: 'instruction', placement: 'top', role: 'system', parts: [{ type: 'text', text: added }] }]
    const all = [...items, ...extra].filter((item) => item.parts.length > 0)
    if (dialect.midConversationSystem === 'in-place' || all.length < 2 || dialect.cacheMarks !== 'none') {
      for (const item of all) this.#instruction(item)
      return
    }
    // A template that takes system text only at the start takes one such message.
    this.#messages.push({ role: 'system', content: all.map(instructionText).join('\n\n') })
  }

  #instruction(item: InstructionItem): void {
    const { dialect } = this.#context
    const role = item.role === 'developer' && dialect.instructionRole === 'developer' ? 'developer' : 'system'
    const content = dialect.cacheMarks === 'none' ? instructionText(item) : this.#parts(item.parts, item)
    this.#messages.push({ role, content })
  }

  // -------------------------------------------------------------------------------------------------- user

  #user(turn: UserTurn): void {
    const { dialect, report } = this.#context
    const moved: unknown[] = []
    for (const result of turn.results) this.#toolResult(result, moved)
    let open: { parts: unknown[]; names: Set<string | undefined> } = { parts: moved, names: new Set() }
    const flush = (): void => {
      if (open.parts.length > 0) this.#userMessage(open.parts, open.names)
      open = { parts: [], names: new Set() }
    }
    for (const item of turn.content) {
      if (item.kind === 'foreign') settleForeignItem(item, callerPath(item), report)
      else if (item.kind === 'user') {
        open.names.add(item.name)
        const parts = this.#parts(item.parts, item)
        // An empty message still takes its turn.
        open.parts.push(...(parts.length === 0 ? [{ type: 'text', text: '' }] : parts))
      } else if (dialect.midConversationSystem === 'in-place') {
        flush()
        this.#instruction(item)
      } else {
        report.emulated('messages.system')
        open.parts.push({ type: 'text', text: wrapInstruction(item) })
      }
    }
    flush()
  }

  #userMessage(parts: readonly unknown[], names: ReadonlySet<string | undefined>): void {
    const [name] = names
    if (names.size > 1) this.#context.report.dropped('messages.name')
    const [only] = parts
    const isPlain = parts.length === 1 && this.#context.dialect.cacheMarks === 'none' && isTextPart(only)
    this.#messages.push({
      role: 'user',
      content: isPlain ? only.text : parts,
      ...(names.size === 1 && name !== undefined ? { name } : {}),
    })
  }

  #toolResult(result: ToolResultItem, moved: unknown[]): void {
    const { dialect, report } = this.#context
    const media: Part[] = []
    const parts = result.parts.map((part): Part => {
      const tool = referencedTool(part)
      if (tool !== null) return { type: 'text', text: `The tool ${this.#names.out(tool)} is now available.` }
      if (part.type === 'image' || (part.type === 'document' && part.source.kind !== 'text')) {
        media.push(part)
        if (!dialect.imagesInToolResults) return { type: 'text', text: `(${part.type}: see the next user message)` }
      } else if (textOfPart(part) === null)
        settleForeignItem({ name: part.type === 'foreign' ? part.name : part.type }, callerPath(result), report)
      return part
    })
    const carried = media.flatMap((part) => this.#parts([part], result))
    if (result.isError) report.emulated('tool_result.is_error')
    const text = textOfToolResult({ ...result, parts })
    if (carried.length > 0 && !dialect.imagesInToolResults) {
      report.emulated('tool_result.media')
      moved.push({ type: 'text', text: `(from the result of tool call ${result.callId})` }, ...carried)
    }
    const inside = dialect.imagesInToolResults ? carried : []
    this.#messages.push({
      role: 'tool',
      tool_call_id: result.callId,
      content: inside.length === 0 ? text : [...(text === '' ? [] : [{ type: 'text', text }]), ...inside],
    })
  }

  // --------------------------------------------------------------------------------------------- assistant

  #assistant(turn: AssistantTurn): void {
    const { dialect, report } = this.#context
    if (turn.calls.length > 0) this.#toolsInPlay = true
    const text = turn.text.flatMap((item) => item.parts.map((part) => part.text)).join('')
    if (turn.text.some((item) => item.refusal === true)) report.emulated('refusal')
    const message: ChatWireMessage = {
      role: 'assistant',
      content: text === '' && turn.calls.length > 0 && dialect.emptyAssistantContent === 'null' ? null : text,
    }
    this.#reasoning(message, turn)
    if (turn.calls.length > 0) message['tool_calls'] = turn.calls.map((call) => this.#toolCall(call))
    for (const item of turn.foreign) {
      if (item.protocol === 'chat' && item.name === 'audio' && this.#request.from === 'chat')
        message['audio'] = item.raw
      else settleForeignItem(item, callerPath(item), report)
    }
    this.#messages.push(message)
  }

  #reasoning(message: ChatWireMessage, turn: AssistantTurn): void {
    const { dialect, report, recall } = this.#context
    if (dialect.reasoningReplay === 'never') return
    const details = turn.reasoning.flatMap((item, index) => this.#foreignToken(item, index))
    if (details.length > 0) message['reasoning_details'] = details
    if (dialect.reasoningField === null) {
      if (details.length === 0 && turn.reasoning.some((item) => item.text !== null)) report.dropped('reasoning')
      return
    }
    if (dialect.reasoningReplay === 'required-with-tools' && !this.#toolsInPlay) return
    let text = turn.reasoning.map((item) => item.text ?? '').join('')
    for (const call of turn.calls) {
      if (text !== '') break
      text = recall(call.callId)?.reasoning ?? ''
    }
    const isOwed = dialect.reasoningReplay === 'required-with-tools' && turn.calls.length > 0
    if (text === '' && details.length === 0 && turn.reasoning.length > 0) report.dropped('reasoning')
    // Owed but lost (another model's turn, a client that dropped it): the member must be there all the same.
    if (text !== '' || isOwed) message[dialect.reasoningField] = text
  }

  #foreignToken(item: ReasoningItem, index: number): Record<string, unknown>[] {
    const token = item.token
    if (token === null || token.family !== this.#context.dialect.reasoningTokenFamily) return []
    return [writeReasoningDetail(token, index, item.redacted ?? false, item.id)]
  }

  #toolCall(call: ToolCallItem): Record<string, unknown> {
    const name = this.#names.out(call.name, call.namespace)
    if (call.custom && this.#context.dialect.customTools)
      return { id: call.callId, type: 'custom', custom: { name, input: call.argumentsText } }
    const recalled = call.custom ? null : (this.#context.recall(call.callId)?.argumentsText ?? null)
    const exact = recalled !== null && meansTheSame(recalled, call.argumentsText) ? recalled : call.argumentsText
    const text = call.custom ? wrapInput(exact) : exact
    return { id: call.callId, type: 'function', function: { name, arguments: text === '' ? '{}' : text } }
  }

  #prefill(last: AssistantTurn | UserTurn | undefined): boolean {
    if (last?.role !== 'assistant') return false
    const prefill = last.text.at(-1)
    if (prefill?.prefill !== true) return false
    const { dialect, report } = this.#context
    const message = this.#messages.at(-1)
    if (dialect.prefill === 'none')
      report.refused(
        callerPath(prefill) ?? callerField(this.#request.from, 'prefill'),
        'The upstream of this model cannot continue an assistant message that was begun for it.',
      )
    if (dialect.prefill === 'prefix-flag' && message !== undefined) message['prefix'] = true
    return true
  }

  // ------------------------------------------------------------------------------------------------- parts

  #parts(parts: readonly Part[], item: UserItem | InstructionItem | ToolResultItem): Record<string, unknown>[] {
    return parts.flatMap((part) => {
      const written = this.#part(part, item)
      if (written === null) return []
      const mark = 'cacheMark' in part ? part.cacheMark : undefined
      return [mark === undefined ? written : { ...written, ...this.#mark(mark) }]
    })
  }

  #part(part: Part, item: UserItem | InstructionItem | ToolResultItem): Record<string, unknown> | null {
    const { dialect, report } = this.#context
    const text = textOfPart(part)
    if (text !== null) return { type: 'text', text }
    const field = callerPath(item) ?? 'messages'
    switch (part.type) {
      case 'image':
        if (!dialect.images) report.refused(field, 'The upstream of this model cannot see images.')
        if (part.source.kind === 'file')
          report.refused(field, 'The image is a file id of another vendor; send its bytes or its address.')
        return {
          type: 'image_url',
          image_url: { url: urlOf(part.source), ...(part.detail === null ? {} : { detail: part.detail }) },
        }
      case 'document': {
        if (!dialect.documents) report.refused(field, 'The upstream of this model cannot read documents.')
        const filename = part.title ?? 'document.pdf'
        if (part.source.kind === 'base64') return { type: 'file', file: { filename, file_data: urlOf(part.source) } }
        if (part.source.kind === 'file' && this.#request.from === 'chat')
          return { type: 'file', file: { file_id: part.source.fileId } }
        return report.refused(field, 'Chat takes documents as bytes only, not by address or foreign file id.')
      }
      case 'audio':
        return { type: 'input_audio', input_audio: { data: part.base64, format: part.format } }
      case 'foreign': {
        if (part.protocol === 'chat') return { ...Object(part.raw) }
        const tool = referencedTool(part)
        if (tool !== null) return { type: 'text', text: `The tool ${this.#names.out(tool)} is now available.` }
        settleForeignItem(part, field, report)
        return null
      }
      default:
        return null
    }
  }

  #mark(mark: CacheMark): Record<string, unknown> {
    const form = this.#context.dialect.cacheMarks
    if (form === 'cache-control')
      return { cache_control: { type: 'ephemeral', ...(mark.ttl === null ? {} : { ttl: mark.ttl }) } }
    if (form === 'none') return {}
    this.#marked = true
    return { prompt_cache_breakpoint: { mode: 'explicit' } }
  }
}

function isTextPart(part: unknown): part is { readonly type: 'text'; readonly text: string } {
  return typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string'
}

function urlOf(source: MediaSource): string {
  if (source.kind === 'base64') return `data:${source.mediaType};base64,${source.base64}`
  return source.kind === 'url' ? source.url : source.fileId
}
