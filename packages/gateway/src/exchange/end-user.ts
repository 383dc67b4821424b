/**
 * The end user's id, as it may leave for a supplier.
 *
 * Claude Code packs device, account and session ids into `metadata.user_id`. Whole, it would tell a supplier
 * who the person is, and where the id isolates caches (DeepSeek's `user_id`) its session part would keep one
 * person's conversations from sharing a prefix. So across protocols it leaves as a stable pseudonym of the
 * account without the session. Plain ids that callers chose themselves pass as they are.
 */
import { hash } from 'node:crypto'

export function endUserForSupplier(endUser: string): string {
  const person = withoutSession(endUser)
  return person === null ? endUser : `usr_${hash('sha256', person, 'base64url').slice(0, 27)}`
}

/** The identifying part without the session; null for ids that are not of this kind. */
function withoutSession(endUser: string): string | null {
  if (endUser.startsWith('{')) {
    try {
      const { session_id: _session, ...person } = JSON.parse(endUser) as Record<string, unknown>
      return JSON.stringify(person)
    } catch {
      return null
    }
  }
  // Before 2.1: user_<hash>_account_<uuid>_session_<uuid>.
  const older = /^(user_[0-9a-f]+_account_[0-9a-f-]*)_session_[0-9a-f-]+$/i.exec(endUser)
  return older?.[1] ?? null
}
