/** Teams and organisations on node:sqlite. An organisation exists while a team names it. */
import type { DatabaseSync } from 'node:sqlite'
import type { LimitSource } from '../limits.ts'
import type { OrganisationRecord, TeamInput, TeamRecord, TeamRefusal, TeamStore } from '../teams.ts'
import { inTransaction, toStoreError } from './database.ts'
import { bumpKeysVersion, textOrNull } from './keys.ts'

export class SqliteTeamStore implements TeamStore {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  syncTeams(source: LimitSource, teams: readonly TeamInput[], nowMs: number): void {
    const before = this.listTeams().filter((team) => team.source === source)
    const same =
      before.every(({ id }) => teams.some((team) => team.id === id)) &&
      teams.every(({ id, organisationId }) =>
        before.some((team) => team.id === id && team.organisationId === organisationId),
      )
    if (same) return
    inTransaction(this.#database, () => {
      for (const team of teams) this.#put(team, source, nowMs)
      for (const { id, keys } of before) if (keys === 0 && !teams.some((team) => team.id === id)) this.#drop(id)
      this.#tidy()
    })
  }

  putTeam(team: TeamInput, source: LimitSource, nowMs: number): void {
    inTransaction(this.#database, () => {
      this.#put(team, source, nowMs)
      this.#tidy()
    })
  }

  removeTeam(id: string, source: LimitSource): TeamRefusal | null {
    return inTransaction(this.#database, () => {
      const team = this.listTeams().find((known) => known.id === id)
      if (team === undefined) return 'unknown'
      if (team.source !== source) return 'other-source'
      if (team.keys > 0) return 'has-keys'
      this.#drop(id)
      this.#tidy()
      return null
    })
  }

  listTeams(): readonly TeamRecord[] {
    return this.#all(
      `SELECT teams.*, (SELECT count(*) FROM keys WHERE team_id = teams.id AND revoked_at_ms IS NULL) AS members
       FROM teams ORDER BY id`,
    ).map((fields) => ({
      id: String(fields['id']),
      organisationId: textOrNull(fields['organisation_id']),
      source: sourceOf(fields['source']),
      createdAtMs: Number(fields['created_at_ms']),
      keys: Number(fields['members']),
    }))
  }

  listOrganisations(): readonly OrganisationRecord[] {
    return this.#all(
      `SELECT organisations.*, (SELECT count(*) FROM teams WHERE organisation_id = organisations.id) AS members
       FROM organisations ORDER BY id`,
    ).map((fields) => ({
      id: String(fields['id']),
      source: sourceOf(fields['source']),
      createdAtMs: Number(fields['created_at_ms']),
      teams: Number(fields['members']),
    }))
  }

  #put({ id, organisationId }: TeamInput, source: LimitSource, nowMs: number): void {
    if (organisationId !== null)
      this.#database
        .prepare('INSERT INTO organisations VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
        .run(organisationId, source, Math.round(nowMs))
    this.#database
      .prepare(
        `INSERT INTO teams (id, organisation_id, source, created_at_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET organisation_id = excluded.organisation_id, source = excluded.source`,
      )
      .run(id, organisationId, source, Math.round(nowMs))
  }

  #drop(id: string): void {
    // Revoked keys may still name it; they are nobody's any more.
    this.#database.prepare('UPDATE keys SET team_id = NULL WHERE team_id = ?').run(id)
    this.#database.prepare('DELETE FROM teams WHERE id = ?').run(id)
  }

  #tidy(): void {
    this.#database.exec(
      'DELETE FROM organisations WHERE id NOT IN (SELECT organisation_id FROM teams WHERE organisation_id IS NOT NULL)',
    )
    bumpKeysVersion(this.#database)
  }

  #all(sql: string): Readonly<Record<string, unknown>>[] {
    try {
      return this.#database.prepare(sql).all()
    } catch (error) {
      throw toStoreError(error, 'reading teams')
    }
  }
}

export function sourceOf(value: unknown): LimitSource {
  return value === 'admin' ? 'admin' : 'config'
}
