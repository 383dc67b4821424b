/**
 * Keys and ciphertext of recordings.
 *
 *   master key (file, environment or command) ─HKDF─┬▶ wrapping key ─▶ one random key per recording and subject
 *                                                    ├▶ pseudonyms of a tenant, ids of prompt blocks, the sampling salt
 *                                                    └▶ the pseudonym under which a subject is filed
 *
 * AES-256-GCM with a fresh 96-bit nonce for every record; the additional data bind a record to its recording, session
 * and place, so that a record put in another's stead does not open. Erasing a subject means destroying its wrapped
 * key: what is left is noise to everybody, ourselves included.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { CrossingError } from '../errors.ts'

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
/** No record is larger when it is opened: a body of 8 MiB and its answer, with room. */
const largestRecordBytes = 256 << 20

/** Where a record belongs. */
export interface RecordPlace {
  readonly recordingId: string
  readonly sessionId: string
  readonly seq: number
}

export class Vault {
  readonly #master: Uint8Array

  /** @param master 32 bytes. */
  constructor(master: Uint8Array) {
    if (master.length !== keyBytes)
      throw new CrossingError(
        'CROSSING_BAD_KEY',
        `The recording key must have ${keyBytes} bytes and has ${master.length}.`,
      )
    this.#master = master
  }

  /** A key of its own for each purpose: knowing one tells nothing about another. */
  derive(purpose: 'wrap' | 'pseudonym' | 'blocks' | 'sampling' | 'subject', scope: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#master, '', `portolan-recording-1\0${purpose}\0${scope}`, keyBytes))
  }

  /** The name a person's or conversation's data is filed under; the same for the same input, and not reversible. */
  subjectOf(keyId: string, endUser: string): string {
    return createHmac('sha256', this.derive('subject', keyId)).update(endUser).digest('hex').slice(0, 32)
  }

  /** A new data key, and the form in which it may lie on disk. */
  newDataKey(recordingId: string, subject: string): { readonly key: Buffer; readonly wrapped: Buffer } {
    const key = randomBytes(keyBytes)
    return { key, wrapped: encrypt(this.derive('wrap', recordingId), key, keyPlace(recordingId, subject)) }
  }

  /** @throws {CrossingError} CROSSING_BAD_KEY when this master key did not wrap it. */
  unwrap(wrapped: Uint8Array, recordingId: string, subject: string): Buffer {
    const key = decrypt(this.derive('wrap', recordingId), wrapped, keyPlace(recordingId, subject))
    if (key === null)
      throw new CrossingError(
        'CROSSING_BAD_KEY',
        `The recording ${recordingId} was encrypted under another recording key than the one in use.`,
      )
    return key
  }
}

/** Compressed, then encrypted: nonce, tag, ciphertext. */
export function sealRecord(key: Uint8Array, plain: string, place: RecordPlace): Buffer {
  return encrypt(key, deflateRawSync(plain, { level: 3 }), recordPlace(place))
}

/** @throws {CrossingError} CROSSING_DAMAGED for a changed bit, a swapped record or another key. */
export function openRecord(key: Uint8Array, sealed: Uint8Array, place: RecordPlace): string {
  const plain = decrypt(key, sealed, recordPlace(place))
  if (plain === null)
    throw new CrossingError(
      'CROSSING_DAMAGED',
      `Exchange ${place.seq} of session ${place.sessionId} does not open: its bytes were changed, swapped or cut.`,
    )
  return inflateRawSync(plain, { maxOutputLength: largestRecordBytes }).toString('utf8')
}

function recordPlace({ recordingId, sessionId, seq }: RecordPlace): string {
  return `exchange-1|${recordingId}|${sessionId}|${seq}`
}

function keyPlace(recordingId: string, subject: string): string {
  return `key-1|${recordingId}|${subject}`
}

function encrypt(key: Uint8Array, plain: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body])
}

/** Null when it does not authenticate. */
function decrypt(key: Uint8Array, sealed: Uint8Array, place: string): Buffer | null {
  if (sealed.length < nonceBytes + tagBytes) return null
  const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(place))
    .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes))
  try {
    return Buffer.concat([cipher.update(sealed.subarray(nonceBytes + tagBytes)), cipher.final()])
  } catch {
    return null
  }
}
