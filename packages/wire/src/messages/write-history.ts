/**
 * The conversation for a Messages upstream: system blocks and alternating messages.
 *
 * Every turn's bytes depend on nothing after it, so a longer history extends what was sent before (law 2):
 * later instructions stay at their place, results of one turn share one user message and stand first in it
 * (bifrost#1164), argument numbers keep their spelling. A signature goes back only to the family that issued
 * it and is never made up for another (krouter#11).
 */
import type { WriteContext } from '../canonical/adapter.ts'
import type {
  CanonicalRequest,
  InstructionItem,
  Part,
  ReasoningItem,
  ToolCallItem,
  ToolResultItem,
} from '../canonical/request.ts'
import { callerPath } from '../history/caller-path.ts'
import { settleReplayedItems } from '../history/client-quirks.ts'
import { settleForeignItem } from '../history/foreign-fields.ts'
import { textOfPart, textOfToolResult } from '../history/part-text.ts'
import { aliasToolName, type ToolNames } from '../history/tool-names.ts'
import { wrapInput } from '../history/tool-restore.ts'
import {
  readConversation,
  wrapInstruction,
  type AssistantTurn,
  type Conversation,
  type UserTurn,
} from '../history/turns.ts'
import type { CacheMarks } from './cache-marks.ts'
import { inputOfArguments, saysTheSame } from './tool-input.ts'

export interface OutMessage {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: Record<string, unknown>[]
}

interface WrittenHistory {
  readonly system: Record<string, unknown>[]
  readonly messages: OutMessage[]
  /** A call goes back without the reasoning that this upstream wants before it: it must not think now. */
  readonly lacksReasoning: boolean
}

/** What Messages allows in the id of a call. */
const callIdRule = { charset: 'A-Za-z0-9_-', maxLength: 128 }

export function writeHistory(
  request: CanonicalRequest,
  context: WriteContext,
  names: ToolNames,
  marks: CacheMarks,
): WrittenHistory {
  return new HistoryWriter(request, context, names, marks).write()
}

class HistoryWriter {
  readonly #request: CanonicalRequest
  readonly #context: WriteContext
  readonly #names: ToolNames
  readonly #marks: CacheMarks
  readonly #messages: OutMessage[] = []
  #lacksReasoning = false

  constructor(request: CanonicalRequest, context: WriteContext, names: ToolNames, marks: CacheMarks) {
    this.#request = request
    this.#context = context
    this.#names = names
    this.#marks = marks
  }

