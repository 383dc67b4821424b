/**
 * Client keys on node:sqlite: looked up by hash on every request. Found keys are kept for as long as the keys'
 * version stands still, and the version is read once a turn of the event loop: a key that any process revokes is
 * refused from the next turn on.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  displayOf,
  hashSecret,
  secretFromBytes,
  type KeyInput,
  type KeyRecord,
  type KeyStore,
  type NewKey,
} from '../keys.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, toStoreError } from './database.ts'

const mostFoundKeys = 10_000

export class SqliteKeyStore implements KeyStore {
  readonly #database: DatabaseSync
  readonly #byHash: StatementSync
  readonly #version: StatementSync
  readonly #found = new Map<string, KeyRecord>()
  /** The version that `#found` was read under. */
  #foundVersion = -1
  /** The version has been read in this turn. */
  #versionIsFresh = false

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#byHash = database.prepare(`${selectKeys} WHERE hash = ?`)
    this.#version = database.prepare(`SELECT value FROM counters WHERE name = 'keys'`)
  }

  createKey(input: KeyInput, nowMs: number, randomBytes: Uint8Array): NewKey {
    const secret = secretFromBytes(randomBytes)
    const hash = hashSecret(secret)
    const key: KeyRecord = {
      // Taken from the hash: unique like it, and it says nothing about the secret.
      id: `key_${hash.slice(0, 16)}`,
      name: input.name,
      display: displayOf(secret),
      models: input.models ?? [],
      createdAtMs: nowMs,
      expiresAtMs: input.expiresAtMs ?? null,
      revokedAtMs: null,
      tags: input.tags ?? {},
      teamId: input.teamId ?? null,
      organisationId: null,
    }
    const organisationId = inTransaction(this.#database, () => {
      this.#database
        .prepare(
          `INSERT INTO keys (id, hash, name, display, models, tags, created_at_ms, expires_at_ms, revoked_at_ms, team_id)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)`,
        )
        .run(
          key.id,
          hash,
          key.name,
          key.display,
          JSON.stringify(key.models),
          JSON.stringify(key.tags),
          key.createdAtMs,
          key.expiresAtMs,
          key.teamId,
        )
      this.#bumpVersion()
      return key.teamId === null ? null : this.#organisationOf(key.teamId)
    })
    return { key: { ...key, organisationId }, secret }
  }

  findByHash(hash: string): KeyRecord | null {
    // The version first: a key that changes between the two reads is then read anew next time.
    if (!this.#versionIsFresh) this.#refreshVersion()
    const found = this.#found.get(hash)
    if (found !== undefined) return found
    const fields = this.#read(() => this.#byHash.get(hash))
    if (fields === undefined) return null
    const key = toKeyRecord(fields)
    if (this.#found.size >= mostFoundKeys) this.#found.clear()
    this.#found.set(hash, key)
    return key
  }

  listKeys(): readonly KeyRecord[] {
    return this.#read(() => this.#database.prepare(`${selectKeys} ORDER BY keys.created_at_ms, keys.id`).all()).map(
      toKeyRecord,
    )
  }

  moveKey(id: string, teamId: string | null): boolean {
    return inTransaction(this.#database, () => {
      if (teamId !== null) this.#organisationOf(teamId)
      const { changes } = this.#database.prepare('UPDATE keys SET team_id = ? WHERE id = ?').run(teamId, id)
      this.#bumpVersion()
      return changes > 0
    })
  }

  revokeKey(id: string, nowMs: number): boolean {
    return inTransaction(this.#database, () => {
      const { changes } = this.#database
        .prepare('UPDATE keys SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL')
        .run(nowMs, id)
      if (changes === 0) return false
      this.#bumpVersion()
      return true
    })
  }

  keysVersion(): number {
    return Number(this.#read(() => this.#version.get())?.['value'] ?? 0)
  }

  /** @throws {StoreError} STORE_BAD_ROW for a team that does not exist. */
  #organisationOf(teamId: string): string | null {
    const team = this.#database.prepare('SELECT organisation_id FROM teams WHERE id = ?').get(teamId)
    if (team === undefined) throw new StoreError('STORE_BAD_ROW', `There is no team "${teamId}".`)
    const id = team['organisation_id']
    return typeof id === 'string' ? id : null
  }

  /** Even one number costs the locks of a read transaction, which under load is 15 us a request. */
  #refreshVersion(): void {
    const version = this.keysVersion()
    if (version !== this.#foundVersion) this.#found.clear()
    this.#foundVersion = version
    this.#versionIsFresh = true
    setImmediate(() => {
      this.#versionIsFresh = false
    })
  }

  #bumpVersion(): void {
    this.#versionIsFresh = false
    bumpKeysVersion(this.#database)
  }

  #read<T>(query: () => T): T {
    try {
      return query()
    } catch (error) {
      throw toStoreError(error, 'reading keys')
    }
  }
}

/** Inside a transaction: every process reads its keys, and what holds them, anew. */
export function bumpKeysVersion(database: DatabaseSync): void {
  database.exec(`UPDATE counters SET value = value + 1 WHERE name = 'keys'`)
}

const selectKeys = 'SELECT keys.*, teams.organisation_id FROM keys LEFT JOIN teams ON teams.id = keys.team_id'

function toKeyRecord(fields: Readonly<Record<string, unknown>>): KeyRecord {
  const models: unknown = JSON.parse(String(fields['models']))
  const tags: unknown = JSON.parse(String(fields['tags']))
  return {
    id: String(fields['id']),
    name: String(fields['name']),
    display: String(fields['display']),
    models: Array.isArray(models) ? models.map(String) : [],
    createdAtMs: Number(fields['created_at_ms']),
    expiresAtMs: fields['expires_at_ms'] === null ? null : Number(fields['expires_at_ms']),
    revokedAtMs: fields['revoked_at_ms'] === null ? null : Number(fields['revoked_at_ms']),
    tags: Object.fromEntries(Object.entries(tags ?? {}).map(([name, value]) => [name, String(value)])),
    teamId: textOrNull(fields['team_id']),
    organisationId: textOrNull(fields['organisation_id']),
  }
}

export function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
