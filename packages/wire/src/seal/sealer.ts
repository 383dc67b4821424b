/**
 * The sealer: reasoning in, opaque token out, and back.
 *
 *   token := "ptl1." base64url( keyId[4] nonce[12] AES-256-GCM( zstd( JSON ) ) tag[16] )
 *
 * Stateless and deterministic. The nonce is a MAC of the very bytes that get encrypted, so equal content
 * gives an equal token (histories stay byte-stable) and two different contents never share a nonce. Two
 * sub-keys come from the master key by HKDF. A token names its key by a 4-byte id, so keys can be rotated:
 * the first key seals, any key opens. What is left out: expiry and binding to a caller; the token holds
 * only what that caller was already shown, or was promised to get back.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { SealedReasoning, Sealer } from './seal.ts'

const prefix = 'ptl1.'
const keyIdBytes = 4
const nonceBytes = 12
const tagBytes = 16
/** Longest reasoning that we open again; a token whose content claims more is treated as foreign. */
const maxOpenedBytes = 64 * 1024 * 1024
/** base64url of the largest content above, uncompressed, with room for the frame. */
const maxTokenLength = Math.ceil(((maxOpenedBytes + 64) * 4) / 3) + prefix.length

interface SealingKey {
  readonly id: Buffer
  readonly encryption: Buffer
  readonly nonce: Buffer
}

/**
 * @param masterKeys One secret of at least 16 bytes, or several, the current one first.
 * @throws {RangeError} when there is no key, or one is too short to be a secret.
 */
export function createSealer(masterKeys: Uint8Array | readonly Uint8Array[]): Sealer {
  const keys = (masterKeys instanceof Uint8Array ? [masterKeys] : masterKeys).map(deriveKey)
  const current = keys[0]
  if (current === undefined) throw new RangeError('A sealer needs at least one master key.')

  return {
    isOurs: (token) => token.startsWith(prefix),

    seal(content) {
      const plain = zstdCompressSync(Buffer.from(encode(content), 'utf8'))
      const nonce = createHmac('sha256', current.nonce).update(plain).digest().subarray(0, nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', current.encryption, nonce).setAAD(authenticated(current))
      const sealed = [cipher.update(plain), cipher.final()]
      return prefix + Buffer.concat([current.id, nonce, ...sealed, cipher.getAuthTag()]).toString('base64url')
    },

    open(token) {
      if (!token.startsWith(prefix) || token.length > maxTokenLength) return null
      const text = token.slice(prefix.length)
      const frame = Buffer.from(text, 'base64url')
      if (frame.length < keyIdBytes + nonceBytes + tagBytes) return null
      // Buffer skips characters outside the alphabet; only the one true spelling is a token.
      if (frame.toString('base64url') !== text) return null
      const key = keys.find((candidate) => candidate.id.equals(frame.subarray(0, keyIdBytes)))
      if (key === undefined) return null
      try {
        const nonce = frame.subarray(keyIdBytes, keyIdBytes + nonceBytes)
        const decipher = createDecipheriv('aes-256-gcm', key.encryption, nonce, { authTagLength: tagBytes })
          .setAAD(authenticated(key))
          .setAuthTag(frame.subarray(-tagBytes))
        const plain = Buffer.concat([
          decipher.update(frame.subarray(keyIdBytes + nonceBytes, -tagBytes)),
          decipher.final(),
        ])
        return decode(zstdDecompressSync(plain, { maxOutputLength: maxOpenedBytes }).toString('utf8'))
      } catch {
        // Altered, sealed under another key with the same id, or larger than we open: not ours.
        return null
      }
    },
  }
}

function deriveKey(master: Uint8Array): SealingKey {
  if (master.byteLength < 16) throw new RangeError('A sealing master key must have at least 16 bytes.')
  const derive = (purpose: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', master, new Uint8Array(0), `portolan ${prefix}${purpose}`, bytes))
  return { id: derive('id', keyIdBytes), encryption: derive('encryption', 32), nonce: derive('nonce', 32) }
}

function authenticated(key: SealingKey): Buffer {
  return Buffer.concat([Buffer.from(prefix, 'utf8'), key.id])
}

/** Short names, fixed order, arguments sorted by call id: equal content is equal text. */
function encode(content: SealedReasoning): string {
  const byCallId = Object.entries(content.toolArguments).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const token = content.token
  return JSON.stringify({
    f: content.family,
    r: content.reasoning,
    ...(byCallId.length > 0 && { a: byCallId }),
    ...(token !== undefined && { t: [token.family, token.data, token.id ?? null, token.redacted ?? null] }),
  })
}

/** Authenticated, so the shape is ours; an older or newer release may still have written it. */
function decode(text: string): SealedReasoning | null {
  const value = JSON.parse(text) as { f?: unknown; r?: unknown; a?: unknown; t?: unknown }
  if (typeof value.f !== 'string' || typeof value.r !== 'string') return null
  const toolArguments = Object.fromEntries((value.a ?? []) as readonly (readonly [string, string])[])
  if (!Array.isArray(value.t)) return { family: value.f, reasoning: value.r, toolArguments }
  const [family, data, id, redacted] = value.t as [string, string, string | null, boolean | null]
  return {
    family: value.f,
    reasoning: value.r,
    toolArguments,
    token: { family, data, ...(id !== null && { id }), ...(redacted !== null && { redacted }) },
  }
}
