/**
 * A rendered prompt: text in stretches that remember who wrote them.
 *
 * The published encoder makes one string and recognises special tokens anywhere in it, so a user who types
 * `<｜User｜>` or `</think>` forges a turn. Here only text of ours may hold special tokens. Between two
 * special tokens all stretches are tokenised together, so that honest prompts give exactly the published ids.
 */
import { specialTokens } from '../tokenizer/special-tokens.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/** `full`: all special tokens; `markup`: the tool-call mark only (replayed samples); `none`: ordinary text. */
export type Trust = 'full' | 'markup' | 'none'

export interface PromptSegment {
  readonly text: string
  readonly trust: Trust
}

const markupSpecials: readonly string[] = [specialTokens.dsml]

/** Collects stretches; neighbours of equal trust become one. */
export class PromptBuilder {
  readonly segments: PromptSegment[] = []

  add(text: string, trust: Trust): this {
    if (text === '') return this
    const last = this.segments.at(-1)
    // Joining full-trust text with full-trust text cannot forge a token: we wrote both.
    if (last?.trust === trust) this.segments[this.segments.length - 1] = { text: last.text + text, trust }
    else this.segments.push({ text, trust })
    return this
  }

  /** Text of ours. */
  fixed(text: string): this {
    return this.add(text, 'full')
  }

  /** Text of anyone. */
  plain(text: string): this {
    return this.add(text, 'none')
  }
}

/** The prompt as one string, for reading and for keys; not for tokenising. */
export function promptText(segments: readonly PromptSegment[]): string {
  return segments.map((segment) => segment.text).join('')
}

/** Token ids of a prompt. */
export function promptTokens(segments: readonly PromptSegment[], tokenizer: Tokenizer): number[] {
  const ids: number[] = []
  let ordinary = ''
  const flush = (): void => {
    for (const id of tokenizer.encode(ordinary)) ids.push(id)
    ordinary = ''
  }
  for (const { text, trust } of segments) {
    if (trust === 'none') {
      ordinary += text
      continue
    }
    for (const piece of tokenizer.splitSpecials(text, trust === 'markup' ? markupSpecials : undefined)) {
      if (piece.special === null) {
        ordinary += piece.text
      } else {
        flush()
        ids.push(piece.special)
      }
    }
  }
  flush()
  return ids
}
