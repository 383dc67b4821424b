/** What the recorder's thread and the rest of the process say to each other. */
import type { RedactionRules } from './redaction/redactor.ts'
import type { CapturedExchange, DropReason } from './captured.ts'

export interface RecorderThreadOptions {
  readonly directory: string
  /** 32 bytes each. */
  readonly recordingKey: Uint8Array
  readonly sealKey: Uint8Array
  readonly rules: RedactionRules
  readonly maxBytes: number | null
}

export type ToRecorder =
  | { readonly type: 'batch'; readonly exchanges: readonly CapturedExchange[] }
  | {
      readonly type: 'note'
      readonly recordingId: string
      readonly name: `dropped:${DropReason}` | 'declined'
      readonly times: number
    }
  | { readonly type: 'close' }

export type FromRecorder =
  | {
      readonly type: 'done'
      readonly exchanges: number
      readonly dropped: Readonly<Partial<Record<DropReason, number>>>
    }
  | { readonly type: 'closed' }
