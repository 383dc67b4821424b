/**
 * Where a settled exchange may be handed to a recorder.
 *
 * Asked once per request whether the key is recorded; when it is not, nothing more is paid. When it is, references to
 * the body and to the answer's events are kept, and handed over after the caller has its last byte. The port must not
 * throw and must not wait; what it does with the exchange is no business of the gateway. A caller keeps a request out
 * with `x-portolan-record: off`.
 */
import type { IncomingHttpHeaders } from 'node:http'
import {
  ResponseAssembler,
  type CanonicalEvent,
  type CanonicalResponse,
  type MessagesVersion,
  type Protocol,
} from '@portolan/wire'
import type { KeyRecord, LedgerRow } from '@portolan/store'

export interface RecordingPort {
  /** Id of the recording that takes this key's traffic now; null: none does. */
  wants(key: KeyRecord): string | null
  offer(settled: SettledExchange): void
  /** The caller asked that this request not be recorded. */
  declined(recordingId: string): void
}

export interface SettledExchange {
  readonly recordingId: string
  readonly key: KeyRecord
  readonly row: LedgerRow
  readonly door: Protocol
  readonly messagesVersion: MessagesVersion
  /** As it came; null when it is too large to be read. */
  readonly body: Uint8Array | null
  readonly answer: CapturedAnswer | null
  readonly clientSession: { readonly evidence: 'header' | 'client-id'; readonly name: string } | null
}

export type CapturedAnswer =
  | { readonly kind: 'canonical'; readonly response: CanonicalResponse }
  | { readonly kind: 'body'; readonly protocol: Protocol; readonly text: string }

export function declinesRecording(headers: IncomingHttpHeaders): boolean {
  return (
    String(headers['x-portolan-record'] ?? '')
      .trim()
      .toLowerCase() === 'off'
  )
}

/** Keeps the answer of the attempt that counts. */
export class AnswerCapture {
  #assembler = new ResponseAssembler()
  #body: CapturedAnswer | null = null

  observe(event: CanonicalEvent): void {
    this.#assembler.push(event)
  }

  /** A whole answer that nobody had to read. */
  keepBody(protocol: Protocol, text: string): void {
    this.#body = { kind: 'body', protocol, text }
  }

  restart(): void {
    this.#assembler = new ResponseAssembler()
    this.#body = null
  }

  /** Null: no complete answer came. */
  get answer(): CapturedAnswer | null {
    if (this.#body !== null) return this.#body
    const response = this.#assembler.response()
    return response && { kind: 'canonical', response }
  }
}
