/** `portolan keys`: made here, shown once, revocable at once (a running gateway reads the store on every request). */
import { randomBytes } from 'node:crypto'
import { keyRefusal, type KeyRecord, type SqliteStore } from '@portolan/store'
import { configuredLimits } from '../config/limits.ts'
import type { LoadedConfig } from '../config/load.ts'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'

export function createKey(
  name: string,
  options: CommonOptions & { readonly models?: string; readonly days?: number; readonly team?: string },
): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const nowMs = Date.now()
    const teamId = options.team === undefined ? null : knownTeam(store, loaded, options.team, nowMs)
    const models = options.models
      ?.split(',')
      .map((glob) => glob.trim())
      .filter((glob) => glob !== '')
    const expiresAtMs = options.days === undefined ? null : nowMs + options.days * 86_400_000
    const { key, secret } = store.keys.createKey({ name, models, expiresAtMs, teamId }, nowMs, randomBytes(32))
    console.log(
      options.json
        ? json({ ...key, secret })
        : `${secret}\n\nKey ${key.id} (${name}), ${member(key)}, ${scope(key)}, ${expiry(key)}. The secret is shown this once; keep it.`,
    )
  })
}

export function listKeys(options: CommonOptions): Promise<void> {
  return withData(options, ({ store }) => {
    const keys = store.keys.listKeys()
    if (options.json) console.log(json(keys))
    else if (keys.length === 0) console.log('No keys. `portolan keys create NAME` makes one.')
    else
      console.log(
        table(keys, [
          { title: 'ID', value: (key) => key.id },
          { title: 'NAME', value: (key) => key.name },
          { title: 'KEY', value: (key) => key.display },
          { title: 'TEAM', value: (key) => key.teamId ?? '' },
          { title: 'STATE', value: (key) => keyRefusal(key, null, Date.now()) ?? 'active' },
          { title: 'MODELS', value: scope },
          { title: 'EXPIRES', value: expiry },
          { title: 'CREATED', value: (key) => new Date(key.createdAtMs).toISOString().slice(0, 16) },
        ]),
      )
  })
}

/** @param team null: out of its team. */
export function moveKey(id: string, team: string | null, options: CommonOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const key = knownKey(store, id)
    const teamId = team === null ? null : knownTeam(store, loaded, team, Date.now())
    store.keys.moveKey(id, teamId)
    if (options.json) console.log(json({ id, team: teamId }))
    else console.log(`Key ${id} (${key.name}) is ${teamId === null ? 'in no team' : `in team ${teamId}`}, as of now.`)
  })
}

export function revokeKey(id: string, options: CommonOptions): Promise<void> {
  return withData(options, ({ store }) => {
    const known = knownKey(store, id)
    const revoked = store.keys.revokeKey(id, Date.now())
    if (options.json) console.log(json({ id, revoked }))
    else
      console.log(
        revoked ? `Key ${id} (${known.name}) is revoked, as of now.` : `Key ${id} (${known.name}) was revoked before.`,
      )
  })
}

function knownKey(store: SqliteStore, id: string): KeyRecord {
  const known = store.keys.listKeys().find((key) => key.id === id)
  if (!known)
    throw new CliError('CLI_NOT_FOUND', `There is no key with the id ${id}. \`portolan keys list\` shows all.`)
  return known
}

/** A team of the configuration or of the admin API. One that no gateway has taken up yet is made here. */
function knownTeam(store: SqliteStore, loaded: LoadedConfig, id: string, nowMs: number): string {
  const inStore = store.teams.listTeams()
  if (inStore.some((team) => team.id === id)) return id
  const { teams } = configuredLimits(loaded)
  const configured = teams.find((team) => team.id === id)
  if (configured === undefined) {
    const names = [...new Set([...inStore, ...teams].map((team) => team.id))]
    throw new CliError(
      'CLI_NOT_FOUND',
      `There is no team "${id}"; ${names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`}. Give portolan.yaml one: teams: { ${/^[\w.-]+$/.test(id) ? id : 'red'}: {} }`,
    )
  }
  store.teams.putTeam(configured, 'config', nowMs)
  return id
}

function member(key: KeyRecord): string {
  return key.teamId === null ? 'in no team' : `in team ${key.teamId}`
}

function scope(key: KeyRecord): string {
  return key.models.length === 0 ? 'all models' : key.models.join(', ')
}

function expiry(key: KeyRecord): string {
  return key.expiresAtMs === null ? 'never expires' : `expires ${new Date(key.expiresAtMs).toISOString().slice(0, 10)}`
}