  write(): WrittenHistory {
    const conversation = readConversation(this.#request.items)
    const system = conversation.instructions.flatMap((item) => this.#instructionBlocks(item))
    const withTools = turnsInToolSpans(conversation)
    const currentSpan = startOfLastSpan(conversation)
    for (const [index, turn] of conversation.turns.entries()) {
      if (turn.role === 'user') this.#userTurn(turn)
      else this.#assistantTurn(turn, withTools.has(index), index >= currentSpan)
    }
    return { system, messages: this.#messages, lacksReasoning: this.#lacksReasoning }
  }

  // -------------------------------------------------------------------------------------------- user

  #userTurn(turn: UserTurn): void {
    const { dialect, report } = this.#context
    const moved: Part[] = []
    for (const result of turn.results) this.#push('user', [this.#toolResult(result, moved)])
    for (const part of moved) this.#push('user', this.#partBlocks(part, callerPath(turn.results[0] ?? {})))
    for (const item of turn.content) {
      if (item.kind === 'user') {
        if (item.name !== undefined) report.dropped('name')
        const blocks = item.parts.flatMap((part) => this.#partBlocks(part, callerPath(item)))
        this.#marks.put(blocks.at(-1), item.cacheMark)
        this.#push('user', blocks)
      } else if (item.kind === 'foreign') {
        if (item.protocol === 'messages' && isRecord(item.raw)) this.#push(item.role, [{ ...item.raw }])
        else settleForeignItem(item, callerPath(item), report)
      } else if (dialect.midConversationSystem === 'in-place') {
        this.#push('system', this.#instructionBlocks(item))
      } else {
        report.emulated('messages.system')
        const block = { type: 'text', text: wrapInstruction(item) }
        this.#marks.put(block, item.cacheMark ?? item.parts.findLast((part) => part.cacheMark)?.cacheMark)
        this.#push('user', [block])
      }
    }
  }

  #instructionBlocks(item: InstructionItem): Record<string, unknown>[] {
    const blocks = item.parts
      .filter((part) => part.text.trim() !== '')
      .map((part) => this.#marks.put<Record<string, unknown>>({ type: 'text', text: part.text }, part.cacheMark))
    this.#marks.put(blocks.at(-1), item.cacheMark)
    return blocks
  }

  #toolResult(item: ToolResultItem, moved: Part[]): Record<string, unknown> {
    const { dialect, report } = this.#context
    const block: Record<string, unknown> = { type: 'tool_result', tool_use_id: this.#callId(item.callId) }
    // Upstreams of other families ignore `is_error`, and a failure that looks like success misleads the model.
    const sayFailure = item.isError && dialect.reasoningTokenFamily !== 'anthropic'
    const inside: Part[] = []
    for (const part of item.parts) {
      if (textOfPart(part) !== null || dialect.imagesInToolResults || part.type === 'foreign') inside.push(part)
      else {
        report.emulated('tool_result.content')
        moved.push(part)
      }
    }
    if (inside.every((part) => part.type === 'text')) {
      const text = sayFailure
        ? textOfToolResult({ ...item, parts: inside })
        : inside.map((part) => part.text).join('\n')
      // A result of one text is a string, of several its blocks: both as the client is likely to have said it.
      if (inside.length > 1 && !sayFailure) block['content'] = this.#resultBlocks(inside, item)
      else if (text !== '') block['content'] = text
    } else {
      const blocks = this.#resultBlocks(inside, item)
      const failure = textOfToolResult({ ...item, parts: [] }).trimEnd()
      block['content'] = sayFailure ? [{ type: 'text', text: failure }, ...blocks] : blocks
    }
    if (sayFailure) report.emulated('tool_result.is_error')
    if (item.isError) block['is_error'] = true
    // A mark inside a result is refused by some servers (vercel/ai#9330): it moves to the result.
    const inner = item.parts.findLast((part) => 'cacheMark' in part && part.cacheMark !== undefined)
    return this.#marks.put(
      block,
      item.cacheMark ?? (inner !== undefined && 'cacheMark' in inner ? inner.cacheMark : undefined),
    )
  }

  #resultBlocks(parts: readonly Part[], item: ToolResultItem): Record<string, unknown>[] {
    return parts.flatMap((part) => this.#partBlocks(part, callerPath(item), false))
  }

  // -------------------------------------------------------------------------------------------- parts

  #partBlocks(part: Part, field: string | null, mayMark = true): Record<string, unknown>[] {
    const { dialect, report } = this.#context
    const mark = mayMark && 'cacheMark' in part ? part.cacheMark : undefined
    const path = field ?? 'messages'
    switch (part.type) {
      case 'text':
        return part.text.trim() === '' ? [] : [this.#marks.put({ type: 'text', text: part.text }, mark)]
      case 'image': {
        if (!dialect.images) report.refused(path, 'The upstream of this model cannot see images.')
        if (part.detail !== null && part.detail !== 'auto') report.dropped('detail')
        return [this.#marks.put({ type: 'image', source: this.#mediaSource(part.source, path) }, mark)]
      }
      case 'document': {
        const asText = textOfPart(part)
        if (!dialect.documents) {
          if (asText === null) report.refused(path, 'The upstream of this model cannot read documents.')
          report.emulated('document')
          return [this.#marks.put({ type: 'text', text: asText }, mark)]
        }
        const source =
          part.source.kind === 'text'
            ? { type: 'text', media_type: 'text/plain', data: part.source.text }
            : this.#mediaSource(part.source, path)
        const block: Record<string, unknown> = { type: 'document', source }
        if (part.title !== null) block['title'] = part.title
        if (part.context !== null) block['context'] = part.context
        if (part.citationsEnabled) block['citations'] = { enabled: true }
        return [this.#marks.put(block, mark)]
      }
      case 'search-result': {
        if (!dialect.documents) {
          report.emulated('search_result')
          return [this.#marks.put({ type: 'text', text: textOfPart(part) ?? '' }, mark)]
        }
        const content = [{ type: 'text', text: part.text }]
        return [this.#marks.put({ type: 'search_result', source: part.source, title: part.title, content }, mark)]
      }
      case 'audio':
        return report.refused(path, 'The upstream of this model cannot hear audio.')
      default:
        if (part.protocol === 'messages' && isRecord(part.raw)) return [{ ...part.raw }]
        settleForeignItem(part, path, report)
        return []
    }
  }

  #mediaSource(
    source:
      | { kind: 'base64'; mediaType: string; base64: string }
      | { kind: 'url'; url: string }
      | { kind: 'file'; fileId: string }
      | { kind: 'text' },
    path: string,
  ): Record<string, unknown> {
    if (source.kind === 'base64') return { type: 'base64', media_type: source.mediaType, data: source.base64 }
    if (source.kind === 'url') {
      const inline = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(source.url.slice(0, 256))
      if (inline === null) return { type: 'url', url: source.url }
      return { type: 'base64', media_type: inline[1] ?? '', data: source.url.slice(inline[0].length) }
    }
    if (source.kind === 'file' && this.#request.from === 'messages') return { type: 'file', file_id: source.fileId }
    return this.#context.report.refused(
      path,
      'A file id is known only to the vendor that issued it; send the bytes instead.',
    )
  }

  // ---------------------------------------------------------------------------------------- assistant

  #assistantTurn(turn: AssistantTurn, inToolSpan: boolean, inCurrentSpan: boolean): void {
    const { dialect, report } = this.#context
    const blocks: Record<string, unknown>[] = []
    let thought = false
    for (const item of settleReplayedItems(turn.items)) {
      switch (item.kind) {
        case 'reasoning': {
          const block = this.#thinkingBlock(item, inToolSpan)
          if (block === null) break
          thought = true
          blocks.push(block)
          break
        }
        case 'assistant-text': {
          if (item.refusal === true) report.emulated('refusal')
          if (item.prefill === true && dialect.prefill === 'none')
            report.refused(
              callerPath(item) ?? 'messages',
              'The upstream of this model cannot continue an assistant message.',
            )
          const text = item.parts
            .filter((part) => part.text.trim() !== '')
            .map((part) => {
              const block: Record<string, unknown> = { type: 'text', text: part.text }
              if (part.citations !== undefined && this.#request.from === 'messages') block['citations'] = part.citations
              else if (part.citations !== undefined) report.dropped('annotations')
              return this.#marks.put(block, part.cacheMark)
            })
          this.#marks.put(text.at(-1), item.cacheMark)
          blocks.push(...text)
          break
        }
        case 'tool-call': {
          if (!thought) {
            const recalled = this.#recalledThinking(item)
            if (recalled !== null) {
              thought = true
              // It stood before everything else the turn said, or the prefix would break here.
              blocks.unshift(recalled)
            }
          }
          blocks.push(this.#toolUse(item))
          break
        }
        case 'foreign':
          if (item.protocol === 'messages' && isRecord(item.raw)) blocks.push({ ...item.raw })
          else settleForeignItem(item, callerPath(item), report)
          break
        default:
          break
      }
    }
    if (turn.calls.length > 0 && !thought && this.#wantsReasoning(inCurrentSpan)) this.#lacksReasoning = true
    this.#push('assistant', blocks)
  }

  #takesUnsigned(): boolean {
    const { dialect } = this.#context
    return dialect.reasoningTokenFamily === null && dialect.reasoningReplay !== 'never'
  }

  /** The vendor's own family checks the running tool loop; others that need reasoning check every call. */
  #wantsReasoning(inCurrentSpan: boolean): boolean {
    const { dialect } = this.#context
    if (dialect.reasoningReplay === 'never') return false
    if (dialect.reasoningTokenFamily === 'anthropic') return inCurrentSpan
    return dialect.reasoningTokenFamily === null && dialect.reasoningReplay === 'required-with-tools'
  }

  #thinkingBlock(item: ReasoningItem, inToolSpan: boolean): Record<string, unknown> | null {
    const { dialect, report } = this.#context
    if (dialect.reasoningReplay === 'never') return null
    if (this.#takesUnsigned()) {
      if (dialect.reasoningReplay === 'required-with-tools' && !inToolSpan) return null
      const text = item.text ?? item.summary.join('\n\n')
      return text === '' ? null : { type: 'thinking', thinking: text, signature: '' }
    }
    const token = item.token
    if (token === null || token.family !== dialect.reasoningTokenFamily) {
      report.dropped('reasoning')
      return null
    }
    return item.redacted === true
      ? { type: 'redacted_thinking', data: token.data }
      : { type: 'thinking', thinking: item.text ?? '', signature: token.data }
  }

  #recalledThinking(call: ToolCallItem): Record<string, unknown> | null {
    if (!this.#takesUnsigned()) return null
    const reasoning = this.#context.recall(call.callId)?.reasoning ?? ''
    return reasoning === '' ? null : { type: 'thinking', thinking: reasoning, signature: '' }
  }

  #toolUse(call: ToolCallItem): Record<string, unknown> {
    const { report } = this.#context
    const text = call.custom ? wrapInput(call.argumentsText) : this.#argumentsOf(call)
    const input = inputOfArguments(text)
    if (input === null) report.emulated('tool_calls.arguments')
    const toolset = this.#request.from === 'messages' ? call.namespace : null
    const block: Record<string, unknown> = {
      type: 'tool_use',
      id: this.#callId(call.callId),
      name: toolset === null ? this.#names.out(call.name, call.namespace) : call.name,
      input: input ?? {},
    }
    if (toolset !== null) block['toolset_name'] = toolset
    return this.#marks.put(block, call.cacheMark)
  }

  /** The sampled spelling when it is known and the client still means it. */
  #argumentsOf(call: ToolCallItem): string {
    const kept = this.#context.recall(call.callId)?.argumentsText ?? null
    if (kept === null || kept === call.argumentsText) return call.argumentsText
    const replayed = inputOfArguments(call.argumentsText)
    return replayed !== null &&
      inputOfArguments(kept) !== null &&
      saysTheSame(kept, JSON.parse(JSON.stringify(replayed)))
      ? kept
      : call.argumentsText
  }

  #callId(callId: string): string {
    return aliasToolName(callId === '' ? 'call' : callId, callIdRule)
  }

  /** Same role as before: same message, so roles alternate (new-api#516). */
  #push(role: OutMessage['role'], blocks: readonly Record<string, unknown>[]): void {
    if (blocks.length === 0) return
    const last = this.#messages.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else this.#messages.push({ role, content: [...blocks] })
  }
}

/** Indexes of assistant turns between two user messages among which there is a tool call. */
function turnsInToolSpans(conversation: Conversation): ReadonlySet<number> {
  const inside = new Set<number>()
  let span: number[] = []
  let hasCall = false
  const close = (): void => {
    if (hasCall) for (const index of span) inside.add(index)
    span = []
    hasCall = false
  }
  for (const [index, turn] of conversation.turns.entries()) {
    if (turn.role === 'assistant') {
      span.push(index)
      hasCall ||= turn.calls.length > 0
    } else if (isUserSpeech(turn)) close()
  }
  close()
  return inside
}

function startOfLastSpan(conversation: Conversation): number {
  return conversation.turns.findLastIndex((turn) => turn.role === 'user' && isUserSpeech(turn)) + 1
}

function isUserSpeech(turn: UserTurn): boolean {
  return turn.content.some((item) => item.kind === 'user')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
