/**
 * Reads a completion while it streams: reasoning, text and tool calls in V4's markup.
 *
 * Works on text cut anywhere; the result never depends on the cuts. Tags are held back until they are
 * certain, so no fragment of one leaks, and every character is accounted for in exactly one span.
 * Grammar: DeepSeek-V4's published parser. Where that one gives up, the policy of `Problem` applies:
 * nothing throws, nothing is lost, and a call that is not whole is never reported as complete.
 *
 *   reasoning --</think>--> text --block--> calls --invoke--> call --parameter--> value
 *       \______________block______________/^ \___</block>___> after                     (any) --end token--> done
 */
import { specialTokens } from '../tokenizer/special-tokens.ts'
import { v4CallMarkup } from '../encoding/profile.ts'
import type { CallMarkup } from '../encoding/profile.ts'
import type {
  Completion,
  CompletionEvent,
  CompletionSpan,
  Finish,
  ParsedCall,
  Problem,
  StopCause,
} from './completion-event.ts'
import { findMarker, heldBack } from './marker-scan.ts'
import { readInvokeHead, readParameterHead, readTag } from './tag-head.ts'
import type { ParameterType } from './tag-head.ts'

type State = 'reasoning' | 'text' | 'block' | 'calls' | 'invoke' | 'call' | 'parameter' | 'value' | 'after' | 'done'

const { thinkStart, thinkEnd, endOfSentence } = specialTokens

const SLICE_LENGTH = 4096

export interface CompletionMachineOptions {
  /** What the prompt left open: `EncodedPrompt.opens`. */
  readonly opens: 'reasoning' | 'text'
  readonly markup?: CallMarkup
}

interface OpenCall {
  readonly name: string
  argumentsText: string
  readonly keys: Set<string>
  broken: boolean
}

export class CompletionMachine {
  readonly #tags: ReturnType<typeof tagsOf>
  #state: State
  /** Text that is not yet in a span: held back, or a head that is not complete. Bounded. */
  #buffer = ''
  /** Nothing of the present reasoning or text has been consumed yet. */
  #isFresh = true
  /** The opening of a block whose first call has not been read; null outside `block`. */
  #opening: { readonly text: string; readonly from: 'reasoning' | 'text' } | null = null
  #call: OpenCall | null = null
  #value: { readonly type: ParameterType | 'ignored'; readonly prefix: string; readonly parts: string[] } | null = null
  #events: CompletionEvent[] = []
  readonly #calls: ParsedCall[] = []
  readonly #spans: { kind: CompletionSpan['kind']; parts: string[] }[] = []
  readonly #problems = new Set<Problem>()
  #blocks = 0
  #finish: Finish | null = null

  constructor(options: CompletionMachineOptions) {
    this.#tags = tagsOf(options.markup ?? v4CallMarkup)
    this.#state = options.opens
  }

  /** The model has written its end token; what follows is ignored. */
  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** What comes next is reasoning. */
  get isReasoning(): boolean {
    return this.#state === 'reasoning'
  }

