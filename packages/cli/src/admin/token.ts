/** The admin token: `ptla_` and 43 base62 digits of 256 random bits; shown once, stored as its SHA-256. */
import { randomBytes } from 'node:crypto'
import { hashSecret, secretFromBytes, type SqliteStore } from '@portolan/store'

const setting = 'admin-token-sha256'

function makeToken(): string {
  return secretFromBytes(randomBytes(32)).replace(/^ptl_/, 'ptla_')
}

export function adminTokenHash(store: SqliteStore): string | null {
  return store.settings.get(setting)
}

/** A token at the first start; null when there is one already. */
export function firstAdminToken(store: SqliteStore): string | null {
  if (adminTokenHash(store) !== null) return null
  const token = makeToken()
  return store.settings.setFirst(setting, hashSecret(token)) ? token : null
}

/** The one before is refused from the next call on, by every process. */
export function rotateAdminToken(store: SqliteStore): string {
  const token = makeToken()
  store.settings.set(setting, hashSecret(token))
  return token
}
