/**
 * The port of teams and organisations: a key is in at most one team, a team in at most one organisation.
 *
 * Their ids are the names that people give them (`red`, `acme`). Those of the configuration come and go with it;
 * a team that still has keys stays, because what it has spent stays.
 */
import type { LimitSource } from './limits.ts'

export interface TeamInput {
  readonly id: string
  readonly organisationId: string | null
}

export interface TeamRecord extends TeamInput {
  readonly source: LimitSource
  readonly createdAtMs: number
  /** Keys that are not revoked. */
  readonly keys: number
}

export interface OrganisationRecord {
  readonly id: string
  readonly source: LimitSource
  readonly createdAtMs: number
  readonly teams: number
}

export interface TeamStore {
  /** The teams of one source, all at once, and the organisations that they name. */
  syncTeams(source: LimitSource, teams: readonly TeamInput[], nowMs: number): void | Promise<void>
  putTeam(team: TeamInput, source: LimitSource, nowMs: number): void | Promise<void>
  /** @returns why not: no such team, keys in it, or made by the other source; null when it is gone. */
  removeTeam(id: string, source: LimitSource): TeamRefusal | null | Promise<TeamRefusal | null>
  listTeams(): readonly TeamRecord[] | Promise<readonly TeamRecord[]>
  listOrganisations(): readonly OrganisationRecord[] | Promise<readonly OrganisationRecord[]>
}

export type TeamRefusal = 'unknown' | 'has-keys' | 'other-source'
