/** What a door hands over when a request has been settled; everything else is made of it off the request's path. */
import type { CanonicalRequest, CanonicalResponse, MessagesVersion, Protocol } from '@portolan/wire'
import type { LedgerRow } from '@portolan/store'

export interface CapturedExchange {
  readonly recordingId: string
  readonly row: LedgerRow
  /** Keys without retention are kept no further than this; null: as the recording has it. */
  readonly atMost: 'metrics' | null
  readonly door: Protocol
  readonly messagesVersion: MessagesVersion
  /** The body as it came; null when it was too large to be kept. */
  readonly body: Uint8Array | null
  /** Read already, by an importer; `body` is then not looked at. */
  readonly request?: CanonicalRequest
  /** Read from the events as they passed, or the body of a complete answer that nobody had to read. */
  readonly answer:
    | { readonly kind: 'canonical'; readonly response: CanonicalResponse }
    | { readonly kind: 'body'; readonly protocol: Protocol; readonly text: string }
    | null
  /** The name that the client itself gave its conversation. */
  readonly clientSession: { readonly evidence: 'header' | 'client-id' | 'import'; readonly name: string } | null
}

/** Why a request that should have been recorded was not. */
export type DropReason =
  | 'queue-full'
  | 'too-large'
  | 'unreadable'
  | 'disk-full'
  | 'folder-full'
  | 'storage-failed'
  | 'recorder-failed'
  | 'erased-subject'
