/**
 * The conversation as Responses `instructions` and `input` items.
 *
 * Each item's bytes depend on nothing after it, so a longer history extends what was sent before (law 2).
 * Content is always a list and plain text of assistants always a string, whatever spelling the client used on
 * this turn. Reasoning goes back in the form this upstream takes: its vendor's own token, or the text.
 */
import type { WriteContext } from '../canonical/adapter.ts'
import type {
  AssistantTextItem,
  CanonicalRequest,
  ForeignItem,
  InstructionItem,
  MediaSource,
  Part,
  ReasoningItem,
  TextPart,
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
  instructionText,
  readConversation,
  wrapInstruction,
  type AssistantTurn,
  type UserTurn,
} from '../history/turns.ts'
import { annotationOf } from './annotations.ts'
import { isObject } from './read-field.ts'

type WireItem = Record<string, unknown>

export interface WrittenInput {
  readonly instructions: string | null
  readonly input: readonly WireItem[]
}

const callIdRule = { charset: 'A-Za-z0-9_.:|-', maxLength: 64 }

export function writeInput(request: CanonicalRequest, context: WriteContext, names: ToolNames): WrittenInput {
  return new InputWriter(request, context, names).write()
}

class InputWriter {
  readonly #request: CanonicalRequest
  readonly #context: WriteContext
  readonly #names: ToolNames
  readonly #input: WireItem[] = []
  /** Other protocols do not say in a result what kind of call it answers. */
  readonly #customCalls: ReadonlySet<string>

  constructor(request: CanonicalRequest, context: WriteContext, names: ToolNames) {
    this.#request = request
    this.#context = context
    this.#names = names
    const calls = request.items.filter((item) => item.kind === 'tool-call').filter((item) => item.custom)
    this.#customCalls = new Set(calls.map((item) => item.callId))
  }

  write(): WrittenInput {
    const { instructions, turns } = readConversation(this.#request.items)
    const top = instructions.filter((item) => item.placement === 'top')
    for (const item of instructions) if (item.placement === 'inline') this.#instruction(item)
    const replayed = this.#turnsWhoseReasoningReturns(turns)
    for (const turn of turns) {
      if (turn.role === 'user') this.#userTurn(turn)
      else this.#assistantTurn(turn, replayed.has(turn))
    }
    return { instructions: top.length === 0 ? null : top.map(instructionText).join('\n'), input: this.#input }
  }

  // ------------------------------------------------------------------------------------------- user

  #userTurn(turn: UserTurn): void {
    const moved: Part[] = []
    for (const result of turn.results) this.#toolResult(result, moved)
    if (moved.length > 0)
      this.#message(
        'user',
        moved.flatMap((part) => this.#part(part, turn.results[0] ?? {})),
      )
    for (const item of turn.content) {
      if (item.kind === 'user') {
        if (item.name !== undefined) this.#context.report.dropped('name')
        this.#message(
          'user',
          item.parts.flatMap((part) => this.#part(part, item)),
        )
      } else if (item.kind === 'instruction') this.#midInstruction(item)
      else this.#foreign(item)
    }
  }

  #midInstruction(item: InstructionItem): void {
    if (this.#context.dialect.midConversationSystem === 'in-place') return this.#instruction(item)
    this.#context.report.emulated('system')
    this.#message('user', [{ type: 'input_text', text: wrapInstruction(item) }])
  }

  #instruction(item: InstructionItem): void {
    const role = this.#request.from === 'responses' ? item.role : this.#context.dialect.instructionRole
    const allowed = this.#context.dialect.instructionRole === 'system' ? 'system' : role
    this.#message(
      allowed,
      item.parts.map((part) => this.#text(part)),
    )
  }

