/**
 * Canonical stream events, noun then verb.
 *
 * Grammar (a reader guarantees it, a writer relies on it):
 *
 *   stream   := response-start (block | choice-end | usage | ping)* terminal
 *   block    := text-start text-delta* text-end
 *             | reasoning-start reasoning-delta* reasoning-end
 *             | tool-call-start tool-call-delta* tool-call-end
 *             | foreign
 *   terminal := response-end | error
 *
 * `key` names a block and is unique in the stream. Text and reasoning blocks never overlap anything of their
 * own kind; tool calls may overlap each other (Chat interleaves fragments), so a writer for a protocol whose
 * blocks are serial must buffer. Exactly one terminal event, always last. Deltas are never empty.
 *
 * Where several answers were asked for (`CanonicalRequest.choices`), a block says at its start whose it is, and the
 * rules on blocks hold for each choice by itself. Every choice then has one `choice-end` behind its blocks;
 * `response-end` repeats the first one's reason and has the usage of all.
 */
import type { ErrorKind } from '../errors.ts'
import type { StopReason } from './response.ts'
import type { ReasoningItem } from './request.ts'
import type { Usage } from './usage.ts'

export type CanonicalEvent =
  | {
      readonly type: 'response-start'
      readonly id: string
      readonly model: string
      readonly createdSec: number | null
      readonly usage: Usage | null
    }
  | { readonly type: 'text-start'; readonly key: number; readonly refusal: boolean; readonly choice?: number }
  | { readonly type: 'text-delta'; readonly key: number; readonly text: string; readonly logprobs?: unknown }
  | { readonly type: 'text-end'; readonly key: number; readonly citations?: readonly unknown[] }
  | {
      readonly type: 'reasoning-start'
      readonly key: number
      readonly redacted: boolean
      readonly id?: string
      readonly choice?: number
    }
  | {
      readonly type: 'reasoning-delta'
      readonly key: number
      readonly text: string
      readonly summary: boolean
      readonly logprobs?: unknown
    }
  | { readonly type: 'reasoning-end'; readonly key: number; readonly token: ReasoningItem['token'] }
  | {
      readonly type: 'tool-call-start'
      readonly key: number
      readonly callId: string
      readonly name: string
      readonly namespace: string | null
      readonly custom: boolean
      readonly choice?: number
    }
  | { readonly type: 'tool-call-delta'; readonly key: number; readonly argumentsDelta: string }
  | { readonly type: 'tool-call-end'; readonly key: number }
  | { readonly type: 'foreign'; readonly name: string; readonly raw: unknown }
  | { readonly type: 'choice-end'; readonly choice: number; readonly stop: StopReason }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'ping' }
  | {
      readonly type: 'response-end'
      readonly stop: StopReason
      readonly stopSequence: string | null
      readonly refusalExplanation: string | null
      readonly usage: Usage
    }
  | {
      readonly type: 'error'
      readonly kind: ErrorKind
      readonly message: string
      readonly code: string | null
      /** Only of upstreams inside this process, which have no header to say it in. */
      readonly retryAfterMs?: number
      /** The offending field of the request; of the same upstreams. */
      readonly param?: string
    }
