/**
 * What a caller heard, said once for all three doors, so that one assertion fits every protocol.
 *
 * The readers in `grammar/` make it while they check the answer; `wire` keeps the answer as its own protocol
 * would replay it in the next turn. Counts are in one convention: `input` includes cached tokens.
 */
export type DoorProtocol = 'chat' | 'messages' | 'responses'

export interface HeardReasoning {
  readonly kind: 'reasoning'
  readonly text: string
  /** `signature`, `encrypted_content` or the token in `reasoning_details`; null when there is none. */
  readonly seal: string | null
}

export interface HeardText {
  readonly kind: 'text'
  readonly text: string
  readonly refusal: boolean
  readonly citations: readonly unknown[]
}

export interface HeardCall {
  readonly kind: 'call'
  readonly id: string
  readonly name: string
  readonly namespace: string | null
  readonly arguments: string
  readonly custom: boolean
}

export type HeardPart = HeardReasoning | HeardText | HeardCall

export interface HeardUsage {
  readonly input: number
  readonly hit: number | null
  readonly written: number | null
  readonly output: number
  readonly raw: Readonly<Record<string, unknown>>
}

export interface HeardError {
  readonly type: string | null
  readonly code: string | null
  readonly message: string
}

export interface Heard {
  readonly model: string
  readonly parts: readonly HeardPart[]
  /** The protocol's own word; Responses: `completed`, `incomplete` or `failed`. Null after an error. */
  readonly stop: string | null
  readonly error: HeardError | null
  /** Messages only: the usage of `message_start`. */
  readonly startUsage: HeardUsage | null
  readonly usage: HeardUsage | null
  /** Chat: the message; Messages: the content list; Responses: the output list. */
  readonly wire: unknown
  /** Chat with n > 1: the texts by choice index. */
  readonly texts: readonly string[]
}

export function textOf(heard: Heard): string {
  return heard.parts.flatMap((part) => (part.kind === 'text' ? [part.text] : [])).join('')
}

export function reasoningOf(heard: Heard): string {
  return heard.parts.flatMap((part) => (part.kind === 'reasoning' ? [part.text] : [])).join('')
}

export function sealsOf(heard: Heard): readonly string[] {
  return heard.parts.flatMap((part) => (part.kind === 'reasoning' && part.seal !== null ? [part.seal] : []))
}

export function callsOf(heard: Heard): readonly HeardCall[] {
  return heard.parts.filter((part) => part.kind === 'call')
}

/** The order of kinds, e.g. `reasoning text call call`. */
export function shapeOf(heard: Heard): string {
  return heard.parts.map((part) => part.kind).join(' ')
}