  #message(role: string, content: readonly WireItem[]): void {
    if (content.length > 0) this.#input.push({ type: 'message', role, content })
  }

  #toolResult(item: ToolResultItem, moved: Part[]): void {
    const { dialect, report } = this.#context
    if (item.isError) report.emulated('tool_result.is_error')
    const kept: Part[] = []
    for (const part of item.parts) {
      if (textOfPart(part) !== null || dialect.imagesInToolResults || part.type === 'foreign') kept.push(part)
      else {
        report.emulated('tool_result.media')
        moved.push(part)
      }
    }
    const onlyText = kept.every((part) => textOfPart(part) !== null)
    const failure = item.isError ? textOfToolResult({ ...item, parts: [] }).trimEnd() : null
    const output = onlyText
      ? textOfToolResult({ ...item, parts: kept })
      : [
          ...(failure === null ? [] : [{ type: 'input_text', text: failure }]),
          ...kept.flatMap((part) => this.#part(part, item)),
        ]
    const custom = (item.custom ?? this.#customCalls.has(item.callId)) && dialect.customTools
    this.#input.push({
      type: custom ? 'custom_tool_call_output' : 'function_call_output',
      call_id: callIdOf(item.callId),
      output,
    })
  }

  // ------------------------------------------------------------------------------------------ parts

  #text(part: TextPart): WireItem {
    return this.#marked({ type: 'input_text', text: part.text }, part)
  }

  #part(part: Part, owner: { readonly source?: { readonly pointer: string } }): WireItem[] {
    const { dialect, report } = this.#context
    const path = callerPath(owner) ?? 'input'
    switch (part.type) {
      case 'text':
        return [this.#text(part)]
      case 'image': {
        if (!dialect.images) return report.refused(path, 'The upstream of this model cannot see images.')
        const detail = part.detail ?? 'auto'
        return [this.#marked({ type: 'input_image', detail, ...this.#media(part.source, 'image_url', path) }, part)]
      }
      case 'document': {
        const text = textOfPart(part)
        if (text !== null || part.source.kind === 'text') {
          report.emulated('document')
          return [this.#marked({ type: 'input_text', text: text ?? '' }, part)]
        }
        if (!dialect.documents) return report.refused(path, 'The upstream of this model cannot read documents.')
        const isInline = part.source.kind === 'base64'
        const filename = part.title ?? (isInline ? 'document.pdf' : null)
        const media = this.#media(part.source, isInline ? 'file_data' : 'file_url', path)
        return [this.#marked({ type: 'input_file', ...(filename !== null && { filename }), ...media }, part)]
      }
      case 'search-result':
        report.emulated('search_result')
        return [this.#marked({ type: 'input_text', text: textOfPart(part) ?? '' }, part)]
      case 'audio':
        if (this.#request.from !== 'responses')
          return report.refused(path, 'The upstream of this model cannot hear audio.')
        return [{ type: 'input_audio', input_audio: { data: part.base64, format: part.format } }]
      default:
        if (part.protocol === 'responses' && isObject(part.raw)) return [{ ...part.raw }]
        settleForeignItem(part, path, report)
        return []
    }
  }

  #media(source: MediaSource, urlMember: string, path: string): WireItem {
    if (source.kind === 'url') return { [urlMember]: source.url }
    if (source.kind === 'base64') return { [urlMember]: `data:${source.mediaType};base64,${source.base64}` }
    if (this.#request.from === 'messages')
      return this.#context.report.refused(
        path,
        'A file id is known only to the vendor that issued it; send the bytes instead.',
      )
    return { file_id: source.fileId }
  }

  #marked(wire: WireItem, part: Part): WireItem {
    const marked = 'cacheMark' in part && part.cacheMark !== undefined
    if (!marked || this.#context.dialect.cacheMarks !== 'prompt-cache-breakpoint') return wire
    return { ...wire, prompt_cache_breakpoint: { mode: 'explicit' } }
  }

  // -------------------------------------------------------------------------------------- assistant

  #assistantTurn(turn: AssistantTurn, reasoningReturns: boolean): void {
    this.#recalledReasoning(turn)
    for (const item of settleReplayedItems(turn.items)) {
      switch (item.kind) {
        case 'reasoning':
          this.#reasoning(item, reasoningReturns)
          break
        case 'assistant-text':
          this.#assistantText(item)
          break
        case 'tool-call':
          this.#call(item)
          break
        case 'foreign':
          this.#foreign(item)
          break
        default:
          break
      }
    }
  }

  #assistantText(item: AssistantTextItem): void {
    const { dialect, report } = this.#context
    if (item.prefill === true && dialect.prefill === 'none')
      report.refused(callerPath(item) ?? 'input', 'The upstream of this model cannot continue an assistant message.')
    const text = item.parts.map((part) => part.text).join('')
    const common = { type: 'message', role: 'assistant', ...(item.phase !== undefined && { phase: item.phase }) }
    // Only the full form of an output message has room for refusals and annotations; it needs an id.
    const full = (content: readonly WireItem[]): WireItem => ({
      ...common,
      id: `msg_${this.#input.length}`,
      status: 'completed',
      content,
    })
    if (item.refusal === true) {
      this.#input.push(full([{ type: 'refusal', refusal: text }]))
      return
    }
    const cited = item.parts.some((part) => part.citations !== undefined)
    if (cited && this.#request.from === 'responses') {
      this.#input.push(
        full(
          item.parts.map((part) => ({
            type: 'output_text',
            text: part.text,
            annotations: (part.citations ?? [])
              .map((one) => annotationOf(one, part.text))
              .filter((one) => one !== null),
          })),
        ),
      )
      return
    }
    if (cited) report.dropped('citations')
    if (text !== '') this.#input.push({ ...common, content: text })
  }

  #takesText(): boolean {
    const { dialect } = this.#context
    return dialect.reasoningTokenFamily === null && dialect.reasoningReplay !== 'never'
  }

  #reasoning(item: ReasoningItem, returns: boolean): void {
    const { dialect, report } = this.#context
    if (dialect.reasoningReplay === 'never') return
    if (this.#takesText()) {
      const text = item.text ?? item.summary.join('\n\n')
      if (returns && text !== '') this.#reasoningText(text)
      return
    }
    if (item.token === null || item.token.family !== dialect.reasoningTokenFamily) {
      report.dropped('reasoning')
      return
    }
    this.#input.push({
      type: 'reasoning',
      id: item.id ?? `rs_${this.#input.length}`,
      summary: item.summary.map((text) => ({ type: 'summary_text', text })),
      encrypted_content: item.token.data,
    })
  }

  /** The id says nothing to an upstream that stores nothing, but the type requires one, the same on every turn. */
  #reasoningText(text: string): void {
    const id = `rs_${this.#input.length}`
    this.#input.push({ type: 'reasoning', id, summary: [], content: [{ type: 'reasoning_text', text }] })
  }

  /** What the client dropped comes back where it stood: before everything else the turn said. */
  #recalledReasoning(turn: AssistantTurn): void {
    if (!this.#takesText() || turn.reasoning.some((item) => (item.text ?? item.summary.join('')) !== '')) return
    for (const call of turn.calls) {
      const text = this.#context.recall(call.callId)?.reasoning ?? ''
      if (text === '') continue
      this.#reasoningText(text)
      return
    }
  }

  #call(call: ToolCallItem): void {
    const { dialect } = this.#context
    const asCustom = call.custom && dialect.customTools
    const namespace = dialect.toolNamespaces === true ? call.namespace : null
    const named = {
      call_id: callIdOf(call.callId),
      name: this.#names.out(call.name, call.namespace),
      ...(namespace !== null && { namespace }),
    }
    if (asCustom) this.#input.push({ type: 'custom_tool_call', ...named, input: call.argumentsText })
    else {
      const text = call.custom ? wrapInput(call.argumentsText) : this.#argumentsOf(call)
      this.#input.push({ type: 'function_call', ...named, arguments: text === '' ? '{}' : text })
    }
  }

  /** The sampled spelling when it is known and the client still means it. */
  #argumentsOf(call: ToolCallItem): string {
    const kept = this.#context.recall(call.callId)?.argumentsText ?? null
    return kept !== null && sameJson(kept, call.argumentsText) ? kept : call.argumentsText
  }

  #foreign(item: ForeignItem): void {
    const { report } = this.#context
    // Nothing is stored on this side, so there is nothing to refer to.
    if (item.protocol === 'responses' && isObject(item.raw) && item.name !== 'item_reference')
      this.#input.push({ ...item.raw })
    else settleForeignItem(item, callerPath(item), report)
  }

  /** Under `required-with-tools`: the turns between two user messages among which there is a call. */
  #turnsWhoseReasoningReturns(turns: readonly (UserTurn | AssistantTurn)[]): ReadonlySet<AssistantTurn> {
    const returning = new Set<AssistantTurn>()
    const always = this.#context.dialect.reasoningReplay === 'all'
    let span: AssistantTurn[] = []
    const close = (): void => {
      if (always || span.some((turn) => turn.calls.length > 0)) for (const turn of span) returning.add(turn)
      span = []
    }
    for (const turn of turns) {
      if (turn.role === 'assistant') span.push(turn)
      else if (turn.content.some((item) => item.kind === 'user')) close()
    }
    close()
    return returning
  }
}

function callIdOf(callId: string): string {
  return aliasToolName(callId === '' ? 'call' : callId, callIdRule)
}

function sameJson(one: string, other: string): boolean {
  if (one === other) return true
  try {
    return sortedJson(JSON.parse(one)) === sortedJson(JSON.parse(other))
  } catch {
    return false
  }
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner,
  )
}
