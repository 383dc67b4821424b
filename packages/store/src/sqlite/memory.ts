/**
 * Reasoning memory on node:sqlite, encrypted at rest (AES-256-GCM): what a model thought about a caller's
 * data is the caller's data. The tenant and call id are authenticated, so that a payload moved to another
 * row does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { ReasoningMemory, RememberedCall } from '../memory.ts'
import { toStoreError } from './database.ts'
import { defaultMemoryBounds, type MemoryBounds } from '../in-process-memory.ts'

const nonceBytes = 12
const tagBytes = 16
// A read refreshes the entry's age only when it is this stale, so that most reads write nothing.
const refreshAfterMs = 60_000
const putsBetweenSweeps = 64

export class SqliteReasoningMemory implements ReasoningMemory {
  readonly #key: Uint8Array
  readonly #bounds: MemoryBounds
  readonly #put: StatementSync
  readonly #get: StatementSync
  readonly #touch: StatementSync
  readonly #dropOld: StatementSync
  readonly #dropExcess: StatementSync
  #puts = 0

  /** @param key 32 bytes that are not stored in the database. */
  constructor(database: DatabaseSync, key: Uint8Array, bounds: Partial<MemoryBounds> = {}) {
    this.#key = key
    this.#bounds = { ...defaultMemoryBounds, ...bounds }
    this.#put = database.prepare(
      `INSERT INTO reasoning_memory (tenant_id, call_id, payload, used_at_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (tenant_id, call_id) DO UPDATE SET payload = excluded.payload, used_at_ms = excluded.used_at_ms`,
    )
    this.#get = database.prepare(
      'SELECT seq, payload, used_at_ms FROM reasoning_memory WHERE tenant_id = ? AND call_id = ? AND used_at_ms > ?',
    )
    this.#touch = database.prepare('UPDATE reasoning_memory SET used_at_ms = ? WHERE seq = ?')
    this.#dropOld = database.prepare('DELETE FROM reasoning_memory WHERE used_at_ms <= ?')
    this.#dropExcess = database.prepare(
      `DELETE FROM reasoning_memory WHERE seq IN
       (SELECT seq FROM reasoning_memory ORDER BY used_at_ms DESC, seq DESC LIMIT -1 OFFSET ?)`,
    )
  }

  put(callId: string, tenantId: string, call: RememberedCall, nowMs: number): void {
    const clear = JSON.stringify([call.family, call.reasoning, call.argumentsText])
    if (callId.length > 256 || Buffer.byteLength(clear) > this.#bounds.maxCallBytes) return
    try {
      this.#put.run(tenantId, callId, this.#seal(clear, tenantId, callId), Math.round(nowMs))
      this.#puts += 1
      if (this.#puts % putsBetweenSweeps === 0) this.sweep(nowMs)
    } catch (error) {
      throw toStoreError(error, 'remembering reasoning')
    }
  }

  get(callId: string, tenantId: string, nowMs: number): RememberedCall | null {
    try {
      const fields = this.#get.get(tenantId, callId, Math.round(nowMs - this.#bounds.maxAgeMs))
      if (fields === undefined || !(fields['payload'] instanceof Uint8Array)) return null
      if (nowMs - Number(fields['used_at_ms']) > refreshAfterMs)
        this.#touch.run(Math.round(nowMs), Number(fields['seq']))
      return this.#open(fields['payload'], tenantId, callId)
    } catch (error) {
      throw toStoreError(error, 'recalling reasoning')
    }
  }

  /** Drops what is too old and what exceeds the row bound, least recently used first. */
  sweep(nowMs: number): void {
    this.#dropOld.run(Math.round(nowMs - this.#bounds.maxAgeMs))
    this.#dropExcess.run(this.#bounds.maxRows)
  }

  #seal(clear: string, tenantId: string, callId: string): Uint8Array {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(Buffer.from(JSON.stringify([tenantId, callId])))
    const sealed = Buffer.concat([cipher.update(clear, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
  }

  /** Null when the key has changed since: forgotten, not an error. */
  #open(payload: Uint8Array, tenantId: string, callId: string): RememberedCall | null {
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, payload.subarray(0, nonceBytes))
      decipher.setAAD(Buffer.from(JSON.stringify([tenantId, callId])))
      decipher.setAuthTag(payload.subarray(nonceBytes, nonceBytes + tagBytes))
      const clear = decipher.update(payload.subarray(nonceBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8')
      const fields: unknown = JSON.parse(clear)
      if (!Array.isArray(fields)) return null
      const [family, reasoning, argumentsText] = fields as unknown[]
      return {
        family: String(family),
        reasoning: String(reasoning),
        argumentsText: typeof argumentsText === 'string' ? argumentsText : null,
      }
    } catch {
      return null
    }
  }
}
