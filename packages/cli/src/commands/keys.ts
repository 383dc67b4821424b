/** `portolan keys`: made here, shown once, revocable at once (a running gateway reads the store on every request). */
import { randomBytes } from 'node:crypto'
import { keyRefusal, type KeyRecord } from '@portolan/store'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'

export function createKey(
  name: string,
  options: CommonOptions & { readonly models?: string; readonly days?: number },
): Promise<void> {
  return withData(options, ({ store }) => {
    const nowMs = Date.now()
    const models = options.models
      ?.split(',')
      .map((glob) => glob.trim())
      .filter((glob) => glob !== '')
    const expiresAtMs = options.days === undefined ? null : nowMs + options.days * 86_400_000
    const { key, secret } = store.keys.createKey({ name, models, expiresAtMs }, nowMs, randomBytes(32))
    console.log(
      options.json
        ? json({ ...key, secret })
        : `${secret}\n\nKey ${key.id} (${name}), ${scope(key)}, ${expiry(key)}. The secret is shown this once; keep it.`,
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
          { title: 'STATE', value: (key) => keyRefusal(key, null, Date.now()) ?? 'active' },
          { title: 'MODELS', value: scope },
          { title: 'EXPIRES', value: expiry },
          { title: 'CREATED', value: (key) => new Date(key.createdAtMs).toISOString().slice(0, 16) },
        ]),
      )
  })
}

export function revokeKey(id: string, options: CommonOptions): Promise<void> {
  return withData(options, ({ store }) => {
    const known = store.keys.listKeys().find((key) => key.id === id)
    if (!known)
      throw new CliError('CLI_NOT_FOUND', `There is no key with the id ${id}. \`portolan keys list\` shows all.`)
    const revoked = store.keys.revokeKey(id, Date.now())
    if (options.json) console.log(json({ id, revoked }))
    else
      console.log(
        revoked ? `Key ${id} (${known.name}) is revoked, as of now.` : `Key ${id} (${known.name}) was revoked before.`,
      )
  })
}

function scope(key: KeyRecord): string {
  return key.models.length === 0 ? 'all models' : key.models.join(', ')
}

function expiry(key: KeyRecord): string {
  return key.expiresAtMs === null ? 'never expires' : `expires ${new Date(key.expiresAtMs).toISOString().slice(0, 10)}`
}
