/**
 * Answers in the caller's own tool names: undoes `tool-names.ts` and the wrapping of free-form tools.
 *
 * A free-form tool went out as a function with one string member `input`; its calls come back as
 * `{"input":"..."}` and are unwrapped while they stream, escapes decoded, so that the caller sees a free-form
 * call again. Arguments that do not have that shape are passed on as they are.
 */
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { OutputItem } from '../canonical/response.ts'

type RestoredNames = AnswerContext['toolNames']

/** Stateful: one for each stream. Feed every event in order. */
export class ToolRestorer {
  readonly #names: RestoredNames
  readonly #unwrappers = new Map<number, InputUnwrapper>()

  constructor(names: RestoredNames) {
    this.#names = names
  }

  push(event: CanonicalEvent): readonly CanonicalEvent[] {
    if (this.#names.size === 0) return [event]
    if (event.type === 'tool-call-start') {
      const caller = this.#names.get(event.name)
      if (caller === undefined) return [event]
      if (caller.custom && !event.custom) this.#unwrappers.set(event.key, new InputUnwrapper())
      return [{ ...event, name: caller.name, namespace: caller.namespace, custom: caller.custom }]
    }
    if (event.type === 'tool-call-delta') {
      const unwrapper = this.#unwrappers.get(event.key)
      if (unwrapper === undefined) return [event]
      const text = unwrapper.push(event.argumentsDelta)
      return text === '' ? [] : [{ ...event, argumentsDelta: text }]
    }
    if (event.type === 'tool-call-end') {
      const text = this.#unwrappers.get(event.key)?.end() ?? ''
      this.#unwrappers.delete(event.key)
      return text === '' ? [event] : [{ type: 'tool-call-delta', key: event.key, argumentsDelta: text }, event]
    }
    return [event]
  }
}

/** The same for a complete answer. */
export function restoreToolCalls(items: readonly OutputItem[], names: RestoredNames): readonly OutputItem[] {
  if (names.size === 0) return items
  return items.map((item) => {
    if (item.kind !== 'tool-call') return item
    const caller = names.get(item.name)
    if (caller === undefined) return item
    const argumentsText = caller.custom && !item.custom ? unwrapInput(item.argumentsText) : item.argumentsText
    return { ...item, name: caller.name, namespace: caller.namespace, custom: caller.custom, argumentsText }
  })
}

/** Free-form input as the arguments of the function that stands in for the tool. */
export function wrapInput(input: string): string {
  return JSON.stringify({ input })
}

/** `{"input":"text"}` to `text`; anything else unchanged. */
export function unwrapInput(argumentsText: string): string {
  const unwrapper = new InputUnwrapper()
  return unwrapper.push(argumentsText) + unwrapper.end()
}

const opening = /^\s*\{\s*"input"\s*:\s*"/
const couldStillOpen = /^\s*(\{\s*("(i(n(p(u(t("(\s*(:\s*)?)?)?)?)?)?)?)?)?)?$/

/** Decodes the string in `{"input":"..."}` incrementally. */
class InputUnwrapper {
  #state: 'opening' | 'inside' | 'done' | 'verbatim' = 'opening'
  /** Text not decoded yet: a possible opening, or the start of an escape. */
  #pending = ''

  push(fragment: string): string {
    if (this.#state === 'verbatim') return fragment
    if (this.#state === 'done') return ''
    this.#pending += fragment
    if (this.#state === 'opening') {
      const match = opening.exec(this.#pending)
      if (match === null) {
        if (couldStillOpen.test(this.#pending)) return ''
        this.#state = 'verbatim'
        return this.#take()
      }
      this.#state = 'inside'
      this.#pending = this.#pending.slice(match[0].length)
    }
    return this.#decode()
  }

  end(): string {
    return this.#state === 'opening' ? this.#take() : ''
  }

  #decode(): string {
    let text = ''
    let at = 0
    const pending = this.#pending
    while (at < pending.length) {
      const character = pending[at]
      if (character === '"') {
        this.#state = 'done'
        this.#pending = ''
        return text
      }
      if (character !== '\\') {
        let end = at + 1
        while (end < pending.length && pending[end] !== '"' && pending[end] !== '\\') end++
        text += pending.slice(at, end)
        at = end
        continue
      }
      let length = pending[at + 1] === 'u' ? 6 : 2
      // Halves of a surrogate pair are given out together: alone they cannot be encoded.
      if (/^\\u[dD][89abAB]/.test(pending.slice(at, at + 4)) && (pending[at + 6] ?? '\\') === '\\') length = 12
      if (at + length > pending.length) break
      text += decodeEscape(pending.slice(at, at + length))
      at += length
    }
    this.#pending = pending.slice(at)
    return text
  }

  #take(): string {
    const text = this.#pending
    this.#pending = ''
    return text
  }
}

function decodeEscape(escape: string): string {
  try {
    const decoded: unknown = JSON.parse(`"${escape}"`)
    return typeof decoded === 'string' ? decoded : escape
  } catch {
    return escape
  }
}