  /** Takes the next piece of output. Does nothing after `finish`. */
  push(text: string): CompletionEvent[] {
    if (this.#finish !== null || text === '') return []
    // In slices, because every step searches what is buffered: one huge piece full of tags would cost its square.
    for (let at = 0; at < text.length; at += SLICE_LENGTH) {
      this.#buffer += text.slice(at, at + SLICE_LENGTH)
      while (this.#step());
    }
    return this.#drain()
  }

  /** Ends the completion; the last event is `end`. Calling it again gives nothing. */
  finish(cause: StopCause): CompletionEvent[] {
    if (this.#finish !== null) return []
    const stoppedItself = cause === 'stop' || this.#state === 'done'
    if (this.#state !== 'done') this.#close(stoppedItself)
    const isCut = this.#calls.some((call) => !call.complete)
    const isWhole = this.#calls.some((call) => call.complete)
    if (!stoppedItself) this.#finish = cause
    else if (isWhole) this.#finish = 'tool-calls'
    else this.#finish = isCut ? 'length' : 'stop'
    this.#events.push({ type: 'end', finish: this.#finish, problems: [...this.#problems] })
    return this.#drain()
  }

  /** The whole, after `finish`; before it, what has been read so far (as if aborted). */
  result(): Completion {
    const spans = this.#spans.map(({ kind, parts }): CompletionSpan => ({ kind, text: parts.join('') }))
    const textOf = (kind: CompletionSpan['kind']): string =>
      spans
        .filter((span) => span.kind === kind)
        .map((span) => span.text)
        .join('')
    const lastWithContent = spans.findLast((span) => span.kind !== 'markup' && span.kind !== 'after-end')
    const isReplayable =
      this.#blocks === 1 && lastWithContent?.kind === 'calls' && this.#calls.every((call) => call.complete)
    return {
      reasoning: textOf('reasoning'),
      text: textOf('text'),
      calls: [...this.#calls],
      rawCalls: isReplayable && this.#calls.length > 0 ? lastWithContent.text : null,
      finish: this.#finish ?? 'aborted',
      problems: [...this.#problems],
      spans,
    }
  }

  // ------------------------------------------------------------------------------------------- states

  /** Advances by one marker or head; false when more text is needed. */
  #step(): boolean {
    if (this.#buffer === '') return false
    switch (this.#state) {
      case 'reasoning':
      case 'text':
        return this.#readProse(this.#state)
      case 'block':
        return this.#readBlockStart()
      case 'calls':
        return this.#readBetweenCalls()
      case 'invoke':
        return this.#readInvoke()
      case 'call':
        return this.#readInsideCall()
      case 'parameter':
        return this.#readParameter()
      case 'value':
        return this.#readValue()
      case 'after':
        return this.#readAfterBlock()
      default:
        this.#problems.add('text-after-end')
        this.#take(this.#buffer.length, 'after-end')
        return false
    }
  }

  #readProse(state: 'reasoning' | 'text'): boolean {
    const { openings, freshOpenings } = this.#tags
    const ends = state === 'reasoning' ? [thinkEnd, endOfSentence] : [endOfSentence]
    const markers = [...ends, ...openings]
    // A tag that only repeats what the prompt has said already, and a block without the empty line before it.
    const atStart = this.#isFresh ? [...freshOpenings, state === 'reasoning' ? thinkStart : thinkEnd] : []
    const opening = atStart.find((marker) => this.#buffer.startsWith(marker))
    const found = opening === undefined ? findMarker(this.#buffer, markers) : { at: 0, marker: opening }
    if (found === null) {
      const couldBeStart = atStart.some((marker) => marker.startsWith(this.#buffer))
      const held = couldBeStart ? this.#buffer.length : heldBack(this.#buffer, markers)
      this.#prose(this.#buffer.length - held, state)
      return false
    }
    this.#prose(found.at, state)
    if (found.marker === endOfSentence) {
      this.#close(true)
    } else if (found.marker === thinkEnd && state === 'reasoning') {
      this.#take(thinkEnd.length, 'markup')
      this.#enter('text')
    } else if (found.marker === thinkStart || found.marker === thinkEnd) {
      this.#problems.add('repeated-think-tag')
      this.#take(found.marker.length, 'markup')
      this.#isFresh = false
    } else {
      this.#opening = { text: found.marker, from: state }
      this.#buffer = this.#buffer.slice(found.marker.length)
      this.#state = 'block'
    }
    return true
  }

  /** Decides whether an opened block is one: only a readable call, or its closing tag, makes it so. */
  #readBlockStart(): boolean {
    const { invoke, closeBlock } = this.#tags
    const opening = this.#opening!
    const close = readTag(this.#buffer, 0, closeBlock)
    if (typeof close !== 'string') {
      this.#openBlock()
      this.#take(close.end, 'calls')
      this.#problems.add('malformed-invoke')
      this.#state = 'after'
      return true
    }
    const tag = readTag(this.#buffer, 0, invoke)
    const head = typeof tag === 'string' ? tag : readInvokeHead(this.#buffer, tag.end)
    const end = readTag(this.#buffer, 0, endOfSentence)
    if (typeof end !== 'string') {
      this.#problems.add('cut-markup')
      this.#record(opening.text, 'markup')
      this.#opening = null
      this.#state = 'after'
      return true
    }
    if (head === 'more' || (head === 'fail' && (close === 'more' || end === 'more'))) return false
    if (head === 'fail') {
      this.#problems.add('malformed-block')
      this.#opening = null
      this.#state = opening.from
      this.#emitProse(opening.text, opening.from)
      return true
    }
    this.#openBlock()
    this.#startCall(head.name, head.end)
    return true
  }

  #openBlock(): void {
    const { text, from } = this.#opening!
    if (from === 'reasoning') this.#problems.add('calls-in-reasoning')
    this.#opening = null
    this.#blocks++
    this.#record(text, 'calls')
  }

  #readBetweenCalls(): boolean {
    const { invoke, closeBlock } = this.#tags
    const marker = this.#skipTo([invoke, closeBlock, endOfSentence])
    if (marker === null) return false
    if (marker === endOfSentence) {
      this.#close(true)
      return true
    }
    this.#take(marker.length, 'calls')
    this.#state = marker === invoke ? 'invoke' : 'after'
    return true
  }

  #readInvoke(): boolean {
    const head = readInvokeHead(this.#buffer, 0)
    if (head === 'more') return false
    if (head === 'fail') {
      this.#problems.add('malformed-invoke')
      this.#state = 'calls'
    } else {
      this.#startCall(head.name, head.end)
    }
    return true
  }

  #startCall(name: string, headLength: number): void {
    this.#take(headLength, 'calls')
    this.#events.push({ type: 'tool-call-start', index: this.#calls.length, name })
    this.#call = { name, argumentsText: '', keys: new Set(), broken: false }
    this.#state = 'call'
  }

  #readInsideCall(): boolean {
    const { parameter, invoke, closeInvoke, closeBlock } = this.#tags
    const marker = this.#skipTo([parameter, closeInvoke, closeBlock, invoke, endOfSentence])
    if (marker === null) return false
    if (marker === endOfSentence) {
      this.#close(true)
      return true
    }
    this.#take(marker.length, 'calls')
    if (marker === parameter) {
      this.#state = 'parameter'
      return true
    }
    if (marker !== closeInvoke) this.#problems.add('unclosed-invoke')
    this.#endCall(!this.#call!.broken)
    this.#state = marker === invoke ? 'invoke' : marker === closeBlock ? 'after' : 'calls'
    return true
  }

  #readParameter(): boolean {
    const head = readParameterHead(this.#buffer, 0)
    if (head === 'more') return false
    const call = this.#call!
    if (head === 'fail') {
      this.#problems.add('malformed-parameter')
      call.broken = true
      this.#state = 'call'
      return true
    }
    this.#take(head.end, 'calls')
    const isRepeated = call.keys.has(head.key)
    const prefix = `${call.keys.size === 0 ? '{' : ', '}${JSON.stringify(head.key)}: `
    call.keys.add(head.key)
    if (isRepeated) this.#problems.add('duplicate-parameter')
    else if (head.type === 'untyped') this.#problems.add('untyped-parameter')
    this.#value = { type: isRepeated ? 'ignored' : head.type, prefix, parts: [] }
    if (this.#value.type === 'string') this.#emitArguments(`${prefix}"`)
    this.#state = 'value'
    return true
  }

  #readValue(): boolean {
    const markers = [this.#tags.closeParameter, endOfSentence]
    const found = findMarker(this.#buffer, markers)
    const length = found?.at ?? this.#buffer.length - heldBack(this.#buffer, markers)
    const text = this.#take(length, 'calls')
    const value = this.#value!
    // Only strings stream: whether a value is JSON is known at its end.
    if (value.type === 'string') this.#emitArguments(JSON.stringify(text).slice(1, -1))
    else if (value.type !== 'ignored' && text !== '') value.parts.push(text)
    if (found === null) return false
    if (found.marker === endOfSentence) {
      this.#close(true)
      return true
    }
    this.#take(found.marker.length, 'calls')
    if (value.type === 'string') this.#emitArguments('"')
    else if (value.type !== 'ignored')
      this.#emitArguments(value.prefix + this.#valueText(value.parts.join(''), value.type))
    this.#value = null
    this.#state = 'call'
    return true
  }

  #valueText(text: string, type: ParameterType): string {
    try {
      JSON.parse(text)
      return text
    } catch {
      if (type === 'json') this.#problems.add('not-json')
      return JSON.stringify(text)
    }
  }

  #readAfterBlock(): boolean {
    const blanks = /^\s*/.exec(this.#buffer)![0].length
    this.#take(blanks, 'markup')
    if (this.#buffer === '') return false
    this.#enter('text')
    return true
  }

  /** Ends what is open, because the model stopped (`stoppedItself`) or was stopped. */
  #close(stoppedItself: boolean): void {
    const atEnd = this.#buffer.startsWith(endOfSentence) ? endOfSentence.length : 0
    const rest = atEnd > 0 ? 0 : this.#buffer.length
    const pending = this.#buffer.slice(0, rest)
    const isOpenBlock = this.#state === 'calls' || this.#state === 'invoke' || this.#state === 'call'
    switch (this.#state) {
      case 'reasoning':
      case 'text':
        if (this.#state === 'reasoning' && stoppedItself) this.#problems.add('unclosed-reasoning')
        if (pending.includes(this.#tags.markStart)) {
          this.#problems.add('cut-markup')
          this.#take(rest, 'markup')
        } else {
          this.#prose(rest, this.#state)
        }
        break
      case 'block':
        this.#problems.add('cut-markup')
        this.#record(this.#opening!.text, 'markup')
        this.#opening = null
        this.#take(rest, 'markup')
        break
      case 'after':
        this.#take(rest, 'markup')
        break
      default:
        if (isOpenBlock) this.#problems.add('unclosed-block')
        this.#take(rest, 'calls')
    }
    if (this.#call !== null) {
      // Between parameters a model that stopped by itself may be believed; one that was cut off may have had more to say.
      // A closing tag that was begun says as much as a whole one; an opening tag says that a parameter is missing.
      const isBetween = this.#state === 'call' && (pending === '' || pending.startsWith('</'))
      const isWhole = isBetween && stoppedItself && !this.#call.broken
      this.#problems.add(isWhole ? 'unclosed-invoke' : 'cut-call')
      this.#endCall(isWhole)
    }
    this.#value = null
    this.#take(atEnd, 'markup')
    this.#state = 'done'
  }

  // ------------------------------------------------------------------------------------------ helpers

  #enter(state: 'reasoning' | 'text'): void {
    this.#state = state
    this.#isFresh = true
  }

  /** Consumes up to the next marker inside a block; what is skipped and not blank is a problem. Null: none yet. */
  #skipTo(markers: readonly string[]): string | null {
    const found = findMarker(this.#buffer, markers)
    const length = found?.at ?? this.#buffer.length - heldBack(this.#buffer, markers)
    if (/\S/.test(this.#take(length, 'calls'))) this.#problems.add('stray-text')
    return found?.marker ?? null
  }

  #prose(length: number, kind: 'reasoning' | 'text'): void {
    if (length === 0) return
    const text = this.#buffer.slice(0, length)
    this.#buffer = this.#buffer.slice(length)
    this.#emitProse(text, kind)
  }

  #emitProse(text: string, kind: 'reasoning' | 'text'): void {
    if (kind === 'text' && this.#blocks > 0) this.#problems.add('text-after-calls')
    this.#isFresh = false
    this.#record(text, kind)
    const type = kind === 'reasoning' ? 'reasoning-delta' : 'text-delta'
    const last = this.#events.at(-1)
    if (last?.type === type) this.#events[this.#events.length - 1] = { type, text: last.text + text }
    else this.#events.push({ type, text })
  }

  #emitArguments(argumentsDelta: string): void {
    if (argumentsDelta === '') return
    this.#call!.argumentsText += argumentsDelta
    const index = this.#calls.length
    const last = this.#events.at(-1)
    if (last?.type === 'tool-call-delta') {
      this.#events[this.#events.length - 1] = { ...last, argumentsDelta: last.argumentsDelta + argumentsDelta }
    } else {
      this.#events.push({ type: 'tool-call-delta', index, argumentsDelta })
    }
  }

  #endCall(complete: boolean): void {
    const call = this.#call!
    if (complete) this.#emitArguments(call.keys.size === 0 ? '{}' : '}')
    this.#events.push({ type: 'tool-call-end', index: this.#calls.length, complete })
    this.#calls.push({ name: call.name, argumentsText: call.argumentsText, complete })
    this.#call = null
  }

  /** Moves the first `length` characters of the buffer into a span. */
  #take(length: number, kind: CompletionSpan['kind']): string {
    const text = this.#buffer.slice(0, length)
    this.#buffer = this.#buffer.slice(length)
    this.#record(text, kind)
    return text
  }

  #record(text: string, kind: CompletionSpan['kind']): void {
    if (text === '') return
    const last = this.#spans.at(-1)
    if (last?.kind === kind) last.parts.push(text)
    else this.#spans.push({ kind, parts: [text] })
  }

  #drain(): CompletionEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }
}

function tagsOf({ mark, block, invoke, parameter }: CallMarkup) {
  const open = `<${mark}${block}>`
  return {
    /** Enough of a tag to know that it is none of the text's. */
    markStart: `<${mark.slice(0, 2)}`,
    /** Before a block stands an empty line; one newline is tolerated, and none at the very start. */
    openings: [`\n\n${open}`, `\n${open}`],
    freshOpenings: [open],
    closeBlock: `</${mark}${block}>`,
    invoke: `<${mark}${invoke}`,
    closeInvoke: `</${mark}${invoke}>`,
    parameter: `<${mark}${parameter}`,
    closeParameter: `</${mark}${parameter}>`,
  }
}
