/**
 * The port of client keys, and how a key looks.
 *
 * A key is `ptl_` and 43 base62 digits from 32 random bytes (256 bits). It is stored as a plain SHA-256: slow,
 * salted hashes protect secrets that people choose; nobody can search 2^256, and the hash is looked up on
 * every request. Prefix and last four characters are kept so that a person can tell keys apart.
 */
import { hash } from 'node:crypto'

export interface KeyInput {
  /** For people; need not be unique. */
  readonly name: string
  /** Globs over model names (`deepseek-*`); empty or absent: every model. */
  readonly models?: readonly string[]
  /** Unix ms; null or absent: never. */
  readonly expiresAtMs?: number | null
  readonly tags?: Readonly<Record<string, string>>
  /** A team that exists; absent or null: none. */
  readonly teamId?: string | null
}

export interface KeyRecord {
  readonly id: string
  readonly name: string
  /** `ptl_Ab3...wxYZ` */
  readonly display: string
  readonly models: readonly string[]
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
  readonly tags: Readonly<Record<string, string>>
  readonly teamId: string | null
  /** The team's. */
  readonly organisationId: string | null
}

export interface NewKey {
  readonly key: KeyRecord
  /** Shown once; the store keeps its hash only. */
  readonly secret: string
}

export interface KeyStore {
  /** `randomBytes` gives 32 unpredictable bytes. */
  createKey(input: KeyInput, nowMs: number, randomBytes: Uint8Array): NewKey | Promise<NewKey>
  /** The key with this hash, revoked and expired ones included: the caller asks `keyRefusal`. */
  findByHash(hash: string): KeyRecord | null | Promise<KeyRecord | null>
  listKeys(): readonly KeyRecord[] | Promise<readonly KeyRecord[]>
  /** Puts a key into a team, or (null) takes it out. False when there is no such key. */
  moveKey(id: string, teamId: string | null): boolean | Promise<boolean>
  /** False when there is no such key or it was revoked before. */
  revokeKey(id: string, nowMs: number): boolean | Promise<boolean>
  /** Changes whenever any process adds, moves or revokes a key, or changes a team or a limit: a cache of keys is valid while it stands still. */
  keysVersion(): number | Promise<number>
}

export type KeyRefusal = 'revoked' | 'expired' | 'model-not-allowed'

/** Why this key may not be used now for this model; null when it may. `model` null: any (listing models). */
export function keyRefusal(key: KeyRecord, model: string | null, nowMs: number): KeyRefusal | null {
  if (key.revokedAtMs !== null) return 'revoked'
  if (key.expiresAtMs !== null && nowMs >= key.expiresAtMs) return 'expired'
  if (model !== null && !keyAllowsModel(key, model)) return 'model-not-allowed'
  return null
}

export function keyAllowsModel(key: Pick<KeyRecord, 'models'>, model: string): boolean {
  return key.models.length === 0 || key.models.some((glob) => matchesGlob(glob, model))
}

export function hashSecret(secret: string): string {
  return hash('sha256', secret)
}

export const secretPrefix = 'ptl_'
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
// 62^43 > 2^256: every 32-byte value has its own text.
const secretDigits = 43

export function secretFromBytes(bytes: Uint8Array): string {
  if (bytes.length < 32) throw new RangeError('A key needs at least 32 random bytes.')
  let value = 0n
  for (const byte of bytes.subarray(0, 32)) value = (value << 8n) | BigInt(byte)
  let text = ''
  for (let digit = 0; digit < secretDigits; digit++) {
    text = base62.charAt(Number(value % 62n)) + text
    value /= 62n
  }
  return secretPrefix + text
}

export function displayOf(secret: string): string {
  return `${secret.slice(0, secretPrefix.length + 3)}...${secret.slice(-4)}`
}

/** `*` stands for any run of characters; everything else is literal. Linear in the name for each star. */
export function matchesGlob(glob: string, name: string): boolean {
  const [first = '', ...rest] = glob.split('*')
  if (rest.length === 0) return glob === name
  const last = rest.pop() ?? ''
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false
  let at = first.length
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= name.length - last.length
}
